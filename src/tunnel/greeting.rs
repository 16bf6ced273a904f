//! How the two ends greet each other: the access key, then Hello and Welcome. Attach and Probe greet in the same way.

use std::future::Future;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::timeout;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::ops::Key;
use crate::proto::tunnel::v1::{
    AttachRequest, AttachResponse, Hello, ProbeRequest, ProbeResponse, Welcome, attach_request,
    attach_response, probe_request, probe_response,
};
use crate::proto::{Fault, Reason};

/// The lowest and the highest protocol version that this build speaks.
pub const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;

/// A message that may open a stream.
pub(super) trait Opens {
    /// What it opens with.
    type Word;

    /// The opening word; `None` when the message is something else.
    fn opening(self) -> Option<Self::Word>;
}

/// Puts the access key beside the messages of a call.
pub(super) fn authorized<M>(messages: M, key: &Key) -> Result<Request<M>, Status> {
    let text = format!("Bearer {}", key.secret().expose_secret());
    let mut value = AsciiMetadataValue::try_from(text).map_err(|_| broken("the key is no header value"))?;
    value.set_sensitive(true);
    let mut request = Request::new(messages);
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

/// Makes a call and waits for its Welcome.
pub(super) async fn welcomed<M: Opens<Word = Welcome>>(
    call: impl Future<Output = Result<Response<Streaming<M>>, Status>>,
) -> Result<(Welcome, Streaming<M>), Status> {
    let greeted = timeout(GREETING, async {
        let mut stream = call.await?.into_inner();
        match stream.message().await?.and_then(Opens::opening) {
            Some(welcome) => Ok((welcome, stream)),
            None => Err(broken("the gateway's first message is no Welcome")),
        }
    });
    greeted.await.map_err(|_| late("what listens there took the greeting and gave no Welcome"))?
}

/// Reads the Hello of an agent whose key has been checked.
pub(super) async fn hello<M: Opens<Word = Hello>>(
    mut stream: Streaming<M>,
) -> Result<(Hello, Streaming<M>), Status> {
    let first = timeout(GREETING, stream.message()).await.map_err(|_| late("no Hello came"))??;
    let hello = first.and_then(Opens::opening).ok_or_else(|| broken("the first message is no Hello"))?;
    speak_the_same(&hello)?;
    Ok((hello, stream))
}

fn speak_the_same(hello: &Hello) -> Result<(), Fault> {
    let (oldest, newest) = PROTOCOL.into_inner();
    if hello.protocol_highest < oldest {
        return Err(too_old(format!(
            "the agent (build {}) speaks protocol {} at most, this gateway needs {oldest}: upgrade the agent",
            hello.build, hello.protocol_highest
        )));
    }
    if hello.protocol_lowest > newest {
        return Err(too_old(format!(
            "this gateway speaks protocol {newest} at most, the agent (build {}) needs {}: upgrade the gateway",
            hello.build, hello.protocol_lowest
        )));
    }
    Ok(())
}

fn too_old(message: String) -> Fault {
    Fault::new(Code::FailedPrecondition, Reason::ProtocolTooOld, message)
}

fn broken(what: &str) -> Status {
    Fault::new(Code::InvalidArgument, Reason::ProtocolError, what).into()
}

fn late(what: &str) -> Status {
    Fault::new(Code::DeadlineExceeded, Reason::Deadline, format!("{what} within {GREETING:?}")).into()
}

impl Opens for AttachRequest {
    type Word = Hello;

    fn opening(self) -> Option<Hello> {
        match self.message? {
            attach_request::Message::Hello(hello) => Some(hello),
            attach_request::Message::Data(_)
            | attach_request::Message::Draining(_)
            | attach_request::Message::Beat(_) => None,
        }
    }
}

impl Opens for ProbeRequest {
    type Word = Hello;

    fn opening(self) -> Option<Hello> {
        match self.message? {
            probe_request::Message::Hello(hello) => Some(hello),
            probe_request::Message::Data(_) => None,
        }
    }
}

impl Opens for AttachResponse {
    type Word = Welcome;

    fn opening(self) -> Option<Welcome> {
        match self.message? {
            attach_response::Message::Welcome(welcome) => Some(welcome),
            attach_response::Message::Data(_)
            | attach_response::Message::Drain(_)
            | attach_response::Message::Budget(_)
            | attach_response::Message::Replicas(_)
            | attach_response::Message::Beat(_) => None,
        }
    }
}

impl Opens for ProbeResponse {
    type Word = Welcome;

    fn opening(self) -> Option<Welcome> {
        match self.message? {
            probe_response::Message::Welcome(welcome) => Some(welcome),
            probe_response::Message::Data(_) => None,
        }
    }
}

const GREETING: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(lowest: u32, highest: u32) -> Hello {
        Hello {
            protocol_lowest: lowest,
            protocol_highest: highest,
            build: "0.0.1".into(),
            ..Hello::default()
        }
    }

    #[test]
    fn a_peer_that_is_too_old_is_told_what_to_upgrade() {
        let agent = speak_the_same(&hello(0, 0)).expect_err("too old");
        assert!(agent.message().contains("upgrade the agent"), "{agent}");
        let gateway = speak_the_same(&hello(2, 3)).expect_err("too new");
        assert!(gateway.message().contains("upgrade the gateway"), "{gateway}");
    }

    #[test]
    fn a_newer_peer_that_speaks_ours_too_is_welcome() {
        assert!(speak_the_same(&hello(1, 9)).is_ok());
    }
}
