//! Reports of code scanners (Code Insights): PublishReport (FACTS 5).

mod wire;

use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
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
    /// deletion are what they are however often they are done, and annotations are deleted before they are added again.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals, such as `PERMISSION_MISSING` for a report that
    /// another user has created.
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
        if self.is_published(&target, &report, &annotations).await? {
            return Ok(pb::PublishReportResponse { annotations: count, unchanged: true });
        }
        match self.publish(&target, &report, &annotations).await {
            // Once more from the start, which deletes what may have arrived; unless all of it did.
            Err(doubt @ Error::Uncertain { .. }) => {
                match self.is_published(&target, &report, &annotations).await {
                    Ok(true) => {}
                    Ok(false) => {
                        let again = self.publish(&target, &report, &annotations).await;
                        again.map_err(|error| error.after(doubt))?;
                    }
                    Err(_) => return Err(doubt),
                }
            }
            published => published?,
        }
        Ok(pb::PublishReportResponse { annotations: count, unchanged: false })
    }

    async fn publish(&self, target: &Target, report: &Report, all: &[Annotation]) -> Result<(), Error> {
        self.send(draft(Method::PUT, target.path()).json(report)).await?;
        // Bitbucket adds to those of a replaced report, and does not look for doubles.
        self.send(draft(Method::DELETE, target.annotations()).empty()).await?;
        for some in all.chunks(CHUNK) {
            self.send(add_request(target, some)).await?;
        }
        Ok(())
    }

    /// Whether this report is there with just these annotations.
    async fn is_published(
        &self,
        target: &Target,
        report: &Report,
        annotations: &[Annotation],
    ) -> Result<bool, Error> {
        let found = match self.send(draft(Method::GET, target.path()).empty()).await {
            Ok(answer) => answer.json::<Report>()?,
            Err(error) if error.reason() == Some(Reason::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        };
        if !found.is(report) {
            return Ok(false);
        }
        let answer = self.send(draft(Method::GET, target.annotations()).empty()).await?;
        Ok(answer.json::<Annotations>()?.are(annotations))
    }
}

/// How many annotations go at a time: the longest messages stay below the 1 MiB that a reverse proxy may allow a body.
const CHUNK: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::builds::tests::web;

    #[test]
    fn a_key_is_one_segment() {
        let commit = CommitId::parse(&"a".repeat(40)).expect("whole");
        let target = Target { repo: web(), commit, key: "our/scan 1".into() };
        let uri = draft(Method::DELETE, target.annotations()).empty().uri().to_string();
        let path = format!("/rest/insights/latest/projects/SHOP/repos/web/commits/{}", "a".repeat(40));
        assert_eq!(uri, format!("{path}/reports/our%2Fscan%201/annotations"));
    }
}
