//! What is in a directory: ListDirectory.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;

use crate::bitbucket::changes::{self, node_type};
use crate::bitbucket::names::{CommitId, RepoId, RepoPath, Revision};
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::{lenient, number, text};
use crate::bitbucket::{Client, Error, Refusal};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/browse/{path}?at=…`
fn request(
    repo: &RepoId,
    folder: Option<&RepoPath>,
    at: Option<&Revision>,
    (start, limit): (u64, u32),
) -> Request<Bytes> {
    let path = Path::repo(repo).segment("browse");
    let path = if let Some(folder) = folder { path.file(folder) } else { path };
    let draft = Draft::get(path, Permission::RepoRead);
    draft.query_unless_empty("at", at.map_or("", Revision::as_str)).page(start, limit).empty()
}

/// Reads what is in the directory, with paths from the repository's root; Bitbucket names them from the directory.
fn reply(
    reply: &Reply,
    folder: Option<&RepoPath>,
    start: u64,
) -> Result<(Page<pb::DirectoryEntry>, String), Error> {
    let Wire { children, revision } = reply.json()?;
    let Some(children) = children else { return Err(no_directory(reply)) };
    let page = Page::<Child>::of(reply, children, start)?;
    let below = |mut child: Child| {
        if let Some(folder) = folder {
            child.path.whole = format!("{}/{}", folder.as_str(), child.path.whole);
        }
        child.into()
    };
    Ok((Page { values: page.values.into_iter().map(below).collect(), next: page.next }, revision))
}

/// A file has lines in place of children.
fn no_directory(reply: &Reply) -> Error {
    Error::Refused(Box::new(Refusal {
        reason: Reason::PathNotFound,
        status: StatusCode::NOT_FOUND,
        exception: String::new(),
        message: format!("the path is a file and not a directory (HTTP {})", reply.status.as_u16()),
        facts: Vec::new(),
    }))
}

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default)]
    children: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "text")]
    revision: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Child {
    #[serde(default, deserialize_with = "lenient")]
    path: changes::Path,
    #[serde(default, rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(default, deserialize_with = "number")]
    size: i64,
    #[serde(default, deserialize_with = "text")]
    content_id: String,
    // Of what has no content id.
    #[serde(default, deserialize_with = "text")]
    node: String,
}

impl From<Child> for pb::DirectoryEntry {
    fn from(child: Child) -> Self {
        Self {
            path: child.path.whole,
            r#type: node_type(&child.kind).into(),
            size_bytes: child.size,
            content_id: if child.content_id.is_empty() { child.node } else { child.content_id },
        }
    }
}

impl Client {
    /// Lists what is in one directory.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals; `PATH_NOT_FOUND` also for
    /// a file, `REF_NOT_FOUND`, `NO_DEFAULT_BRANCH`.
    pub async fn list_directory(
        &self,
        asked: pb::ListDirectoryRequest,
    ) -> Result<pb::ListDirectoryResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let size = page::size(asked.page_size, page::MOST, page::MOST)?;
        let at = Revision::parse(&asked.at).map_err(|why| Error::field("at", why))?;
        let folder = (!asked.path.is_empty()).then(|| RepoPath::parse(&asked.path)).transpose();
        let folder = folder.map_err(|why| Error::field("path", why))?;
        let repo_names = [repo.project().as_str(), repo.slug().as_str()];
        let listing = Listing::new("ListDirectory", repo_names.into_iter().chain([&*asked.at, &*asked.path]));
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let asked = request(&repo, folder.as_ref(), at.as_ref(), (start, size));
        let (page, revision) = reply(&self.send(asked).await?, folder.as_ref(), start)?;
        Ok(pb::ListDirectoryResponse {
            entries: page.values,
            next_page_token: listing.token(page.next.map(|start| Cursor { part: 0, start })),
            // Where a name was asked for, Bitbucket gives the name back.
            commit_id: CommitId::parse(&revision).map_or_else(|_| String::new(), |id| id.as_str().to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::testing::web;

    #[test]
    fn children_are_named_from_the_root_and_told_apart() {
        let json = r#"{"path":{"toString":"src"},"revision":"main","children":{"size":3,"isLastPage":false,"nextPageStart":3,
            "values":[{"path":{"components":["a.rs"],"toString":"a.rs"},"contentId":"c1","type":"FILE","size":7},
            {"path":{"toString":"deep/er"},"node":"t1","type":"DIRECTORY"},{"path":{"toString":"mod"},"node":"s1","type":"SUBMODULE"}]}}"#;
        let src = RepoPath::parse("src").expect("a path");
        let (page, _) = reply(&Reply::of(200, json), Some(&src), 0).expect("a page");
        assert_eq!(page.next, Some(3));
        let found: Vec<_> = page.values.iter().map(|entry| (entry.path.as_str(), entry.r#type())).collect();
        let (file, directory, submodule) =
            (pb::NodeType::File, pb::NodeType::Directory, pb::NodeType::Submodule);
        assert_eq!(found, [("src/a.rs", file), ("src/deep/er", directory), ("src/mod", submodule)]);
        assert_eq!((page.values[0].size_bytes, page.values[2].content_id.as_str()), (7, "s1"));
    }

    #[test]
    fn a_file_is_no_directory() {
        let found = reply(&Reply::of(200, r#"{"lines":[{"text":"x"}],"isLastPage":true}"#), None, 0);
        assert_eq!(found.expect_err("a file").reason(), Some(Reason::PathNotFound));
    }

    #[test]
    fn the_root_has_no_path() {
        let asked = request(&web(), None, None, (0, 1000));
        assert_eq!(asked.uri(), "/rest/api/latest/projects/SHOP/repos/web/browse?start=0&limit=1000");
    }
}
