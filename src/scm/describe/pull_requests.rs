use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{GetPrRequest, ListPRsRequest, OpenPrRequest, PrState};
use crate::scm::fields::{Fields, PAGE_MOST, Presence};

/// In characters.
const TITLE_MOST: usize = 255;

/// In characters.
const DESCRIPTION_MOST: usize = 32_768;

impl Describe for OpenPrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/OpenPR");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.other_repo("from_repo", self.from_repo.as_ref());
        fields.text("title", &self.title, Presence::Required, TITLE_MOST);
        fields.text("description", &self.description, Presence::Optional, DESCRIPTION_MOST);
        fields.git_ref("from_branch", &self.from_branch, Presence::Required);
        fields.git_ref("to_branch", &self.to_branch, Presence::Required);
        for (index, reviewer) in self.reviewers.iter().enumerate() {
            fields.name(&format!("reviewers[{index}]"), reviewer, Presence::Required);
        }
    }
}

impl Describe for GetPrRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.PullRequests/GetPR");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.number("id", self.id);
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
