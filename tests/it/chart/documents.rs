//! Every `helm install` and `helm upgrade` of docs/install.md, in its order: each must render, with all that came before it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::Helm;
use crate::tree;

#[test]
fn the_commands_of_the_documents_render() {
    let Some(helms) = Helm::both() else { return };
    let page = fs::read_to_string(tree::root().join("docs/install.md")).expect("install.md");
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path(), &page);
    for helm in &helms {
        let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut rendered = 0;
        for words in commands(&page).iter().map(|line| words(line)) {
            let [verb, release, chart, values @ ..] = words.as_slice() else { continue };
            if !["install", "upgrade"].contains(&verb.as_str()) {
                continue;
            }
            let all = given.entry(release.clone()).or_default();
            all.extend(values.iter().filter(|word| !OF_UPGRADES.contains(&word.as_str())).cloned());
            let mut arguments = vec!["template", release.as_str(), chart.as_str()];
            arguments.extend(all.iter().map(String::as_str));
            helm.does_in(folder.path(), &arguments);
            rendered += 1;
        }
        assert!(rendered >= 10 && given.len() == 2, "{rendered} commands of {given:?}");
    }
}

/// The commands of the blocks for a shell, each on one line.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let joined = blocks.map(|(block, _)| block.replace("\\\n", " "));
    let lines = joined.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.starts_with("helm ")).collect()
}

/// The words that helm would get, as a shell splits them.
fn words(line: &str) -> Vec<String> {
    let script = format!("helm() {{ printf '%s\\n' \"$@\"; }}\n{line}");
    let output = Command::new("bash").args(["-c", &script]).output().expect("a shell");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    said.lines().map(str::to_owned).collect()
}

/// The files that the commands name.
fn files(folder: &Path, page: &str) {
    symlink(tree::root().join("deploy"), folder.join("deploy")).expect("a link");
    let (_, rest) = page.split_once("```yaml\n# connections.yaml\n").expect("connections.yaml");
    let (connections, _) = rest.split_once("```").expect("its end");
    fs::write(folder.join("connections.yaml"), connections).expect("written");
    fs::write(folder.join("store.toml"), "[tenants]\n").expect("written");
    fs::write(folder.join("ca.b64"), "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t\n").expect("written");
}

/// What `helm template` has no use for.
const OF_UPGRADES: &[&str] = &["--reuse-values", "--create-namespace"];
