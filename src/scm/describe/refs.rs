use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{
    CreateBranchRequest, DeleteBranchRequest, GetBranchRequest, GetDefaultBranchRequest, ListBranchesRequest,
    ListTagsRequest,
};
use crate::scm::fields::{Fields, PAGE_MOST, Presence};

impl Describe for ListBranchesRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Refs/ListBranches");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.page_size(self.page_size, PAGE_MOST);
        fields.name("name_contains", &self.name_contains, Presence::Optional);
    }
}

impl Describe for GetDefaultBranchRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Refs/GetDefaultBranch");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
    }
}

impl Describe for CreateBranchRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Refs/CreateBranch");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.git_ref("name", &self.name, Presence::Required);
        fields.git_ref("start_point", &self.start_point, Presence::Required);
    }
}

impl Describe for DeleteBranchRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Refs/DeleteBranch");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.git_ref("name", &self.name, Presence::Required);
        fields.commit("expected_commit_id", &self.expected_commit_id, Presence::Optional);
    }
}

impl Describe for GetBranchRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Refs/GetBranch");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.git_ref("name", &self.name, Presence::Required);
    }
}

impl Describe for ListTagsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Refs/ListTags");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.page_size(self.page_size, PAGE_MOST);
        fields.name("name_contains", &self.name_contains, Presence::Optional);
    }
}
