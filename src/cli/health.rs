//! `gitproxy health`: what the running agent says of itself.

use std::io;
use std::path::PathBuf;

use clap::ArgMatches;
use gitproxy::agent::status;
use gitproxy::ops::settings::Problems;

use super::exit::Exit;
use super::{QUESTION, failed, read, say, unusable};

/// A probe asks often and must be quick: nothing but the one setting is read, and there is no runtime.
pub(super) fn health(flags: &ArgMatches) -> Exit {
    let mut problems = Problems::new();
    let layers = read(flags, &mut problems);
    let Some(socket) = layers.required::<PathBuf>("status.socket", &mut problems) else {
        return unusable(problems);
    };
    let told = match status::ask(&socket) {
        Ok(told) => told,
        Err(error) => return failed(format!("no answer at {}: {error}", socket.display())),
    };
    let ready = flags.get_one::<String>(QUESTION).is_some_and(|question| question == "ready");
    let good = if ready { told.ready } else { told.live };
    say(&mut io::stdout(), &format!("live: {}, ready: {}, link: {}", told.live, told.ready, told.link));
    if good { Exit::Done } else { Exit::Failed }
}
