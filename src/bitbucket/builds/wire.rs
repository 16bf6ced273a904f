//! A build as Bitbucket writes it: what the older resource leaves out is left out here too (FACTS 5).

use serde::Deserialize;

use crate::bitbucket::wire::{lenient, number, small, text};
use crate::proto::scm::v1 as pb;

/// A build.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "text")]
    key: String,
    #[serde(default, deserialize_with = "text")]
    state: String,
    #[serde(default, deserialize_with = "text")]
    name: String,
    #[serde(default, deserialize_with = "text")]
    url: String,
    #[serde(default, deserialize_with = "text")]
    description: String,
    #[serde(default, deserialize_with = "number")]
    date_added: i64,
    #[serde(default, rename = "ref", deserialize_with = "text")]
    reference: String,
    #[serde(default, deserialize_with = "text")]
    parent: String,
    #[serde(default, deserialize_with = "text")]
    build_number: String,
    #[serde(default, deserialize_with = "number")]
    duration: i64,
    #[serde(default, deserialize_with = "lenient")]
    test_results: Option<Tests>,
}

#[derive(Debug, Default, Deserialize)]
struct Tests {
    #[serde(default, deserialize_with = "small")]
    successful: i32,
    #[serde(default, deserialize_with = "small")]
    failed: i32,
    #[serde(default, deserialize_with = "small")]
    skipped: i32,
}

impl From<Wire> for pb::Build {
    fn from(wire: Wire) -> Self {
        let state = match wire.state.as_str() {
            "INPROGRESS" => pb::BuildState::InProgress,
            "SUCCESSFUL" => pb::BuildState::Successful,
            "FAILED" => pb::BuildState::Failed,
            "CANCELLED" => pb::BuildState::Cancelled,
            _ => pb::BuildState::Unspecified,
        };
        Self {
            name: if wire.name.is_empty() { wire.key.clone() } else { wire.name },
            key: wire.key,
            state: state.into(),
            url: wire.url,
            description: wire.description,
            reported_ms: wire.date_added,
            r#ref: wire.reference,
            parent: wire.parent,
            number: wire.build_number,
            duration_ms: wire.duration,
            tests: wire.test_results.map(Into::into),
        }
    }
}

impl From<Tests> for pb::TestResults {
    fn from(tests: Tests) -> Self {
        Self { passed: tests.successful, failed: tests.failed, skipped: tests.skipped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rich_build_is_read_whole() {
        let json = r#"{"key":"k","state":"FAILED","ref":"refs/heads/x","parent":"plan","buildNumber":"7",
            "duration":1500,"testResults":{"successful":3,"failed":1,"skipped":2}}"#;
        let build: pb::Build = serde_json::from_str::<Wire>(json).expect("read").into();
        assert_eq!(
            (build.r#ref.as_str(), build.parent.as_str(), build.number.as_str()),
            ("refs/heads/x", "plan", "7")
        );
        let tests = pb::TestResults { passed: 3, failed: 1, skipped: 2 };
        assert_eq!((build.duration_ms, build.tests), (1500, Some(tests)));
    }
}
