//! Pointers into JSON, as of RFC 6901 with `*` for every element of an array, and `NAME=TEXT` for a member with this text.

use serde_json::Value;

/// How often something is there that is not empty: no `null`, no empty text, list or object, no zero and no `false`.
pub(super) fn count(value: &Value, pointer: &str) -> usize {
    let Some((first, rest)) =
        pointer.strip_prefix('/').map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return usize::from(!is_empty(value));
    };
    let rest = if rest.is_empty() { String::new() } else { format!("/{rest}") };
    match (first, value) {
        ("*", Value::Array(items)) => items.iter().map(|item| count(item, &rest)).sum(),
        (index, Value::Array(items)) => {
            let item = index.parse::<usize>().ok().and_then(|index| items.get(index));
            item.map_or(0, |item| count(item, &rest))
        }
        (name, Value::Object(members)) => match name.split_once('=') {
            Some((name, text)) => usize::from(members.get(name).is_some_and(|member| member == text)),
            None => members.get(name).map_or(0, |member| count(member, &rest)),
        },
        (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => 0,
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
fn a_pointer_counts_what_is_there_and_not_what_is_empty() {
    let value = serde_json::json!({"values": [{"id": 0}, {"id": 7, "name": "", "tags": []}, {"id": 8}]});
    assert_eq!((count(&value, "/values/*/id"), count(&value, "/values/1/id")), (2, 1));
    assert_eq!(count(&serde_json::json!({"a": "x"}), "/a=x"), 1);
    for missing in ["/a=x", "/values/0/id", "/values/*/name", "/values/*/tags", "/other", "/values/*/id/more"]
    {
        assert_eq!(count(&value, missing), 0, "{missing}");
    }
}
