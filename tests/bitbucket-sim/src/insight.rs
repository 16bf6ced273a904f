//! Code Insights: reports on commits and their annotations, and what the server accepts of them (FACTS.md 5).

use std::collections::{BTreeMap, HashMap};

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::refusal::{Refusal, api, forbidden, invalid};
use crate::store::RepoId;

/// Reports by repository and commit, then by key.
pub(crate) type Reports = HashMap<(RepoId, String), BTreeMap<String, Report>>;

/// A report with its annotations.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Who made it, and alone may replace it.
    pub(crate) author: String,
    /// In milliseconds since 1970.
    pub(crate) created: i64,
    /// The members as they came.
    pub(crate) body: Map<String, Value>,
    pub(crate) annotations: Vec<Map<String, Value>>,
}

impl Report {
    /// As answers show it.
    pub(crate) fn json(&self, key: &str) -> Value {
        let mut json = Value::Object(self.body.clone());
        json["key"] = json!(key);
        json["createdDate"] = json!(self.created);
        if json.get("data").is_none() {
            json["data"] = json!([]);
        }
        json
    }

    /// Refuses who did not make the report.
    pub(crate) fn only_by(&self, author: &str) -> Result<(), Refusal> {
        if self.author == author { Ok(()) } else { Err(forbidden()) }
    }

    /// Adds annotations, all or none of them; there is no look for duplicates.
    pub(crate) fn annotate(&mut self, annotations: Vec<Map<String, Value>>) -> Result<(), Refusal> {
        if self.annotations.len() + annotations.len() > MOST_ANNOTATIONS {
            let message = format!("A report cannot have more than {MOST_ANNOTATIONS} annotations.");
            return Err(invalid("annotations", message));
        }
        self.annotations.extend(annotations);
        Ok(())
    }
}

/// The 404 for a report that is not there.
pub(crate) fn no_report(key: &str) -> Refusal {
    let message = format!("No report found with key: {key}");
    api(StatusCode::NOT_FOUND, "", message).about("reportKey")
}

/// A report's members, when they may be stored.
pub(crate) fn checked_report(body: Value) -> Result<Map<String, Value>, Refusal> {
    let Value::Object(mut body) = body else { return Err(invalid("title", "A report is an object")) };
    body.retain(|name, value| REPORT_MEMBERS.contains(&name.as_str()) && !value.is_null());
    required(&body, "title", 450)?;
    within(&body, "details", 2000)?;
    within(&body, "reporter", 450)?;
    one_of(&body, "result", &["PASS", "FAIL"])?;
    link(&body, "link")?;
    link(&body, "logoUrl")?;
    match body.get("data") {
        None => {}
        Some(Value::Array(data)) if data.len() > MOST_DATA => {
            return Err(invalid("data", format!("A report cannot have more than {MOST_DATA} data fields.")));
        }
        Some(Value::Array(data)) => data.iter().try_for_each(datum)?,
        Some(_) => return Err(invalid("data", "The data of a report is an array.")),
    }
    Ok(body)
}

/// An annotation's members, when they may be stored.
pub(crate) fn checked_annotation(body: &Value) -> Result<Map<String, Value>, Refusal> {
    let Value::Object(body) = body else { return Err(invalid("annotations", "An annotation is an object")) };
    let mut body = body.clone();
    body.retain(|name, value| ANNOTATION_MEMBERS.contains(&name.as_str()) && !value.is_null());
    required(&body, "message", 2000)?;
    required(&body, "severity", 450)?;
    one_of(&body, "severity", &["LOW", "MEDIUM", "HIGH"])?;
    one_of(&body, "type", &["VULNERABILITY", "CODE_SMELL", "BUG"])?;
    within(&body, "externalId", 450)?;
    link(&body, "link")?;
    if body.get("line").is_some_and(|line| line.as_u64().is_none()) {
        return Err(invalid("line", "The line must be a non-negative integer."));
    }
    body.entry("line").or_insert_with(|| json!(0));
    Ok(body)
}

/// One of the (at most six) facts of a report; what the value is depends on the type.
fn datum(datum: &Value) -> Result<(), Refusal> {
    let value = datum.get("value").unwrap_or(&Value::Null);
    let fits = match datum.get("type").and_then(Value::as_str) {
        None => value.is_number() || value.is_string() || value.is_boolean(),
        Some("BOOLEAN") => value.is_boolean(),
        Some("DATE" | "DURATION" | "NUMBER") => value.is_number(),
        Some("LINK") => value.get("href").is_some_and(Value::is_string),
        Some("PERCENTAGE") => value.as_f64().is_some_and(|share| (0.0..=100.0).contains(&share)),
        Some("TEXT") => value.is_string(),
        Some(_) => false,
    };
    if datum.get("title").is_some_and(Value::is_string) && fits {
        return Ok(());
    }
    Err(invalid("data", format!("The data field {datum} is not supported.")))
}

fn required(body: &Map<String, Value>, name: &'static str, limit: usize) -> Result<(), Refusal> {
    match body.get(name).and_then(Value::as_str) {
        Some(text) if !text.trim().is_empty() => within(body, name, limit),
        _ => Err(invalid(name, format!("The {name} must be specified."))),
    }
}

fn within(body: &Map<String, Value>, name: &'static str, limit: usize) -> Result<(), Refusal> {
    match body.get(name) {
        None => Ok(()),
        Some(Value::String(text)) if text.chars().count() <= limit => Ok(()),
        Some(_) => Err(invalid(name, format!("The {name} must not have more than {limit} characters."))),
    }
}

fn one_of(body: &Map<String, Value>, name: &'static str, words: &[&str]) -> Result<(), Refusal> {
    match body.get(name) {
        None => Ok(()),
        Some(Value::String(word)) if words.contains(&word.as_str()) => Ok(()),
        Some(other) => Err(invalid(name, format!("{other} is not one of {}", words.join(", ")))),
    }
}

fn link(body: &Map<String, Value>, name: &'static str) -> Result<(), Refusal> {
    let web = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    match body.get(name) {
        None => Ok(()),
        Some(Value::String(text)) if web(text) => Ok(()),
        Some(_) => Err(invalid(name, format!("The {name} must be a valid http or https URL."))),
    }
}

/// The product's default; an administrator may change it.
const MOST_ANNOTATIONS: usize = 1000;
const MOST_DATA: usize = 6;
const REPORT_MEMBERS: [&str; 7] = ["title", "details", "result", "data", "reporter", "link", "logoUrl"];
const ANNOTATION_MEMBERS: [&str; 7] = ["path", "line", "message", "severity", "link", "type", "externalId"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_refused_for_what_the_document_limits() {
        let fine = json!({"title": "t", "result": "PASS", "link": "https://x", "data": [{"title": "n", "value": 1}]});
        assert!(checked_report(fine.clone()).is_ok());
        for (name, value) in [
            ("title", json!("")),
            ("title", json!("x".repeat(451))),
            ("details", json!("x".repeat(2001))),
            ("result", json!("MAYBE")),
            ("link", json!("ftp://x")),
            ("data", json!([{"title": "n", "type": "PERCENTAGE", "value": 101}])),
            ("data", json!(vec![json!({"title": "n", "value": 1}); 7])),
        ] {
            let mut wrong = fine.clone();
            wrong[name] = value;
            assert!(checked_report(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn annotations_come_all_or_none() {
        let one = checked_annotation(&json!({"message": "m", "severity": "LOW"})).unwrap();
        let mut report =
            Report { author: String::new(), created: 0, body: Map::new(), annotations: Vec::new() };
        assert!(report.annotate(vec![one.clone(); 999]).is_ok());
        assert!(report.annotate(vec![one.clone(); 2]).is_err());
        assert_eq!(report.annotations.len(), 999);
        assert!(report.annotate(vec![one]).is_ok());
    }
}
