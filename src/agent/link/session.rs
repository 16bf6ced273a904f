//! One session, from Welcome to its end.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::info;

use super::over::{Lost, Over};
use crate::ops::Tasks;
use crate::proto::tunnel::v1::{Drain, Welcome};
use crate::tunnel::attach::{AgentControl, Word};
use crate::tunnel::{Calls, Channel, Ended, Pulse};

/// A dial that attached.
pub(super) struct Session {
    pub(super) welcome: Welcome,
    pub(super) control: AgentControl,
    pub(super) serving: Serving,
    pub(super) outer: Channel,
    pub(super) tasks: SessionTasks,
    pub(super) since: Instant,
    pub(super) pulse: Pulse,
    pub(super) calls: Calls,
}

/// The tasks of one dial and its session, cut when it is dropped: a connection that hangs must not outlive its dial.
pub(super) struct SessionTasks(pub(super) Tasks);

pub(super) type Serving = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// What happens to a session.
pub(super) enum Event {
    /// Nothing has been heard for a while.
    Doubted,
    /// Something has been heard again.
    Revived,
    /// The gateway said something.
    Word(Word),
    /// It is over.
    Ended(Over),
}

impl Session {
    /// Serves until the session ends, and tells what happens to it as that of `seat`. When its tasks drain, the gateway is
    /// told, and the calls in flight finish.
    pub(super) async fn run(mut self, seat: u64, whole: Tasks, events: mpsc::Sender<(u64, Event)>) {
        let (mut leaving, mut doubted) = (false, false);
        let ended = loop {
            let event = tokio::select! {
                // First, since `serving` hears of the drain too and may be through before the gateway is told.
                biased;
                () = self.tasks.0.draining(), if !leaving => {
                    leaving = true;
                    self.control.draining(cause(&whole));
                    continue;
                }
                word = self.control.hear() => Event::Word(word),
                event = turn(&self.pulse, doubted) => event,
                ended = &mut self.serving => break ended,
            };
            doubted = match event {
                Event::Doubted => true,
                Event::Revived => false,
                Event::Word(_) | Event::Ended(_) => doubted,
            };
            // Without a link there is nobody to tell.
            let _ = events.send((seat, event)).await;
        };
        let over = self.ended(ended).await;
        let _ = events.send((seat, Event::Ended(over))).await;
    }

    /// Says how the session ended; the outer connection knows better than the pipe inside it why it did.
    pub(super) async fn ended(mut self, ended: Ended) -> Over {
        // A gateway without calls stops right after it said so: both may come in one read.
        if let Some(Drain { cause, .. }) = self.control.heard_drain() {
            info!(
                session = self.welcome.session,
                cause, "the gateway ended the session: attaching elsewhere"
            );
            return Over::Moved;
        }
        match ended {
            Ended::Drained => {
                self.last_bytes().await;
                Over::Drained
            }
            Ended::Lost(inner) if self.outer.is_closed() => {
                let cause = format!("{inner}; the connection: {}", self.outer.closed().await);
                Over::Lost(Lost { cause, rested: None })
            }
            Ended::Lost(cause) => match self.control.body_limit() {
                Some(limit) => Over::Limited(limit),
                None => Over::Lost(Lost { cause, rested: self.control.cut_after_rest() }),
            },
        }
    }

    /// Sees the last bytes off: cutting the connection at once would lose them.
    async fn last_bytes(self) {
        let Self { control, outer, tasks, .. } = self;
        // The connection ends by itself when nobody holds it any more.
        drop((control, outer));
        tasks.0.finish(LAST_BYTES).await;
    }
}

impl Drop for SessionTasks {
    fn drop(&mut self) {
        self.0.cut();
    }
}

async fn turn(pulse: &Pulse, doubted: bool) -> Event {
    if doubted {
        pulse.revived().await;
        Event::Revived
    } else {
        pulse.doubtful().await;
        Event::Doubted
    }
}

fn cause(whole: &Tasks) -> &'static str {
    if whole.is_draining() { "the agent stops" } else { "another session of this instance takes its calls" }
}

/// How long the last bytes of a session may take to leave.
const LAST_BYTES: Duration = Duration::from_secs(5);
