//! Who is at the door: agents by access key, callers by token, both as `authorization: Bearer gpk_…`.

use std::sync::Arc;

use http::{HeaderMap, header};
use tonic::Code;
use tracing::{debug, error, warn};

use super::name::AgentId;
use super::store::{self, Caller, Store};
use crate::ops::Key;
use crate::proto::{Fault, Reason};

/// Tells who a request comes from by what the store says now.
#[derive(Clone)]
pub(super) struct Credentials {
    store: Arc<dyn Store>,
}

/// An agent whose access key is good, and the id of that key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KnownAgent {
    pub(super) agent: AgentId,
    pub(super) key_id: String,
    pub(super) digest: String,
}

impl Credentials {
    /// Asks this store.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The agent whose access key the headers carry.
    ///
    /// # Errors
    /// CREDENTIAL_INVALID, whose message tells a missing, a malformed and a wrong key apart; a key that does not exist, is
    /// revoked, or has another secret, all look the same.
    pub(super) async fn agent(&self, headers: &HeaderMap) -> Result<KnownAgent, Fault> {
        let key = bearer(headers, "access key")?;
        let known = self.store.agent_key(key.id()).await.map_err(|error| unanswered(&error))?;
        let digest = known.as_ref().map_or(NOBODYS_DIGEST, |known| &known.digest);
        match (key.matches(digest), known) {
            (true, Some(known)) => {
                Ok(KnownAgent { agent: known.agent, key_id: key.id().to_owned(), digest: known.digest })
            }
            (true, None) | (false, _) => {
                warn!(key = key.id(), "an agent's access key is wrong or revoked");
                Err(wrong("access key"))
            }
        }
    }

    /// Whether the key that opened a session is still good for its agent.
    pub(super) async fn still_good(&self, known: &KnownAgent) -> bool {
        match self.store.agent_key(&known.key_id).await {
            Ok(now) => now.is_some_and(|now| now.agent == known.agent && now.digest == known.digest),
            // An outage of the store is no revocation.
            Err(error) => {
                warn!(error = %error.source, "the store does not answer: sessions stay");
                true
            }
        }
    }

    /// The caller whose token the headers carry.
    ///
    /// # Errors
    /// As [`Credentials::agent`].
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let token = bearer(headers, "token")?;
        let known = self.store.caller_token(token.id()).await.map_err(|error| unanswered(&error))?;
        let digest = known.as_ref().map_or(NOBODYS_DIGEST, |known| &known.digest);
        match (token.matches(digest), known) {
            (true, Some(known)) => Ok(known.caller),
            (true, None) | (false, _) => {
                debug!(token = token.id(), "a caller's token is wrong or revoked");
                Err(wrong("token"))
            }
        }
    }
}

fn bearer(headers: &HeaderMap, what: &str) -> Result<Key, Fault> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(invalid(format!("no {what} was sent; send it as `authorization: Bearer gpk_…`")));
    };
    if values.next().is_some() {
        return Err(invalid("`authorization` was sent more than once"));
    }
    let text = value.to_str().unwrap_or_default();
    let (scheme, credential) = text.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid(format!(
            "`authorization` is not of the form `Bearer gpk_…`, so the {what} is missing"
        )));
    }
    Key::parse(credential).map_err(|malformed| invalid(format!("the {what} {malformed}")))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(Code::Unauthenticated, Reason::CredentialInvalid, message)
}

fn wrong(what: &str) -> Fault {
    invalid(format!("the {what} is wrong or revoked"))
}

/// The operator's log has the cause.
pub(super) fn unanswered(cause: &store::Error) -> Fault {
    error!(error = %cause.source, "the store does not answer");
    Fault::new(Code::Unavailable, Reason::Internal, "the gateway's store does not answer; try again")
}

/// Compared with when the id is unknown, so that the time taken does not tell.
const NOBODYS_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::gateway::fake;

    #[tokio::test]
    async fn a_good_key_names_its_agent_and_a_good_token_its_caller() {
        let store = fake::Store::new();
        let (agent_key, token) = (store.agent_key("acme", "a"), store.caller_token("acme", "s"));
        let credentials = Credentials::new(Arc::new(store));
        let known = credentials.agent(&with(agent_key.secret().expose_secret())).await.expect("good");
        assert_eq!(known.agent.to_string(), "acme/a");
        let caller = credentials.caller(&with(token.secret().expose_secret())).await.expect("good");
        assert_eq!(caller.name.as_str(), "s");
    }

    #[tokio::test]
    async fn missing_malformed_mistyped_and_wrong_are_told_apart() {
        let credentials = Credentials::new(Arc::new(fake::Store::new()));
        let stranger = Key::generate().expect("entropy");
        let good = stranger.secret().expose_secret();
        let typo = format!("{}{}", &good[..good.len() - 1], if good.ends_with('a') { 'b' } else { 'a' });
        let mut messages = Vec::new();
        for headers in [HeaderMap::new(), with("hunter2"), with(&typo), with(good)] {
            let fault = credentials.agent(&headers).await.expect_err("refused");
            assert_eq!((fault.code(), fault.reason()), (Code::Unauthenticated, Reason::CredentialInvalid));
            messages.push(fault.message().to_owned());
        }
        messages.sort();
        messages.dedup();
        assert_eq!(messages.len(), 4, "{messages:?}");
    }

    #[tokio::test]
    async fn an_unknown_id_and_a_wrong_secret_look_the_same() {
        let store = fake::Store::new();
        let stranger = Key::generate().expect("entropy");
        let impostor = Key::generate().expect("entropy");
        store.put_agent_key(impostor.id(), "acme", "a", &stranger.digest());
        let credentials = Credentials::new(Arc::new(store));
        let unknown = credentials.agent(&with(stranger.secret().expose_secret())).await.expect_err("unknown");
        let wrong = credentials.agent(&with(impostor.secret().expose_secret())).await.expect_err("wrong");
        assert_eq!(format!("{unknown:?}"), format!("{wrong:?}"));
    }

    #[tokio::test]
    async fn a_callers_token_attaches_no_agent() {
        let store = fake::Store::new();
        let token = store.caller_token("acme", "s");
        let credentials = Credentials::new(Arc::new(store));
        assert!(credentials.agent(&with(token.secret().expose_secret())).await.is_err());
    }

    #[tokio::test]
    async fn two_credentials_are_refused() {
        let store = fake::Store::new();
        let token = store.caller_token("acme", "s");
        let mut headers = with(token.secret().expose_secret());
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert!(Credentials::new(Arc::new(store)).caller(&headers).await.is_err());
    }

    fn with(credential: &str) -> HeaderMap {
        let value = HeaderValue::from_str(&format!("Bearer {credential}")).expect("ASCII");
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }
}
