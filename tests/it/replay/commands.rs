//! Which command an endpoint's answers are replayed by, and where their members must arrive.

use super::recording::Recording;

/// A command, asked while the server answers one of its requests from a recording.
pub(super) struct Replayed {
    /// `Service/Command`.
    pub(super) name: &'static str,
    /// Its request, in the JSON form of its message.
    pub(super) request: &'static str,
    /// The method of the request that is answered from the recording.
    method: &'static str,
    /// Whether a path is that request's; for the recordings' endpoints and for our own requests.
    pub(super) is_it: fn(&str) -> bool,
    /// Pointers into the recorded answer, and into the message where what stands there must arrive.
    pub(super) members: &'static [(&'static str, &'static str)],
}

impl Replayed {
    pub(super) fn is_of(&self, recording: &Recording) -> bool {
        self.method == recording.method && (self.is_it)(&recording.endpoint)
    }
}

/// The command for a refusal at an endpoint that no command uses: one that reads, or one that writes.
pub(super) fn any(recording: &Recording) -> &'static Replayed {
    if recording.method == "GET" {
        &ANY_READ
    } else if recording.method == "PUT" {
        &ANY_PUT
    } else if recording.method == "DELETE" {
        &ANY_DELETE
    } else {
        &ANY_POST
    }
}

macro_rules! replayed {
    ($name:literal, $request:literal, $method:literal, $is_it:expr, [$($from:literal => $to:literal),* $(,)?]) => {
        Replayed { name: $name, request: $request, method: $method, is_it: $is_it, members: &[$(($from, $to)),*] }
    };
}

const ANY_READ: Replayed =
    replayed!("Repos/GetRepo", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#, "GET", |_| true, []);
const ANY_POST: Replayed = replayed!(
    "Refs/CreateBranch",
    r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "x", "start_point": "y"}"#,
    "POST",
    |_| true,
    []
);
const ANY_PUT: Replayed = replayed!(
    "Files/EditFile",
    r#"{"repo": {"project": "SHOP", "slug": "web"}, "branch": "x", "path": "y", "message": "M"}"#,
    "PUT",
    |_| true,
    []
);
const ANY_DELETE: Replayed = replayed!(
    "Refs/DeleteBranch",
    r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "x"}"#,
    "DELETE",
    |_| true,
    []
);

/// Whether a method and a path are the request's.
type IsIt = fn(&str, &str) -> bool;

/// What the server says to a request that no recording answers.
pub(super) const AUXILIARY: &[(IsIt, &str)] = &[
    (
        |_, path| path.ends_with("/application-properties"),
        r#"{"version":"9.4.22","displayName":"Bitbucket"}"#,
    ),
    (|_, path| path.ends_with("/merge"), r#"{"canMerge":true,"outcome":"CLEAN"}"#),
    (
        |_, path| below(path, "/pull-requests/").is_some_and(|id| !id.contains('/')),
        r#"{"id":1,"version":3,"state":"OPEN","title":"T","fromRef":{"id":"refs/heads/x","latestCommit":"0123456789012345678901234567890123456789","repository":{"slug":"web","id":1,"project":{"key":"SHOP"}}},"toRef":{"id":"refs/heads/y","repository":{"slug":"web","id":1,"project":{"key":"SHOP"}}}}"#,
    ),
    (|_, path| below(path, "/comments/").is_some(), r#"{"id":7,"version":1,"text":"T"}"#),
    (
        |_, path| below(path, "/commits/").is_some_and(|id| !id.contains('/')) && path.contains("/repos/"),
        r#"{"id":"0123456789012345678901234567890123456789"}"#,
    ),
    (|_, path| path.ends_with("/users"), r#"{"isLastPage":true,"values":[{"name":"alice","slug":"alice"}]}"#),
    (|_, path| path.ends_with("/repos/web"), r#"{"id":1,"slug":"web","project":{"key":"SHOP"}}"#),
];

/// What follows a part of the path.
fn below<'a>(path: &'a str, part: &str) -> Option<&'a str> {
    path.split_once(part).map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
}

/// Whether a path is one of a repository that ends so.
fn of_repo(path: &str, tail: &str) -> bool {
    let rest = below(path, "/repos/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(_, rest)| format!("/{rest}") == tail)
}

/// Whether a path is one of a pull request that ends so.
fn of_pr(path: &str, tail: &str) -> bool {
    let rest = below(path, "/pull-requests/").map(|rest| rest.split_once('/').map_or("", |(_, rest)| rest));
    rest.is_some_and(|rest| rest == tail.trim_start_matches('/'))
}

fn of_commit(path: &str, tail: &str) -> bool {
    let rest = below(path, "/commits/").filter(|_| path.contains("/repos/"));
    rest.map(|rest| rest.split_once('/').map_or("", |(_, rest)| rest)).is_some_and(|rest| rest == tail)
}

/// Whether a path is a repository's own.
fn of_repo_itself(path: &str) -> bool {
    below(path, "/repos/").is_some_and(|rest| !rest.contains('/'))
}

/// See [`Replayed`]. The first one that fits counts.
pub(super) const COMMANDS: &[Replayed] = &[
    replayed!("Connections/TestConnection", r#"{}"#, "GET", |path| path.ends_with("/application-properties"), [
        "/version" => "/version",
    ]),
    replayed!("Repos/ListProjects", r#"{}"#, "GET", |path| below(path, "/projects/").is_some_and(|key| !key.contains('/')), [
        "/key" => "/projects/*/key",
        "/name" => "/projects/*/name",
        "/description" => "/projects/*/description",
        "/links/self/0/href" => "/projects/*/web_url",
    ]),
    replayed!("Repos/ListRepos", r#"{"project": "SHOP"}"#, "GET", |path| path.ends_with("/repos") || path.ends_with("/repos_start_0_limit_200"), [
        "/values/*/slug" => "/repos/*/ref/slug",
        "/values/*/project/key" => "/repos/*/ref/project",
        "/values/*/name" => "/repos/*/name",
        "/values/*/id" => "/repos/*/id",
        "/values/*/links/self/0/href" => "/repos/*/web_url",
        "/values/*/public" => "/repos/*/public",
        "/values/*/forkable" => "/repos/*/forkable",
        "/values/*/origin/slug" => "/repos/*/origin/slug",
    ]),
    replayed!("Repos/GetRepo", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#, "GET", |path| of_repo_itself(path), [
        "/slug" => "/repo/ref/slug",
        "/project/key" => "/repo/ref/project",
        "/name" => "/repo/name",
        "/id" => "/repo/id",
        "/links/self/0/href" => "/repo/web_url",
        "/public" => "/repo/public",
        "/forkable" => "/repo/forkable",
        "/origin/slug" => "/repo/origin/slug",
    ]),
    replayed!("Refs/ListBranches", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#, "GET", |path| of_repo(path, "/branches"), [
        "/values/*/id" => "/branches/*/id",
        "/values/*/displayId" => "/branches/*/name",
        "/values/*/latestCommit" => "/branches/*/commit_id",
    ]),
    replayed!("Refs/GetDefaultBranch", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#, "GET", |path| of_repo(path, "/branches/default") || of_repo(path, "/default-branch"), [
        "/id" => "/branch/id",
        "/displayId" => "/branch/name",
        "/latestCommit" => "/branch/commit_id",
    ]),
    replayed!("Refs/ListTags", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#, "GET", |path| of_repo(path, "/tags"), [
        "/values/*/id" => "/tags/*/id",
        "/values/*/displayId" => "/tags/*/name",
        "/values/*/latestCommit" => "/tags/*/commit_id",
        "/values/*/hash" => "/tags/*/object_id",
    ]),
    replayed!("Refs/CreateBranch", r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "x", "start_point": "y"}"#, "POST", |path| path.contains("/branch-utils/") && path.ends_with("/branches"), [
        "/id" => "/branch/id",
        "/displayId" => "/branch/name",
        "/latestCommit" => "/branch/commit_id",
    ]),
    replayed!("Commits/ListCommits", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#, "GET", |path| of_repo(path, "/commits"), [
        "/values/*/id" => "/commits/*/id",
        "/values/*/message" => "/commits/*/message",
        "/values/*/author/name" => "/commits/*/author/name",
        "/values/*/author/emailAddress" => "/commits/*/author/email",
        "/values/*/authorTimestamp" => "/commits/*/authored_ms",
        "/values/*/committer/name" => "/commits/*/committer/name",
        "/values/*/committerTimestamp" => "/commits/*/committed_ms",
        "/values/*/parents/0/id" => "/commits/*/parent_ids/0",
    ]),
    replayed!("Commits/GetCommit", r#"{"repo": {"project": "SHOP", "slug": "web"}, "revision": "0123456789012345678901234567890123456789"}"#, "GET", |path| of_commit(path, ""), [
        "/id" => "/commit/id",
        "/message" => "/commit/message",
        "/author/name" => "/commit/author/name",
        "/author/emailAddress" => "/commit/author/email",
        "/authorTimestamp" => "/commit/authored_ms",
        "/committer/name" => "/commit/committer/name",
        "/committerTimestamp" => "/commit/committed_ms",
        "/parents/0/id" => "/commit/parent_ids/0",
    ]),
    replayed!("Commits/CompareCommits", r#"{"repo": {"project": "SHOP", "slug": "web"}, "base": "a", "head": "b"}"#, "GET", |path| of_repo(path, "/compare/changes"), [
        "/values/*/path/toString" => "/changes/*/path",
        "/values/*/type" => "/changes/*/type",
        "/values/*/srcPath/toString" => "/changes/*/src_path",
    ]),
    replayed!("Files/ListFiles", r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "dir"}"#, "GET", |path| path.contains("/files/") || path.ends_with("/files"), [
        "/values/*" => "/paths/*",
    ]),
    replayed!(
        "Files/GetFile",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "a.txt"}"#,
        "GET",
        |path| path.contains("/raw/"),
        []
    ),
    replayed!(
        "Files/GetArchive",
        r#"{"repo": {"project": "SHOP", "slug": "web"}}"#,
        "GET",
        |path| of_repo(path, "/archive"),
        []
    ),
    replayed!("Files/EditFile", r#"{"repo": {"project": "SHOP", "slug": "web"}, "branch": "x", "path": "y", "message": "M", "source_commit_id": "0123456789012345678901234567890123456789"}"#, "PUT", |path| path.contains("/browse/"), [
        "/id" => "/commit/id",
        "/message" => "/commit/message",
        "/author/name" => "/commit/author/name",
        "/authorTimestamp" => "/commit/authored_ms",
        "/parents/0/id" => "/commit/parent_ids/0",
    ]),
    replayed!(
        "PullRequests/ListPRs",
        r#"{"repo": {"project": "SHOP", "slug": "web"}}"#,
        "GET",
        |path| path.ends_with("/pull-requests") && path.contains("/repos/"),
        [
        "/values/*/id" => "/pull_requests/*/id",
        "/values/*/version" => "/pull_requests/*/version",
        "/values/*/title" => "/pull_requests/*/title",
        "/values/*/description" => "/pull_requests/*/description",
        "/values/*/state" => "/pull_requests/*/state",
        "/values/*/fromRef/id" => "/pull_requests/*/from/id",
        "/values/*/fromRef/displayId" => "/pull_requests/*/from/name",
        "/values/*/fromRef/latestCommit" => "/pull_requests/*/from/commit_id",
        "/values/*/fromRef/repository/slug" => "/pull_requests/*/from/repo/slug",
        "/values/*/toRef/id" => "/pull_requests/*/to/id",
        "/values/*/toRef/repository/project/key" => "/pull_requests/*/to/repo/project",
        "/values/*/author/user/name" => "/pull_requests/*/author/name",
        "/values/*/reviewers/0/user/name" => "/pull_requests/*/reviewers/0/user/name",
        "/values/*/reviewers/0/status" => "/pull_requests/*/reviewers/0/status",
        "/values/*/links/self/0/href" => "/pull_requests/*/web_url",
        "/values/*/properties/openTaskCount" => "/pull_requests/*/open_tasks",
        "/values/*/properties/commentCount" => "/pull_requests/*/comments",
        "/values/*/properties/resolvedTaskCount" => "/pull_requests/*/resolved_tasks",
        "/values/*/properties/mergeCommit/id" => "/pull_requests/*/merge_commit_id",
        "/values/*/locked" => "/pull_requests/*/locked",
    ]
    ),
    replayed!("PullRequests/GetPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#, "GET", |path| of_pr(path, "") && path.contains("/repos/"), [
        "/id" => "/pull_request/id",
        "/version" => "/pull_request/version",
        "/title" => "/pull_request/title",
        "/description" => "/pull_request/description",
        "/state" => "/pull_request/state",
        "/fromRef/id" => "/pull_request/from/id",
        "/fromRef/displayId" => "/pull_request/from/name",
        "/fromRef/latestCommit" => "/pull_request/from/commit_id",
        "/fromRef/repository/slug" => "/pull_request/from/repo/slug",
        "/toRef/id" => "/pull_request/to/id",
        "/toRef/repository/project/key" => "/pull_request/to/repo/project",
        "/author/user/name" => "/pull_request/author/name",
        "/reviewers/0/user/name" => "/pull_request/reviewers/0/user/name",
        "/reviewers/0/status" => "/pull_request/reviewers/0/status",
        "/links/self/0/href" => "/pull_request/web_url",
        "/properties/openTaskCount" => "/pull_request/open_tasks",
        "/properties/commentCount" => "/pull_request/comments",
        "/properties/resolvedTaskCount" => "/pull_request/resolved_tasks",
        "/properties/mergeCommit/id" => "/pull_request/merge_commit_id",
        "/locked" => "/pull_request/locked",
    ]),
    replayed!("PullRequests/OpenPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "title": "T", "from_branch": "x", "to_branch": "y"}"#, "POST", |path| path.ends_with("/pull-requests"), [
        "/id" => "/pull_request/id",
        "/version" => "/pull_request/version",
        "/title" => "/pull_request/title",
        "/description" => "/pull_request/description",
        "/state" => "/pull_request/state",
        "/fromRef/id" => "/pull_request/from/id",
        "/fromRef/displayId" => "/pull_request/from/name",
        "/fromRef/latestCommit" => "/pull_request/from/commit_id",
        "/fromRef/repository/slug" => "/pull_request/from/repo/slug",
        "/toRef/id" => "/pull_request/to/id",
        "/toRef/repository/project/key" => "/pull_request/to/repo/project",
        "/author/user/name" => "/pull_request/author/name",
        "/reviewers/0/user/name" => "/pull_request/reviewers/0/user/name",
        "/reviewers/0/status" => "/pull_request/reviewers/0/status",
        "/links/self/0/href" => "/pull_request/web_url",
        "/properties/openTaskCount" => "/pull_request/open_tasks",
        "/properties/commentCount" => "/pull_request/comments",
        "/properties/resolvedTaskCount" => "/pull_request/resolved_tasks",
        "/properties/mergeCommit/id" => "/pull_request/merge_commit_id",
        "/locked" => "/pull_request/locked",
    ]),
    replayed!("PullRequests/UpdatePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "title": "U"}"#, "PUT", |path| of_pr(path, ""), [
        "/id" => "/pull_request/id",
        "/version" => "/pull_request/version",
        "/title" => "/pull_request/title",
        "/description" => "/pull_request/description",
        "/state" => "/pull_request/state",
        "/fromRef/id" => "/pull_request/from/id",
        "/fromRef/displayId" => "/pull_request/from/name",
        "/fromRef/latestCommit" => "/pull_request/from/commit_id",
        "/fromRef/repository/slug" => "/pull_request/from/repo/slug",
        "/toRef/id" => "/pull_request/to/id",
        "/toRef/repository/project/key" => "/pull_request/to/repo/project",
        "/author/user/name" => "/pull_request/author/name",
        "/reviewers/0/user/name" => "/pull_request/reviewers/0/user/name",
        "/reviewers/0/status" => "/pull_request/reviewers/0/status",
        "/links/self/0/href" => "/pull_request/web_url",
        "/properties/openTaskCount" => "/pull_request/open_tasks",
        "/properties/commentCount" => "/pull_request/comments",
        "/properties/resolvedTaskCount" => "/pull_request/resolved_tasks",
        "/properties/mergeCommit/id" => "/pull_request/merge_commit_id",
        "/locked" => "/pull_request/locked",
    ]),
    replayed!("PullRequests/DeclinePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#, "POST", |path| of_pr(path, "/decline"), [
        "/id" => "/pull_request/id",
        "/version" => "/pull_request/version",
        "/title" => "/pull_request/title",
        "/description" => "/pull_request/description",
        "/state" => "/pull_request/state",
        "/fromRef/id" => "/pull_request/from/id",
        "/fromRef/displayId" => "/pull_request/from/name",
        "/fromRef/latestCommit" => "/pull_request/from/commit_id",
        "/fromRef/repository/slug" => "/pull_request/from/repo/slug",
        "/toRef/id" => "/pull_request/to/id",
        "/toRef/repository/project/key" => "/pull_request/to/repo/project",
        "/author/user/name" => "/pull_request/author/name",
        "/reviewers/0/user/name" => "/pull_request/reviewers/0/user/name",
        "/reviewers/0/status" => "/pull_request/reviewers/0/status",
        "/links/self/0/href" => "/pull_request/web_url",
        "/properties/openTaskCount" => "/pull_request/open_tasks",
        "/properties/commentCount" => "/pull_request/comments",
        "/properties/resolvedTaskCount" => "/pull_request/resolved_tasks",
        "/properties/mergeCommit/id" => "/pull_request/merge_commit_id",
        "/locked" => "/pull_request/locked",
    ]),
    replayed!("PullRequests/MergePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#, "POST", |path| of_pr(path, "/merge") || path.ends_with("{specificPullRequestMergePath}"), [
        "/id" => "/pull_request/id",
        "/version" => "/pull_request/version",
        "/title" => "/pull_request/title",
        "/description" => "/pull_request/description",
        "/state" => "/pull_request/state",
        "/fromRef/id" => "/pull_request/from/id",
        "/fromRef/displayId" => "/pull_request/from/name",
        "/fromRef/latestCommit" => "/pull_request/from/commit_id",
        "/fromRef/repository/slug" => "/pull_request/from/repo/slug",
        "/toRef/id" => "/pull_request/to/id",
        "/toRef/repository/project/key" => "/pull_request/to/repo/project",
        "/author/user/name" => "/pull_request/author/name",
        "/reviewers/0/user/name" => "/pull_request/reviewers/0/user/name",
        "/reviewers/0/status" => "/pull_request/reviewers/0/status",
        "/links/self/0/href" => "/pull_request/web_url",
        "/properties/openTaskCount" => "/pull_request/open_tasks",
        "/properties/commentCount" => "/pull_request/comments",
        "/properties/resolvedTaskCount" => "/pull_request/resolved_tasks",
        "/properties/mergeCommit/id" => "/pull_request/merge_commit_id",
        "/locked" => "/pull_request/locked",
    ]),
    replayed!("PullRequests/CheckMerge", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#, "GET", |path| of_pr(path, "/merge") || path.ends_with("{specificPullRequestMergePath}"), [
        "/canMerge" => "/can_merge",
        "/conflicted" => "/conflicted",
        "/vetoes/0/summaryMessage" => "/vetoes/0/summary",
        "/vetoes/0/detailedMessage" => "/vetoes/0/detail",
    ]),
    replayed!("PullRequests/ReviewPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "status": "REVIEW_STATUS_APPROVED"}"#, "PUT", |path| path.contains("/participants/"), [
        "/user/name" => "/reviewer/user/name",
    ]),
    replayed!("PullRequests/ListActivity", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#, "GET", |path| of_pr(path, "/activities"), [
        "/values/*/id" => "/activities/*/id",
        "/values/*/action" => "/activities/*/action",
        "/values/*/user/name" => "/activities/*/user/name",
        "/values/*/createdDate" => "/activities/*/created_ms",
        "/values/*/comment/text" => "/activities/*/comment/text",
        "/values/*/commentAction" => "/activities/*/comment_action",
        "/values/*/fromHash" => "/activities/*/commit_id",
    ]),
    replayed!("PullRequests/ListChanges", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#, "GET", |path| of_pr(path, "/changes"), [
        "/values/*/path/toString" => "/changes/*/path",
        "/values/*/type" => "/changes/*/type",
        "/values/*/srcPath/toString" => "/changes/*/src_path",
        "/fromHash" => "/from_commit_id",
        "/toHash" => "/to_commit_id",
    ]),
    replayed!("PullRequests/GetPRDiff", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "path": "a"}"#, "GET", |path| below(path, "/pull-requests/").is_some_and(|rest| rest.contains("/diff")), [
        "/fromHash" => "/diff/from_commit_id",
        "/diffs/*/destination/toString" => "/diff/files/*/path",
        "/diffs/*/hunks/*/segments/*/lines/*/line" => "/diff/files/*/hunks/*/lines/*/text",
        "/diffs/*/hunks/*/segments/*/lines/*/destination" => "/diff/files/*/hunks/*/lines/*/dst_line",
    ]),
    replayed!("Comments/PostComment", r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "text": "T"}"#, "POST", |path| of_pr(path, "/comments"), [
        "/id" => "/comment/id",
        "/text" => "/comment/text",
        "/version" => "/comment/version",
        "/author/name" => "/comment/author/name",
        "/anchor/path" => "/comment/anchor/path",
        "/anchor/line" => "/comment/anchor/line",
        "/comments/0/id" => "/comment/replies/0/id",
    ]),
    replayed!("Comments/ListComments", r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "path": "a"}"#, "GET", |path| of_pr(path, "/comments"), [
        "/values/*/id" => "/comments/*/id",
        "/values/*/text" => "/comments/*/text",
        "/values/*/version" => "/comments/*/version",
        "/values/*/author/name" => "/comments/*/author/name",
        "/values/*/comments/0/id" => "/comments/*/replies/0/id",
    ]),
    replayed!("Comments/UpdateComment", r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": 7, "text": "T"}"#, "PUT", |path| below(path, "/comments/").is_some(), [
        "/id" => "/comment/id",
        "/text" => "/comment/text",
        "/version" => "/comment/version",
        "/author/name" => "/comment/author/name",
        "/anchor/path" => "/comment/anchor/path",
        "/anchor/line" => "/comment/anchor/line",
        "/comments/0/id" => "/comment/replies/0/id",
    ]),
    replayed!("Builds/GetBuildStatus", r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789"}"#, "GET", |path| path.contains("/build-status/") && !path.contains("/stats/"), [
        "/values/*/state" => "/builds/*/state",
        "/values/*/key" => "/builds/*/key",
        "/values/*/url" => "/builds/*/url",
        "/values/*/dateAdded" => "/builds/*/reported_ms",
    ]),
    replayed!(
        "Builds/SetBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789", "key": "k", "state": "BUILD_STATE_FAILED", "url": "https://x.example/"}"#,
        "POST",
        |path| (path.contains("/build-status/") && !path.contains("/stats")) || of_commit(path, "builds"),
        []
    ),
    replayed!(
        "Builds/GetBuildLog",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789", "key": "k"}"#,
        "GET",
        |path| of_commit(path, "builds"),
        ["/url" => "/url"]
    ),
    replayed!(
        "Builds/PublishReport",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789", "key": "k", "title": "T"}"#,
        "GET",
        |path| path.contains("/reports/"),
        []
    ),
];
