use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{GetRepoRequest, ListProjectsRequest, ListReposRequest};
use crate::scm::fields::{Fields, PAGE_MOST, Presence};

impl Describe for ListProjectsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Repos/ListProjects");

    fn describe(&self, fields: &mut Fields) {
        fields.page_size(self.page_size, PAGE_MOST);
        fields.name("name_contains", &self.name_contains, Presence::Optional);
    }
}

impl Describe for ListReposRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Repos/ListRepos");

    fn describe(&self, fields: &mut Fields) {
        fields.project("project", &self.project, Presence::Optional);
        fields.page_size(self.page_size, PAGE_MOST);
    }
}

impl Describe for GetRepoRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Repos/GetRepo");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
    }
}
