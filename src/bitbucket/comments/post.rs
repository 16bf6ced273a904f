//! A new comment: PostComment.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::Serialize;

use crate::bitbucket::comments::find::Wanted;
use crate::bitbucket::comments::once::Origin;
use crate::bitbucket::comments::{LONGEST, reply};
use crate::bitbucket::names::{RepoId, RepoPath};
use crate::bitbucket::pull_requests::{characters, number};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// A comment that shall be posted.
#[derive(Debug)]
struct Post {
    repo: RepoId,
    pr_id: i64,
    text: String,
    place: Place,
    /// The place as it was asked for.
    anchor: Option<pb::Anchor>,
    kind: pb::CommentKind,
}

/// Where a comment stands.
#[derive(Debug)]
enum Place {
    General,
    Reply { parent: i64 },
    File { path: RepoPath, src_path: Option<RepoPath> },
    Line { path: RepoPath, src_path: Option<RepoPath>, line: i32, line_type: pb::LineType },
}

/// `POST /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/comments`
fn request(post: &Post) -> Request<Bytes> {
    let path = Path::repo(&post.repo).segment("pull-requests").segment(&post.pr_id.to_string());
    let (parent, anchor) = match &post.place {
        Place::General => (None, None),
        Place::Reply { parent } => (Some(Parent { id: *parent }), None),
        Place::File { path, src_path } => (None, Some(Anchor::file(path, src_path.as_ref()))),
        Place::Line { path, src_path, line, line_type } => {
            (None, Some(Anchor::file(path, src_path.as_ref()).at(*line, *line_type)))
        }
    };
    let severity = (post.kind == pb::CommentKind::Task).then_some("BLOCKER");
    let body = Body { text: &post.text, parent, anchor, severity };
    Draft::new(Method::POST, path.segment("comments"), Permission::RepoRead).json(&body)
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Parent {
    id: i64,
}

/// Without `diffType` and hashes it is an anchor in the pull request's effective diff (FACTS 4.1).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Anchor<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_type: Option<&'static str>,
}

impl<'a> Anchor<'a> {
    fn file(path: &'a RepoPath, src_path: Option<&'a RepoPath>) -> Self {
        let src_path = src_path.map(RepoPath::as_str);
        Self { path: path.as_str(), src_path, line: None, line_type: None, file_type: None }
    }

    fn at(self, line: i32, line_type: pb::LineType) -> Self {
        let (line_type, file_type) = match line_type {
            pb::LineType::Unspecified | pb::LineType::Added => ("ADDED", "TO"),
            pb::LineType::Removed => ("REMOVED", "FROM"),
            pb::LineType::Context => ("CONTEXT", "TO"),
        };
        Self { line: Some(line), line_type: Some(line_type), file_type: Some(file_type), ..self }
    }
}

impl Post {
    fn parse(client: &Client, asked: pb::PostCommentRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let pr_id = number("pr_id", asked.pr_id)?;
        if asked.text.trim().is_empty() || characters(&asked.text) > LONGEST {
            return Err(Error::field("text", "must be 1 to 32,767 characters and not only white space"));
        }
        let kind = pb::CommentKind::try_from(asked.kind)
            .map_err(|_| Error::field("kind", "is a kind that this version of gitproxy does not know"))?;
        let place = match (asked.parent_id, &asked.anchor) {
            (0, None) => Place::General,
            (0, Some(anchor)) => Place::parse(anchor)?,
            (parent, None) => Place::Reply { parent: number("parent_id", parent)? },
            (_, Some(_)) => return Err(Error::field("anchor", "must be unset for a reply")),
        };
        Ok(Self { repo, pr_id, text: asked.text, place, anchor: asked.anchor, kind })
    }
}

impl Place {
    fn parse(anchor: &pb::Anchor) -> Result<Self, Error> {
        let path = RepoPath::parse(&anchor.path).map_err(|why| Error::field("anchor.path", why))?;
        let src_path = (!anchor.src_path.is_empty()).then(|| RepoPath::parse(&anchor.src_path));
        let src_path = src_path.transpose().map_err(|why| Error::field("anchor.src_path", why))?;
        let line_type = pb::LineType::try_from(anchor.line_type).map_err(|_| {
            Error::field("anchor.line_type", "is a type that this version of gitproxy does not know")
        })?;
        match anchor.line {
            0 => Ok(Self::File { path, src_path }),
            line if line > 0 => Ok(Self::Line { path, src_path, line, line_type }),
            _ => Err(Error::field("anchor.line", "must be a line from 1, or 0 for the whole file")),
        }
    }

    fn is_line(&self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

impl Client {
    /// Posts a comment, once for each key: general, a reply, on a file, on a line, or a task.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `ANCHOR_INVALID`, `COMMENT_NOT_FOUND` for a
    /// parent, `TOKEN_HAS_NO_USER`.
    pub async fn post_comment(
        &self,
        asked: pb::PostCommentRequest,
    ) -> Result<pb::PostCommentResponse, Error> {
        let post = Post::parse(self, asked)?;
        let (comment, origin) = self.post(&post).await?;
        let existing = origin == Origin::Earlier;
        Ok(pb::PostCommentResponse { comment: Some(comment), existing, ..Default::default() })
    }

    async fn post(&self, post: &Post) -> Result<(pb::Comment, Origin), Error> {
        let parent = if let Place::Reply { parent } = post.place { parent } else { 0 };
        let wanted = Wanted { author: "", text: &post.text, parent, anchor: post.anchor.as_ref() };
        let attempt = || async { reply(&self.send(request(post)).await?) };
        let posted = self.post_once((&post.repo, post.pr_id), &wanted, attempt).await;
        posted.map_err(|error| not_posted(error, &post.place))
    }
}

/// What Bitbucket has against an argument is the line, when there is one: the rest was checked before.
fn not_posted(error: Error, place: &Place) -> Error {
    let Error::Refused(refusal) = &error else { return error };
    let vague = match refusal.status {
        StatusCode::BAD_REQUEST => Reason::ArgumentRefused,
        StatusCode::CONFLICT if refusal.exception != "IllegalEntityStateException" => Reason::StateRefused,
        _ => return error,
    };
    if place.is_line() { error.means(vague, Reason::AnchorInvalid) } else { error }
}

#[cfg(test)]
mod tests;
