use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{EditFileRequest, GetFileRequest, ListFilesRequest};
use crate::scm::fields::{Fields, Presence};

/// A page of paths may be larger than one of entities.
const PATHS_MOST: i32 = 10_000;

/// Bitbucket's default limit for an edit, in bytes.
const CONTENT_MOST: usize = 5_242_880;

impl Describe for ListFilesRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Files/ListFiles");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.git_ref("at", &self.at, Presence::Optional);
        fields.path("path", &self.path, Presence::Optional);
        fields.page_size(self.page_size, PATHS_MOST);
    }
}

impl Describe for GetFileRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Files/GetFile");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.path("path", &self.path, Presence::Required);
        fields.git_ref("at", &self.at, Presence::Optional);
    }
}

impl Describe for EditFileRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Files/EditFile");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.git_ref("branch", &self.branch, Presence::Required);
        fields.path("path", &self.path, Presence::Required);
        if self.content.len() > CONTENT_MOST {
            fields.refuse("content", format!("must be at most {CONTENT_MOST} bytes"));
        }
        fields.commit("source_commit_id", &self.source_commit_id, Presence::Optional);
        fields.git_ref("source_branch", &self.source_branch, Presence::Optional);
    }
}
