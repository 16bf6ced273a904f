//! History: counts, who wrote a line, and what last changed a file.

use std::collections::BTreeMap;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Error, Git};

/// How much history there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) commits: usize,
    /// By e-mail address.
    pub(crate) authors: usize,
}

/// Lines of a file that one commit brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blame {
    pub(crate) commit: String,
    /// The first line, from 1.
    pub(crate) line: u64,
    pub(crate) lines: u64,
    /// The file's path in that commit.
    pub(crate) path: String,
}

impl Git {
    /// Commits that `until` has and `since` lacks, and by how many people.
    pub(crate) async fn counts(
        &self,
        until: &str,
        since: Option<&str>,
        path: Option<&str>,
    ) -> Result<Counts, Error> {
        let mut args = vec!["log".to_owned(), "--format=%ae".to_owned(), until.to_owned()];
        args.extend(since.map(|since| format!("^{since}")));
        args.push("--".to_owned());
        args.extend(path.map(|path| format!(":(literal){path}")));
        let text = self.text(args).await?;
        let mut authors: Vec<&str> = text.lines().collect();
        let commits = authors.len();
        authors.sort_unstable();
        authors.dedup();
        Ok(Counts { commits, authors: authors.len() })
    }

    /// How many commits `branch` has that `base` lacks, and the other way around.
    pub(crate) async fn ahead_behind(&self, branch: &str, base: &str) -> Result<(u64, u64), Error> {
        let range = format!("{branch}...{base}");
        let text = self.text(["rev-list", "--left-right", "--count", &range]).await?;
        let mut counts = text.split_whitespace().map(str::parse);
        match (counts.next(), counts.next()) {
            (Some(Ok(ahead)), Some(Ok(behind))) => Ok((ahead, behind)),
            _ => Err(Error::Output("rev-list")),
        }
    }

    /// The branches that have a commit, by full name.
    pub(crate) async fn branches_with(&self, commit: &str) -> Result<Vec<String>, Error> {
        let args = ["for-each-ref", "--format=%(refname)", "--contains", commit, "refs/heads"];
        Ok(self.text(args).await?.lines().map(str::to_owned).collect())
    }

    /// Who wrote which lines of a file.
    pub(crate) async fn blame(&self, commit: &str, path: &str) -> Result<Vec<Blame>, Error> {
        let bytes = self.run(["blame", "--porcelain", commit, "--", path]).await?;
        Ok(parse_blame(&String::from_utf8_lossy(&bytes)))
    }

    /// The last commit that changed each name in a folder. Reads history until every name is found, and no further.
    pub(crate) async fn last_modified(
        &self,
        commit: &str,
        folder: &str,
        names: &[String],
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut found = BTreeMap::new();
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut command = self.command();
        command.args(["-c", "core.quotePath=false", "log", "--format=%x01%H", "--name-only", "-m"]);
        command.args(["--first-parent", commit, "--"]);
        if !folder.is_empty() {
            command.arg(format!(":(literal){folder}"));
        }
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or(Error::Output("log"))?;
        let mut lines = BufReader::new(out).lines();
        let mut at = String::new();
        while let Some(line) = lines.next_line().await? {
            if let Some(id) = line.strip_prefix('\u{1}') {
                id.clone_into(&mut at);
            } else if let Some(rest) = line.strip_prefix(&prefix) {
                let name = rest.split('/').next().unwrap_or(rest);
                if names.iter().any(|wanted| wanted == name) {
                    found.entry(name.to_owned()).or_insert_with(|| at.clone());
                }
                if found.len() == names.len() {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// One entry for each group that git names with its length.
fn parse_blame(text: &str) -> Vec<Blame> {
    let mut found: Vec<Blame> = Vec::new();
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    let mut at = String::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("filename ") {
            paths.insert(at.clone(), path.to_owned());
        }
        let mut facts = line.split(' ');
        let id = facts.next().unwrap_or("");
        if id.len() != 40 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            continue;
        }
        id.clone_into(&mut at);
        if let [_, line, lines] = facts.collect::<Vec<_>>()[..]
            && let (Ok(line), Ok(lines)) = (line.parse(), lines.parse())
        {
            found.push(Blame { commit: at.clone(), line, lines, path: String::new() });
        }
    }
    for blame in &mut found {
        blame.path = paths.get(&blame.commit).cloned().unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_groups_lines_by_the_commit_that_brought_them() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let text = format!(
            "{a} 1 1 2\nauthor A\nfilename old.txt\n\tone\n{a} 2 2\n\ttwo\n{b} 3 3 1\nfilename new.txt\n\tthree\n"
        );
        let found = parse_blame(&text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].lines, found[0].path.as_str()), (1, 2, "old.txt"));
        assert_eq!(
            (found[1].line, found[1].commit.as_str(), found[1].path.as_str()),
            (3, b.as_str(), "new.txt")
        );
    }
}
