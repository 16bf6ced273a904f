//! Our programs as processes: what they write, where they listen, how they end.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gitproxy::ops::Tasks;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// A running program, killed when it is dropped. What it writes is kept, line by line.
pub(crate) struct Program {
    child: Child,
    lines: watch::Receiver<Arc<Vec<String>>>,
    readers: Tasks,
}

/// How a program ended, and all that it wrote.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
}

/// `gitproxy` with a clean environment.
pub(crate) fn agent() -> Command {
    clean(env!("CARGO_BIN_EXE_gitproxy"))
}

/// `gitproxy-gateway` with a clean environment.
pub(crate) fn gateway() -> Command {
    clean(env!("CARGO_BIN_EXE_gitproxy-gateway"))
}

impl Program {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("started");
        let (keep, lines) = watch::channel(Arc::new(Vec::new()));
        let readers = Tasks::new();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        readers.spawn(follow(out, keep.clone()));
        readers.spawn(follow(err, keep));
        Self { child, lines, readers }
    }

    /// Waits for a line that contains `text`, among those that were written and that will be.
    pub(crate) async fn line(&mut self, text: &str) -> String {
        let found = |lines: &Arc<Vec<String>>| lines.iter().any(|line| line.contains(text));
        let waited = timeout(PATIENCE, self.lines.wait_for(found)).await;
        let lines = waited.ok().and_then(Result::ok).map(|lines| Arc::clone(&lines));
        let all = || self.lines.borrow().join("\n");
        let lines = lines.unwrap_or_else(|| panic!("no line has `{text}`:\n{}", all()));
        lines.iter().find(|line| line.contains(text)).expect("found above").clone()
    }

    /// Waits for such a line, and says whether it came; a program that ends first does not write it.
    pub(crate) async fn comes_to(&mut self, text: &str) -> bool {
        let found = |lines: &Arc<Vec<String>>| lines.iter().any(|line| line.contains(text));
        timeout(PATIENCE, self.lines.wait_for(found)).await.is_ok_and(|found| found.is_ok())
    }

    /// All that it has written so far.
    pub(crate) fn log(&self) -> String {
        self.lines.borrow().join("\n")
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Kills it, as SIGKILL does, and gives all that it wrote.
    pub(crate) async fn kill(mut self) -> Ended {
        self.child.start_kill().expect("killed");
        self.end().await
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("a child");
        // Both pipes are at their end, so the readers come to theirs.
        self.readers.finish(PATIENCE).await;
        let lines = self.lines.borrow().to_vec();
        Ended { status, lines }
    }
}

impl Ended {
    /// All that it wrote.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// The address that a log line gives under this name, in the human form or in JSON.
pub(crate) fn address(line: &str, name: &str) -> SocketAddr {
    let starts = [format!("\"{name}\":\""), format!("{name}=")];
    let rest = starts.iter().find_map(|start| line.split_once(start.as_str())).expect("the name").1;
    let end = rest.find([' ', '"', ',']).unwrap_or(rest.len());
    rest[..end].parse().expect("an address")
}

fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command
}

async fn follow(pipe: impl AsyncRead + Unpin, keep: watch::Sender<Arc<Vec<String>>>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while pipe.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        // A line that is no UTF-8 is kept too: a secret may be in it.
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        keep.send_modify(|lines| Arc::make_mut(lines).push(text));
        line.clear();
    }
}

/// How long something that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
