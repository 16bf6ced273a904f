//! The values that were used last, by the identity of a connection.

use std::collections::VecDeque;

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::scm::held::{Credential, Settings};

/// A digest of everything that a connection's client is made of: a renewed token is another identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity([u8; 32]);

impl Identity {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut digest = Sha256::new();
        // Each part with its length, so that no two lists of parts run together into the same bytes.
        let mut part = |bytes: &[u8]| {
            digest.update(bytes.len().to_be_bytes());
            digest.update(bytes);
        };
        part(settings.name.as_bytes());
        part(settings.base.as_str().as_bytes());
        match &settings.credential {
            Credential::Bearer(token) => {
                part(b"bearer");
                part(token.expose_secret().as_bytes());
            }
            Credential::Basic { user, password } => {
                part(b"basic");
                part(user.as_bytes());
                part(password.expose_secret().as_bytes());
            }
        }
        part(settings.user.as_deref().unwrap_or_default().as_bytes());
        for key in settings.projects.keys() {
            part(key.as_bytes());
        }
        Self(digest.finalize().into())
    }
}

/// Keeps at most `most` values and drops the one that was not used for longest. It is searched from end to end, which
/// for so few is quicker than to hash once more.
#[derive(Debug)]
pub(super) struct Cache<T> {
    most: usize,
    /// The one used last is at the back.
    kept: VecDeque<(Identity, T)>,
}

impl<T: Clone> Cache<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: VecDeque::new() }
    }

    pub(super) fn find(&mut self, identity: &Identity) -> Option<T> {
        let at = self.kept.iter().position(|(kept, _)| kept == identity)?;
        let found = self.kept.remove(at)?;
        let value = found.1.clone();
        self.kept.push_back(found);
        Some(value)
    }

    pub(super) fn keep(&mut self, identity: Identity, value: T) {
        if self.kept.len() >= self.most {
            self.kept.pop_front();
        }
        self.kept.push_back((identity, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, token: &str, projects: &[&str]) -> Settings {
        Settings {
            name: name.into(),
            base: "https://git.example".parse().expect("a URL"),
            user: None,
            credential: Credential::Bearer(token.into()),
            projects: projects.iter().copied().collect(),
        }
    }

    #[test]
    fn every_part_makes_an_identity_of_its_own() {
        let same = Identity::of(&settings("a", "t", &["A", "B"]));
        assert_eq!(same, Identity::of(&settings("a", "t", &["A", "B"])));
        let basic = Credential::Basic { user: "u".into(), password: "t".into() };
        for other in [
            settings("b", "t", &["A", "B"]),
            settings("a", "u", &["A", "B"]),
            settings("a", "t", &["AB"]),
            settings("a", "t", &["A"]),
            Settings { user: Some("u".into()), ..settings("a", "t", &["A", "B"]) },
            Settings { credential: basic, ..settings("a", "t", &["A", "B"]) },
            Settings { base: "https://git.example/x".parse().unwrap(), ..settings("a", "t", &["A", "B"]) },
        ] {
            assert_ne!(same, Identity::of(&other), "{other:?}");
        }
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_goes() {
        let identity = |name| Identity::of(&settings(name, "t", &[]));
        let mut cache = Cache::new(2);
        cache.keep(identity("a"), 'a');
        cache.keep(identity("b"), 'b');
        assert_eq!(cache.find(&identity("a")), Some('a'));
        cache.keep(identity("c"), 'c');
        assert_eq!(cache.find(&identity("b")), None);
        assert_eq!((cache.find(&identity("a")), cache.find(&identity("c"))), (Some('a'), Some('c')));
    }
}
