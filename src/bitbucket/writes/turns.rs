//! Turns: of writes that would get in each other's way, one after the other on one connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;

use crate::bitbucket::names::RepoId;

/// Who is at it, by what it is.
#[derive(Debug, Default)]
pub(in crate::bitbucket) struct Turns {
    taken: Mutex<HashMap<Print, Arc<tokio::sync::Mutex<()>>>>,
}

type Print = [u8; 32];

impl Turns {
    /// Waits until nobody on this connection is at the same in the repository, and keeps others out for as long as the guard
    /// lives. `what` tells one from another by all of its parts.
    pub(in crate::bitbucket) async fn take(&self, repo: &RepoId, what: &[&str]) -> OwnedMutexGuard<()> {
        // Bitbucket takes both names in any case.
        let [project, slug] = [repo.project().as_str(), repo.slug().as_str()].map(str::to_lowercase);
        let what = [&[project.as_str(), &slug], what].concat();
        let place = {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.retain(|_, place| Arc::strong_count(place) > 1);
            Arc::clone(taken.entry(print(&what)).or_default())
        };
        place.lock_owned().await
    }
}

fn print(what: &[&str]) -> Print {
    let mut digest = Sha256::new();
    for part in what {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::bitbucket::names::ProjectKey;
    use crate::proto::scm::v1 as pb;

    fn repo(project: &str, slug: &str) -> RepoId {
        let projects = [ProjectKey::parse("SHOP").unwrap()].into_iter().collect();
        let named = pb::RepoRef { project: project.into(), slug: slug.into() };
        RepoId::parse("repo", Some(&named), &projects).unwrap()
    }

    #[tokio::test]
    async fn the_same_waits_what_differs_does_not_and_nothing_is_left_behind() {
        let turns = Turns::default();
        let web = repo("SHOP", "web");
        let first = turns.take(&web, &["a", "b"]).await;
        let other = (turns.take(&web, &["ab"]).await, turns.take(&repo("SHOP", "app"), &["a", "b"]).await);
        assert!(turns.take(&web, &["a", "b"]).now_or_never().is_none());
        assert!(turns.take(&repo("shop", "WEB"), &["a", "b"]).now_or_never().is_none());
        drop((first, other));
        drop(turns.take(&web, &["a", "b"]).await);
        assert_eq!(turns.taken.lock().unwrap().len(), 1);
    }
}
