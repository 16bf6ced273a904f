//! What does not exist.

/// `Service/Command`, its request, and the reason.
pub(super) const MISSING: &[(&str, &str, &str)] = &[
    ("Refs/GetBranch", r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "nope"}"#, "REF_NOT_FOUND"),
    (
        "Refs/CreateBranch",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "x", "start_point": "nope"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Commits/ListCommits",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "until": "nope"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Commits/GetCommit",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "revision": "0123456789012345678901234567890123456789"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Commits/CompareCommits",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "base": "master", "head": "nope"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Commits/GetDiff",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "range": {"base": "nope", "head": "$HEAD"}}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Commits/GetDiff",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "revision": "0123456789012345678901234567890123456789"}"#,
        "REF_NOT_FOUND",
    ),
    ("Files/ListFiles", r#"{"repo": {"project": "SHOP", "slug": "web"}, "at": "nope"}"#, "REF_NOT_FOUND"),
    ("Files/ListFiles", r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "nope"}"#, "PATH_NOT_FOUND"),
    (
        "Files/ListDirectory",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "nope"}"#,
        "PATH_NOT_FOUND",
    ),
    ("Files/ListDirectory", r#"{"repo": {"project": "SHOP", "slug": "web"}, "at": "nope"}"#, "REF_NOT_FOUND"),
    ("Files/GetFile", r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "nope"}"#, "PATH_NOT_FOUND"),
    (
        "Files/GetFile",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "b.txt", "at": "nope"}"#,
        "REF_NOT_FOUND",
    ),
    ("Files/GetArchive", r#"{"repo": {"project": "SHOP", "slug": "web"}, "at": "nope"}"#, "REF_NOT_FOUND"),
    (
        "PullRequests/OpenPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "title": "T", "from_branch": "nope", "to_branch": "master"}"#,
        "REF_NOT_FOUND",
    ),
    ("PullRequests/GetPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#, "PR_NOT_FOUND"),
    (
        "PullRequests/UpdatePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999, "title": "T"}"#,
        "PR_NOT_FOUND",
    ),
    ("PullRequests/CheckMerge", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#, "PR_NOT_FOUND"),
    ("PullRequests/MergePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#, "PR_NOT_FOUND"),
    ("PullRequests/DeclinePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#, "PR_NOT_FOUND"),
    ("PullRequests/ReopenPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#, "PR_NOT_FOUND"),
    (
        "PullRequests/ReviewPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999, "status": "REVIEW_STATUS_APPROVED"}"#,
        "PR_NOT_FOUND",
    ),
    (
        "PullRequests/ListActivity",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#,
        "PR_NOT_FOUND",
    ),
    (
        "PullRequests/ListChanges",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#,
        "PR_NOT_FOUND",
    ),
    ("PullRequests/GetPRDiff", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#, "PR_NOT_FOUND"),
    (
        "PullRequests/GetPRStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#,
        "PR_NOT_FOUND",
    ),
    ("PullRequests/WatchPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 999}"#, "PR_NOT_FOUND"),
    (
        "Comments/PostComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 999, "text": "T"}"#,
        "PR_NOT_FOUND",
    ),
    (
        "Comments/PostComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "text": "T", "parent_id": 99999}"#,
        "COMMENT_NOT_FOUND",
    ),
    (
        "Comments/ListComments",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 999}"#,
        "PR_NOT_FOUND",
    ),
    (
        "Comments/UpdateComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": 99999, "text": "T"}"#,
        "COMMENT_NOT_FOUND",
    ),
    (
        "Comments/UpdateComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 999, "comment_id": 1, "text": "T"}"#,
        "PR_NOT_FOUND",
    ),
    (
        "Comments/DeleteComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 999, "comment_id": 1}"#,
        "PR_NOT_FOUND",
    ),
    (
        "Comments/ResolveComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": 99999}"#,
        "COMMENT_NOT_FOUND",
    ),
    (
        "Builds/GetBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 999}"#,
        "PR_NOT_FOUND",
    ),
    (
        "Builds/GetBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Builds/ListBuilds",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Builds/WatchBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 999}"#,
        "PR_NOT_FOUND",
    ),
    (
        "Builds/WatchBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Builds/SetBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789", "key": "k", "state": "BUILD_STATE_FAILED", "url": "https://x.example/"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Builds/PublishReport",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789", "key": "k", "title": "T"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "Builds/GetBuildLog",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "$HEAD", "key": "nope"}"#,
        "BUILD_NOT_FOUND",
    ),
    (
        "Builds/GetBuildLog",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "0123456789012345678901234567890123456789", "key": "nope"}"#,
        "REF_NOT_FOUND",
    ),
];
