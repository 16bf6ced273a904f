//! The values of all layers, merged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::Path;
use std::str::FromStr;

use figment::Figment;
use figment::value::Value;
use secrecy::SecretString;

use super::sources::{FromFile, Layer};
use super::{Problem, Problems, Secrecy, Section, Setting};
use crate::ops::secret::{SecretFile, Source};

/// The values of all settings, each the one of the highest layer that gives it, with where it came from.
///
/// Secrets are kept apart from the rest from the moment that they are read, and no [`Problem`] shows one.
#[derive(Clone)]
pub struct Layers {
    table: &'static [Setting],
    plain: Figment,
    secret: BTreeMap<String, (SecretString, String)>,
    tables: BTreeSet<String>,
}

impl Layers {
    /// Reads flags, environment and file over the defaults of `table`. An empty variable counts as not set, because
    /// that is how a chart leaves one out.
    ///
    /// What is wrong with the file (unreadable, not TOML, a key that the table lacks) goes to `problems`, so that it is
    /// reported together with what the program finds wrong with the values.
    pub fn read(
        table: &'static [Setting],
        flags: &clap::ArgMatches,
        file: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
        problems: &mut Problems,
    ) -> Self {
        let mut layers =
            Self { table, plain: Figment::new(), secret: BTreeMap::new(), tables: BTreeSet::new() };
        layers.add_defaults();
        if let Some(path) = file {
            layers.add_file(path, FromFile::read(table, path, problems));
        }
        layers.add_environment(env);
        layers.add_flags(flags);
        layers
    }

    /// The value of `key`, parsed. `None` if it is not set or, with an addition to `problems`, if it is bad.
    ///
    /// The error of `T` must read as the rest of a sentence about the value.
    pub fn value<T: FromStr<Err: Display>>(&self, key: &str, problems: &mut Problems) -> Option<T> {
        let Value::String(_, text) = self.find(key)? else {
            problems.push(self.problem(key, "is a list"));
            return None;
        };
        self.parse(key, &text, problems)
    }

    /// As [`Layers::value`], but not to be set is a problem too.
    pub fn required<T: FromStr<Err: Display>>(&self, key: &str, problems: &mut Problems) -> Option<T> {
        if self.find(key).is_none() {
            problems.push(self.problem(key, "is required"));
        }
        self.value(key, problems)
    }

    /// The values of `key`: an array in the file, or one text with commas anywhere. Empty if it is not set.
    pub fn list<T: FromStr<Err: Display>>(&self, key: &str, problems: &mut Problems) -> Vec<T> {
        let texts: Vec<String> = match self.find(key) {
            Some(Value::String(_, text)) => text.split(',').map(str::to_owned).collect(),
            Some(Value::Array(_, items)) => items.into_iter().filter_map(Value::into_string).collect(),
            _ => Vec::new(),
        };
        let texts = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        texts.filter_map(|text| self.parse(key, text, problems)).collect()
    }

    /// The value of a secret setting.
    pub fn secret(&self, key: &str) -> Option<SecretString> {
        self.secret.get(key).map(|(value, _)| value.clone())
    }

    /// The secret that is given either as `key` or as the path of a file in `file_key`, which then follows the file.
    ///
    /// Both at once, and a file that has no secret, are problems; neither is not.
    pub fn source(&self, key: &str, file_key: &str, problems: &mut Problems) -> Option<Source> {
        let path = self.find(file_key).and_then(Value::into_string);
        match (self.secret(key), path) {
            (Some(_), Some(_)) => {
                let other = self.came_from(file_key);
                problems
                    .push(self.problem(key, &format!("is set, and so is {file_key} ({other}): remove one")));
                None
            }
            (Some(secret), None) => Some(Source::Fixed(secret)),
            (None, Some(path)) => {
                let opened =
                    SecretFile::open(path).map_err(|error| self.problem(file_key, &error.to_string()));
                opened.map(Source::File).map_err(|problem| problems.push(problem)).ok()
            }
            (None, None) => None,
        }
    }

    /// The tables of the file right below `prefix`, such as each `[connections.NAME]`, in the order of their names.
    pub fn table(&self, prefix: &str) -> Vec<Section<'_>> {
        let below = |path: &String| path.strip_prefix(prefix)?.strip_prefix('.').map(str::to_owned);
        let names = self.tables.iter().filter_map(below).filter(|name| !name.contains('.'));
        names.map(|name| Section::new(self, prefix, name)).collect()
    }

    /// Where the value of `key` came from: `flag --x`, `environment X`, `file P key k`, `default`, or `not set`.
    pub fn came_from(&self, key: &str) -> String {
        let secret = self.secret.get(key).map(|(_, from)| from.clone());
        let plain = || self.plain.find_metadata(key).map(|metadata| metadata.name.to_string());
        let default = || self.find(key).map(|_| "default".to_owned());
        secret.or_else(plain).or_else(default).unwrap_or_else(|| "not set".to_owned())
    }

    /// Makes a problem with the value of `key`, for a check that needs more than its text.
    pub fn problem(&self, key: &str, what: &str) -> Problem {
        let remedy = self.setting(key).map(|setting| setting.remedy(key));
        Problem {
            setting: key.to_owned(),
            came_from: self.came_from(key),
            what: what.to_owned(),
            remedy: remedy.unwrap_or_default(),
        }
    }

    fn parse<T: FromStr<Err: Display>>(&self, key: &str, text: &str, problems: &mut Problems) -> Option<T> {
        let parsed = text.parse();
        parsed.map_err(|why: T::Err| problems.push(self.problem(key, &format!("{} {why}", shown(text))))).ok()
    }

    fn find(&self, key: &str) -> Option<Value> {
        self.plain.find_value(key).ok().or_else(|| {
            let default = self.setting(key)?.default;
            (!default.is_empty()).then(|| Value::from(default))
        })
    }

    fn setting(&self, key: &str) -> Option<&'static Setting> {
        self.table.iter().find(|setting| setting.is(key))
    }

    fn add_defaults(&mut self) {
        // A default below a `*` has no key of its own: `find` looks it up.
        let table =
            self.table.iter().filter(|setting| !setting.default.is_empty() && !setting.key.contains('*'));
        for setting in table {
            self.add(setting, "default".to_owned(), setting.default.to_owned());
        }
    }

    fn add_file(&mut self, path: &Path, file: FromFile) {
        let from = |key: &str| format!("file {} key {key}", path.display());
        for (key, value) in file.plain {
            self.merge(Layer::new(from(&key), &key, value));
        }
        self.secret.extend(file.secret.into_iter().map(|(key, value)| {
            let from = from(&key);
            (key, (value, from))
        }));
        self.tables = file.tables;
    }

    fn add_environment(&mut self, env: &dyn Fn(&str) -> Option<String>) {
        for setting in self.table {
            let given = |&name: &&str| Some((name.to_owned(), env(name).filter(|value| !value.is_empty())?));
            if let Some((name, value)) = setting.env.iter().find_map(given) {
                self.add(setting, format!("environment {name}"), value);
            }
        }
    }

    fn add_flags(&mut self, flags: &clap::ArgMatches) {
        for setting in self.table.iter().filter(|setting| setting.secret == Secrecy::Plain) {
            if let Ok(Some(value)) = flags.try_get_one::<String>(setting.key) {
                self.add(setting, format!("flag --{}", setting.flag), value.clone());
            }
        }
    }

    fn add(&mut self, setting: &Setting, came_from: String, value: String) {
        match setting.secret {
            Secrecy::Plain => self.merge(Layer::new(came_from, setting.key, value.into())),
            Secrecy::Secret => {
                self.secret.insert(setting.key.to_owned(), (value.into(), came_from));
            }
        }
    }

    fn merge(&mut self, layer: Layer) {
        self.plain = std::mem::take(&mut self.plain).merge(layer);
    }
}

impl fmt::Debug for Layers {
    /// Shows no value at all: a plain one may be a URL with a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.table.iter().map(|setting| (setting.key, self.came_from(setting.key)));
        f.debug_map().entries(set).finish()
    }
}

/// A value in a message: short, without control characters, and without what stands before an `@`, where a URL has its
/// password, and behind the `?` or `#` of a URL, where some have a token.
fn shown(value: &str) -> String {
    // The `@` first: a `?` in front of it belongs to the password.
    let (before, tail) = value.rsplit_once('@').map_or(("", value), |(_, tail)| ("…@", tail));
    let end = if value.contains("://") { tail.find(['?', '#']).unwrap_or(tail.len()) } else { tail.len() };
    let more = if end < tail.len() { "…" } else { "" };
    let tail = format!("{before}{}{more}", &tail[..end]);
    let cut: String = tail.chars().take(SHOWN).collect();
    let mark = if cut.len() < tail.len() { "…" } else { "" };
    format!("`{}{mark}`", cut.escape_debug())
}

/// The most characters of a value that a message shows.
const SHOWN: usize = 80;
