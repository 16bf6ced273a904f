//! Which comments are whose, as far as this client has posted or found them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Comments that belong to writes of this client, so that none answers for the write of another key or another caller.
#[derive(Debug, Default)]
pub(in crate::bitbucket) struct Claims {
    /// The number of a comment, and the key of its write, by which its caller is told too; `None` for a write without a key.
    /// The oldest first.
    claimed: Mutex<VecDeque<(i64, Option<u128>)>>,
}

impl Claims {
    /// Says that the comment is of the write with this key.
    pub(in crate::bitbucket) fn claim(&self, comment: i64, key: Option<u128>) {
        let mut claimed = lock(&self.claimed);
        if claimed.len() == MOST {
            claimed.pop_front();
        }
        claimed.push_back((comment, key));
    }

    /// The comments that are not of the write with this key.
    pub(in crate::bitbucket) fn of_others(&self, key: Option<u128>) -> Vec<i64> {
        let other = |&(comment, owner): &(i64, Option<u128>)| {
            // Two writes without a key are never the same.
            (owner.is_none() || owner != key).then_some(comment)
        };
        lock(&self.claimed).iter().filter_map(other).collect()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many are remembered: an equal comment matters for as long as a key may be tried again.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_of_one_key() {
        let claims = Claims::default();
        claims.claim(1, Some(7));
        claims.claim(2, Some(8));
        claims.claim(3, None);
        assert_eq!(claims.of_others(Some(7)), [2, 3]);
        assert_eq!(claims.of_others(None), [1, 2, 3]);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let claims = Claims::default();
        (0..=i64::try_from(MOST).unwrap()).for_each(|comment| claims.claim(comment, None));
        let left = claims.of_others(None);
        assert_eq!((left.len(), left[0]), (MOST, 1));
    }
}
