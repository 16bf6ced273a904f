use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use http_body::Frame;
use http_body_util::StreamBody;
use tower::util::BoxCloneSyncService;

use super::*;
use crate::bitbucket::account::tests::account;
use crate::bitbucket::error::Doubt;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::proto::scm::v1 as pb;
use crate::proto::{Fault, Reason};

mod redirects;

/// What the far end does with one request.
enum Answer {
    Json(u16, &'static str),
    Headed(u16, &'static [(&'static str, &'static str)], &'static str),
    Cut,
    CutInBody,
    Unsent(Recovery),
    Never,
}

/// A far end with prepared answers; it keeps the heads of the requests that it got.
#[derive(Clone)]
struct FarEnd {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    got: Arc<Mutex<Vec<Request<()>>>>,
}

impl FarEnd {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), got: Arc::default() }
    }

    fn client(&self) -> Client {
        let far = self.clone();
        let transport = BoxCloneSyncService::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
            far.got.lock().unwrap().push(request.map(|_| ()));
            let answer = far.answers.lock().unwrap().pop_front().expect("one request too many");
            async move { answer.give().await }
        }));
        Client::with(account("https://git.example/bitbucket"), transport).expect("a client")
    }

    fn uris(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|request| request.uri().to_string()).collect()
    }

    fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

impl Answer {
    async fn give(self) -> Result<Response<Body>, Lost> {
        match self {
            Self::Json(status, body) => Self::whole(status, &[("content-type", "application/json")], body),
            Self::Headed(status, headers, body) => Self::whole(status, headers, body),
            Self::Cut => Err(Lost::Underway { source: "reset".into() }),
            Self::CutInBody => {
                let frames = [Ok(Frame::data(Bytes::from_static(b"{\"id\""))), Err("reset".into())];
                Ok(Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync()))
            }
            Self::Unsent(recovery) => Err(Lost::Unsent {
                hop: Reason::EgressConnect,
                recovery,
                says: "https://git.example:443 cannot be connected to".into(),
                source: "refused".into(),
            }),
            Self::Never => std::future::pending().await,
        }
    }

    fn whole(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> Result<Response<Body>, Lost> {
        let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        for (name, value) in headers {
            response.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        Ok(response)
    }
}

fn read() -> Request<Bytes> {
    let path = Path::rest("api").segment("projects").segment("SHOP").segment("repos").segment("web");
    Draft::get(path, Permission::RepoRead).empty()
}

fn write() -> Request<Bytes> {
    let path = Path::rest("api").segment("projects").segment("SHOP").segment("repos");
    Draft::new(Method::POST, path, Permission::RepoWrite).json(&1)
}

const OK: Answer = Answer::Json(200, "{}");

#[tokio::test]
async fn a_request_is_dressed_below_the_context_path() {
    let far = FarEnd::new([OK]);
    far.client().send(read()).await.expect("answered");
    let got = far.got.lock().unwrap();
    assert_eq!(got[0].uri(), "https://git.example/bitbucket/rest/api/latest/projects/SHOP/repos/web");
    let headers = got[0].headers();
    assert_eq!(
        (&headers["authorization"], &headers["x-atlassian-token"]),
        (&HeaderValue::from_static("Bearer s3cret"), &HeaderValue::from_static("no-check"))
    );
    assert!(headers["authorization"].is_sensitive());
    assert!(headers["user-agent"].to_str().expect("a text").starts_with("gitproxy/"));
    assert_eq!(headers["accept"], "application/json");
}

#[tokio::test(start_paused = true)]
async fn a_read_is_repeated_after_what_passes() {
    let far = FarEnd::new([Answer::Cut, Answer::Json(503, ""), Answer::Unsent(Recovery::Retry), OK]);
    far.client().send(read()).await.expect("answered");
    assert_eq!(far.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_read_is_not_repeated_for_ever_nor_after_what_stays() {
    let far = FarEnd::new((0..4).map(|_| Answer::Json(503, "")));
    assert!(matches!(far.client().send(read()).await, Err(Error::Unavailable { .. })));
    for answer in [
        Answer::Json(500, ""),
        Answer::Headed(429, &[("retry-after", "60")], ""),
        Answer::Json(401, "{}"),
        Answer::Unsent(Recovery::GiveUp),
        Answer::Headed(503, &[("retry-after", "60")], ""),
    ] {
        let far = FarEnd::new([answer]);
        far.client().send(read()).await.expect_err("refused");
        assert_eq!(far.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_repeated_only_if_it_was_not_sent() {
    let far = FarEnd::new([Answer::Unsent(Recovery::Retry), Answer::Json(201, "{}")]);
    far.client().send(write()).await.expect("answered");
    for answer in [Answer::Cut, Answer::CutInBody, Answer::Never, Answer::Json(504, "")] {
        let far = FarEnd::new([answer]);
        let error = far.client().send(write()).await.expect_err("lost");
        assert!(matches!(error, Error::Uncertain { .. }), "{error:?}");
        assert_eq!(Fault::from(error).reason(), Reason::WriteUncertain);
    }
    let far = FarEnd::new([Answer::Json(503, "")]);
    assert!(matches!(far.client().send(write()).await, Err(Error::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_never_ends_is_cut() {
    let far = FarEnd::new((0..4).map(|_| Answer::Never));
    assert!(matches!(far.client().send(read()).await, Err(Error::Cut { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_a_doubtful_body_leaves_doubt() {
    let far = FarEnd::new([Answer::Json(200, "{")]);
    let reply = far.client().send(write()).await.expect("an answer");
    let read: Result<serde_json::Value, Error> = reply.json();
    assert!(matches!(read, Err(Error::Uncertain { doubt: Doubt::Unreadable, .. })));
}

fn moved(to: &'static [(&'static str, &'static str)]) -> Answer {
    Answer::Headed(307, to, "")
}

#[tokio::test]
async fn a_moved_repository_is_followed_inside_the_projects() {
    let to = &[("location", "/bitbucket/rest/api/latest/projects/~JANE/repos/new")];
    let far = FarEnd::new([moved(to), OK]);
    far.client().send(write()).await.expect("answered");
    assert!(far.uris()[1].ends_with("/projects/~JANE/repos/new"));
    assert_eq!(far.got.lock().unwrap()[1].method(), Method::POST);
}

#[tokio::test]
async fn a_redirect_out_of_the_projects_is_refused_before_it_is_followed() {
    let far = FarEnd::new([moved(&[("location", "/bitbucket/rest/api/latest/projects/OPS/repos/web")])]);
    let error = far.client().send(read()).await.expect_err("refused");
    assert!(matches!(error, Error::OutsideProject { project } if project == "OPS"));
    assert_eq!(far.count(), 1);
}

#[tokio::test]
async fn a_redirect_elsewhere_is_no_bitbucket_and_gets_no_token() {
    for to in [
        &[("location", "https://sso.example/login?next=x")] as &'static [(&str, &str)],
        &[("location", "/bitbucket/login")],
        &[("location", "/bitbucket/rest/api/latest/users/x")],
        &[],
    ] {
        let far = FarEnd::new([moved(to)]);
        let error = far.client().send(read()).await.expect_err("refused");
        assert!(matches!(error, Error::NotBitbucket { stranger: Stranger::Redirect { .. }, .. }));
        assert_eq!(far.count(), 1);
    }
}

#[tokio::test]
async fn redirects_end() {
    let to = &[("location", "/bitbucket/rest/api/latest/projects/SHOP/repos/web")];
    let far = FarEnd::new((0..4).map(|_| moved(to)));
    let error = far.client().send(read()).await.expect_err("refused");
    assert!(matches!(error, Error::NotBitbucket { stranger: Stranger::Loop, .. }));
}

#[tokio::test]
async fn a_write_does_not_follow_a_redirect_that_makes_it_a_read() {
    let answer = Answer::Headed(302, &[("location", "/bitbucket/rest/api/latest/projects/SHOP/repos/w")], "");
    let far = FarEnd::new([answer]);
    assert!(matches!(far.client().send(write()).await, Err(Error::NotBitbucket { .. })));
}

fn file() -> pb::GetFileRequest {
    let repo = RepoRef { project: "SHOP".into(), slug: "web".into() };
    pb::GetFileRequest { repo: Some(repo), path: "index.html".into(), at: String::new() }
}

#[tokio::test]
async fn an_honest_html_file_is_told_from_a_login_page() {
    let honest: &[_] = &[("content-type", "text/html"), ("x-ausername", "jane")];
    let far = FarEnd::new([Answer::Headed(200, honest, "<html>")]);
    let pieces = far.client().get_file(file()).await.expect("opened");
    let bytes: Vec<Bytes> = pieces.try_collect().await.expect("whole");
    assert_eq!(bytes.concat(), b"<html>");
    let far = FarEnd::new([Answer::Headed(
        200,
        &[("content-type", "text/html"), ("x-arequestid", "@1")],
        "<html>log in",
    )]);
    let error = far.client().get_file(file()).await.err().expect("refused");
    assert!(matches!(error, Error::NotBitbucket { stranger: Stranger::LoginPage, .. }));
}

#[tokio::test]
async fn a_missing_file_and_a_cut_one_are_errors() {
    let far = FarEnd::new([Answer::Json(404, r#"{"errors":[{"exceptionName":"a.NoSuchPathException"}]}"#)]);
    let error = far.client().get_file(file()).await.err().expect("refused");
    assert_eq!(error.reason(), Some(Reason::PathNotFound));
    let far = FarEnd::new([Answer::CutInBody]);
    let pieces: Vec<_> = far.client().get_file(file()).await.expect("opened").collect().await;
    assert!(matches!(pieces.as_slice(), [Ok(_), Err(Error::Cut { .. })]));
}

#[tokio::test]
async fn nothing_outside_the_projects_is_sent() {
    let far = FarEnd::new([]);
    let mut asked = file();
    asked.repo = Some(RepoRef { project: "OPS".into(), slug: "web".into() });
    let error = far.client().get_file(asked).await.err().expect("refused");
    assert!(matches!(error, Error::OutsideProject { .. }));
    let fork = Some(RepoRef { project: "OPS".into(), slug: "web".into() });
    let open = pb::OpenPrRequest {
        from_repo: fork,
        from_branch: "a".into(),
        to_branch: "b".into(),
        title: "t".into(),
        repo: file().repo,
        ..Default::default()
    };
    assert!(matches!(far.client().open_pr(open).await, Err(Error::OutsideProject { .. })));
    assert_eq!(far.count(), 0);
}

#[tokio::test]
async fn a_page_token_of_another_listing_is_refused_before_any_request() {
    let far = FarEnd::new([Answer::Json(200, r#"{"values":[],"isLastPage":false,"nextPageStart":25}"#)]);
    let client = far.client();
    let asked = pb::ListReposRequest { project: "SHOP".into(), ..Default::default() };
    let page = client.list_repos(asked.clone()).await.expect("a page");
    let other = pb::ListReposRequest { page_token: page.next_page_token.clone(), ..Default::default() };
    assert!(matches!(client.list_repos(other).await, Err(Error::PageToken)));
    assert_eq!(far.count(), 1);
}

#[tokio::test]
async fn all_repositories_are_paged_project_by_project_past_hidden_ones() {
    let one = r#"{"values":[{"slug":"a","project":{"key":"SHOP"}}],"isLastPage":true}"#;
    let gone = r#"{"errors":[{"exceptionName":"x.AuthorisationException"}]}"#;
    let far = FarEnd::new([Answer::Json(200, one), Answer::Json(401, gone)]);
    let page = far.client().list_repos(pb::ListReposRequest::default()).await.expect("a page");
    assert_eq!((page.repos.len(), page.next_page_token.as_str()), (1, ""));
    let far = FarEnd::new([Answer::Json(200, one), Answer::Json(200, r#"{"values":[]}"#)]);
    let client = far.client();
    let asked = pb::ListReposRequest { page_size: 1, ..Default::default() };
    let page = client.list_repos(asked.clone()).await.expect("a page");
    assert_eq!(far.count(), 1);
    let next = pb::ListReposRequest { page_token: page.next_page_token, ..asked };
    let page = client.list_repos(next).await.expect("a page");
    assert_eq!((page.repos.len(), page.next_page_token.as_str()), (0, ""));
}

#[tokio::test]
async fn a_default_branch_is_asked_for_in_the_old_way_where_the_new_one_is_missing() {
    let missing = || Answer::Json(404, r#"{"status-code":404}"#);
    let branch = Answer::Json(200, r#"{"id":"refs/heads/main","displayId":"main","latestCommit":"ff"}"#);
    let asked = || pb::GetDefaultBranchRequest { repo: file().repo };
    let found = FarEnd::new([missing(), branch]).client().get_default_branch(asked()).await.expect("found");
    assert_eq!(found.branch.expect("a branch").name, "main");
    for answers in [
        [missing(), Answer::Json(204, "")],
        [Answer::Json(200, r#"{"id":"refs/heads/main"}"#), Answer::Json(204, "")],
        [Answer::Json(200, r#"{"id":"refs/heads/main"}"#), Answer::Json(404, "")],
    ] {
        let error = FarEnd::new(answers).client().get_default_branch(asked()).await.expect_err("none");
        assert_eq!(error.reason(), Some(Reason::NoDefaultBranch));
    }
}

#[tokio::test]
async fn a_branch_that_is_not_deleted_is_the_default_or_has_moved() {
    let refused = || Answer::Json(400, r#"{"errors":[{"exceptionName":"x.ArgumentValidationException"}]}"#);
    let main = || Answer::Json(200, r#"{"id":"refs/heads/main","displayId":"main","latestCommit":"ff"}"#);
    let delete = |name: &str, expected: String| pb::DeleteBranchRequest {
        repo: file().repo,
        name: name.into(),
        expected_commit_id: expected,
    };
    let of = |asked| async { FarEnd::new([refused(), main()]).client().delete_branch(asked).await };
    let reason = |outcome: Result<pb::DeleteBranchResponse, Error>| outcome.expect_err("refused").reason();
    assert_eq!(reason(of(delete("main", String::new())).await), Some(Reason::BranchIsDefault));
    assert_eq!(reason(of(delete("x", "a".repeat(40))).await), Some(Reason::BranchMoved));
    assert_eq!(reason(of(delete("x", String::new())).await), Some(Reason::ArgumentRefused));
}

#[tokio::test]
async fn builds_are_asked_for_only_of_a_commit_in_the_repository() {
    let far = FarEnd::new([Answer::Json(404, r#"{"errors":[{"exceptionName":"x.NoSuchCommitException"}]}"#)]);
    let target = Some(pb::get_build_status_request::Target::CommitId("a".repeat(40)));
    let asked = pb::GetBuildStatusRequest { repo: file().repo, target };
    let error = far.client().get_build_status(asked).await.expect_err("not there");
    assert_eq!((error.reason(), far.count()), (Some(Reason::RefNotFound), 1));
}

#[tokio::test]
async fn content_that_is_already_there_is_unchanged() {
    let same = r#"{"errors":[{"exceptionName":"x.content.FileContentUnmodifiedException"}]}"#;
    let far = FarEnd::new([Answer::Json(409, same)]);
    let edit =
        pb::EditFileRequest { repo: file().repo, branch: "x".into(), path: "a".into(), ..Default::default() };
    let done = far.client().edit_file(edit).await.expect("a success");
    assert!(done.unchanged && done.commit.is_none());
}
