//! Requests without IO: a path below the base URL, a query, a body, and the permission that Bitbucket wants for it.
//!
//! The client adds what is the same for all: base URL, credentials and fixed headers.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::bitbucket::names::{ProjectKey, RepoId, RepoPath};

/// The permission that a request needs in Bitbucket, for the message when it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    ProjectRead,
    RepoRead,
    RepoWrite,
}

impl Permission {
    /// Bitbucket's name for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ProjectRead => "PROJECT_READ",
            Self::RepoRead => "REPO_READ",
            Self::RepoWrite => "REPO_WRITE",
        }
    }
}

/// Marks a request that goes without credentials, in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anonymous;

/// A path below the base URL, each segment percent-encoded.
#[derive(Debug, Clone)]
pub(super) struct Path(String);

impl Path {
    /// The root of a REST resource; `latest` and `1.0` are the same for all that are used here (FACTS 1.1).
    pub(super) fn rest(resource: &str) -> Self {
        Self("/rest".to_owned()).segment(resource).segment("latest")
    }

    /// What the server tells anybody of its state; it is not below `/rest` (FACTS 1.8).
    pub(super) fn status() -> Self {
        Self("/status".to_owned())
    }

    /// A project.
    pub(super) fn project(key: &ProjectKey) -> Self {
        Self::rest("api").segment("projects").segment(key.as_str())
    }

    /// A repository.
    pub(super) fn repo(repo: &RepoId) -> Self {
        Self::repo_of("api", repo)
    }

    /// A repository below a resource other than `api`.
    pub(super) fn repo_of(resource: &str, repo: &RepoId) -> Self {
        let project = Self::rest(resource).segment("projects").segment(repo.project().as_str());
        project.segment("repos").segment(repo.slug().as_str())
    }

    /// Appends one segment.
    pub(super) fn segment(mut self, text: &str) -> Self {
        self.0.push('/');
        self.0.extend(utf8_percent_encode(text, RESERVED));
        self
    }

    /// Appends a path of a repository; its `/` stay, since an encoded one may be refused on the way (FACTS 3).
    pub(super) fn file(self, path: &RepoPath) -> Self {
        path.segments().fold(self, Self::segment)
    }
}

/// A request in the making.
#[derive(Debug)]
pub(super) struct Draft {
    method: Method,
    target: String,
    permission: Permission,
}

impl Draft {
    /// Begins a GET.
    pub(super) fn get(path: Path, permission: Permission) -> Self {
        Self::new(Method::GET, path, permission)
    }

    /// Begins a request with another method.
    pub(super) fn new(method: Method, path: Path, permission: Permission) -> Self {
        Self { method, target: path.0, permission }
    }

    /// Appends to the query.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(name);
        self.target.push('=');
        self.target.extend(utf8_percent_encode(value, RESERVED));
        self
    }

    /// Appends to the query unless the value is empty.
    pub(super) fn query_unless_empty(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.query(name, value) }
    }

    /// Appends where a page begins and how long it may be.
    pub(super) fn page(self, start: u64, limit: u32) -> Self {
        self.query("start", &start.to_string()).query("limit", &limit.to_string())
    }

    /// Ends without a body; the answer is JSON.
    pub(super) fn empty(self) -> Request<Bytes> {
        self.finish(Bytes::new(), None, JSON)
    }

    /// Ends without a body; the answer is the bytes of a file, of whatever type.
    pub(super) fn raw(self) -> Request<Bytes> {
        self.finish(Bytes::new(), None, HeaderValue::from_static("*/*"))
    }

    /// Ends without a body and goes without credentials; the answer is JSON.
    pub(super) fn anonymous(self) -> Request<Bytes> {
        let mut request = self.empty();
        request.extensions_mut().insert(Anonymous);
        request
    }

    /// Ends with a JSON body; the answer is JSON.
    pub(super) fn json(self, body: &impl Serialize) -> Request<Bytes> {
        let body = serde_json::to_vec(body).expect("structs of texts and numbers are JSON");
        self.finish(body.into(), Some(JSON), JSON)
    }

    /// Ends with a body of a type of its own; the answer is JSON.
    pub(super) fn body(self, content_type: HeaderValue, body: Bytes) -> Request<Bytes> {
        self.finish(body, Some(content_type), JSON)
    }

    fn finish(self, body: Bytes, content_type: Option<HeaderValue>, accept: HeaderValue) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() =
            Uri::try_from(self.target).expect("percent-encoded names of bounded length are a URI");
        request.headers_mut().insert(ACCEPT, accept);
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        request.extensions_mut().insert(self.permission);
        request
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Everything but the unreserved characters of RFC 3986, so that `;`, `+` and `~` mean themselves everywhere.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_encoded_and_separators_stay() {
        let path = RepoPath::parse("docs/a b;c=1/ü+%.md").expect("a path");
        let request = Draft::get(Path::rest("api").file(&path), Permission::RepoRead).raw();
        assert_eq!(request.uri(), "/rest/api/latest/docs/a%20b%3Bc%3D1/%C3%BC%2B%25.md");
    }

    #[test]
    fn a_personal_project_keeps_its_tilde() {
        let key = ProjectKey::parse("~jane@x").expect("a key");
        let request = Draft::get(Path::project(&key), Permission::ProjectRead).empty();
        assert_eq!(request.uri(), "/rest/api/latest/projects/~jane%40x");
    }

    #[test]
    fn query_values_are_encoded_and_empty_ones_left_out() {
        let draft = Draft::get(Path::rest("api"), Permission::RepoRead);
        let request = draft.query("at", "refs/heads/a&b").query_unless_empty("x", "").page(5, 10).empty();
        assert_eq!(request.uri().query(), Some("at=refs%2Fheads%2Fa%26b&start=5&limit=10"));
    }

    #[test]
    fn the_longest_names_still_make_a_uri() {
        let path = RepoPath::parse(&"ü".repeat(2048)).expect("4,096 bytes");
        let long = Draft::get(Path::rest("api").file(&path), Permission::RepoRead);
        assert!(long.query("at", &"é".repeat(512)).raw().uri().path().len() > 12_000);
    }
}
