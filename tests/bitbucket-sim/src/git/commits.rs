//! Commits: reading them.

use super::{Error, Git};

/// Who made a commit, and when (seconds since 1970).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) at: i64,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitInfo {
    pub(crate) id: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Identity,
    pub(crate) committer: Identity,
    pub(crate) message: String,
}

/// Which commits to list.
#[derive(Default)]
pub(crate) struct LogQuery<'a> {
    /// A commit id: its history is listed.
    pub(crate) until: &'a str,
    /// A commit id whose history is left out.
    pub(crate) since: Option<&'a str>,
    /// Only commits that changed this path.
    pub(crate) path: Option<&'a str>,
    /// `--merges` or `--no-merges`.
    pub(crate) merges: Option<&'static str>,
    /// Whether the file is followed past its renames.
    pub(crate) follow: bool,
    pub(crate) skip: usize,
    pub(crate) limit: usize,
}

impl Git {
    /// Commits, newest first.
    pub(crate) async fn log(&self, query: &LogQuery<'_>) -> Result<Vec<CommitInfo>, Error> {
        let mut args = vec![
            "log".to_owned(),
            format!("--format={FORMAT}"),
            format!("--skip={}", query.skip),
            format!("--max-count={}", query.limit),
        ];
        args.extend(query.merges.map(str::to_owned));
        if query.follow {
            args.push("--follow".to_owned());
        }
        args.push(query.until.to_owned());
        args.extend(query.since.map(|since| format!("^{since}")));
        args.push("--".to_owned());
        // --follow takes a plain path only.
        args.extend(
            query.path.map(|path| if query.follow { path.to_owned() } else { format!(":(literal){path}") }),
        );
        let bytes = self.run(args).await?;
        let text = String::from_utf8_lossy(&bytes);
        text.split('\u{1e}')
            .map(|record| record.trim_start_matches('\n'))
            .filter(|record| !record.is_empty())
            .map(|record| parse(record).ok_or(Error::Output("log")))
            .collect()
    }

    /// One commit, by its full id.
    pub(crate) async fn commit(&self, id: &str) -> Result<CommitInfo, Error> {
        let mut found = self.log(&LogQuery { until: id, limit: 1, ..LogQuery::default() }).await?;
        found.pop().ok_or(Error::Output("log"))
    }
}

fn parse(record: &str) -> Option<CommitInfo> {
    let mut parts = record.split('\u{1f}');
    let mut next = || parts.next().map(str::to_owned);
    let (id, parents) = (next()?, next()?.split_whitespace().map(str::to_owned).collect());
    let author = Identity { name: next()?, email: next()?, at: next()?.parse().ok()? };
    let committer = Identity { name: next()?, email: next()?, at: next()?.parse().ok()? };
    Some(CommitInfo { id, parents, author, committer, message: next()?.trim_end().to_owned() })
}

/// Fields end with a unit separator and records with a record separator, which no sane message contains.
const FORMAT: &str = "%H%x1f%P%x1f%an%x1f%ae%x1f%at%x1f%cn%x1f%ce%x1f%ct%x1f%B%x1e";
