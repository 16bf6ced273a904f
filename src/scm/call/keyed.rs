//! A write that has a key: done once, however often and at whatever time it is asked for.
//!
//! It runs in a task of its own. A caller that leaves, because its deadline passed or its connection broke, would
//! otherwise drop the write between two requests, or between a request and its answer: then nobody would know what became
//! of it, and a twin that waits would have nothing to wait for. So the write goes on to its end, for at most
//! [`GRACE`] after the deadline; the caller that comes back with the key finds its answer in the journal, and audit hears
//! what became of the write rather than that somebody left. What is cut, by the grace or by the end of the process, is in
//! doubt, as if the answer had been lost.
//!
//! Its [`Entry`] goes with it and keeps the call's place among those in flight: callers that come, write and leave cannot
//! have more writes going on than the stack admits calls.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use prost::bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time;
use tonic::{Code, Response, Status};

use super::Core;
use super::entry::Entry;
use crate::ops::Call;
use crate::proto::{Fault, Reason};
use crate::scm::connections::Connection;
use crate::scm::describe::Describe;
use crate::scm::idempotency::{Entered, Key, Outcome, Print, Slot, Turn, uncertain};
use crate::scm::{Reply, Scm};

/// Does the write, or waits for the twin that is at it, or gives the answer that it had.
pub(super) async fn once<Q, A, F>(
    core: &Core,
    (entry, key): (Entry, Key),
    connection: &Connection,
    (call, backend): (Call, Arc<dyn Scm>),
    request: Q,
    act: F,
) -> Result<Response<A>, Status>
where
    Q: Describe + Message,
    A: Message + Default + 'static,
    F: for<'a> FnOnce(&'a dyn Scm, Q) -> Reply<'a, A> + Send + 'static,
{
    let slot = Slot::of(&entry.command, connection, key);
    match turn(core, slot, Print::of(&request)).await {
        Ok(turn) => {
            let (tell, told) = oneshot::channel();
            core.tasks.spawn(async move {
                let outcome = bounded(call, act(&*backend, request)).await;
                turn.settle(encoded(&outcome));
                // Who has left hears nothing; audit does.
                let _ = tell.send(entry.close(outcome));
            });
            told.await.unwrap_or_else(|_| Err(uncertain().into()))
        }
        Err(outcome) => entry.close(decoded(outcome)),
    }
}

/// The turn to do it, or the answer of who had it.
async fn turn(core: &Core, slot: Slot, print: Print) -> Result<Turn, Outcome> {
    loop {
        match core.journal.enter(slot, print) {
            Entered::Turn(turn) => return Ok(turn),
            Entered::Done(outcome) => return Err(outcome),
            Entered::Reused => return Err(Err(reused())),
            Entered::Twin(twin) => {
                // Nothing happened, if it ends without an answer: then it is somebody else's turn.
                if let Some(outcome) = twin.ended().await {
                    return Err(outcome);
                }
            }
        }
    }
}

async fn bounded<A>(call: Call, write: impl Future<Output = Result<A, Fault>>) -> Result<A, Fault> {
    let limit = call.left().map_or(LONGEST, |left| left.saturating_add(GRACE));
    time::timeout(limit, write).await.unwrap_or_else(|_| Err(uncertain()))
}

fn encoded<A: Message>(outcome: &Result<A, Fault>) -> Outcome {
    match outcome {
        Ok(answer) => Ok(Bytes::from(answer.encode_to_vec())),
        Err(fault) => Err(fault.clone()),
    }
}

fn decoded<A: Message + Default>(outcome: Outcome) -> Result<A, Fault> {
    // The slot holds the method, so what was encoded as this type is decoded as this type.
    A::decode(outcome?).map_err(|_| Fault::internal("an answer in the journal of keys cannot be read"))
}

fn reused() -> Fault {
    let message =
        "the same `idempotency-key` came with another request; make a new key for each intended write";
    Fault::new(Code::Aborted, Reason::IdempotencyKeyReused, message)
}

/// How long a write may go on when nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(15);
/// How long a write may take that has no deadline; every one that comes through a stack has.
const LONGEST: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests;
