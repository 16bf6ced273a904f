use std::time::Duration;

use super::*;

fn exception(status: u16, name: &str, more: &str) -> Reply {
    Reply::of_write(
        status,
        &format!(r#"{{"errors":[{{"context":null,"message":"m","exceptionName":{name}{more}}}]}}"#),
    )
}

fn named(status: u16, name: &str) -> Error {
    judge(exception(status, &format!(r#""com.atlassian.bitbucket.x.{name}""#), "")).expect_err("refused")
}

fn fact<'a>(error: &'a Error, name: &str) -> Option<&'a str> {
    let Error::Refused(refusal) = error else { return None };
    refusal.facts.iter().find(|(of, _)| *of == name).map(|(_, value)| value.as_str())
}

#[test]
fn exceptions_are_told_by_their_simple_name() {
    let cases = [
        (404, "NoSuchProjectException", Reason::ProjectNotFound),
        (404, "NoSuchRepositoryException", Reason::RepoNotFound),
        (404, "NoSuchCommitException", Reason::RefNotFound),
        (404, "NoSuchBranchException", Reason::RefNotFound),
        (404, "NoSuchPathException", Reason::PathNotFound),
        (404, "NoSuchPullRequestException", Reason::PrNotFound),
        (404, "NoSuchCommentException", Reason::CommentNotFound),
        (404, "NoDefaultBranchException", Reason::NoDefaultBranch),
        (404, "NoSuchEntityException", Reason::NotFound),
        (400, "DuplicateRefException", Reason::BranchExists),
        (400, "InvalidRefNameException", Reason::BranchNameInvalid),
        (400, "ArgumentValidationException", Reason::ArgumentRefused),
        (409, "DuplicatePullRequestException", Reason::PrExists),
        (409, "EmptyPullRequestException", Reason::PrEmpty),
        (409, "PullRequestOutOfDateException", Reason::PrOutOfDate),
        (409, "IllegalPullRequestStateException", Reason::PrClosed),
        (409, "InvalidPullRequestReviewersException", Reason::ReviewersInvalid),
        (409, "PullRequestMergeVetoedException", Reason::MergeVetoed),
        (400, "InvalidPullRequestRoleException", Reason::ReviewRefused),
        (409, "FileAlreadyExistsException", Reason::FileExists),
        (409, "FileOutOfDateException", Reason::FileOutOfDate),
        (409, "EditFileFailedException", Reason::EditRefused),
        (409, "IllegalEntityStateException", Reason::StateRefused),
        (409, "NeverHeardOfException", Reason::StateRefused),
        (400, "NeverHeardOfException", Reason::ArgumentRefused),
        (401, "AuthorisationException", Reason::PermissionMissing),
        (401, "NoAccessAuthenticationException", Reason::PermissionMissing),
        (401, "CaptchaRequiredAuthenticationException", Reason::CaptchaRequired),
        (403, "CaptchaRequiredAuthenticationException", Reason::CaptchaRequired),
        (403, "AuthorisationException", Reason::TokenHasNoUser),
        (403, "NeverHeardOfException", Reason::TokenHasNoUser),
    ];
    for (status, name, reason) in cases {
        assert_eq!(named(status, name).reason(), Some(reason), "{status} {name}");
    }
}

#[test]
fn a_403_is_about_the_permission_where_a_user_is_known_or_nothing_is_written() {
    let name = r#""x.AuthorisationException""#;
    let known = exception(403, name, "").header("x-ausername", "erik");
    assert_eq!(judge(known).expect_err("refused").reason(), Some(Reason::PermissionMissing));
    let nobody = exception(403, name, "").header("x-ausername", "access-token-user%2F1%2F2");
    assert_eq!(judge(nobody).expect_err("refused").reason(), Some(Reason::TokenHasNoUser));
    assert_eq!(judge(Reply::of(403, "{}")).expect_err("refused").reason(), Some(Reason::PermissionMissing));
}

#[test]
fn the_packages_of_old_servers_make_no_difference() {
    let old = exception(400, r#""com.atlassian.stash.repository.DuplicateRefException""#, "");
    assert_eq!(judge(old).expect_err("refused").reason(), Some(Reason::BranchExists));
}

#[test]
fn a_401_is_told_apart_into_token_and_permission() {
    for name in ["IncorrectPasswordAuthenticationException", "AuthenticationRequiredException"] {
        assert!(matches!(named(401, name), Error::TokenInvalid { .. }), "{name}");
    }
    let bare = || exception(401, "null", "");
    assert!(matches!(judge(bare()), Err(Error::TokenInvalid { .. })));
    let known = judge(bare().header("x-ausername", "erik")).expect_err("refused");
    assert_eq!(
        (known.reason(), fact(&known, "permission")),
        (Some(Reason::PermissionMissing), Some("REPO_READ"))
    );
    assert!(matches!(judge(Reply::of(401, "").header("content-type", "")), Err(Error::TokenInvalid { .. })));
}

#[test]
fn a_missing_route_is_told_from_a_missing_entity() {
    let json = Reply::of(404, r#"{"message":"HTTP 404 Not Found","status-code":404,"sub-code":-1}"#);
    assert!(matches!(judge(json), Err(Error::RouteMissing)));
    let xml = Reply::of(404, "<status><status-code>404</status-code></status>")
        .header("content-type", "application/xml");
    assert!(matches!(judge(xml), Err(Error::RouteMissing)));
    let empty = Reply::of(404, "").header("content-type", "");
    assert_eq!(judge(empty).expect_err("refused").reason(), Some(Reason::NotFound));
    let odd = Reply::of(404, r#"{"errors":[{"message":null,"exceptionName":null}]}"#);
    assert_eq!(judge(odd).expect_err("refused").reason(), Some(Reason::NotFound));
}

#[test]
fn a_429_need_not_be_json_and_keeps_its_delay() {
    let limited = Reply::of(429, "Rate limit").header("content-type", "text/html").header("retry-after", "3");
    let Err(Error::RateLimited { retry_after, .. }) = judge(limited) else { panic!("not rate limited") };
    assert_eq!(retry_after, Some(Duration::from_secs(3)));
}

#[test]
fn a_5xx_is_unavailable_and_a_lost_answer_of_a_write_is_uncertain() {
    for status in [500, 502, 503, 504] {
        let page = Reply::of(status, "<html>").header("content-type", "text/html");
        assert!(matches!(judge(page), Err(Error::Unavailable { .. })), "{status}");
    }
    assert!(matches!(judge(Reply::of_write(503, "")), Err(Error::Unavailable { .. })));
    for status in [502, 504] {
        assert!(matches!(judge(Reply::of_write(status, "")), Err(Error::Uncertain { .. })), "{status}");
    }
}

#[test]
fn a_5xx_is_blamed_on_a_reverse_proxy_where_bitbucket_did_not_number_it() {
    let words = |status, id| match judge(Reply::of(status, "").header("x-arequestid", id)) {
        Err(Error::Unavailable { speaker, status, .. }) => speaker.in_words(status)[0].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        words(502, ""),
        "a reverse proxy before Bitbucket answers HTTP 502 Bad Gateway: it does not reach Bitbucket"
    );
    assert!(words(504, "").contains("504 Gateway Timeout: it does not reach Bitbucket"));
    assert!(words(503, "").ends_with("overloaded, or a reverse proxy before it does not reach it"));
    assert!(words(503, "@1").ends_with("in maintenance, overloaded or broken"));
}

#[test]
fn a_404_that_is_not_bitbuckets_says_that_there_is_none() {
    let plain = |body| Reply::of(404, body).header("content-type", "text/plain").header("x-arequestid", "");
    for body in ["", "default backend - 404"] {
        let told = judge(plain(body));
        assert!(
            matches!(told, Err(Error::NotBitbucket { stranger: Stranger::NotFoundPage, .. })),
            "{told:?}"
        );
    }
    assert!(matches!(judge(plain("<status-code>404<")), Err(Error::RouteMissing)));
}

#[test]
fn an_answer_that_could_not_be_written_leaves_the_write_in_doubt() {
    let lost = exception(400, r#""com.fasterxml.jackson.databind.JsonMappingException""#, "");
    assert!(matches!(judge(lost), Err(Error::Uncertain { doubt: Doubt::Serialisation, .. })));
}

#[test]
fn a_web_page_is_no_answer() {
    let page = |status, id| {
        judge(Reply::of(status, "<html>").header("content-type", "text/html").header("x-arequestid", id))
    };
    let stranger = |result: Result<Reply, Error>| match result {
        Err(Error::NotBitbucket { stranger, .. }) => Some(stranger),
        _ => None,
    };
    assert_eq!(stranger(page(200, "")), Some(Stranger::LoginPage));
    assert_eq!(stranger(page(200, "@1")), Some(Stranger::LoginPage));
    assert_eq!(stranger(page(401, "")), Some(Stranger::LoginPage));
    assert_eq!(stranger(page(404, "")), Some(Stranger::NotFoundPage));
    let nginx = Reply::of(400, "<title>400 No required SSL certificate was sent</title>");
    let nginx = judge(nginx.header("content-type", "text/html").header("x-arequestid", ""));
    assert_eq!(stranger(nginx), Some(Stranger::ClientCertificate));
    for words in [
        "<h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port",
        "Bad Request\nThis combination of host and port requires TLS.\n",
    ] {
        let answer = Reply::of(400, words).header("content-type", "text/plain").header("x-arequestid", "");
        assert_eq!(stranger(judge(answer)), Some(Stranger::Tls), "{words}");
    }
    assert!(matches!(page(401, "@1"), Err(Error::TokenInvalid { .. })), "Bitbucket's own");
    let plain = Reply::of(200, "hello").header("content-type", "text/plain");
    assert_eq!(stranger(judge(plain)), Some(Stranger::OtherType));
}

#[test]
fn an_empty_success_needs_no_type() {
    assert!(judge(Reply::of(204, "").header("content-type", "")).is_ok());
}

#[test]
fn an_xsrf_refusal_is_our_own_fault() {
    let page = Reply::of_write(403, "XSRF check failed")
        .header("content-type", "text/html")
        .header("x-arequestid", "");
    assert!(matches!(judge(page), Err(Error::Xsrf)));
}

#[test]
fn the_facts_of_a_refusal_are_kept() {
    let pr = exception(
        409,
        r#""a.DuplicatePullRequestException""#,
        r#","existingPullRequest":{"id":7,"title":"x"}"#,
    );
    assert_eq!(fact(&judge(pr).expect_err("refused"), "pr_id"), Some("7"));
    let stale =
        exception(409, r#""a.PullRequestOutOfDateException""#, r#","currentVersion":3,"expectedVersion":1"#);
    assert_eq!(fact(&judge(stale).expect_err("refused"), "current_version"), Some("3"));
    let who = exception(
        409,
        r#""a.InvalidPullRequestReviewersException""#,
        r#","reviewerErrors":[{"context":"bob","message":"no"},{"context":"eve"}]"#,
    );
    assert_eq!(fact(&judge(who).expect_err("refused"), "reviewers"), Some("bob, eve"));
    let veto =
        exception(409, r#""a.PullRequestMergeVetoedException""#, r#","vetoes":[{"summaryMessage":"tests"}]"#);
    assert_eq!(fact(&judge(veto).expect_err("refused"), "vetoes"), Some("tests"));
}
