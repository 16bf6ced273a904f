//! The shapes of users, projects, repositories, refs and commits as the real server sends them (FACTS.md 2 and 3).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::git::{CommitInfo, Identity, RefInfo};
use crate::store::{Project, Repo, Store, User};

impl Store {
    /// A user with links.
    pub(crate) fn user_json(&self, user: &User) -> Value {
        json!({
            "name": user.name, "emailAddress": user.email(), "id": user.id, "displayName": user.display(),
            "active": true, "slug": user.slug(), "type": "NORMAL",
            "links": {"self": [{"href": format!("{}/users/{}", self.base, user.slug())}]},
        })
    }

    /// A user by name; a stub for a name that has no account.
    pub(crate) fn user_json_by_name(&self, name: &str) -> Value {
        self.users.get(name).map_or_else(|| json!({"name": name}), |user| self.user_json(user))
    }

    /// A project; a personal one has its owner.
    pub(crate) fn project_json(&self, project: &Project) -> Value {
        let mut json = json!({"key": project.key, "id": project.id, "name": project.name});
        let owner = project.owner.as_ref().and_then(|owner| self.users.get(owner));
        let path = match owner {
            Some(owner) => {
                json["type"] = json!("PERSONAL");
                json["owner"] = self.user_json(owner);
                format!("users/{}", owner.slug())
            }
            None => {
                json["type"] = json!("NORMAL");
                json["public"] = json!(false);
                format!("projects/{}", project.key)
            }
        };
        if let Some(description) = &project.description {
            json["description"] = json!(description);
        }
        json["links"] = json!({"self": [{"href": format!("{}/{path}", self.base)}]});
        json
    }

    /// A repository with its project; `viewer` goes into the clone address of old releases.
    pub(crate) fn repo_json(&self, repo: &Repo, viewer: Option<&str>) -> Value {
        let project = self.projects.get(&repo.project);
        let mut json = json!({
            "slug": repo.slug, "id": repo.id, "name": repo.name, "hierarchyId": repo.hierarchy, "scmId": "git",
            "state": "AVAILABLE", "statusMessage": "Available", "forkable": true, "public": false,
            "project": project.map_or(Value::Null, |project| self.project_json(project)),
            "links": {"clone": self.clone_links(repo, viewer), "self": [{"href": self.browse_link(repo)}]},
        });
        if self.version.has_archived() {
            json["archived"] = json!(repo.archived);
        }
        if let Some(description) = &repo.description {
            json["description"] = json!(description);
        }
        if let Some(origin) = repo.origin.and_then(|id| self.repos.get(&id)) {
            json["origin"] = self.repo_json(origin, viewer);
        }
        json
    }

    fn clone_links(&self, repo: &Repo, viewer: Option<&str>) -> Value {
        let path = format!("{}/{}.git", repo.project.to_lowercase(), repo.slug);
        let (scheme, host) = self.base.split_once("://").unwrap_or(("https", &self.base));
        let user = viewer.filter(|_| self.version.names_user_in_clone_url());
        let user =
            user.map(|name| format!("{}@", utf8_percent_encode(name, NON_ALPHANUMERIC))).unwrap_or_default();
        let name = host.split([':', '/']).next().unwrap_or(host);
        json!([
            {"href": format!("{scheme}://{user}{host}/scm/{path}"), "name": "http"},
            {"href": format!("ssh://git@{name}:7999/{path}"), "name": "ssh"},
        ])
    }

    /// The page of a repository that people see, without what follows it.
    pub(crate) fn repo_link(&self, repo: &Repo) -> String {
        let owner = self.projects.get(&repo.project).and_then(|project| project.owner.as_ref());
        match owner.and_then(|owner| self.users.get(owner)) {
            Some(owner) => format!("{}/users/{}/repos/{}", self.base, owner.slug(), repo.slug),
            None => format!("{}/projects/{}/repos/{}", self.base, repo.project, repo.slug),
        }
    }

    fn browse_link(&self, repo: &Repo) -> String {
        format!("{}/browse", self.repo_link(repo))
    }

    /// A commit; authors whose address is a user's are that user.
    pub(crate) fn commit_json(&self, commit: &CommitInfo) -> Value {
        let parents: Vec<Value> = commit.parents.iter().map(|id| short_commit(id)).collect();
        json!({
            "id": commit.id, "displayId": short(&commit.id),
            "author": self.identity_json(&commit.author), "authorTimestamp": commit.author.at * 1000,
            "committer": self.identity_json(&commit.committer), "committerTimestamp": commit.committer.at * 1000,
            "message": commit.message, "parents": parents,
        })
    }

    fn identity_json(&self, identity: &Identity) -> Value {
        match self.user_by_email(&identity.email) {
            Some(user) => self.user_json(user),
            None => json!({"name": identity.name, "emailAddress": identity.email}),
        }
    }
}

/// A branch.
pub(crate) fn branch_json(branch: &RefInfo, default: Option<&str>) -> Value {
    json!({
        "id": branch.name, "displayId": display(&branch.name), "type": "BRANCH", "latestCommit": branch.commit,
        "latestChangeset": branch.commit, "isDefault": default == Some(branch.name.as_str()),
    })
}

/// A tag; `hash` is the tag object's, null for a lightweight one.
pub(crate) fn tag_json(tag: &RefInfo) -> Value {
    json!({
        "id": tag.name, "displayId": display(&tag.name), "type": "TAG", "latestCommit": tag.commit,
        "latestChangeset": tag.commit, "hash": tag.tag_object,
    })
}

/// A path as an object.
pub(crate) fn path_json(path: &str) -> Value {
    let components: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let name = components.last().copied().unwrap_or("");
    let parent = components[..components.len().saturating_sub(1)].join("/");
    let mut json = Map::new();
    if let Some((_, extension)) = name.rsplit_once('.') {
        json.insert("extension".to_owned(), json!(extension));
    }
    json.insert("components".to_owned(), json!(components));
    json.insert("parent".to_owned(), json!(parent));
    json.insert("name".to_owned(), json!(name));
    json.insert("toString".to_owned(), json!(path));
    Value::Object(json)
}

/// A commit named only.
pub(crate) fn short_commit(id: &str) -> Value {
    json!({"id": id, "displayId": short(id)})
}

/// A ref without `refs/heads/` or `refs/tags/`.
pub(crate) fn display(name: &str) -> &str {
    name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name)
}

/// The first 11 characters of a commit's id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..11).unwrap_or(id)
}

/// What must be encoded in a segment of a path or a header such as `X-AUSERNAME`.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
