//! The names that callers send, parsed: what has one of these types needs no further check.
//!
//! Lengths are bounded so that no name can make a URL that HTTP libraries refuse.

use std::collections::BTreeMap;
use std::fmt;

use crate::bitbucket::Error;
use crate::proto::scm::v1::RepoRef;

/// A project's key, such as `SHOP`, or `~user` for a personal project.
///
/// Bitbucket ignores letter case in keys, and so do comparison and order here, for ASCII: Unicode folds look-alikes such as
/// the Kelvin sign into ASCII letters, and Bitbucket need not agree on which. The spelling is kept.
#[derive(Debug, Clone)]
pub struct ProjectKey {
    text: String,
    folded: String,
}

/// The projects that a connection may touch.
#[derive(Debug, Clone, Default)]
pub struct Projects {
    keys: BTreeMap<String, ProjectKey>,
}

/// A repository's slug, as it stands in its URL; letter case does not matter to Bitbucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSlug(String);

/// A repository inside the connection's projects.
#[derive(Debug, Clone)]
pub struct RepoId {
    project: ProjectKey,
    slug: RepoSlug,
}

/// A path inside a repository: segments separated by `/`, none of them empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoPath(String);

/// A branch, known by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchName(String);

/// A branch, tag or commit, as Bitbucket resolves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

/// A commit by its whole id: 40 hexadecimal digits, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitId(String);

/// Why a text is no name of its kind; completes a sentence that begins with the field's name.
pub type Problem = &'static str;

impl ProjectKey {
    /// Reads a key.
    ///
    /// # Errors
    /// When it is empty, over 128 bytes, or has characters that no key has.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let plain = text.strip_prefix('~').unwrap_or(text);
        if plain.is_empty() || text.len() > SHORT {
            return Err("must be a project key of 1 to 128 bytes");
        }
        // User names may hold `@` and `+`; the key of a personal project is made of one.
        let allowed = |c: char| c.is_alphanumeric() || "_-.@+".contains(c);
        if !plain.chars().all(allowed) || is_dots(plain) {
            return Err("must be a project key such as `SHOP` or `~user`");
        }
        Ok(Self { text: text.to_owned(), folded: text.to_ascii_lowercase() })
    }

    /// The key as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for ProjectKey {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for ProjectKey {}

impl fmt::Display for ProjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Projects {
    /// Whether the key, in whatever letter case, is one of them.
    pub fn contains(&self, key: &str) -> bool {
        self.keys.contains_key(&key.to_ascii_lowercase())
    }

    /// The keys, in their order without regard to letter case.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ProjectKey> {
        self.keys.values()
    }

    /// Whether there is none, so that nothing may be touched.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl FromIterator<ProjectKey> for Projects {
    fn from_iter<I: IntoIterator<Item = ProjectKey>>(keys: I) -> Self {
        Self { keys: keys.into_iter().map(|key| (key.folded.clone(), key)).collect() }
    }
}

impl RepoSlug {
    /// Reads a slug.
    ///
    /// # Errors
    /// When it is empty, over 128 bytes, or has characters that no slug has.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() || text.len() > SHORT {
            return Err("must be a repository slug of 1 to 128 bytes");
        }
        if !text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)) || is_dots(text) {
            return Err("must be a repository slug such as `web-shop`, as it stands in the URL");
        }
        Ok(Self(text.to_owned()))
    }

    /// The slug as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RepoId {
    /// Reads a repository's name and checks that its project is one of `projects`.
    ///
    /// # Errors
    /// [`Error::Field`] names `field` or a part of it; [`Error::OutsideProject`].
    pub fn parse(field: &str, named: Option<&RepoRef>, projects: &Projects) -> Result<Self, Error> {
        let named = named.ok_or_else(|| Error::field(field, "is missing"))?;
        let project = project(&format!("{field}.project"), &named.project, projects)?;
        let slug = RepoSlug::parse(&named.slug).map_err(|why| Error::field(format!("{field}.slug"), why))?;
        Ok(Self { project, slug })
    }

    /// The project.
    pub fn project(&self) -> &ProjectKey {
        &self.project
    }

    /// The slug.
    pub fn slug(&self) -> &RepoSlug {
        &self.slug
    }

    /// The form of the contract.
    pub fn named(&self) -> RepoRef {
        RepoRef { project: self.project.as_str().to_owned(), slug: self.slug.as_str().to_owned() }
    }

    /// Whether it is the one that Bitbucket names so; letter case does not matter.
    pub fn is(&self, other: &RepoRef) -> bool {
        self.project.folded == other.project.to_ascii_lowercase()
            && self.slug.0.eq_ignore_ascii_case(&other.slug)
    }
}

/// Reads a project's key and checks that it is one of `projects`.
pub(super) fn project(field: &str, key: &str, projects: &Projects) -> Result<ProjectKey, Error> {
    let key = ProjectKey::parse(key).map_err(|why| Error::field(field, why))?;
    if projects.contains(key.as_str()) { Ok(key) } else { Err(Error::OutsideProject { project: key.text }) }
}

impl RepoPath {
    /// Reads a path. A backslash is an ordinary character, as in git.
    ///
    /// # Errors
    /// When it is empty, over 4,096 bytes, begins or ends with `/`, or has an empty, `.` or `..` segment or a NUL.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() || text.len() > LONG {
            return Err("must be a path of 1 to 4,096 bytes");
        }
        if text.contains('\0') {
            return Err("must not contain NUL");
        }
        if text.split('/').any(str::is_empty) {
            return Err("must not begin or end with `/` or have an empty segment");
        }
        if text.split('/').any(is_dots) {
            return Err("must not have a segment `.` or `..`");
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, from the root on.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl BranchName {
    /// Reads a branch's short or full name.
    ///
    /// # Errors
    /// When it is empty, over 1,024 bytes, the name of another kind of ref, or has a control character.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let short = text.strip_prefix(HEADS).unwrap_or(text);
        if short.is_empty() || text.len() > MEDIUM {
            return Err("must be a branch name of 1 to 1,024 bytes");
        }
        if short.starts_with("refs/") {
            return Err("must name a branch, not another kind of ref");
        }
        if short.contains(char::is_control) {
            return Err("must not contain control characters");
        }
        Ok(Self(format!("{HEADS}{short}")))
    }

    /// The full name, such as `refs/heads/main`.
    pub fn full(&self) -> &str {
        &self.0
    }

    /// The short name, such as `main`.
    pub fn short(&self) -> &str {
        self.0.strip_prefix(HEADS).unwrap_or(&self.0)
    }
}

impl Revision {
    /// Reads a branch, tag or commit; `None` for an empty text, which means the default branch.
    ///
    /// # Errors
    /// When it is over 1,024 bytes or has a control character.
    pub fn parse(text: &str) -> Result<Option<Self>, Problem> {
        if text.len() > MEDIUM {
            return Err("must be a branch, tag or commit of at most 1,024 bytes");
        }
        if text.contains(char::is_control) {
            return Err("must not contain control characters");
        }
        Ok(Some(text).filter(|text| !text.is_empty()).map(|text| Self(text.to_owned())))
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CommitId {
    /// Reads a commit's whole id.
    ///
    /// # Errors
    /// When it is anything but 40 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("must be a commit's 40 hexadecimal digits")
        }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

const HEADS: &str = "refs/heads/";
/// Bitbucket's own limit for keys and slugs.
const SHORT: usize = 128;
const MEDIUM: usize = 1024;
/// The length that common file systems allow a path.
const LONG: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn projects(keys: &[&str]) -> Projects {
        keys.iter().map(|key| ProjectKey::parse(key).expect("a key")).collect()
    }

    #[test]
    fn keys_are_compared_without_letter_case_and_may_be_personal() {
        let projects = projects(&["shop", "~Müller@x"]);
        assert!(projects.contains("SHOP") && projects.contains("~MüLLER@X"));
        assert!(!projects.contains("~shop") && !projects.contains("\u{17f}hop"));
        assert!(ProjectKey::parse("~").is_err() && ProjectKey::parse("A/B").is_err());
        assert!(ProjectKey::parse("..").is_err() && ProjectKey::parse("").is_err());
    }

    #[test]
    fn a_repository_outside_the_projects_is_refused_by_name() {
        let named = RepoRef { project: "OPS".into(), slug: "web".into() };
        let refused = RepoId::parse("repo", Some(&named), &projects(&["SHOP"]));
        assert!(matches!(refused, Err(Error::OutsideProject { project }) if project == "OPS"));
    }

    #[test]
    fn a_bad_slug_is_named_with_its_field() {
        let named = RepoRef { project: "SHOP".into(), slug: "a b".into() };
        let refused = RepoId::parse("from_repo", Some(&named), &projects(&["SHOP"]));
        assert!(matches!(refused, Err(Error::Field { field, .. }) if field == "from_repo.slug"));
        let refused = RepoId::parse("repo", None, &projects(&["SHOP"]));
        assert!(matches!(refused, Err(Error::Field { field, .. }) if field == "repo"));
    }

    #[test]
    fn a_path_cannot_climb() {
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b"] {
            assert!(RepoPath::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "src/ü b.rs", "a\\b", ".github/..x", "%2e%2e/x"] {
            assert!(RepoPath::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_branch_has_one_full_name_however_it_was_written() {
        let short = BranchName::parse("feature/x").expect("short");
        assert_eq!(short, BranchName::parse("refs/heads/feature/x").expect("full"));
        assert_eq!((short.short(), short.full()), ("feature/x", "refs/heads/feature/x"));
        assert!(BranchName::parse("refs/tags/v1").is_err() && BranchName::parse("refs/heads/").is_err());
    }

    #[test]
    fn a_commit_is_forty_digits_and_nothing_else() {
        assert_eq!(CommitId::parse(&"AB".repeat(20)).expect("whole").as_str(), "ab".repeat(20));
        assert!(CommitId::parse("ab12").is_err() && CommitId::parse(&"zz".repeat(20)).is_err());
    }
}
