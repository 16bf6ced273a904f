//! Files at a commit: ListFiles, GetFile.

use bytes::Bytes;
use futures_util::Stream;
use http::Request;

use crate::bitbucket::names::{RepoId, RepoPath, Revision};
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/files/{path}?at=…`
fn list_request(
    repo: &RepoId,
    folder: Option<&RepoPath>,
    at: Option<&Revision>,
    (start, limit): (u64, u32),
) -> Request<Bytes> {
    let path = Path::repo(repo).segment("files");
    let path = if let Some(folder) = folder { path.file(folder) } else { path };
    let draft = Draft::get(path, Permission::RepoRead);
    draft.query_unless_empty("at", at.map_or("", Revision::as_str)).page(start, limit).empty()
}

/// Paths from the repository's root; Bitbucket names them from the folder.
fn list_reply(reply: &Reply, folder: Option<&RepoPath>, start: u64) -> Result<Page<String>, Error> {
    let Page { mut values, next } = Page::<String>::read(reply, start)?;
    if let Some(folder) = folder {
        for path in &mut values {
            *path = format!("{}/{path}", folder.as_str());
        }
    }
    Ok(Page { values, next })
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/raw/{path}?at=…`
fn raw_request(repo: &RepoId, path: &RepoPath, at: Option<&Revision>) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(repo).segment("raw").file(path), Permission::RepoRead);
    draft.query_unless_empty("at", at.map_or("", Revision::as_str)).raw()
}

impl Client {
    /// Lists the paths of all files below a folder.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_files(&self, asked: pb::ListFilesRequest) -> Result<pb::ListFilesResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let size = page::size(asked.page_size, USUAL, MOST)?;
        let at = Revision::parse(&asked.at).map_err(|why| Error::field("at", why))?;
        let folder = (!asked.path.is_empty()).then(|| RepoPath::parse(&asked.path)).transpose();
        let folder = folder.map_err(|why| Error::field("path", why))?;
        let listing = Listing::new(
            "ListFiles",
            [repo.project().as_str(), repo.slug().as_str(), &asked.at, &asked.path],
        );
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let request = list_request(&repo, folder.as_ref(), at.as_ref(), (start, size));
        let page = list_reply(&self.send(request).await?, folder.as_ref(), start)?;
        Ok(pb::ListFilesResponse {
            paths: page.values,
            next_page_token: listing.token(page.next.map(|start| Cursor { part: 0, start })),
        })
    }

    /// Reads the exact bytes of a file as they come, in pieces of at most 64 KiB; an empty file is one empty piece.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; in the stream [`Error::Cut`], after which
    /// nothing follows: a file that did not come whole never ends without an error.
    pub async fn get_file(
        &self,
        asked: pb::GetFileRequest,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + 'static + use<>, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let path = RepoPath::parse(&asked.path).map_err(|why| Error::field("path", why))?;
        let at = Revision::parse(&asked.at).map_err(|why| Error::field("at", why))?;
        let opened = self.open(raw_request(&repo, &path, at.as_ref())).await;
        // A 404 without an exception is about the file: the repository's would be named.
        let download = opened.map_err(|error| error.means(Reason::NotFound, Reason::PathNotFound))?;
        Ok(download.into_stream())
    }
}

/// The usual and the greatest page size.
const USUAL: u32 = 1000;
const MOST: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::ProjectKey;

    fn repo() -> RepoId {
        let projects = [ProjectKey::parse("SHOP").expect("a key")].into_iter().collect();
        let named = pb::RepoRef { project: "SHOP".into(), slug: "web".into() };
        RepoId::parse("repo", Some(&named), &projects).expect("inside")
    }

    #[test]
    fn a_file_is_asked_for_by_its_segments_at_a_ref() {
        let path = RepoPath::parse("a dir/ü.txt").expect("a path");
        let at = Revision::parse("refs/heads/x").expect("a revision");
        let request = raw_request(&repo(), &path, at.as_ref());
        assert_eq!(
            request.uri(),
            "/rest/api/latest/projects/SHOP/repos/web/raw/a%20dir/%C3%BC.txt?at=refs%2Fheads%2Fx"
        );
        assert_eq!(request.headers()["accept"], "*/*");
        assert_eq!(raw_request(&repo(), &path, None).uri().query(), None);
    }

    #[test]
    fn paths_are_given_from_the_root() {
        let json = r#"{"values":["a.rs","b/c.rs"],"isLastPage":true,"nextPageStart":null}"#;
        let src = RepoPath::parse("src").expect("a path");
        let page = list_reply(&Reply::of(200, json), Some(&src), 0).expect("a page");
        assert_eq!(page.values, ["src/a.rs", "src/b/c.rs"]);
        let root = list_reply(&Reply::of(200, json), None, 0).expect("a page");
        assert_eq!(root.values, ["a.rs", "b/c.rs"]);
        let request = list_request(&repo(), Some(&src), None, (0, 5));
        assert_eq!(request.uri(), "/rest/api/latest/projects/SHOP/repos/web/files/src?start=0&limit=5");
    }
}
