//! What does not arrive, and why; and the reason that each refusal must have.

/// Recordings that are not what a Bitbucket of 7.21 or later says.
pub(super) const EXCEPTED: &[(&str, &str)] = &[
    (
        "jfrog-froggit-go/vcsclient/testdata/bitbucketserver/commits_statuses_bad_decode.json",
        "made to be wrong: a state that no Bitbucket has, an object for a name",
    ),
    (
        "drone-go-scm/pr_comment_iso_dates.json",
        "made by hand: dates in words, where every Bitbucket Data Center has milliseconds",
    ),
    ("drone-go-scm/repos.json", "cut by hand: a page that is not the last, without the start of the next"),
    (
        "drone-go-scm/repos_filter.json",
        "cut by hand: a page that is not the last, without the start of the next",
    ),
];

/// By the simple name of the exception.
pub(super) const BY_EXCEPTION: &[(&str, &str)] = &[
    ("NoSuchProjectException", "PROJECT_NOT_FOUND"),
    ("NoSuchRepositoryException", "REPO_NOT_FOUND"),
    ("NoSuchCommitException", "REF_NOT_FOUND"),
    ("NoSuchPullRequestException", "PR_NOT_FOUND"),
    ("NoDefaultBranchException", "NO_DEFAULT_BRANCH"),
    ("NoSuchUserException", "NOT_FOUND"),
    ("NoSuchEntityException", "NOT_FOUND"),
    // The name before 5.0; it stands for more than commits in the recordings.
    ("NoSuchChangesetException", "NOT_FOUND"),
    ("IncorrectPasswordAuthenticationException", "TOKEN_INVALID"),
    ("AuthenticationRequiredException", "TOKEN_INVALID"),
    ("AuthorisationException", "PERMISSION_MISSING"),
    ("NoAccessAuthenticationException", "PERMISSION_MISSING"),
    ("CaptchaRequiredAuthenticationException", "CAPTCHA_REQUIRED"),
    ("ArgumentValidationException", "ARGUMENT_REFUSED"),
    ("DuplicateRefException", "BRANCH_EXISTS"),
    ("InvalidPullRequestRoleException", "REVIEW_REFUSED"),
    ("JsonMappingException", "WRITE_UNCERTAIN"),
    ("DuplicatePullRequestException", "PR_EXISTS"),
    ("EmptyPullRequestException", "PR_EMPTY"),
    ("InvalidPullRequestReviewersException", "REVIEWERS_INVALID"),
    ("PullRequestOutOfDateException", "PR_OUT_OF_DATE"),
    ("IllegalPullRequestStateException", "PR_CLOSED"),
    ("PullRequestMergeVetoedException", "MERGE_VETOED"),
    ("CommentOutOfDateException", "COMMENT_OUT_OF_DATE"),
    ("MergeException", "MERGE_VETOED"),
    ("IntegrityException", "STATE_REFUSED"),
];

/// By the recording, where there is no exception.
pub(super) const BY_FILE: &[(&str, &str)] = &[
    ("live-observed-errors/apply_suggestion_missing_message_400.json", "ARGUMENT_REFUSED"),
    ("live-observed-errors/comment_too_long_400.json", "ARGUMENT_REFUSED"),
    ("live-observed-errors/default_reviewers_missing_repo_id_400.json", "ARGUMENT_REFUSED"),
    // An edit that changes nothing is done: it is no failure.
    ("live-observed-errors/file_unmodified_409.json", ""),
    ("live-observed-errors/not_acceptable_406.json", "ARGUMENT_REFUSED"),
    ("live-observed-errors/project_key_missing_400.json", "ARGUMENT_REFUSED"),
    ("live-observed-errors/rate_limited_429.json", "RATE_LIMITED"),
    ("live-observed-errors/removed_tasks_endpoint_404.json", "NOT_IN_THIS_VERSION"),
    ("live-observed-errors/unrouted_404_json.json", "NOT_IN_THIS_VERSION"),
    ("live-observed-errors/unrouted_404_xml.json", "NOT_IN_THIS_VERSION"),
    ("live-observed-errors/unsupported_media_415.json", "ARGUMENT_REFUSED"),
    ("live-observed-errors/xsrf_failed_403.json", "INTERNAL"),
    ("cdancy-bitbucket-rest/accesskeys-create-wrong-key.json", "ARGUMENT_REFUSED"),
    ("cdancy-bitbucket-rest/accesskeys-get-wrong-id.json", "NOT_FOUND"),
    ("cdancy-bitbucket-rest/admin-delete-user-error.json", "ARGUMENT_REFUSED"),
    // An answer without the envelope: of it, only the status tells.
    ("cdancy-bitbucket-rest/admin-list-user-by-group-error.json", "PERMISSION_MISSING"),
    ("cdancy-bitbucket-rest/errors.json", "NOT_FOUND"),
    ("cdancy-bitbucket-rest/insight-report-error.json", "NOT_FOUND"),
    ("cdancy-bitbucket-rest/project-create-fail.json", "ARGUMENT_REFUSED"),
    ("cdancy-bitbucket-rest/repository-illegal-name.json", "ARGUMENT_REFUSED"),
];
