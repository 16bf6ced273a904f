//! A backend that does nothing but remember, for the tests of this module.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Semaphore;

use super::audit::{Audit, Outcome};
use super::connections::{Connection, HeldBackends};
use super::held::Settings;
use super::policy::{AllowAll, Decision, Policy};
use super::{Command, Scm, Stream, chunks};
use crate::ops::Call;
use crate::proto::Fault;
use crate::proto::scm::v1 as pb;

/// Remembers, in order, what happened; clones share the memory.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    happened: Arc<Mutex<Vec<String>>>,
    call: Arc<Mutex<Option<Call>>>,
    /// What each command waits for.
    gate: Option<Arc<Semaphore>>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One that does a command only for a permit of `gate`, and uses it up.
    pub(crate) fn behind(gate: &Arc<Semaphore>) -> Self {
        Self { gate: Some(Arc::clone(gate)), ..Self::default() }
    }

    async fn wait(&self) {
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("open").forget();
        }
    }

    pub(crate) fn note(&self, what: impl Into<String>) {
        self.happened.lock().unwrap().push(what.into());
    }

    /// What happened since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.happened.lock().unwrap())
    }

    /// What the backend was told of the last call.
    pub(crate) fn told(&self) -> Option<Call> {
        *self.call.lock().unwrap()
    }
}

impl Policy for Recorder {
    fn decide(&self, command: &Command) -> Decision {
        self.note(format!("policy {}", command.connection.as_deref().unwrap_or("-")));
        AllowAll.decide(command)
    }
}

impl Audit for Recorder {
    fn begin(&self, _: &Command) {
        self.note("begin");
    }

    fn end(&self, command: &Command, outcome: &Outcome) {
        let repo = command.target.repo.as_deref().unwrap_or("-");
        let reason = outcome.reason.map_or("-", pb::Reason::word);
        self.note(format!("end {repo} {:?} {reason}", outcome.code));
    }
}

/// A connection `name` to `https://NAME.example/` with the project SHOP.
pub(crate) fn connection(name: &str, recorder: &Recorder) -> Connection {
    Connection {
        name: name.to_owned(),
        url: format!("https://{name}.example/"),
        user: None,
        projects: ["SHOP"].into_iter().collect(),
        backend: Arc::new(recorder.clone()),
    }
}

/// Takes every connection that comes with a call.
pub(crate) struct OneHeld(pub(crate) Recorder);

impl HeldBackends for OneHeld {
    fn backend(&self, settings: &Settings) -> Result<Arc<dyn Scm>, Fault> {
        self.0.note(format!("held {}", settings.name));
        Ok(Arc::new(self.0.clone()))
    }
}

/// Takes none.
pub(crate) struct NoHeld;

impl HeldBackends for NoHeld {
    fn backend(&self, _: &Settings) -> Result<Arc<dyn Scm>, Fault> {
        Err(Fault::internal("not in this test"))
    }
}

macro_rules! record {
    ($($method:ident: $request:ident => $response:ident),* $(,)?) => {
        #[tonic::async_trait]
        impl Scm for Recorder {
            fn during(&self, call: Call) -> Arc<dyn Scm> {
                *self.call.lock().unwrap() = Some(call);
                Arc::new(self.clone())
            }

            $(async fn $method(&self, _: pb::$request) -> Result<pb::$response, Fault> {
                self.note(stringify!($method));
                self.wait().await;
                Ok(pb::$response::default())
            })*

            async fn get_file(&self, request: pb::GetFileRequest) -> Result<Stream<pb::GetFileResponse>, Fault> {
                self.note("get_file");
                let first = Ok(Bytes::from(vec![0; chunks::MOST + 1]));
                let message = |data| pb::GetFileResponse { data };
                Ok(match request.path.as_str() {
                    "cut" => chunks::messages(stream::iter([first, Err(Fault::internal("cut"))]), message),
                    "endless" => chunks::messages(stream::iter([first]).chain(stream::pending()), message),
                    _ => chunks::messages(stream::iter([first]), message),
                })
            }

            async fn get_archive(&self, _: pb::GetArchiveRequest) -> Result<Stream<pb::GetArchiveResponse>, Fault> {
                self.note("get_archive");
                Ok(stream::iter([Ok(pb::GetArchiveResponse::default())]).boxed())
            }

            async fn watch_pr(&self, _: pb::WatchPrRequest) -> Result<Stream<pb::WatchPrResponse>, Fault> {
                self.note("watch_pr");
                Ok(stream::iter([Ok(pb::WatchPrResponse::default())]).boxed())
            }

            async fn watch_build_status(
                &self,
                _: pb::WatchBuildStatusRequest,
            ) -> Result<Stream<pb::WatchBuildStatusResponse>, Fault> {
                self.note("watch_build_status");
                Ok(stream::iter([Ok(pb::WatchBuildStatusResponse::default())]).boxed())
            }
        }
    };
}

record! {
    test_connection: TestConnectionRequest => TestConnectionResponse,
    list_projects: ListProjectsRequest => ListProjectsResponse,
    list_repos: ListReposRequest => ListReposResponse,
    get_repo: GetRepoRequest => GetRepoResponse,
    list_branches: ListBranchesRequest => ListBranchesResponse,
    get_default_branch: GetDefaultBranchRequest => GetDefaultBranchResponse,
    create_branch: CreateBranchRequest => CreateBranchResponse,
    delete_branch: DeleteBranchRequest => DeleteBranchResponse,
    list_files: ListFilesRequest => ListFilesResponse,
    edit_file: EditFileRequest => EditFileResponse,
    open_pr: OpenPrRequest => OpenPrResponse,
    get_pr: GetPrRequest => GetPrResponse,
    list_prs: ListPRsRequest => ListPRsResponse,
    post_comment: PostCommentRequest => PostCommentResponse,
    get_build_status: GetBuildStatusRequest => GetBuildStatusResponse,
    list_commits: ListCommitsRequest => ListCommitsResponse,
    get_commit: GetCommitRequest => GetCommitResponse,
    compare_commits: CompareCommitsRequest => CompareCommitsResponse,
    get_diff: GetDiffRequest => GetDiffResponse,
    list_directory: ListDirectoryRequest => ListDirectoryResponse,
    get_branch: GetBranchRequest => GetBranchResponse,
    list_tags: ListTagsRequest => ListTagsResponse,
    update_pr: UpdatePrRequest => UpdatePrResponse,
    check_merge: CheckMergeRequest => CheckMergeResponse,
    merge_pr: MergePrRequest => MergePrResponse,
    decline_pr: DeclinePrRequest => DeclinePrResponse,
    reopen_pr: ReopenPrRequest => ReopenPrResponse,
    review_pr: ReviewPrRequest => ReviewPrResponse,
    list_activity: ListActivityRequest => ListActivityResponse,
    list_changes: ListChangesRequest => ListChangesResponse,
    get_pr_diff: GetPrDiffRequest => GetPrDiffResponse,
    get_pr_status: GetPrStatusRequest => GetPrStatusResponse,
    list_comments: ListCommentsRequest => ListCommentsResponse,
    update_comment: UpdateCommentRequest => UpdateCommentResponse,
    delete_comment: DeleteCommentRequest => DeleteCommentResponse,
    resolve_comment: ResolveCommentRequest => ResolveCommentResponse,
    list_builds: ListBuildsRequest => ListBuildsResponse,
    set_build_status: SetBuildStatusRequest => SetBuildStatusResponse,
    publish_report: PublishReportRequest => PublishReportResponse,
    get_build_log: GetBuildLogRequest => GetBuildLogResponse,
}
