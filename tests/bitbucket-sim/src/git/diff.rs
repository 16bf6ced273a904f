//! What differs between two commits: a list of changes, and hunks.

use super::{Error, Git};

/// One changed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// `A`, `M`, `D`, `R`, `C` or `T`.
    pub(crate) status: char,
    /// How alike a moved file is, in percent.
    pub(crate) alike: Option<u32>,
    pub(crate) from_mode: String,
    pub(crate) to_mode: String,
    pub(crate) from_id: String,
    pub(crate) to_id: String,
    /// The old path of a move or copy.
    pub(crate) from_path: Option<String>,
    pub(crate) path: String,
}

/// What a line of a hunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// On both sides.
    Context,
    /// New.
    Added,
    /// Gone.
    Removed,
}

/// A line with its number on either side (the one that it would have, on the side where it is not).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) kind: LineKind,
    pub(crate) source: u64,
    pub(crate) destination: u64,
    pub(crate) text: String,
}

/// A run of changed lines and what is around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) source: (u64, u64),
    pub(crate) destination: (u64, u64),
    pub(crate) lines: Vec<Line>,
}

/// A changed file with its hunks; a binary one has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileDiff {
    pub(crate) change: Change,
    pub(crate) binary: bool,
    pub(crate) hunks: Vec<Hunk>,
}

impl Git {
    /// The changes from one commit to another, moves found; `from` may be the empty tree.
    pub(crate) async fn changes(&self, from: &str, to: &str) -> Result<Vec<Change>, Error> {
        let bytes = self.run(["diff", "--raw", "-z", "-M", "--no-abbrev", from, to]).await?;
        let text = String::from_utf8_lossy(&bytes);
        parse_changes(&text).ok_or(Error::Output("diff --raw"))
    }

    /// The changes with their hunks; `context` lines around each, only `path` or what is below it when given.
    pub(crate) async fn diff(
        &self,
        from: &str,
        to: &str,
        path: Option<&str>,
        context: u32,
    ) -> Result<Vec<FileDiff>, Error> {
        self.diff_as(from, to, path, &[&format!("-U{context}")]).await
    }

    /// The same with git's own options.
    pub(crate) async fn diff_as(
        &self,
        from: &str,
        to: &str,
        path: Option<&str>,
        options: &[&str],
    ) -> Result<Vec<FileDiff>, Error> {
        let below = |name: &str, path: &str| {
            name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let wanted = |change: &Change| {
            let from = change.from_path.as_deref();
            path.is_none_or(|path| below(&change.path, path) || from.is_some_and(|from| below(from, path)))
        };
        let mut diffs = Vec::new();
        for change in self.changes(from, to).await?.into_iter().filter(wanted) {
            let mut args = vec!["diff".to_owned(), "-M".to_owned()];
            args.extend(options.iter().map(|option| (*option).to_owned()));
            args.extend(["--no-color", "--no-ext-diff", from, to, "--"].map(str::to_owned));
            // Both paths, or git would show a move as a new file.
            args.extend(change.from_path.iter().map(|path| format!(":(literal){path}")));
            args.push(format!(":(literal){}", change.path));
            let bytes = self.run(args).await?;
            let (binary, hunks) = parse_hunks(&String::from_utf8_lossy(&bytes));
            diffs.push(FileDiff { change, binary, hunks });
        }
        Ok(diffs)
    }

    /// How many files changed, and how many lines were added and removed.
    pub(crate) async fn diff_stats(
        &self,
        from: &str,
        to: &str,
        path: Option<&str>,
    ) -> Result<(u64, u64, u64), Error> {
        let mut args = ["diff", "--numstat", "-M", from, to, "--"].map(str::to_owned).to_vec();
        args.extend(path.map(|path| format!(":(literal){path}")));
        let text = self.text(args).await?;
        let mut sum = (0, 0, 0);
        for line in text.lines() {
            let mut numbers = line.split('\t').map(|number| number.parse::<u64>().unwrap_or_default());
            let (added, removed) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
            sum = (sum.0 + 1, sum.1 + added, sum.2 + removed);
        }
        Ok(sum)
    }

    /// The tree of a repository's beginning, to compare a first commit with.
    pub(crate) async fn empty_tree(&self) -> Result<String, Error> {
        self.text(["hash-object", "-t", "tree", "-w", "/dev/null"]).await
    }
}

impl FileDiff {
    /// Whether the diff shows this line: `side_new` tells on which side the number is.
    pub(crate) fn shows(&self, line: u64, kind: LineKind, side_new: bool) -> bool {
        let number = |shown: &Line| if side_new { shown.destination } else { shown.source };
        self.hunks
            .iter()
            .flat_map(|hunk| &hunk.lines)
            .any(|shown| shown.kind == kind && number(shown) == line)
    }
}

fn parse_changes(text: &str) -> Option<Vec<Change>> {
    let mut parts = text.split_terminator('\0');
    let mut changes = Vec::new();
    while let Some(head) = parts.next() {
        let mut facts = head.strip_prefix(':')?.split(' ').map(str::to_owned);
        let (from_mode, to_mode, from_id, to_id) =
            (facts.next()?, facts.next()?, facts.next()?, facts.next()?);
        let status = facts.next()?;
        let letter = status.chars().next()?;
        let first = parts.next()?.to_owned();
        let (from_path, path) = match letter {
            'R' | 'C' => (Some(first), parts.next()?.to_owned()),
            _ => (None, first),
        };
        let alike = status[1..].parse().ok();
        changes.push(Change { status: letter, alike, from_mode, to_mode, from_id, to_id, from_path, path });
    }
    Some(changes)
}

fn parse_hunks(text: &str) -> (bool, Vec<Hunk>) {
    let (mut binary, mut hunks): (bool, Vec<Hunk>) = (false, Vec::new());
    let (mut source, mut destination) = (0, 0);
    for line in text.lines() {
        if let Some(hunk) = parse_header(line) {
            (source, destination) = (hunk.source.0, hunk.destination.0);
            hunks.push(hunk);
            continue;
        }
        let Some(hunk) = hunks.last_mut() else {
            binary |= line.starts_with("Binary files ");
            continue;
        };
        let (kind, step) = match line.chars().next() {
            Some('+') => (LineKind::Added, (0, 1)),
            Some('-') => (LineKind::Removed, (1, 0)),
            Some(' ') => (LineKind::Context, (1, 1)),
            // "\ No newline at end of file".
            _ => continue,
        };
        hunk.lines.push(Line { kind, source, destination, text: line[1..].to_owned() });
        (source, destination) = (source + step.0, destination + step.1);
    }
    (binary, hunks)
}

fn parse_header(line: &str) -> Option<Hunk> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (source, destination) = ranges.split_once(" +")?;
    let range = |text: &str| {
        let (start, span) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, span.parse().ok()?))
    };
    Some(Hunk { source: range(source)?, destination: range(destination)?, lines: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_on_both_sides() {
        let (binary, hunks) =
            parse_hunks("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -3,2 +3,2 @@ fn\n a\n-b\n+c\n");
        assert!(!binary);
        let numbers: Vec<_> =
            hunks[0].lines.iter().map(|line| (line.kind, line.source, line.destination)).collect();
        assert_eq!(numbers, [(LineKind::Context, 3, 3), (LineKind::Removed, 4, 4), (LineKind::Added, 5, 4),]);
    }

    #[test]
    fn a_move_has_both_paths() {
        let text = ":100644 100644 aa bb R090\0old name\0new name\0:000000 100644 00 cc A\0b\0";
        let changes = parse_changes(text).unwrap();
        assert_eq!((changes[0].from_path.as_deref(), changes[0].alike), (Some("old name"), Some(90)));
        assert_eq!(changes[1].status, 'A');
    }

    #[test]
    fn a_removed_line_that_looks_like_a_header_is_a_line() {
        let (_, hunks) = parse_hunks("@@ -1 +1 @@\n-@@ -9 +9 @@\n+-- x\n");
        assert_eq!((hunks.len(), hunks[0].lines.len()), (1, 2));
    }
}
