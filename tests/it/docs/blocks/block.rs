//! A block of commands on a page.

use std::fmt;
use std::fs;

use crate::tree::{self, File};

/// What stands between ```` ```sh ```` and ```` ``` ````.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) page: String,
    /// The line of its fence, from 1.
    line: usize,
    pub(super) language: String,
    pub(crate) mark: Option<Mark>,
    pub(crate) text: String,
}

/// Who runs a block.
#[derive(Debug)]
pub(crate) enum Mark {
    /// The test of the documents: the lines that begin with one of these programs, or all where none is named.
    Run(Vec<String>),
    /// `scripts/cluster-test`.
    Cluster,
    /// Nobody, and there is a reason.
    Read,
}

/// The blocks of all pages that people read: those of the root and of `docs/`.
pub(crate) fn all() -> Vec<Block> {
    let names = ["", "docs/"].into_iter().flat_map(|folder| {
        let entries = fs::read_dir(tree::root().join(folder)).expect("the folder can be read");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".md")).map(move |name| format!("{folder}{name}"))
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    let read = |name: &String| fs::read_to_string(tree::root().join(name)).expect("the page can be read");
    let blocks: Vec<_> = names.iter().flat_map(|name| of(&File::new(name, &read(name)))).collect();
    assert!(blocks.len() > 50, "only {} blocks were read", blocks.len());
    blocks
}

/// The blocks of a page.
pub(super) fn of(page: &File) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Option<Block>> = None;
    let mut before = "";
    for (at, line) in page.text.lines().enumerate() {
        open = match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(language), None) => Some(SHELLS.contains(&language).then(|| Block {
                page: page.path.clone(),
                line: at + 1,
                language: language.to_owned(),
                mark: Mark::read(before),
                text: String::new(),
            })),
            (Some(_), Some(block)) => {
                blocks.extend(block);
                None
            }
            (None, Some(Some(mut block))) => {
                block.text += line;
                block.text += "\n";
                Some(Some(block))
            }
            (None, outside_or_other) => outside_or_other,
        };
        before = line;
    }
    blocks
}

impl Mark {
    fn read(line: &str) -> Option<Self> {
        let inside = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        match inside.split_once(": ").unwrap_or((inside, "")) {
            ("run", programs) => Some(Self::Run(words(programs))),
            ("cluster", "") => Some(Self::Cluster),
            ("read", why) if words(why).len() >= 3 => Some(Self::Read),
            _ => None,
        }
    }
}

impl Block {
    /// Its commands, each on one line.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text.replace("\\\n", " ").replace("|\n", "| ").lines().map(str::to_owned).collect()
    }

    /// The words of each command that calls a program of ours, also where another program passes it on.
    pub(super) fn commands_of_ours(&self) -> Vec<Vec<String>> {
        let lines =
            self.lines().into_iter().map(|line| line.split('#').next().unwrap_or_default().to_owned());
        lines.filter_map(|line| ours(&line)).collect()
    }
}

/// The words from a program of ours to the end of the command, if it is called there: at the beginning, or by what runs it
/// elsewhere.
fn ours(line: &str) -> Option<Vec<String>> {
    let command = match line.split_once(" -- ") {
        Some((_, passed_on)) => passed_on,
        None => line.split_once("exec agent ").map_or(line, |(_, passed_on)| passed_on),
    };
    let words = command.split([';', '|', '>']).next()?.split_whitespace().map(str::to_owned);
    let words: Vec<String> = words.collect();
    ["gitproxy", "gitproxy-gateway"].contains(&words.first()?.as_str()).then_some(words)
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page, self.line)
    }
}

/// What people write in place of `sh`.
const SHELLS: &[&str] = &["sh", "bash", "shell", "console", "shell-session", "zsh"];
