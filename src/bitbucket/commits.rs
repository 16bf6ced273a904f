//! Commits: ListCommits, GetCommit, CompareCommits.

mod wire;

use bytes::Bytes;
use http::Request;

use crate::bitbucket::changes::{self, Changes};
use crate::bitbucket::diff::revision;
use crate::bitbucket::names::{CommitId, RepoId, RepoPath, Revision};
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

pub(super) use wire::Wire;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/commits?until=…&since=…&path=…`
fn list_request(repo: &RepoId, which: &Which, start: u64, limit: u32) -> Request<Bytes> {
    Draft::get(Path::repo(repo).segment("commits"), Permission::RepoRead)
        .query_unless_empty("until", which.until.as_ref().map_or("", Revision::as_str))
        .query_unless_empty("since", which.since.as_ref().map_or("", Revision::as_str))
        .query_unless_empty("path", which.path.as_ref().map_or("", RepoPath::as_str))
        .page(start, limit)
        .empty()
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/commits/{id}`
pub(super) fn request(repo: &RepoId, commit: &CommitId) -> Request<Bytes> {
    let path = Path::repo(repo).segment("commits").segment(commit.as_str());
    Draft::get(path, Permission::RepoRead).empty()
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/compare/{what}?from=…&to=…`; `from` is the newer side (FACTS 3).
fn compare_request(sides: &Sides, what: &str, start: u64, limit: u32) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(&sides.repo).segment("compare").segment(what), Permission::RepoRead);
    let draft = draft.query("from", sides.head.as_str()).query("to", sides.base.as_str());
    let fork =
        sides.fork.as_ref().map(|fork| format!("{}/{}", fork.project().as_str(), fork.slug().as_str()));
    draft.query_unless_empty("fromRepo", fork.as_deref().unwrap_or_default()).page(start, limit).empty()
}

/// Which commits.
#[derive(Debug)]
struct Which {
    until: Option<Revision>,
    since: Option<Revision>,
    path: Option<RepoPath>,
}

/// What shall be compared.
#[derive(Debug)]
struct Sides {
    repo: RepoId,
    base: Revision,
    head: Revision,
    fork: Option<RepoId>,
}

impl Sides {
    fn parse(client: &Client, asked: &pb::CompareCommitsRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let fork = asked.head_repo.as_ref();
        let fork = fork.map(|fork| RepoId::parse("head_repo", Some(fork), client.projects())).transpose()?;
        let (base, head) = (revision("base", &asked.base)?, revision("head", &asked.head)?);
        Ok(Self { repo, base, head, fork })
    }

    fn listing(&self) -> Listing {
        let fork =
            self.fork.as_ref().map_or(["", ""], |fork| [fork.project().as_str(), fork.slug().as_str()]);
        let repo = [self.repo.project().as_str(), self.repo.slug().as_str()];
        Listing::new(
            "CompareCommits",
            repo.into_iter().chain(fork).chain([self.base.as_str(), self.head.as_str()]),
        )
    }
}

impl Client {
    /// Lists commits, newest first, from a branch, tag or commit backwards.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals; `REF_NOT_FOUND`,
    /// `NO_DEFAULT_BRANCH`.
    pub async fn list_commits(
        &self,
        asked: pb::ListCommitsRequest,
    ) -> Result<pb::ListCommitsResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let size = page::size(asked.page_size, MOST, MOST)?;
        let parse = |field, name: &str| Revision::parse(name).map_err(|why| Error::field(field, why));
        let path = (!asked.path.is_empty()).then(|| RepoPath::parse(&asked.path)).transpose();
        let path = path.map_err(|why| Error::field("path", why))?;
        let which =
            Which { until: parse("until", &asked.until)?, since: parse("since", &asked.since)?, path };
        let listing = Listing::new(
            "ListCommits",
            [repo.project().as_str(), repo.slug().as_str(), &asked.until, &asked.since, &asked.path],
        );
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let found = self.send(list_request(&repo, &which, start, size)).await;
        let found = found.map_err(|error| error.means(Reason::NotFound, Reason::RefNotFound))?;
        let Page { values, next } = Page::<Wire>::read(&found, start)?;
        Ok(pb::ListCommitsResponse {
            commits: values.into_iter().map(Into::into).collect(),
            next_page_token: listing.token(next.map(|start| Cursor { part: 0, start })),
        })
    }

    /// Reads one commit, by a branch, a tag or its id.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `REF_NOT_FOUND`.
    pub async fn get_commit(&self, asked: pb::GetCommitRequest) -> Result<pb::GetCommitResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let of = revision("revision", &asked.revision)?;
        Ok(pb::GetCommitResponse { commit: Some(self.commit(&repo, of).await?.into()) })
    }

    /// Says what one commit has that another has not: the commits, and on the first page the files that changed.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`] also for the fork, and Bitbucket's refusals;
    /// `REF_NOT_FOUND`.
    pub async fn compare_commits(
        &self,
        asked: pb::CompareCommitsRequest,
    ) -> Result<pb::CompareCommitsResponse, Error> {
        let sides = Sides::parse(self, &asked)?;
        let size = page::size(asked.page_size, MOST, MOST)?;
        let listing = sides.listing();
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let missing = |error: Error| error.means(Reason::NotFound, Reason::RefNotFound);
        let found = self.send(compare_request(&sides, "commits", start, size)).await.map_err(missing)?;
        let Page { values, next } = Page::<Wire>::read(&found, start)?;
        let Changes { changes, truncated, .. } = if asked.page_token.is_empty() {
            changes::reply(
                &self.send(compare_request(&sides, "changes", 0, CHANGES)).await.map_err(missing)?,
            )?
        } else {
            Changes::default()
        };
        Ok(pb::CompareCommitsResponse {
            commits: values.into_iter().map(Into::into).collect(),
            next_page_token: listing.token(next.map(|start| Cursor { part: 0, start })),
            changes,
            changes_truncated: truncated,
        })
    }

    /// The commit that a revision leads to. The resource of one commit takes ids only, so that a name is looked for at the
    /// head of a list.
    pub(super) async fn commit(&self, repo: &RepoId, of: Revision) -> Result<Wire, Error> {
        let missing = |error: Error| error.means(Reason::NotFound, Reason::RefNotFound);
        if let Ok(id) = CommitId::parse(of.as_str()) {
            return self.send(request(repo, &id)).await.map_err(missing)?.json();
        }
        let which = Which { until: Some(of), since: None, path: None };
        let found = self.send(list_request(repo, &which, 0, 1)).await.map_err(missing)?;
        let page = Page::<Wire>::read(&found, 0)?;
        page.values.into_iter().next().ok_or_else(|| found.unreadable("a list of commits is empty"))
    }

    /// The id of the commit that a revision leads to, as a revision.
    pub(super) async fn commit_id(&self, repo: &RepoId, of: Revision) -> Result<Revision, Error> {
        if CommitId::parse(of.as_str()).is_ok() {
            return Ok(of);
        }
        let id = pb::Commit::from(self.commit(repo, of).await?).id;
        revision("revision", &id)
    }
}

/// Bitbucket gives no larger page of commits (FACTS 1.3).
const MOST: u32 = 100;
/// Bitbucket lists no more changes (FACTS 1.3).
const CHANGES: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::testing::web;

    fn named(name: &str) -> Revision {
        revision("r", name).expect("a revision")
    }

    #[test]
    fn a_list_asks_for_what_it_names_only() {
        let path = RepoPath::parse("src/a b.rs").ok();
        let which = Which { until: Some(named("refs/heads/x")), since: None, path };
        assert_eq!(
            list_request(&web(), &which, 100, 50).uri(),
            "/rest/api/latest/projects/SHOP/repos/web/commits?until=refs%2Fheads%2Fx&path=src%2Fa%20b.rs&start=100&limit=50"
        );
    }

    #[test]
    fn the_newer_side_is_the_first_of_a_comparison() {
        let sides = Sides { repo: web(), base: named("main"), head: named("fix"), fork: Some(web()) };
        assert_eq!(
            compare_request(&sides, "commits", 0, 100).uri(),
            "/rest/api/latest/projects/SHOP/repos/web/compare/commits?from=fix&to=main&fromRepo=SHOP%2Fweb&start=0&limit=100"
        );
    }
}
