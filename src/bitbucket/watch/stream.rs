//! The stream of a watch: looks, heartbeats between them, and its end.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, stream};
use tokio::time::{self, Instant};
use tracing::debug;

use crate::bitbucket::Error;
use crate::bitbucket::watch::State;
use crate::bitbucket::watch::pace::{Mood, Pace, Rhythm};
use crate::proto::Effect;

/// What is watched.
pub(super) trait Look: Sized + Send + 'static {
    /// What is sent.
    type Message: Send;

    /// Looks once.
    fn look(self) -> Looking<Self>;

    /// A message that only says that the watch goes on.
    fn heartbeat() -> Self::Message;
}

/// A look on its way; it gives back what looked.
pub(super) type Looking<L> = BoxFuture<'static, (L, Result<Looked<<L as Look>::Message>, Error>)>;

/// What a look found.
#[derive(Debug)]
pub(super) struct Looked<M> {
    pub(super) message: M,
    pub(super) state: State,
    pub(super) mood: Mood,
    pub(super) end: End,
}

/// Whether anything can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    NotYet,
    Reached,
}

/// Watches; `seen` is what the caller has already.
///
/// The first look is part of the stream: in a burst it waits long for its turn, and a caller who hears nothing at all may
/// take the call for a dead one.
pub(super) fn watch<L: Look>(
    look: L,
    seen: Option<State>,
    rhythm: Rhythm,
) -> impl Stream<Item = Result<L::Message, Error>> + Send + 'static + use<L> {
    let watch = Watch {
        doing: Doing::Looking(look.look()),
        seen,
        mood: Mood::Calm,
        pace: Pace::new(rhythm),
        beat: Instant::now() + HEARTBEAT,
        worked: None,
    };
    stream::try_unfold(
        watch,
        |mut watch| async move { Ok(watch.next().await?.map(|message| (message, watch))) },
    )
}

struct Watch<L: Look> {
    doing: Doing<L>,
    seen: Option<State>,
    mood: Mood,
    pace: Pace,
    /// When a sign of life is due.
    beat: Instant,
    /// When a look last worked, once one has.
    worked: Option<Instant>,
}

enum Doing<L: Look> {
    /// It is over.
    Nothing,
    Waiting(L, Instant),
    Looking(Looking<L>),
}

impl<L: Look> Watch<L> {
    async fn next(&mut self) -> Result<Option<L::Message>, Error> {
        loop {
            let step = match &mut self.doing {
                Doing::Nothing => return Ok(None),
                Doing::Waiting(_, until) => time::sleep_until(*until).map(|()| None).boxed(),
                Doing::Looking(look) => look.map(Some).boxed(),
            };
            let Ok(step) = time::timeout_at(self.beat, step).await else {
                self.beat = Instant::now() + HEARTBEAT;
                return Ok(Some(L::heartbeat()));
            };
            match step {
                None => self.begin(),
                Some((look, Ok(looked))) => {
                    if let Some(message) = self.found(look, looked) {
                        return Ok(Some(message));
                    }
                }
                Some((look, Err(error))) => self.failed(look, error)?,
            }
        }
    }

    fn begin(&mut self) {
        if let Doing::Waiting(look, _) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            self.doing = Doing::Looking(look.look());
        }
    }

    /// Takes in what a look found; a message where it is news. Who resumes, and has missed nothing, hears that at once.
    fn found(&mut self, look: L, looked: Looked<L::Message>) -> Option<L::Message> {
        let Looked { message, state, mood, end } = looked;
        let is_first = self.worked.replace(Instant::now()).is_none();
        self.mood = mood;
        let news = self.seen.replace(state) != Some(state);
        let delay = if news { self.pace.changed() } else { self.pace.same(mood) };
        self.doing = match end {
            End::NotYet => Doing::Waiting(look, Instant::now() + delay),
            End::Reached => Doing::Nothing,
        };
        let told = if news { Some(message) } else { is_first.then(L::heartbeat) };
        if told.is_some() {
            self.beat = Instant::now() + HEARTBEAT;
        }
        told
    }

    /// Looks again later, unless the failure is one that stays, or nothing worked yet: that is the answer to the call.
    fn failed(&mut self, look: L, error: Error) -> Result<(), Error> {
        let patient = self.worked.is_some_and(|worked| worked.elapsed() <= PATIENCE);
        if !error.may_pass() || !patient {
            self.doing = Doing::Nothing;
            return Err(error);
        }
        debug!(error = error.log(), "a watch could not look");
        self.doing = Doing::Waiting(look, Instant::now() + self.pace.same(self.mood));
        Ok(())
    }
}

impl Error {
    /// Whether the next look may fare better.
    fn may_pass(&self) -> bool {
        crate::bitbucket::client::may_repeat(self, Effect::Read) || matches!(self, Self::RateLimited { .. })
    }
}

/// As the contract promises.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long a watch goes on without a look that works.
const PATIENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests;
