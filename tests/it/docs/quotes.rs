//! What `docs/troubleshooting.md` quotes is what the program says: people search for it.

use std::fs;

use crate::tree;

#[test]
fn every_message_that_is_quoted_stands_in_the_sources() {
    let said = said();
    let page = fs::read_to_string(tree::root().join("docs/troubleshooting.md")).expect("the page");
    let seen: Vec<_> = page.split("\n\n").filter(|it| it.starts_with("**You see**")).collect();
    assert!(seen.len() > 30, "only {} paragraphs were read", seen.len());
    let phrases: Vec<String> = seen.iter().flat_map(|paragraph| phrases(paragraph)).collect();
    assert!(phrases.len() > 50, "only {} phrases were read", phrases.len());
    let strange = |it: &&String| !said.contains(it.as_str()) && !FOREIGN.contains(&it.as_str());
    let strange: Vec<_> = phrases.iter().filter(strange).collect();
    assert!(strange.is_empty(), "quoted, and said by nobody: {strange:#?}");
}

/// The sources with each text on one line.
fn said() -> String {
    let files = tree::rust_files("src");
    let joined: String = files.iter().map(|file| file.text.replace("\\\n", " ")).collect();
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The runs of three words and more within backquotes, as far as the program writes them itself: an example's URL, name
/// or number ends a run.
fn phrases(paragraph: &str) -> Vec<String> {
    let quotes = paragraph.split('`').skip(1).step_by(2);
    let runs = quotes.flat_map(|quote| {
        let mut runs = vec![Vec::new()];
        for word in quote.split_whitespace() {
            let (word, ends) = match word.trim_end_matches([',', ';', '(', ')']) {
                bare if bare.len() < word.len() => (bare, true),
                bare => (bare, false),
            };
            let (word, begins) = match word.trim_start_matches([',', ';', '(']) {
                bare if bare.len() < word.len() => (bare, true),
                bare => (bare, false),
            };
            let example =
                word.contains(|letter: char| "…:/=_<>.".contains(letter) || letter.is_ascii_digit());
            if begins || example {
                runs.push(Vec::new());
            }
            if let (Some(run), false) = (runs.last_mut(), example) {
                run.push(word.to_owned());
            }
            if ends {
                runs.push(Vec::new());
            }
        }
        runs
    });
    runs.filter(|run| run.len() >= 3).map(|run| run.join(" ")).collect()
}

/// What curl, Go, nginx, the system and the shell say.
const FOREIGN: &[&str] = &[
    "kubectl logs --previous POD",
    "no route to host",
    "wrong version number",
    "unable to get local issuer certificate",
    "certificate is valid for",
    "no alternative certificate subject name matches",
    "first record does not look like a TLS handshake",
    "client intended to send too large chunked body",
];
