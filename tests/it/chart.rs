//! The Helm charts below `deploy/charts`, as real helm renders them: both major versions, and every value set of `ci/`.

mod agent;
mod checksums;
mod documents;
mod every_set;
mod gateway;
mod helm;
mod network_policy;
mod objects;
mod older;
mod refusals;
mod secrets;
mod settings;

pub(crate) use helm::Helm;
pub(crate) use settings::read;

use std::fs;
use std::path::{Path, PathBuf};

use crate::tree;

/// One of our charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chart {
    /// `backline`, which installs the agent.
    Agent,
    /// `gitproxy-gateway`, the cloud side.
    Gateway,
}

impl Chart {
    pub(crate) const ALL: [Self; 2] = [Self::Agent, Self::Gateway];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agent => "backline",
            Self::Gateway => "gitproxy-gateway",
        }
    }

    /// Its folder.
    pub(crate) fn folder(self) -> PathBuf {
        tree::root().join("deploy/charts").join(self.name())
    }

    /// Its value sets, each a way to install it.
    fn sets(self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder().join("ci")).expect("value sets");
        let mut sets: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        sets.sort();
        sets
    }
}

/// Copies a folder, so that a test can change it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).expect("a copy");
        }
    }
}

/// What the chart `backline` needs to install an agent that runs.
const ENABLED: &[&str] = &["--set", "accessKey=gpk_c4nary", "--set", "gitproxy.enabled=true"];

/// [`ENABLED`], and further arguments.
fn enabled<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [ENABLED, more].concat()
}
