//! Pull requests as Bitbucket writes them.

use serde::{Deserialize, Serialize};

use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::wire::{Links, lenient, number, small, text, truth};
use crate::bitbucket::{Error, repos, users};
use crate::proto::scm::v1 as pb;

/// The body that opens a pull request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Open<'a> {
    pub(super) title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) description: &'a str,
    pub(super) from_ref: Ref<'a>,
    pub(super) to_ref: Ref<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reviewers: Vec<Named<'a>>,
    // Left out unless wanted: old versions do not know it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) draft: bool,
}

/// A branch with its repository, which old versions want also when both are the same.
#[derive(Debug, Serialize)]
pub(super) struct Ref<'a> {
    id: &'a str,
    repository: Repository<'a>,
}

#[derive(Debug, Serialize)]
struct Repository<'a> {
    slug: &'a str,
    project: Project<'a>,
}

#[derive(Debug, Serialize)]
struct Project<'a> {
    key: &'a str,
}

/// A reviewer by login name.
#[derive(Debug, Serialize)]
pub(super) struct Named<'a> {
    user: Name<'a>,
}

#[derive(Debug, Serialize)]
struct Name<'a> {
    name: &'a str,
}

impl<'a> Ref<'a> {
    pub(super) fn new(repo: &'a RepoId, branch: &'a BranchName) -> Self {
        Self::of(branch.full(), repo.project().as_str(), repo.slug().as_str())
    }

    /// The branch of this full name.
    pub(super) fn of(id: &'a str, project: &'a str, slug: &'a str) -> Self {
        Self { id, repository: Repository { slug, project: Project { key: project } } }
    }
}

impl<'a> Named<'a> {
    pub(super) fn user(name: &'a str) -> Self {
        Self { user: Name { name } }
    }
}

/// The value of `state` that asks for one, or every, state.
pub(super) fn state_filter(state: i32) -> Result<&'static str, Error> {
    Ok(match pb::PrState::try_from(state) {
        Ok(pb::PrState::Unspecified) => "ALL",
        Ok(pb::PrState::Open) => "OPEN",
        Ok(pb::PrState::Merged) => "MERGED",
        Ok(pb::PrState::Declined) => "DECLINED",
        Ok(pb::PrState::Superseded) => "SUPERSEDED",
        Err(_) => {
            return Err(Error::field("state", "is a state that this version of gitproxy does not know"));
        }
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "number")]
    id: i64,
    #[serde(default, deserialize_with = "small")]
    version: i32,
    #[serde(default, deserialize_with = "text")]
    title: String,
    #[serde(default, deserialize_with = "text")]
    description: String,
    #[serde(default, deserialize_with = "text")]
    state: String,
    // Since 8.18.
    #[serde(default, deserialize_with = "truth")]
    draft: bool,
    #[serde(default, deserialize_with = "lenient")]
    from_ref: Side,
    #[serde(default, deserialize_with = "lenient")]
    to_ref: Side,
    #[serde(default, deserialize_with = "lenient")]
    author: Option<Participant>,
    #[serde(default, deserialize_with = "lenient")]
    reviewers: Vec<Participant>,
    #[serde(default, deserialize_with = "lenient")]
    participants: Vec<Participant>,
    #[serde(default, deserialize_with = "truth")]
    locked: bool,
    #[serde(default, deserialize_with = "number")]
    created_date: i64,
    #[serde(default, deserialize_with = "number")]
    updated_date: i64,
    #[serde(default, deserialize_with = "number")]
    closed_date: i64,
    #[serde(default, deserialize_with = "lenient")]
    properties: Properties,
    #[serde(default, deserialize_with = "lenient")]
    links: Links,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    #[serde(default, deserialize_with = "text")]
    id: String,
    #[serde(default, deserialize_with = "text")]
    display_id: String,
    #[serde(default, deserialize_with = "text")]
    latest_commit: String,
    #[serde(default, deserialize_with = "lenient")]
    repository: repos::Wire,
}

/// Somebody who takes part in a pull request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Participant {
    #[serde(default, deserialize_with = "lenient")]
    user: users::Wire,
    #[serde(default, deserialize_with = "text")]
    status: String,
    #[serde(default, deserialize_with = "text")]
    last_reviewed_commit: String,
}

/// What somebody who takes part says, and of which commit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Says {
    pub(super) reviewer: pb::Reviewer,
    /// The commit that was reviewed last; empty where Bitbucket does not say.
    pub(super) of_commit: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default, deserialize_with = "lenient")]
    merge_result: MergeResult,
    #[serde(default, deserialize_with = "small")]
    open_task_count: i32,
    #[serde(default, deserialize_with = "small")]
    resolved_task_count: i32,
    #[serde(default, deserialize_with = "small")]
    comment_count: i32,
    #[serde(default, deserialize_with = "lenient")]
    merge_commit: MergeCommit,
}

#[derive(Debug, Default, Deserialize)]
struct MergeResult {
    #[serde(default, deserialize_with = "text")]
    outcome: String,
}

#[derive(Debug, Default, Deserialize)]
struct MergeCommit {
    #[serde(default, deserialize_with = "text")]
    id: String,
}

impl Wire {
    /// What everybody but the author says: the reviewers, and others who take part.
    pub(super) fn says(self) -> Vec<Says> {
        self.reviewers.into_iter().chain(self.participants).map(Into::into).collect()
    }
}

impl From<Wire> for pb::PullRequest {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.id,
            version: wire.version,
            title: wire.title,
            description: wire.description,
            state: state(&wire.state).into(),
            draft: wire.draft,
            from: Some(wire.from_ref.into()),
            to: Some(wire.to_ref.into()),
            author: wire.author.map(|author| author.user.into()),
            reviewers: wire.reviewers.into_iter().map(Into::into).collect(),
            created_ms: wire.created_date,
            updated_ms: wire.updated_date,
            merge_outcome: outcome(&wire.properties.merge_result.outcome).into(),
            open_tasks: wire.properties.open_task_count,
            comments: wire.properties.comment_count,
            web_url: wire.links.web(),
            closed_ms: wire.closed_date,
            merge_commit_id: wire.properties.merge_commit.id,
            locked: wire.locked,
            resolved_tasks: wire.properties.resolved_task_count,
        }
    }
}

impl From<Side> for pb::PrRef {
    fn from(side: Side) -> Self {
        let repo = Some(side.repository.named());
        Self { repo, id: side.id, name: side.display_id, commit_id: side.latest_commit }
    }
}

impl From<Participant> for pb::Reviewer {
    fn from(participant: Participant) -> Self {
        let status = match participant.status.as_str() {
            "UNAPPROVED" => pb::ReviewStatus::Unapproved,
            "NEEDS_WORK" => pb::ReviewStatus::NeedsWork,
            "APPROVED" => pb::ReviewStatus::Approved,
            _ => pb::ReviewStatus::Unspecified,
        };
        Self { user: Some(participant.user.into()), status: status.into() }
    }
}

impl From<Participant> for Says {
    fn from(mut participant: Participant) -> Self {
        let of_commit = std::mem::take(&mut participant.last_reviewed_commit);
        Self { reviewer: participant.into(), of_commit }
    }
}

fn state(word: &str) -> pb::PrState {
    match word {
        "OPEN" => pb::PrState::Open,
        "MERGED" => pb::PrState::Merged,
        "DECLINED" => pb::PrState::Declined,
        "SUPERSEDED" => pb::PrState::Superseded,
        _ => pb::PrState::Unspecified,
    }
}

/// Bitbucket's word for whether the branches merge.
pub(super) fn outcome(word: &str) -> pb::MergeOutcome {
    match word {
        "CLEAN" => pb::MergeOutcome::Clean,
        "CONFLICTED" => pb::MergeOutcome::Conflicted,
        _ => pb::MergeOutcome::Unspecified,
    }
}
