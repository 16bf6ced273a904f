//! `R/browse/{path}`: a folder's names, or a file by lines (FACTS.md 3).

use serde_json::{Value, json};

use super::{At, blame, clean_path, commit_at, no_path, object_at, repo, route};
use crate::call::{Answer, Call, ok};
use crate::entity::path_json;
use crate::git::{Entry, Git, Object};
use crate::page::Page;
use crate::refusal::Refusal;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(GET, repo!("/browse/{path*}"), Read, Json, later get)];

async fn get(call: Call) -> Answer {
    let (repo, git, path) = (call.repo()?, call.git()?, clean_path(&call)?);
    let at = commit_at(repo, &git, call.query.get("at")).await?;
    let object = object_at(&git, &at, &path).await?;
    if call.query.get("type") == Some("true") {
        return ok(&json!({"type": kind(&object.kind)}));
    }
    if call.query.get("size") == Some("true") && object.kind == "blob" {
        return ok(&json!({"size": git.size(&object.id).await?}));
    }
    match object.kind.as_str() {
        "tree" => ok(&folder(&git, &object, &path, &at, call.page(1000)?).await?),
        "blob" => {
            let blames = call.query.has("blame");
            let page = Page::of(&call.query, LINES, LINES)?;
            let mut json = match blames && call.query.has("noContent") {
                true => json!({}),
                false => lines(&git, &object, &path, page).await?,
            };
            if blames && json.get("binary").is_none() {
                let blame = blame::of(&call, &git, &at.commit, &path).await?;
                // Without the content, the blame is the whole answer.
                json = if json.get("lines").is_none() { blame } else { with(json, blame) };
            }
            ok(&json)
        }
        _ => Err(no_path(&path, &at.name)),
    }
}

async fn folder(git: &Git, object: &Object, path: &str, at: &At, page: Page) -> Result<Value, Refusal> {
    let entries = git.entries(&object.id).await?;
    let children = page.stored(entries.iter().map(entry_json));
    let mut own = path_json(path);
    if let Some(own) = own.as_object_mut() {
        own.retain(|name, _| ["components", "name", "toString"].contains(&name.as_str()));
    }
    Ok(json!({"path": own, "revision": at.name, "children": children}))
}

fn entry_json(entry: &Entry) -> Value {
    let mut json = json!({"path": {"components": [entry.name], "parent": "", "name": entry.name,
                                   "toString": entry.name},
                          "node": entry.id, "type": kind(&entry.kind)});
    if entry.kind == "blob" {
        json["contentId"] = json!(entry.id);
        json["size"] = json!(entry.size.unwrap_or(0));
    }
    if let Some((_, extension)) = entry.name.rsplit_once('.') {
        json["path"]["extension"] = json!(extension);
    }
    json
}

/// The lines lose their ends, so CRLF and a missing last newline are lost; a long line is cut without a word.
async fn lines(git: &Git, object: &Object, path: &str, page: Page) -> Result<Value, Refusal> {
    // A binary file may be larger than memory.
    if git.beginning(&object.id, 8000).await?.contains(&0) {
        return Ok(json!({"binary": true, "path": path_json(path)}));
    }
    let bytes = git.blob(&object.id).await?;
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| json!({"text": line.chars().take(LONGEST_LINE).collect::<String>()});
    let all: Vec<Value> = text.lines().map(line).collect();
    let shown: Vec<Value> = all.iter().skip(page.start).take(page.limit).cloned().collect();
    let last = page.start + shown.len() >= all.len();
    let mut json = json!({"lines": shown, "start": page.start, "size": shown.len(), "isLastPage": last,
                          "limit": page.limit});
    if !last {
        json["nextPageStart"] = json!(page.start + page.limit);
    }
    Ok(json)
}

fn with(mut lines: Value, blame: Value) -> Value {
    lines["blame"] = blame;
    lines
}

fn kind(git: &str) -> &'static str {
    match git {
        "tree" => "DIRECTORY",
        "commit" => "SUBMODULE",
        _ => "FILE",
    }
}

/// Lines of a page, and the most of them.
const LINES: usize = 5000;

/// Characters of a line that are shown.
const LONGEST_LINE: usize = 5000;
