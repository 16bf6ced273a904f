//! Members of what Bitbucket writes, and where they must arrive.

/// Pointers into an entity of Bitbucket, and into the message that it becomes.
pub(super) type Members = &'static [(&'static str, &'static str)];

pub(super) const NONE: Members = &[];

pub(super) const BRANCH: Members =
    &[("/id", "/id"), ("/displayId", "/name"), ("/latestCommit", "/commit_id")];

pub(super) const BUILD: Members = &[
    ("/state", "/state"),
    ("/key", "/key"),
    ("/name", "/name"),
    ("/url", "/url"),
    ("/description", "/description"),
    ("/dateAdded", "/reported_ms"),
    ("/ref", "/ref"),
    ("/parent", "/parent"),
    ("/buildNumber", "/number"),
    ("/duration", "/duration_ms"),
    ("/testResults/successful", "/tests/passed"),
    ("/testResults/failed", "/tests/failed"),
    ("/testResults/skipped", "/tests/skipped"),
];

pub(super) const CHANGE: Members =
    &[("/path/toString", "/path"), ("/type", "/type"), ("/srcPath/toString", "/src_path")];

pub(super) const CHANGES: Members = &[
    ("/values/*/path/toString", "/changes/*/path"),
    ("/values/*/type", "/changes/*/type"),
    ("/values/*/srcPath/toString", "/changes/*/src_path"),
    ("/fromHash", "/from_commit_id"),
    ("/toHash", "/to_commit_id"),
];

pub(super) const CHECK: Members = &[
    ("/canMerge", "/can_merge"),
    ("/conflicted", "/conflicted"),
    ("/vetoes/0/summaryMessage", "/vetoes/0/summary"),
    ("/vetoes/0/detailedMessage", "/vetoes/0/detail"),
];

pub(super) const COMMENT: Members = &[
    ("/id", "/id"),
    ("/text", "/text"),
    ("/version", "/version"),
    ("/author/name", "/author/name"),
    ("/createdDate", "/created_ms"),
    ("/updatedDate", "/updated_ms"),
    ("/severity=BLOCKER", "/kind"),
    ("/state=RESOLVED", "/resolved"),
    ("/threadResolved", "/resolved"),
    ("/anchor/path", "/anchor/path"),
    ("/anchor/line", "/anchor/line"),
    ("/comments/0/id", "/replies/0/id"),
];

pub(super) const COMMIT: Members = &[
    ("/id", "/id"),
    ("/message", "/message"),
    ("/author/name", "/author/name"),
    ("/author/emailAddress", "/author/email"),
    ("/authorTimestamp", "/authored_ms"),
    ("/committer/name", "/committer/name"),
    ("/committerTimestamp", "/committed_ms"),
    ("/parents/0/id", "/parent_ids/0"),
];

pub(super) const DIFF: Members = &[
    ("/fromHash", "/diff/from_commit_id"),
    ("/diffs/*/destination/toString", "/diff/files/*/path"),
    ("/diffs/*/hunks/*/segments/*/lines/*/line", "/diff/files/*/hunks/*/lines/*/text"),
    ("/diffs/*/hunks/*/segments/*/lines/*/destination", "/diff/files/*/hunks/*/lines/*/dst_line"),
];

pub(super) const EDITED: Members = &[
    ("/id", "/id"),
    ("/message", "/message"),
    ("/author/name", "/author/name"),
    ("/authorTimestamp", "/authored_ms"),
    ("/parents/0/id", "/parent_ids/0"),
];

pub(super) const HAPPENED: Members = &[
    ("/id", "/id"),
    ("/action", "/action"),
    ("/user/name", "/user/name"),
    ("/createdDate", "/created_ms"),
    ("/comment/text", "/comment/text"),
    ("/commentAction", "/comment_action"),
    ("/fromHash", "/commit_id"),
];

pub(super) const LOG: Members = &[("/url", "/url")];

pub(super) const PATHS: Members = &[("/values/*", "/paths/*")];

pub(super) const PROJECT: Members = &[
    ("/key", "/key"),
    ("/name", "/name"),
    ("/description", "/description"),
    ("/links/self/0/href", "/web_url"),
];

pub(super) const PULL_REQUEST: Members = &[
    ("/id", "/id"),
    ("/version", "/version"),
    ("/title", "/title"),
    ("/description", "/description"),
    ("/state", "/state"),
    ("/fromRef/id", "/from/id"),
    ("/fromRef/displayId", "/from/name"),
    ("/fromRef/latestCommit", "/from/commit_id"),
    ("/fromRef/repository/slug", "/from/repo/slug"),
    ("/toRef/id", "/to/id"),
    ("/toRef/repository/project/key", "/to/repo/project"),
    ("/author/user/name", "/author/name"),
    ("/reviewers/0/user/name", "/reviewers/0/user/name"),
    ("/reviewers/0/status", "/reviewers/0/status"),
    ("/links/self/0/href", "/web_url"),
    ("/properties/openTaskCount", "/open_tasks"),
    ("/properties/commentCount", "/comments"),
    ("/properties/resolvedTaskCount", "/resolved_tasks"),
    ("/properties/mergeCommit/id", "/merge_commit_id"),
    ("/locked", "/locked"),
];

pub(super) const REPO: Members = &[
    ("/slug", "/ref/slug"),
    ("/project/key", "/ref/project"),
    ("/name", "/name"),
    ("/id", "/id"),
    ("/links/self/0/href", "/web_url"),
    ("/public", "/public"),
    ("/forkable", "/forkable"),
    ("/origin/slug", "/origin/slug"),
];

pub(super) const REVIEW: Members = &[("/user/name", "/user/name")];

pub(super) const TAG: Members =
    &[("/id", "/id"), ("/displayId", "/name"), ("/latestCommit", "/commit_id"), ("/hash", "/object_id")];

pub(super) const THREAD: Members = &[
    ("/id", "/id"),
    ("/text", "/text"),
    ("/version", "/version"),
    ("/author/name", "/author/name"),
    ("/createdDate", "/created_ms"),
    ("/updatedDate", "/updated_ms"),
    ("/severity=BLOCKER", "/kind"),
    ("/state=RESOLVED", "/resolved"),
    ("/threadResolved", "/resolved"),
    ("/comments/0/id", "/replies/0/id"),
];

pub(super) const VERSION: Members = &[("/version", "/version")];
