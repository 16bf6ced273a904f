//! Answers of real Bitbuckets, replayed: what one says arrives in the messages of the contract, and each refusal gets its reason.
//!
//! `BITBUCKET_FIXTURES` names a folder with an `INDEX.json`: a list of files, each with the method, the endpoint and the status
//! that it was the answer of. They are not part of this repository; where the variable is not set, the test is skipped.

mod commands;
mod excepted;
mod house;
mod members;
mod pointers;
pub(crate) mod recording;
mod table;

use std::collections::BTreeSet;

use self::commands::Replayed;
use self::excepted::EXCEPTED;
use self::house::House;
use self::recording::Recording;
use self::table::COMMANDS;

#[tokio::test]
async fn what_a_real_bitbucket_said_arrives() {
    let Some(recordings) = recording::all() else { return };
    let house = House::start().await;
    let (mut replayed, mut excepted, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for recording in &recordings {
        let command = COMMANDS.iter().find(|command| command.is_of(recording));
        let found = match command {
            Some(command) if recording.is_success() => well(&house, command, recording).await,
            _ if recording.is_refusal() => refused(&house, command, recording).await,
            // Of an endpoint that no command asks, such as webhooks and settings.
            Some(_) | None => continue,
        };
        match (EXCEPTED.iter().find(|(file, _)| recording.file == *file), found) {
            (None, Ok(())) => replayed.insert(recording.file.clone()),
            (None, Err(problem)) => {
                wrong.push(format!("{}: {problem}", recording.file));
                false
            }
            (Some(_), Err(_)) => excepted.insert(recording.file.clone()),
            (Some((file, _)), Ok(())) => {
                wrong.push(format!("{file} is excepted, and does arrive"));
                false
            }
        };
    }
    println!("{} replayed, {} excepted", replayed.len(), excepted.len());
    for (file, why) in EXCEPTED {
        println!("excepted: {file}: {why}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(replayed.len() >= 100, "only {} replayed", replayed.len());
    assert!(excepted.len() <= 10 && excepted.len() == EXCEPTED.len(), "{excepted:?}");
}

/// Replays a success; every member that the table names and the answer has must be in the message.
async fn well(house: &House, command: &Replayed, recording: &Recording) -> Result<(), String> {
    let message = match house.ask(command, recording).await {
        Ok(message) => message,
        Err(status) if is_of_another(command, &status) => return Ok(()),
        Err(status) => return Err(format!("{status:?}")),
    };
    let body = recording.body_as_json();
    let Replayed { from, to, members, .. } = command;
    let pointers =
        members.iter().map(|(source, target)| (format!("{from}{source}"), format!("{to}{target}")));
    let lost: Vec<_> = pointers
        .filter_map(|(source, target)| {
            let (said, arrived) = (pointers::count(&body, &source), pointers::count(&message, &target));
            (arrived < said).then(|| format!("of {said} {source} {arrived} arrive as {target}"))
        })
        .collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("{} in {message}", lost.join(", "))) }
}

/// The house says what was recorded, whoever asks and whatever was published: that it is about something else than was asked
/// for has been read from it.
fn is_of_another(command: &Replayed, status: &tonic::Status) -> bool {
    let reason = gitproxy::proto::Reason::of(status).map_or("", gitproxy::proto::Reason::word);
    match (command.name, command.method) {
        ("Builds/PublishReport", _) => status.message().contains("Bitbucket has something else now"),
        ("PullRequests/ReviewPR", "GET") => reason == "TOKEN_HAS_NO_USER",
        _ => false,
    }
}

/// Replays a refusal: by the command that it was the answer to, or else by one that reads.
async fn refused(
    house: &House,
    command: Option<&'static Replayed>,
    recording: &Recording,
) -> Result<(), String> {
    let Some(expected) = recording.reason() else {
        return Err("no reason is known for it: add one".to_owned());
    };
    // These pass over what is not there.
    let command = command.filter(|command| {
        !["Connections/TestConnection", "Repos/ListProjects", "Builds/PublishReport"].contains(&command.name)
    });
    let command = command.unwrap_or_else(|| commands::any(recording));
    let Err(status) = house.ask(command, recording).await else {
        return if expected.is_empty() { Ok(()) } else { Err("it was taken for a success".to_owned()) };
    };
    let found = gitproxy::proto::Reason::of(&status).map_or("", gitproxy::proto::Reason::word);
    if found == expected { Ok(()) } else { Err(format!("{found} and not {expected}: {status:?}")) }
}
