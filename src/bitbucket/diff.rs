//! What changed, line by line: GetDiff, and diffs as Bitbucket writes them.

mod wire;

use bytes::Bytes;
use http::Request;

use crate::bitbucket::names::{RepoId, RepoPath, Revision};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;
use crate::proto::scm::v1::get_diff_request::Target;

/// What shall be compared.
#[derive(Debug)]
enum Between {
    /// A commit, and its first parent.
    Commit(Revision),
    Two {
        base: Revision,
        head: Revision,
    },
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/commits/{id}/diff/{path}`, or `…/compare/diff/{path}?from=…&to=…`
///
/// `from` is the newer side (FACTS 3).
fn request(repo: &RepoId, between: &Between, path: Option<&RepoPath>, context: i32) -> Request<Bytes> {
    let below = |place: Path| if let Some(path) = path { place.file(path) } else { place };
    let get = |place| Draft::get(below(place), Permission::RepoRead);
    let draft = match between {
        Between::Commit(of) => get(Path::repo(repo).segment("commits").segment(of.as_str()).segment("diff")),
        Between::Two { base, head } => get(Path::repo(repo).segment("compare").segment("diff"))
            .query("from", head.as_str())
            .query("to", base.as_str()),
    };
    let context = if context == 0 { String::new() } else { context.to_string() };
    draft.query_unless_empty("contextLines", &context).empty()
}

/// Reads a diff with every mark of what Bitbucket left out.
pub(super) fn reply(reply: &Reply) -> Result<pb::Diff, Error> {
    reply.json::<wire::Diff>().map(Into::into)
}

impl Client {
    /// Reads what changed, line by line: of a commit against its first parent, or between two.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `REF_NOT_FOUND`, `PATH_NOT_FOUND`.
    pub async fn get_diff(&self, asked: pb::GetDiffRequest) -> Result<pb::GetDiffResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let between = match &asked.target {
            Some(Target::Revision(of)) => Between::Commit(revision("revision", of)?),
            Some(Target::Range(range)) => Between::Two {
                base: revision("range.base", &range.base)?,
                head: revision("range.head", &range.head)?,
            },
            None => return Err(Error::field("target", "is missing: set `revision` or `range`")),
        };
        let path = (!asked.path.is_empty()).then(|| RepoPath::parse(&asked.path)).transpose();
        let path = path.map_err(|why| Error::field("path", why))?;
        if !(0..=CONTEXT).contains(&asked.context_lines) {
            return Err(Error::field("context_lines", "must be 0 to 1,000"));
        }
        let between = match between {
            // The resource takes ids only (FACTS 3).
            Between::Commit(of) => Between::Commit(self.commit_id(&repo, of).await?),
            two @ Between::Two { .. } => two,
        };
        let found = self.send(request(&repo, &between, path.as_ref(), asked.context_lines)).await;
        let found = found.map_err(|error| error.means(Reason::NotFound, Reason::RefNotFound))?;
        Ok(pb::GetDiffResponse { diff: Some(reply(&found)?) })
    }
}

/// A revision that must be there.
pub(super) fn revision(field: &str, name: &str) -> Result<Revision, Error> {
    let found = Revision::parse(name).map_err(|why| Error::field(field, why))?;
    found.ok_or_else(|| Error::field(field, "is missing"))
}

const CONTEXT: i32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::testing::web;

    fn named(name: &str) -> Revision {
        revision("r", name).expect("a revision")
    }

    #[test]
    fn the_newer_side_is_the_first_of_a_comparison() {
        let two = Between::Two { base: named("main"), head: named("refs/heads/fix") };
        let path = RepoPath::parse("a b.txt").expect("a path");
        assert_eq!(
            request(&web(), &two, Some(&path), 3).uri(),
            "/rest/api/latest/projects/SHOP/repos/web/compare/diff/a%20b.txt?from=refs%2Fheads%2Ffix&to=main&contextLines=3"
        );
        let one = request(&web(), &Between::Commit(named("abc1234")), None, 0);
        assert_eq!(one.uri(), "/rest/api/latest/projects/SHOP/repos/web/commits/abc1234/diff");
    }

    #[test]
    fn a_revision_that_is_missing_is_named() {
        assert!(
            matches!(revision("range.base", ""), Err(Error::Field { field, .. }) if field == "range.base")
        );
    }
}
