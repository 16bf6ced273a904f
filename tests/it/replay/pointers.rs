//! Pointers into JSON, as of RFC 6901 with `*` for every element of an array.

use serde_json::Value;

/// Whether something is there that is not empty: no `null`, no empty text, list or object, no zero and no `false`.
pub(super) fn has(value: &Value, pointer: &str) -> bool {
    let Some((first, rest)) =
        pointer.strip_prefix('/').map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return !is_empty(value);
    };
    let rest = if rest.is_empty() { String::new() } else { format!("/{rest}") };
    match (first, value) {
        ("*", Value::Array(items)) => items.iter().any(|item| has(item, &rest)),
        (index, Value::Array(items)) => index
            .parse::<usize>()
            .ok()
            .and_then(|index| items.get(index))
            .is_some_and(|item| has(item, &rest)),
        (name, Value::Object(members)) => members.get(name).is_some_and(|member| has(member, &rest)),
        (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

#[test]
fn a_pointer_finds_what_is_there_and_not_what_is_empty() {
    let value = serde_json::json!({"values": [{"id": 0}, {"id": 7, "name": "", "tags": []}]});
    assert!(has(&value, "/values/*/id") && has(&value, "/values/1/id"));
    for missing in ["/values/0/id", "/values/*/name", "/values/*/tags", "/other", "/values/*/id/more"] {
        assert!(!has(&value, missing), "{missing}");
    }
}
