use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::GetBuildStatusRequest;
use crate::proto::scm::v1::get_build_status_request::Target;
use crate::scm::fields::{Fields, Presence};

impl Describe for GetBuildStatusRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Builds/GetBuildStatus");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        match &self.target {
            Some(Target::CommitId(id)) => fields.commit("commit_id", id, Presence::Required),
            Some(Target::PrId(id)) => fields.number("pr_id", *id),
            None => fields.refuse("target", "is missing: set `commit_id` or `pr_id`"),
        }
    }
}
