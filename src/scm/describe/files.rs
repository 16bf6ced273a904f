use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{
    ArchiveFormat, EditFileRequest, GetArchiveRequest, GetFileRequest, ListDirectoryRequest, ListFilesRequest,
};
use crate::scm::fields::{Fields, PAGE_MOST, Presence};

/// A page of paths may be larger than one of entities.
const PATHS_MOST: i32 = 10_000;

/// Each is a part of the address.
const ARCHIVED_MOST: usize = 100;

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

impl Describe for ListDirectoryRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Files/ListDirectory");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.path("path", &self.path, Presence::Optional);
        fields.git_ref("at", &self.at, Presence::Optional);
        fields.page_size(self.page_size, PAGE_MOST);
    }
}

impl Describe for GetArchiveRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Files/GetArchive");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.git_ref("at", &self.at, Presence::Optional);
        fields.known::<ArchiveFormat>("format", self.format);
        fields.at_most("paths", self.paths.len(), ARCHIVED_MOST);
        for (index, path) in self.paths.iter().enumerate() {
            fields.path(&format!("paths[{index}]"), path, Presence::Required);
        }
        fields.prefix("prefix", &self.prefix);
    }
}
