//! Where a pull request stands, in one answer: GetPRStatus.

use futures_util::future;

use crate::bitbucket::builds::together;
use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::pull_requests::number;
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// Whether a merge is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bitbucket) enum Armed {
    /// Bitbucket is asked.
    Asked,
    /// It is taken to be as it was, which saves a request.
    Seen(bool),
}

/// What keeps an open pull request from being merged.
fn blockers(pr: &pb::PullRequest, check: &pb::CheckMergeResponse) -> Vec<pb::Blocker> {
    let own = |kind: pb::BlockerType, summary: &str| pb::Blocker {
        r#type: kind.into(),
        summary: summary.to_owned(),
        detail: String::new(),
    };
    let conflict = check.conflicted.then(|| own(pb::BlockerType::Conflict, "the branches conflict"));
    let draft = pr.draft.then(|| own(pb::BlockerType::Draft, "the pull request is a draft"));
    let vetoes = check.vetoes.iter().map(|veto| pb::Blocker {
        r#type: pb::BlockerType::Unspecified.into(),
        summary: veto.summary.clone(),
        detail: veto.detail.clone(),
    });
    let mut blockers: Vec<_> = conflict.into_iter().chain(draft).chain(vetoes).collect();
    let settled = check.outcome() != pb::MergeOutcome::Unspecified;
    if blockers.is_empty() && settled && !check.can_merge {
        blockers
            .push(own(pb::BlockerType::Unspecified, "Bitbucket would not merge it, and does not say why"));
    }
    blockers
}

/// Whether it can be merged now; `check` is of an open one.
fn mergeability(pr: &pb::PullRequest, check: Option<&pb::CheckMergeResponse>) -> pb::Mergeability {
    match (pr.state(), check) {
        (pb::PrState::Merged, _) => pb::Mergeability::Merged,
        (pb::PrState::Declined | pb::PrState::Superseded, _) => pb::Mergeability::Closed,
        (pb::PrState::Open, Some(check)) if !blockers(pr, check).is_empty() => pb::Mergeability::Blocked,
        (pb::PrState::Open, Some(check)) if check.can_merge => pb::Mergeability::Now,
        (pb::PrState::Open | pb::PrState::Unspecified, _) => pb::Mergeability::Unspecified,
    }
}

fn reviews(reviewers: &[pb::Reviewer]) -> pb::ReviewCounts {
    let count = |is: fn(pb::ReviewStatus) -> bool| {
        i32::try_from(reviewers.iter().filter(|one| is(one.status())).count()).unwrap_or(i32::MAX)
    };
    pb::ReviewCounts {
        approved: count(|status| status == pb::ReviewStatus::Approved),
        needs_work: count(|status| status == pb::ReviewStatus::NeedsWork),
        pending: count(|status| {
            matches!(status, pb::ReviewStatus::Unapproved | pb::ReviewStatus::Unspecified)
        }),
    }
}

impl Client {
    /// Says where a pull request stands.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_pr_status(
        &self,
        asked: pb::GetPrStatusRequest,
    ) -> Result<pb::GetPrStatusResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let status = self.pr_status(&repo, number("id", asked.id)?, Armed::Asked).await?;
        Ok(pb::GetPrStatusResponse { status: Some(status) })
    }

    /// All of where a pull request stands.
    ///
    /// # Errors
    /// Bitbucket's refusals.
    pub(in crate::bitbucket) async fn pr_status(
        &self,
        repo: &RepoId,
        id: i64,
        armed: Armed,
    ) -> Result<pb::PrStatus, Error> {
        let pr = self.pull_request(repo, id).await?;
        match self.standing(repo, pr, armed).await {
            // Somebody closed it between the reads, and a closed one has no merge check.
            Err(error) if error.reason() == Some(Reason::PrClosed) => {
                let pr = self.pull_request(repo, id).await?;
                self.standing(repo, pr, armed).await
            }
            outcome => outcome,
        }
    }

    async fn standing(
        &self,
        repo: &RepoId,
        pr: pb::PullRequest,
        armed: Armed,
    ) -> Result<pb::PrStatus, Error> {
        let open = pr.state() == pb::PrState::Open;
        let check = async { if open { self.mergeability(repo, pr.id).await.map(Some) } else { Ok(None) } };
        let armed = async {
            match armed {
                Armed::Asked if open => self.armed(repo, pr.id).await,
                Armed::Seen(armed) => Ok(armed && open),
                Armed::Asked => Ok(false),
            }
        };
        let (check, armed, mut builds) = future::try_join3(check, armed, self.builds_of(&pr)).await?;
        builds.sort_by_key(|build| std::cmp::Reverse(build.reported_ms));
        let build_state = together(&builds).into();
        builds.truncate(BUILDS);
        Ok(pb::PrStatus {
            build_state,
            builds,
            mergeability: mergeability(&pr, check.as_ref()).into(),
            blockers: check.as_ref().map(|check| blockers(&pr, check)).unwrap_or_default(),
            reviews: Some(reviews(&pr.reviewers)),
            auto_merge_armed: armed,
            pull_request: Some(pr),
        })
    }

    async fn builds_of(&self, pr: &pb::PullRequest) -> Result<Vec<pb::Build>, Error> {
        let head = pr.from.as_ref().map(|side| side.commit_id.as_str()).unwrap_or_default();
        match CommitId::parse(head) {
            Ok(head) => self.builds(&head).await,
            // Its source branch is gone, in some version: what never was there has no builds either.
            Err(_) => Ok(Vec::new()),
        }
    }
}

/// As many as the contract promises at most.
const BUILDS: usize = 100;

#[cfg(test)]
mod tests;
