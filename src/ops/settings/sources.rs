//! Where values come from: the file, and the layers as figment's providers.

use std::collections::BTreeSet;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::{Problem, Problems, Secrecy, Setting};

/// Values that came from the same place, as one of figment's providers.
pub(super) struct Layer {
    came_from: String,
    values: Dict,
}

/// What the file says, taken apart.
#[derive(Default)]
pub(super) struct FromFile {
    /// The plain values, by dotted key.
    pub(super) plain: Vec<(String, Value)>,
    /// The secret ones.
    pub(super) secret: Vec<(String, SecretString)>,
    /// The dotted path of every table that the file has.
    pub(super) tables: BTreeSet<String>,
}

impl Layer {
    pub(super) fn new(came_from: String, key: &str, value: Value) -> Self {
        let nested = figment::util::nest(key, value);
        Self { came_from, values: nested.into_dict().unwrap_or_default() }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.came_from.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

impl FromFile {
    /// Reads a TOML file. What cannot be read or is not known goes to `problems`, and the rest is still used.
    pub(super) fn read(table: &[Setting], path: &Path, problems: &mut Problems) -> Self {
        let mut found = Self::default();
        let whole = |what: String, remedy: &str| Problem {
            setting: "settings file".to_owned(),
            came_from: format!("file {}", path.display()),
            what,
            remedy: remedy.to_owned(),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) => {
                problems.push(whole(
                    format!("cannot be read: {error}"),
                    "give the path of a readable UTF-8 file",
                ));
                return found;
            }
        };
        match text.parse::<toml::Table>() {
            Ok(root) => found.take(table, path, "", root, problems),
            // Only its message: a parser's own display quotes the line, and a secret with it.
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(&text, span.start));
                problems.push(whole(
                    format!("line {line} is not TOML: {}", error.message()),
                    "correct that line",
                ));
            }
        }
        found
    }

    fn take(
        &mut self,
        table: &[Setting],
        path: &Path,
        parent: &str,
        values: toml::Table,
        problems: &mut Problems,
    ) {
        for (name, value) in values {
            let key = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
            let unknown = |what: &str, remedy: String| Problem {
                setting: key.clone(),
                came_from: format!("file {}", path.display()),
                what: what.to_owned(),
                remedy,
            };
            if !is_name(&name) {
                problems.push(unknown("is no name", "use only letters, digits, `-` and `_`".to_owned()));
                continue;
            }
            let setting = table.iter().find(|setting| setting.is(&key));
            match (setting, value) {
                (None, toml::Value::Table(inner)) if table.iter().any(|setting| is_above(&key, setting)) => {
                    self.tables.insert(key.clone());
                    self.take(table, path, &key, inner, problems);
                }
                (None, _) => problems.push(unknown("is not a known setting", suggestion(table, &key))),
                (Some(setting), value) => match (setting.secret, texts(value)) {
                    (Secrecy::Plain, Some(value)) => self.plain.push((key, value)),
                    (Secrecy::Secret, Some(Value::String(_, text))) => self.secret.push((key, text.into())),
                    _ => problems.push(unknown("has the wrong shape", format!("give it a {}", setting.unit))),
                },
            }
        }
    }
}

/// Makes the scalar, or the list of them, text: it is parsed later, as a flag or a variable is.
fn texts(value: toml::Value) -> Option<Value> {
    let toml::Value::Array(items) = value else { return scalar(value).map(Value::from) };
    let items: Option<Vec<String>> = items.into_iter().map(scalar).collect();
    items.map(Value::from)
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(time) => Some(time.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

/// A name that a dotted key can hold.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether the table `key` may hold the setting, at whatever depth.
fn is_above(key: &str, setting: &Setting) -> bool {
    let mut parts = setting.key.split('.');
    let same = key.split('.').all(|part| parts.next().is_some_and(|own| own == part || own == "*"));
    same && parts.next().is_some()
}

fn suggestion(table: &[Setting], key: &str) -> String {
    let names: Vec<&str> = key.split('.').collect();
    let candidates = table.iter().map(|setting| {
        let parts = setting.key.split('.').enumerate();
        let filled =
            parts.map(|(at, part)| if part == "*" { names.get(at).copied().unwrap_or(part) } else { part });
        filled.take(names.len()).collect::<Vec<_>>().join(".")
    });
    let nearest = candidates.map(|known| (distance(&known, key), known)).min();
    match nearest {
        Some((far, known)) if far <= key.len() / 3 + 1 => format!("did you mean `{known}`?"),
        Some(_) | None => "remove it, or look its name up in the list of settings".to_owned(),
    }
}

/// Levenshtein's distance between two texts.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, &right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}
