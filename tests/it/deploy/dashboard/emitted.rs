//! The metrics that the programs make, read from their sources, with their names in Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::tree;

/// One metric.
pub(super) struct Metric {
    /// As OpenTelemetry has it.
    pub(super) name: String,
    /// What Prometheus stores it as: one name, or the three of a histogram.
    pub(super) series: BTreeSet<String>,
    pub(super) labels: BTreeSet<String>,
}

/// All of them, with the labels that the table in `docs/operations.md` has, where each must be.
pub(super) fn emitted() -> Vec<Metric> {
    let labels = documented();
    let metric = |(name, (unit, kind)): (String, (String, Kind))| {
        let labels =
            labels.get(&name).unwrap_or_else(|| panic!("docs/operations.md does not have {name}")).clone();
        Metric { series: series(&name, &unit, kind), name, labels }
    };
    let metrics: Vec<Metric> = made().into_iter().map(metric).collect();
    let strange: Vec<_> = labels.keys().filter(|name| metrics.iter().all(|it| it.name != **name)).collect();
    assert!(strange.is_empty(), "docs/operations.md has what nothing makes: {strange:?}");
    metrics
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// As the collector and Prometheus itself translate names: the OpenTelemetry specification, "Prometheus and OpenMetrics
/// Compatibility". A unit in braces is a remark; 1 is a ratio, of gauges only.
fn series(name: &str, unit: &str, kind: Kind) -> BTreeSet<String> {
    let plain = name.replace('.', "_");
    let with_unit = match unit {
        "s" => plain + "_seconds",
        "By" => plain + "_bytes",
        "1" if kind == Kind::Gauge => plain + "_ratio",
        remark if remark.starts_with('{') => plain,
        other => panic!("{name}: how does Prometheus write the unit {other}?"),
    };
    match kind {
        Kind::Gauge => BTreeSet::from([with_unit]),
        Kind::Counter => BTreeSet::from([with_unit + "_total"]),
        Kind::Histogram => {
            ["_bucket", "_count", "_sum"].iter().map(|end| format!("{with_unit}{end}")).collect()
        }
    }
}

/// Name, unit and kind of each metric in the sources.
fn made() -> BTreeMap<String, (String, Kind)> {
    let files = tree::rust_files("src");
    let texts: Vec<String> =
        files.iter().map(|it| it.text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let mut made = BTreeMap::new();
    for text in &texts {
        for (at, _) in text.match_indices("Named { name: \"") {
            let (before, after) = text.split_at(at);
            let part = |key: &str| {
                let (_, rest) = after.split_once(&format!("{key}: \"")).expect("a member");
                rest.split('"').next().expect("its end").to_owned()
            };
            let name = part("name");
            let kind = kind(before, text, &texts).unwrap_or_else(|| panic!("what becomes of {name}?"));
            made.insert(name, (part("unit"), kind));
        }
        for rest in text.split("timer(\"").skip(1) {
            let name = rest.split('"').next().expect("its end").to_owned();
            made.insert(name, ("s".to_owned(), Kind::Histogram));
        }
    }
    assert!(made.len() >= 20, "only {made:?} were read");
    made
}

/// What becomes of a description, by what stands before it and by who uses its name: a variable here, a constant anywhere.
fn kind(before: &str, here: &str, all: &[String]) -> Option<Kind> {
    if before.ends_with(".counter(") {
        return Some(Kind::Counter);
    }
    let name = before.trim_end_matches("= ").trim_end_matches(": Named ").split_whitespace().next_back()?;
    let texts = if name.chars().all(|c| c.is_ascii_uppercase()) { all } else { &[here.to_owned()][..] };
    let used = |method: &str| {
        let forms = ["", "metrics::"].map(|path| format!(".{method}({path}{name}"));
        texts.iter().any(|text| {
            forms.iter().any(|form| text.contains(&format!("{form},")) || text.contains(&format!("{form})")))
        })
    };
    let kinds = [("gauge", Kind::Gauge), ("total", Kind::Counter), ("counter", Kind::Counter)];
    kinds.into_iter().find(|(method, _)| used(method)).map(|(_, kind)| kind)
}

/// The labels of each metric of the table; a dot is in each label, and in no value of one.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(tree::root().join("docs/operations.md")).expect("the page");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let cells = rows.map(|(name, rest)| (name, rest.split('|').nth(2).unwrap_or_default()));
    let labels = |cell: &str| {
        let quoted = cell.split('`').skip(1).step_by(2).filter(|word| word.contains('.'));
        quoted.map(|label| label.replace('.', "_")).collect()
    };
    cells.filter(|(name, _)| name.contains('.')).map(|(name, cell)| (name.to_owned(), labels(cell))).collect()
}

#[test]
fn names_are_written_as_prometheus_does() {
    let one = |name, unit, kind| series(name, unit, kind).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(one("a.b", "1", Kind::Gauge), "a_b_ratio");
    assert_eq!(one("a.b", "{call}", Kind::Gauge), "a_b");
    assert_eq!(one("a.io", "By", Kind::Counter), "a_io_bytes_total");
    assert_eq!(one("a.b", "s", Kind::Histogram), "a_b_seconds_bucket a_b_seconds_count a_b_seconds_sum");
}
