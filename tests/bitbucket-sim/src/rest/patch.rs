//! `R/patch`: commits as mails, for `git am`.

use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;

use super::{commit_named, repo, route};
use crate::call::{Answer, Call};
use crate::refusal::bad_argument;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(GET, repo!("/patch"), Read, Bytes, later get)];

/// One commit; with `since` all after it; with `allAncestors=true` everything up to `until`.
async fn get(call: Call) -> Answer {
    let (repo, git) = (call.repo()?, call.git()?);
    let until = call.query.get("until").ok_or_else(|| bad_argument("An until revision is required"))?;
    let until = commit_named(repo, &git, until).await?;
    let mut args = vec!["format-patch".to_owned(), "--stdout".to_owned()];
    match call.query.get("since") {
        _ if call.query.get("allAncestors") == Some("true") => args.extend(["--root".to_owned(), until]),
        Some(since) => args.push(format!("{}..{until}", commit_named(repo, &git, since).await?)),
        None => args.extend(["-1".to_owned(), until]),
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut response = Response::new(git.stream(&args, None)?.boxed_unsync());
    let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
