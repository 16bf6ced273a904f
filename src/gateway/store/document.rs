//! A walk through a TOML document that notes each wrong thing with its line and goes on.
//!
//! serde stops at the first error, and an operator wants all of them.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;

/// A table of the document with its dotted path and its place.
pub(super) struct Section<'d> {
    path: String,
    at: usize,
    entries: &'d DeTable<'d>,
}

/// A text of the document with its dotted path and its place.
pub(super) struct Text<'d> {
    path: String,
    at: usize,
    value: &'d str,
}

impl<'d> Section<'d> {
    /// The whole document, of which only `known` keys may be there.
    pub(super) fn root(entries: &'d DeTable<'d>, known: &[&str], problems: &mut Problems) -> Self {
        let root = Self { path: String::new(), at: 0, entries };
        root.refuse_unknown(known, problems);
        root
    }

    /// The tables in the table `key`, each with its name: `[key.NAME]`.
    pub(super) fn named(&self, key: &str, known: &[&str], problems: &mut Problems) -> Vec<(Text<'d>, Self)> {
        let Some((path, at, value)) = self.entry(key) else {
            return Vec::new();
        };
        let DeValue::Table(tables) = value else {
            problems.note(at, path, format!("must be tables `[{key}.NAME]`, not {}", value.type_str()));
            return Vec::new();
        };
        let outer = Self { path, at, entries: tables };
        tables.iter().filter_map(|(name, _)| outer.member(name, known, problems)).collect()
    }

    fn member(
        &self,
        name: &'d Spanned<std::borrow::Cow<'d, str>>,
        known: &[&str],
        problems: &mut Problems,
    ) -> Option<(Text<'d>, Self)> {
        let value: &'d str = name.get_ref();
        let (path, at, found) = self.entry(value)?;
        let DeValue::Table(entries) = found else {
            problems.note(at, path, format!("must be a table, not {}", found.type_str()));
            return None;
        };
        let section = Self { path: path.clone(), at, entries };
        section.refuse_unknown(known, problems);
        Some((Text { path, at, value }, section))
    }

    /// The inline tables in the array `key`; none where it is missing.
    pub(super) fn rows(&self, key: &str, known: &[&str], problems: &mut Problems) -> Vec<Self> {
        let Some((path, at, value)) = self.entry(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value else {
            problems.note(at, path, format!("must be an array of tables, not {}", value.type_str()));
            return Vec::new();
        };
        let mut rows = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (path, at) = (format!("{path}[{index}]"), item.span().start);
            if let DeValue::Table(entries) = item.get_ref() {
                let row = Self { path, at, entries };
                row.refuse_unknown(known, problems);
                rows.push(row);
            } else {
                problems.note(at, path, format!("must be a table, not {}", item.get_ref().type_str()));
            }
        }
        rows
    }

    /// The text `key`; `None` where it is missing or was noted.
    pub(super) fn text(&self, key: &str, problems: &mut Problems) -> Option<Text<'d>> {
        let (path, at, value) = self.entry(key)?;
        if let DeValue::String(text) = value {
            return Some(Text { path, at, value: text });
        }
        problems.note(at, path, format!("must be a text, not {}", value.type_str()));
        None
    }

    /// The text `key`, which must be there.
    pub(super) fn required(&self, key: &str, problems: &mut Problems) -> Option<Text<'d>> {
        if !self.entries.contains_key(key) {
            self.note(format!("lacks `{key}`"), problems);
        }
        self.text(key, problems)
    }

    /// The texts in the array `key`; none where it is missing.
    pub(super) fn texts(&self, key: &str, problems: &mut Problems) -> Vec<Text<'d>> {
        let Some((path, at, value)) = self.entry(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value else {
            problems.note(at, path, format!("must be an array of texts, not {}", value.type_str()));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (path, at) = (format!("{path}[{index}]"), item.span().start);
            if let DeValue::String(value) = item.get_ref() {
                texts.push(Text { path, at, value });
            } else {
                problems.note(at, path, format!("must be a text, not {}", item.get_ref().type_str()));
            }
        }
        texts
    }

    /// Notes something about the table itself.
    pub(super) fn note(&self, what: impl Into<String>, problems: &mut Problems) {
        problems.note(self.at, self.path.clone(), what);
    }

    fn refuse_unknown(&self, known: &[&str], problems: &mut Problems) {
        for (key, _) in self.entries {
            if !known.contains(&key.get_ref().as_ref()) {
                let known = known.join("`, `");
                let what = format!("is not known here; `{known}` would be");
                problems.note(key.span().start, self.below(key.get_ref()), what);
            }
        }
    }

    fn entry(&self, key: &str) -> Option<(String, usize, &'d DeValue<'d>)> {
        let (name, value) = self.entries.get_key_value(key)?;
        Some((self.below(key), name.span().start, value.get_ref()))
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'d> Text<'d> {
    /// The text.
    pub(super) fn value(&self) -> &'d str {
        self.value
    }

    /// The line, from 1.
    pub(super) fn line(&self, problems: &Problems) -> usize {
        problems.line(self.at)
    }

    /// Reads the text with `parse`; its error is noted.
    pub(super) fn parse<T, E: std::fmt::Display>(
        &self,
        problems: &mut Problems,
        parse: impl FnOnce(&'d str) -> Result<T, E>,
    ) -> Option<T> {
        parse(self.value).map_err(|error| self.note(error.to_string(), problems)).ok()
    }

    /// Notes something about the text.
    pub(super) fn note(&self, what: impl Into<String>, problems: &mut Problems) {
        problems.note(self.at, self.path.clone(), what);
    }
}
