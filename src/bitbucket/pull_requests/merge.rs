//! Merges: CheckMerge, MergePR.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};

use crate::bitbucket::names::RepoId;
use crate::bitbucket::pull_requests::revise::{Expected, closed, is_race};
use crate::bitbucket::pull_requests::{number, path, wire};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::version::Feature;
use crate::bitbucket::wire::{lenient, text, truth};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/merge`
fn check_request(repo: &RepoId, id: i64) -> Request<Bytes> {
    Draft::get(path(repo, id).segment("merge"), Permission::RepoRead).empty()
}

fn check_reply(reply: &Reply) -> Result<pb::CheckMergeResponse, Error> {
    reply.json::<Check>().map(Into::into)
}

/// `POST /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/merge?version=…`
fn merge_request(merge: &Merge, version: i32) -> Request<Bytes> {
    let body = Body { message: &merge.message, strategy_id: &merge.strategy, auto_merge: merge.later };
    let draft = Draft::new(Method::POST, path(&merge.repo, merge.id).segment("merge"), Permission::RepoWrite);
    draft.query("version", &version.to_string()).json(&body)
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/settings/pull-requests`
fn settings_request(repo: &RepoId) -> Request<Bytes> {
    Draft::get(Path::repo(repo).segment("settings").segment("pull-requests"), Permission::RepoRead).empty()
}

/// The ids of the strategies that the repository allows.
fn settings_reply(reply: &Reply) -> Result<Vec<String>, Error> {
    let Settings { merge_config: Config { strategies } } = reply.json()?;
    let enabled = strategies.into_iter().filter(|strategy| strategy.enabled);
    Ok(enabled.map(|strategy| strategy.id).collect())
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/auto-merge`; 404 where no merge is armed.
fn armed_request(repo: &RepoId, id: i64) -> Request<Bytes> {
    Draft::get(path(repo, id).segment("auto-merge"), Permission::RepoRead).empty()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    strategy_id: &'a str,
    // Since 8.15; older versions ignore it, and merge.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    auto_merge: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    // Not in the official document (FACTS 9).
    #[serde(default, deserialize_with = "lenient")]
    can_merge: Option<bool>,
    #[serde(default, deserialize_with = "truth")]
    conflicted: bool,
    #[serde(default, deserialize_with = "text")]
    outcome: String,
    #[serde(default, deserialize_with = "lenient")]
    vetoes: Vec<Veto>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Veto {
    #[serde(default, deserialize_with = "text")]
    summary_message: String,
    #[serde(default, deserialize_with = "text")]
    detailed_message: String,
}

impl From<Check> for pb::CheckMergeResponse {
    fn from(check: Check) -> Self {
        let clear = !check.conflicted && check.vetoes.is_empty();
        // Right after the opening it is not worked out yet, and a "no" means "not yet" (FACTS 4).
        let settled = check.outcome != "UNKNOWN";
        let vetoes = check.vetoes.into_iter();
        Self {
            can_merge: settled && check.can_merge.unwrap_or(clear),
            conflicted: check.conflicted,
            outcome: if check.conflicted {
                pb::MergeOutcome::Conflicted
            } else {
                wire::outcome(&check.outcome)
            }
            .into(),
            vetoes: vetoes
                .map(|veto| pb::Veto { summary: veto.summary_message, detail: veto.detailed_message })
                .collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    #[serde(default, deserialize_with = "lenient")]
    merge_config: Config,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default, deserialize_with = "lenient")]
    strategies: Vec<Strategy>,
}

#[derive(Debug, Default, Deserialize)]
struct Strategy {
    #[serde(default, deserialize_with = "text")]
    id: String,
    #[serde(default, deserialize_with = "truth")]
    enabled: bool,
}

/// A merge that is asked for.
#[derive(Debug)]
struct Merge {
    repo: RepoId,
    id: i64,
    expected: Expected,
    strategy: String,
    message: String,
    later: bool,
}

impl Merge {
    fn parse(client: &Client, asked: pb::MergePrRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let id = number("id", asked.id)?;
        let expected = Expected::parse(asked.expected_version, &asked.expected_commit_id)?;
        let (strategy, message, later) = (asked.strategy, asked.message, asked.auto_merge);
        Ok(Self { repo, id, expected, strategy, message, later })
    }

    /// The request that merges it; `None` when it is merged, and was what the caller expects.
    fn step(&self, pr: &pb::PullRequest) -> Result<Option<Request<Bytes>>, Error> {
        match pr.state() {
            pb::PrState::Merged => self.expected.check_merged(pr).map(|()| None),
            pb::PrState::Declined | pb::PrState::Superseded => Err(closed(pr)),
            // Bitbucket has the word on a state that is not known here.
            pb::PrState::Open | pb::PrState::Unspecified => {
                // The head is that of the very read whose version the request names, so that no push comes in between.
                self.expected.check(pr)?;
                Ok(Some(merge_request(self, pr.version)))
            }
        }
    }

    fn refused(&self, error: Error) -> Error {
        if is_race(&error) {
            // Twice in a row, the second time against a fresh read: a strategy that wants a fast-forward, more likely than
            // a second push. Bitbucket's words tell.
            return error.means(Reason::StateRefused, Reason::MergeVetoed);
        }
        let nobody = error.reason() == Some(Reason::TokenHasNoUser);
        let forbidden = matches!(&error, Error::Refused(refusal)
            if refusal.status == StatusCode::FORBIDDEN && refusal.exception != "AuthorisationException");
        if self.later && nobody && forbidden {
            // That is what 403 means here (FACTS 4), unless it says that nobody asks.
            return error.means(Reason::TokenHasNoUser, Reason::AutoMergeDisabled);
        }
        error
    }
}

impl Client {
    /// Asks whether Bitbucket would merge.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `PR_CLOSED` unless it is open.
    pub async fn check_merge(&self, asked: pb::CheckMergeRequest) -> Result<pb::CheckMergeResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        self.mergeability(&repo, number("id", asked.id)?).await
    }

    pub(super) async fn mergeability(&self, repo: &RepoId, id: i64) -> Result<pb::CheckMergeResponse, Error> {
        check_reply(&self.send(check_request(repo, id)).await?)
    }

    /// Whether a merge is armed and waits; never before 8.15.
    pub(in crate::bitbucket) async fn armed(&self, repo: &RepoId, id: i64) -> Result<bool, Error> {
        if !self.has(Feature::AutoMerge).await? {
            return Ok(false);
        }
        match self.send(armed_request(repo, id)).await {
            Ok(reply) => Ok(!reply.body.is_empty()),
            Err(Error::RouteMissing) => Ok(false),
            Err(error) if error.reason() == Some(Reason::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Merges, or arms the merge; a pull request that is merged already is a success if it was what the caller expects.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], [`Error::TooOld`] for auto-merge, and Bitbucket's refusals;
    /// `MERGE_VETOED` with the vetoes, `MERGE_STRATEGY_REFUSED` with those that are allowed, `PR_OUT_OF_DATE`, `PR_CLOSED`,
    /// `AUTO_MERGE_DISABLED`, `TOKEN_HAS_NO_USER`.
    pub async fn merge_pr(&self, asked: pb::MergePrRequest) -> Result<pb::MergePrResponse, Error> {
        let merge = Merge::parse(self, asked)?;
        if merge.later {
            // Before anything is sent: an older Bitbucket would not wait, but merge at once (FACTS 8).
            self.needs(Feature::AutoMerge).await?;
        }
        if !merge.strategy.is_empty() {
            self.allows(&merge).await?;
        }
        match self.revise(&merge.repo, merge.id, |pr| merge.step(pr)).await {
            Ok(pr) => {
                let waits = merge.later && pr.state() == pb::PrState::Open;
                Ok(pb::MergePrResponse { pull_request: Some(pr), auto_merge_armed: waits })
            }
            // To arm a merge changes nothing of the pull request that could be read back, but there is a resource of its own.
            Err(error @ Error::Uncertain { .. }) if merge.later => self.read_back_armed(&merge, error).await,
            Err(error) => Err(merge.refused(error)),
        }
    }

    /// Refuses a strategy that the repository does not allow: Bitbucket's own refusal does not say which it does.
    async fn allows(&self, merge: &Merge) -> Result<(), Error> {
        let allowed = settings_reply(&self.send(settings_request(&merge.repo)).await?)?;
        if allowed.contains(&merge.strategy) {
            return Ok(());
        }
        let facts = vec![("strategy", merge.strategy.clone()), ("allowed", allowed.join(", "))];
        Err(Error::unmet(Reason::MergeStrategyRefused, "the strategy is not enabled", facts))
    }

    async fn read_back_armed(&self, merge: &Merge, lost: Error) -> Result<pb::MergePrResponse, Error> {
        let (Ok(true), Ok(pr)) =
            (self.armed(&merge.repo, merge.id).await, self.pull_request(&merge.repo, merge.id).await)
        else {
            return Err(lost);
        };
        let waits = pr.state() == pb::PrState::Open;
        Ok(pb::MergePrResponse { pull_request: Some(pr), auto_merge_armed: waits })
    }
}

#[cfg(test)]
mod tests;
