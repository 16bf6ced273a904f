//! Writes whose answers are lost, and writes that an earlier attempt may have made.
//!
//! An answer is lost when the connection breaks after the request was sent: the write has happened, or has not, or is
//! still under way at the server. To repeat it blindly may do it twice; to give up leaves a caller that can only do what we
//! can do better. So a write in doubt is **read back**: what it would have made is looked for at once, and again after
//! pauses, since the server may go on with a request whose connection is gone. What is found is the answer. What is not
//! found is repeated once, and only where Bitbucket itself refuses a second one, so that even a first one that comes
//! through late cannot make two:
//!
//! | command | looked for | a second one is refused as |
//! |---|---|---|
//! | CreateBranch | the branch, at the commit of its start point | `DuplicateRefException` |
//! | OpenPR | the open pull request from and to the same branches: author, title, description, since the call began | `DuplicatePullRequestException` |
//! | EditFile | the same content at the branch | stale `sourceCommitId`; without one, `FileAlreadyExistsException` |
//! | PostComment | an equal comment since the call began | never: it is not repeated, and stays in doubt |
//!
//! With a key, the same looking also answers for attempts that went through another process, whose journal is not ours:
//! the first three when Bitbucket refuses, PostComment before it posts. UpdateComment of an expected version reads the comment
//! when Bitbucket refuses.
//!
//! **Clocks.** "Since the call began" is measured with Bitbucket's clock alone ([`bearings`]): its `Date` of an answer, and
//! the time that has passed here since. That has a resolution of a second and errs towards the past. "Since the key was
//! made" compares the caller's clock with Bitbucket's; see `docs/writes.md` for what follows.

use std::future::Future;
use std::time::Duration;

use tokio::time::{self, Instant};
use tracing::debug;

use crate::bitbucket::{Client, Error};

mod bearings;
mod claims;
mod turns;

use bearings::Known;
pub(super) use bearings::{Bearings, Since};
use claims::Claims;
use turns::Turns;

/// What a client knows for its writes.
#[derive(Debug, Default)]
pub(super) struct Writes {
    known: Known,
    pub(super) claims: Claims,
    pub(super) turns: Turns,
}

impl Client {
    /// Does a write that Bitbucket refuses a second time; `look` finds what it makes.
    ///
    /// # Errors
    /// What Bitbucket says, to the first try or to the second; [`Error::Uncertain`] when nobody knows after all.
    pub(super) async fn once_only<T, A, L>(
        &self,
        attempt: impl Fn() -> A + Send + Sync,
        look: impl Fn() -> L + Send + Sync,
    ) -> Result<T, Error>
    where
        T: Send,
        A: Future<Output = Result<T, Error>> + Send,
        L: Future<Output = Result<Option<T>, Error>> + Send,
    {
        let doubt = match attempt().await {
            Err(doubt @ Error::Uncertain { .. }) => doubt,
            known => return known,
        };
        if let Some(found) = self.look_again(&look).await {
            return Ok(found);
        }
        debug!("a write in doubt left no trace and is repeated, since Bitbucket refuses a second one");
        match attempt().await {
            Ok(done) => Ok(done),
            Err(Error::Uncertain { .. }) => self.look_again(&look).await.ok_or(doubt),
            // It may be the first one, come through late, that the second is refused for.
            Err(refused @ Error::Refused(_)) => match look().await {
                Ok(Some(found)) => Ok(found),
                Ok(None) => Err(refused),
                Err(_) => Err(doubt),
            },
            // The second was not done, but the first is as doubtful as before.
            Err(_) => Err(doubt),
        }
    }

    /// Looks for what a write in doubt would have made, a few times, inside the deadline. What cannot be looked at is not
    /// found.
    pub(super) async fn look_again<T, L>(&self, look: impl Fn() -> L + Send + Sync) -> Option<T>
    where
        L: Future<Output = Result<Option<T>, Error>> + Send,
    {
        for pause in PAUSES {
            if self.call().left().is_some_and(|left| left <= pause) {
                return None;
            }
            time::sleep(pause).await;
            match look().await {
                Ok(Some(found)) => return Some(found),
                Ok(None) => {}
                Err(error) => debug!(error = error.log(), "a write in doubt could not be read back"),
            }
        }
        None
    }

    /// From when on something is this call's: since it began, and with a key since that was made.
    pub(super) fn since(&self, began: Instant) -> Since {
        Since { began, key_made: self.call().key_made }
    }

    /// What is known of Bitbucket's clock and the token's user, asked at most once a minute.
    ///
    /// # Errors
    /// Bitbucket's refusals.
    pub(super) async fn bearings(&self) -> Result<Bearings, Error> {
        self.writes().known.of(self).await
    }
}

/// The pauses before each look. A request whose connection broke is done within a few seconds or has not arrived.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(2)];

#[cfg(test)]
mod tests;
