use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::get_diff_request::Target;
use crate::proto::scm::v1::{CompareCommitsRequest, GetCommitRequest, GetDiffRequest, ListCommitsRequest};
use crate::scm::fields::{CONTEXT_MOST, Fields, Presence};

/// Bitbucket gives no larger page of commits.
const COMMITS_MOST: i32 = 100;

impl Describe for ListCommitsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Commits/ListCommits");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.page_size(self.page_size, COMMITS_MOST);
        fields.git_ref("until", &self.until, Presence::Optional);
        fields.git_ref("since", &self.since, Presence::Optional);
        fields.path("path", &self.path, Presence::Optional);
    }
}

impl Describe for GetCommitRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Commits/GetCommit");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.git_ref("revision", &self.revision, Presence::Required);
    }
}

impl Describe for CompareCommitsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Commits/CompareCommits");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.other_repo("head_repo", self.head_repo.as_ref());
        fields.git_ref("base", &self.base, Presence::Required);
        fields.git_ref("head", &self.head, Presence::Required);
        fields.page_size(self.page_size, COMMITS_MOST);
    }
}

impl Describe for GetDiffRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Commits/GetDiff");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        match &self.target {
            Some(Target::Revision(revision)) => fields.git_ref("revision", revision, Presence::Required),
            Some(Target::Range(range)) => {
                fields.git_ref("range.base", &range.base, Presence::Required);
                fields.git_ref("range.head", &range.head, Presence::Required);
            }
            None => fields.refuse("target", "is missing: set `revision` or `range`"),
        }
        fields.path("path", &self.path, Presence::Optional);
        fields.between("context_lines", self.context_lines, 0..=CONTEXT_MOST);
    }
}
