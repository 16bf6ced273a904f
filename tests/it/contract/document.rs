//! The OpenAPI document as a table of operations, each with the JSON Schema of every answer.

use std::collections::BTreeMap;
use std::path::Path;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Map, Value};

use super::player::Exchange;

/// See the module.
pub(super) struct Document {
    /// By method and path, `/rest/api/latest/projects/{}`.
    operations: BTreeMap<(String, String), Operation>,
    schemas: Schemas,
    compiler: Compiler,
}

/// By status.
type Operation = BTreeMap<String, Content>;

/// By media type, where in the resource the schema is.
type Content = BTreeMap<String, String>;

impl Document {
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read(path).expect("BITBUCKET_OPENAPI is a file");
        let mut document: Value = serde_json::from_slice(&text).expect("the document is JSON");
        let (mut operations, mut answers) = (BTreeMap::new(), Vec::new());
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let Some(responses) = operation.get("responses").and_then(Value::as_object) else { continue };
                let content = |response: &Value| content_of(response, &mut answers);
                let statuses = responses.keys().cloned().zip(responses.values().map(content)).collect();
                operations.insert((method.to_uppercase(), nameless(path)), statuses);
            }
        }
        let mut components = document["components"]["schemas"].take();
        components.as_object_mut().expect("schemas").values_mut().for_each(convert);
        answers.iter_mut().for_each(convert);
        let resource = serde_json::json!({"components": {"schemas": components}, "answers": answers});
        let mut compiler = Compiler::new();
        // What OpenAPI 3.0 calls a schema is next of kin to this draft.
        compiler.set_default_draft(Draft::V4);
        compiler.add_resource(PLACE, resource).expect("the document has a place");
        Self { operations, schemas: Schemas::new(), compiler }
    }

    /// The operations that a route of the simulator answers: two where its path has a tail that may be empty.
    pub(super) fn operations_of(&self, method: &str, pattern: &str) -> Vec<(String, String)> {
        let whole =
            nameless(&format!("/{}", pattern.replace("{v}", "latest").replace("{edition}", "latest")));
        let short = pattern.ends_with("*}").then(|| whole.trim_end_matches("/{}").to_owned());
        let keys = [Some(whole), short].into_iter().flatten().map(|path| (method.to_owned(), path));
        keys.filter(|key| self.operations.contains_key(key)).collect()
    }

    /// Whether an answer is one that the document has: by its status, its media type and its body.
    pub(super) fn check(&mut self, operation: &(String, String), exchange: &Exchange) -> Result<(), String> {
        let statuses = self.operations.get(operation).ok_or("no such operation")?;
        let content = statuses.get(&exchange.status.to_string()).or_else(|| statuses.get("default"));
        let content = content.ok_or_else(|| {
            format!("no status {}: {}", exchange.status, String::from_utf8_lossy(&exchange.body))
        })?;
        if content.is_empty() || exchange.body.is_empty() {
            let both = content.is_empty() == exchange.body.is_empty();
            let plain = both || exchange.status >= 400;
            return if plain { Ok(()) } else { Err(format!("{} bytes of body", exchange.body.len())) };
        }
        let fits = |kind: &&String| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind == "*/*" || kind == exchange.kind
        };
        let kind = content.keys().find(fits);
        let place = kind.and_then(|kind| content.get(kind)).ok_or_else(|| format!("no {}", exchange.kind))?;
        if exchange.kind != "application/json" || place.is_empty() {
            return Ok(());
        }
        let body = exchange.json().ok_or("no JSON")?;
        let schema = self.schema(&place.clone())?;
        self.schemas.validate(&body, schema).map_err(|error| format!("{error:#}"))
    }

    fn schema(&mut self, place: &str) -> Result<SchemaIndex, String> {
        self.compiler.compile(place, &mut self.schemas).map_err(|error| format!("{error:#}"))
    }
}

/// The media types of a response; their schemas are put aside.
fn content_of(response: &Value, answers: &mut Vec<Value>) -> Content {
    let kinds = response.get("content").and_then(Value::as_object);
    let place = |(kind, media): (&String, &Value)| {
        let Some(schema) = media.get("schema") else { return (kind.clone(), String::new()) };
        answers.push(schema.clone());
        (kind.clone(), format!("{PLACE}#/answers/{}", answers.len() - 1))
    };
    kinds.into_iter().flatten().map(place).collect()
}

/// Makes a JSON Schema of one of OpenAPI 3.0: `nullable` becomes a type, and what only documents goes.
fn convert(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    for name in ["example", "externalDocs", "discriminator", "xml", "readOnly", "deprecated"] {
        members.remove(name);
    }
    for name in ["properties", "patternProperties"] {
        members
            .get_mut(name)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
            .for_each(|(_, one)| convert(one));
    }
    for name in ["items", "additionalProperties", "not"] {
        members.get_mut(name).into_iter().for_each(convert);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().for_each(convert);
    }
    unrequire(members);
    if members.remove("nullable") == Some(Value::Bool(true)) {
        let schema = Value::Object(std::mem::take(members));
        members.insert("anyOf".to_owned(), serde_json::json!([{"type": "null"}, schema]));
    }
}

/// A member that is for requests only is required in requests only.
fn unrequire(members: &mut Map<String, Value>) {
    let written: Vec<String> = members
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, schema)| schema.get("writeOnly") == Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect();
    let Some(required) = members.get_mut("required").and_then(Value::as_array_mut) else { return };
    required.retain(|name| !written.iter().any(|written| name == written));
    // This draft wants at least one.
    if required.is_empty() {
        members.remove("required");
    }
}

/// A path with every `{name}` as `{}`.
fn nameless(path: &str) -> String {
    let mut parts = path.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| path + "{}" + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// A name and no address: nothing is fetched.
const PLACE: &str = "https://gitproxy.invalid/bitbucket.json";

#[test]
fn a_nullable_member_may_be_null_and_one_that_is_not_may_not() {
    let mut schema = serde_json::json!({"properties": {"nullable": {"type": "string", "nullable": true}, "b": {"type": "string"}}});
    convert(&mut schema);
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V4);
    compiler.add_resource(PLACE, schema).expect("a place");
    let schema = compiler.compile(PLACE, &mut schemas).expect("a schema");
    let check = |value: Value| schemas.validate(&value, schema).is_ok();
    assert!(check(serde_json::json!({"nullable": null, "b": "x"})) && !check(serde_json::json!({"b": null})));
    assert!(!check(serde_json::json!({"nullable": 1})));
}

#[test]
fn a_path_loses_its_names() {
    assert_eq!(nameless("/rest/a/{key}/b/{id}.diff"), "/rest/a/{}/b/{}.diff");
}
