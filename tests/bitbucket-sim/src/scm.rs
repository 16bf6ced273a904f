//! `/scm/{project}/{slug}.git`: git's smart HTTP, by `git http-backend` (FACTS.md 6).

mod push;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use percent_encoding::utf8_percent_encode;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout};

use crate::app::App;
use crate::auth::{Actor, Permission};
use crate::body::{Body, Piped, full};
use crate::call::Answer;
use crate::entity::SEGMENT;
use crate::git::{self, ZERO};
use crate::journal::WriteKind;
use crate::refusal::Refusal;
use crate::store::Repo;
use crate::{build, pull};

/// Answers a request below `/scm`.
pub(crate) async fn serve(
    app: &Arc<App>,
    identified: Result<Option<Actor>, Refusal>,
    segments: &[String],
    request: Request<Incoming>,
) -> Answer {
    let (Some(key), Some(name), Some(rest)) = (segments.get(1), segments.get(2), segments.get(3..)) else {
        return Err(Refusal::Bare(StatusCode::NOT_FOUND));
    };
    let Ok(Some(actor)) = identified else { return Ok(challenge()) };
    let slug = name.strip_suffix(".git").unwrap_or(name);
    let service = rest.join("/");
    let repo = find(app, key, slug, &service, &request)?;
    let query = request.uri().query().unwrap_or("").to_owned();
    let push = service == "git-receive-pack" || query.contains("service=git-receive-pack");
    let least = if push { Permission::Write } else { Permission::Read };
    let allowed = actor.repo(&repo.project);
    // Missing and forbidden repositories look alike to who may not even read.
    if allowed < Permission::Read || !SERVICES.contains(&service.as_str()) {
        return Err(unknown());
    }
    if allowed < least || (push && repo.archived) {
        let text = format!("You are not permitted to push to {}", repo.label());
        return Err(Refusal::Text(StatusCode::FORBIDDEN, "text/plain", text));
    }
    if service == "git-receive-pack" {
        receive(app, &repo, &actor, request).await
    } else {
        let (head, body) = request.into_parts();
        run(app, &repo, &actor, head, body.boxed_unsync(), "").await.map(streamed)
    }
}

fn find(
    app: &App,
    key: &str,
    slug: &str,
    service: &str,
    request: &Request<Incoming>,
) -> Result<Repo, Refusal> {
    let store = app.store();
    if let Some(repo) = store.find_repo(key, slug) {
        return Ok(repo.clone());
    }
    let repo = store.moved_repo(key, slug).ok_or_else(unknown)?;
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let project = repo.project.to_lowercase();
    let slug = utf8_percent_encode(&repo.slug, SEGMENT);
    Err(Refusal::Moved(format!("{}/scm/{project}/{slug}.git/{service}{query}", app.base)))
}

/// A push: git's answer is short, so it is collected, and what moved is noted before the client hears of it.
async fn receive(app: &Arc<App>, repo: &Repo, actor: &Actor, request: Request<Incoming>) -> Answer {
    let _alone = app.write_lock(repo.id).await;
    let before = heads(repo).await?;
    let (head, body) = request.into_parts();
    let (commands, body) = push::read_commands(body).await?;
    let refused = push::refusals(app, repo, actor, &commands).await?;
    let mut cgi = run(app, repo, actor, head, body, &refused).await?;
    let mut report = Vec::new();
    cgi.out.read_to_end(&mut report).await.map_err(git::Error::from)?;
    let after = heads(repo).await?;
    for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
        let at = |refs: &BTreeMap<String, String>| refs.get(name).cloned().unwrap_or_else(|| ZERO.to_owned());
        let (old, new) = (at(&before), at(&after));
        if old != new {
            let facts = [("ref", name.as_str()), ("from", old.as_str()), ("to", new.as_str())];
            app.journal.wrote(WriteKind::Push, &repo.label(), &facts);
            if new != ZERO {
                build::start(app, repo, &new, name);
            }
        }
    }
    pull::refresh(app, repo.id).await?;
    Ok(cgi.head.map(|()| full(report)))
}

async fn heads(repo: &Repo) -> Result<BTreeMap<String, String>, git::Error> {
    let refs = repo.git().refs("refs").await?;
    let own = refs.into_iter().filter(|found| !found.name.starts_with("refs/pull-requests/"));
    Ok(own.map(|found| (found.name, found.commit)).collect())
}

/// A CGI answer: its head, and what is still to come.
struct Cgi {
    head: Response<()>,
    child: Child,
    out: BufReader<ChildStdout>,
}

fn streamed(cgi: Cgi) -> Response<Body> {
    let body = Piped::new(cgi.child, cgi.out, None).boxed_unsync();
    cgi.head.map(|()| body)
}

/// Starts `git http-backend`, feeds it the request as it arrives, and reads the answer's head.
async fn run(
    app: &Arc<App>,
    repo: &Repo,
    actor: &Actor,
    head: Parts,
    mut body: push::Upload,
    refused: &str,
) -> Result<Cgi, Refusal> {
    let below = head.uri.path().split_once(".git/").map_or("", |(_, service)| service);
    let text = |name: HeaderName| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned()
    };
    let mut command = repo.git().command();
    command.arg("http-backend").stdin(Stdio::piped()).stderr(Stdio::null());
    command.env("GIT_PROJECT_ROOT", &repo.dir).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", format!("/{below}")).env("REQUEST_METHOD", head.method.as_str());
    command.env("QUERY_STRING", head.uri.query().unwrap_or("")).env("REMOTE_USER", &actor.label);
    command.env("REMOTE_ADDR", "127.0.0.1").env("CONTENT_TYPE", text(header::CONTENT_TYPE));
    command.env("HTTP_CONTENT_ENCODING", text(header::CONTENT_ENCODING));
    command.env(push::REFUSED, refused);
    command.env("GIT_PROTOCOL", text(HeaderName::from_static("git-protocol")));
    let length = text(header::CONTENT_LENGTH);
    if !length.is_empty() {
        command.env("CONTENT_LENGTH", length);
    }
    let mut child = command.spawn().map_err(git::Error::from)?;
    let (stdin, out) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(out)) = (stdin, out) else {
        return Err(git::Error::Output("http-backend").into());
    };
    if head.method == Method::POST {
        app.spawn(async move {
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                if stdin.write_all(&data).await.is_err() {
                    break;
                }
            }
        });
    }
    let mut out = BufReader::new(out);
    let head = read_head(&mut out).await?;
    Ok(Cgi { head, child, out })
}

async fn read_head(out: &mut BufReader<ChildStdout>) -> Result<Response<()>, Refusal> {
    let mut response = Response::new(());
    loop {
        let mut line = String::new();
        let read = out.read_line(&mut line).await.map_err(git::Error::from)?;
        let line = line.trim_end();
        if line.is_empty() {
            // No head at all means that git died before it spoke.
            return if read == 0 { Err(git::Error::Output("http-backend").into()) } else { Ok(response) };
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok());
            *response.status_mut() = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        } else if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
}

fn challenge() -> Response<Body> {
    let mut response =
        Refusal::Text(StatusCode::UNAUTHORIZED, "text/plain", "Authentication required".to_owned())
            .into_response(false);
    let basic = HeaderValue::from_static("Basic realm=\"Atlassian Bitbucket\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    response
}

fn unknown() -> Refusal {
    let text = "Repository not found\nThe requested repository does not exist, or you do not have permission to access it.";
    Refusal::Text(StatusCode::NOT_FOUND, "text/plain", text.to_owned())
}

/// The three requests of smart HTTP.
const SERVICES: [&str; 3] = ["info/refs", "git-upload-pack", "git-receive-pack"];
