//! The comments of a pull request: ListComments.

use std::collections::HashSet;

use bytes::Bytes;
use http::Request;

use crate::bitbucket::comments::wire::Wire;
use crate::bitbucket::comments::{activities, path};
use crate::bitbucket::names::{RepoId, RepoPath};
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::pull_requests::number;
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// Which comments, and so which resource knows them.
#[derive(Debug)]
enum Which {
    All,
    Of { file: RepoPath, kind: pb::CommentKind },
    Tasks,
}

/// The activities for all comments; `…/comments?path=` for those on a file, whose lines may be gone; and
/// `…/blocker-comments` for tasks, open and resolved.
fn request(repo: &RepoId, pr_id: i64, which: &Which, start: u64, limit: u32) -> Request<Bytes> {
    match which {
        Which::All => activities::request(repo, pr_id, start, limit),
        Which::Of { file, .. } => {
            let draft = Draft::get(path(repo, pr_id), Permission::RepoRead);
            draft.query("path", file.as_str()).query("anchorState", "ALL").page(start, limit).empty()
        }
        Which::Tasks => {
            let path = Path::repo(repo).segment("pull-requests").segment(&pr_id.to_string());
            Draft::get(path.segment("blocker-comments"), Permission::RepoRead).page(start, limit).empty()
        }
    }
}

/// A page; what stands on it twice is given once.
fn reply(reply: &Reply, which: &Which, start: u64) -> Result<Page<pb::Comment>, Error> {
    let (mut values, next) = match which {
        Which::All => {
            let page = activities::reply(reply, start)?;
            (page.values.into_iter().filter_map(|activity| activity.thread).collect(), page.next)
        }
        Which::Of { .. } | Which::Tasks => {
            let page = Page::<Wire>::read(reply, start)?;
            let mut values: Vec<pb::Comment> = page.values.into_iter().map(Into::into).collect();
            if matches!(which, Which::Of { kind: pb::CommentKind::Task, .. }) {
                values = values.into_iter().flat_map(tasks).collect();
            }
            values.sort_by_key(|comment| std::cmp::Reverse((comment.created_ms, comment.id)));
            (values, page.next)
        }
    };
    let mut seen = HashSet::new();
    values.retain(|comment| seen.insert(comment.id));
    Ok(Page { values, next })
}

/// The tasks of a thread, as each stands there.
fn tasks(thread: pb::Comment) -> Vec<pb::Comment> {
    let below = thread.replies.iter().cloned().flat_map(tasks).collect::<Vec<_>>();
    let this = (thread.kind() == pb::CommentKind::Task).then_some(thread);
    this.into_iter().chain(below).collect()
}

impl Which {
    fn parse(asked: &pb::ListCommentsRequest) -> Result<Self, Error> {
        let kind = pb::CommentKind::try_from(asked.kind)
            .map_err(|_| Error::field("kind", "is a kind that this version of gitproxy does not know"))?;
        if !asked.path.is_empty() {
            let file = RepoPath::parse(&asked.path).map_err(|why| Error::field("path", why))?;
            return Ok(Self::Of { file, kind });
        }
        Ok(match kind {
            pb::CommentKind::Unspecified => Self::All,
            pb::CommentKind::Task => Self::Tasks,
        })
    }
}

impl Client {
    /// Lists comments with their replies, the latest of a page first.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_comments(
        &self,
        asked: pb::ListCommentsRequest,
    ) -> Result<pb::ListCommentsResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let pr_id = number("pr_id", asked.pr_id)?;
        let size = page::size(asked.page_size, page::USUAL, MOST)?.min(PAGE);
        let which = Which::parse(&asked)?;
        let (id, kind) = (pr_id.to_string(), asked.kind.to_string());
        let arguments = [repo.project().as_str(), repo.slug().as_str(), &id, &asked.path, &kind];
        let listing = Listing::new("ListComments", arguments);
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let answer = self.send(request(&repo, pr_id, &which, start, size)).await?;
        let page = reply(&answer, &which, start)?;
        Ok(pb::ListCommentsResponse {
            comments: page.values,
            next_page_token: listing.token(page.next.map(|start| Cursor { part: 0, start })),
        })
    }
}

/// What a caller may ask for: Bitbucket gives no larger page of activities.
const MOST: u32 = 500;
/// What is asked for at a time: each comment may have 32 KiB, and so may its replies.
const PAGE: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_a_file_are_taken_out_of_their_threads() {
        let json = r#"{"values":[{"id":1,"createdDate":1,"comments":[{"id":3,"createdDate":3,"severity":"BLOCKER"}]},
            {"id":2,"createdDate":2,"severity":"BLOCKER"},{"id":2,"createdDate":2,"severity":"BLOCKER"}]}"#;
        let file = || RepoPath::parse("a").expect("a path");
        let ids = |kind| {
            let page = reply(&Reply::of(200, json), &Which::Of { file: file(), kind }, 0).expect("a page");
            page.values.iter().map(|comment| (comment.id, comment.parent_id)).collect::<Vec<_>>()
        };
        assert_eq!(ids(pb::CommentKind::Task), [(3, 1), (2, 0)]);
        assert_eq!(ids(pb::CommentKind::Unspecified), [(2, 0), (1, 0)]);
    }
}
