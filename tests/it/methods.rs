//! A method that does not say what it does ends the build with its name.

use std::fs;
use std::path::Path;

use crate::build_script::{compile, method_table};
use crate::tree;

#[test]
fn a_method_with_its_option_is_a_row_of_the_table() {
    let table =
        table_with("option (gitproxy.options.v1.method) = {effect: EFFECT_WRITE, class: CLASS_BULK};");
    let row = "path: \"/gitproxy.odd.v1.Odds/Push\", package: \"gitproxy.odd.v1\", effect: Effect::Write, class: Class::Bulk";
    let table = table.expect("a table");
    assert!(table.contains(row), "{table}");
}

#[test]
fn a_method_without_its_option_fails_the_build_with_its_name() {
    let error = table_with("").expect_err("no table").to_string();
    assert!(error.contains("/gitproxy.odd.v1.Odds/Push"), "{error}");
    assert!(error.contains("lacks `option (gitproxy.options.v1.method)`"), "{error}");
}

#[test]
fn a_method_with_half_its_option_fails_the_build_with_what_is_missing() {
    let error =
        table_with("option (gitproxy.options.v1.method) = {effect: EFFECT_READ};").expect_err("no table");
    assert!(error.to_string().contains("/gitproxy.odd.v1.Odds/Push: `class`"), "{error}");
}

/// Makes the table of a contract whose one method has this body.
fn table_with(body: &str) -> Result<String, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let options = "gitproxy/options/v1/options.proto";
    copy(&tree::root().join("proto").join(options), &folder.path().join(options))?;
    let odd = format!(
        "syntax = \"proto3\";\npackage gitproxy.odd.v1;\nimport \"{options}\";\nmessage PushRequest {{}}\n\
         message PushResponse {{}}\nservice Odds {{ rpc Push(PushRequest) returns (PushResponse) {{ {body} }} }}\n"
    );
    fs::write(folder.path().join("gitproxy/odd.proto"), odd)?;
    method_table(&compile(folder.path())?)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to).map(|_| ())
}
