use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1 as pb;
use crate::scm::fields::{Fields, Presence};

/// Bitbucket's limit for the texts of a build, in characters.
const BUILD_TEXT_MOST: usize = 255;

/// Bitbucket's limit for the address of a build, in characters.
const BUILD_URL_MOST: usize = 450;

/// Bitbucket gives no larger page of builds.
const BUILDS_MOST: i32 = 100;

/// Bitbucket's limits for a report: short texts and long ones, in characters.
const SHORT_MOST: usize = 450;
const LONG_MOST: usize = 2_000;

/// Bitbucket takes no more facts, and no more findings, for a report.
const DATA_MOST: usize = 6;
const ANNOTATIONS_MOST: usize = 1_000;

/// The commit or the pull request that builds are of.
macro_rules! target {
    ($fields:ident, $target:expr, $module:ident) => {
        match $target {
            Some(pb::$module::Target::CommitId(id)) => $fields.commit("commit_id", id, Presence::Required),
            Some(pb::$module::Target::PrId(id)) => $fields.number("pr_id", *id),
            None => $fields.refuse("target", "is missing: set `commit_id` or `pr_id`"),
        }
    };
}

impl Describe for pb::GetBuildStatusRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Builds/GetBuildStatus");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        target!(fields, &self.target, get_build_status_request);
    }
}

impl Describe for pb::ListBuildsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Builds/ListBuilds");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        target!(fields, &self.target, list_builds_request);
        fields.page_size(self.page_size, BUILDS_MOST);
    }
}

impl Describe for pb::WatchBuildStatusRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Builds/WatchBuildStatus");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        target!(fields, &self.target, watch_build_status_request);
    }
}

impl Describe for pb::SetBuildStatusRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Builds/SetBuildStatus");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.commit("commit_id", &self.commit_id, Presence::Required);
        fields.text("key", &self.key, Presence::Required, BUILD_TEXT_MOST);
        if self.state() == pb::BuildState::Unspecified {
            fields.refuse("state", "is missing");
        }
        fields.known::<pb::BuildState>("state", self.state);
        fields.url("url", &self.url, Presence::Required, BUILD_URL_MOST);
        fields.text("name", &self.name, Presence::Optional, BUILD_TEXT_MOST);
        fields.text("description", &self.description, Presence::Optional, BUILD_TEXT_MOST);
        fields.git_ref("ref", &self.r#ref, Presence::Optional);
        if !self.r#ref.is_empty() && !self.r#ref.starts_with("refs/") {
            fields.refuse("ref", "must be a full name, such as `refs/heads/x`");
        }
        fields.text("parent", &self.parent, Presence::Optional, BUILD_TEXT_MOST);
        fields.text("number", &self.number, Presence::Optional, BUILD_TEXT_MOST);
        fields.not_negative("duration_ms", self.duration_ms);
        if let Some(tests) = &self.tests {
            fields.not_negative("tests.passed", tests.passed.into());
            fields.not_negative("tests.failed", tests.failed.into());
            fields.not_negative("tests.skipped", tests.skipped.into());
        }
    }
}

impl Describe for pb::PublishReportRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Builds/PublishReport");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.commit("commit_id", &self.commit_id, Presence::Required);
        fields.text("key", &self.key, Presence::Required, SHORT_MOST);
        fields.text("title", &self.title, Presence::Required, SHORT_MOST);
        fields.text("details", &self.details, Presence::Optional, LONG_MOST);
        fields.known::<pb::ReportResult>("result", self.result);
        fields.text("reporter", &self.reporter, Presence::Optional, SHORT_MOST);
        fields.url("link", &self.link, Presence::Optional, LONG_MOST);
        fields.url("logo_url", &self.logo_url, Presence::Optional, LONG_MOST);
        fields.at_most("data", self.data.len(), DATA_MOST);
        for (index, data) in self.data.iter().enumerate() {
            describe_data(&format!("data[{index}]"), data, fields);
        }
        fields.at_most("annotations", self.annotations.len(), ANNOTATIONS_MOST);
        for (index, annotation) in self.annotations.iter().enumerate() {
            describe_annotation(&format!("annotations[{index}]"), annotation, fields);
        }
    }
}

impl Describe for pb::GetBuildLogRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Builds/GetBuildLog");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.commit("commit_id", &self.commit_id, Presence::Required);
        fields.text("key", &self.key, Presence::Required, BUILD_TEXT_MOST);
    }
}

fn describe_data(field: &str, data: &pb::ReportData, fields: &mut Fields) {
    use pb::report_data::Value;
    fields.text(&format!("{field}.title"), &data.title, Presence::Required, SHORT_MOST);
    match &data.value {
        None => fields.refuse(field, "has no value"),
        Some(Value::Percentage(value)) if !(0.0..=100.0).contains(value) => {
            fields.refuse(&format!("{field}.percentage"), "must be 0 to 100");
        }
        Some(Value::Number(value)) if !value.is_finite() => {
            fields.refuse(&format!("{field}.number"), "must be a finite number");
        }
        Some(Value::Link(link)) => {
            fields.url(&format!("{field}.link.url"), &link.url, Presence::Required, LONG_MOST);
        }
        Some(
            Value::Boolean(_)
            | Value::DateMs(_)
            | Value::DurationMs(_)
            | Value::Number(_)
            | Value::Percentage(_)
            | Value::Text(_),
        ) => {}
    }
}

fn describe_annotation(field: &str, annotation: &pb::Annotation, fields: &mut Fields) {
    fields.path(&format!("{field}.path"), &annotation.path, Presence::Optional);
    fields.not_negative(&format!("{field}.line"), annotation.line.into());
    fields.text(&format!("{field}.message"), &annotation.message, Presence::Required, LONG_MOST);
    fields.known::<pb::AnnotationSeverity>(&format!("{field}.severity"), annotation.severity);
    fields.known::<pb::AnnotationType>(&format!("{field}.type"), annotation.r#type);
    fields.url(&format!("{field}.link"), &annotation.link, Presence::Optional, LONG_MOST);
    fields.text(&format!("{field}.external_id"), &annotation.external_id, Presence::Optional, SHORT_MOST);
}
