//! `Dockerfile` and what it lays out: the same script and the same checks as `scripts/image` has, without a builder of images.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::file;
use crate::tools::need;
use crate::tree;

#[tokio::test]
async fn the_image_holds_what_it_must_and_its_programs_run_read_only() {
    let (Some(scene), Some(())) = (Scene::lay_out(), need::namespaces().await) else { return };
    let checked = scene.check();
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(!said(&checked).contains("not run"), "{}", said(&checked));
    // The check can fail.
    symlink("gitproxy", scene.root().join("usr/bin/sh")).expect("linked");
    let checked = scene.check();
    assert!(!checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains("/usr/bin/sh is not meant to be in it"), "{}", said(&checked));
}

#[test]
fn the_image_says_what_charts_and_compose_file_say() {
    let dockerfile = read("Dockerfile");
    let user = dockerfile.lines().find_map(|line| line.strip_prefix("USER ")).expect("a user");
    let (uid, gid) = user.split_once(':').expect("a group");
    assert!(read("deploy/compose.yaml").contains(&format!("user: \"{user}\"")));
    for chart in ["backline", "gitproxy-gateway"] {
        let pod = read(&format!("deploy/charts/{chart}/templates/_pod.tpl"));
        for line in [format!("runAsUser: {uid}\n"), format!("runAsGroup: {gid}\n")] {
            assert!(pod.contains(&line), "{chart} has no {line}");
        }
    }
    assert!(read("deploy/image/root").contains(&format!("gitproxy:x:{uid}:{gid}:")));
    let version = env!("CARGO_PKG_VERSION");
    assert!(dockerfile.contains(&format!("ARG VERSION={version}\n")), "another version than {version}");
    assert!(read("deploy/compose.yaml").contains(&format!("gitproxy:{version}}}")));
}

#[test]
fn the_builders_rust_is_new_enough() {
    let dockerfile = read("Dockerfile");
    let (_, rest) = dockerfile.split_once("library/rust:1.").expect("an image of Rust");
    let builder: u32 = rest.split_once('-').expect("a system").0.parse().expect("a minor version");
    let needed = env!("CARGO_PKG_RUST_VERSION").split('.').nth(1).expect("a minor version");
    assert!(builder >= needed.parse().expect("a number"), "1.{builder}");
}

/// A folder with the root of an image.
struct Scene(tempfile::TempDir);

impl Scene {
    /// Lays it out of the programs that were built for the tests; none where this is no Debian.
    fn lay_out() -> Option<Self> {
        for program in ["dpkg-query", "python3", "chroot"] {
            need::program(program)?;
        }
        let scene = Self(tempfile::tempdir().expect("a folder"));
        let programs = Path::new(env!("CARGO_BIN_EXE_gitproxy")).parent().expect("a folder");
        let mut command = Command::new("sh");
        command.arg(file("image/root")).args([programs, &scene.root()]).current_dir(tree::root());
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{}", said(&output));
        Some(scene)
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    fn check(&self) -> Output {
        let mut command = Command::new("python3");
        command.arg(tree::root().join("scripts/image-check")).arg("--root").arg(self.root());
        command.output().expect("it runs")
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(tree::root().join(path)).expect(path)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
