//! What is below `deploy/` for hosts without Kubernetes: `compose.yaml`, and the unit for systemd.

mod compose;
mod unit;

use std::path::PathBuf;

use crate::tree;

/// A file below `deploy/`.
fn file(path: &str) -> PathBuf {
    tree::root().join("deploy").join(path)
}
