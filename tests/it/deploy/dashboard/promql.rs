//! The names in a query of Prometheus, as far as dashboards go.

use std::collections::BTreeSet;

/// What a query asks for.
pub(super) struct Asked {
    pub(super) metrics: BTreeSet<String>,
    /// Those that it selects and groups by.
    pub(super) labels: BTreeSet<String>,
}

/// Reads a query. What stands in braces and after `by` are labels; a name before `(` is a function's; `$name` is Grafana's.
pub(super) fn asked(query: &str) -> Asked {
    let (mut asked, mut braces, mut grouping) =
        (Asked { metrics: BTreeSet::new(), labels: BTreeSet::new() }, false, false);
    let tokens = tokens(query);
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map_or("", String::as_str);
        match token.as_str() {
            "{" => braces = true,
            "}" => braces = false,
            "by" | "without" => grouping = true,
            ")" => grouping = false,
            name if is_name(name) => {
                if braces || grouping {
                    asked.labels.insert(name.to_owned());
                } else if next != "(" && next != "by" {
                    asked.metrics.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
    asked
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Names, and every other character by itself; texts in quotes and times in brackets are left out.
fn tokens(query: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => 1 + rest[1..].find('"').map_or(rest.len() - 1, |end| end + 1),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            c if c.is_ascii_alphanumeric() || "_$".contains(c) => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_$.".contains(c)).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if !matches!(first, '"' | '[') && !token.trim().is_empty() {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

#[test]
fn metrics_are_told_from_labels_and_functions() {
    let asked = asked(
        "histogram_quantile(0.95, sum by (le, rpc_method) (rate(a_bucket{job=\"b c\",x=~\"$agent\"}[$__rate_interval]))) / max(d)",
    );
    assert_eq!(asked.metrics.into_iter().collect::<Vec<_>>(), ["a_bucket", "d"]);
    assert_eq!(asked.labels.into_iter().collect::<Vec<_>>(), ["job", "le", "rpc_method", "x"]);
}
