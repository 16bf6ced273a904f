//! Pages of `docs/` that are made from the sources, and fail here when they are stale.
//!
//! `UPDATE_DOCS=1 cargo test docs` writes them anew.

pub(crate) mod blocks;
mod commands;
mod links;
mod quotes;
mod security;
mod settings;
mod values;

use std::fmt::Write as _;
use std::fs;

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use crate::build_script;
use crate::tree;

#[test]
fn the_page_of_errors_is_what_the_proto_says() {
    up_to_date("docs/errors.md", &errors_page());
}

#[test]
fn every_reason_begins_with_its_status_code() {
    let reasons = reasons();
    assert!(reasons.len() > 50, "only {} reasons were read", reasons.len());
    for reason in reasons {
        assert!(is_code(&reason.code), "{}: `{}` is no gRPC status code", reason.name, reason.code);
        assert!(reason.text.ends_with('.'), "{}: `{}` is no sentence", reason.name, reason.text);
    }
}

fn errors_page() -> String {
    let mut page = format!(
        "# Errors\n\n{MADE}\nA failed call is a gRPC status with `google.rpc.ErrorInfo`: its `domain` is `gitproxy`, its \
         `reason` one of these, and its `metadata` has the facts that the text names. `RetryInfo` says when to try again, \
         `BadRequest` which field is wrong, `ResourceInfo` what does not exist.\n\n\
         | reason | status | what happened, and what to do |\n|---|---|---|\n"
    );
    for Reason { name, code, details, text } in reasons() {
        let _ = writeln!(page, "| `{name}` | {code}{details} | {text} |");
    }
    page
}

const MADE: &str = "<!-- Made by tests/it/docs.rs; `UPDATE_DOCS=1 cargo test docs` writes it anew. -->\n";

/// One value of `enum Reason`, read from its comment: `CODE, details. Text.`
struct Reason {
    name: String,
    code: String,
    details: String,
    text: String,
}

fn reasons() -> Vec<Reason> {
    let file = errors_proto();
    let enumeration = file.enum_type.iter().find(|e| e.name() == "Reason").expect("enum Reason");
    let values = enumeration.value.iter().enumerate();
    values.map(|(at, value)| reason(value.name(), &comment(&file, &[5, 0, 2, at]))).collect()
}

fn reason(name: &str, comment: &str) -> Reason {
    let (head, text) = comment.split_once(". ").unwrap_or((comment, ""));
    let (code, details) = head.split_at(head.find(',').unwrap_or(head.len()));
    let text = text.replace('|', "\\|");
    let name = name.trim_start_matches("REASON_").to_owned();
    Reason { name, code: code.to_owned(), details: details.to_owned(), text }
}

fn errors_proto() -> FileDescriptorProto {
    let encoded = build_script::compile(&tree::root().join("proto")).expect("the contracts compile");
    let set = FileDescriptorSet::decode(encoded.as_slice()).expect("a descriptor set");
    let mut files = set.file.into_iter();
    files.find(|file| file.name() == "gitproxy/scm/v1/errors.proto").expect("errors.proto")
}

/// The comment before what `path` leads to (google/protobuf/descriptor.proto, `SourceCodeInfo.Location`), as one line.
fn comment(file: &FileDescriptorProto, path: &[usize]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let here = |at: &[i32]| {
        at.iter().map(|&step| usize::try_from(step).ok()).eq(path.iter().map(|&step| Some(step)))
    };
    let found = locations.into_iter().find(|location| here(&location.path));
    found.map_or("", |location| location.leading_comments()).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_code(name: &str) -> bool {
    let codes = [
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "INTERNAL",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    codes.contains(&name)
}

/// Compares a page with what it should be, or writes it when `UPDATE_DOCS` is set.
#[track_caller]
fn up_to_date(path: &str, expected: &str) {
    let place = tree::root().join(path);
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever runs the tests, not a setting of a program"
    )]
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&place, expected).expect("the page can be written");
    }
    let found = fs::read_to_string(&place).unwrap_or_default();
    assert!(found == expected, "{path} is stale: run `UPDATE_DOCS=1 cargo test docs` and commit it");
}
