//! Whether a Bitbucket answers, in what state, and which version: `status` and `version`.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;

use super::blame;
use super::visit::{Answer, Miss};
use crate::bitbucket::Error;
use crate::bitbucket::error::{Stranger, refusal};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::text;
use crate::ops::{Advice, Check};

/// `GET /status`, without the token: outside `/rest` a token counts as a failed login (FACTS 1.2).
pub(super) fn status_request() -> Request<Bytes> {
    Draft::get(Path::status(), Permission::ProjectRead).anonymous()
}

/// `GET /rest/api/latest/application-properties`, which needs no token (FACTS 1.1), so that a bad one counts only once.
pub(super) fn open_request() -> Request<Bytes> {
    draft().anonymous()
}

/// The same with the token.
pub(super) fn request() -> Request<Bytes> {
    draft().empty()
}

fn draft() -> Draft {
    Draft::get(Path::rest("api").segment("application-properties"), Permission::ProjectRead)
}

/// Whether who has a token may get a better answer.
pub(super) fn wants_login(error: &Error) -> bool {
    matches!(error, Error::NotBitbucket { .. } | Error::TokenInvalid { .. } | Error::Refused(_))
}

/// What a server says of itself. Some old versions write the build as a number, which is not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::bitbucket) struct Product {
    #[serde(default, deserialize_with = "text")]
    pub(in crate::bitbucket) version: String,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::bitbucket) display_name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default, deserialize_with = "text")]
    state: String,
}

/// Whether the REST interface named its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// It did, so that Bitbucket is there whatever `/status` says.
    Known,
    /// It did not.
    Unknown,
}

/// `status`: the state counts, not the HTTP status that it comes with.
pub(super) fn status(answer: Answer, version: Version) -> Check {
    let reply = match answer {
        Ok(reply) => reply,
        // A redirect to a login, most likely.
        Err(Miss::Error(Error::NotBitbucket { .. })) if version == Version::Known => return hidden(),
        Err(miss) => return blame("status", miss),
    };
    let state = reply.json::<Status>().unwrap_or_default().state;
    let (cause, remedy) = match state.as_str() {
        "RUNNING" => return Check::passed("status", "RUNNING"),
        "" if version == Version::Known => return hidden(),
        "" => return blame("status", Miss::Error(stranger(reply))),
        "STARTING" => {
            ("Bitbucket is starting", "wait for some minutes; if it stays so, read Bitbucket's log")
        }
        "MAINTENANCE" => (
            "Bitbucket is in maintenance, for a backup or a migration",
            "wait until it is over, or ask its administrator",
        ),
        "FIRST_RUN" => ("Bitbucket has not been set up yet", "complete its setup in a browser"),
        "ERROR" => ("Bitbucket did not start", "have its administrator read Bitbucket's log"),
        _ => ("Bitbucket is in a state that is not known here", "ask its administrator what is going on"),
    };
    let found: String = state.chars().filter(|c| c.is_ascii_uppercase() || *c == '_').take(40).collect();
    Check::failed("status", found, Advice::new(cause, remedy, STOPPED))
}

/// Whether a Bitbucket is there that does not run, rather than something else.
pub(super) fn is_stopped(status: &Check) -> bool {
    status.is_failed() && status.advice().is_some_and(|advice| advice.section == STOPPED)
}

/// What answers in place of Bitbucket.
fn stranger(reply: Reply) -> Error {
    let nameless = reply.unreadable("it names no state");
    let base = reply.asked.site.base.clone();
    match refusal::judge(reply).map_err(|error| absent(error, &base)) {
        Err(error @ (Error::NotBitbucket { .. } | Error::Unavailable { .. } | Error::RateLimited { .. })) => {
            error
        }
        Ok(_) | Err(_) => nameless,
    }
}

/// Every Bitbucket has what is asked for here: where it is not, there is none, but at most the server that it runs in.
fn absent(error: Error, base: &str) -> Error {
    let unknown = matches!(&error, Error::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND);
    let missing = unknown || matches!(error, Error::RouteMissing);
    if missing { Error::NotBitbucket { base: base.into(), stranger: Stranger::NotFoundPage } } else { error }
}

/// Proxies that let only `/rest` pass are common, and do no harm.
fn hidden() -> Check {
    let advice = Advice::new(
        "a proxy before Bitbucket does not let /status pass",
        "nothing needs to be done; to see Bitbucket's state here too, let /status pass",
        "bitbucket-unavailable",
    );
    Check::warned("status", "not shown, but the REST interface answers", advice)
}

/// `version`, and what the server says of itself if that is a Bitbucket's.
pub(super) fn version(answer: Answer, base: &str) -> (Check, Option<Product>) {
    let product = answer.and_then(|reply| {
        let product = reply.json::<Product>().map_err(Miss::Error)?;
        if product.version.is_empty() {
            return Err(Miss::Error(reply.unreadable("it names no version")));
        }
        Ok(product)
    });
    match product {
        Ok(product) => (supported(&product), Some(product)),
        Err(Miss::Error(error)) => (blame("version", Miss::Error(absent(error, base))), None),
        Err(miss @ Miss::Slow(_)) => (blame("version", miss), None),
    }
}

fn supported(product: &Product) -> Check {
    let Product { version, display_name } = product;
    let found = format!("{display_name} {version}").trim().chars().take(80).collect::<String>();
    let advice = |cause: &str, remedy: &str| Advice::new(cause, remedy, "version");
    match numbers(version) {
        Some(number) if number < OLDEST => {
            let remedy = "upgrade Bitbucket to 7.21 or later";
            Check::failed(
                "version",
                found,
                advice("this Bitbucket is older than 7.21, the oldest supported", remedy),
            )
        }
        Some((major, _)) if major <= NEWEST => Check::passed("version", found),
        Some(_) => {
            let remedy = "look for a newer gitproxy; until then expect most commands to work";
            Check::warned(
                "version",
                found,
                advice("this Bitbucket is newer than those tested with, 7.21 to 10", remedy),
            )
        }
        None => {
            let remedy = "check that the base URL leads to a Bitbucket Data Center";
            Check::warned("version", found, advice("the version is not a number", remedy))
        }
    }
}

/// Major and minor, to be compared as numbers (FACTS 1.1).
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']);
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// The section on a server that does not run.
const STOPPED: &str = "bitbucket-unavailable";

const OLDEST: (u32, u32) = (7, 21);
const NEWEST: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://git.example";

    fn outcome(check: &Check) -> String {
        format!("{} {}", check.outcome, check.advice().map_or("", |advice| advice.section))
    }

    #[test]
    fn the_requests_carry_no_token_where_none_is_needed() {
        use crate::bitbucket::request::Anonymous;
        assert_eq!(status_request().uri(), "/status");
        assert_eq!(request().uri(), "/rest/api/latest/application-properties");
        assert!(status_request().extensions().get::<Anonymous>().is_some());
        assert!(open_request().extensions().get::<Anonymous>().is_some());
        assert!(request().extensions().get::<Anonymous>().is_none());
    }

    #[test]
    fn the_version_is_read_whether_the_build_is_a_text_or_a_number() {
        for build in [r#""9004022""#, "8007000"] {
            let json = format!(r#"{{"version":"9.4.22","buildNumber":{build},"displayName":"Bitbucket"}}"#);
            let (check, product) = version(Ok(Reply::of(200, &json)), BASE);
            assert_eq!((check.found.as_str(), outcome(&check).as_str()), ("Bitbucket 9.4.22", "passed "));
            assert_eq!(product.expect("known").version, "9.4.22");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (number, expected) in [
            ("6.10.17", "failed version"),
            ("7.3.0", "failed version"),
            ("7.21.0", "passed "),
            ("8.19.24", "passed "),
            ("10.4.3", "passed "),
            ("11.0.0-rc1", "warned version"),
            ("latest", "warned version"),
        ] {
            let (check, product) = version(Ok(Reply::of(200, &format!(r#"{{"version":"{number}"}}"#))), BASE);
            assert_eq!(outcome(&check), expected, "{number}");
            assert!(product.is_some());
        }
    }

    #[test]
    fn what_names_no_version_is_no_bitbucket() {
        let (check, product) = version(Ok(Reply::of(200, r#"{"hello":"world"}"#)), BASE);
        assert_eq!((outcome(&check).as_str(), product), ("failed not-bitbucket", None));
        let stranger = Error::NotBitbucket { base: "https://x".into(), stranger: Stranger::LoginPage };
        let (check, _) = version(Err(Miss::Error(stranger)), BASE);
        assert_eq!(outcome(&check), "failed not-bitbucket");
        let cause = &check.advice().expect("advice").cause;
        assert_eq!(cause, "a login page answers in place of Bitbucket's REST interface");
    }

    #[test]
    fn a_missing_context_path_is_no_missing_permission() {
        let nothing =
            || Reply::of(404, r#"{"errors":[{"message":"no","exceptionName":"x.NoSuchEntityException"}]}"#);
        let unrouted = || Reply::of(404, r#"{"message":"HTTP 404 Not Found","status-code":404}"#);
        for reply in [nothing, unrouted] {
            let asked = refusal::judge(reply()).map_err(Miss::Error);
            for check in [version(asked, BASE).0, status(Ok(reply()), Version::Unknown)] {
                let advice = check.advice().expect("advice");
                assert_eq!(advice.section, "not-bitbucket", "{check:?}");
                assert_eq!(advice.cause, "there is no Bitbucket below the connection's base URL");
                assert_eq!(advice.remedy, "check its host and context path");
            }
        }
    }

    #[test]
    fn the_state_counts_whatever_the_code() {
        for (code, state, expected) in [
            (200, "RUNNING", "passed "),
            (503, "STARTING", "failed bitbucket-unavailable"),
            (200, "FIRST_RUN", "failed bitbucket-unavailable"),
            (500, "ERROR", "failed bitbucket-unavailable"),
            (200, "MAINTENANCE", "failed bitbucket-unavailable"),
            (200, "DREAMING", "failed bitbucket-unavailable"),
        ] {
            let reply = Reply::of(code, &format!(r#"{{"state":"{state}"}}"#));
            let check = status(Ok(reply), Version::Unknown);
            assert_eq!((check.found.as_str(), outcome(&check).as_str()), (state, expected));
        }
    }

    #[test]
    fn a_hidden_status_matters_only_where_nothing_else_answers() {
        let page = || Ok(Reply::of(404, "<h1>Not here</h1>").header("content-type", "text/html"));
        assert_eq!(outcome(&status(page(), Version::Known)), "warned bitbucket-unavailable");
        assert_eq!(outcome(&status(page(), Version::Unknown)), "failed not-bitbucket");
    }
}
