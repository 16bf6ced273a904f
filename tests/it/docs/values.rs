//! `docs/values.md`: every value of the charts, from the comments in their `values.yaml` (helm-docs' form: `# --`).

use std::fmt::Write as _;
use std::fs;

use super::{MADE, up_to_date};
use crate::chart::{Chart, Helm};

#[test]
fn the_page_of_values_is_what_the_charts_say() {
    up_to_date("docs/values.md", &page());
}

/// The templates take the defaults from there: with `--reuse-values` Helm gives them an older chart's.
#[test]
fn the_defaults_in_the_chart_of_the_agent_are_those_of_its_values() {
    let Some(helm) = Helm::newest() else { return };
    let values = fs::read_to_string(Chart::Agent.folder().join("values.yaml")).expect("values.yaml");
    let made = serde_json::to_string_pretty(&helm.values(&values)).expect("JSON") + "\n";
    up_to_date("deploy/charts/backline/files/defaults.json", &made);
}

#[test]
fn every_value_is_explained_with_its_unit() {
    for chart in Chart::ALL {
        let values = read(chart);
        assert!(values.len() > 30, "only {} values of {chart:?} were read", values.len());
        let bad = values.iter().filter(|value| value.unit.is_empty() || !value.text.ends_with('.'));
        let bad: Vec<_> = bad.map(|value| &value.path).collect();
        assert!(bad.is_empty(), "{chart:?}: no `# -- (unit) Sentence.` before {bad:?}");
    }
}

fn page() -> String {
    let mut page = PAGE.replace("{made}", MADE.trim_end());
    for chart in Chart::ALL {
        let _ = writeln!(
            page,
            "\n## `{}`\n\n| value | unit | default | meaning |\n|---|---|---|---|",
            chart.name()
        );
        let values = read(chart);
        for Value { path, unit, default, text, .. } in &values {
            let _ = writeln!(page, "| `{path}` | {unit} | {default} | {} |", text.replace('|', "\\|"));
        }
        for Value { path, example, .. } in values.iter().filter(|value| !value.example.is_empty()) {
            let _ = writeln!(page, "\nAn element of `{path}`:\n\n```yaml\n{example}```");
        }
    }
    page
}

/// One row.
#[derive(Debug, Default)]
struct Value {
    path: String,
    unit: String,
    default: String,
    text: String,
    /// What stands below it as a comment, without the marks.
    example: String,
}

fn read(chart: Chart) -> Vec<Value> {
    let text = fs::read_to_string(chart.folder().join("values.yaml")).expect("values.yaml");
    let lines: Vec<&str> = text.lines().collect();
    let (mut values, mut path, mut comment) = (Vec::new(), Vec::new(), "");
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let (depth, bare) = (indent(line), line.trim_start());
        if let Some(said) = bare.strip_prefix("# -- ") {
            comment = said;
        } else if let Some((key, given)) = bare.split_once(':').filter(|_| !bare.starts_with('#')) {
            path.truncate(depth / 2);
            path.push(key);
            let below: Vec<&str> = lines
                .iter()
                .skip(at)
                .copied()
                .take_while(|it| indent(it) > depth && !it.is_empty())
                .collect();
            let is_group = given.trim().is_empty() && comment.is_empty();
            if !is_group {
                at += if given.trim().is_empty() { below.len() } else { 0 };
                let example = lines.iter().skip(at).map(|it| it.trim_start()).take_while(|it| is_example(it));
                values.push(value(&path.join("."), comment, given.trim(), &below, example));
            }
            comment = "";
        }
    }
    values
}

fn value<'a>(
    path: &str,
    comment: &str,
    given: &str,
    below: &[&str],
    example: impl Iterator<Item = &'a str>,
) -> Value {
    let (unit, text) = comment.strip_prefix('(').and_then(|it| it.split_once(") ")).unwrap_or(("", comment));
    let default = match given {
        "" => {
            let depth = below.first().map_or(0, |line| indent(line));
            below.iter().map(|line| format!("`{}`", &line[depth..])).collect::<Vec<_>>().join("<br>")
        }
        "\"\"" => String::new(),
        given => format!("`{given}`"),
    };
    let example = example.map(|line| line.trim_start_matches('#').strip_prefix(' ').unwrap_or_default());
    let example = example.fold(String::new(), |all, line| all + line + "\n");
    Value { path: path.to_owned(), unit: unit.to_owned(), default, text: text.to_owned(), example }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_example(line: &str) -> bool {
    line.starts_with('#') && !line.starts_with("# -- ")
}

const PAGE: &str = "# Values of the charts

{made}

What `--set` and `--values` take, for both charts below `deploy/charts`. [install.md](install.md) has the commands. Values
that older charts knew are accepted and named at the end of an installation; `gitproxy.policy` is refused, since this version
does not enforce one.
";
