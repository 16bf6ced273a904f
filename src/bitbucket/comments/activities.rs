//! The comments among the activities of a pull request: the only way to see all of them (FACTS 4).

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::bitbucket::Error;
use crate::bitbucket::comments::wire::{Wire, WireAnchor};
use crate::bitbucket::names::RepoId;
use crate::bitbucket::page::Page;
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::{lenient, number, text};
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/activities`: the newest first, at most 500 a page.
pub(super) fn request(repo: &RepoId, pr_id: i64, start: u64, limit: u32) -> Request<Bytes> {
    let path = Path::repo(repo).segment("pull-requests").segment(&pr_id.to_string());
    Draft::get(path.segment("activities"), Permission::RepoRead).page(start, limit).empty()
}

/// An activity, as far as it is about a new comment.
#[derive(Debug)]
pub(super) struct Activity {
    /// When it was, in milliseconds.
    pub(super) at_ms: i64,
    /// The first comment of a thread, with its replies; `None` for anything but a new thread.
    pub(super) thread: Option<pb::Comment>,
}

pub(super) fn reply(reply: &Reply, start: u64) -> Result<Page<Activity>, Error> {
    let Page { values, next } = Page::<WireActivity>::read(reply, start)?;
    Ok(Page { values: values.into_iter().map(Into::into).collect(), next })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireActivity {
    #[serde(default, deserialize_with = "number")]
    created_date: i64,
    #[serde(default, deserialize_with = "text")]
    action: String,
    #[serde(default, deserialize_with = "text")]
    comment_action: String,
    #[serde(default, deserialize_with = "lenient")]
    comment: Option<Wire>,
    #[serde(default, deserialize_with = "lenient")]
    comment_anchor: Option<WireAnchor>,
}

impl From<WireActivity> for Activity {
    fn from(wire: WireActivity) -> Self {
        let added = wire.action == "COMMENTED" && wire.comment_action == "ADDED";
        let anchor = wire.comment_anchor;
        let comment = wire.comment.filter(|_| added).map(|comment| pb::Comment::from(comment.at(anchor)));
        // A reply shows in its thread.
        let thread = comment.filter(|comment| comment.parent_id == 0 && comment.id != 0);
        Self { at_ms: wire.created_date, thread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_threads_are_taken_and_the_anchor_beside_them() {
        let json = r#"{"values":[{"action":"APPROVED","createdDate":9,"user":{}},
            {"action":"COMMENTED","commentAction":"EDITED","comment":{"id":1}},
            {"action":"COMMENTED","commentAction":"ADDED","comment":{"id":4,"parent":{"id":2}}},
            {"action":"COMMENTED","commentAction":"ADDED","createdDate":3,"comment":{"id":2},
             "commentAnchor":{"path":"a.rs","line":3}}]}"#;
        let page = reply(&Reply::of(200, json), 0).expect("a page");
        let threads: Vec<_> = page.values.iter().filter_map(|activity| activity.thread.as_ref()).collect();
        assert_eq!((page.values.len(), threads.len(), threads[0].id), (4, 1, 2));
        assert_eq!(threads[0].anchor.as_ref().expect("an anchor").line, 3);
        assert_eq!(page.values[0].at_ms, 9);
    }
}
