//! Tags: ListTags.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::bitbucket::names::RepoId;
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::text;
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/tags`
fn request(repo: &RepoId, contains: &str, start: u64, limit: u32) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(repo).segment("tags"), Permission::RepoRead);
    draft
        .query("orderBy", "ALPHABETICAL")
        .query_unless_empty("filterText", contains)
        .page(start, limit)
        .empty()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "text")]
    id: String,
    #[serde(default, deserialize_with = "text")]
    display_id: String,
    #[serde(default, deserialize_with = "text")]
    latest_commit: String,
    // The tag's own id; null where it is a name and no more.
    #[serde(default, deserialize_with = "text")]
    hash: String,
}

impl From<Wire> for pb::Tag {
    fn from(wire: Wire) -> Self {
        Self { id: wire.id, name: wire.display_id, commit_id: wire.latest_commit, object_id: wire.hash }
    }
}

impl Client {
    /// Lists tags in the order of their names.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_tags(&self, asked: pb::ListTagsRequest) -> Result<pb::ListTagsResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let size = page::size(asked.page_size, page::USUAL, page::MOST)?;
        if asked.name_contains.len() > FILTER {
            return Err(Error::field("name_contains", "must be at most 255 bytes"));
        }
        let listing =
            Listing::new("ListTags", [repo.project().as_str(), repo.slug().as_str(), &asked.name_contains]);
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let found = self.send(request(&repo, &asked.name_contains, start, size)).await?;
        let Page { values, next } = Page::<Wire>::read(&found, start)?;
        Ok(pb::ListTagsResponse {
            tags: values.into_iter().map(Into::into).collect(),
            next_page_token: listing.token(next.map(|start| Cursor { part: 0, start })),
        })
    }
}

/// The longest filter, in bytes.
const FILTER: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::testing::web;
    use crate::bitbucket::reply::Reply;

    #[test]
    fn a_tag_without_an_object_of_its_own_has_none() {
        let json = r#"{"values":[{"id":"refs/tags/v1","displayId":"v1","latestCommit":"aa","hash":null},
            {"id":"refs/tags/v2","displayId":"v2","latestCommit":"bb","hash":"cc"}],"isLastPage":true}"#;
        let page = Page::<Wire>::read(&Reply::of(200, json), 0).expect("a page");
        let tags: Vec<pb::Tag> = page.values.into_iter().map(Into::into).collect();
        assert_eq!((tags[0].object_id.as_str(), tags[1].object_id.as_str()), ("", "cc"));
        assert_eq!((tags[0].name.as_str(), tags[1].commit_id.as_str()), ("v1", "bb"));
    }

    #[test]
    fn the_list_is_in_order_and_encodes_its_filter() {
        assert_eq!(
            request(&web(), "v1&", 0, 10).uri(),
            "/rest/api/latest/projects/SHOP/repos/web/tags?orderBy=ALPHABETICAL&filterText=v1%26&start=0&limit=10"
        );
    }
}
