//! What the token may do beyond what it is for: `excess`.

use super::access::{List, PAGE, Repo};
use super::expiry;
use super::login::Who;
use super::visit::Visit;
use crate::bitbucket::projects;
use crate::ops::{Advice, Check};

/// What the token may do beyond reading and writing in the connection's projects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    projects: Vec<String>,
    repos: Vec<String>,
    elsewhere: Vec<String>,
}

impl Held {
    pub(super) fn of(
        visit: &Visit<'_>,
        who: &Who,
        writable: &List<Repo>,
        repos: &List<Repo>,
        owned: &List<projects::Wire>,
    ) -> Self {
        // Everybody administers what is his own; it comes with the account.
        let own = if let Who::User(name) = who { format!("~{}", expiry::slug(name)) } else { String::new() };
        let foreign = |key: &str| !key.eq_ignore_ascii_case(&own);
        let outside = |key: &&str| foreign(key) && !visit.client().projects().contains(key);
        let mut elsewhere: Vec<_> = writable
            .values
            .iter()
            .map(|repo| repo.project.key.as_str())
            .filter(outside)
            .map(str::to_owned)
            .collect();
        elsewhere.sort_unstable();
        elsewhere.dedup();
        let repos = repos.values.iter().filter(|repo| foreign(&repo.project.key));
        Self {
            projects: owned
                .values
                .iter()
                .map(|project| project.key.clone())
                .filter(|key| foreign(key))
                .collect(),
            repos: repos.map(|repo| format!("{}/{}", repo.project.key, repo.slug)).collect(),
            elsewhere,
        }
    }
}

/// `excess`. Names of what is outside the connection are the operator's business, not the cloud's.
pub(super) fn check(held: &Held) -> Check {
    let counted = [
        ("administers", &held.projects, "project"),
        ("administers", &held.repos, "repository"),
        ("writes to", &held.elsewhere, "project outside the connection"),
    ];
    let told = counted.iter().filter(|(_, all, _)| !all.is_empty());
    let found: Vec<_> =
        told.clone().map(|(verb, all, what)| format!("{verb} {}", count(all.len(), what))).collect();
    if found.is_empty() {
        return Check::passed("excess", "no more than is needed");
    }
    let detail: Vec<_> = told.map(|(verb, all, _)| format!("{verb} {}", some(all))).collect();
    let advice = Advice::new(
        "the token may do more than the connection needs, so that it would do more harm in wrong hands",
        "make a token with read and write permission for repositories only, of a user or project that reaches these projects only",
        "excess",
    );
    Check::warned("excess", found.join(", "), advice).detail(detail.join("; "))
}

fn count(number: usize, what: &str) -> String {
    let (noun, rest) =
        what.split_once(' ').map_or((what, String::new()), |(noun, rest)| (noun, format!(" {rest}")));
    let nouns = match (number, noun.strip_suffix('y')) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{noun}s"),
    };
    let more = if number >= PAGE as usize { "at least " } else { "" };
    format!("{more}{number} {nouns}{rest}")
}

fn some(all: &[String]) -> String {
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let rest = all.len().saturating_sub(SHOWN);
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

/// How many names the operator reads.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(check: &Check) -> (String, &str) {
        (check.outcome.to_string(), check.found.as_str())
    }

    #[test]
    fn what_is_too_much_is_counted_for_the_cloud_and_named_for_the_operator() {
        let held = Held {
            projects: vec!["SHOP".into()],
            repos: vec!["SHOP/web".into(), "SHOP/api".into()],
            elsewhere: vec!["SECRET".into()],
        };
        let excess = check(&held);
        let found =
            "administers 1 project, administers 2 repositories, writes to 1 project outside the connection";
        assert_eq!(outcome(&excess), ("warned".into(), found));
        assert!(excess.detail.contains("SECRET") && excess.detail.contains("SHOP/api"), "{}", excess.detail);
        assert_eq!(outcome(&check(&Held::default())), ("passed".into(), "no more than is needed"));
    }
}
