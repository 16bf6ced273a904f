//! Lines for the reader's own shell.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;

use gitproxy::ops::Key;

use crate::house::{self, House};

/// The lines, with a word before each block. Each command begins its line with `grpcurl `.
pub(crate) fn lines(house: &House) -> String {
    let cloud = format!("-cacert {} {}", quoted(&house.ca().to_string_lossy()), header(house.caller()));
    let mut text = PREFACE.to_owned();
    block(&mut text, "The gateway, as the cloud service:", &cloud, house.gateway());
    if let Some(token) = house.debug_token() {
        let operator = format!("-plaintext {}", header(token));
        block(&mut text, "The agent's debug listener, as its operator:", &operator, house.debug());
    }
    text
}

fn block(text: &mut String, title: &str, flags: &str, address: SocketAddr) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n{title}\n\
         grpcurl {flags} {address} list\n\
         grpcurl {flags} {address} describe gitproxy.scm.v1.Repos\n\
         grpcurl {flags} -d '{{\"project\": \"SHOP\"}}' {address} gitproxy.scm.v1.Repos/ListRepos\n"
    );
}

fn header(key: &Key) -> String {
    format!("-H 'authorization: {}'", house::bearer(key))
}

/// The text as one word of a shell.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''")).into()
}

const PREFACE: &str = "\
Everything still runs. These lines are ready for another shell; the tokens in them
were made for this run, are shown on purpose, and are worthless after it.
";
