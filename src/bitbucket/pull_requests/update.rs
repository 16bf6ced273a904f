//! Changes to what a pull request says: UpdatePR.
//!
//! Bitbucket replaces the whole editable set and drops what is left out (FACTS 4), so that all of it is read, changed and
//! sent back.

use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;

use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::pull_requests::revise::Expected;
use crate::bitbucket::pull_requests::wire::{Named, Ref};
use crate::bitbucket::pull_requests::{description, named, number, path, title};
use crate::bitbucket::request::{Draft, Permission};
use crate::bitbucket::version::Feature;
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// `PUT /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}`
fn request(repo: &RepoId, id: i64, set: &Editable) -> Request<Bytes> {
    let Editable { version, to, .. } = set;
    let body = Body {
        version: *version,
        title: &set.title,
        description: &set.description,
        to_ref: Ref::of(&set.to_branch, &to.project, &to.slug),
        reviewers: set.reviewers.iter().map(|name| Named::user(name)).collect(),
        draft: set.draft,
    };
    Draft::new(Method::PUT, path(repo, id), Permission::RepoWrite).json(&body)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    version: i32,
    title: &'a str,
    description: &'a str,
    to_ref: Ref<'a>,
    reviewers: Vec<Named<'a>>,
    // Since 8.18.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<bool>,
}

/// All of a pull request that can be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Editable {
    version: i32,
    title: String,
    description: String,
    to_branch: String,
    to: Target,
    reviewers: Vec<String>,
    draft: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    project: String,
    slug: String,
}

impl Editable {
    /// What a pull request has now. Where Bitbucket does not name the target's repository, it is the one that was asked.
    fn of(pr: &pb::PullRequest, repo: &RepoId) -> Option<Self> {
        let to = pr.to.as_ref()?;
        let pb::RepoRef { project, slug } = to
            .repo
            .clone()
            .filter(|named| !named.project.is_empty() && !named.slug.is_empty())
            .unwrap_or_else(|| named(repo));
        let name = |reviewer: &pb::Reviewer| reviewer.user.as_ref().map(|user| user.name.clone());
        let reviewers: Option<Vec<String>> = pr.reviewers.iter().map(name).collect();
        let whole = !pr.title.is_empty() && !to.id.is_empty();
        Some(Self {
            version: pr.version,
            title: pr.title.clone(),
            description: pr.description.clone(),
            to_branch: to.id.clone(),
            to: Target { project, slug },
            // One without a name cannot be sent back.
            reviewers: reviewers.filter(|names| whole && !names.iter().any(String::is_empty))?,
            // Who has drafts would make this one ready; who has none would not understand.
            draft: pr.draft.then_some(true),
        })
    }
}

/// What shall change.
#[derive(Debug)]
struct Update {
    repo: RepoId,
    id: i64,
    title: Option<String>,
    description: Option<String>,
    to: Option<BranchName>,
    add: Vec<String>,
    remove: Vec<String>,
    draft: Option<bool>,
    expected: Expected,
}

impl Update {
    fn parse(client: &Client, asked: pb::UpdatePrRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let id = number("id", asked.id)?;
        asked.title.as_deref().map_or(Ok(()), title)?;
        asked.description.as_deref().map_or(Ok(()), description)?;
        let to = (!asked.to_branch.is_empty()).then(|| BranchName::parse(&asked.to_branch)).transpose();
        let to = to.map_err(|why| Error::field("to_branch", why))?;
        let (add, remove) = (asked.add_reviewers, asked.remove_reviewers);
        for (field, names) in [("add_reviewers", &add), ("remove_reviewers", &remove)] {
            if names.iter().any(String::is_empty) {
                return Err(Error::field(field, "must not hold an empty name"));
            }
        }
        if let Some(both) = add.iter().find(|name| has(&remove, name)) {
            return Err(Error::field("remove_reviewers", format!("names {both}, whom `add_reviewers` adds")));
        }
        let expected = Expected::parse(asked.expected_version, "")?;
        let (title, description, draft) = (asked.title, asked.description, asked.draft);
        Ok(Self { repo, id, title, description, to, add, remove, draft, expected })
    }

    /// The request that makes it so; `None` when it is so.
    fn step(&self, pr: &pb::PullRequest, base: &str) -> Result<Option<Request<Bytes>>, Error> {
        let author = pr.author.as_ref().map(|author| author.name.as_str()).unwrap_or_default();
        if !author.is_empty() && has(&self.add, author) {
            let why = format!("names {author}, who opened the pull request: authors do not review");
            return Err(Error::field("add_reviewers", why));
        }
        let now = Editable::of(pr, &self.repo).ok_or_else(|| Error::Unreadable {
            base: base.into(),
            problem: "the pull request lacks its title, its target or a reviewer's name, which would be lost",
            source: None,
        })?;
        let wanted = self.applied(now.clone());
        let draft = self.draft.is_some_and(|draft| draft != pr.draft);
        if !draft && wanted == (Editable { draft: wanted.draft, ..now }) {
            return Ok(None);
        }
        self.expected.check(pr)?;
        Ok(Some(request(&self.repo, self.id, &wanted)))
    }

    fn applied(&self, mut set: Editable) -> Editable {
        set.title = self.title.clone().unwrap_or(set.title);
        set.description = self.description.clone().unwrap_or(set.description);
        set.to_branch = self.to.as_ref().map_or(set.to_branch, |to| to.full().to_owned());
        set.draft = self.draft.or(set.draft);
        set.reviewers.retain(|name| !has(&self.remove, name));
        for name in &self.add {
            if !has(&set.reviewers, name) {
                set.reviewers.push(name.clone());
            }
        }
        set
    }
}

/// Whether a login name is among others; letter case does not matter to Bitbucket.
fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

impl Client {
    /// Changes what the request names and leaves the rest; a pull request that is so already is a success.
    ///
    /// # Errors
    /// [`Error::Field`], also for an author who shall review, [`Error::OutsideProject`], [`Error::TooOld`] for a draft, and
    /// Bitbucket's refusals; `PR_OUT_OF_DATE`, `PR_CLOSED`, `REVIEWERS_INVALID`.
    pub async fn update_pr(&self, asked: pb::UpdatePrRequest) -> Result<pb::UpdatePrResponse, Error> {
        let update = Update::parse(self, asked)?;
        if update.draft.is_some() {
            // Older versions ignore it, and would open a draft for review (FACTS 8).
            self.needs(Feature::Drafts).await?;
        }
        let step = |pr: &pb::PullRequest| update.step(pr, self.base());
        let pr = self.revise(&update.repo, update.id, step).await?;
        Ok(pb::UpdatePrResponse { pull_request: Some(pr) })
    }
}

#[cfg(test)]
mod tests;
