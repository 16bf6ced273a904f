//! Builds page by page: ListBuilds, GetBuildLog.

use bytes::Bytes;
use http::Request;

use crate::bitbucket::builds::{self, wire::Wire};
use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::page::{self, Cursor, Listing};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::version::Feature;
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;
use crate::proto::scm::v1::list_builds_request::Target;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/commits/{id}/builds?key=`: one build (FACTS 5)
fn request(repo: &RepoId, commit: &CommitId, key: &str) -> Request<Bytes> {
    let path = Path::repo(repo).segment("commits").segment(commit.as_str()).segment("builds");
    Draft::get(path, Permission::RepoRead).query("key", key).empty()
}

impl Client {
    /// Lists builds, the newest of a page first; Bitbucket gives the newest pages first.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; [`Error::PageToken`] also when the head of the
    /// pull request has moved since the page before.
    pub async fn list_builds(&self, asked: pb::ListBuildsRequest) -> Result<pb::ListBuildsResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let size = page::size(asked.page_size, builds::PAGE, builds::PAGE)?;
        let target = asked
            .target
            .ok_or_else(|| Error::field("target", "is missing: name a commit or a pull request"))?;
        let commit = match target {
            Target::CommitId(id) => self.commit_in(&repo, &id).await?,
            Target::PrId(id) => self.head_of(&repo, id).await?,
        };
        let listing =
            Listing::new("ListBuilds", [repo.project().as_str(), repo.slug().as_str(), commit.as_str()]);
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let page = builds::reply(&self.send(builds::request(&commit, start, size)).await?, start)?;
        let mut builds: Vec<pb::Build> = page.values.into_iter().map(Into::into).collect();
        builds.sort_by_key(|build| std::cmp::Reverse(build.reported_ms));
        Ok(pb::ListBuildsResponse {
            commit_id: commit.as_str().to_owned(),
            builds,
            next_page_token: listing.token(page.next.map(|start| Cursor { part: 0, start })),
        })
    }

    /// Says that logs of builds are not stored, and where they are.
    ///
    /// # Errors
    /// [`Error::NoLogs`] always, unless something is wrong before: [`Error::NoBuild`], [`Error::Field`],
    /// [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_build_log(
        &self,
        asked: pb::GetBuildLogRequest,
    ) -> Result<pb::GetBuildLogResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let commit = self.commit_in(&repo, &asked.commit_id).await?;
        match self.build_of(&repo, &commit, &asked.key).await? {
            Some(build) => Err(Error::NoLogs { url: build.url }),
            None => Err(Error::NoBuild { key: asked.key }),
        }
    }

    /// The build of this key; in the older resource where the newer one does not know it, since a build that was reported
    /// there belongs to no repository.
    pub(super) async fn build_of(
        &self,
        repo: &RepoId,
        commit: &CommitId,
        key: &str,
    ) -> Result<Option<pb::Build>, Error> {
        if self.has(Feature::OneBuild).await? {
            match self.send(request(repo, commit, key)).await {
                Ok(found) => return Ok(Some(found.json::<Wire>()?.into())),
                Err(Error::Refused(refusal)) if refusal.reason == Reason::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let mut start = 0;
        loop {
            let answer = self.send(builds::request(commit, start, builds::PAGE)).await?;
            let page = builds::reply(&answer, start)?;
            let mut found = page.values.into_iter().map(pb::Build::from);
            if let Some(build) = found.find(|build| build.key == key) {
                return Ok(Some(build));
            }
            match page.next {
                Some(next) => start = next,
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::builds::tests::web;

    #[test]
    fn one_build_is_asked_for_by_its_key() {
        let commit = CommitId::parse(&"a".repeat(40)).expect("whole");
        let uri = request(&web(), &commit, "a/b c").uri().to_string();
        let path = format!("/rest/api/latest/projects/SHOP/repos/web/commits/{}/builds", "a".repeat(40));
        assert_eq!(uri, format!("{path}?key=a%2Fb%20c"));
    }
}
