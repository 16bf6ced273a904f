//! Repositories: ListRepos, GetRepo.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use url::Url;

use crate::bitbucket::names::{self, ProjectKey, RepoId};
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::{Links, lenient, number, text, truth};
use crate::bitbucket::{Client, Error, projects};
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}`
fn request(repo: &RepoId) -> Request<Bytes> {
    Draft::get(Path::repo(repo), Permission::RepoRead).empty()
}

fn reply(reply: &Reply) -> Result<pb::Repo, Error> {
    reply.json::<Wire>().map(Into::into)
}

/// `GET /rest/api/latest/projects/{p}/repos?start=…&limit=…`
fn list_request(project: &ProjectKey, start: u64, limit: u32) -> Request<Bytes> {
    Draft::get(Path::project(project).segment("repos"), Permission::ProjectRead).page(start, limit).empty()
}

fn list_reply(reply: &Reply, start: u64) -> Result<Page<Wire>, Error> {
    Page::read(reply, start)
}

/// A repository, also as pull requests name one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "text")]
    slug: String,
    #[serde(default, deserialize_with = "number")]
    id: i64,
    #[serde(default, deserialize_with = "text")]
    name: String,
    #[serde(default, deserialize_with = "text")]
    description: String,
    #[serde(default, deserialize_with = "truth")]
    forkable: bool,
    #[serde(default, deserialize_with = "truth")]
    public: bool,
    // Since 8.0.
    #[serde(default, deserialize_with = "truth")]
    archived: bool,
    #[serde(default, deserialize_with = "lenient")]
    project: projects::Wire,
    #[serde(default, deserialize_with = "lenient")]
    links: Links,
    #[serde(default, deserialize_with = "lenient")]
    origin: Option<Box<Wire>>,
}

impl Wire {
    /// Its project and slug.
    pub(super) fn named(&self) -> pb::RepoRef {
        pb::RepoRef { project: self.project.key.clone(), slug: self.slug.clone() }
    }
}

impl From<Wire> for pb::Repo {
    fn from(wire: Wire) -> Self {
        Self {
            r#ref: Some(wire.named()),
            http_clone_url: without_user(&wire.links.clone_over("http")),
            ssh_clone_url: wire.links.clone_over("ssh"),
            web_url: wire.links.web(),
            origin: wire.origin.map(|origin| origin.named()),
            name: wire.name,
            description: wire.description,
            id: wire.id,
            archived: wire.archived,
            public: wire.public,
            forkable: wire.forkable,
        }
    }
}

/// Old versions put the asking user's name into the URL (FACTS 2).
fn without_user(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    if parsed.username().is_empty() || parsed.set_username("").is_err() || parsed.set_password(None).is_err()
    {
        return url.to_owned();
    }
    parsed.into()
}

impl Client {
    /// Reads one repository.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_repo(&self, asked: pb::GetRepoRequest) -> Result<pb::GetRepoResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let repo = reply(&self.send(request(&repo)).await?)?;
        Ok(pb::GetRepoResponse { repo: Some(repo) })
    }

    /// Lists repositories of one project, or of all the connection's projects in the order of their keys; of all, those
    /// that the token cannot see are left out.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_repos(&self, asked: pb::ListReposRequest) -> Result<pb::ListReposResponse, Error> {
        let size = page::size(asked.page_size, page::USUAL, page::MOST)?;
        if !asked.project.is_empty() {
            let project = names::project("project", &asked.project, self.projects())?;
            let listing = Listing::new("ListRepos", [project.as_str()]);
            let Cursor { start, .. } = listing.resume(&asked.page_token)?;
            let page = list_reply(&self.send(list_request(&project, start, size)).await?, start)?;
            let next = page.next.map(|start| Cursor { part: 0, start });
            return Ok(self.repos(page.values, listing.token(next)));
        }
        let keys = self.projects().iter().map(ProjectKey::as_str);
        let listing = Listing::new("ListRepos", std::iter::once("").chain(keys));
        let (repos, next) = self.all_repos(listing.resume(&asked.page_token)?, size).await?;
        Ok(self.repos(repos, listing.token(next)))
    }

    /// Fills a page from one project after the other.
    async fn all_repos(&self, from: Cursor, size: u32) -> Result<(Vec<Wire>, Option<Cursor>), Error> {
        let mut repos = Vec::new();
        let mut at = from;
        for project in self.projects().iter().skip(from.part as usize).take(PROJECTS_A_PAGE) {
            let room = size.saturating_sub(u32::try_from(repos.len()).unwrap_or(u32::MAX));
            if room == 0 {
                return Ok((repos, Some(at)));
            }
            let page = match self.send(list_request(project, at.start, room)).await {
                Ok(reply) => list_reply(&reply, at.start)?,
                Err(error) if projects::is_hidden(&error) => Page { values: Vec::new(), next: None },
                Err(error) => return Err(error),
            };
            repos.extend(page.values);
            if let Some(start) = page.next {
                return Ok((repos, Some(Cursor { part: at.part, start })));
            }
            at = Cursor { part: at.part.saturating_add(1), start: 0 };
        }
        let more = (at.part as usize) < self.projects().iter().len();
        Ok((repos, more.then_some(at)))
    }

    /// A page of repositories; a project that was renamed meanwhile shows none that are outside.
    fn repos(&self, repos: Vec<Wire>, next_page_token: String) -> pb::ListReposResponse {
        let inside = repos.into_iter().filter(|repo| self.projects().contains(&repo.project.key));
        pb::ListReposResponse { repos: inside.map(Into::into).collect(), next_page_token }
    }
}

/// How many projects are asked for one page, since each costs a token of Bitbucket's rate limit.
const PROJECTS_A_PAGE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_read_with_what_the_version_gives() {
        let json = r#"{"slug":"web","id":3,"name":"Web","archived":true,"public":false,"forkable":true,
            "project":{"key":"SHOP","id":1,"type":"NORMAL"},
            "origin":{"slug":"up","project":{"key":"LIB"}},
            "links":{"clone":[{"href":"ssh://git@x:7999/shop/web.git","name":"ssh"},
                              {"href":"https://jane@x/scm/shop/web.git","name":"http"}],
                     "self":[{"href":"https://x/projects/SHOP/repos/web/browse"}]}}"#;
        let repo = reply(&Reply::of(200, json)).expect("read");
        assert_eq!(repo.http_clone_url, "https://x/scm/shop/web.git");
        assert_eq!(repo.ssh_clone_url, "ssh://git@x:7999/shop/web.git");
        assert_eq!(repo.origin, Some(pb::RepoRef { project: "LIB".into(), slug: "up".into() }));
        assert!(repo.archived && repo.forkable && !repo.public);
        let bare = reply(&Reply::of(200, r#"{"slug":"web","project":{"key":"SHOP"}}"#)).expect("read");
        assert_eq!((bare.http_clone_url.as_str(), bare.archived), ("", false));
    }

    #[test]
    fn requests_name_project_and_slug() {
        let projects = [ProjectKey::parse("~jane").expect("a key")].into_iter().collect();
        let named = pb::RepoRef { project: "~jane".into(), slug: "dot.files".into() };
        let repo = RepoId::parse("repo", Some(&named), &projects).expect("inside");
        assert_eq!(request(&repo).uri(), "/rest/api/latest/projects/~jane/repos/dot.files");
        let list = list_request(repo.project(), 50, 10);
        assert_eq!(list.uri(), "/rest/api/latest/projects/~jane/repos?start=50&limit=10");
    }
}
