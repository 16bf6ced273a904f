//! A program of ours as a child process, and what it writes to its log.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, PipeReader};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// A child process. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    lines: watch::Receiver<Vec<String>>,
}

impl Program {
    /// Starts `executable` with nothing in its environment but `environment`, so that the host's settings do not count.
    pub(crate) fn start<K, V>(
        executable: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut command = Command::new(executable);
        command.args(arguments);
        Self::run(command, environment)
    }

    /// Runs a command with nothing in its environment but `environment`.
    pub(crate) fn run<K, V>(mut command: Command, environment: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let (log, theirs) = io::pipe().expect("a pipe");
        command.env_clear().envs(environment).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(theirs);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, lines: follow(log) }
    }

    /// Waits for the first line that contains `text`.
    pub(crate) async fn says(&self, text: &str) -> String {
        self.says_times(text, 1).await
    }

    /// Waits for the line of this number, from 1, among those that contain `text`.
    pub(crate) async fn says_times(&self, text: &str, times: usize) -> String {
        let mut lines = self.lines.clone();
        let found =
            |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).nth(times - 1).cloned();
        match timeout(PATIENCE, lines.wait_for(|lines| found(lines).is_some())).await {
            Ok(Ok(lines)) => found(&lines).expect("it was found"),
            Ok(Err(_)) | Err(_) => panic!("it never said {text:?}:\n{}", self.log()),
        }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.lines.borrow().join("\n")
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// Sends SIGKILL, which it can neither hear nor answer.
    pub(crate) fn kill(&mut self) {
        self.child.start_kill().expect("it is our child");
    }

    /// Sends SIGTERM, which asks it to stop.
    pub(crate) async fn terminate(&self) {
        // The standard library sends no signal but SIGKILL, and `kill` is a word of every shell.
        let sent =
            Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.id().to_string()]).status().await;
        assert!(sent.expect("a shell").success(), "SIGTERM was not sent");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.expect("it is our child"),
            Err(_) => panic!("it never ended:\n{}", self.log()),
        }
    }
}

/// Reads lines for as long as the process lives: a pipe that nobody empties would stop it.
fn follow(log: PipeReader) -> watch::Receiver<Vec<String>> {
    let (sender, lines) = watch::channel(Vec::new());
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    lines
}

/// Much more than anything here takes on a busy machine, the default grace of a drain (30 s) included.
const PATIENCE: Duration = Duration::from_secs(60);
