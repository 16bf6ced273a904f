//! Who may come in by the debug listener, and with which headers.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Request};
use tonic::{Code, Status};
use tower::{ServiceExt as _, service_fn};

use super::token::Token;
use crate::proto::{Fault, Reason};
use crate::tunnel::{Body, Service, wire};

/// Puts the door before the stack: a call needs the token, where there is one, and may carry no header that only a gateway sets.
pub(super) fn guarded(stack: Service, token: Option<Arc<Token>>) -> Service {
    Service::new(service_fn(move |mut request: Request<Body>| {
        let admitted = admit(request.headers_mut(), token.as_deref());
        let stack = stack.clone();
        async move {
            match admitted {
                Ok(()) => stack.oneshot(request).await,
                Err(refusal) => Ok(wire::status_response(refusal)),
            }
        }
    }))
}

fn admit(headers: &mut HeaderMap, token: Option<&Token>) -> Result<(), Status> {
    if token.is_some_and(|token| !token.is_in(headers)) {
        let message = "the debug listener needs `authorization: Bearer TOKEN`; the agent's log says which file holds the token";
        return Err(Fault::new(Code::Unauthenticated, Reason::CredentialInvalid, message).into());
    }
    // They have done their work, and nothing below may log them.
    headers.remove(AUTHORIZATION);
    headers.remove(COOKIE);
    let reserved = headers
        .keys()
        .map(http::HeaderName::as_str)
        .find(|name| name.starts_with(RESERVED) && *name != CONNECTION);
    match reserved {
        Some(name) => {
            let message = format!(
                "`{name}` is taken from a gateway only: name a connection of the settings in `{CONNECTION}`"
            );
            Err(Fault::new(Code::InvalidArgument, Reason::HeaderReserved, message)
                .with("header", name)
                .into())
        }
        None => Ok(()),
    }
}

const RESERVED: &str = "gitproxy-";
const CONNECTION: &str = "gitproxy-connection";

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().expect("ascii"))])
    }

    #[test]
    fn no_header_that_only_a_gateway_sets_comes_in() {
        for name in ["gitproxy-connection-bin", "gitproxy-tenant", "gitproxy-caller", "gitproxy-agent"] {
            let refused = admit(&mut headers(name, "c4nary"), None).expect_err(name);
            assert_eq!(Reason::of(&refused), Some(Reason::HeaderReserved));
            assert!(!format!("{refused:?}").contains("c4nary"));
        }
        admit(&mut headers("gitproxy-connection", "main"), None).expect("a connection may be named");
    }

    #[test]
    fn the_token_is_asked_for_and_taken_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = Token::make(Some(&folder.path().join("token"))).expect("made");
        let refused = admit(&mut HeaderMap::new(), Some(&token)).expect_err("no token");
        assert_eq!(refused.code(), Code::Unauthenticated);
        let mut good = headers("authorization", &format!("Bearer {}", token.key().secret().expose_secret()));
        admit(&mut good, Some(&token)).expect("the token");
        assert!(good.is_empty(), "nothing below sees it");
    }
}
