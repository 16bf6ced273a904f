//! Build statuses (FACTS.md 5), and builds that run by themselves.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::pull;
use crate::store::{Repo, Store, now};
use crate::version::Version;

/// A build status of a commit.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) key: String,
    pub(crate) state: String,
    pub(crate) url: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    /// Project and slug, where the status was reported for a repository.
    pub(crate) repo: Option<(String, String)>,
    /// The other members as they came: name, description, ref, parent, buildNumber, duration, testResults.
    pub(crate) more: Map<String, Value>,
}

impl Build {
    /// Whether a repository's resource shows it: reported for the repository, or for none.
    pub(crate) fn is_of(&self, repo: &Repo) -> bool {
        self.repo.as_ref().is_none_or(|(project, slug)| *project == repo.project && *slug == repo.slug)
    }

    /// As the resource without a repository shows it.
    pub(crate) fn legacy_json(&self) -> Value {
        let mut json =
            json!({"state": self.state, "key": self.key, "url": self.url, "dateAdded": self.updated});
        for name in ["name", "description"] {
            if let Some(value) = self.more.get(name) {
                json[name] = value.clone();
            }
        }
        json
    }

    /// As the repository's resource shows it.
    pub(crate) fn rich_json(&self, version: Version) -> Value {
        let mut json = Value::Object(self.more.clone());
        json["key"] = json!(self.key);
        json["state"] = json!(self.state);
        json["url"] = json!(self.url);
        json["createdDate"] = json!(self.created);
        json["updatedDate"] = json!(self.updated);
        json["dateAdded"] = json!(self.updated);
        if let Some((project, slug)) = self.repo.as_ref().filter(|_| version.names_build_repository()) {
            json["projectKey"] = json!(project);
            json["repositorySlug"] = json!(slug);
        }
        json
    }
}

impl Store {
    /// Keeps a status: it replaces the one with the same key of that commit and repository.
    pub(crate) fn put_build(&mut self, commit: &str, mut build: Build) {
        let builds = self.builds.entry(commit.to_owned()).or_default();
        let same = |other: &Build| other.key == build.key && other.repo == build.repo;
        if let Some(at) = builds.iter().position(same) {
            build.created = builds.remove(at).created;
        }
        builds.push(build);
    }
}

/// Starts the build that runs by itself, where the settings want one: the status is there before this returns.
pub(crate) fn start(app: &Arc<App>, repo: &Repo, commit: &str, reference: &str) {
    let Some(auto) = app.config.auto_build.clone() else { return };
    if !reference.starts_with("refs/heads/") {
        return;
    }
    let known =
        app.store().builds.get(commit).is_some_and(|builds| builds.iter().any(|build| build.key == auto.key));
    if known {
        return;
    }
    let mut more = Map::new();
    more.insert("name".to_owned(), json!(auto.name));
    more.insert("ref".to_owned(), json!(reference));
    let running = Build {
        key: auto.key.clone(),
        state: "INPROGRESS".to_owned(),
        url: format!("{}/builds/{}/{commit}", app.base, auto.key),
        created: now(),
        updated: now(),
        repo: Some((repo.project.clone(), repo.slug.clone())),
        more,
    };
    app.store().put_build(commit, running.clone());
    let (task_app, commit) = (Arc::clone(app), commit.to_owned());
    app.spawn(async move {
        tokio::time::sleep(auto.lasts).await;
        let done = Build { state: "SUCCESSFUL".to_owned(), updated: now(), ..running };
        task_app.store().put_build(&commit, done);
        pull::settle(&task_app).await;
    });
}
