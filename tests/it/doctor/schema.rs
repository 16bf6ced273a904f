//! `docs/doctor.schema.json`, by a validator that is not ours.

use boon::{Compiler, Schemas};
use serde_json::Value;

use crate::tree;

/// Compares a report with the schema.
pub(super) fn check(report: &Value) -> Result<(), String> {
    let text = std::fs::read_to_string(tree::root().join("docs/doctor.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource(PLACE, schema).expect("the schema has a place");
    let schema = compiler.compile(PLACE, &mut schemas).expect("it is a JSON Schema");
    schemas.validate(report, schema).map_err(|error| format!("{error:#}"))
}

/// A name and no address: nothing is fetched.
const PLACE: &str = "https://gitproxy.invalid/doctor.schema.json";
