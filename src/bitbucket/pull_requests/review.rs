//! Reviews: ReviewPR.

use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::page::Page;
use crate::bitbucket::pull_requests::revise::out_of_date;
use crate::bitbucket::pull_requests::wire::{Participant, Says, Wire};
use crate::bitbucket::pull_requests::{self as pulls, number, path};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error, users};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `PUT /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/participants/{slug}`, of the token's own user only.
fn request(review: &Review, slug: &str) -> Request<Bytes> {
    let path = path(&review.repo, review.id).segment("participants").segment(slug);
    let seen = review.seen.as_ref().map(CommitId::as_str);
    let body = Body { status: review.word, last_reviewed_commit: seen };
    Draft::new(Method::PUT, path, Permission::RepoRead).json(&body)
}

fn reply(reply: &Reply) -> Result<pb::Reviewer, Error> {
    reply.json::<Participant>().map(Into::into)
}

/// `GET /rest/api/latest/users?filter=…`; the filter matches parts of names and addresses.
fn users_request(name: &str, start: u64) -> Request<Bytes> {
    Draft::get(Path::rest("api").segment("users"), Permission::RepoRead)
        .query("filter", name)
        .page(start, USERS)
        .empty()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    status: &'static str,
    // With it, Bitbucket refuses the review where the source has moved on.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reviewed_commit: Option<&'a str>,
}

/// What the token's user says.
#[derive(Debug)]
struct Review {
    repo: RepoId,
    id: i64,
    status: pb::ReviewStatus,
    word: &'static str,
    seen: Option<CommitId>,
}

impl Review {
    fn parse(client: &Client, asked: &pb::ReviewPrRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let id = number("id", asked.id)?;
        let status = asked.status();
        let word = match status {
            pb::ReviewStatus::Unapproved => "UNAPPROVED",
            pb::ReviewStatus::NeedsWork => "NEEDS_WORK",
            pb::ReviewStatus::Approved => "APPROVED",
            pb::ReviewStatus::Unspecified => {
                return Err(Error::field("status", "must be UNAPPROVED, NEEDS_WORK or APPROVED"));
            }
        };
        let seen = asked.reviewed_commit_id.as_str();
        let seen = (!seen.is_empty()).then(|| CommitId::parse(seen)).transpose();
        let seen = seen.map_err(|why| Error::field("reviewed_commit_id", why))?;
        Ok(Self { repo, id, status, word, seen })
    }

    /// Refuses what Bitbucket would refuse, and more clearly.
    fn check(&self, pr: &pb::PullRequest, name: &str) -> Result<(), Error> {
        if pr.author.as_ref().is_some_and(|author| author.name.eq_ignore_ascii_case(name)) {
            let says = format!("{name} opened the pull request");
            return Err(Error::unmet(Reason::ReviewRefused, says, Vec::new()));
        }
        let moved = |seen: &CommitId| !seen.as_str().eq_ignore_ascii_case(head(pr));
        if self.seen.as_ref().is_some_and(moved) { Err(out_of_date(pr)) } else { Ok(()) }
    }

    /// Whether what somebody says now is what was to be said. An approval of an older commit is not one of this head.
    fn is_said(&self, now: &Says, pr: &pb::PullRequest) -> bool {
        let of_head = now.of_commit.is_empty() || now.of_commit.eq_ignore_ascii_case(head(pr));
        now.reviewer.status() == self.status && (of_head || self.status == pb::ReviewStatus::Unapproved)
    }
}

fn head(pr: &pb::PullRequest) -> &str {
    pr.from.as_ref().map(|side| side.commit_id.as_str()).unwrap_or_default()
}

/// What the user of this login name says.
fn of(says: Vec<Says>, name: &str) -> Option<Says> {
    let is = |user: &pb::User| user.name.eq_ignore_ascii_case(name);
    says.into_iter().find(|one| one.reviewer.user.as_ref().is_some_and(is))
}

/// A pull request, and what everybody but its author says.
fn read(found: &Reply) -> Result<(pb::PullRequest, Vec<Says>), Error> {
    Ok((pulls::reply(found)?, found.json::<Wire>()?.says()))
}

impl Client {
    /// Says, as the token's user, what a reviewer says; who was none becomes one.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `REVIEW_REFUSED` for the author,
    /// `TOKEN_HAS_NO_USER`, `PR_OUT_OF_DATE` where the head is not the reviewed commit, `PR_CLOSED`.
    pub async fn review_pr(&self, asked: pb::ReviewPrRequest) -> Result<pb::ReviewPrResponse, Error> {
        let review = Review::parse(self, &asked)?;
        let found = self.send(pulls::request(&review.repo, review.id)).await?;
        let name = found.user().or_else(|| self.user().map(str::to_owned)).ok_or_else(nobody)?;
        let (pr, says) = read(&found)?;
        review.check(&pr, &name)?;
        let known = of(says, &name).and_then(|one| one.reviewer.user).map(|user| user.slug);
        let slug = match known.filter(|slug| !slug.is_empty()) {
            Some(slug) => slug,
            None => self.slug_of(&name).await?,
        };
        let said = self.send(request(&review, &slug)).await.and_then(|said| reply(&said));
        let reviewer = match said {
            Ok(reviewer) => reviewer,
            Err(lost @ Error::Uncertain { .. }) => self.read_back(&review, &name, lost).await?,
            Err(error) => return Err(error),
        };
        Ok(pb::ReviewPrResponse { reviewer: Some(reviewer) })
    }

    /// The name of a user as it stands in URLs, which is not always the login name (FACTS 2).
    async fn slug_of(&self, name: &str) -> Result<String, Error> {
        let mut start = 0;
        for _ in 0..PAGES {
            let page = Page::<users::Wire>::read(&self.send(users_request(name, start)).await?, start)?;
            let mut found = page.values.into_iter().map(pb::User::from);
            if let Some(user) =
                found.find(|user| user.name.eq_ignore_ascii_case(name) && !user.slug.is_empty())
            {
                return Ok(user.slug);
            }
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        Err(nobody())
    }

    /// Looks whether a review whose answer was lost was made.
    async fn read_back(&self, review: &Review, name: &str, lost: Error) -> Result<pb::Reviewer, Error> {
        let found = self.send(pulls::request(&review.repo, review.id)).await;
        let Some((pr, says)) = found.ok().and_then(|found| read(&found).ok()) else { return Err(lost) };
        match of(says, name).filter(|now| review.is_said(now, &pr)) {
            Some(now) => Ok(now.reviewer),
            None => Err(lost),
        }
    }
}

/// Says that no user stands behind the token.
fn nobody() -> Error {
    Error::unmet(Reason::TokenHasNoUser, "Bitbucket names no user for the token", Vec::new())
}

/// How many users are asked for at a time, and how often: many may have a part of the name.
const USERS: u32 = 100;
const PAGES: usize = 5;

#[cfg(test)]
mod tests;
