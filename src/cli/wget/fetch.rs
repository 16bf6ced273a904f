//! One question and its answer, over all redirects.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use gitproxy::agent::{Patience, WayOut};
use gitproxy::egress::{Alpn, Client, Error, Origin};
use gitproxy::ops::causes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::timeout;
use url::Url;

use super::code::{Code, Failure};
use super::login::Login;
use super::talk::Talk;
use super::{Asked, Output, answer};

/// Asks until something other than a redirect comes, and keeps that.
pub(super) async fn fetch(
    asked: &Asked,
    way: &WayOut,
    patience: Patience,
    talk: &Talk,
) -> Result<(), Failure> {
    let limit = asked.limit.unwrap_or(ANSWER);
    let mut step = Step {
        url: asked.url.clone(),
        login: asked.login.clone(),
        method: if asked.output == Output::Nowhere { Method::HEAD } else { Method::GET },
    };
    let mut redirects = 0;
    loop {
        let (client, answer) = step.ask(way, patience.whole + limit, talk).await?;
        talk.answer(&answer);
        let status = answer.status();
        if status.is_success() {
            return answer::keep(answer.into_body(), &asked.output, limit).await;
        }
        if NO_HEAD.contains(&status) && step.method == Method::HEAD {
            step.method = Method::GET;
        } else if REDIRECTS.contains(&status) {
            redirects += 1;
            if redirects > MOST {
                return Err(Failure::new(Code::Refused, format!("more than {MOST} redirects")));
            }
            step.follow(&answer)?;
            talk.redirect(&step.url);
        } else {
            return Err(refused(&client, &answer));
        }
    }
}

/// The next question.
struct Step {
    url: Url,
    login: Option<Login>,
    method: Method,
}

impl Step {
    async fn ask(
        &self,
        way: &WayOut,
        limit: Duration,
        talk: &Talk,
    ) -> Result<(Client, Response<Incoming>), Failure> {
        let wrong = |why: String| Failure::new(Code::Generic, why);
        let origin = Origin::of(&self.url).map_err(|why| wrong(format!("where it leads to {why}")))?;
        let egress = way.to(&origin).map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
        let connector = egress.connector(origin, Alpn::Http1OrHttp2);
        talk.way(&connector);
        let mut request = Request::builder().method(&self.method).uri(self.url.as_str());
        request = request.header(USER_AGENT, AGENT).header(ACCEPT, "*/*");
        if let Some(login) = &self.login {
            request = request.header(AUTHORIZATION, login.header());
        }
        let request = request.body(Full::<Bytes>::default());
        let request = request.map_err(|why| wrong(format!("no request can name this URL: {why}")))?;
        let client = Client::new(connector);
        match timeout(limit, client.send(request)).await {
            Ok(Ok(answer)) => Ok((client, answer)),
            Ok(Err(error)) => Err(broken(&client, &error)),
            Err(_) => Err(client
                .stalled(limit)
                .map_or_else(|| late("an answer", limit), |error| Failure::of(&error))),
        }
    }

    /// A login stays with the origin that it was given for: elsewhere, and without TLS, it is somebody else's to read.
    fn follow<B>(&mut self, answer: &Response<B>) -> Result<(), Failure> {
        let no = |what: &str| Failure::new(Code::Refused, format!("{}: {what}", answer.status()));
        let location = answer.headers().get(LOCATION).ok_or_else(|| no("a redirect without a Location"))?;
        let location = std::str::from_utf8(location.as_bytes()).ok();
        let next = location.and_then(|location| self.url.join(location).ok());
        let mut next = next.ok_or_else(|| no("a redirect to what is no URL"))?;
        next.set_fragment(None);
        // One that the answer brings along is nobody's.
        let _ = Login::take(&mut next);
        if next.origin() != self.url.origin() {
            self.login = None;
        }
        self.url = next;
        Ok(())
    }
}

/// An answer that is neither good nor a redirect; a proxy that forwards may have given it.
fn refused(client: &Client, answer: &Response<Incoming>) -> Failure {
    let code = Code::of_status(answer.status());
    match client.refusal(answer) {
        Some(error) => Failure { code, ..Failure::of(&error) },
        None => Failure::new(code, format!("{} answers {}", client.origin(), answer.status())),
    }
}

fn broken(client: &Client, error: &legacy::Error) -> Failure {
    if let Some(error) = Error::among(error) {
        return Failure::of(error);
    }
    if let Some(error) = client.broken(error) {
        return Failure::of(&error);
    }
    let what = format!("{} gave no answer: {}", client.origin(), causes(error));
    Failure::new(if is_no_http(error) { Code::Protocol } else { Code::Network }, what)
}

/// Whether what came was not HTTP, rather than nothing.
fn is_no_http(error: &legacy::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What did not come in time.
pub(super) fn late(what: &str, limit: Duration) -> Failure {
    Failure::new(Code::Network, format!("{what} did not come within {:.1} s", limit.as_secs_f64()))
}

const AGENT: &str = concat!("gitproxy-wget/", env!("CARGO_PKG_VERSION"));
/// How long an answer may take, and then each part of it.
const ANSWER: Duration = Duration::from_secs(30);
/// As GNU Wget, when nothing is said.
const MOST: u32 = 20;
/// The redirects that a GET follows; 300 and 304 are none.
const REDIRECTS: &[StatusCode] = &[
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::FOUND,
    StatusCode::SEE_OTHER,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
];
/// What servers answer that know no HEAD.
const NO_HEAD: &[StatusCode] =
    &[StatusCode::METHOD_NOT_ALLOWED, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_IMPLEMENTED];
