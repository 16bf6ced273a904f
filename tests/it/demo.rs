//! The demo as its reader runs it: the built program, git, and grpcurl in another shell.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use gitproxy::ops::settings::environment;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::tools::need;

#[tokio::test]
async fn the_demo_does_its_job_and_leaves_the_commit_for_git_to_clone() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");
    let done = finish(demo(&["--once", "--keep"]).arg(&kept)).await;
    let told = text(&done);
    assert!(done.status.success(), "{told}");
    let steps = steps(&told);
    assert!(steps.len() >= 12, "{} steps in\n{told}", steps.len());
    for step in steps {
        assert!(step.contains(" ok "), "{step}");
    }

    let clone = folder.path().join("clone");
    let repository = kept.join("shop/web-shop.git");
    git(folder.path(), &["clone", "--quiet", &repository.to_string_lossy(), &clone.to_string_lossy()]).await;
    assert_eq!(git(&clone, &["diff", "--name-only", "origin/master", BRANCH]).await, "package.json\n");
    let changed = git(&clone, &["diff", "--unified=0", "origin/master", BRANCH]).await;
    assert!(changed.contains("-    \"lodash\": \"4.17.15\"\n+    \"lodash\": \"4.17.21\"\n"), "{changed}");
    assert_eq!(
        git(&clone, &["log", "--format=%s", &format!("origin/master..{BRANCH}")]).await,
        "Update lodash to 4.17.21\n"
    );
}

#[tokio::test]
async fn every_grpcurl_line_works_in_another_shell_and_ctrl_c_ends_the_demo_cleanly() {
    let (mut child, mut stdout) = start(&mut demo(&[]));
    let said = said_until(&mut stdout, "Ctrl-C").await;
    let lines: Vec<_> = said.iter().filter(|line| line.starts_with("grpcurl ")).collect();
    assert_eq!(lines.len(), 6, "{lines:#?}");
    for asked in ["list", "describe gitproxy.scm.v1.Repos", "gitproxy.scm.v1.Repos/ListRepos"] {
        assert_eq!(lines.iter().filter(|line| line.ends_with(asked)).count(), 2, "{asked} in {lines:#?}");
    }
    if need::program("grpcurl").is_some() {
        for line in &lines {
            let done = finish(&mut shell(line)).await;
            assert!(done.status.success() && !done.stdout.is_empty(), "{line}\n{}", text(&done));
        }
    }
    assert_eq!(interrupt(&mut child).await, Some(0));
}

#[tokio::test]
async fn an_interrupted_job_ends_with_a_table_and_is_no_success() {
    let (mut child, mut stdout) = start(&mut demo(&["--once"]));
    said_until(&mut stdout, "Waiting for the build").await;
    let code = interrupt(&mut child).await;
    said_until(&mut stdout, "finish the job").await;
    assert_eq!(code, Some(1));
}

#[tokio::test]
async fn a_folder_with_something_in_it_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mine"), "").expect("written");
    let done = finish(demo(&["--once", "--keep"]).arg(folder.path())).await;
    let told = text(&done);
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("--keep") && told.contains(&*folder.path().to_string_lossy()), "{told}");
}

#[tokio::test]
async fn a_malformed_log_filter_is_refused_by_name() {
    let done = finish(&mut demo(&["--once", "--log", "gitproxy=loud"])).await;
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done).contains("--log gitproxy=loud"), "{}", text(&done));
}

/// The rows between the rules of the last table.
fn steps(told: &str) -> Vec<&str> {
    let rule = |line: &&str| line.starts_with('─');
    let below = told.lines().skip_while(|line| !rule(line)).skip(1);
    below.take_while(|line| !rule(line)).collect()
}

/// Reads what the demo says, up to a line that begins so.
async fn said_until(stdout: &mut Lines<BufReader<ChildStdout>>, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line =
            timeout(LIMIT, stdout.next_line()).await.expect("it says something in time").expect("text");
        let Some(line) = line else { panic!("it ended without `{last}`: {lines:#?}") };
        if line.starts_with(last) {
            return lines;
        }
        lines.push(line);
    }
}

/// Does what Ctrl-C does, and gives the exit code.
async fn interrupt(child: &mut Child) -> Option<i32> {
    let pid = child.id().expect("it still runs");
    assert!(finish(&mut shell(&format!("kill -INT {pid}"))).await.status.success());
    timeout(LIMIT, child.wait()).await.expect("it ends in time").expect("a status").code()
}

/// The built demo, found beside this test's program.
fn demo(args: &[&str]) -> Command {
    let mut program = std::env::current_exe().expect("this test's program");
    program.pop();
    program.pop();
    program.push("examples/demo");
    assert!(program.exists(), "{} is missing: `cargo build --example demo` builds it", program.display());
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// A line as a reader's shell runs it, with the folder that scripts/test installs tools in.
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    if let Some(path) = environment("PATH") {
        command.env("PATH", format!("{path}:{}", need::installed().display()));
    }
    command
}

async fn git(folder: &Path, args: &[&str]) -> String {
    let done = finish(Command::new("git").args(args).current_dir(folder)).await;
    assert!(done.status.success(), "git {args:?}: {}", text(&done));
    String::from_utf8(done.stdout).expect("text")
}

fn start(command: &mut Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("it starts");
    let stdout = child.stdout.take().expect("a pipe");
    (child, BufReader::new(stdout).lines())
}

async fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).kill_on_drop(true);
    timeout(LIMIT, command.output()).await.expect("it ends in time").expect("it starts")
}

/// All that a program said.
fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

const BRANCH: &str = "origin/update/lodash-4.17.21";

/// Of anything that is waited for here; on an idle machine the demo needs two seconds.
const LIMIT: Duration = Duration::from_secs(120);
