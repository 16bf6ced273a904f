//! The client stack: from a request without IO to a judged answer.
//!
//! From the outside in: retries (reads, and writes that provably were not sent) → a token of the rate budget, and again
//! after a 429 (`pace`) → one attempt under its timeout → redirects of moved repositories → base URL, credentials and fixed headers → the transport. The deadline
//! of a command is looked at only before a wait: the caller drops the future when it passes.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tokio::time;
use tower::ServiceExt as _;
use tracing::debug;

use crate::bitbucket::account::{Account, Base, Credential};
use crate::bitbucket::budget::{Budgets, Purse};
use crate::bitbucket::download::Download;
use crate::bitbucket::error::{Doubt, Recovery, Site, Stranger, refusal};
use crate::bitbucket::names::{Projects, RepoId};
use crate::bitbucket::probe::{Expiry, Turnstile};
use crate::bitbucket::reply::{self, Asked, Kind, Reply};
use crate::bitbucket::request::Anonymous;
use crate::bitbucket::transport::{Body, Lost, Transport};
use crate::bitbucket::version::Seen;
use crate::bitbucket::writes::Writes;
use crate::bitbucket::{Error, Rhythm, transport};
use crate::egress::{Connector, Egress};
use crate::ops::{Call, Echo};
use crate::proto::Effect;
use crate::proto::scm::v1::RepoRef;

mod pace;
mod redirects;

use pace::Proof;

/// A Bitbucket, through one connection; cheap to clone, and clones share their sockets.
///
/// Each command is a method that takes the request of the contract and gives its response.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
    call: Call,
    pub(super) rhythm: Rhythm,
}

#[derive(Debug)]
struct Inner {
    transport: Transport,
    base: Base,
    site: Site,
    credential: Credential,
    user: Option<String>,
    projects: Projects,
    /// For a probe of the hops; over a transport of a test there are none.
    connector: Option<Connector>,
    expiry: Expiry,
    turnstile: Turnstile,
    seen: Seen,
    writes: Writes,
    /// On the budget that it shares with the other connections of the same user.
    purse: Purse,
}

impl Client {
    /// Makes a client, whose requests are paid from one of `budgets`; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Account`] when the base URL cannot be used.
    pub fn new(account: Account, egress: &Egress, budgets: &Budgets) -> Result<Self, Error> {
        let connector = transport::connector(egress, &account.base).map_err(|_| Error::Account {
            connection: account.name.clone(),
            problem: "its URL must begin with https:// and a host",
        })?;
        Self::build(account, transport::over(connector.clone()), Some(connector), budgets)
    }

    /// Makes a client over any transport.
    #[cfg(test)]
    pub(super) fn with(account: Account, transport: Transport) -> Result<Self, Error> {
        Self::build(account, transport, None, &Budgets::default())
    }

    fn build(
        account: Account,
        transport: Transport,
        connector: Option<Connector>,
        budgets: &Budgets,
    ) -> Result<Self, Error> {
        let (base, purse) = (Base::of(&account)?, budgets.purse(&account));
        let site = Site { connection: account.name.into(), base: base.as_str().into() };
        let Account { credential, user, projects, .. } = account;
        let user = user.or_else(|| credential.login().map(str::to_owned));
        let (expiry, turnstile) = (Expiry::default(), Turnstile::default());
        let inner = Inner {
            transport,
            base,
            site,
            credential,
            user,
            projects,
            connector,
            expiry,
            turnstile,
            seen: Seen::default(),
            writes: Writes::default(),
            purse,
        };
        Ok(Self { inner: Arc::new(inner), call: Call::default(), rhythm: Rhythm::default() })
    }

    /// The same client at work for `call`; it shares everything with this one.
    #[must_use]
    pub fn during(&self, call: Call) -> Self {
        Self { call, ..self.clone() }
    }

    /// Reads a repository's name and checks that its project is one of the connection's.
    pub(super) fn repo(&self, named: Option<&RepoRef>) -> Result<RepoId, Error> {
        RepoId::parse("repo", named, &self.inner.projects)
    }

    /// The connection's name.
    pub fn connection(&self) -> &str {
        &self.inner.site.connection
    }

    /// The base URL, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.inner.site.base
    }

    /// The connection's projects.
    pub fn projects(&self) -> &Projects {
        &self.inner.projects
    }

    /// The user whom Bitbucket must take the credential for, where the connection names one.
    pub(super) fn user(&self) -> Option<&str> {
        self.inner.user.as_deref()
    }

    /// How requests are authenticated.
    pub(super) fn credential(&self) -> &Credential {
        &self.inner.credential
    }

    /// What opens the connections; none over a transport of a test.
    pub(super) fn connector(&self) -> Option<&Connector> {
        self.inner.connector.as_ref()
    }

    /// What is known of the token's end.
    pub(super) fn expiry(&self) -> &Expiry {
        &self.inner.expiry
    }

    /// Which version answered last.
    pub(super) fn seen(&self) -> &Seen {
        &self.inner.seen
    }

    /// What it knows for its writes.
    pub(super) fn writes(&self) -> &Writes {
        &self.inner.writes
    }

    /// What lets one probe in after the other.
    pub(super) fn turnstile(&self) -> &Turnstile {
        &self.inner.turnstile
    }

    /// Sends a request once and at once, whatever happens, and reads an answer of at most 16 MiB, whatever it says.
    pub(super) async fn ask(&self, request: &Request<Bytes>) -> Result<Reply, Error> {
        let asked = Asked::of(request, &self.inner.site);
        let whole = async { collect(self.follow(request, &asked).await?, &asked, Quoted::Always).await };
        let ticket = self.charge(request);
        let outcome = bounded(&asked, whole).await;
        self.settle(ticket, &outcome);
        outcome
    }

    /// Sends a request and reads its answer, of at most 16 MiB.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Reply, Error> {
        let asked = Asked::of(&request, &self.inner.site);
        let (request, asked) = (&request, &asked);
        let whole = |proof: Proof| async move {
            let response = proof.of(self.follow(request, asked).await?);
            refusal::judge(collect(response, asked, Quoted::IfRefused).await?)
        };
        let patience = self.patience();
        persistently(asked.effect, || self.paced(request, asked, patience, whole)).await
    }

    /// Sends a request whose answer is a file of any size; its first bytes have arrived when this returns.
    pub(super) async fn open(&self, request: Request<Bytes>) -> Result<Download, Error> {
        let asked = Asked::of(&request, &self.inner.site);
        let (request, asked) = (&request, &asked);
        let begun = |proof: Proof| async move {
            let response = proof.of(self.follow(request, asked).await?);
            // Bitbucket may call a file anything, HTML included; a login page comes before authentication (FACTS 1.2, 1.8).
            let headers = response.headers();
            let stranger = reply::kind(headers) == Kind::Html && !reply::is_authenticated(headers);
            if stranger || !response.status().is_success() {
                return Err(no_file(response, asked).await);
            }
            Download::begin(response.into_body(), &asked.site.base, ATTEMPT).await
        };
        let patience = self.patience();
        persistently(asked.effect, || self.paced(request, asked, patience, begun)).await
    }

    /// Sends a request once.
    async fn once(
        &self,
        request: &Request<Bytes>,
        below: &Uri,
        asked: &Asked,
    ) -> Result<Response<Body>, Error> {
        let dressed = self.dress(request, below)?;
        let sent = self.inner.transport.clone().oneshot(dressed).await;
        if let Ok(response) = &sent {
            self.heard(request, response);
            let id = response.headers().get("x-arequestid").and_then(|id| id.to_str().ok());
            debug!(method = %request.method(), path = below.path(), status = %response.status(), id, "Bitbucket answered");
        }
        sent.map_err(|lost| match lost {
            Lost::Between { source, .. } if asked.effect == Effect::Write => {
                Error::uncertain(Doubt::Gateway, source)
            }
            Lost::Unsent { hop, recovery, says, source } | Lost::Between { hop, recovery, says, source } => {
                Error::Unreachable { hop, recovery, says, source }
            }
            Lost::Underway { source } => Error::cut(asked.effect, &asked.site.base, source),
        })
    }

    /// Adds what is the same for all requests.
    fn dress(&self, request: &Request<Bytes>, below: &Uri) -> Result<Request<Full<Bytes>>, Error> {
        let unusable =
            |problem| Error::Account { connection: self.inner.site.connection.to_string(), problem };
        let mut dressed = Request::new(Full::new(request.body().clone()));
        *dressed.method_mut() = request.method().clone();
        *dressed.uri_mut() =
            self.inner.base.join(below).map_err(|_| unusable("its URL is too long for a request"))?;
        *dressed.headers_mut() = request.headers().clone();
        if request.extensions().get::<Anonymous>().is_none() {
            let token = self.inner.credential.header();
            let token = token.map_err(|_| unusable("its token has characters that no header can carry"))?;
            dressed.headers_mut().insert(AUTHORIZATION, token);
        }
        // Bitbucket refuses a write without it as a forgery from a browser (FACTS 1.6).
        dressed.headers_mut().insert(X_ATLASSIAN_TOKEN, HeaderValue::from_static("no-check"));
        dressed.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        Ok(dressed)
    }

    fn stranger(&self, stranger: Stranger) -> Error {
        Error::NotBitbucket { base: self.inner.site.base.clone(), stranger }
    }
}

/// Tries again where that is safe: reads, and writes that provably were not sent.
async fn persistently<T, F>(effect: Effect, attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let pauses =
        ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(RETRIES).with_jitter();
    attempt
        .retry(pauses)
        .when(|error| may_repeat(error, effect))
        .notify(|error, pause| debug!(error = error.log(), ?pause, "trying again"))
        .await
}

/// Whether the same request may be sent once more.
pub(super) fn may_repeat(error: &Error, effect: Effect) -> bool {
    if let Error::Unreachable { recovery, .. } = error {
        return *recovery == Recovery::Retry;
    }
    // Who names a longer delay than ours is not asked before.
    let passes = matches!(error, Error::Unavailable { status, retry_after, .. }
        if PASSING.contains(status) && retry_after.is_none_or(|delay| delay <= PATIENCE));
    effect == Effect::Read && (passes || matches!(error, Error::Cut { .. }))
}

/// One attempt may take [`ATTEMPT`]; what is cut by it may have been sent.
async fn bounded<T>(asked: &Asked, attempt: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match time::timeout(ATTEMPT, attempt).await {
        Ok(outcome) => outcome,
        Err(elapsed) => Err(Error::cut(asked.effect, &asked.site.base, elapsed)),
    }
}

/// Which bodies are quoted in messages. They are left out where they give the credentials back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    /// Only those of refusals; others are the caller's, whatever somebody has written in them.
    IfRefused,
    /// All, since what is asked is what the server says of itself and of the token.
    Always,
}

async fn collect(response: Response<Body>, asked: &Asked, quoted: Quoted) -> Result<Reply, Error> {
    let (mut head, body) = response.into_parts();
    let sent = head.extensions.remove::<Echo>().unwrap_or_default();
    // Boxed: rustc cannot show that a future which holds `Collect<Limited<_>>` is `Send` for every lifetime.
    let whole: BoxFuture<'static, Result<_, _>> = Box::pin(Limited::new(body, LARGEST).collect());
    match whole.await {
        Ok(body) => {
            let mut body = body.to_bytes();
            if (quoted == Quoted::Always || !head.status.is_success()) && sent.is_in(&body) {
                body.clear();
            }
            Ok(Reply { status: head.status, headers: head.headers, body, asked: asked.clone() })
        }
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Error::TooLarge { base: asked.site.base.clone(), limit: LARGEST })
        }
        Err(error) => Err(Error::cut(asked.effect, &asked.site.base, error)),
    }
}

/// What stands in place of a file.
async fn no_file(response: Response<Body>, asked: &Asked) -> Error {
    let judged = match collect(response, asked, Quoted::IfRefused).await {
        Ok(reply) => refusal::judge(reply),
        Err(error) => Err(error),
    };
    let stranger = |_| Error::NotBitbucket { base: asked.site.base.clone(), stranger: Stranger::LoginPage };
    judged.map_or_else(|error| error, stranger)
}

const X_ATLASSIAN_TOKEN: HeaderName = HeaderName::from_static("x-atlassian-token");
const AGENT: &str = concat!("gitproxy/", env!("CARGO_PKG_VERSION"));
/// The largest JSON answer that is read, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// How long one attempt may take, to its whole answer or to a file's first bytes; and then between the bytes of a file.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How often a failed attempt is repeated, and after what pause first; the pause doubles.
const RETRIES: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(150);
/// The longest delay that is waited for in here when Bitbucket names one.
const PATIENCE: Duration = Duration::from_secs(1);
/// What passes by itself; a 500 does not.
const PASSING: &[StatusCode] =
    &[StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];

#[cfg(test)]
mod tests;
