//! Repositories that change their name or project, and those that go.

use std::path::Path;

use crate::app::App;
use crate::sim::{Error, slug_of};
use crate::store::RepoId;

/// Renames a repository or moves it to another project: its old address answers 307 from now on.
pub(crate) async fn relocate(app: &App, id: RepoId, project: &str, name: &str) -> Result<(), Error> {
    let (project, slug) = (project.to_uppercase(), slug_of(name));
    let (old, new) = {
        let store = app.store();
        let repo = store.repos.get(&id).ok_or_else(|| Error::NoRepo(name.to_owned()))?;
        if store.find_repo(&project, &slug).is_some_and(|other| other.id != id) {
            return Err(Error::Exists(format!("{project}/{slug}")));
        }
        (repo.clone(), app.dir.join(project.to_lowercase()).join(format!("{slug}.git")))
    };
    if old.dir != new {
        tokio::fs::create_dir_all(new.parent().unwrap_or(Path::new("."))).await?;
        tokio::fs::rename(&old.dir, &new).await?;
    }
    let mut store = app.store();
    let (before, after) = ((old.project.clone(), old.slug.clone()), (project.clone(), slug.clone()));
    store.moved.remove(&after);
    if before != after {
        store.moved.insert(before.clone(), id);
    }
    for build in store.builds.values_mut().flatten().filter(|build| build.repo.as_ref() == Some(&before)) {
        build.repo = Some(after.clone());
    }
    if let Some(repo) = store.repos.get_mut(&id) {
        (repo.project, repo.slug, repo.name, repo.dir) = (project, slug, name.to_owned(), new);
    }
    Ok(())
}

/// Deletes a repository with everything that belongs to it.
pub(crate) async fn delete(app: &App, id: RepoId) -> Result<(), Error> {
    let gone = {
        let mut store = app.store();
        store.pulls.retain(|(repo, _), _| *repo != id);
        store.reports.retain(|(repo, _), _| *repo != id);
        store.webhooks.retain(|(repo, _), _| *repo != id);
        store.moved.retain(|_, repo| *repo != id);
        store.repos.remove(&id)
    };
    if let Some(repo) = gone {
        tokio::fs::remove_dir_all(repo.dir).await?;
    }
    Ok(())
}
