//! Git, by its own program: every read and write of a repository goes through here.

mod commits;
mod diff;
mod edit;
mod history;
mod import;
mod merge;
mod refs;
mod tags;
mod tree;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(crate) use self::commits::{CommitInfo, Identity, LogQuery};
pub(crate) use self::diff::{Change, FileDiff, Hunk, Line, LineKind};
pub(crate) use self::edit::{Edit, EditOutcome};
pub(crate) use self::merge::{Merge, MergeOutcome, Strategy};
pub(crate) use self::refs::{RefInfo, ZERO};
pub(crate) use self::tags::NewTag;
pub(crate) use self::tree::{Entry, Object};

/// Why a git command gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The program could not be run, or its pipes broke.
    #[error("git could not be run: {0}")]
    Run(#[from] io::Error),
    /// It refused.
    #[error("git {command} exited with {code}: {message}")]
    Failed { command: String, code: i32, message: String },
    /// Its output is not what it should be.
    #[error("git {0} wrote something unexpected")]
    Output(&'static str),
}

/// What a command wrote.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// A bare repository.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    dir: PathBuf,
}

impl Git {
    /// The repository in this folder.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    /// Makes an empty repository.
    pub(crate) async fn create(dir: &Path) -> Result<Self, Error> {
        tokio::fs::create_dir_all(dir).await?;
        let git = Self::at(dir);
        git.run(["init", "--quiet", "--bare", "--initial-branch=master", "."]).await?;
        git.configure().await?;
        Ok(git)
    }

    /// Makes a copy of another repository, for a fork.
    pub(crate) async fn copy(from: &Path, dir: &Path) -> Result<Self, Error> {
        tokio::fs::create_dir_all(dir).await?;
        let git = Self::at(dir);
        git.run([
            OsStr::new("clone"),
            OsStr::new("--quiet"),
            OsStr::new("--bare"),
            from.as_os_str(),
            OsStr::new("."),
        ])
        .await?;
        git.configure().await?;
        Ok(git)
    }

    async fn configure(&self) -> Result<(), Error> {
        // The refs of pull requests belong to the server.
        self.run(["config", "receive.hideRefs", "refs/pull-requests"]).await?;
        self.run(["config", "gc.auto", "0"]).await.map(drop)
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A command in this repository, with the surroundings' git settings kept out.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("git");
        for name in FOREIGN {
            command.env_remove(name);
        }
        let own =
            [("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_TERMINAL_PROMPT", "0")];
        command.envs(own).env("LC_ALL", "C").current_dir(&self.dir).kill_on_drop(true);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Bitbucket")
                .env(format!("GIT_{role}_EMAIL"), "noreply@example.com");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, whatever it says.
    pub(crate) async fn output<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Output, Error> {
        let output = self.command().args(args).output().await?;
        Ok(Output { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: output.stderr })
    }

    /// Runs a command that must succeed.
    pub(crate) async fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u8>, Error> {
        let args: Vec<S> = args.into_iter().collect();
        let output = self.output(&args).await?;
        output.success(args.first().map_or("", |arg| arg.as_ref().to_str().unwrap_or("")))
    }

    /// Runs a command that must succeed, and gives its trimmed text.
    pub(crate) async fn text<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String, Error> {
        let bytes = self.run(args).await?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// Runs a prepared command with this input.
    async fn feed(&self, mut command: Command, input: &[u8]) -> Result<Vec<u8>, Error> {
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().ok_or(Error::Output("stdin"))?;
        let write = async move {
            // A program that has read enough closes its end; what it says about it is in its status.
            let _ = stdin.write_all(input).await;
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), write);
        let output = output?;
        let code = output.status.code().unwrap_or(-1);
        Output { code, stdout: output.stdout, stderr: output.stderr }.success("with input")
    }
}

impl Output {
    fn success(self, command: &str) -> Result<Vec<u8>, Error> {
        if self.code == 0 {
            return Ok(self.stdout);
        }
        let message = String::from_utf8_lossy(&self.stderr).trim().to_owned();
        Err(Error::Failed { command: command.to_owned(), code: self.code, message })
    }
}

/// Variables that would lead git elsewhere, for instance when tests run inside a hook.
const FOREIGN: [&str; 12] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
];
