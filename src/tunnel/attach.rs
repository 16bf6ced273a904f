//! How the pipe rides on the one outbound gRPC stream.
//!
//! The first message each way is Hello and Welcome; then both ways carry bytes, cut anywhere, and now and then a word
//! about draining. This module alone knows tonic's side of it.

mod outbox;
mod pipe;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use self::outbox::Outbox;
pub use self::outbox::{BEAT, Requests, Responses};
pub use self::pipe::{AgentPipe, GatewayPipe};
use self::pipe::{End, Pipe};
use super::answer::GrpcOnly;
use super::body_limit::Sent;
pub use super::greeting::PROTOCOL;
use super::{Channel, body_limit, channel, greeting};
use crate::ops::Key;
use crate::proto::Fault;
use crate::proto::tunnel::v1::attach_request::Message as FromAgent;
use crate::proto::tunnel::v1::attach_response::Message as FromGateway;
use crate::proto::tunnel::v1::tunnel_client::TunnelClient;
use crate::proto::tunnel::v1::{
    AttachRequest, AttachResponse, Budget, Drain, Draining, Hello, Replicas, Welcome,
};

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
    words: mpsc::Receiver<Word>,
    end: Arc<OnceLock<End>>,
}

/// What a gateway may say beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is about to stop.
    Drain(Drain),
    /// The instance's share of the rate budgets is another from now on.
    Budget(Budget),
    /// There are more or fewer gateways from now on.
    Replicas(Replicas),
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
/// The gateway's refusal, or what kept it from being heard: UNAVAILABLE when the connection ended (TUNNEL_LOST; see
/// [`was_reset`]) or what answers speaks no gRPC (NOT_GRPC, BODY_LIMIT), DEADLINE_EXCEEDED after 10 s without Welcome,
/// INVALID_ARGUMENT when something else came first.
pub async fn dial(
    transport: Channel,
    origin: http::Uri,
    key: &Key,
    hello: Hello,
) -> Result<Attached, Status> {
    let (outbox, requests) = outbox::requests();
    outbox.say(AttachRequest { message: Some(FromAgent::Hello(hello)) });
    let request = greeting::authorized(requests, key)?;
    let mut client = TunnelClient::with_origin(GrpcOnly(transport), origin);
    let (welcome, stream) = greeting::welcomed(client.attach(request)).await?;
    let (heard, words) = mpsc::channel(WORDS);
    let pipe = Pipe::new(stream, outbox.clone(), heard);
    let end = pipe.end();
    Ok(Attached { welcome, pipe, control: AgentControl { outbox, words, end } })
}

/// Whether a status of [`dial`] means that the stream alone was reset, and the connection lives on.
pub fn was_reset(status: &Status) -> bool {
    channel::reset_of(status).is_some()
}

/// Reads the Hello of an agent whose key has been checked.
///
/// # Errors
/// INVALID_ARGUMENT when something else comes first, FAILED_PRECONDITION when the agent's protocol is too old,
/// DEADLINE_EXCEEDED after 10 s without it.
pub async fn greet(stream: Streaming<AttachRequest>) -> Result<(Hello, Opening), Status> {
    let (hello, stream) = greeting::hello(stream).await?;
    Ok((hello, Opening { stream }))
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
    /// Waits for the gateway's next word; for ever when the session ends without one.
    pub async fn hear(&mut self) -> Word {
        hear(&mut self.words).await
    }

    /// Waits until the gateway asks to attach elsewhere, whatever else it says; for ever when the session ends without
    /// that.
    pub async fn drained(&mut self) -> Drain {
        loop {
            if let Word::Drain(drain) = self.hear().await {
                return drain;
            }
        }
    }

    /// A request to attach elsewhere that has come and that nobody waited for, as when the session ended right after it.
    pub fn heard_drain(&mut self) -> Option<Drain> {
        std::iter::from_fn(|| self.words.try_recv().ok()).find_map(|word| match word {
            Word::Drain(drain) => Some(drain),
            Word::Budget(_) | Word::Replicas(_) => None,
        })
    }

    /// How many bytes have left for the gateway, with what gRPC puts around them.
    pub fn sent(&self) -> u64 {
        self.outbox.sent().0
    }

    /// Where something else than gitproxy ended the stream: how long it had rested by then, nothing of ours having left.
    pub fn cut_after_rest(&self) -> Option<Duration> {
        let End { status, at } = self.end.get()?;
        body_limit::is_foreign(status).then(|| at.saturating_duration_since(self.outbox.sent().1))
    }

    /// The body limit of a reverse proxy, where the way in which the stream ended speaks for it. The caller must know that
    /// the connection lives on: when that is lost too, the number of bytes sent means nothing.
    pub fn body_limit(&self) -> Option<Fault> {
        let End { status, at } = self.end.get()?;
        let (bytes, last) = self.outbox.sent();
        body_limit::suspected(status, Sent { bytes, before: at.saturating_duration_since(last) })
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

    /// Tells the instance its share of the rate budgets, in thousandths.
    pub fn share(&self, share_permille: u32) {
        self.outbox.say(AttachResponse { message: Some(FromGateway::Budget(Budget { share_permille })) });
    }

    /// Tells the instance how many gateways share the work.
    pub fn replicas(&self, count: u32) {
        self.outbox.say(AttachResponse { message: Some(FromGateway::Replicas(Replicas { count })) });
    }
}

async fn hear<T>(words: &mut mpsc::Receiver<T>) -> T {
    match words.recv().await {
        Some(word) => word,
        None => std::future::pending().await,
    }
}

/// Words come one by one, when the gateway drains, or when another instance or gateway comes or goes; more than these unheard are dropped.
const WORDS: usize = 16;

/// How many characters of a cause travel.
const CAUSE: usize = 200;
