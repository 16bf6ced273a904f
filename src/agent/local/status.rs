//! The status socket: whoever connects is told whether the agent is live and ready, and can ask for nothing.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time;
use tracing::{debug, warn};

use super::socket::Socket;
use crate::agent::link::State;

/// What the socket tells, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the process works; it says so itself, so it is always true. It never depends on the gateway.
    pub live: bool,
    /// Whether the gateway can send calls.
    pub ready: bool,
    /// Where the link is, such as `attached`.
    pub link: String,
    /// The random id of the process.
    pub instance: String,
    /// The build.
    pub build: String,
}

impl Status {
    fn of(state: &State, instance: &str) -> Self {
        Self {
            live: true,
            ready: state.is_attached(),
            link: state.to_string(),
            instance: instance.to_owned(),
            build: crate::agent::BUILD.to_owned(),
        }
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
pub(in crate::agent) async fn serve(socket: Socket, state: watch::Receiver<State>, instance: String) {
    let mut link = state.clone();
    let ended = async move { link.wait_for(|state| *state == State::Ended).await.is_ok() };
    let mut ended = std::pin::pin!(ended);
    loop {
        let accepted = tokio::select! {
            // An error is an end too: the link is gone.
            _ = &mut ended => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let status = Status::of(&state.borrow(), &instance);
                tell(stream, &status).await;
            }
            Err(error) => {
                warn!(%error, "the status socket cannot accept");
                time::sleep(AFTER_ERROR).await;
            }
        }
    }
}

/// A line fits into the socket's buffer, so nobody who does not read can hold up the next.
async fn tell(mut stream: tokio::net::UnixStream, status: &Status) {
    let Ok(mut line) = serde_json::to_vec(status) else { return };
    line.push(b'\n');
    match time::timeout(PATIENCE, stream.write_all(&line)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "who asked for the status did not wait"),
        Err(_) => debug!("who asked for the status does not read"),
    }
}

const PATIENCE: Duration = Duration::from_secs(1);
const AFTER_ERROR: Duration = Duration::from_millis(200);
const LONGEST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::super::socket::Folder;
    use super::*;
    use crate::ops::Tasks;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_is_live_without_a_gateway_and_ready_only_with_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("status.sock");
        let (link, state) = watch::channel(State::Waiting);
        let tasks = Tasks::new();
        let socket = Socket::bind(&path, Folder::Any).expect("bound");
        tasks.spawn(serve(socket, state, "i-1".into()));
        let told = ask(&path).expect("an answer");
        assert_eq!((told.live, told.ready, told.link.as_str()), (true, false, "waiting"));
        let (gateway, agent, session) = ("g".into(), "a".into(), "s".into());
        link.send_replace(State::Attached { gateway, agent, session });
        let told = ask(&path).expect("an answer");
        assert!(told.ready && told.instance == "i-1", "{told:?}");
        link.send_replace(State::Draining);
        let told = ask(&path).expect("an answer");
        assert_eq!((told.live, told.ready), (true, false));
        link.send_replace(State::Ended);
        tasks.finish(Duration::from_secs(5)).await;
        assert!(ask(&path).is_err());
    }
}
