//! The resources, one file each; every file has its own table of routes.

mod activities;
mod annotations;
mod archive;
mod auto_merge;
mod blame;
mod branch_info;
mod branch_model;
mod branches;
mod browse;
mod builds;
mod comments;
mod commit_comments;
mod commits;
mod compare;
mod dashboard;
mod default_branch;
mod default_reviewers;
mod diff;
mod edit;
mod files;
mod insights;
mod last_modified;
mod merge;
mod meta;
mod participants;
mod patch;
mod permissions;
mod projects;
mod pull_diff;
mod pull_settings;
mod pulls;
mod rate_limit;
mod raw;
mod reactions;
mod repo_changes;
mod repos;
mod required_builds;
mod restrictions;
mod review;
mod reviewer_groups;
mod suggestions;
mod tags;
mod tokens;
mod users;
mod webhooks;

use http::StatusCode;
use serde_json::Value;

use crate::auth::Permission;
use crate::call::Call;
use crate::git::{Git, Object};
use crate::refusal::{Refusal, api, bad_argument, forbidden, missing};
use crate::restrict::Wanted;
use crate::route::{Found, Route, find, segments};
use crate::store::Repo;

/// All routes.
pub(crate) const TABLES: &[&[Route]] = &[
    meta::ROUTES,
    users::ROUTES,
    tokens::ROUTES,
    projects::ROUTES,
    repos::ROUTES,
    repo_changes::ROUTES,
    permissions::ROUTES,
    webhooks::ROUTES,
    rate_limit::ROUTES,
    branches::ROUTES,
    default_branch::ROUTES,
    branch_info::ROUTES,
    branch_model::ROUTES,
    restrictions::ROUTES,
    tags::ROUTES,
    builds::ROUTES,
    insights::ROUTES,
    annotations::ROUTES,
    commits::ROUTES,
    compare::ROUTES,
    patch::ROUTES,
    last_modified::ROUTES,
    browse::ROUTES,
    edit::ROUTES,
    raw::ROUTES,
    files::ROUTES,
    archive::ROUTES,
    pulls::ROUTES,
    pull_diff::ROUTES,
    pull_settings::ROUTES,
    merge::ROUTES,
    auto_merge::ROUTES,
    participants::ROUTES,
    comments::ROUTES,
    suggestions::ROUTES,
    reactions::ROUTES,
    review::ROUTES,
    commit_comments::ROUTES,
    activities::ROUTES,
    dashboard::ROUTES,
    default_reviewers::ROUTES,
    required_builds::ROUTES,
    reviewer_groups::ROUTES,
];

/// Every route: its method, and its pattern below the context path. A segment is literal, `{name}`, or at the end `{name*}` for the
/// rest of the path, which may be empty; `{v}` is `1.0` or `latest`.
pub fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().copied().flatten().map(|route| (route.method.as_str(), route.pattern))
}

/// The pattern of the route that answers a path below the context path, if one does.
#[must_use]
pub fn route_of(method: &str, path: &str) -> Option<&'static str> {
    let method = method.parse().ok()?;
    match find(TABLES, &method, &segments(path)?) {
        Found::Route(route, _) => Some(route.pattern),
        Found::OtherMethod | Found::Nothing => None,
    }
}

/// A pattern below a repository in `/rest/api`.
macro_rules! repo {
    ($tail:literal) => {
        concat!("rest/api/{v}/projects/{key}/repos/{slug}", $tail)
    };
}

/// A line of a table. `now` handlers answer from memory, `later` ones run programs or read the body.
macro_rules! route {
    ($method:ident, $pattern:expr, $need:ident, $gives:ident, now $handler:path) => {
        $crate::route::Route {
            method: http::Method::$method,
            pattern: $pattern,
            need: $crate::route::Need::$need,
            gives: $crate::route::Gives::$gives,
            handler: $crate::route::Handler::Now($handler),
        }
    };
    ($method:ident, $pattern:expr, $need:ident, $gives:ident, later $handler:path) => {
        $crate::route::Route {
            method: http::Method::$method,
            pattern: $pattern,
            need: $crate::route::Need::$need,
            gives: $crate::route::Gives::$gives,
            handler: $crate::route::Handler::Later(|call| Box::pin($handler(call))),
        }
    };
}
pub(crate) use {repo, route};

/// A commit that a query names, or where the default branch is.
struct At {
    /// The name as asked for.
    name: String,
    commit: String,
}

/// Resolves `at` (or `until`); without it, the default branch, which an empty repository does not have.
async fn commit_at(repo: &Repo, git: &Git, at: Option<&str>) -> Result<At, Refusal> {
    if let Some(name) = at {
        let commit = commit_named(repo, git, name).await?;
        return Ok(At { name: name.to_owned(), commit });
    }
    let name = git.default_branch().await?;
    match git.resolve(&name).await? {
        Some(commit) => Ok(At { name, commit }),
        None => {
            let message = format!("{name} is set as the default branch, but this branch does not exist");
            Err(missing("repository.NoDefaultBranchException", message))
        }
    }
}

/// The commit that a name leads to. A missing branch is reported as a missing commit.
async fn commit_named(repo: &Repo, git: &Git, name: &str) -> Result<String, Refusal> {
    git.resolve(name).await?.ok_or_else(|| no_commit(repo, name))
}

fn no_commit(repo: &Repo, name: &str) -> Refusal {
    let message = format!("Commit '{name}' does not exist in repository '{}'.", repo.slug);
    missing("commit.NoSuchCommitException", message)
}

/// What a path leads to at a commit.
async fn object_at(git: &Git, at: &At, path: &str) -> Result<Object, Refusal> {
    git.object(&at.commit, path).await?.ok_or_else(|| no_path(path, &at.name))
}

fn no_path(path: &str, at: &str) -> Refusal {
    let message = format!("The path \"{path}\" does not exist at revision \"{at}\"");
    missing("content.NoSuchPathException", message)
}

/// The path in the address, without surprises: no `.`, `..` or empty components.
fn clean_path(call: &Call) -> Result<String, Refusal> {
    clean_path_of(call.param("path"))
}

/// The same for a path from elsewhere.
fn clean_path_of(path: &str) -> Result<String, Refusal> {
    let path = path.trim_matches('/');
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if !path.is_empty() && (path.split('/').any(odd) || path.contains('\0')) {
        return Err(bad_argument(format!("The path '{path}' is not valid")));
    }
    Ok(path.to_owned())
}

/// A member of a body as text; an empty one counts as absent.
fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Refuses a change of a branch that a restriction forbids to the caller: 401, as for every missing permission.
fn restricted(call: &Call, branch: &str, old: &str, new: &str) -> Result<(), Refusal> {
    let wanted = Wanted { branch, old, new, rewrites: false };
    match call.app.store().objection(call.repo()?, viewer(call), &wanted) {
        None => Ok(()),
        Some(why) => Err(api(StatusCode::UNAUTHORIZED, "AuthorisationException", why)),
    }
}

/// The name of the user who asks, for links that depend on it.
fn viewer(call: &Call) -> Option<&str> {
    call.actor.as_ref().and_then(|actor| actor.user.as_deref())
}

/// The identity that commits of this user carry.
fn identity(call: &Call, user: &str) -> crate::git::Identity {
    call.app.store().identity(user)
}

/// Refuses who may not administer the repository in the path.
fn administers(call: &Call) -> Result<(), Refusal> {
    let project = &call.repo()?.project;
    let may = call.actor.as_ref().is_some_and(|actor| actor.repo(project) >= Permission::Admin);
    if may { Ok(()) } else { Err(forbidden()) }
}
