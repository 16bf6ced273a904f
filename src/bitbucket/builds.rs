//! What builds report: GetBuildStatus.
//!
//! The list is the old resource's, which every version has and no other enumerates (FACTS 5). It knows commits, but no
//! repositories: so that a connection's projects stay its limits, the commit is looked for in the repository first.

mod list;
mod report;
mod set;
mod wire;

use bytes::Bytes;
use http::Request;

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::page::Page;
use crate::bitbucket::pull_requests::number;
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;
use crate::proto::scm::v1::get_build_status_request::Target;

use wire::Wire;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/commits/{id}`
fn commit_request(repo: &RepoId, commit: &CommitId) -> Request<Bytes> {
    let path = Path::repo(repo).segment("commits").segment(commit.as_str());
    Draft::get(path, Permission::RepoRead).empty()
}

/// `GET /rest/build-status/latest/commits/{id}`: at most 100 a page.
fn request(commit: &CommitId, start: u64, limit: u32) -> Request<Bytes> {
    let path = Path::rest("build-status").segment("commits").segment(commit.as_str());
    Draft::get(path, Permission::RepoRead).query("orderBy", "NEWEST").page(start, limit).empty()
}

fn reply(reply: &Reply, start: u64) -> Result<Page<Wire>, Error> {
    Page::read(reply, start)
}

/// All builds together. One in a state that is not known keeps the rest from being a success.
pub(super) fn together(builds: &[pb::Build]) -> pb::BuildState {
    let any = |state: pb::BuildState| builds.iter().any(|build| build.state() == state);
    let order = [
        pb::BuildState::Failed,
        pb::BuildState::InProgress,
        pb::BuildState::Cancelled,
        pb::BuildState::Unspecified,
        pb::BuildState::Successful,
    ];
    order.into_iter().find(|state| any(*state)).unwrap_or(pb::BuildState::Unspecified)
}

impl Client {
    /// Reads what the builds of a commit, or of a pull request's head, say, the newest first; of over 1,000 builds, the
    /// 1,000 that Bitbucket gives first.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_build_status(
        &self,
        asked: pb::GetBuildStatusRequest,
    ) -> Result<pb::GetBuildStatusResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let target = asked
            .target
            .ok_or_else(|| Error::field("target", "is missing: name a commit or a pull request"))?;
        let commit = match target {
            Target::CommitId(id) => self.commit_in(&repo, &id).await?,
            Target::PrId(id) => self.head_of(&repo, id).await?,
        };
        self.build_status(&commit).await
    }

    /// What the builds of a commit say, the newest first; the commit is known to be in the repository.
    pub(super) async fn build_status(&self, commit: &CommitId) -> Result<pb::GetBuildStatusResponse, Error> {
        let mut builds = self.builds(commit).await?;
        builds.sort_by_key(|build| std::cmp::Reverse(build.reported_ms));
        let commit_id = commit.as_str().to_owned();
        Ok(pb::GetBuildStatusResponse { commit_id, state: together(&builds).into(), builds })
    }

    /// The commit of this id, if the repository has it.
    pub(super) async fn commit_in(&self, repo: &RepoId, id: &str) -> Result<CommitId, Error> {
        let commit = CommitId::parse(id).map_err(|why| Error::field("commit_id", why))?;
        let found = self.send(commit_request(repo, &commit)).await;
        found.map_err(|error| error.means(Reason::NotFound, Reason::RefNotFound))?;
        Ok(commit)
    }

    async fn head_of(&self, repo: &RepoId, id: i64) -> Result<CommitId, Error> {
        self.tip(&self.pull_request(repo, number("pr_id", id)?).await?)
    }

    /// The commit that a pull request is at.
    pub(super) fn tip(&self, pr: &pb::PullRequest) -> Result<CommitId, Error> {
        let head = pr.from.as_ref().map(|side| side.commit_id.as_str()).unwrap_or_default();
        CommitId::parse(head).map_err(|_| Error::Unreadable {
            base: self.base().into(),
            problem: "the pull request names no commit",
            source: None,
        })
    }

    /// The builds of a commit, at most 1,000, in the order that Bitbucket gives them.
    pub(super) async fn builds(&self, commit: &CommitId) -> Result<Vec<pb::Build>, Error> {
        let mut builds = Vec::new();
        let mut start = 0;
        for _ in 0..PAGES {
            let page = reply(&self.send(request(commit, start, PAGE)).await?, start)?;
            builds.extend(page.values.into_iter().map(pb::Build::from));
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        Ok(builds)
    }
}

/// The resource's own default, and the most that it gives.
const PAGE: u32 = 100;
const PAGES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::ProjectKey;

    pub(super) fn web() -> RepoId {
        let projects = [ProjectKey::parse("SHOP").expect("a key")].into_iter().collect();
        let named = pb::RepoRef { project: "SHOP".into(), slug: "web".into() };
        RepoId::parse("repo", Some(&named), &projects).expect("inside")
    }

    fn build(state: pb::BuildState) -> pb::Build {
        pb::Build { state: state.into(), ..Default::default() }
    }

    #[test]
    fn one_failure_outweighs_everything_and_nothing_is_unspecified() {
        use pb::BuildState::{Cancelled, Failed, InProgress, Successful, Unspecified};
        let all =
            |states: &[pb::BuildState]| together(&states.iter().copied().map(build).collect::<Vec<_>>());
        assert_eq!(all(&[]), Unspecified);
        assert_eq!(all(&[Successful, Successful]), Successful);
        assert_eq!(all(&[Successful, Cancelled]), Cancelled);
        assert_eq!(all(&[Cancelled, InProgress, Successful]), InProgress);
        assert_eq!(all(&[InProgress, Failed, Cancelled]), Failed);
        assert_eq!(all(&[Successful, Unspecified]), Unspecified);
    }

    #[test]
    fn odd_builds_are_read_with_what_they_have() {
        let json = r#"{"values":[{"key":"k1","state":"active","name":{"x":1},"url":"u"},
            {"key":"k2","state":"INPROGRESS","name":"CI","dateAdded":1787071430930}]}"#;
        let page = reply(&Reply::of(200, json), 0).expect("a page");
        let builds: Vec<_> = page.values.into_iter().map(pb::Build::from).collect();
        assert_eq!((builds[0].name.as_str(), builds[0].state()), ("k1", pb::BuildState::Unspecified));
        assert_eq!((builds[1].name.as_str(), builds[1].reported_ms), ("CI", 1_787_071_430_930));
    }

    #[test]
    fn the_list_is_the_old_resource_by_commit() {
        let commit = CommitId::parse(&"a".repeat(40)).expect("whole");
        let uri = request(&commit, 100, PAGE).uri().to_string();
        assert_eq!(
            uri,
            format!(
                "/rest/build-status/latest/commits/{}?orderBy=NEWEST&start=100&limit=100",
                "a".repeat(40)
            )
        );
    }
}
