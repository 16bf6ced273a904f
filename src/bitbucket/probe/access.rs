//! What the token may see and do: `projects` and `write`; and the lists for `excess`.
//!
//! Bitbucket tells what a token may write by listing it (FACTS 2); nothing is tried out. Two lists answer for most
//! installations; only where they are longer than a page is each project asked for.

use bytes::Bytes;
use futures_util::future::join3;
use futures_util::{StreamExt as _, stream};
use http::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::blame;
use super::excess::{self, Held};
use super::login::{Proof, Who};
use super::visit::{Answer, Miss, Visit};
use crate::bitbucket::names::ProjectKey;
use crate::bitbucket::page::Page;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::{lenient, text};
use crate::bitbucket::{Error, projects};
use crate::ops::{Advice, Check};

/// What the token may.
pub(super) struct Access {
    pub(super) checks: Vec<Check>,
    pub(super) visible: Vec<String>,
    pub(super) hidden: Vec<String>,
    pub(super) proven: Proof,
}

/// Looks at each of the connection's projects, and at what the token may write and administer anywhere.
pub(super) async fn look(visit: &Visit<'_>, who: &Who) -> Access {
    let started = Instant::now();
    let sight = sight(visit).await;
    let projects = sight.check().took(started.elapsed());
    let started = Instant::now();
    let (writable, repos, owned) =
        join3(visit.ask(repos("REPO_WRITE")), visit.ask(repos("REPO_ADMIN")), visit.ask(administered()))
            .await;
    let writable = list::<Repo>(writable);
    let proven = match &writable {
        Ok(list) if !list.values.is_empty() => Proof::Given,
        Ok(_) | Err(_) => Proof::Missing,
    };
    let excess = match (&writable, list::<Repo>(repos), list::<projects::Wire>(owned)) {
        (Ok(writable), Ok(repos), Ok(owned)) => {
            excess::check(&Held::of(visit, who, writable, &repos, &owned))
        }
        (_, Err(miss), _) | (_, _, Err(miss)) => untold("excess", miss),
        (Err(_), Ok(_), Ok(_)) => Check::skipped("excess", UNTOLD),
    };
    let excess = excess.took(started.elapsed());
    let write = match writable {
        Ok(list) => write(&rights(visit, &sight.visible, &list).await),
        Err(miss) => untold("write", miss),
    };
    let write = write.took(started.elapsed());
    let visible = sight.visible.into_iter().map(|seen| seen.key.to_string()).collect();
    Access { checks: vec![projects, write, excess], visible, hidden: sight.hidden, proven }
}

/// A list that a token may not have, such as one of a single repository, is no fault of it.
fn untold(name: &'static str, miss: Miss) -> Check {
    match miss {
        Miss::Error(Error::Refused(_) | Error::RouteMissing) => Check::skipped(name, UNTOLD),
        miss @ (Miss::Slow(_) | Miss::Error(_)) => blame(name, miss),
    }
}

/// `GET /rest/api/latest/repos?permission=…`: the whole server's, personal ones included.
fn repos(permission: &str) -> Request<Bytes> {
    let draft = Draft::get(Path::rest("api").segment("repos"), Permission::RepoRead);
    draft.query("permission", permission).page(0, PAGE).empty()
}

/// The same within one project. Old versions filter by its name only, which need not be its alone (FACTS 2).
fn writable_in(seen: &Seen) -> Request<Bytes> {
    let draft = Draft::get(Path::rest("api").segment("repos"), Permission::RepoRead);
    let draft = draft.query("permission", "REPO_WRITE").query("projectkey", seen.key.as_str());
    draft.query_unless_empty("projectname", &seen.name).page(0, PAGE).empty()
}

/// `GET /rest/api/latest/projects?permission=PROJECT_ADMIN`
fn administered() -> Request<Bytes> {
    let draft = Draft::get(Path::rest("api").segment("projects"), Permission::ProjectRead);
    draft.query("permission", "PROJECT_ADMIN").page(0, PAGE).empty()
}

/// `GET /rest/api/latest/projects/{key}/repos?limit=1`
fn any_in(key: &ProjectKey) -> Request<Bytes> {
    Draft::get(Path::project(key).segment("repos"), Permission::ProjectRead).page(0, 1).empty()
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Repo {
    #[serde(default, deserialize_with = "text")]
    pub(super) slug: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) project: projects::Wire,
}

/// A collection's first page.
pub(super) struct List<T> {
    pub(super) values: Vec<T>,
    /// Whether there is no other.
    whole: bool,
}

fn list<T: DeserializeOwned>(answer: Answer) -> Result<List<T>, Miss> {
    let page = Page::read(&answer?, 0).map_err(Miss::Error)?;
    Ok(List { values: page.values, whole: page.next.is_none() })
}

impl List<Repo> {
    fn has(&self, key: &ProjectKey) -> bool {
        self.values.iter().any(|repo| repo.project.key.eq_ignore_ascii_case(key.as_str()))
    }
}

/// A project that the token can see.
struct Seen {
    key: ProjectKey,
    name: String,
}

/// Which of the connection's projects can be seen.
#[derive(Default)]
struct Sight {
    visible: Vec<Seen>,
    hidden: Vec<String>,
    /// The first that gave no answer to go by.
    missed: Option<Check>,
}

async fn sight(visit: &Visit<'_>) -> Sight {
    let keys: Vec<_> = visit.client().projects().iter().cloned().collect();
    let looks: Vec<_> = keys.iter().map(|key| visit.ask(projects::request(key))).collect();
    let looks = stream::iter(looks).buffered(AT_ONCE).collect::<Vec<_>>().await;
    let mut sight = Sight::default();
    for (key, answer) in keys.into_iter().zip(looks) {
        let read = answer.and_then(|reply| reply.json::<projects::Wire>().map_err(Miss::Error));
        match read {
            Ok(project) => sight.visible.push(Seen { key, name: project.name }),
            Err(Miss::Error(error)) if projects::is_hidden(&error) => sight.hidden.push(key.to_string()),
            Err(miss) => {
                sight.missed.get_or_insert_with(|| blame("projects", miss));
            }
        }
    }
    sight
}

impl Sight {
    fn check(&self) -> Check {
        let advice = |cause: &str, remedy: &str| Advice::new(cause, remedy, "projects");
        if let Some(missed) = &self.missed {
            return missed.clone();
        }
        let cause = "a project does not exist, or the token's user may not see it";
        let remedy = "correct the project keys of the connection, or give the user read access in Bitbucket";
        match (self.visible.is_empty(), self.hidden.is_empty()) {
            (false, true) => Check::passed("projects", names(&self.visible)),
            (false, false) => Check::warned(
                "projects",
                format!("hidden: {}; visible: {}", self.hidden.join(", "), names(&self.visible)),
                advice(cause, remedy),
            ),
            (true, false) => Check::failed(
                "projects",
                format!("hidden: {}", self.hidden.join(", ")),
                advice(cause, remedy),
            ),
            (true, true) => Check::warned(
                "projects",
                "none",
                advice(
                    "the connection names no project, so that it may touch nothing",
                    "name the projects in the connection's settings",
                ),
            ),
        }
    }
}

/// What the token may do in a project's repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Write,
    Read,
    /// There is none to be asked about.
    Empty,
}

async fn rights(
    visit: &Visit<'_>,
    visible: &[Seen],
    writable: &List<Repo>,
) -> Vec<(String, Result<Right, Miss>)> {
    // Collected first: rustc cannot show that a stream of such closures is `Send` for every lifetime.
    let asked: Vec<_> = visible.iter().map(|seen| right(visit, seen, writable)).collect();
    let rights = stream::iter(asked).buffered(AT_ONCE).collect::<Vec<_>>().await;
    visible.iter().map(|seen| seen.key.to_string()).zip(rights).collect()
}

async fn right(visit: &Visit<'_>, seen: &Seen, writable: &List<Repo>) -> Result<Right, Miss> {
    if writable.has(&seen.key) {
        return Ok(Right::Write);
    }
    if !writable.whole {
        let more = list::<Repo>(visit.ask(writable_in(seen)).await)?;
        if more.has(&seen.key) {
            return Ok(Right::Write);
        }
    }
    let any = visit.ask(any_in(&seen.key)).await?;
    let any = Page::<Repo>::read(&any, 0).map_err(Miss::Error)?;
    Ok(if any.values.is_empty() { Right::Empty } else { Right::Read })
}

fn write(rights: &[(String, Result<Right, Miss>)]) -> Check {
    let of = |wanted: Right| -> Vec<&str> {
        let same = |right: &Result<Right, Miss>| matches!(right, Ok(right) if *right == wanted);
        rights.iter().filter(|(_, right)| same(right)).map(|(key, _)| key.as_str()).collect()
    };
    let (write, read) = (of(Right::Write), of(Right::Read));
    if rights.iter().any(|(_, right)| right.is_err()) {
        let advice = Advice::new(
            "Bitbucket did not tell of every project what the token may do there",
            "try again; if it stays so, look at the load of Bitbucket",
            "write",
        );
        return Check::warned("write", "not told of every project", advice);
    }
    if !read.is_empty() {
        let advice = Advice::new(
            "the token may only read, so that commands that write will be refused",
            "where commands shall write, give the token, and its user, write permission for the repositories",
            "write",
        );
        return Check::warned("write", format!("read only: {}", read.join(", ")), advice);
    }
    if write.is_empty() {
        return Check::skipped("write", "the projects have no repository yet");
    }
    Check::passed("write", write.join(", "))
}

fn names(seen: &[Seen]) -> String {
    seen.iter().map(|seen| seen.key.as_str()).collect::<Vec<_>>().join(", ")
}

/// How long the lists may be before each project is asked for: in bytes, some hundred thousand.
pub(super) const PAGE: u32 = 250;

/// How many requests are under way at a time, beside the one for the token's end.
const AT_ONCE: usize = 3;

const UNTOLD: &str = "Bitbucket does not tell this token";

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(check: &Check) -> (String, &str) {
        (check.outcome.to_string(), check.found.as_str())
    }

    fn seen(keys: &[&str]) -> Vec<Seen> {
        keys.iter()
            .map(|key| Seen { key: ProjectKey::parse(key).expect("a key"), name: String::new() })
            .collect()
    }

    #[test]
    fn the_lists_are_asked_for_by_permission() {
        assert_eq!(
            repos("REPO_WRITE").uri(),
            "/rest/api/latest/repos?permission=REPO_WRITE&start=0&limit=250"
        );
        assert_eq!(
            administered().uri(),
            "/rest/api/latest/projects?permission=PROJECT_ADMIN&start=0&limit=250"
        );
        let shop = Seen { key: ProjectKey::parse("shop").expect("a key"), name: "The Shop".into() };
        assert_eq!(
            writable_in(&shop).uri().query(),
            Some("permission=REPO_WRITE&projectkey=shop&projectname=The%20Shop&start=0&limit=250")
        );
    }

    #[test]
    fn some_hidden_projects_are_a_warning_and_none_visible_a_failure() {
        let sight = |visible: &[&str], hidden: &[&str]| Sight {
            visible: seen(visible),
            hidden: hidden.iter().map(|key| (*key).to_owned()).collect(),
            missed: None,
        };
        assert_eq!(outcome(&sight(&["A", "B"], &[]).check()), ("passed".into(), "A, B"));
        assert_eq!(outcome(&sight(&["A"], &["B"]).check()), ("warned".into(), "hidden: B; visible: A"));
        assert_eq!(outcome(&sight(&[], &["A", "B"]).check()), ("failed".into(), "hidden: A, B"));
        assert_eq!(outcome(&sight(&[], &[]).check()), ("warned".into(), "none"));
    }

    #[test]
    fn a_project_that_is_read_only_is_named() {
        let right = |key: &str, right| (key.to_owned(), Ok(right));
        let all = [right("A", Right::Write), right("B", Right::Read), right("C", Right::Empty)];
        assert_eq!(outcome(&write(&all)), ("warned".into(), "read only: B"));
        assert_eq!(outcome(&write(&all[..1])), ("passed".into(), "A"));
        assert_eq!(outcome(&write(&all[2..])), ("skipped".into(), "the projects have no repository yet"));
        let slow = [("A".to_owned(), Err(Miss::Slow(std::time::Duration::ZERO)))];
        assert_eq!(outcome(&write(&slow)).0, "warned");
    }
}
