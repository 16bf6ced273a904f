//! A request of each command, in the JSON form of its message.

/// `Service/Command`, and its request.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Connections/TestConnection", r#"{}"#),
    ("Connections/ListConnections", r#"{}"#),
    ("Repos/ListProjects", r#"{}"#),
    ("Repos/ListRepos", r#"{"project": "SHOP"}"#),
    ("Repos/GetRepo", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#),
    ("Refs/ListBranches", r#"{"repo": {"project": "SHOP", "slug": "web"}, "page_size": 50}"#),
    ("Refs/GetBranch", r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "main"}"#),
    ("Refs/GetDefaultBranch", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#),
    (
        "Refs/CreateBranch",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "fix/lodash", "start_point": "main"}"#,
    ),
    ("Refs/DeleteBranch", r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "fix/lodash"}"#),
    ("Refs/ListTags", r#"{"repo": {"project": "SHOP", "slug": "web"}, "name_contains": "v1"}"#),
    (
        "Commits/ListCommits",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "until": "main", "path": "package.json"}"#,
    ),
    ("Commits/GetCommit", r#"{"repo": {"project": "SHOP", "slug": "web"}, "revision": "main"}"#),
    (
        "Commits/CompareCommits",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "base": "main", "head": "fix/lodash"}"#,
    ),
    (
        "Commits/GetDiff",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "range": {"base": "main", "head": "fix/lodash"}, "context_lines": 3}"#,
    ),
    ("Files/ListFiles", r#"{"repo": {"project": "SHOP", "slug": "web"}, "at": "main"}"#),
    ("Files/ListDirectory", r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "src", "at": "main"}"#),
    (
        "Files/GetFile",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "path": "package.json", "at": "main"}"#,
    ),
    (
        "Files/GetArchive",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "at": "main", "format": "ARCHIVE_FORMAT_TAR_GZ"}"#,
    ),
    (
        "Files/EditFile",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "branch": "fix/lodash", "path": "package.json", "content": "e30K", "message": "Bump lodash", "source_commit_id": "8d51122def5632836d1cb1026e879069e10a1e13"}"#,
    ),
    (
        "PullRequests/OpenPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "title": "Bump lodash", "from_branch": "fix/lodash", "to_branch": "main", "add_default_reviewers": true}"#,
    ),
    ("PullRequests/GetPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    ("PullRequests/ListPRs", r#"{"repo": {"project": "SHOP", "slug": "web"}, "state": "PR_STATE_OPEN"}"#),
    (
        "PullRequests/UpdatePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "title": "Bump lodash to 4.17.21", "add_reviewers": ["bob"]}"#,
    ),
    ("PullRequests/CheckMerge", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    (
        "PullRequests/MergePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "expected_commit_id": "8d51122def5632836d1cb1026e879069e10a1e13", "strategy": "squash"}"#,
    ),
    ("PullRequests/DeclinePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    ("PullRequests/ReopenPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    (
        "PullRequests/ReviewPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "status": "REVIEW_STATUS_APPROVED"}"#,
    ),
    ("PullRequests/ListActivity", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    ("PullRequests/ListChanges", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    (
        "PullRequests/GetPRDiff",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "path": "package.json"}"#,
    ),
    ("PullRequests/GetPRStatus", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    ("PullRequests/WatchPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1}"#),
    (
        "Comments/PostComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "text": "Fixes CVE-2021-23337", "anchor": {"path": "package.json", "line": 12}}"#,
    ),
    ("Comments/ListComments", r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1}"#),
    (
        "Comments/UpdateComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": 7, "text": "Fixes CVE-2021-23337 and CVE-2020-8203"}"#,
    ),
    (
        "Comments/DeleteComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": 7}"#,
    ),
    (
        "Comments/ResolveComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": 7}"#,
    ),
    ("Builds/GetBuildStatus", r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1}"#),
    (
        "Builds/ListBuilds",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "8d51122def5632836d1cb1026e879069e10a1e13"}"#,
    ),
    ("Builds/WatchBuildStatus", r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1}"#),
    (
        "Builds/SetBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "8d51122def5632836d1cb1026e879069e10a1e13", "key": "acme-scan", "state": "BUILD_STATE_SUCCESSFUL", "url": "https://scan.example.com/1"}"#,
    ),
    (
        "Builds/PublishReport",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "8d51122def5632836d1cb1026e879069e10a1e13", "key": "acme-scan", "title": "Dependencies", "result": "REPORT_RESULT_FAIL", "annotations": [{"path": "package.json", "line": 12, "message": "lodash 4.17.20: command injection", "severity": "ANNOTATION_SEVERITY_HIGH", "type": "ANNOTATION_TYPE_VULNERABILITY"}]}"#,
    ),
    (
        "Builds/GetBuildLog",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "8d51122def5632836d1cb1026e879069e10a1e13", "key": "ci-1"}"#,
    ),
];
