//! `deploy/grafana/gitproxy.json`: a dashboard asks only for metrics that the programs make, by their names in Prometheus.

mod emitted;
mod promql;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use self::emitted::{Metric, emitted};
use self::promql::{Asked, asked};
use super::file;
use crate::tree;

#[test]
fn every_query_asks_for_a_metric_and_labels_that_the_programs_make() {
    let emitted = emitted();
    let wrong: Vec<String> = queries().iter().flat_map(|query| wrong(query, &emitted)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_metric_of_the_programs_is_on_it() {
    let asked: BTreeSet<String> = queries().iter().flat_map(|query| asked(query).metrics).collect();
    let absent: Vec<String> =
        emitted().iter().filter(|it| it.series.is_disjoint(&asked)).map(|it| it.name.clone()).collect();
    assert!(absent.is_empty(), "no panel shows {absent:?}");
}

#[test]
fn every_panel_has_a_title_a_unit_and_a_place_of_its_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
        assert!(ids.insert(panel["id"].as_u64()), "{} is there twice", panel["id"]);
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a place"));
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cell.0 < 24 && cells.insert(cell), "{} lies on another panel", panel["title"]);
        }
        if panel["type"] != "row" {
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{}", panel["title"]);
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    assert!(panels.len() > 20, "{} panels", panels.len());
}

#[test]
fn a_wrong_name_and_a_wrong_label_are_found() {
    let emitted = emitted();
    let found = |query: &str| wrong(query, &emitted);
    assert_eq!(
        found("sum by (gitproxy_reason) (rate(gitproxy_call_failures_total{job=\"gitproxy\"}[5m]))"),
        [""; 0]
    );
    for query in [
        "gitproxy_call_failures",
        "rate(gitproxy_link_attached[5m])",
        "rpc_server_call_duration_bucket",
        "sum by (gitproxy_verdict) (gitproxy_call_failures_total)",
        "gitproxy_call_failures_total{reason=\"BUSY\"}",
        "sum(1)",
    ] {
        assert_eq!(found(query).len(), 1, "{query}");
    }
}

/// What is wrong with a query.
fn wrong(query: &str, emitted: &[Metric]) -> Vec<String> {
    let Asked { metrics, labels } = asked(query);
    if metrics.is_empty() {
        return vec![format!("no metric in {query}")];
    }
    let of = |name: &String| emitted.iter().find(|metric| metric.series.contains(name));
    if let Some(strange) = metrics.iter().find(|name| of(name).is_none()) {
        return vec![format!("nothing makes {strange}: {query}")];
    }
    // Prometheus makes the first two of `service.name` and `service.instance.id`, and the last of a histogram's bounds.
    let known = |label: &str| {
        ["job", "instance", "le"].contains(&label)
            || metrics.iter().filter_map(of).any(|it| it.labels.contains(label))
    };
    labels.iter().filter(|label| !known(label)).map(|label| format!("no label {label}: {query}")).collect()
}

/// The queries of the panels, of the variables, and of the alerts in `docs/operations.md`.
fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let targets = dashboard["panels"]
        .as_array()
        .expect("panels")
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let panels = targets.flatten().map(|target| target["expr"].as_str().expect("a query").to_owned());
    let variables = dashboard["templating"]["list"].as_array().expect("variables").iter();
    let variables = variables.filter_map(|it| it["query"]["query"].as_str()).map(|query| {
        let inside = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'))
            .expect("label_values");
        inside.rsplit_once(", ").expect("a label").0.to_owned()
    });
    let queries: Vec<String> = panels.chain(variables).chain(alerts()).collect();
    assert!(queries.len() > 20, "only {} queries were read", queries.len());
    queries
}

fn alerts() -> Vec<String> {
    let page = fs::read_to_string(tree::root().join("docs/operations.md")).expect("the page");
    let (_, rest) = page.split_once("```promql\n").expect("alerts");
    let (block, _) = rest.split_once("```").expect("their end");
    block.lines().map(str::to_owned).collect()
}

fn dashboard() -> Value {
    let text = fs::read_to_string(file("grafana/gitproxy.json")).expect("the dashboard");
    serde_json::from_str(&text).expect("JSON")
}
