//! One file a service; every method is one line into [`call`](super::call).

use std::sync::Arc;

use tonic::service::Routes;

use super::Core;
use crate::proto::scm::v1::builds_server::BuildsServer;
use crate::proto::scm::v1::comments_server::CommentsServer;
use crate::proto::scm::v1::commits_server::CommitsServer;
use crate::proto::scm::v1::connections_server::ConnectionsServer;
use crate::proto::scm::v1::files_server::FilesServer;
use crate::proto::scm::v1::pull_requests_server::PullRequestsServer;
use crate::proto::scm::v1::refs_server::RefsServer;
use crate::proto::scm::v1::repos_server::ReposServer;

mod builds;
mod comments;
mod commits;
mod connections;
mod files;
mod pull_requests;
mod refs;
mod repos;

/// The largest request message: an edit's 5 MiB of content, with room for its other fields.
const REQUEST_MOST: usize = 8 * 1024 * 1024;

pub(super) fn routes(core: &Arc<Core>) -> Routes {
    let core = || Arc::clone(core);
    Routes::default()
        .add_service(BuildsServer::new(builds::Builds(core())).max_decoding_message_size(REQUEST_MOST))
        .add_service(CommentsServer::new(comments::Comments(core())).max_decoding_message_size(REQUEST_MOST))
        .add_service(CommitsServer::new(commits::Commits(core())).max_decoding_message_size(REQUEST_MOST))
        .add_service(
            ConnectionsServer::new(connections::Connections(core())).max_decoding_message_size(REQUEST_MOST),
        )
        .add_service(FilesServer::new(files::Files(core())).max_decoding_message_size(REQUEST_MOST))
        .add_service(
            PullRequestsServer::new(pull_requests::PullRequests(core()))
                .max_decoding_message_size(REQUEST_MOST),
        )
        .add_service(RefsServer::new(refs::Refs(core())).max_decoding_message_size(REQUEST_MOST))
        .add_service(ReposServer::new(repos::Repos(core())).max_decoding_message_size(REQUEST_MOST))
}
