//! Sockets, and the way of a request from arrival to answer.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use percent_encoding::utf8_percent_encode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::auth::{Actor, Basic, Permission, identify};
use crate::body::{Body, Cut};
use crate::call::{Answer, Call, Query, is_json};
use crate::entity::SEGMENT;
use crate::knobs::Fault;
use crate::refusal::{Refusal, api, conflict, forbidden};
use crate::route::{self, Found, Gives, Handler, Need, Params, Route};
use crate::store::Repo;
use crate::{pull, rest, scm};

/// Accepts connections until told to stop, then gives those in progress a second.
pub(crate) async fn accept(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    mut stopped: watch::Receiver<bool>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let (mut connections, told) = (JoinSet::new(), stopped.clone());
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                connections.spawn(connection(Arc::clone(&app), acceptor.clone(), socket, told.clone()));
            },
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, all).await;
}

async fn connection(
    app: Arc<App>,
    tls: Option<TlsAcceptor>,
    socket: TcpStream,
    stopped: watch::Receiver<bool>,
) {
    let _ = socket.set_nodelay(true);
    match tls {
        None => converse(app, socket, stopped).await,
        // A handshake that fails is the client's affair: that is how clients without our CA end.
        Some(tls) => {
            if let Ok(stream) = tls.accept(socket).await {
                converse(app, stream, stopped).await;
            }
        }
    }
}

async fn converse(
    app: Arc<App>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| handle(Arc::clone(&app), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// Answers one request; an error drops the connection.
async fn handle(app: Arc<App>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let method = request.method().clone();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let number = app.journal.arrived(method.as_str(), &path);
    let (mut instead, mut cut, mut lost) = (None, None, false);
    for fault in app.knobs.hit(method.as_str(), &path) {
        match fault {
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Stall => pending().await,
            Fault::CutAfter(bytes) => cut = Some(bytes),
            Fault::DropAnswer => lost = true,
            Fault::Status(_)
            | Fault::TooManyRequests(_)
            | Fault::LoginPage
            | Fault::LoginRedirect
            | Fault::NoRoute => instead = Some(faulty(&app, &fault)),
        }
    }
    let (mut response, actor) = match instead {
        Some(response) => (response, None),
        None => answer(&app, number, request).await,
    };
    decorate(response.headers_mut(), number, actor.as_ref());
    if response.status() == StatusCode::UNAUTHORIZED
        && !response.headers().contains_key(header::WWW_AUTHENTICATE)
        && let Ok(realm) =
            HeaderValue::try_from(format!("OAuth realm=\"{}\"", utf8_percent_encode(&app.base, SEGMENT)))
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    app.journal.answered(number, response.status().as_u16());
    if lost {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    Ok(match cut {
        Some(bytes) => response.map(|body| Cut::new(body, bytes).boxed_unsync()),
        None => response,
    })
}

/// The answer and who got it.
async fn answer(app: &Arc<App>, number: u64, request: Request<Incoming>) -> (Response<Body>, Option<Actor>) {
    let xml = !accepts(request.headers(), "application/json");
    let mut actor = None;
    let result = respond(app, number, request, &mut actor).await;
    (result.unwrap_or_else(|refusal| refuse(refusal, xml)), actor)
}

fn refuse(refusal: Refusal, xml: bool) -> Response<Body> {
    let mut response = refusal.into_response(xml);
    if response.status() == StatusCode::UNAUTHORIZED
        && !response.headers().contains_key(header::WWW_AUTHENTICATE)
    {
        let realm = HeaderValue::from_static("OAuth realm=\"https%3A%2F%2Flocalhost\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

async fn respond(
    app: &Arc<App>,
    number: u64,
    request: Request<Incoming>,
    seen: &mut Option<Actor>,
) -> Answer {
    let no_page =
        || Refusal::Text(StatusCode::NOT_FOUND, "text/html;charset=UTF-8", "<h1>Not found</h1>".to_owned());
    let below = request.uri().path().strip_prefix(&app.context).filter(|below| below.starts_with('/'));
    let below = below.ok_or_else(no_page)?;
    let segments = route::segments(below).ok_or(Refusal::Bare(StatusCode::BAD_REQUEST))?;
    let area = segments.first().map_or("", String::as_str);
    if area != "status" && app.knobs.current_state().holds_back() {
        return Err(api(StatusCode::SERVICE_UNAVAILABLE, "", "Bitbucket is not available at the moment."));
    }
    let basic = match area {
        "rest" if !app.config.basic_auth.unwrap_or(!app.config.version.refuses_basic()) => Basic::Refused,
        _ => Basic::Accepted,
    };
    let identified = identify(&mut app.store(), request.headers(), basic);
    if let Ok(Some(actor)) = &identified {
        app.journal.known(number, &actor.label);
        *seen = Some(actor.clone());
        if let Some(fault) = app.knobs.spend(&actor.label) {
            return Ok(faulty(app, &fault));
        }
    }
    if area == "scm" {
        return scm::serve(app, identified, &segments, request).await;
    }
    let (route, params) = match route::find(rest::TABLES, request.method(), &segments) {
        Found::Route(route, params) => (route, params),
        Found::OtherMethod => return Err(Refusal::Bare(StatusCode::METHOD_NOT_ALLOWED)),
        Found::Nothing if area == "rest" => return Err(identified.err().unwrap_or(Refusal::NoRoute)),
        Found::Nothing => return Err(no_page()),
    };
    let actor = match (route.need, identified) {
        // A public resource answers whatever the credentials are.
        (Need::Nothing, identified) => identified.ok().flatten(),
        (_, identified) => Some(identified?.ok_or_else(|| anonymous(app))?),
    };
    let repo = admit(app, route, &params, actor.as_ref(), &request)?;
    let _ticket = match route.handler {
        Handler::Later(_) if repo.is_some() => app.knobs.ticket().map_err(|_| busy())?,
        Handler::Later(_) | Handler::Now(_) => None,
    };
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let (head, body) = request.into_parts();
    let (app, headers, body) = (Arc::clone(app), head.headers, Some(body));
    run(route, Call { app, actor, params, query, headers, repo, body }).await
}

/// Runs the handler. A write goes on when its client hangs up, as it does on a real server.
async fn run(route: &Route, call: Call) -> Answer {
    match route.handler {
        Handler::Later(handler) if route.method == Method::GET => handler(call).await,
        Handler::Now(handler) if route.method == Method::GET => handler(&call),
        // What waits to be merged may be free to be after any write.
        Handler::Now(handler) => {
            let answer = handler(&call);
            let app = Arc::clone(&call.app);
            app.spawn(async move { pull::settle(&call.app).await });
            answer
        }
        Handler::Later(handler) => {
            let (done, answer) = oneshot::channel();
            let app = Arc::clone(&call.app);
            app.spawn(async move {
                let app = Arc::clone(&call.app);
                let _ = done.send(handler(call).await);
                pull::settle(&app).await;
            });
            answer.await.unwrap_or(Err(Refusal::Bare(StatusCode::INTERNAL_SERVER_ERROR)))
        }
    }
}

/// The checks before a handler runs; gives the repository in the path.
fn admit(
    app: &App,
    route: &Route,
    params: &Params,
    actor: Option<&Actor>,
    request: &Request<Incoming>,
) -> Result<Option<Repo>, Refusal> {
    let headers = request.headers();
    if forged(app, request.method(), headers) {
        return Err(Refusal::Text(
            StatusCode::FORBIDDEN,
            "text/html;charset=UTF-8",
            "XSRF check failed".to_owned(),
        ));
    }
    if route.gives == Gives::Json && !accepts(headers, "application/json") {
        return Err(Refusal::Bare(StatusCode::NOT_ACCEPTABLE));
    }
    if route.need == Need::System && actor.is_none_or(|actor| !actor.administers_all()) {
        return Err(forbidden());
    }
    let store = app.store();
    let (Some(key), Some(actor)) = (params.get("key"), actor) else { return Ok(None) };
    let Some(slug) = params.get("slug") else {
        let project = store.project(key)?;
        let least = if route.need == Need::ProjectAdmin { Permission::Admin } else { Permission::Read };
        let allowed = actor.project(&project.key).max(actor.repo(&project.key)) >= Permission::Read
            && (least == Permission::Read || actor.project(&project.key) >= least);
        return if allowed { Ok(None) } else { Err(forbidden()) };
    };
    let repo = match store.repo(key, slug) {
        Ok(repo) => repo,
        Err(refusal) => match store.moved_repo(key, slug) {
            Some(repo) => return Err(Refusal::Moved(moved(app, request, repo))),
            None => return Err(refusal),
        },
    };
    let least = match route.need {
        Need::Admin => Permission::Admin,
        Need::Write => Permission::Write,
        Need::Nothing | Need::User | Need::ProjectRead | Need::ProjectAdmin | Need::System | Need::Read => {
            Permission::Read
        }
    };
    if actor.repo(&repo.project) < least {
        return Err(forbidden());
    }
    // The repository itself can be brought back, moved or deleted.
    let itself = route.pattern.ends_with("/repos/{slug}") && *request.method() != Method::POST;
    if repo.archived && *request.method() != Method::GET && !itself {
        let message = format!("Repository {} is archived and read-only.", repo.label());
        return Err(conflict("IllegalEntityStateException", message));
    }
    Ok(Some(repo.clone()))
}

/// The address of a request at a repository's new name.
fn moved(app: &App, request: &Request<Incoming>, repo: &Repo) -> String {
    let below = request.uri().path().strip_prefix(&app.context).unwrap_or("");
    let mut parts: Vec<&str> = below.split('/').collect();
    let encoded = utf8_percent_encode(&repo.slug, SEGMENT).to_string();
    let key = utf8_percent_encode(&repo.project, SEGMENT).to_string();
    if let Some(at) = parts.iter().position(|part| *part == "repos")
        && let Some([project, _, slug]) = parts.get_mut(at - 1..=at + 1)
    {
        (*project, *slug) = (&key, &encoded);
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{}{query}", app.base, parts.join("/"))
}

/// Whether a form could have sent this (FACTS.md 1.6).
fn forged(app: &App, method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let browser = text("user-agent").starts_with("Mozilla/");
    let writes = matches!(*method, Method::POST | Method::PUT | Method::DELETE);
    let checked = app.config.version.checks_xsrf() || browser;
    writes && checked && !is_json(headers) && !matches!(text("x-atlassian-token"), "no-check" | "nocheck")
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else { return true };
    let family = kind.split('/').next().unwrap_or("");
    accept.split(',').map(|range| range.split(';').next().unwrap_or("").trim()).any(|range| {
        range == "*/*" || range.eq_ignore_ascii_case(kind) || range.strip_suffix("/*") == Some(family)
    })
}

/// Too many calls run git at the same time (FACTS.md 1.5).
fn busy() -> Refusal {
    let message = "Bitbucket is currently under heavy load and is not able to service your request.";
    api(StatusCode::SERVICE_UNAVAILABLE, "throttle.ResourceBusyException", message)
}

fn anonymous(app: &App) -> Refusal {
    let message = "You are not permitted to access this resource";
    let exception = if app.config.version.names_missing_authentication() {
        "com.atlassian.plugins.rest.api.security.exception.AuthenticationRequiredException"
    } else {
        "AuthorisationException"
    };
    api(StatusCode::UNAUTHORIZED, exception, message)
}

/// The answer of a fault that answers.
fn faulty(app: &App, fault: &Fault) -> Response<Body> {
    match fault {
        Fault::Status(status) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            api(status, "", "The server is not able to answer now.").into_response(false)
        }
        Fault::TooManyRequests(after) => {
            let message = "You have been rate limited. Slow down.";
            let refusal = match app.knobs.refuses_plainly() {
                true => Refusal::Text(StatusCode::TOO_MANY_REQUESTS, "text/plain", message.to_owned()),
                false => api(StatusCode::TOO_MANY_REQUESTS, "", message),
            };
            let mut response = refusal.into_response(false);
            if let Some(seconds) = after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            response
        }
        Fault::LoginRedirect => {
            let mut response = Refusal::Bare(StatusCode::FOUND).into_response(false);
            if let Ok(login) = HeaderValue::try_from(format!("{}/login", app.base)) {
                response.headers_mut().insert(header::LOCATION, login);
            }
            response
        }
        Fault::LoginPage => Refusal::Text(StatusCode::OK, "text/html;charset=UTF-8", LOGIN_PAGE.to_owned())
            .into_response(false),
        Fault::NoRoute => Refusal::NoRoute.into_response(false),
        // Those that do not answer never come here.
        Fault::Delay(_) | Fault::Stall | Fault::CutAfter(_) | Fault::DropAnswer => {
            Refusal::Bare(StatusCode::INTERNAL_SERVER_ERROR).into_response(false)
        }
    }
}

/// The headers that the product puts on every answer (FACTS.md 1.2).
fn decorate(headers: &mut HeaderMap, number: u64, actor: Option<&Actor>) {
    let mut put = |name: &'static str, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    put("x-arequestid", format!("@SIM{:X}x{number}x0", number % 1440));
    put("pragma", "no-cache".to_owned());
    put("vary", "accept-encoding,x-auserid,cookie,x-ausername,accept-encoding".to_owned());
    put("x-content-type-options", "nosniff".to_owned());
    if let Some(actor) = actor {
        put("x-asessionid", format!("s{number:x}"));
        put("x-auserid", actor.id.to_string());
        if !actor.by_token {
            put("set-cookie", format!("BITBUCKETSESSIONID={number:032X}; Path=/; HttpOnly"));
        }
        put("x-ausername", utf8_percent_encode(&actor.label, SEGMENT).to_string());
    }
    headers.append(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
}

/// How long requests in flight have after a stop.
const GRACE: Duration = Duration::from_secs(1);

const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Log in - Single sign-on</title></head>\
     <body><form method=\"post\" action=\"/sso\"><input name=\"user\"><input name=\"password\" type=\"password\">\
     <button>Log in</button></form></body></html>\n";
