//! `R/raw/{path}`: a file's exact bytes, streamed from git.

use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;

use super::{clean_path, commit_at, no_path, object_at, repo, route};
use crate::call::{Answer, Call};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(GET, repo!("/raw/{path*}"), Read, Bytes, later get)];

async fn get(call: Call) -> Answer {
    let (repo, git, path) = (call.repo()?, call.git()?, clean_path(&call)?);
    let at = commit_at(repo, &git, call.query.get("at")).await?;
    let object = object_at(&git, &at, &path).await?;
    if object.kind != "blob" {
        return Err(no_path(&path, &at.name));
    }
    let size = git.size(&object.id).await?;
    let body = git.stream(&["cat-file", "blob", &object.id], Some(size))?;
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(&path)));
    Ok(response)
}

/// The product guesses by name, and never lets a browser run what it finds: HTML is plain text.
fn kind(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        "bin" | "zip" | "jar" | "gz" | "tar" | "exe" | "so" | "class" => "application/octet-stream",
        _ => "text/plain;charset=UTF-8",
    }
}
