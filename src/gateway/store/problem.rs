//! What is wrong with a store file: everything at once, each with its line and its key.

use std::fmt;

/// One thing that is wrong. It never repeats a value, since that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The key, dotted as in the file; empty where the file is no TOML at all.
    pub key: String,
    /// What is wrong and what would be right.
    pub what: String,
}

/// Everything that is wrong with one text, in the order of its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    breaks: Vec<usize>,
    list: Vec<Problem>,
}

impl Problems {
    /// Starts with none, for this text.
    pub(super) fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        Self { breaks: breaks.collect(), list: Vec::new() }
    }

    /// Adds one; `at` is a byte of the text.
    pub(super) fn note(&mut self, at: usize, key: impl Into<String>, what: impl Into<String>) {
        let line = self.line(at);
        let place = self.list.partition_point(|earlier| earlier.line <= line);
        self.list.insert(place, Problem { line, key: key.into(), what: what.into() });
    }

    /// The line, from 1, of a byte of the text.
    pub(super) fn line(&self, at: usize) -> usize {
        self.breaks.partition_point(|&end| end < at) + 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each, in the order of its line.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.what),
            key => write!(f, "line {}: `{key}` {}", self.line, self.what),
        }
    }
}

/// One problem a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}
