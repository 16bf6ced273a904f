//! Where the blocks run: a folder with what they name, a house whose agent is attached, and stand-ins for what no test may do.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gitproxy::ops::settings::environment;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Block, Mark};
use crate::processes::house::House;
use crate::processes::program::Program;
use crate::tools::need;
use crate::tree;

pub(super) struct Scene {
    folder: TempDir,
    /// What the agent runs with; the doctor and the like run with it too.
    settings: Vec<(String, String)>,
    _agent: Program,
    _house: House,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        furnish(folder.path());
        let house = House::new().await;
        let socket = folder.path().join("run/gitproxy/status.sock").display().to_string();
        let settings = house.settings(&[("GITPROXY_STATUS_SOCKET", &socket)]);
        let agent = Program::start(env!("CARGO_BIN_EXE_gitproxy"), &["run"], settings.clone());
        agent.says("life: attached").await;
        Self { folder, settings, _agent: agent, _house: house }
    }

    /// Runs a block that is marked for it, and gives what was said if it fails.
    pub(super) async fn runs(&self, block: &Block) -> Option<String> {
        let Some(Mark::Run(programs)) = &block.mark else { return None };
        let wanted = |line: &String| {
            programs.is_empty() || programs.iter().any(|it| line.split_whitespace().next() == Some(it))
        };
        let lines: Vec<String> = block.lines().into_iter().filter(wanted).collect();
        if lines.is_empty() {
            return Some("no line of it is to be run".to_owned());
        }
        // What is missing is noted.
        for (_, needed) in NEEDS.iter().filter(|(word, _)| lines.iter().any(|line| line.contains(word))) {
            for name in *needed {
                need::program(name)?;
            }
        }
        let script = format!("{PRELUDE}{}\n", lines.join("\n"));
        let done =
            timeout(LIMIT, self.shell(&script).output()).await.expect("it ends in time").expect("it starts");
        let said = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
        (!done.status.success()).then(|| format!("{}\n{}\n{said}", lines.join("\n"), done.status))
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.folder.path());
        command.env_clear().envs(self.settings.iter().map(|(name, value)| (name, value)));
        let programs = Path::new(env!("CARGO_BIN_EXE_gitproxy")).parent().expect("a folder");
        let path = environment("PATH").unwrap_or_default();
        let folders = [programs.display().to_string(), path, need::installed().display().to_string()];
        command
            .env("PATH", folders.join(":"))
            .env("HOME", self.folder.path())
            .env("ROOT", self.folder.path());
        command.env("GITPROXY_GATEWAY", env!("CARGO_BIN_EXE_gitproxy-gateway"));
        command.env("DEMO", programs.join("examples/demo"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// The files that the commands name, and the folders that a system has.
fn furnish(folder: &Path) {
    for name in ["run/gitproxy", "etc/systemd/system", "usr/local/bin"] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    copy(&tree::root().join("deploy"), &folder.join("deploy"));
    symlink(tree::root().join("Dockerfile"), folder.join("Dockerfile")).expect("a link");
    // The program is large, and it is copied.
    let program = folder.join("gitproxy");
    let text = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_gitproxy"));
    fs::write(&program, text).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");
    for name in ["access.key", "bitbucket.token", "gitproxy.toml"] {
        fs::write(folder.join(name), "\n").expect("written");
    }
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let target = to.join(entry.file_name().expect("a name"));
        // What somebody has prepared for a try of their own is no part of the repository.
        if entry.is_dir() && !entry.ends_with("papers") {
            copy(&entry, &target);
        } else if entry.is_file() {
            fs::copy(&entry, &target).expect("a copy");
        }
    }
}

/// What a command needs that a machine may not have.
const NEEDS: &[(&str, &[&str])] = &[
    ("helm ", &["helm-4"]),
    ("docker ", &["compose-config", "openssl"]),
    ("systemctl ", &["systemd-analyze", "systemctl"]),
];

/// Absolute paths are below the folder of the scene; Docker's commands are judged by what they name; the demo does not wait.
const PRELUDE: &str = r#"
gitproxy() { command gitproxy "${@/#\/run\//$ROOT/run/}"; }
helm() { helm-4 "$@"; }
install() { command install "${@:1:$#-1}" "$ROOT${!#}"; }
systemctl() {
  case "$*" in
    daemon-reload)
      mkdir -p "$ROOT/verified"
      sed "s|=/usr/local/bin|=$ROOT/usr/local/bin|" "$ROOT/etc/systemd/system/gitproxy.service" >"$ROOT/verified/gitproxy.service"
      systemd-analyze verify --man=no "$ROOT/verified/gitproxy.service" ;;
    "enable --now gitproxy") command systemctl --root="$ROOT" enable gitproxy ;;
    *) return 1 ;;
  esac
}
docker() {
  case "$1 $2" in
    "build --tag") [ -f "${!#}/Dockerfile" ] ;;
    "compose --file")
      compose-config "$3" >/dev/null
      case "$4" in
        up | down) ;;
        exec) grep -q "^  $5:" "$3" && "${@:6}" ;;
        *) return 1 ;;
      esac ;;
    *) return 1 ;;
  esac
}
cargo() { [ "$1 $2 $3" = "run --example demo" ] && "$DEMO" --once "${@:5}"; }
"#;

/// Of one block; the demo needs two seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(120);
