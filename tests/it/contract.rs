//! The simulator's answers, held against the document of the REST interface and against recordings of real servers.
//!
//! `BITBUCKET_OPENAPI` names the document (corrected where real servers are known to differ), `BITBUCKET_FIXTURES` the folder of the
//! recordings. Neither is part of this repository; what is not set, is skipped.

mod document;
mod excepted;
mod player;
mod script;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bitbucket_sim::Version;
use gitproxy::ops::settings::environment;
use tokio::sync::OnceCell;

use self::document::Document;
use self::excepted::{ANSWERS, MEMBERS, STAND_INS, is_answer, is_member};
use self::player::{Exchange, Player};
use self::shape::Shape;
use crate::replay::recording::{self, Recording};
use crate::tools::need::skip;

#[tokio::test]
async fn every_answer_is_one_that_the_document_has() {
    let Some(path) = environment("BITBUCKET_OPENAPI").map(PathBuf::from) else {
        skip("BITBUCKET_OPENAPI names no document of the REST interface");
        return;
    };
    let (mut document, exchanges) = (Document::read(&path), played().await);
    let mut wrong = BTreeMap::new();
    let (mut hit, mut used) = (BTreeSet::new(), BTreeSet::new());
    for exchange in exchanges {
        let Some(pattern) = bitbucket_sim::route_of(&exchange.method, &exchange.path) else { continue };
        let operations = document.operations_of(&exchange.method, pattern);
        let Some(operation) = operations.iter().find(|(_, path)| is_of(path, &exchange.path)) else {
            continue;
        };
        if exchange.version == Version::V9_4 {
            hit.insert(operation.clone());
        } else if exchange.is_of_no_route() {
            continue;
        }
        let Err(problem) = document.check(operation, exchange) else { continue };
        match ANSWERS.iter().position(|excepted| is_answer(excepted, operation, &problem)) {
            Some(excepted) => used.insert(excepted),
            None => wrong
                .insert(format!("{} {}: {problem}", operation.0, operation.1), exchange.version)
                .is_none(),
        };
    }
    let all: BTreeSet<_> = bitbucket_sim::routes()
        .flat_map(|(method, pattern)| document.operations_of(method, pattern))
        .collect();
    let idle: Vec<_> = all.difference(&hit).collect();
    println!("{} endpoints validated, {} answers, {} excepted", hit.len(), exchanges.len(), used.len());
    let wrong: Vec<_> = wrong.iter().map(|(what, version)| format!("{version:?}: {what}")).collect();
    assert!(idle.is_empty(), "the script does not ask for {} endpoints: {idle:#?}", idle.len());
    assert!(wrong.is_empty(), "{} answers are not of the document:\n{}", wrong.len(), wrong.join("\n"));
    let spare: Vec<_> = (0..ANSWERS.len()).filter(|at| !used.contains(at)).map(|at| ANSWERS[at]).collect();
    assert!(spare.is_empty(), "exceptions that nothing needs: {spare:?}");
}

#[tokio::test]
async fn every_member_of_a_recording_is_in_the_simulators_answer() {
    let Some(recordings) = recording::all() else { return };
    let mut shapes = BTreeMap::<_, Shape>::new();
    for exchange in played().await {
        let Some(json) = exchange.json() else { continue };
        let pattern = bitbucket_sim::route_of(&exchange.method, &exchange.path);
        let refused = exchange.status >= 400;
        shapes
            .entry(if refused { None } else { pattern.map(|route| (exchange.method.clone(), route)) })
            .or_default()
            .add(&json);
    }
    let (mut compared, mut used, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for recording in recordings
        .iter()
        .filter(|recording| recording.body_as_json().is_object() || recording.body_as_json().is_array())
    {
        let Some(route) = route_of(recording) else { continue };
        let key = if recording.is_success() { Some((recording.method.clone(), route)) } else { None };
        let Some(shape) = shapes.get(&key) else {
            wrong.push(format!("{}: the script has no such answer of {route}", recording.file));
            continue;
        };
        compared += 1;
        for (place, problem) in shape.lacks(&recording.body_as_json()) {
            match MEMBERS.iter().position(|excepted| is_member(excepted, &recording.file, &place)) {
                Some(excepted) => {
                    used.insert(excepted);
                }
                None => wrong
                    .push(format!("{} ({} {route}): {place}: {problem}", recording.file, recording.method)),
            }
        }
    }
    println!("{compared} recordings compared, {} members excepted", used.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 100, "only {compared} compared");
    let spare: Vec<_> = (0..MEMBERS.len()).filter(|at| !used.contains(at)).map(|at| MEMBERS[at]).collect();
    assert!(spare.is_empty(), "exceptions that nothing needs: {spare:?}");
}

/// The script in every release, once for both tests.
async fn played() -> &'static [Exchange] {
    PLAYED
        .get_or_init(|| async {
            let play = async |version| {
                let mut player = Player::start(version).await;
                script::run(&mut player).await;
                let surprises = if version == Version::V9_4 { player.surprises } else { Vec::new() };
                (player.exchanges, surprises)
            };
            let [a, b, c, d, e] = Version::ALL.map(play);
            let (a, b, c, d, e) = tokio::join!(a, b, c, d, e);
            let (exchanges, surprises): (Vec<_>, Vec<_>) = [a, b, c, d, e].into_iter().unzip();
            let surprises = surprises.concat();
            assert!(surprises.is_empty(), "{}", surprises.join("\n"));
            exchanges.concat()
        })
        .await
}

static PLAYED: OnceCell<Vec<Exchange>> = OnceCell::const_new();

/// Whether a path, as of the document, is as long as one that was asked for, or has a tail.
fn is_of(path: &str, asked: &str) -> bool {
    let count = |path: &str| path.trim_end_matches('/').split('/').count();
    count(path) == count(asked) || (path.ends_with("/{}") && count(path) < count(asked))
}

/// The simulator's route for what a recording was the answer to.
fn route_of(recording: &Recording) -> Option<&'static str> {
    let mut endpoint = recording.endpoint.clone();
    for (name, meant) in STAND_INS {
        endpoint = endpoint.replace(name, meant);
    }
    bitbucket_sim::route_of(&recording.method, &endpoint)
}
