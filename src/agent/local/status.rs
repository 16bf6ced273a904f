//! The status socket: whoever connects is told how the agent is, and can ask for nothing.

mod report;

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize as _;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tracing::{debug, warn};

use super::socket::Socket;
use crate::agent::BUILD;
use crate::agent::link::{SessionStatus, Sessions, State, Tally};
use crate::agent::recent::{Ended, Recent};
use crate::proto::{Reason, code_name};
use crate::tunnel::Options;

pub use report::{Call, Connection, LastError, MOST_CONNECTIONS, Memory, Session, Status};

/// What there is to tell, and where it is seen.
#[derive(Debug, Clone)]
pub(in crate::agent) struct Teller {
    pub(in crate::agent) instance: String,
    pub(in crate::agent) began: Instant,
    pub(in crate::agent) state: watch::Receiver<State>,
    pub(in crate::agent) sessions: Sessions,
    pub(in crate::agent) tally: Tally,
    pub(in crate::agent) recent: Recent,
    pub(in crate::agent) options: Options,
    pub(in crate::agent) connections: Vec<Connection>,
}

impl Teller {
    fn status(&self) -> Status {
        let state = self.state.borrow().clone();
        Status {
            format: 1,
            live: true,
            ready: state.is_attached(),
            link: state.to_string(),
            instance: self.instance.clone(),
            build: BUILD.to_owned(),
            uptime_s: self.began.elapsed().as_secs(),
            // A link has fewer: one or two that are open, and those that finish.
            sessions: self.sessions.list().iter().take(MOST_SESSIONS).map(session).collect(),
            last_error: self.last_error(),
            memory: Memory {
                window: self.options.window,
                max_streams: self.options.max_streams,
                send_buffer: self.options.send_buffer(),
                worst_case: self.options.worst_case(),
            },
            connections: self.connections.iter().take(MOST_CONNECTIONS).cloned().collect(),
            connections_total: self.connections.len(),
            calls: self.recent.list().iter().map(call).collect(),
        }
    }

    fn last_error(&self) -> Option<LastError> {
        let trouble = self.tally.counts().trouble?;
        Some(LastError {
            ago_s: trouble.at.elapsed().as_secs(),
            verdict: trouble.verdict,
            cause: cut(&trouble.cause, LONGEST_TEXT),
            remedy: cut(&trouble.remedy, LONGEST_TEXT),
        })
    }
}

/// Asks the agent that listens at `path`; blocks for at most a second or two.
///
/// # Errors
/// When nobody answers there, or something else does.
pub fn ask(path: &Path) -> io::Result<Status> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.take(LONGEST).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::from)
}

/// Answers until the link has ended: a process that drains is still live, and nobody shall think it dead.
pub(in crate::agent) async fn serve(socket: Socket, teller: Teller) {
    let mut link = teller.state.clone();
    let ended = async move { link.wait_for(|state| *state == State::Ended).await.is_ok() };
    let mut ended = std::pin::pin!(ended);
    loop {
        let accepted = tokio::select! {
            // An error is an end too: the link is gone.
            _ = &mut ended => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => tell(stream, &teller.status()).await,
            Err(error) => {
                warn!(%error, "the status socket cannot accept");
                time::sleep(AFTER_ERROR).await;
            }
        }
    }
}

/// At most so many characters of a name that somebody else chose.
pub(in crate::agent) fn clipped(name: &str) -> String {
    cut(name, LONGEST_NAME)
}

/// A line fits into the socket's buffer, so nobody who does not read can hold up the next.
async fn tell(mut stream: tokio::net::UnixStream, status: &Status) {
    let mut line = Vec::new();
    if status.serialize(&mut serde_json::Serializer::new(&mut line)).is_err() {
        return;
    }
    line.push(b'\n');
    match time::timeout(PATIENCE, stream.write_all(&line)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "who asked for the status did not wait"),
        Err(_) => debug!("who asked for the status does not read"),
    }
}

fn session(session: &SessionStatus) -> Session {
    Session {
        id: clipped(&session.id),
        gateway: clipped(&session.gateway),
        phase: session.phase.as_str().to_owned(),
        attached_s: session.since.elapsed().as_secs(),
        quiet_ms: millis(session.quiet_for),
        round_trip_us: session.round_trip.map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX)),
        in_flight: session.in_flight,
    }
}

fn call(ended: &Ended) -> Call {
    let who = &ended.caller;
    let caller = match who.tenant.as_str() {
        "" => who.caller.clone(),
        tenant => format!("{tenant}/{}", who.caller),
    };
    Call {
        ago_ms: millis(ended.at.elapsed()),
        method: ended.method.to_owned(),
        connection: ended.connection.clone(),
        caller,
        code: code_name(ended.code).to_owned(),
        reason: ended.reason.map(|reason| Reason::word(reason).to_owned()),
        ms: millis(ended.lasted),
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const PATIENCE: Duration = Duration::from_secs(1);
const AFTER_ERROR: Duration = Duration::from_millis(200);
/// More than there ever is; who listens there may be somebody else.
const LONGEST: u64 = 256 * 1024;
/// In characters.
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 600;
const MOST_SESSIONS: usize = 16;

#[cfg(test)]
mod tests;
