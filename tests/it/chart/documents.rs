//! Every `helm install` and `helm upgrade` of the pages, in the order of each: each must render, with all that came before it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::Helm;
use crate::docs::blocks::{self, Mark};
use crate::tree;

#[test]
fn the_commands_of_the_documents_render() {
    let Some(helms) = Helm::both() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path());
    for helm in &helms {
        let rendered: BTreeMap<String, usize> = commands()
            .into_iter()
            .map(|(page, lines)| (page, renders(helm, folder.path(), &lines)))
            .collect();
        assert!(rendered["docs/install.md"] >= 10 && rendered["README.md"] >= 2, "{rendered:?}");
    }
}

/// How many of the commands install or upgrade; each must render.
fn renders(helm: &Helm, folder: &Path, lines: &[String]) -> usize {
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut rendered = 0;
    for words in lines.iter().map(|line| words(line)) {
        let [verb, release, chart, values @ ..] = words.as_slice() else { continue };
        if !["install", "upgrade"].contains(&verb.as_str()) {
            continue;
        }
        // A page that only upgrades takes an installation for granted.
        let installed = if verb == "upgrade" { INSTALLED } else { &[] };
        let begun = || installed.iter().map(|&word| word.to_owned()).collect();
        let all = given.entry(release.clone()).or_insert_with(begun);
        all.extend(values.iter().filter(|word| !OF_UPGRADES.contains(&word.as_str())).cloned());
        let mut arguments = vec!["template", release.as_str(), chart.as_str()];
        arguments.extend(all.iter().map(String::as_str));
        helm.does_in(folder, &arguments);
        rendered += 1;
    }
    rendered
}

/// The lines of each page's blocks that call helm, but for those that the test of the documents runs as they are.
fn commands() -> BTreeMap<String, Vec<String>> {
    let mut pages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for block in blocks::all() {
        if !matches!(block.mark, Some(Mark::Run(_))) {
            let lines = block.lines().into_iter().filter(|line| line.starts_with("helm "));
            pages.entry(block.page.clone()).or_default().extend(lines);
        }
    }
    pages
}

/// The words that helm would get, as a shell splits them.
fn words(line: &str) -> Vec<String> {
    let script = format!("helm() {{ printf '%s\\n' \"$@\"; }}\n{line}");
    let output = Command::new("bash").args(["-c", &script]).output().expect("a shell");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    said.lines().map(str::to_owned).collect()
}

/// The files that the commands name.
fn files(folder: &Path) {
    symlink(tree::root().join("deploy"), folder.join("deploy")).expect("a link");
    let page = fs::read_to_string(tree::root().join("docs/install.md")).expect("install.md");
    let (_, rest) = page.split_once("```yaml\n# connections.yaml\n").expect("connections.yaml");
    let (connections, _) = rest.split_once("```").expect("its end");
    fs::write(folder.join("connections.yaml"), connections).expect("written");
    fs::write(folder.join("store.toml"), "[tenants]\n").expect("written");
    fs::write(folder.join("ca.b64"), "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t\n").expect("written");
}

/// What `helm template` has no use for.
const OF_UPGRADES: &[&str] = &["--reuse-values", "--create-namespace"];
/// What the first page installs with.
const INSTALLED: &[&str] = &["--set", "accessKey=gpk_…", "--set", "gitproxy.enabled=true"];
