//! Lines for the reader's own shell.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::house::{self, House};

/// The lines, with a word before each block. Each command begins its line with `grpcurl `.
pub(crate) fn lines(house: &House) -> String {
    let ca = house.ca().to_string_lossy();
    let gateway = format!("-cacert {}", quoted(&ca));
    let mut text =
        "Everything still runs. These lines are ready for another shell; the tokens in them are this \
                    run's own, and worthless after it.\n"
            .to_owned();
    block(
        &mut text,
        "The gateway, as the cloud service:",
        &gateway,
        &house::bearer(house.caller()),
        house.gateway(),
    );
    if let Some((address, token)) = house.debug() {
        block(
            &mut text,
            "The agent's debug listener, as its operator:",
            "-plaintext",
            &house::bearer(token),
            address,
        );
    }
    text
}

fn block(text: &mut String, title: &str, trust: &str, bearer: &str, address: std::net::SocketAddr) {
    let head = format!("grpcurl {trust} -H 'authorization: {bearer}'");
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n{title}\n\
         {head} {address} list\n\
         {head} {address} describe gitproxy.scm.v1.Repos\n\
         {head} -d '{{\"project\": \"SHOP\"}}' {address} gitproxy.scm.v1.Repos/ListRepos\n"
    );
}

/// The text as one word of a shell.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''")).into()
}
