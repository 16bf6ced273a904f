use super::*;
use crate::bitbucket::error::Stranger;

/// The code that `errors.proto` documents for a reason: the first word of its comment, in capitals.
fn documented(reason: Reason) -> String {
    let text = include_str!("../../../../proto/gitproxy/scm/v1/errors.proto");
    let at = text.find(&format!("{} =", reason.as_str_name())).expect("documented");
    let comment = text[..at].rsplit("\n\n").next().expect("a block");
    // The value's own comment is what follows the previous value.
    let comment = comment.rsplit(";\n").next().expect("a comment");
    let words = comment.trim_start().trim_start_matches("//").trim_start();
    words.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect()
}

fn shouted(code: Code) -> String {
    let mut text = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text
}

fn all() -> Vec<Error> {
    let base: std::sync::Arc<str> = "https://10.0.0.7:7990/bitbucket".into();
    let cause = || "peer 10.0.0.7 said no".into();
    let mut errors = vec![
        Error::field("path", "is missing"),
        Error::BranchName { name: "a..b".into() },
        Error::PageToken,
        Error::OutsideProject { project: "OPS".into() },
        Error::Account { connection: "main".into(), problem: "its URL has no host" },
        Error::Cut { base: base.clone(), source: cause() },
        Error::Uncertain { doubt: Doubt::Cut, source: Some(cause()) },
        Error::Unreadable { base: base.clone(), problem: "it is not JSON", source: None },
        Error::TooLarge { base: base.clone(), limit: 1 },
        Error::Unavailable {
            base: base.clone(),
            speaker: Speaker::Front,
            status: StatusCode::BAD_GATEWAY,
            retry_after: None,
        },
        Error::RateLimited {
            base: base.clone(),
            limiter: Limiter::Agent,
            retry_after: Some(Duration::from_secs(9)),
        },
        Error::TokenInvalid { connection: "main".into(), exception: String::new() },
        Error::RouteMissing,
        Error::Xsrf,
    ];
    for stranger in [
        Stranger::LoginPage,
        Stranger::Redirect { target: "https://sso.10.0.0.7/login".into() },
        Stranger::Loop,
        Stranger::NotFoundPage,
        Stranger::ClientCertificate,
        Stranger::Tls,
        Stranger::OtherType,
    ] {
        errors.push(Error::NotBitbucket { base: base.clone(), stranger });
    }
    for hop in [
        Reason::EgressDns,
        Reason::EgressConnect,
        Reason::EgressProxy,
        Reason::EgressTls,
        Reason::OriginRefused,
    ] {
        errors.push(Error::Unreachable {
            says: "https://git.example:443 cannot be reached".into(),
            hop,
            recovery: Recovery::Retry,
            source: cause(),
        });
    }
    let reasons = SENTENCES.iter().map(|(reason, ..)| *reason).chain([Reason::ArgumentRefused]);
    errors.extend(reasons.map(|reason| {
        Error::Refused(Box::new(Refusal {
            reason,
            status: StatusCode::CONFLICT,
            exception: "XException".into(),
            message: "no".into(),
            facts: vec![],
        }))
    }));
    errors
}

#[test]
fn every_error_has_the_code_that_its_reason_documents() {
    for error in all() {
        let shown = error.log();
        let fault = Fault::from(error);
        assert_eq!(shouted(fault.code()), documented(fault.reason()), "{shown} -> {fault}");
    }
}

#[test]
fn no_message_for_the_cloud_has_an_address_or_a_cause() {
    for error in all() {
        let fault = Fault::from(error);
        assert!(!fault.message().contains("10.0.0.7"), "{fault}");
        assert!(!fault.message().is_empty());
    }
}

#[test]
fn facts_and_delays_travel() {
    let error = Error::Refused(Box::new(Refusal {
        reason: Reason::PrExists,
        status: StatusCode::CONFLICT,
        exception: String::new(),
        message: String::new(),
        facts: vec![("pr_id", "7".into())],
    }));
    assert_eq!(Fault::from(error).fact("pr_id"), Some("7"));
    let limited = Error::RateLimited {
        base: "x".into(),
        limiter: Limiter::Bitbucket,
        retry_after: Some(Duration::from_secs(9)),
    };
    let status = tonic::Status::from(Fault::from(limited));
    let details = tonic_types::StatusExt::get_error_details(&status);
    assert_eq!(details.retry_info().and_then(|info| info.retry_delay), Some(Duration::from_secs(9)));
}

#[test]
fn a_login_page_is_called_by_its_name() {
    let error = Error::NotBitbucket { base: "x".into(), stranger: Stranger::LoginPage };
    let fault = Fault::from(error);
    assert!(fault.message().contains("login page"), "{fault}");
}

#[test]
fn bitbucket_is_quoted_where_it_knows_better() {
    let refusal = |reason| Refusal {
        reason,
        status: StatusCode::CONFLICT,
        exception: String::new(),
        message: "hook says no".into(),
        facts: vec![],
    };
    assert!(refused(refusal(Reason::EditRefused)).message().ends_with("hook says no"));
    assert!(refused(refusal(Reason::ArgumentRefused)).message().ends_with("hook says no"));
    assert!(!refused(refusal(Reason::CaptchaRequired)).message().contains("hook"));
}
