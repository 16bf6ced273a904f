//! Where the body of an answer goes.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use gitproxy::ops::causes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::Output;
use super::code::{Code, Failure};
use super::fetch::late;

/// Writes the body as it comes; each part of it may take `limit`.
pub(super) async fn keep(mut body: Incoming, output: &Output, limit: Duration) -> Result<(), Failure> {
    let unwritten =
        |error: io::Error| Failure::new(Code::File, format!("the answer cannot be written: {error}"));
    let Some(mut to) = open(output).map_err(unwritten)? else { return Ok(()) };
    loop {
        let part =
            timeout(limit, body.frame()).await.map_err(|_| late("the next part of the answer", limit))?;
        let Some(part) = part else { break };
        let part = part.map_err(|error| {
            Failure::new(Code::Network, format!("the answer ended in the middle: {}", causes(&error)))
        })?;
        if let Some(bytes) = part.data_ref() {
            // It may wait for who reads, and meanwhile there is nothing else to do.
            to.write_all(bytes).map_err(unwritten)?;
        }
    }
    to.flush().map_err(unwritten)
}

fn open(output: &Output) -> io::Result<Option<Box<dyn Write>>> {
    Ok(match output {
        Output::Nowhere => None,
        Output::Stdout => Some(Box::new(io::stdout())),
        Output::File(path) => Some(Box::new(File::create(path)?)),
    })
}
