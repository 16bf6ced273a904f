//! Which members answers have, and of which types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The types at each place, such as `values[].author.name`: of several answers together.
#[derive(Default)]
pub(super) struct Shape(BTreeMap<String, BTreeSet<Kind>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Null,
    Flag,
    Number,
    Text,
    List,
    Object,
}

impl Shape {
    pub(super) fn add(&mut self, value: &Value) {
        self.note("", value);
    }

    /// The places of a value that are not in the shape, or of another type there; only the outermost of each branch. `null` is
    /// of every type.
    pub(super) fn lacks(&self, value: &Value) -> Vec<(String, String)> {
        let mut lacking = BTreeMap::new();
        self.compare("", value, &mut lacking);
        lacking.into_iter().collect()
    }

    fn note(&mut self, place: &str, value: &Value) {
        self.0.entry(place.to_owned()).or_default().insert(kind(value));
        each(place, value, |place, value| self.note(&place, value));
    }

    fn compare(&self, place: &str, value: &Value, lacking: &mut BTreeMap<String, String>) {
        let found = kind(value);
        match self.0.get(place) {
            None if found != Kind::Null => {
                lacking.insert(place.to_owned(), format!("{found:?} is missing"));
            }
            Some(kinds) if found != Kind::Null && !kinds.contains(&found) => {
                if kinds.iter().any(|kind| *kind != Kind::Null) {
                    lacking.insert(place.to_owned(), format!("{found:?} in the recording, {kinds:?} here"));
                }
            }
            None | Some(_) => each(place, value, |place, value| self.compare(&place, value, lacking)),
        }
    }
}

fn each(place: &str, value: &Value, mut visit: impl FnMut(String, &Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(format!("{place}[]"), item)),
        Value::Object(members) => {
            let dot = if place.is_empty() { "" } else { "." };
            members.iter().for_each(|(name, member)| visit(format!("{place}{dot}{name}"), member));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Flag,
        Value::Number(_) => Kind::Number,
        Value::String(_) => Kind::Text,
        Value::Array(_) => Kind::List,
        Value::Object(_) => Kind::Object,
    }
}

#[test]
fn a_missing_member_and_a_wrong_type_are_told_and_null_is_neither() {
    let mut shape = Shape::default();
    shape.add(&serde_json::json!({"values": [{"id": 1, "next": null}, {"name": "x"}]}));
    let recorded = serde_json::json!({"values": [{"id": "1", "name": null, "next": 3, "more": {"deep": 1}}]});
    let places: Vec<_> = shape.lacks(&recorded).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["values[].id", "values[].more"]);
}
