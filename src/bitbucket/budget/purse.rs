//! A connection's hold on the budget of its user, whoever that turns out to be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Budget, Budgets, Owner};

/// Which budget a connection's requests are paid from, as far as Bitbucket has said whose they are.
#[derive(Debug)]
pub(in crate::bitbucket) struct Purse {
    budgets: Budgets,
    /// Who it is by the token that the connection was made with. A file may hold another one since: then only what is
    /// remembered of the first is wrong, until its next answer.
    token: Owner,
    /// Who it is when Bitbucket does not say.
    home: Owner,
    current: Mutex<(Owner, Arc<Budget>)>,
}

impl Purse {
    pub(super) fn new(budgets: Budgets, token: Owner, home: Owner, current: (Owner, Arc<Budget>)) -> Self {
        Self { budgets, token, home, current: Mutex::new(current) }
    }

    /// The budget of now. Who waits there already pays there, also when the connection has gone on to another user's.
    pub(in crate::bitbucket) fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.lock().1)
    }

    /// Takes over whom Bitbucket has taken a request for: the name as it says it, also that of a token without a user.
    pub(in crate::bitbucket) fn named(&self, name: &str) {
        if name.is_empty() || name.len() > LONGEST {
            return;
        }
        let user = self.token.as_user(name);
        let mut current = self.lock();
        if current.0 != user {
            current.1 = self.budgets.named(&self.token, &user);
            current.0 = user;
        }
    }

    /// Bitbucket has taken a request for nobody's, which is not counted there (FACTS 1.5): whosever the token was, it spends
    /// nothing of that user's any more.
    pub(in crate::bitbucket) fn disowned(&self) {
        let mut current = self.lock();
        if current.0 != self.home {
            *current = (self.home.clone(), self.budgets.disowned(&self.token, &self.home));
        }
    }

    /// Nothing below the lock can leave it half changed.
    fn lock(&self) -> MutexGuard<'_, (Owner, Arc<Budget>)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest name that is kept, in bytes; those of Bitbucket have at most 255 characters.
const LONGEST: usize = 1024;
