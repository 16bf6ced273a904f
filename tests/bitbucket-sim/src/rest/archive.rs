//! `R/archive`: a snapshot, streamed from `git archive`.

use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;

use super::{commit_at, repo, route};
use crate::call::{Answer, Call};
use crate::refusal::{Refusal, bad_argument};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(GET, repo!("/archive"), Read, Bytes, later get)];

async fn get(call: Call) -> Answer {
    let (repo, git) = (call.repo()?, call.git()?);
    let at = commit_at(repo, &git, call.query.get("at")).await?;
    let (format, kind) = match call.query.get("format").unwrap_or("zip") {
        "zip" => ("zip", "application/zip"),
        "tar" => ("tar", "application/x-tar"),
        "tar.gz" | "tgz" => ("tar.gz", "application/x-gzip"),
        other => return Err(bad_argument(format!("{other} is no archive format")).about("format")),
    };
    let (format_arg, mut prefix) = (format!("--format={format}"), String::new());
    let mut args = vec!["archive", format_arg.as_str()];
    if let Some(wanted) = call.query.get("prefix") {
        prefix = format!("--prefix={}/", wanted.trim_end_matches('/'));
    }
    if !prefix.is_empty() {
        args.push(&prefix);
    }
    args.extend([at.commit.as_str(), "--"]);
    args.extend(call.query.get("path"));
    let name =
        format!("attachment; filename=\"{}-{}.{format}\"", repo.slug, crate::entity::short(&at.commit));
    let mut response = Response::new(git.stream(&args, None)?.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(|_| Refusal::NoRoute)?);
    Ok(response)
}
