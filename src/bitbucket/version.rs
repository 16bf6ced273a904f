//! Bitbucket's version, and what it lacks (FACTS 8).
//!
//! Two of the features degrade by silently doing something else, so that the version is asked before they are used, and never
//! the answer after.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::text;
use crate::bitbucket::{Client, Error};

/// A version, such as 9.4.22; compared number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third; 0 where there is none.
    pub patch: u16,
}

/// What not every version has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// Builds that belong to a repository.
    RepositoryBuilds,
    /// One build of a repository, by its key.
    OneBuild,
    /// Builds that were cancelled or are in no known state.
    CancelledBuilds,
    /// Threads of comments that are resolved; older ones ignore it.
    ResolvedThreads,
    /// Merges that wait until nothing vetoes; older ones ignore it, and merge.
    AutoMerge,
    /// Drafts; older ones ignore it, and open for review.
    Drafts,
    /// Comments on several lines.
    MultilineComments,
}

impl Feature {
    /// The first version that has it, and its name in a message.
    fn since(self) -> (Version, &'static str) {
        match self {
            Self::RepositoryBuilds => (Version::new(7, 4), "builds of a repository"),
            Self::OneBuild => (Version::new(7, 14), "reading a build by its key"),
            Self::CancelledBuilds => (Version::new(8, 0), "cancelled builds"),
            Self::ResolvedThreads => (Version::new(8, 9), "resolving a thread of comments"),
            Self::AutoMerge => (Version::new(8, 15), "auto-merge"),
            Self::Drafts => (Version::new(8, 18), "draft pull requests"),
            Self::MultilineComments => (Version::new(8, 0), "comments on several lines"),
        }
    }
}

impl Version {
    const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor, patch: 0 }
    }

    /// Reads `9.4.22`, `10.4` and `9.0.0-m01`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(['.', '-', '+']).map(str::parse);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Self { major, minor, patch: numbers.next().and_then(Result::ok).unwrap_or_default() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch == 0 { Ok(()) } else { write!(f, ".{}", self.patch) }
    }
}

/// The version that was last seen, for a while: Bitbucket is upgraded under a running agent.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Option<(Version, Instant)>>);

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default, deserialize_with = "text")]
    version: String,
}

impl Client {
    /// Bitbucket's version, asked at most every ten minutes.
    ///
    /// # Errors
    /// Bitbucket's refusals; [`Error::Unreadable`] for a version that is none.
    pub(super) async fn version(&self) -> Result<Version, Error> {
        // Held while asking: who comes meanwhile waits for the one answer.
        let mut seen = self.seen().0.lock().await;
        if let Some((version, _)) = seen.filter(|(_, at)| at.elapsed() < FRESH) {
            return Ok(version);
        }
        let path = Path::rest("api").segment("application-properties");
        let reply = self.send(Draft::get(path, Permission::RepoRead).empty()).await?;
        let version = Version::parse(&reply.json::<Wire>()?.version);
        let version = version.ok_or_else(|| reply.unreadable("its version is not one of Bitbucket's"))?;
        *seen = Some((version, Instant::now()));
        Ok(version)
    }

    /// Whether this Bitbucket has it.
    ///
    /// # Errors
    /// As [`Client::version`].
    pub(super) async fn has(&self, feature: Feature) -> Result<bool, Error> {
        Ok(self.version().await? >= feature.since().0)
    }

    /// Refuses where this Bitbucket does not have it.
    ///
    /// # Errors
    /// [`Error::TooOld`], and as [`Client::version`].
    pub(super) async fn needs(&self, feature: Feature) -> Result<(), Error> {
        let (needs, what) = feature.since();
        match self.version().await? {
            version if version < needs => Err(Error::TooOld { what, version, needs }),
            _ => Ok(()),
        }
    }
}

const FRESH: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let of = |text| Version::parse(text).expect("a version");
        assert!(of("10.0.1") > of("9.4.22"));
        assert!(of("8.18") < of("8.18.1"));
        assert_eq!(of("9.0.0-m01"), of("9.0"));
        assert_eq!(
            (of("9.4.22").to_string(), of("8.15").to_string()),
            ("9.4.22".to_owned(), "8.15".to_owned())
        );
        assert_eq!((Version::parse(""), Version::parse("x.y"), Version::parse("9")), (None, None, None));
    }
}
