//! What is below `deploy/` beside the charts: `compose.yaml`, the unit for systemd, the image, and the dashboard.

mod compose;
mod dashboard;
mod image;
mod unit;

use std::path::PathBuf;

use crate::tree;

/// A file below `deploy/`.
fn file(path: &str) -> PathBuf {
    tree::root().join("deploy").join(path)
}
