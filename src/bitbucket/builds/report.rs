//! Reports of code scanners (Code Insights): PublishReport (FACTS 5).

mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;
use tokio::time;

use crate::bitbucket::error::{Doubt, Part};
use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::ops::backoff;
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

use wire::{Annotation, Annotations, Report};

/// Which report.
#[derive(Debug)]
struct Target {
    repo: RepoId,
    commit: CommitId,
    key: String,
}

impl Target {
    /// `/rest/insights/latest/projects/{p}/repos/{r}/commits/{id}/reports/{key}`
    fn path(&self) -> Path {
        let commit = Path::repo_of("insights", &self.repo).segment("commits").segment(self.commit.as_str());
        commit.segment("reports").segment(&self.key)
    }

    fn annotations(&self) -> Path {
        self.path().segment("annotations")
    }
}

/// A report with its annotations, on its way to where it shall stand.
#[derive(Debug)]
struct Publication {
    target: Target,
    report: Report,
    annotations: Vec<Annotation>,
}

/// What stands where a report shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Just this.
    AsAsked,
    /// What Bitbucket may make of it, should it keep texts in another form than they were given.
    Alike,
    /// Something else, or nothing.
    Other,
}

fn draft(method: Method, path: Path) -> Draft {
    Draft::new(method, path, Permission::RepoRead)
}

/// `POST …/reports/{key}/annotations`
fn add_request(target: &Target, annotations: &[Annotation]) -> Request<Bytes> {
    #[derive(Serialize)]
    struct Body<'a> {
        annotations: &'a [Annotation],
    }
    draft(Method::POST, target.annotations()).json(&Body { annotations })
}

impl Client {
    /// Publishes a report; the same key replaces it with all its annotations. The very same report is not written again.
    ///
    /// Report and annotations are separate writes of Bitbucket's. Each is one that may be repeated: the report and the
    /// deletion are what they are however often they are done, and annotations are deleted before they are added again. In
    /// one client those who publish under one key take turns.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals, such as `PERMISSION_MISSING` for a report that
    /// another user has created; [`Error::InPart`] when the report is replaced and not all annotations are.
    pub async fn publish_report(
        &self,
        asked: pb::PublishReportRequest,
    ) -> Result<pb::PublishReportResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let report = Report::new(&asked)?;
        let annotations = asked.annotations.iter().map(Annotation::new).collect::<Result<Vec<_>, _>>()?;
        if asked.key.is_empty() || matches!(asked.key.as_str(), "." | "..") {
            return Err(Error::field("key", "must be a report's key, and not `.` or `..`"));
        }
        let commit = self.commit_in(&repo, &asked.commit_id).await?;
        let target = Target { repo, commit, key: asked.key };
        let count = i32::try_from(annotations.len()).unwrap_or(i32::MAX);
        let Target { repo, commit, key } = &target;
        let _turn = self.writes().turns.take(repo, &["report", commit.as_str(), key]).await;
        let publication = Publication { target, report, annotations };
        let unchanged = match self.compare(&publication).await? {
            Standing::AsAsked => true,
            Standing::Alike | Standing::Other => {
                self.publish(&publication).await?;
                false
            }
        };
        Ok(pb::PublishReportResponse { annotations: count, unchanged })
    }

    /// Publishes, and reads what stands then: an answer may have been lost, or another process may have published its own in
    /// between. What is not as asked is published again from the start, which deletes whatever has arrived.
    async fn publish(&self, publication: &Publication) -> Result<(), Error> {
        let mut doubt = None;
        for attempt in 0..ATTEMPTS {
            // Two processes that met would else meet again.
            time::sleep(backoff::jittered(PAUSE * attempt)).await;
            let lost = match self.replace(publication).await {
                Ok(()) => None,
                Err(lost) if lost.is_doubt() => Some(lost),
                Err(part @ Error::InPart { .. }) => return Err(part),
                // This attempt did nothing; what the one before did is as doubtful as it was.
                Err(nothing) => return Err(doubt.unwrap_or(nothing)),
            };
            let of = publication.annotations.len();
            match self.compare(publication).await {
                Ok(Standing::AsAsked) => return Ok(()),
                Ok(Standing::Alike) if lost.is_none() => return Ok(()),
                Ok(Standing::Alike | Standing::Other) => doubt = Some(lost.unwrap_or(CONTESTED)),
                Err(source) => return Err(lost.unwrap_or_else(|| in_part(of, of, source))),
            }
        }
        doubt.map_or(Ok(()), Err)
    }

    /// A failure after the first request leaves a report with some of its annotations, and says so.
    async fn replace(&self, Publication { target, report, annotations }: &Publication) -> Result<(), Error> {
        self.send(draft(Method::PUT, target.path()).json(report)).await?;
        let (mut done, of) = (0, annotations.len());
        // Bitbucket adds to those of a replaced report, and does not look for doubles.
        let deleted = self.send(draft(Method::DELETE, target.annotations()).empty()).await;
        deleted.map_err(|source| in_part(done, of, source))?;
        for some in chunks(annotations) {
            let added = self.send(add_request(target, some)).await;
            added.map_err(|source| in_part(done, of, source))?;
            done += some.len();
        }
        Ok(())
    }

    /// How what Bitbucket has compares with what is asked for.
    async fn compare(
        &self,
        Publication { target, report, annotations }: &Publication,
    ) -> Result<Standing, Error> {
        let found = match self.send(draft(Method::GET, target.path()).empty()).await {
            Ok(answer) => answer.json::<Report>()?,
            Err(error) if error.reason() == Some(Reason::NotFound) => return Ok(Standing::Other),
            Err(error) => return Err(error),
        };
        let there =
            self.send(draft(Method::GET, target.annotations()).empty()).await?.json::<Annotations>()?;
        Ok(if found.is(report) && there.are(annotations) {
            Standing::AsAsked
        } else if found.is_like(report) && there.are_like(annotations) {
            Standing::Alike
        } else {
            Standing::Other
        })
    }
}

fn in_part(done: usize, of: usize, source: Error) -> Error {
    Error::InPart { part: Part::Annotations, done, of, source: Box::new(source) }
}

/// Another process has published its own in between.
const CONTESTED: Error = Error::Uncertain { doubt: Doubt::Contested, source: None };

/// A later attempt settles what the one before it has left.
const ATTEMPTS: u32 = 3;

/// The pause before the second attempt, and up to half of it more; the third waits for twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Annotations that go at a time: few enough for a reverse proxy that allows a body 1 MiB, whatever their texts are.
fn chunks(all: &[Annotation]) -> Vec<&[Annotation]> {
    let (mut chunks, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, annotation) in all.iter().enumerate() {
        let length = annotation.longest();
        if at - from == MOST || (bytes + length > ROOM && at > from) {
            chunks.push(&all[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += length;
    }
    if from < all.len() {
        chunks.push(&all[from..]);
    }
    chunks
}

/// How many annotations go at a time.
const MOST: usize = 250;

/// The most bytes of their texts in one request.
const ROOM: usize = 900 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::builds::tests::web;

    #[test]
    fn no_request_is_larger_than_a_proxy_may_allow() {
        let of = |message: &str| {
            let asked = pb::Annotation { message: message.into(), ..Default::default() };
            Annotation::new(&asked).expect("one")
        };
        let lengths = |all: &[Annotation]| chunks(all).iter().map(|some| some.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&vec![of("short"); 600]), [250, 250, 100]);
        assert!(lengths(&[]).is_empty());
        let long = vec![of(&"\u{20ac}\n".repeat(1000)); 1000];
        assert_eq!(lengths(&long).iter().sum::<usize>(), 1000);
        for some in chunks(&long) {
            let target = Target {
                repo: web(),
                commit: CommitId::parse(&"a".repeat(40)).expect("whole"),
                key: "k".into(),
            };
            assert!(add_request(&target, some).body().len() < 1024 * 1024);
        }
    }

    #[test]
    fn a_key_is_one_segment() {
        let commit = CommitId::parse(&"a".repeat(40)).expect("whole");
        let target = Target { repo: web(), commit, key: "our/scan 1".into() };
        let uri = draft(Method::DELETE, target.annotations()).empty().uri().to_string();
        let path = format!("/rest/insights/latest/projects/SHOP/repos/web/commits/{}", "a".repeat(40));
        assert_eq!(uri, format!("{path}/reports/our%2Fscan%201/annotations"));
    }
}
