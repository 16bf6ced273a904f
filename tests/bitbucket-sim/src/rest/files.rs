//! `R/files/{path}`: every file below a folder, as strings relative to it.

use serde_json::Value;

use super::{clean_path, commit_at, no_path, object_at, repo, route};
use crate::call::{Answer, Call, ok};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(GET, repo!("/files/{path*}"), Read, Json, later list)];

async fn list(call: Call) -> Answer {
    let (repo, git, path, page) = (call.repo()?, call.git()?, clean_path(&call)?, call.page(100_000)?);
    let at = commit_at(repo, &git, call.query.get("at")).await?;
    let object = object_at(&git, &at, &path).await?;
    if object.kind != "tree" {
        return Err(no_path(&path, &at.name));
    }
    ok(&page.stored(git.files(&object.id).await?.into_iter().map(Value::from)))
}
