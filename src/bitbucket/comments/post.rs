//! A new comment: PostComment.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::Serialize;

use crate::bitbucket::comments::find::Wanted;
use crate::bitbucket::comments::once::Origin;
use crate::bitbucket::comments::place::{Anchor, Place};
use crate::bitbucket::comments::{LONGEST, path, reply, split, wire};
use crate::bitbucket::error::Part as InPart;
use crate::bitbucket::names::RepoId;
use crate::bitbucket::pull_requests::{characters, number};
use crate::bitbucket::request::{Draft, Permission};
use crate::bitbucket::version::Feature;
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

/// `POST /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/comments`
fn request(post: &Post) -> Request<Bytes> {
    let (parent, anchor) = match &post.place {
        Place::General => (None, None),
        Place::Reply { parent } => (Some(Parent { id: *parent }), None),
        Place::Diff(spot) => (None, Some(spot.anchor())),
    };
    let severity = (post.kind == pb::CommentKind::Task).then_some("BLOCKER");
    let body = Body { text: &post.text, parent, anchor, severity };
    Draft::new(Method::POST, path(&post.repo, post.pr_id), Permission::RepoRead).json(&body)
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

impl Post {
    fn parse(client: &Client, asked: pb::PostCommentRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let pr_id = number("pr_id", asked.pr_id)?;
        check_text(&asked.text, if asked.split { LONGEST * PARTS } else { LONGEST })?;
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

impl Client {
    /// Posts a comment, once for each key: general, a reply, on a file, on a line or lines, or a task; a long text in
    /// parts, if asked.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `ANCHOR_INVALID`, `COMMENT_NOT_FOUND` for a
    /// parent, `TOKEN_HAS_NO_USER`; [`Error::TooOld`] for several lines; [`Error::InPart`] when only some parts are posted.
    pub async fn post_comment(
        &self,
        asked: pb::PostCommentRequest,
    ) -> Result<pb::PostCommentResponse, Error> {
        let mut post = Post::parse(self, asked)?;
        if post.place.is_multiline() {
            // Older versions ignore where it begins: that is another comment than was asked for.
            self.needs(Feature::MultilineComments).await?;
        }
        let mut texts = split::parts(&post.text, LONGEST).into_iter();
        post.text = texts.next().unwrap_or_default();
        let (first, origin) = self.post(&post, &[]).await?;
        let parts = self.post_rest(&post, first.id, texts.collect()).await?;
        let existing = origin == Origin::Earlier;
        Ok(pb::PostCommentResponse { comment: Some(first), parts, existing })
    }

    /// Posts the further parts of a text. Each is a write of its own.
    async fn post_rest(
        &self,
        first: &Post,
        comment: i64,
        texts: Vec<String>,
    ) -> Result<Vec<pb::Comment>, Error> {
        let of = texts.len() + 1;
        let (mut parts, mut taken) = (Vec::new(), Vec::new());
        for text in texts {
            let place = Place::Reply { parent: comment };
            let kind = pb::CommentKind::Unspecified;
            let part = Post { repo: first.repo.clone(), pr_id: first.pr_id, text, place, anchor: None, kind };
            match self.post(&part, &taken).await {
                Ok((posted, _)) => {
                    taken.push(posted.id);
                    parts.push(posted);
                }
                Err(source) => {
                    let (part, done) = (InPart::Text(comment), parts.len() + 1);
                    return Err(Error::InPart { part, done, of, source: Box::new(source) });
                }
            }
        }
        Ok(parts)
    }

    /// Posts one comment, which is none of `taken`.
    async fn post(&self, post: &Post, taken: &[i64]) -> Result<(pb::Comment, Origin), Error> {
        let parent = if let Place::Reply { parent } = post.place { parent } else { 0 };
        let (text, kind, anchor) = (&*post.text, post.kind, post.anchor.as_ref());
        let wanted = Wanted { author: "", text, kind, parent, anchor };
        let attempt = || async { reply(&self.send(request(post)).await?) };
        let posted = self.post_once((&post.repo, post.pr_id), &wanted, taken, attempt).await;
        let (mut comment, origin) = posted.map_err(|error| not_posted(error, &post.place))?;
        if parent != 0 {
            wire::below(parent, &mut comment);
        }
        Ok((comment, origin))
    }
}

/// Checks the length of a text as Bitbucket counts it.
pub(super) fn check_text(text: &str, most: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::field("text", "must not be empty or only white space"));
    }
    match characters(text) {
        length if length > most => {
            let problem = format!("has {length} UTF-16 code units, of which Bitbucket counts {most} at most");
            Err(Error::field("text", problem))
        }
        _ => Ok(()),
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

/// A text that is split may be as long as so many comments.
const PARTS: usize = 20;

#[cfg(test)]
mod tests;
