//! The requests, by what they are about. Each expects a status, which a release that lacks the resource need not give.

mod commits;
mod places;
mod pulls;
mod rules;
mod talk;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::player::Player;

/// The whole script; one part leaves behind what the next one reads.
pub(super) async fn run(player: &mut Player) {
    places::instance(player).await;
    places::projects(player).await;
    places::repos(player).await;
    commits::refs(player).await;
    commits::content(player).await;
    commits::builds(player).await;
    commits::insights(player).await;
    pulls::reading(player).await;
    talk::comments(player).await;
    talk::commit_comments(player).await;
    pulls::review(player).await;
    pulls::ends(player).await;
    pulls::automatic(player).await;
    rules::reviewers(player).await;
    rules::restrictions(player).await;
    rules::tokens(player).await;
    rules::refused(player).await;
}

/// A member as it stands in a path.
fn word(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "0".to_owned(),
    }
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:secret")))
}
