//! The dependency DAG: an import that ARCHITECTURE does not allow fails here, however it is written.
//!
//! The checker is a function over files, so that the tests can show it each trick. What it cannot see is a path whose
//! parts a macro puts together, so `crate::$name` is refused; an import that one macro hands to another is not found.

mod arrows;
mod scan;
mod tricks;

use std::fmt;

use arrows::Place;
use scan::{Item, Publicity, What};

use crate::tree::{self, File};

/// A breach of the rules, with the place and the sentence to read.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

#[test]
fn the_real_tree_has_only_the_allowed_arrows() {
    let findings: Vec<String> = check(&tree::rust_files("src")).iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn the_simulator_depends_on_nothing_of_ours() {
    let read = |path: &str| std::fs::read_to_string(tree::root().join(path)).expect("a manifest");
    let simulator: toml::Table = read("tests/bitbucket-sim/Cargo.toml").parse().expect("a manifest is TOML");
    for (table, dependencies) in simulator.iter().filter(|(name, _)| name.ends_with("dependencies")) {
        let dependencies = dependencies.as_table().expect("dependencies are a table");
        assert!(!dependencies.contains_key("gitproxy"), "{table} of the simulator names gitproxy");
        assert!(
            dependencies.values().all(|d| d.get("path").is_none()),
            "{table} of the simulator has a path"
        );
    }
    let ours: toml::Table = read("Cargo.toml").parse().expect("a manifest is TOML");
    assert!(
        ours["dependencies"].get("bitbucket-sim").is_none(),
        "only tests and examples may use the simulator"
    );
}

/// Judges files, each by itself, and says what is wrong with them.
fn check(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let finding = |line, what| Finding { path: file.path.clone(), line, what };
    let place = Place::of(&file.path);
    if place == Place::Unknown {
        return vec![finding(1, "no rule knows this place: add it to tests/it/dag/arrows.rs".to_owned())];
    }
    match scan::items(&file.text) {
        Err(error) => {
            vec![finding(error.span().start().line, format!("these are not Rust's tokens: {error}"))]
        }
        Ok(items) => items
            .iter()
            .filter_map(|item| fault(&place, &file.path, item).map(|what| finding(item.line, what)))
            .collect(),
    }
}

/// Says what is wrong with an item, if anything.
fn fault(place: &Place, path: &str, item: &Item) -> Option<String> {
    match &item.what {
        What::FileModule(name) => match place {
            Place::Root if !place.may_declare(path, name) => {
                Some(format!("the module {name} has no row in the table of arrows"))
            }
            Place::Binary(_) if !place.may_declare(path, name) => {
                Some(format!("`mod {name};` would build a file of the library into a binary"))
            }
            Place::Root | Place::Binary(_) | Place::Module(_) | Place::Unknown => None,
        },
        What::ExternCrate => Some("`extern crate` could give the crate's root another name".to_owned()),
        What::PathAttribute => Some("`#[path]` puts a file where its path does not say".to_owned()),
        What::Include => Some("`include!` puts a file where its path does not say".to_owned()),
        What::MacroPath => {
            Some("a path from the root through `$…` leads where only the macro's callers know".to_owned())
        }
        What::Path { written, inline, publicity } => {
            let target = resolve(place, inline, written)?;
            judge(place, path, &target, *publicity)
        }
    }
}

/// Says what is wrong with reaching `target`, a path from the library's root.
fn judge(place: &Place, path: &str, target: &[String], publicity: Publicity) -> Option<String> {
    let own = match place {
        Place::Module(parts) => parts.first(),
        Place::Root | Place::Binary(_) | Place::Unknown => None,
    };
    let Some(to) = target.first().filter(|to| *to != "*") else {
        return Some("the crate's root gets another name, which hides where paths lead".to_owned());
    };
    if !arrows::is_module(to) {
        return Some(format!("`{to}` is no top-level module, and nothing else may live at the root"));
    }
    if !place.may_import(path, to) {
        let from = own.map_or(path, String::as_str);
        return Some(format!("{from} may not import {to}"));
    }
    if publicity == Publicity::Reexported && own != Some(to) {
        return Some(format!("`pub use` of {to}'s items would carry them past the arrows"));
    }
    None
}

/// Gives a written path as one from the library's root; `None` when it does not lead there.
fn resolve(place: &Place, inline: &[String], written: &[String]) -> Option<Vec<String>> {
    let (first, rest) = written.split_first()?;
    let here = match place {
        Place::Root => Some(inline.to_vec()),
        Place::Module(parts) => Some(parts.iter().chain(inline).cloned().collect()),
        // `crate`, `self` and `super` of a binary stay in its own files.
        Place::Binary(_) | Place::Unknown => None,
    };
    match first.as_str() {
        "gitproxy" => Some(rest.to_vec()),
        "crate" => here.map(|_| rest.to_vec()),
        "self" | "super" => {
            let mut at = here?;
            let steps = written.iter().take_while(|step| matches!(step.as_str(), "self" | "super")).count();
            for _ in written[..steps].iter().filter(|step| *step == "super") {
                at.pop();
            }
            at.extend_from_slice(&written[steps..]);
            Some(at)
        }
        // In lib.rs every module is in scope by its bare name.
        name if *place == Place::Root && arrows::is_module(name) => Some(written.to_vec()),
        _ => None,
    }
}
