use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1 as pb;
use crate::proto::scm::v1::{GetPrRequest, ListPRsRequest, OpenPrRequest, PrState};
use crate::scm::fields::{CONTEXT_MOST, Fields, PAGE_MOST, Presence};

/// In characters.
const TITLE_MOST: usize = 255;

/// In characters.
const DESCRIPTION_MOST: usize = 32_768;

/// In characters; far above what git shows of a message.
const MESSAGE_MOST: usize = 32_768;

/// Bitbucket gives no larger page of activities.
const ACTIVITIES_MOST: i32 = 500;

impl Describe for OpenPrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/OpenPR");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.other_repo("from_repo", self.from_repo.as_ref());
        fields.text("title", &self.title, Presence::Required, TITLE_MOST);
        fields.text("description", &self.description, Presence::Optional, DESCRIPTION_MOST);
        fields.git_ref("from_branch", &self.from_branch, Presence::Required);
        fields.git_ref("to_branch", &self.to_branch, Presence::Required);
        fields.names("reviewers", &self.reviewers);
    }
}

impl Describe for GetPrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/GetPR");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
    }
}

impl Describe for ListPRsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/ListPRs");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.page_size(self.page_size, PAGE_MOST);
        fields.known::<PrState>("state", self.state);
        fields.git_ref("from_branch", &self.from_branch, Presence::Optional);
    }
}

impl Describe for pb::UpdatePrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/UpdatePR");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
        if let Some(title) = &self.title {
            fields.text("title", title, Presence::Required, TITLE_MOST);
        }
        let description = self.description.as_deref().unwrap_or_default();
        fields.text("description", description, Presence::Optional, DESCRIPTION_MOST);
        fields.git_ref("to_branch", &self.to_branch, Presence::Optional);
        fields.names("add_reviewers", &self.add_reviewers);
        fields.names("remove_reviewers", &self.remove_reviewers);
        fields.version("expected_version", self.expected_version);
    }
}

impl Describe for pb::CheckMergeRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/CheckMerge");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
    }
}

impl Describe for pb::MergePrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/MergePR");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
        fields.version("expected_version", self.expected_version);
        fields.commit("expected_commit_id", &self.expected_commit_id, Presence::Optional);
        fields.name("strategy", &self.strategy, Presence::Optional);
        fields.text("message", &self.message, Presence::Optional, MESSAGE_MOST);
    }
}

impl Describe for pb::DeclinePrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/DeclinePR");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
        fields.version("expected_version", self.expected_version);
    }
}

impl Describe for pb::ReopenPrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/ReopenPR");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
        fields.version("expected_version", self.expected_version);
    }
}

impl Describe for pb::ReviewPrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/ReviewPR");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
        if self.status() == pb::ReviewStatus::Unspecified {
            fields.refuse("status", "is missing: set UNAPPROVED, NEEDS_WORK or APPROVED");
        }
        fields.known::<pb::ReviewStatus>("status", self.status);
        fields.commit("reviewed_commit_id", &self.reviewed_commit_id, Presence::Optional);
    }
}

impl Describe for pb::ListActivityRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/ListActivity");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
        fields.page_size(self.page_size, ACTIVITIES_MOST);
    }
}

impl Describe for pb::ListChangesRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/ListChanges");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
    }
}

impl Describe for pb::GetPrDiffRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/GetPRDiff");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
        fields.path("path", &self.path, Presence::Optional);
        fields.between("context_lines", self.context_lines, 0..=CONTEXT_MOST);
    }
}

impl Describe for pb::GetPrStatusRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/GetPRStatus");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
    }
}

impl Describe for pb::WatchPrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/WatchPR");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "id", self.id);
    }
}
