//! One recorded answer.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gitproxy::ops::settings::environment;
use serde_json::Value;

use crate::tools::need::skip;

use super::excepted::{BY_EXCEPTION, BY_FILE};

/// See the module.
pub(crate) struct Recording {
    /// Its path below the folder.
    pub(crate) file: String,
    pub(crate) method: String,
    /// The path of the request, without the query and the `/rest`'s prefix.
    pub(crate) endpoint: String,
    pub(crate) status: u16,
    pub(super) body: Bytes,
    /// What it is of, when the index says.
    pub(crate) kind: String,
}

/// Every recording of the folder that `BITBUCKET_FIXTURES` names; none, and a word why, where it is not set.
pub(crate) fn all() -> Option<Vec<Recording>> {
    let Some(folder) = environment("BITBUCKET_FIXTURES").map(PathBuf::from) else {
        skip("BITBUCKET_FIXTURES names no folder of recordings");
        return None;
    };
    let index = fs::read(folder.join("INDEX.json")).expect("BITBUCKET_FIXTURES has an INDEX.json");
    let index: Vec<Value> = serde_json::from_slice(&index).expect("INDEX.json is a list");
    Some(index.iter().filter_map(|entry| Recording::read(&folder, entry)).collect())
}

impl Recording {
    /// Reads it, unless it is no answer to a request.
    fn read(folder: &Path, entry: &Value) -> Option<Self> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (file, method) = (text("file"), text("method"));
        if !["GET", "PUT", "POST", "DELETE"].contains(&method.as_str()) {
            return None;
        }
        let status =
            entry.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())?;
        let body = fs::read(folder.join(&file)).expect("a file of the index");
        let endpoint = text("endpoint");
        let item = endpoint.ends_with("(one item of values)");
        let path = endpoint.split(['?', ' ']).next().unwrap_or_default().to_owned();
        let body = unwrapped(body);
        let body = if item { page_of(&body) } else { body };
        let body = as_ours(body);
        Some(Self { file, method, endpoint: path, status, body: body.into(), kind: text("kind") })
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status) && self.kind != "error"
    }

    pub(crate) fn is_refusal(&self) -> bool {
        (400..600).contains(&self.status)
    }

    pub(crate) fn body_as_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The reason that it must have, by the file or else by the exception, from our own table.
    pub(super) fn reason(&self) -> Option<&'static str> {
        let body = self.body_as_json();
        let exception = body.pointer("/errors/0/exceptionName").and_then(Value::as_str).unwrap_or_default();
        let exception = exception.rsplit('.').next().unwrap_or_default();
        let by_file = BY_FILE.iter().find(|(file, _)| self.file == *file);
        let by_exception = BY_EXCEPTION.iter().find(|(name, _)| exception == *name);
        by_file.or(by_exception).map(|(_, reason)| *reason)
    }

    /// The content type that the answer had, which the recordings do not keep.
    pub(super) fn content_type(&self) -> &'static str {
        let text = String::from_utf8_lossy(&self.body);
        match text.trim_start().chars().next() {
            Some('{' | '[') => "application/json;charset=UTF-8",
            Some('<') if text.contains("<status") => "application/xml;charset=UTF-8",
            Some('<') => "text/html;charset=UTF-8",
            Some(_) => "text/plain;charset=UTF-8",
            None => "",
        }
    }
}

/// Some recordings have notes around the body.
fn unwrapped(file: Vec<u8>) -> Vec<u8> {
    let Ok(json) = serde_json::from_slice::<Value>(&file) else { return file };
    let noted = json.get("_source").is_some();
    match json.pointer("/response/body").or_else(|| json.get("body")).filter(|_| noted) {
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(Value::Null) | None if noted => Vec::new(),
        Some(body) => body.to_string().into_bytes(),
        None => file,
    }
}

/// Puts the repositories into the connection's project, and pull requests into the repository that is asked about: what belongs to
/// others, the adapter leaves out.
fn as_ours(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut json) = serde_json::from_slice::<Value>(&body) else { return body };
    adopt(&mut json);
    json.to_string().into_bytes()
}

fn adopt(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(adopt),
        Value::Object(members) => {
            if let Some(key) = members.get_mut("project").and_then(|project| project.get_mut("key")) {
                *key = Value::from("SHOP");
            }
            if let Some(slug) = members.get_mut("toRef").and_then(|to| to.pointer_mut("/repository/slug")) {
                *slug = Value::from("web");
            }
            members.values_mut().for_each(adopt);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn page_of(item: &[u8]) -> Vec<u8> {
    [br#"{"isLastPage":true,"values":["#, item, b"]}"].concat()
}
