//! Links between the pages lead somewhere, and every failure has its section in `docs/troubleshooting.md`.

mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use gitproxy::ops::SECTIONS;

use crate::tree::{self, File};

use self::page::Page;

#[test]
fn every_link_leads_to_a_file_and_a_heading_of_it() {
    let pages = pages();
    assert!(pages.len() > 5, "only {} pages were read", pages.len());
    let broken: Vec<String> = pages.iter().flat_map(broken).collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_failure_has_a_section_and_every_section_a_failure() {
    let sections = read("docs/troubleshooting.md").anchors_by_hand;
    let expected = SECTIONS;
    let absent: Vec<&&str> = expected.iter().filter(|word| !sections.iter().any(|is| is == *word)).collect();
    let strange: Vec<&String> = sections.iter().filter(|word| !expected.contains(&word.as_str())).collect();
    assert!(absent.is_empty() && strange.is_empty(), "absent: {absent:?}; nobody leads to: {strange:?}");
    let once: BTreeSet<&String> = sections.iter().collect();
    assert_eq!(once.len(), sections.len(), "a section stands twice: {sections:?}");
}

#[test]
fn every_section_is_in_the_table_of_symptoms() {
    let page = read("docs/troubleshooting.md");
    let linked: Vec<&str> = page.links.iter().filter_map(|link| link.strip_prefix('#')).collect();
    let unlinked: Vec<&String> =
        page.anchors_by_hand.iter().filter(|id| !linked.contains(&id.as_str())).collect();
    assert!(unlinked.is_empty(), "no link leads to {unlinked:?}");
}

#[test]
fn a_link_to_nowhere_is_found() {
    let page = Page::of(&File::new(
        "docs/here.md",
        "# Here\n[a](errors.md) [b](gone.md) [c](#here) [d](#gone) [e](errors.md#x)",
    ));
    let broken = broken(&page);
    let expected = [
        "docs/here.md: `gone.md` is no file",
        "docs/here.md: `#gone` is no heading there",
        "docs/here.md: `errors.md#x` is no heading there",
    ];
    assert_eq!(broken, expected);
}

/// What [`Page::links`] of a page leads nowhere.
fn broken(page: &Page) -> Vec<String> {
    page.links
        .iter()
        .filter_map(|link| Some(format!("{}: `{link}` {}", page.path, why_broken(page, link)?)))
        .collect()
}

fn why_broken(page: &Page, link: &str) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return (!page.has(anchor)).then_some("is no heading there");
    }
    let Some(target) = beside(&page.path, path) else { return Some("leaves the repository") };
    if !tree::root().join(&target).exists() {
        return Some("is no file");
    }
    (!anchor.is_empty() && !read(&target).has(anchor)).then_some("is no heading there")
}

/// The path from the repository's root of what a page names; none if that is outside.
fn beside(page: &str, link: &str) -> Option<String> {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if path.pop() => {}
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path.to_string_lossy().replace('\\', "/"))
}

/// The pages that people read: those of the root and of `docs/`.
fn pages() -> Vec<Page> {
    let names = ["", "docs/"].into_iter().flat_map(|folder| {
        let entries = fs::read_dir(tree::root().join(folder)).expect("the folder can be read");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".md")).map(move |name| format!("{folder}{name}"))
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.iter().map(|name| read(name)).collect()
}

fn read(path: &str) -> Page {
    let text = fs::read_to_string(tree::root().join(path)).expect("the page can be read");
    Page::of(&File::new(path, &text))
}
