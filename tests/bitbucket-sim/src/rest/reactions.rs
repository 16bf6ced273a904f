//! `/rest/comment-likes`: emoticons on comments.

use serde_json::json;

use super::route;
use crate::call::{Answer, Call, no_content, ok};
use crate::comment::{self, Comment};
use crate::journal::WriteKind;
use crate::refusal::Refusal;
use crate::route::Route;
use crate::store::{Repo, Store};

macro_rules! reaction {
    ($on:literal) => {
        concat!(
            "rest/comment-likes/{v}/projects/{key}/repos/{slug}/",
            $on,
            "/comments/{comment}/reactions/{emoticon}"
        )
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(PUT, reaction!("pull-requests/{id}"), Read, Json, now add),
    route!(DELETE, reaction!("pull-requests/{id}"), Read, Json, now remove),
    route!(PUT, reaction!("commits/{sha}"), Read, Json, now add),
    route!(DELETE, reaction!("commits/{sha}"), Read, Json, now remove),
];

/// The comments in the path: a pull request's or a commit's.
fn comments<'a>(store: &'a mut Store, repo: &Repo, call: &Call) -> Result<&'a mut Vec<Comment>, Refusal> {
    if call.param("id").is_empty() {
        return Ok(store.commit_comments.entry((repo.id, call.param("sha").to_owned())).or_default());
    }
    Ok(&mut store.pull(repo, call.param("id"))?.comments)
}

fn add(call: &Call) -> Answer {
    let (repo, user) = (call.repo()?.clone(), call.user()?.to_owned());
    let emoticon = call.param("emoticon").to_owned();
    let mut store = call.app.store();
    let all = comments(&mut store, &repo, call)?;
    let comment = comment::find(all, call.param("comment"), &user)?;
    let reaction = (emoticon.clone(), user.clone());
    if !comment.reactions.contains(&reaction) {
        comment.reactions.push(reaction);
        note(call, &repo, "true");
    }
    let comment = comment.clone();
    let all = all.clone();
    ok(&json!({
        "comment": store.comment_json(repo.id, &all, &comment, &user),
        "emoticon": store.emoticon_json(&emoticon), "user": store.user_json_by_name(&user),
    }))
}

fn remove(call: &Call) -> Answer {
    let (repo, user) = (call.repo()?.clone(), call.user()?.to_owned());
    let mut store = call.app.store();
    let comment = comment::find(comments(&mut store, &repo, call)?, call.param("comment"), &user)?;
    comment.reactions.retain(|(kind, by)| *kind != call.param("emoticon") || *by != user);
    note(call, &repo, "false");
    no_content()
}

fn note(call: &Call, repo: &Repo, given: &str) {
    let facts = [("comment", call.param("comment")), ("emoticon", call.param("emoticon")), ("given", given)];
    call.app.journal.wrote(WriteKind::React, &repo.label(), &facts);
}
