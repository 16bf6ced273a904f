//! How the pipe rides on the one outbound gRPC stream.
//!
//! The first message each way is Hello and Welcome; then both ways carry bytes, cut anywhere, and now and then a word
//! about draining. This module alone knows tonic's side of it.

mod outbox;
mod pipe;

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Status, Streaming};

use self::outbox::Outbox;
pub use self::outbox::{Requests, Responses};
use self::pipe::Pipe;
pub use self::pipe::{AgentPipe, GatewayPipe};
use super::Channel;
use crate::ops::Key;
use crate::proto::tunnel::v1::attach_request::Message as FromAgent;
use crate::proto::tunnel::v1::attach_response::Message as FromGateway;
use crate::proto::tunnel::v1::tunnel_client::TunnelClient;
use crate::proto::tunnel::v1::{AttachRequest, AttachResponse, Drain, Draining, Hello, Welcome};
use crate::proto::{Fault, Reason};

/// The lowest and the highest protocol version that this build speaks.
pub const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;

/// The agent's end of a session.
#[derive(Debug)]
pub struct Attached {
    /// What the gateway granted.
    pub welcome: Welcome,
    /// The bytes.
    pub pipe: AgentPipe,
    /// The words beside the bytes.
    pub control: AgentControl,
}

/// What an agent says and hears beside the bytes.
#[derive(Debug)]
pub struct AgentControl {
    outbox: Outbox<AttachRequest>,
    words: mpsc::Receiver<Drain>,
}

/// What a gateway says and hears beside the bytes.
#[derive(Debug)]
pub struct GatewayControl {
    outbox: Outbox<AttachResponse>,
    words: mpsc::Receiver<Draining>,
}

/// A stream that has said Hello and waits for Welcome.
#[derive(Debug)]
pub struct Opening {
    stream: Streaming<AttachRequest>,
}

/// Attaches to the gateway at the other end of `transport`.
///
/// # Errors
/// The gateway's refusal, or what kept it from being heard: UNAVAILABLE when the connection ended, DEADLINE_EXCEEDED
/// after 10 s without Welcome, INVALID_ARGUMENT when something else came first.
pub async fn dial(
    transport: Channel,
    origin: http::Uri,
    key: &Key,
    hello: Hello,
) -> Result<Attached, Status> {
    let (outbox, requests) = outbox::requests();
    outbox.say(AttachRequest { message: Some(FromAgent::Hello(hello)) });
    let mut request = Request::new(requests);
    request.metadata_mut().insert("authorization", bearer(key)?);
    let mut client = TunnelClient::with_origin(transport, origin);
    let (welcome, stream) = timeout(GREETING, async {
        let mut stream = client.attach(request).await?.into_inner();
        match stream.message().await?.and_then(|first| first.message) {
            Some(FromGateway::Welcome(welcome)) => Ok((welcome, stream)),
            Some(FromGateway::Data(_) | FromGateway::Drain(_)) | None => {
                Err(broken("the gateway's first message is no Welcome"))
            }
        }
    })
    .await
    .map_err(|_| late("Welcome"))??;
    let (heard, words) = mpsc::channel(WORDS);
    let pipe = Pipe::new(stream, outbox.clone(), heard);
    Ok(Attached { welcome, pipe, control: AgentControl { outbox, words } })
}

/// Reads the Hello of an agent whose key has been checked.
///
/// # Errors
/// INVALID_ARGUMENT when something else comes first, FAILED_PRECONDITION when the agent's protocol is too old,
/// DEADLINE_EXCEEDED after 10 s without it.
pub async fn greet(mut stream: Streaming<AttachRequest>) -> Result<(Hello, Opening), Status> {
    let first = timeout(GREETING, stream.message()).await.map_err(|_| late("Hello"))??;
    match first.and_then(|first| first.message) {
        Some(FromAgent::Hello(hello)) => {
            speak_the_same(&hello)?;
            Ok((hello, Opening { stream }))
        }
        Some(FromAgent::Data(_) | FromAgent::Draining(_)) | None => {
            Err(broken("the first message is no Hello"))
        }
    }
}

impl Opening {
    /// Welcomes the agent. The third part is the response stream to hand to tonic.
    pub fn welcome(self, welcome: Welcome) -> (GatewayPipe, GatewayControl, Responses) {
        let (outbox, responses) = outbox::responses();
        outbox.say(AttachResponse { message: Some(FromGateway::Welcome(welcome)) });
        let (heard, words) = mpsc::channel(WORDS);
        let pipe = Pipe::new(self.stream, outbox.clone(), heard);
        (pipe, GatewayControl { outbox, words }, responses)
    }
}

impl AgentControl {
    /// Waits until the gateway asks to attach elsewhere; for ever when the session ends without that.
    pub async fn drained(&mut self) -> Drain {
        hear(&mut self.words).await
    }

    /// A word that has come and that nobody waited for, as when the session ended right after it.
    pub fn heard(&mut self) -> Option<Drain> {
        self.words.try_recv().ok()
    }

    /// Tells the gateway to send nothing new here.
    pub fn draining(&self, cause: &str) {
        let draining = Draining { cause: cause.chars().take(CAUSE).collect() };
        self.outbox.say(AttachRequest { message: Some(FromAgent::Draining(draining)) });
    }
}

impl GatewayControl {
    /// Waits until the agent says that it is about to stop; for ever when the session ends without that.
    pub async fn draining(&mut self) -> Draining {
        hear(&mut self.words).await
    }

    /// Asks the agent to attach elsewhere.
    pub fn drain(&self, drain: Drain) {
        self.outbox.say(AttachResponse { message: Some(FromGateway::Drain(drain)) });
    }
}

async fn hear<T>(words: &mut mpsc::Receiver<T>) -> T {
    match words.recv().await {
        Some(word) => word,
        None => std::future::pending().await,
    }
}

fn bearer(key: &Key) -> Result<AsciiMetadataValue, Status> {
    let text = format!("Bearer {}", key.secret().expose_secret());
    let mut value = AsciiMetadataValue::try_from(text).map_err(|_| broken("the key is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn speak_the_same(hello: &Hello) -> Result<(), Status> {
    let (oldest, newest) = PROTOCOL.into_inner();
    if hello.protocol_highest < oldest {
        return Err(Fault::new(
            Code::FailedPrecondition,
            Reason::ProtocolTooOld,
            format!(
                "the agent (build {}) speaks protocol {} at most, this gateway needs {oldest}: upgrade the agent",
                hello.build, hello.protocol_highest
            ),
        )
        .into());
    }
    if hello.protocol_lowest > newest {
        return Err(Fault::new(
            Code::FailedPrecondition,
            Reason::ProtocolTooOld,
            format!(
                "this gateway speaks protocol {newest} at most, the agent (build {}) needs {}: upgrade the gateway",
                hello.build, hello.protocol_lowest
            ),
        )
        .into());
    }
    Ok(())
}

fn broken(what: &str) -> Status {
    Fault::new(Code::InvalidArgument, Reason::ProtocolError, what).into()
}

fn late(what: &str) -> Status {
    Fault::new(Code::DeadlineExceeded, Reason::Deadline, format!("no {what} within {GREETING:?}")).into()
}

const GREETING: Duration = Duration::from_secs(10);

/// A peer says one word in a session's life; more than a few unheard ones are dropped.
const WORDS: usize = 4;

/// How many characters of a cause travel.
const CAUSE: usize = 200;

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
