//! Tasks and threads that are done, or open again: ResolveComment.

use crate::bitbucket::comments::activities;
use crate::bitbucket::comments::change::{Change, Target};
use crate::bitbucket::version::Feature;
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Resolves a task or a thread, or opens it again; what is so already is a success without a write.
    ///
    /// # Errors
    /// [`Error::Field`], also for a plain reply; [`Error::OutsideProject`]; [`Error::TooOld`] for a thread; and Bitbucket's
    /// refusals.
    pub async fn resolve_comment(
        &self,
        asked: pb::ResolveCommentRequest,
    ) -> Result<pb::ResolveCommentResponse, Error> {
        let target = Target::parse(self, asked.repo.as_ref(), asked.pr_id, asked.comment_id)?;
        let comment = self.comment(&target.repo, target.pr_id, target.id).await?;
        let resolved = !asked.reopen;
        let change = if comment.kind() == pb::CommentKind::Task {
            let state = if resolved { "RESOLVED" } else { "OPEN" };
            Change { state: Some(state), ..Default::default() }
        } else {
            // Older versions ignore it, and would say that all is well.
            self.needs(Feature::ResolvedThreads).await?;
            if self.is_reply(&target, &comment).await? {
                let problem = "is a reply: name the first comment of its thread, or a task";
                return Err(Error::field("comment_id", problem));
            }
            Change { thread_resolved: Some(resolved), ..Default::default() }
        };
        if comment.resolved == resolved {
            return Ok(pb::ResolveCommentResponse { comment: Some(comment) });
        }
        let comment = self.change_any(&target, &change).await?;
        Ok(pb::ResolveCommentResponse { comment: Some(comment) })
    }

    /// Whether a comment is below another one. Not every version says so with the comment: only its thread shows it, since
    /// a reply may have the anchor of its thread.
    async fn is_reply(&self, target: &Target, comment: &pb::Comment) -> Result<bool, Error> {
        if comment.parent_id != 0 {
            return Ok(true);
        }
        let mut start = 0;
        loop {
            let reply = self.send(activities::request(&target.repo, target.pr_id, start, PAGE)).await?;
            let page = activities::reply(&reply, start)?;
            for thread in page.values.into_iter().filter_map(|activity| activity.thread) {
                if thread.id == target.id {
                    return Ok(false);
                }
                if holds(&thread.replies, target.id) {
                    return Ok(true);
                }
            }
            match page.next {
                Some(next) => start = next,
                None => return Ok(false),
            }
        }
    }
}

fn holds(replies: &[pb::Comment], id: i64) -> bool {
    replies.iter().any(|reply| reply.id == id || holds(&reply.replies, id))
}

/// A thread may have many KiB.
const PAGE: u32 = 100;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::{BodyExt as _, Full};
    use tower::util::BoxCloneSyncService;

    use super::*;
    use crate::bitbucket::account::tests::account;
    use crate::bitbucket::transport::Lost;

    /// A Bitbucket that gives a reply the anchor of its thread, and does not say with it what it replies to.
    fn client() -> Client {
        let answer = |request: Request<Full<Bytes>>| {
            let body = match request.uri().path().rsplit('/').next() {
                Some("application-properties") => r#"{"version":"10.2.0"}"#,
                Some("activities") => {
                    r#"{"isLastPage":true,"values":[{"action":"COMMENTED","commentAction":"ADDED",
                        "commentAnchor":{"path":"a"},"comment":{"id":1,"comments":[{"id":2}]}}]}"#
                }
                Some("1") => r#"{"id":1,"anchor":{"path":"a"},"threadResolved":true,"comments":[{"id":2}]}"#,
                _ => r#"{"id":2,"anchor":{"path":"a"},"threadResolved":true}"#,
            };
            let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
            let answer = Response::builder().header("content-type", "application/json").body(body);
            async move { Ok::<_, Lost>(answer.expect("an answer")) }
        };
        let transport = BoxCloneSyncService::new(tower::service_fn(answer));
        Client::with(account("https://git.example"), transport).expect("a client")
    }

    #[tokio::test]
    async fn a_reply_is_told_from_a_thread_also_where_it_has_the_anchor_of_its_thread() {
        let repo = Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() });
        let asked = |comment_id| pb::ResolveCommentRequest {
            repo: repo.clone(),
            pr_id: 1,
            comment_id,
            ..Default::default()
        };
        assert!(client().resolve_comment(asked(1)).await.is_ok());
        assert!(matches!(client().resolve_comment(asked(2)).await, Err(Error::Field { .. })));
    }
}
