//! Whom Bitbucket takes the token for: `token`, `user`, `captcha` and `licence`.

use super::advice::{self, NO_SEAT};
use super::blame;
use super::visit::{Answer, Miss};
use crate::bitbucket::Error;
use crate::bitbucket::account::Credential;
use crate::bitbucket::error::refusal;
use crate::bitbucket::reply::{self, Reply};
use crate::ops::{Advice, Check};
use crate::proto::Reason;

/// Whom an answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// A user, by the login name.
    User(String),
    /// Somebody without a name: a project's or repository's token.
    Token,
    /// Nobody, or a proxy took the headers away.
    Nobody,
}

/// What came of the first request with the token.
#[derive(Debug)]
pub(super) enum Login {
    /// Bitbucket let it in.
    In(Who),
    /// It did not, or did not answer; the check says which.
    Refused(Check),
}

/// Reads the answer to the first request with the token. That it may not do what was asked still lets it in.
pub(super) fn read(answer: Answer, credential: &Credential) -> Login {
    let reply = match answer {
        Ok(reply) => reply,
        Err(miss) => return Login::Refused(blame("token", miss)),
    };
    let who = who(&reply);
    match refusal::judge(reply) {
        Ok(_) => Login::In(who),
        Err(error) if is_refusal(&error) => Login::Refused(refused(error, credential)),
        // A token of one repository may not list projects; but who is nobody has not got in.
        Err(Error::Refused(refusal)) if who != Who::Nobody || refusal.reason != Reason::PermissionMissing => {
            Login::In(who)
        }
        Err(Error::Refused(_)) => Login::Refused(unseen()),
        Err(error) => Login::Refused(blame("token", Miss::Error(error))),
    }
}

fn who(reply: &Reply) -> Who {
    match reply.user() {
        Some(name) => Who::User(name),
        None if reply::is_authenticated(&reply.headers) => Who::Token,
        None => Who::Nobody,
    }
}

/// Whether Bitbucket refuses the credential or the account, rather than the request.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::TokenInvalid { .. }) || subject(error) != "token"
}

/// The one of `token`, `captcha` and `licence` that failed.
pub(super) fn refused(error: Error, credential: &Credential) -> Check {
    let name = subject(&error);
    if name == "token" && credential.login().is_some() {
        let advice = Advice::new(
            "Bitbucket refuses user and password: they are wrong, or this Bitbucket does not allow basic authentication",
            "use an HTTP access token with `auth` set to bearer; a fresh Bitbucket 10 allows nothing else",
            "token",
        );
        return Check::failed(name, "user and password are refused", advice).detail(error.log());
    }
    advice::failed(name, error)
}

/// Which check a refusal belongs to.
fn subject(error: &Error) -> &'static str {
    let Error::Refused(refusal) = error else { return "token" };
    if refusal.reason == Reason::CaptchaRequired {
        "captcha"
    } else if refusal.exception == NO_SEAT {
        "licence"
    } else {
        "token"
    }
}

fn unseen() -> Check {
    let advice = Advice::new(
        "Bitbucket answers as if no token had come with the request",
        "have the proxies before Bitbucket leave the Authorization header alone",
        "token",
    );
    Check::failed("token", "nobody is logged in", advice)
}

/// Whether the token was proven to be one that Bitbucket knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It may do what nobody else may.
    Given,
    /// Everybody may see what it sees.
    Missing,
}

/// `token`, for one that was let in.
pub(super) fn token(who: &Who, proof: Proof) -> Check {
    match (who, proof) {
        (Who::User(name), _) => Check::passed("token", format!("belongs to {name}")),
        (Who::Token, _) => Check::passed("token", "a token without a user"),
        (Who::Nobody, Proof::Given) => Check::passed("token", "let in, under no name"),
        (Who::Nobody, Proof::Missing) => {
            let advice = Advice::new(
                "Bitbucket does not say whom it takes the token for, and shows no more than anybody may see",
                "check the token, and that no proxy takes the header X-AUSERNAME out of Bitbucket's answers",
                "token",
            );
            Check::failed("token", "nobody is logged in", advice)
        }
    }
}

/// `user`: whether the token is the one's whom the connection names. Bitbucket does not tell names apart by their case.
pub(super) fn user(who: &Who, expected: Option<&str>) -> Check {
    let Some(expected) = expected else {
        return Check::skipped("user", "the connection names no user");
    };
    let found = match who {
        Who::User(name) if name.to_lowercase() == expected.to_lowercase() => {
            return Check::passed("user", format!("{name}, as the connection says"));
        }
        Who::User(name) => format!("{name}, not {expected}"),
        Who::Token => format!("a token without a user, not {expected}"),
        Who::Nobody => return Check::skipped("user", "Bitbucket does not say whom it takes the token for"),
    };
    let advice = Advice::new(
        "the token belongs to another than the connection's user, so that commands would be done in the wrong name",
        "give the connection a token of its user, or correct its `user`",
        "user",
    );
    Check::failed("user", found, advice)
}

/// `captcha` and `licence`, for a token that was let in.
pub(super) fn let_in() -> [Check; 2] {
    [Check::passed("captcha", "none is asked for"), Check::passed("licence", "the account may use Bitbucket")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::account::tests::account;

    fn entry(reply: Reply) -> Result<Who, (&'static str, &'static str)> {
        match read(Ok(reply), &account("https://git.example").credential) {
            Login::In(who) => Ok(who),
            Login::Refused(check) => Err((check.name, check.advice().expect("advice").section)),
        }
    }

    fn refusal(status: u16, exception: &str) -> Reply {
        let name = format!("com.atlassian.bitbucket.{exception}");
        Reply::of(status, &format!(r#"{{"errors":[{{"message":"no","exceptionName":"{name}"}}]}}"#))
    }

    #[test]
    fn whom_the_headers_name_is_logged_in() {
        let page = || Reply::of(200, r#"{"values":[]}"#);
        assert_eq!(entry(page().header("x-ausername", "alice")), Ok(Who::User("alice".into())));
        assert_eq!(entry(page().header("x-ausername", "access-token-user%2F1%2F2")), Ok(Who::Token));
        assert_eq!(entry(page().header("x-asessionid", "s1")), Ok(Who::Token));
        assert_eq!(entry(page()), Ok(Who::Nobody));
    }

    #[test]
    fn each_refusal_is_a_check_of_its_own() {
        let wrong = refusal(401, "auth.IncorrectPasswordAuthenticationException");
        assert_eq!(entry(wrong), Err(("token", "token")));
        for status in [401, 403] {
            let captcha = refusal(status, "auth.CaptchaRequiredAuthenticationException");
            assert_eq!(entry(captcha), Err(("captcha", "captcha")));
        }
        assert_eq!(entry(refusal(401, "auth.NoAccessAuthenticationException")), Err(("licence", "licence")));
        assert_eq!(entry(Reply::of(429, "slow down")), Err(("token", "rate-limit")));
        assert_eq!(entry(Reply::of(503, "{}")), Err(("token", "bitbucket-unavailable")));
    }

    #[test]
    fn who_may_not_list_projects_is_let_in_all_the_same() {
        let known = refusal(401, "AuthorisationException").header("x-ausername", "alice");
        assert_eq!(entry(known), Ok(Who::User("alice".into())));
        assert_eq!(entry(refusal(401, "AuthorisationException")), Err(("token", "token")));
    }

    #[test]
    fn another_user_fails_and_the_case_of_a_name_does_not_matter() {
        let outcome = |who: &Who, expected| user(who, expected).outcome.to_string();
        let alice = Who::User("Alice".into());
        assert_eq!(outcome(&alice, Some("aLICE")), "passed");
        assert_eq!(outcome(&alice, Some("bob")), "failed");
        assert_eq!(outcome(&alice, None), "skipped");
        assert_eq!(outcome(&Who::Token, Some("bob")), "failed");
        assert_eq!(outcome(&Who::Nobody, Some("bob")), "skipped");
    }

    #[test]
    fn a_token_that_nobody_knows_proves_nothing_by_what_is_public() {
        let outcome = |who: &Who, proof| token(who, proof).outcome.to_string();
        assert_eq!(outcome(&Who::Nobody, Proof::Missing), "failed");
        assert_eq!(outcome(&Who::Nobody, Proof::Given), "passed");
        assert_eq!(outcome(&Who::Token, Proof::Missing), "passed");
    }
}
