//! A page of Markdown, as far as links are concerned.

use std::collections::BTreeMap;

use crate::tree::File;

/// What a page offers to links, and its own.
pub(super) struct Page {
    pub(super) path: String,
    /// The targets of its links, as they are written.
    pub(super) links: Vec<String>,
    /// The ids of `<a id="…"></a>`, in their order.
    pub(super) anchors_by_hand: Vec<String>,
    /// The anchors that GitHub makes of the headings.
    anchors_of_headings: Vec<String>,
}

impl Page {
    /// Reads what stands outside of blocks of code.
    pub(super) fn of(file: &File) -> Self {
        let mut page = Self {
            path: file.path.clone(),
            links: vec![],
            anchors_by_hand: vec![],
            anchors_of_headings: vec![],
        };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let prose = prose(&file.text);
        for slug in prose.lines().filter_map(heading).map(slug) {
            // The second of the same name gets -1, the third -2.
            let before = seen.entry(slug.clone()).or_default();
            page.anchors_of_headings.push(if *before == 0 { slug } else { format!("{slug}-{before}") });
            *before += 1;
        }
        for paragraph in prose.split("\n\n").map(without_code) {
            page.links.extend(between(&paragraph, "](", ")"));
            page.anchors_by_hand.extend(between(&paragraph, "<a id=\"", "\""));
        }
        page
    }

    /// Whether `#anchor` leads somewhere on it.
    pub(super) fn has(&self, anchor: &str) -> bool {
        self.anchors_by_hand.iter().chain(&self.anchors_of_headings).any(|is| is == anchor)
    }
}

/// The lines outside of fenced code.
fn prose(text: &str) -> String {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    (1..=6).contains(&level).then_some(text)?.strip_prefix(' ')
}

/// As GitHub does: small letters, digits, `_` and `-`; spaces become `-`, and all else is left out.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '_' | '-') => Some(c),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Without what stands between backticks, where nothing is a link; it may go on in the next line.
fn without_code(paragraph: &str) -> String {
    paragraph.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// Each text between `open` and `close`.
fn between(line: &str, open: &str, close: &str) -> Vec<String> {
    let rest = line.split(open).skip(1);
    rest.filter_map(|rest| rest.split_once(close)).map(|(inside, _)| inside.to_owned()).collect()
}

#[test]
fn headings_and_links_are_read_as_on_github() {
    let text = "# `gitproxy doctor`\n## 407: Proxy_Auth, again\n### Two\n### Two\n<a id=\"own\"></a>\n\
                [a](b.md#c) and `[no](link)` and `code\ngoes on` [d](#e)\n```sh\n# no heading [f](g)\n```\n####### seven";
    let page = Page::of(&File::new("x.md", text));
    assert_eq!(page.links, ["b.md#c", "#e"]);
    assert_eq!(page.anchors_of_headings, ["gitproxy-doctor", "407-proxy_auth-again", "two", "two-1"]);
    assert_eq!(page.anchors_by_hand, ["own"]);
    assert!(page.has("own") && page.has("two-1") && !page.has("no-heading-fg"));
}
