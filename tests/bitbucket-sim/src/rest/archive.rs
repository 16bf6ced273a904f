//! `R/archive`: a snapshot, streamed from `git archive`.

use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;

use super::{clean_path_of, commit_at, object_at, repo, route};
use crate::call::{Answer, Call};
use crate::entity::{display, short};
use crate::refusal::{Refusal, bad_argument};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(GET, repo!("/archive"), Read, Bytes, later get)];

async fn get(call: Call) -> Answer {
    let (repo, git) = (call.repo()?, call.git()?);
    let at = commit_at(repo, &git, call.query.get("at")).await?;
    let ending = call.query.get("format").unwrap_or("zip");
    let (format, kind) = match ending {
        "zip" => ("zip", "application/zip"),
        "tar" => ("tar", "application/x-tar"),
        "tar.gz" | "tgz" => ("tar.gz", "application/x-gzip"),
        other => return Err(bad_argument(format!("{other} is no archive format")).about("format")),
    };
    let mut args = vec!["archive".to_owned(), format!("--format={format}")];
    if let Some(prefix) = call.query.get("prefix") {
        args.push(format!("--prefix={}/", prefix.trim_end_matches('/')));
    }
    args.extend([at.commit.clone(), "--".to_owned()]);
    for path in call.query.all("path") {
        // Once the stream has begun, nothing can be refused any more.
        let path = clean_path_of(path)?;
        object_at(&git, &at, &path).await?;
        args.push(format!(":(literal){path}"));
    }
    let name = call.query.get("filename").map_or_else(
        || {
            // A commit is named by itself, a ref with its commit.
            let named = if at.commit.starts_with(&at.name) {
                String::new()
            } else {
                format!("{}@", display(&at.name))
            };
            format!("{}-{}{}.{ending}", repo.slug, named.replace('/', "-"), short(&at.commit))
        },
        |name| name.replace(['"', '\\', '\r', '\n'], "_"),
    );
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut response = Response::new(git.stream(&args, None)?.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let name = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    headers.insert(header::CONTENT_DISPOSITION, name.map_err(|_| Refusal::NoRoute)?);
    Ok(response)
}
