//! Ref matchers: which branches a rule is about (FACTS.md 5 and 7).

use serde_json::{Value, json};

use crate::entity::display;
use crate::refusal::{Refusal, bad_argument};

/// What kind of name a matcher has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Branch,
    Pattern,
    /// A kind of branch of the branch model, by its usual prefix.
    Category,
    /// The development or production branch; both are taken to be `master` or `main`.
    Model,
}

/// Matches branches by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    kind: Kind,
    id: String,
}

impl Matcher {
    /// A matcher as requests write it.
    pub(crate) fn of(value: Option<&Value>, field: &'static str) -> Result<Self, Refusal> {
        let value = value.ok_or_else(|| bad_argument(format!("A {field} is required")).about(field))?;
        let kind = match value.pointer("/type/id").and_then(Value::as_str) {
            Some("ANY_REF") => Kind::Any,
            Some("BRANCH") => Kind::Branch,
            Some("PATTERN") => Kind::Pattern,
            Some("MODEL_CATEGORY") => Kind::Category,
            Some("MODEL_BRANCH") => Kind::Model,
            _ => return Err(bad_argument(format!("The {field} has no known type")).about(field)),
        };
        let id = value.get("id").and_then(Value::as_str).unwrap_or("");
        let id = match kind {
            Kind::Any => "ANY_REF_MATCHER_ID".to_owned(),
            _ if id.is_empty() => return Err(bad_argument(format!("The {field} has no id")).about(field)),
            Kind::Branch => format!("refs/heads/{}", display(id)),
            Kind::Pattern | Kind::Category | Kind::Model => id.to_owned(),
        };
        Ok(Self { kind, id })
    }

    /// Whether it matches a branch's full name.
    pub(crate) fn matches(&self, branch: &str) -> bool {
        let short = display(branch);
        match self.kind {
            Kind::Any => true,
            Kind::Branch => self.id == branch,
            Kind::Pattern => glob(self.id.as_bytes(), short.as_bytes()),
            Kind::Category => short.starts_with(&format!("{}/", self.id.to_lowercase())),
            Kind::Model => matches!(short, "master" | "main"),
        }
    }

    /// As answers show it.
    pub(crate) fn json(&self) -> Value {
        let (kind, name) = match self.kind {
            Kind::Any => ("ANY_REF", "Any branch"),
            Kind::Branch => ("BRANCH", "Branch"),
            Kind::Pattern => ("PATTERN", "Pattern"),
            Kind::Category => ("MODEL_CATEGORY", "Branching model category"),
            Kind::Model => ("MODEL_BRANCH", "Branching model branch"),
        };
        json!({"id": self.id, "displayId": display(&self.id), "active": true, "type": {"id": kind, "name": name}})
    }
}

/// `*` is anything but a slash, `**` anything, `?` one character.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        [b'*', rest @ ..] => {
            let reach = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=reach).any(|at| glob(rest, &text[at..]))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|byte| *byte != b'/') && glob(rest, &text[1..]),
        [byte, rest @ ..] => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(kind: &str, id: &str) -> Matcher {
        Matcher::of(Some(&json!({"id": id, "type": {"id": kind}})), "refMatcher").unwrap()
    }

    #[test]
    fn each_kind_matches_its_own_way() {
        assert!(matcher("ANY_REF", "").matches("refs/heads/x"));
        assert!(matcher("BRANCH", "master").matches("refs/heads/master"));
        assert!(!matcher("BRANCH", "refs/heads/master").matches("refs/heads/master2"));
        assert!(matcher("PATTERN", "rel*/v?").matches("refs/heads/release/v1"));
        assert!(!matcher("PATTERN", "rel*").matches("refs/heads/release/v1"));
        assert!(matcher("PATTERN", "**/v1").matches("refs/heads/a/b/v1"));
        assert!(matcher("MODEL_CATEGORY", "BUGFIX").matches("refs/heads/bugfix/1"));
    }

    #[test]
    fn a_matcher_without_a_type_or_id_is_refused() {
        assert!(Matcher::of(None, "refMatcher").is_err());
        assert!(Matcher::of(Some(&json!({"id": "x"})), "refMatcher").is_err());
        assert!(Matcher::of(Some(&json!({"type": {"id": "BRANCH"}})), "refMatcher").is_err());
    }
}
