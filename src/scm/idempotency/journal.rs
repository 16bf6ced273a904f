//! What became of the writes that had keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message;
use prost::bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Code;

use super::Key;
use crate::proto::{Fault, Reason};
use crate::scm::Command;
use crate::scm::connections::Connection;

/// How a write ended: the encoded answer, or the fault.
pub(in crate::scm) type Outcome = Result<Bytes, Fault>;

/// Whose key it is: tenant, caller, connection, method and key, as a digest, so that a line is small whatever the names
/// are and keeps none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::scm) struct Slot([u8; 32]);

/// What was asked for under the key: the digest of the encoded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scm) struct Print([u8; 32]);

/// The lines, bounded in number, bytes and age.
///
/// An answer is kept if it is final: a success, or a refusal that the same request would meet again for as long as it
/// stays the same. Of all else only the digest of the request is kept, so that the next try is a try of the same write:
/// where nothing was done, because somebody may have mended what stood in the way (a permission, a token, an archived
/// repository), and where nobody knows, because only the server can tell. So is what is too long to keep: the backend
/// finds at the server that it is done.
#[derive(Default)]
pub(in crate::scm) struct Journal {
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    by_slot: HashMap<Slot, Line>,
    /// Those that are not underway, the oldest first.
    by_age: BTreeMap<u64, Slot>,
    next: u64,
    bytes: usize,
}

struct Line {
    print: Print,
    state: State,
}

enum State {
    /// Somebody is at it; the channel carries how it ends, `None` until then.
    Underway(watch::Receiver<Option<Ended>>),
    /// Nobody is at it.
    Rests { number: u64, since: Instant, answer: Option<Outcome> },
}

/// How a turn ended, for those who waited.
#[derive(Debug, Clone)]
enum Ended {
    /// With this, which is theirs too.
    Outcome(Outcome),
    /// So that nothing can have happened: they try themselves.
    Nothing,
}

/// What a call finds.
pub(in crate::scm) enum Entered {
    /// Nobody has done it, as far as is known here: do it.
    Turn(Turn),
    /// The same call is underway.
    Twin(Twin),
    /// It is done.
    Done(Outcome),
    /// The key belongs to another request.
    Reused,
}

/// The right to do the write, until it is settled or dropped.
pub(in crate::scm) struct Turn {
    journal: Arc<Journal>,
    slot: Slot,
    tell: watch::Sender<Option<Ended>>,
    settled: bool,
}

/// The same call, underway.
pub(in crate::scm) struct Twin(watch::Receiver<Option<Ended>>);

impl Slot {
    pub(in crate::scm) fn of(command: &Command, connection: &Connection, key: Key) -> Self {
        let mut digest = Sha256::new();
        let key = key.to_string();
        let user = connection.user.as_deref().unwrap_or_default();
        let (tenant, caller) = (command.caller.tenant.as_str(), command.caller.caller.as_str());
        let parts = [tenant, caller, &connection.name, &connection.url, user, command.method.path, &key];
        for part in parts {
            // With its length, so that no two lists of parts run together into the same bytes.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

impl Print {
    /// Of a message without maps, whose encoding is one of its own.
    pub(in crate::scm) fn of(request: &impl Message) -> Self {
        Self(Sha256::digest(request.encode_to_vec()).into())
    }
}

impl Journal {
    /// Looks the key up, and takes the turn where it is free.
    pub(in crate::scm) fn enter(self: &Arc<Self>, slot: Slot, print: Print) -> Entered {
        let mut lines = self.lock();
        lines.forget(Instant::now());
        let rested = match lines.by_slot.get(&slot) {
            Some(line) if line.print != print => return Entered::Reused,
            Some(Line { state: State::Underway(ends), .. }) => return Entered::Twin(Twin(ends.clone())),
            Some(Line { state: State::Rests { answer: Some(outcome), .. }, .. }) => {
                return Entered::Done(outcome.clone());
            }
            Some(Line { state: State::Rests { number, .. }, .. }) => Some(*number),
            None => None,
        };
        if let Some(number) = rested {
            lines.by_age.remove(&number);
        }
        let (tell, ends) = watch::channel(None);
        lines.by_slot.insert(slot, Line { print, state: State::Underway(ends) });
        Entered::Turn(Turn { journal: Arc::clone(self), slot, tell, settled: false })
    }

    fn settle(&self, slot: Slot, answer: Option<Outcome>) {
        self.lock().rest(slot, answer, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn rest(&mut self, slot: Slot, answer: Option<Outcome>, now: Instant) {
        let Some(line) = self.by_slot.get_mut(&slot) else { return };
        let number = self.next;
        self.next += 1;
        self.bytes += size(answer.as_ref());
        line.state = State::Rests { number, since: now, answer };
        self.by_age.insert(number, slot);
        self.forget(now);
    }

    /// Drops what is too old, and the oldest for as long as there is too much.
    fn forget(&mut self, now: Instant) {
        while let Some((&number, &slot)) = self.by_age.first_key_value() {
            if let Some(Line { state: State::Rests { since, answer, .. }, .. }) = self.by_slot.get(&slot) {
                let old = now.saturating_duration_since(*since) >= AGE;
                if !old && self.by_age.len() <= LINES && self.bytes <= BYTES {
                    return;
                }
                self.bytes = self.bytes.saturating_sub(size(answer.as_ref()));
                self.by_slot.remove(&slot);
            }
            self.by_age.remove(&number);
        }
    }
}

impl Turn {
    /// Says how the write ended.
    pub(in crate::scm) fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        let ended =
            if proves_nothing_done(&outcome) { Ended::Nothing } else { Ended::Outcome(outcome.clone()) };
        let kept = Some(outcome).filter(|outcome| is_final(outcome) && size(Some(outcome)) <= ANSWER);
        self.end(kept, ended);
    }

    fn end(&self, answer: Option<Outcome>, ended: Ended) {
        // First the journal: who is told that it is free finds it so.
        self.journal.settle(self.slot, answer);
        self.tell.send_replace(Some(ended));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.settled {
            // Cut midway: only the server knows.
            self.end(None, Ended::Outcome(Err(super::uncertain())));
        }
    }
}

impl Twin {
    /// Waits for its end; `None` when nothing can have happened.
    pub(in crate::scm) async fn ended(mut self) -> Option<Outcome> {
        // A sender that is gone has sent, since a turn ends when it is dropped.
        let ended = self.0.wait_for(Option::is_some).await.ok()?.clone();
        match ended? {
            Ended::Outcome(outcome) => Some(outcome),
            Ended::Nothing => None,
        }
    }
}

/// Whether the same request would be answered the same again.
///
/// Neither NOT_FOUND nor PERMISSION_DENIED nor FAILED_PRECONDITION are final: the very remedy that they name makes the
/// same request succeed. Nor is ABORTED: the state that a request ran into may be gone.
fn is_final(outcome: &Outcome) -> bool {
    match outcome {
        Ok(_) => true,
        Err(fault) => matches!(fault.code(), Code::InvalidArgument | Code::AlreadyExists),
    }
}

/// Whether the failure shows that the server has not done the write.
fn proves_nothing_done(outcome: &Outcome) -> bool {
    let Err(fault) = outcome else { return false };
    match fault.code() {
        Code::ResourceExhausted => true,
        // A server that fails may have failed late; a connection that could not be made carried nothing.
        Code::Unavailable => !matches!(fault.reason(), Reason::EgressCut | Reason::BitbucketUnavailable),
        _ => false,
    }
}

/// What an answer takes, about, in bytes.
fn size(answer: Option<&Outcome>) -> usize {
    match answer {
        None => 0,
        Some(Ok(answer)) => answer.len(),
        Some(Err(fault)) => fault.message().len() + FACTS,
    }
}

/// How long an answer is remembered. Who repeats a call does it within seconds or, from a queue, within hours.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many are remembered: about 2 MiB of digests.
const LINES: usize = 8192;
/// The most bytes of answers, all together.
const BYTES: usize = 4 * 1024 * 1024;
/// The longest answer that is kept, in bytes. Most have a few hundred; a pull request with a long description has more.
const ANSWER: usize = 16 * 1024;
/// What the facts of a fault are taken for, in bytes.
const FACTS: usize = 256;

#[cfg(test)]
mod tests;
