//! What is below `deploy/` for hosts without Kubernetes: `compose.yaml`, and the unit for systemd; and the image.

mod compose;
mod image;
mod unit;

use std::path::PathBuf;

use crate::tree;

/// A file below `deploy/`.
fn file(path: &str) -> PathBuf {
    tree::root().join("deploy").join(path)
}
