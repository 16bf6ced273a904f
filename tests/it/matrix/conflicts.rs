//! What is in the way, and what a version lacks.

/// `Service/Command`, its request, and the reason: none where it is as asked already.
pub(super) const CONFLICTS: &[(&str, &str, &str)] = &[
    (
        "Refs/CreateBranch",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "fix-1", "start_point": "master"}"#,
        "BRANCH_EXISTS",
    ),
    (
        "Refs/CreateBranch",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "a..b", "start_point": "master"}"#,
        "BRANCH_NAME_INVALID",
    ),
    (
        "Refs/CreateBranch",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "fix-1/under", "start_point": "master"}"#,
        "BRANCH_NAME_INVALID",
    ),
    (
        "Refs/DeleteBranch",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "master"}"#,
        "BRANCH_IS_DEFAULT",
    ),
    (
        "Refs/DeleteBranch",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "fix-1", "expected_commit_id": "$COMMIT"}"#,
        "BRANCH_MOVED",
    ),
    (
        "Refs/ListBranches",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "Refs/ListTags",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "Commits/ListCommits",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "Commits/CompareCommits",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "base": "master", "head": "fix-1", "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "Files/ListDirectory",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "Files/EditFile",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "branch": "fix-1", "path": "b.txt", "content": "eA==", "message": "M"}"#,
        "FILE_EXISTS",
    ),
    (
        "Files/EditFile",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "branch": "master", "path": "b.txt", "content": "eA==", "message": "M", "source_commit_id": "$COMMIT"}"#,
        "FILE_OUT_OF_DATE",
    ),
    (
        "PullRequests/OpenPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "title": "T", "from_branch": "fix-1", "to_branch": "master"}"#,
        "PR_EXISTS",
    ),
    (
        "PullRequests/OpenPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "title": "T", "from_branch": "gone", "to_branch": "master"}"#,
        "PR_EMPTY",
    ),
    (
        "PullRequests/OpenPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "title": "T", "from_branch": "spare", "to_branch": "master", "reviewers": ["nobody"]}"#,
        "REVIEWERS_INVALID",
    ),
    (
        "PullRequests/UpdatePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "title": "T", "expected_version": 77}"#,
        "PR_OUT_OF_DATE",
    ),
    (
        "PullRequests/UpdatePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "add_reviewers": ["nobody"]}"#,
        "REVIEWERS_INVALID",
    ),
    (
        "PullRequests/UpdatePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "to_branch": "nope"}"#,
        "REF_NOT_FOUND",
    ),
    (
        "PullRequests/MergePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6, "expected_version": 77}"#,
        "PR_OUT_OF_DATE",
    ),
    (
        "PullRequests/MergePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6, "expected_commit_id": "$COMMIT"}"#,
        "PR_OUT_OF_DATE",
    ),
    ("PullRequests/MergePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 4}"#, "MERGE_VETOED"),
    (
        "PullRequests/MergePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6, "strategy": "octopus"}"#,
        "MERGE_STRATEGY_REFUSED",
    ),
    (
        "PullRequests/DeclinePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3, "expected_version": 77}"#,
        "PR_OUT_OF_DATE",
    ),
    ("PullRequests/DeclinePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3}"#, ""),
    ("PullRequests/DeclinePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3}"#, ""),
    ("PullRequests/MergePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3}"#, "PR_CLOSED"),
    (
        "PullRequests/UpdatePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3, "title": "T"}"#,
        "PR_CLOSED",
    ),
    ("PullRequests/CheckMerge", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3}"#, "PR_CLOSED"),
    (
        "PullRequests/ReopenPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3, "expected_version": 77}"#,
        "PR_OUT_OF_DATE",
    ),
    ("PullRequests/ReopenPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3}"#, ""),
    ("PullRequests/ReopenPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 3}"#, ""),
    ("PullRequests/MergePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6}"#, ""),
    ("PullRequests/MergePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6}"#, ""),
    ("PullRequests/DeclinePR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6}"#, "PR_CLOSED"),
    ("PullRequests/ReopenPR", r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6}"#, "PR_CLOSED"),
    (
        "PullRequests/ReviewPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "status": "REVIEW_STATUS_APPROVED"}"#,
        "REVIEW_REFUSED",
    ),
    (
        "PullRequests/ListPRs",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "PullRequests/ListActivity",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "PullRequests/WatchPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "resume_token": "odd"}"#,
        "RESUME_TOKEN_INVALID",
    ),
    (
        "Comments/PostComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "text": "T", "anchor": {"path": "new-1.txt", "line": 4000}}"#,
        "ANCHOR_INVALID",
    ),
    (
        "Comments/ListComments",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "Comments/UpdateComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": $LAST, "text": "T", "expected_version": 77}"#,
        "COMMENT_OUT_OF_DATE",
    ),
    (
        "Comments/DeleteComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": $LAST, "expected_version": 77}"#,
        "COMMENT_OUT_OF_DATE",
    ),
    (
        "Comments/DeleteComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": $COMMENT}"#,
        "COMMENT_HAS_REPLIES",
    ),
    (
        "Comments/DeleteComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": 99999}"#,
        "",
    ),
    (
        "Builds/ListBuilds",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "$HEAD", "page_token": "odd"}"#,
        "PAGE_TOKEN_INVALID",
    ),
    (
        "Builds/WatchBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "$HEAD", "resume_token": "odd"}"#,
        "RESUME_TOKEN_INVALID",
    ),
];

/// `Service/Command`, its request, and the version that has what it needs.
pub(super) const NEEDS: &[(&str, &str, &str)] = &[
    (
        "Builds/SetBuildStatus",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "$HEAD", "key": "k", "state": "BUILD_STATE_CANCELLED", "url": "https://x.example/"}"#,
        "8.0",
    ),
    (
        "PullRequests/OpenPR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "title": "T", "from_branch": "spare", "to_branch": "master", "draft": true}"#,
        "8.18",
    ),
    (
        "PullRequests/UpdatePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 1, "draft": true}"#,
        "8.18",
    ),
    (
        "PullRequests/MergePR",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "id": 6, "auto_merge": true}"#,
        "8.15",
    ),
    (
        "Comments/ResolveComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "comment_id": $COMMENT}"#,
        "8.9",
    ),
    (
        "Comments/PostComment",
        r#"{"repo": {"project": "SHOP", "slug": "web"}, "pr_id": 1, "text": "T", "anchor": {"path": "src/main.rs", "line": 2, "start_line": 1}}"#,
        "8.0",
    ),
];
