//! How many requests Bitbucket may be sent: one budget for each user of each server, whichever connection brought it.
//!
//! Bitbucket gives every user a bucket of tokens, by default 60 and 5 more a second, and answers 429 to a request that
//! finds none; git over HTTP spends from it too (FACTS 1.5). A [`Budget`] is the picture of that bucket on our side, so
//! that requests wait here, in an order that makes sense, in place of being refused there:
//! [`bucket`] counts tokens, [`queue`] says who gets the next one, and this file knows whose they are.
//!
//! Whose they are is what Bitbucket says in its answers (`X-AUSERNAME`, FACTS 1.2). Until it has said so a token is a user
//! of its own, or the one whom the operator's settings name; then what it has spent goes over into the user's budget.
//!
//! A connection that the cloud holds cannot get at the budget of somebody whose bucket it does not share, because only the
//! server itself can name the user, for its own origin and for a token that it has just accepted, and whoever has such a
//! token empties that user's bucket at Bitbucket anyway; what the connection says of its user counts for nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::bitbucket::Account;
use crate::bitbucket::account::Credential;
use crate::egress::Origin;

mod bucket;
mod purse;
mod queue;

pub(super) use purse::Purse;
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
    claims: Claims,
}

/// What the settings of a connection count for when they name its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claims {
    /// They are the operator's: the budget is that user's from the first request on.
    Believed,
    /// They come with the calls.
    Unproven,
}

#[derive(Debug)]
struct Shared {
    rate: Rate,
    /// This instance's part of each bucket, in thousandths.
    share: u32,
    known: HashMap<Owner, Arc<Budget>>,
    /// The users of the tokens that Bitbucket named last, so that a client that is made anew begins with the right budget.
    names: VecDeque<(Owner, Owner)>,
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
    /// A digest of the token, or of login and password, of a user whom nobody has named.
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
        let shared = Shared { rate, share: WHOLE, known: HashMap::new(), names: VecDeque::new() };
        Self { shared: Arc::new(Mutex::new(shared)), claims: Claims::Believed }
    }

    /// The same budgets for connections that come with calls: whoever sends one may write any user's name into it.
    #[must_use]
    pub fn for_held(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), claims: Claims::Unproven }
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

    /// What an account's requests are paid from.
    pub(super) fn purse(&self, account: &Account) -> Purse {
        let (token, claimed) = Owner::of(account);
        let home = claimed.filter(|_| self.claims == Claims::Believed).unwrap_or_else(|| token.clone());
        let mut shared = self.lock();
        let owner = shared.name_of(&token).unwrap_or_else(|| home.clone());
        let budget = shared.budget(&owner);
        drop(shared);
        Purse::new(self.clone(), token, home, (owner, budget))
    }

    /// The budget of the user whom Bitbucket takes `token` for, with what was the token's own until now.
    fn named(&self, token: &Owner, user: &Owner) -> Arc<Budget> {
        let mut shared = self.lock();
        shared.remember(token, user);
        let unnamed = shared.known.remove(token);
        match (shared.known.get(user).cloned(), unnamed) {
            (Some(budget), unnamed) => {
                unnamed.iter().for_each(|unnamed| budget.absorb(unnamed));
                budget
            }
            (None, Some(unnamed)) => {
                shared.known.insert(user.clone(), Arc::clone(&unnamed));
                unnamed
            }
            (None, None) => shared.budget(user),
        }
    }

    /// The budget of who uses a token that Bitbucket refuses.
    fn disowned(&self, token: &Owner, home: &Owner) -> Arc<Budget> {
        let mut shared = self.lock();
        shared.names.retain(|(named, _)| named != token);
        shared.budget(home)
    }

    /// Nothing below the lock can leave it half changed.
    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn budget(&mut self, owner: &Owner) -> Arc<Budget> {
        if let Some(known) = self.known.get(owner) {
            return Arc::clone(known);
        }
        self.forget_idle();
        let budget = Arc::new(Budget::new(self.rate, self.share));
        self.known.insert(owner.clone(), Arc::clone(&budget));
        budget
    }

    fn name_of(&self, token: &Owner) -> Option<Owner> {
        self.names.iter().find(|(named, _)| named == token).map(|(_, user)| user.clone())
    }

    /// What is forgotten is learned from the next answer: whoever wears out the memory gains or spoils no more than that.
    fn remember(&mut self, token: &Owner, user: &Owner) {
        self.names.retain(|(named, _)| named != token);
        if self.names.len() >= MOST {
            self.names.pop_front();
        }
        self.names.push_back((token.clone(), user.clone()));
    }

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
    /// By its token, and as the settings name it.
    fn of(account: &Account) -> (Self, Option<Self>) {
        let origin = Origin::of(&account.base).map_or_else(|_| account.base.to_string(), |it| it.to_string());
        let token = Self { origin, who: Who::Token(digest(&account.credential)) };
        let claimed = account.user.as_deref().or_else(|| account.credential.login());
        let claimed = claimed.map(|user| token.as_user(user));
        (token, claimed)
    }

    /// A user of the same server.
    fn as_user(&self, name: &str) -> Self {
        Self { origin: self.origin.clone(), who: Who::User(name.to_lowercase()) }
    }
}

/// The token itself is not kept, and two connections with the same one are still seen to be the same user.
fn digest(credential: &Credential) -> [u8; 32] {
    let login = credential.login().unwrap_or_default();
    // A name for basic authentication has no colon.
    let digest = Sha256::new().chain_update(login).chain_update(":");
    digest.chain_update(credential.secret().expose_secret()).finalize().into()
}

/// All of a bucket, in thousandths.
const WHOLE: u32 = 1000;

/// How many budgets are remembered beside those in use, and how many names; each is a few hundred bytes.
const MOST: usize = 256;

#[cfg(test)]
mod tests;
