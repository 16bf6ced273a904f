//! Every command in every version of the simulator, through gateway, tunnel and agent: done, not found, not permitted, in
//! conflict, and cut.
//!
//! The rows are a table, so that a new command is missed here.

mod bench;
mod beside;
mod conflicts;
mod done;
mod lost;
mod missing;

use std::collections::BTreeSet;

use bitbucket_sim::{Fault as Trouble, Permission, Rule, Version};
use gitproxy::proto::Effect;
use gitproxy::proto::Reason;
use gitproxy::proto::methods::{METHODS, SCM_PACKAGE};
use tonic::Code;

use self::bench::{Bench, PASSWORD, Told, command};

#[tokio::test]
async fn every_command_is_done_in_every_version() {
    for &version in &Version::ALL {
        all_is_done(&Bench::new(version).await, version.number()).await;
    }
    let done: BTreeSet<_> = done::DONE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(done, commands(|_| true));
}

#[tokio::test]
async fn every_command_is_done_on_a_connection_that_the_cloud_holds_and_with_a_password() {
    all_is_done(&Bench::with(|plan| plan.held("main")).await, "held").await;
    all_is_done(
        &Bench::with(|plan| plan.basic_auth().local("main").basic("carol", PASSWORD)).await,
        "password",
    )
    .await;
}

async fn all_is_done(bench: &Bench, of: &str) {
    for (name, json, member) in done::DONE {
        let told = bench.ask(name, json).await;
        let expected = if *name == "Builds/GetBuildLog" { "CI_LOGS_NOT_STORED" } else { "" };
        assert_eq!(told.reason(), expected, "{of} {name} {json}: {told:?}");
        assert!(told.has(member), "{of} {name}: nothing in `{member}` of {told:?}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named_in_every_version() {
    for &version in &Version::ALL {
        let bench = Bench::new(version).await;
        let before = bench.world.sim.writes().len();
        for (name, json, _) in about_a_repo() {
            let elsewhere = json.replace(r#""slug": "web""#, r#""slug": "nowhere""#);
            let told = bench.ask(name, &elsewhere).await;
            assert_eq!(
                (told.code(), told.reason()),
                (Code::NotFound, "REPO_NOT_FOUND"),
                "{version:?} {name}: {told:?}"
            );
        }
        for (name, json, reason) in missing::MISSING {
            let told = bench.ask(name, json).await;
            assert_eq!(
                (told.code(), told.reason()),
                (Code::NotFound, *reason),
                "{version:?} {name} {json}: {told:?}"
            );
        }
        assert_eq!(bench.world.sim.writes().len(), before);
    }
}

#[tokio::test]
async fn what_the_token_may_not_do_is_refused_with_the_permission() {
    for &version in &Version::ALL {
        let bench = Bench::new(version).await;
        bench.world.sim.limit_user("mallory", Permission::None, Permission::None, None);
        bench.world.sim.limit_user("reader", Permission::Read, Permission::Read, None);
        let before = bench.world.sim.writes().len();
        for (name, json, _) in about_a_repo() {
            let told = bench.ask_on("mallory", name, json).await;
            assert!(told.is_not_permitted(), "{version:?} {name}: {told:?}");
        }
        for name in NEED_WRITE {
            for (_, json, _) in about_a_repo().filter(|row| row.0 == *name) {
                let told = bench.ask_on("reader", name, json).await;
                assert!(told.is_not_permitted(), "{version:?} {name}: {told:?}");
                assert_eq!(told.fact("permission"), "REPO_WRITE", "{version:?} {name}: {told:?}");
            }
        }
        assert_eq!(bench.world.sim.writes().len(), before);
    }
}

#[tokio::test]
async fn what_is_in_the_way_is_named_in_every_version() {
    for &version in &Version::ALL {
        let bench = Bench::new(version).await;
        for (name, json, reason) in conflicts::CONFLICTS {
            let told = bench.ask(name, json).await;
            assert_eq!(told.reason(), *reason, "{version:?} {name} {json}: {told:?}");
        }
    }
}

#[tokio::test]
async fn what_a_version_lacks_is_refused_with_the_version_that_has_it() {
    for &version in &Version::ALL {
        let bench = Bench::new(version).await;
        for (name, json, needs) in conflicts::NEEDS {
            let before = bench.world.sim.writes().len();
            let told = bench.ask(name, json).await;
            if has(version, needs) {
                assert_ne!(told.reason(), "NOT_IN_THIS_VERSION", "{version:?} {name}: {told:?}");
                continue;
            }
            let found = (told.code(), told.reason(), told.fact("needs"));
            let expected = (Code::FailedPrecondition, "NOT_IN_THIS_VERSION", (*needs).to_owned());
            assert_eq!(found, expected, "{version:?} {name}: {told:?}");
            assert_eq!(told.fact("version"), version.number(), "{name}");
            assert_eq!(bench.world.sim.writes().len(), before, "{version:?} {name} wrote");
        }
    }
}

#[tokio::test]
async fn a_read_without_an_answer_is_named_in_every_version() {
    for &version in &Version::ALL {
        let bench = Bench::new(version).await;
        // Every answer but that of the version is lost, however often somebody asks.
        bench.world.sim.knobs().add(Rule::new(Trouble::DropAnswer).path("/projects"));
        bench.world.sim.knobs().add(Rule::new(Trouble::DropAnswer).path("/build-status/"));
        let reads = about_a_repo().filter(|row| command(row.0).effect == Effect::Read);
        let told = reads.map(|(name, json, _)| async { (*name, bench.ask(name, json).await) });
        for (name, told) in futures_util::future::join_all(told).await {
            let found = (told.code(), told.reason());
            assert_eq!(found, (Code::Unavailable, "EGRESS_CUT"), "{version:?} {name}: {told:?}");
        }
        for row in beside::BESIDE {
            let told = bench.ask(row.name, row.json).await;
            row.cut.is_told(&told, &format!("{version:?} {}", row.name));
        }
    }
}

#[tokio::test]
async fn what_names_no_repository_is_told_too_in_every_version() {
    for &version in &Version::ALL {
        // `~alice` has no project of her own.
        let bench = Bench::new(version).await;
        bench.world.sim.limit_user("mallory", Permission::None, Permission::None, None);
        for row in beside::BESIDE {
            let elsewhere = row.json.replace("SHOP", "~alice");
            let told = bench.ask(row.name, &elsewhere).await;
            row.missing.is_told(&told, &format!("{version:?} missing {}", row.name));
            let told = bench.ask_on("mallory", row.name, row.json).await;
            row.denied.is_told(&told, &format!("{version:?} denied {}", row.name));
        }
    }
    let named = about_a_repo().map(|row| row.0).chain(beside::BESIDE.iter().map(|row| row.name));
    let named: BTreeSet<_> = named.map(str::to_owned).collect();
    assert_eq!(named, commands(|_| true), "every command has its rows");
}

/// Rows of what is done, that name a repository.
fn about_a_repo() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    done::DONE.iter().filter(|(_, json, _)| json.contains(r#""slug": "web""#))
}

fn commands(which: impl Fn(&gitproxy::proto::Method) -> bool) -> BTreeSet<String> {
    let of_scm = METHODS.iter().filter(|method| method.package == SCM_PACKAGE && which(method));
    let name = |path: &str| path.trim_start_matches(&format!("/{SCM_PACKAGE}.")).to_owned();
    of_scm.map(|method| name(method.path)).collect()
}

/// Whether a version is at least another.
fn has(version: Version, needs: &str) -> bool {
    let numbers = |text: &str| {
        text.split('.').take(2).map(|part| part.parse::<u32>().expect("a number")).collect::<Vec<_>>()
    };
    numbers(version.number()) >= numbers(needs)
}

/// What Bitbucket wants more for than to read the repository.
const NEED_WRITE: &[&str] =
    &["Refs/CreateBranch", "Refs/DeleteBranch", "Files/EditFile", "PullRequests/MergePR"];

impl beside::Told {
    fn is_told(&self, told: &Told, of: &str) {
        match self {
            Self::Reason(reason) => assert_eq!(told.reason(), *reason, "{of}: {told:?}"),
            Self::Check(text) => {
                assert!(told.code() == Code::Ok && told.json().contains(text), "{of}: {}", told.json());
            }
            Self::Well(member, why) => {
                assert!(told.code() == Code::Ok && told.has(member), "{of}, as {why}: {told:?}");
            }
            Self::Empty(member, why) => {
                assert!(told.code() == Code::Ok && !told.has(member), "{of}, as {why}: {told:?}");
            }
        }
    }
}

impl Told {
    /// A known user without a permission, whether Bitbucket hides the repository or not.
    fn is_not_permitted(&self) -> bool {
        (self.code(), self.reason()) == (Code::PermissionDenied, Reason::PermissionMissing.word())
    }
}
