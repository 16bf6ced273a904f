//! Commits from lists of files, for seeding: one `git fast-import`.

use std::process::Stdio;

use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use super::{Error, Git};
use crate::seed::{Commit, Content};

impl Git {
    /// Adds commits in order. A branch that exists grows; a new one starts at the default branch, where that exists.
    pub(crate) async fn import(&self, commits: &[Commit]) -> Result<(), Error> {
        if commits.is_empty() {
            return Ok(());
        }
        let default = self.default_branch().await?;
        let mut child = self
            .command()
            .args(["-c", "pack.compression=1", "-c", "core.bigFileThreshold=8m", "fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().ok_or(Error::Output("stdin"))?;
        let write = self.write(BufWriter::new(stdin), commits, &default);
        let (output, written) = tokio::join!(child.wait_with_output(), write);
        let output = output?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let code = output.status.code().unwrap_or(-1);
            return Err(Error::Failed { command: "fast-import".to_owned(), code, message });
        }
        written
    }

    async fn write(
        &self,
        mut out: impl AsyncWrite + Unpin,
        commits: &[Commit],
        default: &str,
    ) -> Result<(), Error> {
        let mut seen: Vec<String> = Vec::new();
        let count = self.refs("refs/heads").await?.len();
        for (number, commit) in commits.iter().enumerate() {
            let branch = commit
                .branch
                .as_ref()
                .map_or_else(|| default.to_owned(), |name| format!("refs/heads/{name}"));
            let parent =
                if seen.contains(&branch) { None } else { self.start(&branch, default, &seen).await? };
            // Fixed and growing, so that the same seed gives the same ids.
            let at = FIRST_COMMIT + 3600 * (number + 100 * count) as u64;
            let message = &commit.message;
            let head = format!(
                "commit {branch}\ncommitter {} <{}> {at} +0000\ndata {}\n{message}\n",
                commit.author.0,
                commit.author.1,
                message.len()
            );
            out.write_all(head.as_bytes()).await?;
            if let Some(parent) = parent {
                out.write_all(format!("from {parent}\n").as_bytes()).await?;
            }
            for (path, content) in &commit.files {
                file(&mut out, path, content).await?;
            }
            seen.push(branch);
        }
        out.shutdown().await?;
        Ok(())
    }

    /// Where the first commit on a branch starts.
    async fn start(&self, branch: &str, default: &str, seen: &[String]) -> Result<Option<String>, Error> {
        // The suffix makes git look into the repository; a branch of this very session is only known without it.
        if self.resolve(branch).await?.is_some() {
            return Ok(Some(format!("{branch}^0")));
        }
        if branch == default {
            return Ok(None);
        }
        if seen.iter().any(|name| name == default) {
            return Ok(Some(default.to_owned()));
        }
        Ok(self.resolve(default).await?.map(|_| format!("{default}^0")))
    }
}

async fn file(out: &mut (impl AsyncWrite + Unpin), path: &str, content: &Content) -> Result<(), Error> {
    let quoted = format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    match content {
        Content::Bytes(bytes) => {
            out.write_all(format!("M 100644 inline {quoted}\ndata {}\n", bytes.len()).as_bytes()).await?;
            out.write_all(bytes).await?;
        }
        Content::Zeros(length) => {
            out.write_all(format!("M 100644 inline {quoted}\ndata {length}\n").as_bytes()).await?;
            let block = vec![0u8; 1 << 16];
            let mut left = *length;
            while left > 0 {
                let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
                out.write_all(&block[..part]).await?;
                left -= part as u64;
            }
        }
        Content::Link(target) => {
            let length = target.len();
            out.write_all(format!("M 120000 inline {quoted}\ndata {length}\n{target}").as_bytes()).await?;
        }
        Content::Submodule(commit) => {
            out.write_all(format!("M 160000 {commit} {quoted}").as_bytes()).await?;
        }
        Content::Removed => {
            out.write_all(format!("D {quoted}").as_bytes()).await?;
        }
    }
    out.write_all(b"\n").await?;
    Ok(())
}

/// When the first seeded commit was made (2023-11-14).
const FIRST_COMMIT: u64 = 1_700_000_000;
