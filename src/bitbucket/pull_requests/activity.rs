//! What happened: ListActivity.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::bitbucket::names::RepoId;
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::pull_requests::{number as checked, path};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Permission};
use crate::bitbucket::wire::{lenient, number, text};
use crate::bitbucket::{Client, Error, comments, users};
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/activities`
fn request(repo: &RepoId, id: i64, start: u64, limit: u32) -> Request<Bytes> {
    Draft::get(path(repo, id).segment("activities"), Permission::RepoRead).page(start, limit).empty()
}

fn reply(reply: &Reply, start: u64) -> Result<Page<pb::Activity>, Error> {
    let Page { values, next } = Page::<Wire>::read(reply, start)?;
    Ok(Page { values: values.into_iter().map(Into::into).collect(), next })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "number")]
    id: i64,
    #[serde(default, deserialize_with = "text")]
    action: String,
    #[serde(default, deserialize_with = "lenient")]
    user: Option<users::Wire>,
    #[serde(default, deserialize_with = "number")]
    created_date: i64,
    #[serde(default, deserialize_with = "lenient")]
    comment: Option<comments::Wire>,
    #[serde(default, deserialize_with = "text")]
    comment_action: String,
    // Beside the comment, not in it.
    #[serde(default, deserialize_with = "lenient")]
    comment_anchor: Option<comments::WireAnchor>,
    #[serde(default, deserialize_with = "text")]
    from_hash: String,
    #[serde(default, deserialize_with = "text")]
    previous_from_hash: String,
    #[serde(default, deserialize_with = "lenient")]
    added_reviewers: Vec<users::Wire>,
    #[serde(default, deserialize_with = "lenient")]
    removed_reviewers: Vec<users::Wire>,
}

impl From<Wire> for pb::Activity {
    fn from(wire: Wire) -> Self {
        let anchor = wire.comment_anchor;
        let comment = wire.comment.map(|comment| comment.at(anchor).into());
        let users = |users: Vec<users::Wire>| users.into_iter().map(Into::into).collect();
        Self {
            id: wire.id,
            r#type: kind(&wire.action).into(),
            action: wire.action,
            user: wire.user.map(Into::into),
            created_ms: wire.created_date,
            comment,
            comment_action: wire.comment_action,
            commit_id: wire.from_hash,
            previous_commit_id: wire.previous_from_hash,
            added_reviewers: users(wire.added_reviewers),
            removed_reviewers: users(wire.removed_reviewers),
        }
    }
}

fn kind(action: &str) -> pb::ActivityType {
    match action {
        "OPENED" => pb::ActivityType::Opened,
        "COMMENTED" => pb::ActivityType::Commented,
        "APPROVED" => pb::ActivityType::Approved,
        "UNAPPROVED" => pb::ActivityType::Unapproved,
        "REVIEWED" => pb::ActivityType::Reviewed,
        "RESCOPED" => pb::ActivityType::Rescoped,
        "UPDATED" => pb::ActivityType::Updated,
        "MERGED" => pb::ActivityType::Merged,
        "DECLINED" => pb::ActivityType::Declined,
        "REOPENED" => pb::ActivityType::Reopened,
        _ => pb::ActivityType::Unspecified,
    }
}

impl Client {
    /// Lists what happened, newest first.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_activity(
        &self,
        asked: pb::ListActivityRequest,
    ) -> Result<pb::ListActivityResponse, Error> {
        let (repo, id) = (self.repo(asked.repo.as_ref())?, checked("id", asked.id)?);
        let size = page::size(asked.page_size, page::USUAL, MOST)?;
        let of = id.to_string();
        let listing = Listing::new("ListActivity", [repo.project().as_str(), repo.slug().as_str(), &of]);
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let page = reply(&self.send(request(&repo, id, start, size)).await?, start)?;
        Ok(pb::ListActivityResponse {
            activities: page.values,
            next_page_token: listing.token(page.next.map(|start| Cursor { part: 0, start })),
        })
    }
}

/// Bitbucket gives no larger page of activities (FACTS 1.3).
const MOST: u32 = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::pull_requests::tests::repo;

    #[test]
    fn every_kind_is_told_and_an_unknown_one_keeps_its_word() {
        let json = r#"{"isLastPage":false,"nextPageStart":7,"values":[
            {"id":9,"action":"AUTO_MERGE_REQUESTED","createdDate":5,"user":{"name":"jane"}},
            {"id":8,"action":"RESCOPED","fromHash":"bb","previousFromHash":"aa","added":{"commits":[]}},
            {"id":7,"action":"UPDATED","addedReviewers":[{"name":"bob"}],"removedReviewers":[{"name":"eve"}]},
            {"id":6,"action":"COMMENTED","commentAction":"ADDED","comment":{"id":3,"text":"Look"},
             "commentAnchor":{"path":"a.txt","line":2,"lineType":"ADDED","orphaned":true}},
            {"id":4,"action":"COMMENTED","commentAction":"ADDED","comment":{"id":4,"parent":{"id":3}},
             "commentAnchor":{"path":"a.txt","line":2,"lineType":"ADDED"}},
            {"id":5,"action":"COMMENTED","commentAction":"DELETED","comment":null}]}"#;
        let page = reply(&Reply::of(200, json), 0).expect("a page");
        let kinds: Vec<_> = page.values.iter().map(pb::Activity::r#type).collect();
        use pb::ActivityType::{Commented, Rescoped, Unspecified, Updated};
        assert_eq!(kinds, [Unspecified, Rescoped, Updated, Commented, Commented, Commented]);
        let [unknown, pushed, updated, commented, replied, deleted] = page.values.as_slice() else {
            panic!("six")
        };
        assert_eq!((unknown.action.as_str(), unknown.created_ms), ("AUTO_MERGE_REQUESTED", 5));
        assert_eq!((pushed.commit_id.as_str(), pushed.previous_commit_id.as_str()), ("bb", "aa"));
        assert_eq!((updated.added_reviewers[0].name.as_str(), updated.removed_reviewers.len()), ("bob", 1));
        let comment = commented.comment.as_ref().expect("a comment");
        assert_eq!((comment.text.as_str(), commented.comment_action.as_str()), ("Look", "ADDED"));
        assert_eq!((comment.anchor.as_ref().map(|anchor| anchor.line), comment.orphaned), (Some(2), true));
        let reply = replied.comment.as_ref().expect("a comment");
        assert_eq!((reply.parent_id, reply.anchor.as_ref()), (3, None));
        assert!(deleted.comment.is_none());
        assert_eq!(page.next, Some(7));
    }

    #[test]
    fn the_page_is_asked_for_by_start_and_limit() {
        let uri = request(&repo("SHOP", "web"), 4, 25, 50).uri().to_string();
        assert_eq!(
            uri,
            "/rest/api/latest/projects/SHOP/repos/web/pull-requests/4/activities?start=25&limit=50"
        );
    }
}
