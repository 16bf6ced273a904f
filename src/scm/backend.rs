//! Joins the services to the Bitbucket adapter; the only place of `scm` that knows it.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use tracing::{debug, warn};

use self::cache::{Cache, Identity};
use self::origins::Origins;
use super::connections::{Connection, HeldBackends};
use super::held::{Credential, Settings};
use super::{Scm, Stream, chunks};
use crate::bitbucket::{self, Account, Client, ProjectKey};
use crate::ops::Call;
use crate::ops::secret::Source;
use crate::proto::scm::v1 as pb;
use crate::proto::{Fault, Reason};

mod cache;
mod origins;

pub use origins::Allowance;

/// Makes a local connection of `client`.
pub fn connection(client: Client) -> Connection {
    Connection {
        name: client.connection().to_owned(),
        url: client.base().to_owned(),
        user: None,
        projects: client.projects().iter().map(ProjectKey::as_str).collect(),
        backend: Arc::new(client),
    }
}

/// Makes clients for connections that come with calls, and keeps those that were used last.
///
/// A client that is displaced lives until its last call ends. What makes a client is given, most likely [`Client::new`]
/// with an `Egress`, so that this module need not know the way out of the building.
pub struct Held<F, B> {
    make: F,
    origins: Origins,
    clients: Mutex<Cache<B>>,
}

impl<F, B> Held<F, B>
where
    F: Fn(Account) -> Result<B, bitbucket::Error> + Send + Sync + 'static,
    B: Scm + Clone,
{
    /// Makes clients by `make`; `allowance` bounds how many servers calls may bring in.
    pub fn new(make: F, allowance: Allowance) -> Self {
        Self { make, origins: Origins::new(allowance), clients: Mutex::new(Cache::new(CLIENTS)) }
    }

    fn client(&self, settings: &Settings) -> Result<B, Fault> {
        self.origins.admit(&settings.base)?;
        let identity = Identity::of(settings);
        // Making a client does no IO, so the lock is short, and two calls at once make only one.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.find(&identity) {
            return Ok(client);
        }
        let client = (self.make)(account(settings)?).map_err(fault)?;
        clients.keep(identity, client.clone());
        Ok(client)
    }
}

impl<F, B> HeldBackends for Held<F, B>
where
    F: Fn(Account) -> Result<B, bitbucket::Error> + Send + Sync + 'static,
    B: Scm + Clone,
{
    fn backend(&self, settings: &Settings) -> Result<Arc<dyn Scm>, Fault> {
        Ok(Arc::new(self.client(settings)?))
    }
}

fn account(settings: &Settings) -> Result<Account, Fault> {
    let keys = settings.projects.keys().iter();
    let projects = keys.map(|key| ProjectKey::parse(key)).collect::<Result<_, _>>().map_err(|_| {
        let problem = format!("connection `{}` has a project key that is none; correct it", settings.name);
        Fault::new(tonic::Code::FailedPrecondition, Reason::ConnectionInvalid, problem)
            .with("connection", settings.name.as_str())
    })?;
    let credential = match &settings.credential {
        Credential::Bearer(token) => bitbucket::Credential::Bearer(Source::Fixed(token.clone())),
        Credential::Basic { user, password } => {
            bitbucket::Credential::Basic { user: user.clone(), password: Source::Fixed(password.clone()) }
        }
    };
    Ok(Account {
        name: settings.name.clone(),
        base: settings.base.clone(),
        credential,
        user: settings.user.clone(),
        projects,
    })
}

/// The cloud gets the fault, the operator's log the chain of causes.
fn fault(error: bitbucket::Error) -> Fault {
    let log = error.log();
    let fault = Fault::from(error);
    if needs_somebody(&fault) {
        warn!(reason = fault.reason().word(), error = log, "Bitbucket did not do a command");
    } else {
        debug!(reason = fault.reason().word(), error = log, "Bitbucket did not do a command");
    }
    fault
}

/// Whether the operator should look, rather than the caller.
fn needs_somebody(fault: &Fault) -> bool {
    use tonic::Code;
    let operators =
        [Reason::TokenInvalid, Reason::CaptchaRequired, Reason::NotBitbucket, Reason::ConnectionInvalid];
    matches!(fault.code(), Code::Unavailable | Code::Internal | Code::Unknown)
        || operators.contains(&fault.reason())
}

/// How many clients are kept: each holds a few idle sockets at most.
const CLIENTS: usize = 64;

macro_rules! commands {
    (
        unary { $($method:ident($request:ident) -> $response:ident;)* }
        watch { $($watch:ident($asked:ident) -> $told:ident;)* }
    ) => {
        #[tonic::async_trait]
        impl Scm for Client {
            fn during(&self, call: Call) -> Arc<dyn Scm> {
                Arc::new(Client::during(self, call))
            }

            $(async fn $method(&self, request: pb::$request) -> Result<pb::$response, Fault> {
                // The adapter's method of the same name; an inherent one goes before the trait's.
                Client::$method(self, request).await.map_err(fault)
            })*

            $(async fn $watch(&self, request: pb::$asked) -> Result<Stream<pb::$told>, Fault> {
                let told = Client::$watch(self, request).map_err(fault)?;
                Ok(told.map(|message| message.map_err(fault)).boxed())
            })*

            async fn get_file(&self, request: pb::GetFileRequest) -> Result<Stream<pb::GetFileResponse>, Fault> {
                let file = Client::get_file(self, request).await.map_err(fault)?;
                let bytes = file.map(|bytes| bytes.map_err(fault));
                Ok(chunks::messages(bytes, |data| pb::GetFileResponse { data }))
            }

            async fn get_archive(
                &self,
                request: pb::GetArchiveRequest,
            ) -> Result<Stream<pb::GetArchiveResponse>, Fault> {
                let archive = Client::get_archive(self, request).await.map_err(fault)?;
                let bytes = archive.map(|bytes| bytes.map_err(fault));
                Ok(chunks::messages(bytes, |data| pb::GetArchiveResponse { data }))
            }
        }
    };
}

commands! {
    unary {
    test_connection(TestConnectionRequest) -> TestConnectionResponse;
    list_projects(ListProjectsRequest) -> ListProjectsResponse;
    list_repos(ListReposRequest) -> ListReposResponse;
    get_repo(GetRepoRequest) -> GetRepoResponse;
    list_branches(ListBranchesRequest) -> ListBranchesResponse;
    get_default_branch(GetDefaultBranchRequest) -> GetDefaultBranchResponse;
    create_branch(CreateBranchRequest) -> CreateBranchResponse;
    delete_branch(DeleteBranchRequest) -> DeleteBranchResponse;
    list_files(ListFilesRequest) -> ListFilesResponse;
    edit_file(EditFileRequest) -> EditFileResponse;
    open_pr(OpenPrRequest) -> OpenPrResponse;
    get_pr(GetPrRequest) -> GetPrResponse;
    list_prs(ListPRsRequest) -> ListPRsResponse;
    post_comment(PostCommentRequest) -> PostCommentResponse;
    get_build_status(GetBuildStatusRequest) -> GetBuildStatusResponse;
    list_commits(ListCommitsRequest) -> ListCommitsResponse;
    get_commit(GetCommitRequest) -> GetCommitResponse;
    compare_commits(CompareCommitsRequest) -> CompareCommitsResponse;
    get_diff(GetDiffRequest) -> GetDiffResponse;
    list_directory(ListDirectoryRequest) -> ListDirectoryResponse;
    get_branch(GetBranchRequest) -> GetBranchResponse;
    list_tags(ListTagsRequest) -> ListTagsResponse;
    update_pr(UpdatePrRequest) -> UpdatePrResponse;
    check_merge(CheckMergeRequest) -> CheckMergeResponse;
    merge_pr(MergePrRequest) -> MergePrResponse;
    decline_pr(DeclinePrRequest) -> DeclinePrResponse;
    reopen_pr(ReopenPrRequest) -> ReopenPrResponse;
    review_pr(ReviewPrRequest) -> ReviewPrResponse;
    list_activity(ListActivityRequest) -> ListActivityResponse;
    list_changes(ListChangesRequest) -> ListChangesResponse;
    get_pr_diff(GetPrDiffRequest) -> GetPrDiffResponse;
    get_pr_status(GetPrStatusRequest) -> GetPrStatusResponse;
    list_comments(ListCommentsRequest) -> ListCommentsResponse;
    update_comment(UpdateCommentRequest) -> UpdateCommentResponse;
    delete_comment(DeleteCommentRequest) -> DeleteCommentResponse;
    resolve_comment(ResolveCommentRequest) -> ResolveCommentResponse;
    list_builds(ListBuildsRequest) -> ListBuildsResponse;
    set_build_status(SetBuildStatusRequest) -> SetBuildStatusResponse;
    publish_report(PublishReportRequest) -> PublishReportResponse;
    get_build_log(GetBuildLogRequest) -> GetBuildLogResponse;
    }
    watch {
        watch_pr(WatchPrRequest) -> WatchPrResponse;
        watch_build_status(WatchBuildStatusRequest) -> WatchBuildStatusResponse;
    }
}

#[cfg(test)]
mod tests;
