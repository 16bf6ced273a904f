//! `docs/security.md` claims only what a test shows: each row of a table with claims names tests, and they exist.

use std::collections::BTreeSet;
use std::fs;

use crate::tree::{self, File};

#[test]
fn every_claim_names_tests_that_exist() {
    let page = fs::read_to_string(tree::root().join("docs/security.md")).expect("the page");
    let tests = tests();
    assert!(tests.len() > 500, "only {} tests were read", tests.len());
    let claims = claims(&page);
    assert!(claims.len() >= 40, "only {} claims were read", claims.len());
    let wrong: Vec<String> = claims.iter().filter_map(|claim| wrong(claim, &tests)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_that_the_prose_names_exists_too() {
    let page = fs::read_to_string(tree::root().join("docs/security.md")).expect("the page");
    let tests = tests();
    let gone: Vec<&str> = names(&page).filter(|name| !tests.contains(*name)).collect();
    assert!(gone.is_empty(), "no test has these names: {gone:?}");
}

#[test]
fn a_claim_without_a_test_is_found() {
    let page = "| it cannot | shown by |\n|---|---|\n| a | `a_test_that_is_there` |\n| b | `a_test_that_is_not` |\n| c | |\n\n\
                | what | where |\n|---|---|\n| d | e |\n";
    let tests = BTreeSet::from(["a_test_that_is_there".to_owned()]);
    let wrong: Vec<String> = claims(page).iter().filter_map(|claim| wrong(claim, &tests)).collect();
    assert_eq!(wrong, ["b: no test is named a_test_that_is_not", "c: no test shows it"]);
}

#[test]
fn helpers_of_tests_are_no_tests() {
    let text = "#[test]\nfn one_is_one() {}\n#[tokio::test(flavor = \"multi_thread\")]\n#[expect(x)]\nasync fn two_is_two() {}\nfn helper_of_both() {}\n";
    let found: Vec<String> = of(&File::new("src/x.rs", text)).collect();
    assert_eq!(found, ["one_is_one", "two_is_two"]);
}

/// A row of a table whose last column is headed `shown by`: what is claimed, and what is in that column.
fn claims(page: &str) -> Vec<(String, String)> {
    let mut claims = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        let cells: Option<Vec<&str>> = line
            .strip_prefix('|')
            .and_then(|rest| rest.strip_suffix('|'))
            .map(|row| row.split('|').map(str::trim).collect());
        match cells.as_deref() {
            Some([.., "shown by"]) => inside = true,
            Some([claim, shown]) if inside && !claim.starts_with("---") => {
                claims.push(((*claim).to_owned(), (*shown).to_owned()));
            }
            Some(_) => {}
            None => inside = false,
        }
    }
    claims
}

fn wrong((claim, shown): &(String, String), tests: &BTreeSet<String>) -> Option<String> {
    let named: Vec<&str> = names(shown).collect();
    if named.is_empty() {
        return Some(format!("{claim}: no test shows it"));
    }
    let gone: Vec<&str> = named.into_iter().filter(|name| !tests.contains(*name)).collect();
    (!gone.is_empty()).then(|| format!("{claim}: no test is named {}", gone.join(", ")))
}

/// What stands in backquotes and reads as the name of a test: words of a sentence with `_` in between.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let plain = |it: &&str| it.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    text.split('`').skip(1).step_by(2).filter(plain).filter(|it| it.matches('_').count() >= 2)
}

/// The names of all tests of the programs and of this binary.
fn tests() -> BTreeSet<String> {
    let files = ["src", "tests/it"].into_iter().flat_map(tree::rust_files);
    files.flat_map(|file| of(&file).collect::<Vec<_>>()).collect()
}

/// The functions below `#[test]` or `#[tokio::test…]`, other attributes in between.
fn of(file: &File) -> impl Iterator<Item = String> {
    let mut marked = false;
    file.text.lines().map(str::trim).filter_map(move |line| {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            marked = true;
        } else if !line.starts_with("#[") && marked {
            let name =
                line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            // An attribute or a comment may go over several lines.
            marked = name.is_none();
            return name.map(str::to_owned);
        }
        None
    })
}
