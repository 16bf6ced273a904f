//! How many requests Bitbucket may be sent: one budget for each user of each server, whichever connection brought it.
//!
//! Bitbucket gives every user a bucket of tokens, by default 60 and 5 more a second, and answers 429 to a request that
//! finds none; git over HTTP spends from it too (FACTS 1.5). A [`Budget`] is the picture of that bucket on our side, so
//! that requests wait here, in an order that makes sense, in place of being refused there:
//! [`bucket`] counts tokens, [`queue`] says who gets the next one, and this file knows whose they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::bitbucket::Account;
use crate::bitbucket::account::Credential;
use crate::egress::Origin;

mod bucket;
mod queue;

pub(super) use queue::Place;
pub use queue::{Budget, Exhausted, Ticket};

/// What Bitbucket's administrator lets one user do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests at once, after a time without any.
    pub burst: u32,
    /// Requests a second that may go on for ever.
    pub per_second: u32,
}

/// The budgets of an agent; clones share them.
#[derive(Debug, Clone)]
pub struct Budgets {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    rate: Rate,
    /// This instance's part of each bucket, in thousandths.
    share: u32,
    known: HashMap<Owner, Arc<Budget>>,
}

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Owner {
    /// Scheme, host and port: two context paths of one server are one server.
    origin: String,
    who: Who,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    /// In lower case, as Bitbucket compares names.
    User(String),
    /// A digest of the token of a user who is not named.
    Token([u8; 32]),
}

impl Default for Rate {
    /// Bitbucket's own defaults (FACTS 1.5).
    fn default() -> Self {
        Self { burst: 60, per_second: 5 }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(Rate::default())
    }
}

impl Budgets {
    /// Makes budgets of `rate` each, all of it for this instance until it is told otherwise.
    pub fn new(rate: Rate) -> Self {
        let shared = Shared { rate, share: WHOLE, known: HashMap::new() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Takes over what the gateway says this instance's share is, in thousandths, at once and for every budget. 0 is
    /// what a gateway says that does not know, and means all.
    pub fn share(&self, permille: u32) {
        let share = if permille == 0 { WHOLE } else { permille.min(WHOLE) };
        let known: Vec<_> = {
            let mut shared = self.lock();
            shared.share = share;
            shared.known.values().cloned().collect()
        };
        for budget in known {
            budget.share(share);
        }
    }

    /// The budget that an account's requests are paid from.
    pub(super) fn of(&self, account: &Account) -> Arc<Budget> {
        let owner = Owner::of(account);
        let mut shared = self.lock();
        if let Some(known) = shared.known.get(&owner) {
            return Arc::clone(known);
        }
        shared.forget_idle();
        let budget = Arc::new(Budget::new(shared.rate, shared.share));
        shared.known.insert(owner, Arc::clone(&budget));
        budget
    }

    /// Nothing below the lock can leave it half changed.
    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Makes room for one more. What no client holds and is full again is as good as new; of the others that no client
    /// holds, which a connection may yet come back to, those go first that have least to remember.
    fn forget_idle(&mut self) {
        let now = Instant::now();
        self.known.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_full(now));
        while self.known.len() >= MOST {
            let idle = self.known.iter().filter(|(_, budget)| Arc::strong_count(budget) == 1);
            let fullest = idle.max_by(|(_, a), (_, b)| a.level(now).total_cmp(&b.level(now)));
            // Else all of them are some client's, and those are bounded elsewhere.
            let Some(fullest) = fullest.map(|(owner, _)| owner.clone()) else { return };
            self.known.remove(&fullest);
        }
    }
}

impl Owner {
    fn of(account: &Account) -> Self {
        let origin = Origin::of(&account.base).map_or_else(|_| account.base.to_string(), |it| it.to_string());
        let named = account.user.as_deref().or_else(|| account.credential.login());
        let who = named
            .map_or_else(|| Who::Token(digest(&account.credential)), |user| Who::User(user.to_lowercase()));
        Self { origin, who }
    }
}

/// The token itself is not kept, and two connections with the same one are still seen to be the same user.
fn digest(credential: &Credential) -> [u8; 32] {
    Sha256::digest(credential.secret().expose_secret().as_bytes()).into()
}

/// All of a bucket, in thousandths.
const WHOLE: u32 = 1000;

/// How many budgets are remembered beside those in use; each is a few hundred bytes.
const MOST: usize = 256;

#[cfg(test)]
mod tests;
