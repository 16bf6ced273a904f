//! Projects: ListProjects.
//!
//! Each of the connection's projects is asked for by its key: the list of all projects has no personal ones, and a
//! connection names few of many.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Request;
use serde::Deserialize;

use crate::bitbucket::names::ProjectKey;
use crate::bitbucket::page::{self, Cursor, Listing};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::{Links, lenient, text};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{key}`
pub(super) fn request(key: &ProjectKey) -> Request<Bytes> {
    Draft::get(Path::project(key), Permission::ProjectRead).empty()
}

/// `GET /rest/api/latest/projects?start=0&limit=1`
pub(super) fn first() -> Request<Bytes> {
    Draft::get(Path::rest("api").segment("projects"), Permission::ProjectRead).page(0, 1).empty()
}

fn reply(reply: &Reply) -> Result<pb::Project, Error> {
    reply.json::<Wire>().map(Into::into)
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "text")]
    pub(super) key: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "text")]
    description: String,
    #[serde(default, rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    links: Links,
}

impl From<Wire> for pb::Project {
    fn from(wire: Wire) -> Self {
        Self {
            personal: wire.kind == "PERSONAL" || wire.key.starts_with('~'),
            web_url: wire.links.web(),
            key: wire.key,
            name: wire.name,
            description: wire.description,
        }
    }
}

impl Client {
    /// Lists the connection's projects that the token can see, at most 50 a page.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], and whatever keeps the connection from working.
    pub async fn list_projects(
        &self,
        asked: pb::ListProjectsRequest,
    ) -> Result<pb::ListProjectsResponse, Error> {
        let size = page::size(asked.page_size, page::USUAL, page::MOST)?.min(PAGE);
        let keys: Vec<_> = self.projects().iter().map(ProjectKey::as_str).collect();
        let arguments = std::iter::once(asked.name_contains.as_str()).chain(keys.iter().copied());
        let listing = Listing::new("ListProjects", arguments);
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let begin = usize::try_from(start).unwrap_or(usize::MAX);
        let end = begin.saturating_add(size as usize);
        let page: Vec<_> = self.projects().iter().skip(begin).take(size as usize).cloned().collect();
        let looks = stream::iter(page).map(|key| self.look(key)).buffered(AT_ONCE);
        let seen: Vec<_> = looks.try_collect().await?;
        let wanted = asked.name_contains.to_lowercase();
        let projects = seen.into_iter().flatten();
        Ok(pb::ListProjectsResponse {
            projects: projects.filter(|project| project.name.to_lowercase().contains(&wanted)).collect(),
            next_page_token: listing
                .token((end < keys.len()).then_some(Cursor { part: 0, start: end as u64 })),
        })
    }

    /// Asks for one project; `None` when the token cannot see it.
    async fn look(&self, key: ProjectKey) -> Result<Option<pb::Project>, Error> {
        match self.send(request(&key)).await {
            Ok(seen) => reply(&seen).map(Some),
            Err(error) if is_hidden(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the error says no more than that the token cannot see the project.
pub(super) fn is_hidden(error: &Error) -> bool {
    error.reason().is_some_and(|reason| HIDDEN.contains(&reason))
}

const HIDDEN: &[Reason] = &[Reason::ProjectNotFound, Reason::PermissionMissing, Reason::NotFound];

/// How many are asked for at a time, and for one page: each costs a token of Bitbucket's rate limit.
pub(super) const AT_ONCE: usize = 4;
const PAGE: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_project_is_told_by_type_or_key() {
        let json = r#"{"key":"~JANE","name":"Jane","type":"PERSONAL","links":{"self":[{"href":"https://x/users/jane"}]}}"#;
        let project = reply(&Reply::of(200, json)).expect("read");
        assert_eq!((project.personal, project.web_url.as_str()), (true, "https://x/users/jane"));
        let project =
            reply(&Reply::of(200, r#"{"key":"SHOP","name":"Shop","description":null}"#)).expect("read");
        assert_eq!(
            (project.personal, project.key.as_str(), project.description.as_str()),
            (false, "SHOP", "")
        );
    }

    #[test]
    fn a_project_is_asked_for_by_its_key() {
        let key = ProjectKey::parse("~jane").expect("a key");
        assert_eq!(request(&key).uri(), "/rest/api/latest/projects/~jane");
        assert_eq!(first().uri(), "/rest/api/latest/projects?start=0&limit=1");
    }
}
