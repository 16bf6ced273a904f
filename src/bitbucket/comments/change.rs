//! Changes of comments: UpdateComment, and how a change is sent.

use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;

use crate::bitbucket::comments::find::same_text;
use crate::bitbucket::comments::post::check_text;
use crate::bitbucket::comments::{LONGEST, path, reply};
use crate::bitbucket::names::RepoId;
use crate::bitbucket::pull_requests::number;
use crate::bitbucket::request::{Draft, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// Which comment.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) repo: RepoId,
    pub(super) pr_id: i64,
    pub(super) id: i64,
}

/// A change of a comment; what is unset stays.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change<'a> {
    pub(super) version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_resolved: Option<bool>,
}

/// `PUT /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/comments/{comment}`
fn request(target: &Target, change: &Change<'_>) -> Request<Bytes> {
    let path = path(&target.repo, target.pr_id).segment(&target.id.to_string());
    Draft::new(Method::PUT, path, Permission::RepoRead).json(change)
}

impl Target {
    pub(super) fn parse(
        client: &Client,
        repo: Option<&pb::RepoRef>,
        pr_id: i64,
        id: i64,
    ) -> Result<Self, Error> {
        let repo = client.repo(repo)?;
        Ok(Self { repo, pr_id: number("pr_id", pr_id)?, id: number("comment_id", id)? })
    }
}

impl Change<'_> {
    /// Whether the comment is as the change would make it.
    fn is_in(&self, comment: &pb::Comment) -> bool {
        let severity = if comment.kind() == pb::CommentKind::Task { "BLOCKER" } else { "NORMAL" };
        let resolved = self.state.map(|state| state == "RESOLVED").or(self.thread_resolved);
        self.text.is_none_or(|text| same_text(text, &comment.text))
            && self.severity.is_none_or(|wanted| wanted == severity)
            && resolved.is_none_or(|wanted| wanted == comment.resolved)
    }
}

impl Client {
    /// Changes a comment's text or kind.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `COMMENT_NOT_FOUND`, `COMMENT_OUT_OF_DATE`.
    pub async fn update_comment(
        &self,
        asked: pb::UpdateCommentRequest,
    ) -> Result<pb::UpdateCommentResponse, Error> {
        let target = Target::parse(self, asked.repo.as_ref(), asked.pr_id, asked.comment_id)?;
        let text = asked.text.as_deref();
        text.map_or(Ok(()), |text| check_text(text, LONGEST))?;
        let severity = asked.kind.map(severity).transpose()?;
        if text.is_none() && severity.is_none() {
            return Err(Error::field("text", "is unset, and so is `kind`: there is nothing to change"));
        }
        let change = Change { text, severity, ..Default::default() };
        let comment = match asked.expected_version {
            Some(version) => self.change_of(&target, &Change { version, ..change }).await,
            None => self.change_any(&target, &change).await,
        };
        Ok(pb::UpdateCommentResponse { comment: Some(comment?) })
    }

    /// Changes a comment of the version that the change names. Under a key, one that is newer and as asked is the answer: the
    /// attempt that made it so may have gone through another process, its answer lost. Without a key it is somebody else's
    /// doing.
    async fn change_of(&self, target: &Target, change: &Change<'_>) -> Result<pb::Comment, Error> {
        let error = match self.change(target, change).await {
            Err(error) if error.reason() == Some(Reason::CommentOutOfDate) => error,
            other => return other,
        };
        if self.call().key.is_none() {
            return Err(error);
        }
        match self.comment(&target.repo, target.pr_id, target.id).await {
            Ok(comment) if comment.version > change.version && change.is_in(&comment) => Ok(comment),
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Changes a comment, whatever its version is. One that changes in between is read once more.
    pub(super) async fn change_any(
        &self,
        target: &Target,
        change: &Change<'_>,
    ) -> Result<pb::Comment, Error> {
        let version = self.comment(&target.repo, target.pr_id, target.id).await?.version;
        match self.change(target, &Change { version, ..*change }).await {
            Err(error) if error.reason() == Some(Reason::CommentOutOfDate) => {
                let version = self.comment(&target.repo, target.pr_id, target.id).await?.version;
                self.change(target, &Change { version, ..*change }).await
            }
            other => other,
        }
    }

    /// Changes a comment of the version that the change names. Where the answer is lost, the comment is read: as it was asked
    /// to be, it is a success.
    async fn change(&self, target: &Target, change: &Change<'_>) -> Result<pb::Comment, Error> {
        let sent = self.send(request(target, change)).await.and_then(|answer| reply(&answer));
        match sent {
            Err(Error::Uncertain { doubt, source }) => {
                match self.comment(&target.repo, target.pr_id, target.id).await {
                    Ok(comment) if change.is_in(&comment) => Ok(comment),
                    Ok(_) | Err(_) => Err(Error::Uncertain { doubt, source }),
                }
            }
            Err(error) => Err(self.out_of_date(target, error).await),
            Ok(comment) => Ok(comment),
        }
    }

    /// Says which version the comment has, where Bitbucket says only that it is another one.
    pub(super) async fn out_of_date(&self, target: &Target, error: Error) -> Error {
        let Error::Refused(refusal) = &error else { return error };
        let named = refusal.facts.iter().any(|(name, _)| *name == "current_version");
        if refusal.reason != Reason::CommentOutOfDate || named {
            return error;
        }
        match self.comment(&target.repo, target.pr_id, target.id).await {
            Ok(now) => error.with(Reason::CommentOutOfDate, "current_version", &now.version.to_string()),
            Err(_) => error,
        }
    }
}

fn severity(kind: i32) -> Result<&'static str, Error> {
    match pb::CommentKind::try_from(kind) {
        Ok(pb::CommentKind::Unspecified) => Ok("NORMAL"),
        Ok(pb::CommentKind::Task) => Ok("BLOCKER"),
        Err(_) => Err(Error::field("kind", "is a kind that this version of gitproxy does not know")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unset_is_not_sent() {
        let kind = Change { version: 3, severity: Some("BLOCKER"), ..Default::default() };
        assert_eq!(serde_json::to_value(kind).expect("JSON"), json!({"version": 3, "severity": "BLOCKER"}));
        let thread = Change { version: 0, thread_resolved: Some(false), ..Default::default() };
        assert_eq!(
            serde_json::to_value(thread).expect("JSON"),
            json!({"version": 0, "threadResolved": false})
        );
    }

    #[test]
    fn a_change_is_in_a_comment_that_has_all_of_it() {
        let comment = pb::Comment {
            text: "a".into(),
            kind: pb::CommentKind::Task.into(),
            resolved: true,
            ..Default::default()
        };
        let change = Change { text: Some("a"), severity: Some("BLOCKER"), ..Default::default() };
        assert!(change.is_in(&comment));
        assert!(!Change { text: Some("b"), ..change }.is_in(&comment));
        assert!(!Change { severity: Some("NORMAL"), ..change }.is_in(&comment));
        assert!(Change { state: Some("RESOLVED"), ..change }.is_in(&comment));
        assert!(!Change { state: Some("OPEN"), ..change }.is_in(&comment));
        assert!(!Change { thread_resolved: Some(false), ..change }.is_in(&comment));
    }
}
