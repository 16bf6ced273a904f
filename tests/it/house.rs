//! The house's rules for files, where no lint has them.

use std::fmt::Write as _;

use proc_macro2::{TokenStream, TokenTree};

use crate::tree::{self, File};

/// A file that is longer has two nouns.
const LONGEST: usize = 400;

#[test]
fn no_file_is_longer_than_400_lines() {
    let long = everything().into_iter().filter(|file| file.text.lines().count() > LONGEST);
    none(long.map(|file| file.path), "has more than 400 lines");
}

#[test]
fn no_module_is_named_mod_rs() {
    none(
        everything().into_iter().map(|file| file.path).filter(|path| path.ends_with("/mod.rs")),
        "is a mod.rs",
    );
}

#[test]
fn no_test_sleeps() {
    // The simulator's own sources may: its latency is the thing that it simulates.
    let tests = tree::rust_files("tests")
        .into_iter()
        .filter(|file| !file.path.starts_with("tests/bitbucket-sim/src/"));
    none(tests.filter(|file| has_word(file, &["sleep", "sleep_until"])).map(|file| file.path), "sleeps");
}

#[test]
fn nothing_turns_off_the_check_of_certificates() {
    let words = ["danger_accept_invalid_certs", "danger_accept_invalid_hostnames"];
    none(naming(&words), "trusts anyone");
    // A verifier of our own passes every question on to the library's; `assertion` would be an answer of its own.
    let but = |place: &'static str| move |path: &String| path != place;
    none(naming(&["dangerous"]).filter(but("src/egress/crypto.rs")), "brings a verifier");
    none(naming(&["ServerCertVerifier"]).filter(but("src/egress/verify.rs")), "is a verifier");
    none(naming(&["assertion"]), "believes a certificate unseen");
}

#[test]
fn a_word_is_found_also_in_a_macro_and_not_in_a_text() {
    assert!(has_word(&File::new("a.rs", "f! { tokio::time::sleep(second) }"), &["sleep"]));
    assert!(!has_word(&File::new("a.rs", "// sleep\nconst A: &str = \"sleep\"; fn sleeps() {}"), &["sleep"]));
}

/// The files of the programs that have one of the words.
fn naming(words: &[&str]) -> impl Iterator<Item = String> {
    tree::rust_files("src").into_iter().filter(move |file| has_word(file, words)).map(|file| file.path)
}

/// Every Rust file that people write here.
fn everything() -> Vec<File> {
    ["src", "tests", "examples", "benches"].into_iter().flat_map(tree::rust_files).collect()
}

/// Whether one of the words is an identifier of the file; comments and texts do not count.
fn has_word(file: &File, words: &[&str]) -> bool {
    fn search(stream: TokenStream, words: &[&str]) -> bool {
        stream.into_iter().any(|token| match token {
            TokenTree::Group(group) => search(group.stream(), words),
            TokenTree::Ident(ident) => words.iter().any(|word| ident == word),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    search(file.text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path)), words)
}

#[track_caller]
fn none(paths: impl Iterator<Item = String>, what: &str) {
    let list = paths.fold(String::new(), |mut list, path| {
        let _ = writeln!(list, "{path} {what}");
        list
    });
    assert!(list.is_empty(), "\n{list}");
}
