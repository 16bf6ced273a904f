//! Those whom a repository names as default reviewers: Bitbucket's interface does not ask them by itself (FACTS 4).

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::pull_requests::named;
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::{text, truth};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// `GET /rest/default-reviewers/latest/projects/{p}/repos/{r}/reviewers`, of the target repository.
///
/// Without the numbers of both repositories it is a 400.
fn request(to: &RepoId, ids: [i64; 2], from: &BranchName, into: &BranchName) -> Request<Bytes> {
    let [source, target] = ids.map(|id| id.to_string());
    Draft::get(Path::repo_of("default-reviewers", to).segment("reviewers"), Permission::RepoRead)
        .query("sourceRepoId", &source)
        .query("targetRepoId", &target)
        .query("sourceRefId", from.full())
        .query("targetRefId", into.full())
        .empty()
}

/// Their login names, without who asks, since that is who opens. Who is not active is left out too: with one of them,
/// Bitbucket would refuse all.
fn reply(reply: &Reply, opener: Option<&str>) -> Result<Vec<String>, Error> {
    // A bare array of users, although the document says conditions (FACTS 9).
    let users: Vec<Wire> = reply.json()?;
    let opens = |name: &str| opener.is_some_and(|opener| opener.eq_ignore_ascii_case(name));
    let mut names: Vec<String> = Vec::new();
    for Wire { name, active } in users {
        if active && !name.is_empty() && !opens(&name) && !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default, deserialize_with = "text")]
    name: String,
    #[serde(default = "present", deserialize_with = "truth")]
    active: bool,
}

fn present() -> bool {
    true
}

impl Client {
    /// The login names of the default reviewers of a pull request that the token's user would open.
    ///
    /// # Errors
    /// Bitbucket's refusals of reading either repository, or the reviewers.
    pub(in crate::bitbucket) async fn default_reviewers(
        &self,
        from: (&RepoId, &BranchName),
        to: (&RepoId, &BranchName),
    ) -> Result<Vec<String>, Error> {
        let target = self.repo_number(to.0).await?;
        let source = if from.0.is(&named(to.0)) { target } else { self.repo_number(from.0).await? };
        let found = self.send(request(to.0, [source, target], from.1, to.1)).await?;
        let opener = found.user();
        reply(&found, opener.as_deref().or(self.user()))
    }

    async fn repo_number(&self, repo: &RepoId) -> Result<i64, Error> {
        let found = self.get_repo(pb::GetRepoRequest { repo: Some(named(repo)) }).await?;
        Ok(found.repo.unwrap_or_default().id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::pull_requests::tests::{branch, repo};

    #[test]
    fn both_repositories_are_named_by_number_and_both_branches_in_full() {
        let uri = request(&repo("SHOP", "web"), [7, 3], &branch("fix"), &branch("main")).uri().to_string();
        let expected = "/rest/default-reviewers/latest/projects/SHOP/repos/web/reviewers?sourceRepoId=7&targetRepoId=3\
            &sourceRefId=refs%2Fheads%2Ffix&targetRefId=refs%2Fheads%2Fmain";
        assert_eq!(uri, expected);
    }

    #[test]
    fn who_opens_and_who_is_gone_are_no_reviewers() {
        let json = r#"[{"name":"Jane"},{"name":"bob","active":true},{"name":"eve","active":false},{"name":"bob"},{}]"#;
        let names = reply(&Reply::of(200, json), Some("jane")).expect("read");
        assert_eq!(names, ["bob"]);
        assert_eq!(reply(&Reply::of(200, "[]"), None).expect("read"), Vec::<String>::new());
    }
}
