//! The fields of a request: what they name, and whether they are in their limits.

use std::ops::RangeInclusive;

use url::Url;

use super::command::Target;
use crate::proto::Fault;
use crate::proto::scm::v1::RepoRef;

/// What [`Describe`](super::Describe) fills in.
///
/// It takes in what a request names even where that is malformed, because policy is asked first; the first fault is kept
/// for later.
#[derive(Debug, Default)]
pub struct Fields {
    target: Target,
    fault: Option<Fault>,
}

/// Whether a field may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must be there.
    Required,
    /// Empty has a meaning of its own.
    Optional,
}

/// The most unchanged lines around a place of a diff.
pub const CONTEXT_MOST: i32 = 1_000;

/// The largest `page_size` of most lists.
pub const PAGE_MOST: i32 = 1_000;

impl Fields {
    /// What was named, and the first field that is not in its limits.
    pub(super) fn into_parts(self) -> (Target, Option<Fault>) {
        (self.target, self.fault)
    }

    /// The repository that the command is about.
    pub fn repo(&mut self, field: &str, repo: Option<&RepoRef>) {
        match repo {
            Some(repo) => {
                self.target.repo = Some(format!("{}/{}", repo.project, repo.slug));
                self.repo_ref(field, repo);
            }
            None => self.refuse(field, "is missing"),
        }
    }

    /// A pull request and its target repository.
    pub fn pull_request(&mut self, repo: Option<&RepoRef>, field: &str, id: i64) {
        self.repo("repo", repo);
        self.number(field, id);
    }

    /// Another repository, such as a fork.
    pub fn other_repo(&mut self, field: &str, repo: Option<&RepoRef>) {
        if let Some(repo) = repo {
            self.repo_ref(field, repo);
        }
    }

    fn repo_ref(&mut self, field: &str, repo: &RepoRef) {
        let (project, slug) = (format!("{field}.project"), format!("{field}.slug"));
        self.project(&project, &repo.project, Presence::Required);
        self.name(&slug, &repo.slug, Presence::Required);
        if is_no_segment(&repo.slug) {
            self.refuse(&slug, "is no slug of a repository");
        }
    }

    /// A project's key.
    pub fn project(&mut self, field: &str, key: &str, presence: Presence) {
        self.name(field, key, presence);
        if is_no_segment(key) {
            self.refuse(field, "is no key of a project");
        }
        if !key.is_empty() {
            self.target.projects.push(key.to_owned());
        }
    }

    /// A branch, tag or commit, short or full name.
    pub fn git_ref(&mut self, field: &str, name: &str, presence: Presence) {
        self.name(field, name, presence);
        if !name.is_empty() {
            self.target.refs.push(name.to_owned());
        }
    }

    /// A commit's id.
    pub fn commit(&mut self, field: &str, id: &str, presence: Presence) {
        let whole = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let absent = id.is_empty() && presence == Presence::Optional;
        if !(whole || absent) {
            self.refuse(field, "must be 40 hexadecimal digits");
        }
        if !id.is_empty() {
            self.target.refs.push(id.to_owned());
        }
    }

    /// A path from the repository's root; optional means that empty is the root.
    pub fn path(&mut self, field: &str, path: &str, presence: Presence) {
        if path.is_empty() {
            if presence == Presence::Required {
                self.refuse(field, "must not be empty");
            }
            return;
        }
        self.target.paths.push(path.to_owned());
        // Every other character is one that git allows in a file's name, a line break too.
        if path.contains('\0') {
            self.refuse(field, "must not contain NUL");
        }
        for segment in path.split('/') {
            match segment {
                "" => self.refuse(field, "must not begin or end with `/` or have an empty segment"),
                "." | ".." => self.refuse(field, format!("must not contain the segment `{segment}`")),
                _ => {}
            }
        }
    }

    /// `page_size`; 0 asks for the default.
    pub fn page_size(&mut self, size: i32, most: i32) {
        if !(0..=most).contains(&size) {
            self.refuse("page_size", format!("must be 0 to {most}"));
        }
    }

    /// A number that counts from 1, such as a pull request's.
    pub fn number(&mut self, field: &str, number: i64) {
        if number < 1 {
            self.refuse(field, "must be at least 1");
        }
    }

    /// A number that is 0 where there is none.
    pub fn not_negative(&mut self, field: &str, number: i64) {
        if number < 0 {
            self.refuse(field, "must not be negative");
        }
    }

    /// A number in a range.
    pub fn between(&mut self, field: &str, number: i32, range: RangeInclusive<i32>) {
        if !range.contains(&number) {
            self.refuse(field, format!("must be {} to {}", range.start(), range.end()));
        }
    }

    /// A version that must be met, where there is one.
    pub fn version(&mut self, field: &str, version: Option<i32>) {
        self.not_negative(field, version.unwrap_or_default().into());
    }

    /// How many elements a list has.
    pub fn at_most(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.refuse(field, format!("must have at most {most} elements"));
        }
    }

    /// Login names.
    pub fn names(&mut self, field: &str, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            self.name(&format!("{field}[{index}]"), name, Presence::Required);
        }
    }

    /// What goes before paths: a path that may end with `/`.
    pub fn prefix(&mut self, field: &str, prefix: &str) {
        self.name(field, prefix, Presence::Optional);
        if prefix.starts_with('/') || prefix.split('/').any(|segment| segment == "..") {
            self.refuse(field, "must not begin with `/` or contain the segment `..`");
        }
    }

    /// An address for people, of at most `most` characters.
    pub fn url(&mut self, field: &str, url: &str, presence: Presence, most: usize) {
        self.text(field, url, presence, most);
        self.name(field, url, presence);
        if !(url.is_empty() || url.starts_with("https://") || url.starts_with("http://")) {
            self.refuse(field, "must begin with https:// or http://");
        } else if !(url.is_empty() || url.parse::<Url>().is_ok()) {
            self.refuse(field, "must be a URL with a host");
        }
    }

    /// A text of at most `most` characters, which Bitbucket counts as Java does: in code units of UTF-16.
    pub fn text(&mut self, field: &str, text: &str, presence: Presence, most: usize) {
        if presence == Presence::Required && text.trim().is_empty() {
            self.refuse(field, "must not be empty");
        }
        if text.encode_utf16().count() > most {
            self.refuse(field, format!("must be at most {most} characters"));
        }
    }

    /// An enum's number; `E` says which are known.
    pub fn known<E: TryFrom<i32>>(&mut self, field: &str, value: i32) {
        if E::try_from(value).is_err() {
            self.refuse(field, "has a value that this version of gitproxy does not know");
        }
    }

    /// A name of one line.
    pub fn name(&mut self, field: &str, name: &str, presence: Presence) {
        if presence == Presence::Required && name.is_empty() {
            self.refuse(field, "must not be empty");
        }
        if name.chars().any(char::is_control) {
            self.refuse(field, "must not contain control characters");
        }
    }

    /// Keeps the fault of a field, unless an earlier field has one.
    pub fn refuse(&mut self, field: &str, problem: impl Into<String>) {
        if self.fault.is_none() {
            self.fault = Some(Fault::field(field, problem));
        }
    }
}

/// Whether `text` would change the meaning of a URL path that it is put into as one segment.
fn is_no_segment(text: &str) -> bool {
    text == "." || text == ".." || text.contains(['/', '\\'])
}
