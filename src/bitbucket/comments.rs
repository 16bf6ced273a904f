//! Comments on pull requests, as Bitbucket writes them; each command has a file of its own.

mod activities;
mod change;
mod delete;
mod find;
mod list;
mod once;
mod place;
mod post;
mod resolve;
mod split;
mod wire;

use bytes::Bytes;
use http::Request;

use crate::bitbucket::names::RepoId;
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

pub(super) use wire::{Wire, WireAnchor};

/// The comments of a pull request.
fn path(repo: &RepoId, pr_id: i64) -> Path {
    Path::repo(repo).segment("pull-requests").segment(&pr_id.to_string()).segment("comments")
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/comments/{comment}`
fn request(repo: &RepoId, pr_id: i64, id: i64) -> Request<Bytes> {
    Draft::get(path(repo, pr_id).segment(&id.to_string()), Permission::RepoRead).empty()
}

fn reply(reply: &Reply) -> Result<pb::Comment, Error> {
    reply.json::<Wire>().map(Into::into)
}

impl Client {
    /// Reads a comment with its replies.
    async fn comment(&self, repo: &RepoId, pr_id: i64, id: i64) -> Result<pb::Comment, Error> {
        reply(&self.send(request(repo, pr_id, id)).await?)
    }
}

/// The longest text that Bitbucket takes, in UTF-16 units: less than 32,768 (FACTS 4.1).
const LONGEST: usize = 32_767;
