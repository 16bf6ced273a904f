//! One of several alike tables of the file.

use std::fmt::Display;
use std::str::FromStr;

use secrecy::SecretString;

use super::{Layers, Problem, Problems};
use crate::ops::secret::Source;

/// A table such as `[connections.main]`; its keys are asked for without the part before them.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    layers: &'a Layers,
    path: String,
    name: String,
}

impl<'a> Section<'a> {
    pub(super) fn new(layers: &'a Layers, prefix: &str, name: String) -> Self {
        Self { layers, path: format!("{prefix}.{name}"), name }
    }

    /// Its own name: `main` for `[connections.main]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`Layers::value`].
    pub fn value<T: FromStr<Err: Display>>(&self, key: &str, problems: &mut Problems) -> Option<T> {
        self.layers.value(&self.key(key), problems)
    }

    /// As [`Layers::required`].
    pub fn required<T: FromStr<Err: Display>>(&self, key: &str, problems: &mut Problems) -> Option<T> {
        self.layers.required(&self.key(key), problems)
    }

    /// As [`Layers::list`].
    pub fn list<T: FromStr<Err: Display>>(&self, key: &str, problems: &mut Problems) -> Vec<T> {
        self.layers.list(&self.key(key), problems)
    }

    /// As [`Layers::secret`].
    pub fn secret(&self, key: &str) -> Option<SecretString> {
        self.layers.secret(&self.key(key))
    }

    /// As [`Layers::source`].
    pub fn source(&self, key: &str, file_key: &str, problems: &mut Problems) -> Option<Source> {
        self.layers.source(&self.key(key), &self.key(file_key), problems)
    }

    /// As [`Layers::problem`].
    pub fn problem(&self, key: &str, what: &str) -> Problem {
        self.layers.problem(&self.key(key), what)
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }
}
