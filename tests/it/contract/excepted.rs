//! Where the simulator is not as the document or a recording has it, each with the reason.

/// An answer that is not of the document: method, how the path ends (empty for every path), a part of the problem, and why.
pub(super) type Answer = (&'static str, &'static str, &'static str, &'static str);

pub(super) fn is_answer(excepted: &Answer, (method, path): &(String, String), problem: &str) -> bool {
    let (of, end, part, _) = *excepted;
    (of.is_empty() || of == method) && path.ends_with(end) && problem.contains(part)
}

/// Members of recordings that the simulator's answers do not have: a part of the file's name, a part of the place (either empty for
/// all), and why.
pub(super) type Member = (&'static str, &'static str, &'static str);

pub(super) fn is_member((name, part, _): &Member, file: &str, place: &str) -> bool {
    file.contains(name) && place.contains(part)
}

pub(super) const ANSWERS: &[Answer] = &[
    ("", "", "no status 401", "the document leaves it out of lists; every server says it"),
    ("GET", "/application-properties", "want string, but got number", "numbers in releases before 8"),
    ("", "/settings/pull-requests", "want object, but got number", "plain numbers in releases before 8"),
    ("GET", "/archive", "no application/zip", "the type follows the format that was asked for"),
    (
        "GET",
        "/diff",
        "no application/json",
        "JSON unless text is asked for, as in the document's own description",
    ),
    ("GET", "/diff/{}", "no application/json", "the same"),
    ("GET", "/raw/{}", "no text/plain", "the type follows the file"),
    ("GET", "/comments", "no status 400", "its path parameter is required, and what then is not said"),
    ("POST", "/branches", "no status 400", "a branch that exists, as of branch-utils"),
    ("POST", "/branches", "no status 409", "overlapping names, as of branch-utils"),
    ("POST", "/tags", "no status 400", "a tag that exists, as of the resource of git"),
    ("POST", "/webhooks", "no status 201", "recorded three times"),
    ("POST", "/annotations", "no status 400", "an annotation that is not valid refuses all"),
    ("", "/reports", "/value/type]: want object", "a value is any JSON value"),
    ("", "/reports/{}", "/value/type]: want object", "the same"),
];

pub(super) const MEMBERS: &[Member] = &[
    ("capabilities", "capabilities.", "plugins"),
    ("build_get_one", "commit.properties", "of a plugin"),
    ("pr_properties_9_4", "", "an item of the page"),
    ("atlassian-bitbucket-jenkins/commit.json", "", "a page, and the index says an entity"),
    ("atlassian-bitbucket-jenkins/open-pull-request.json", "", "an item of the page"),
    ("atlassian-bitbucket-jenkins/tag.json", "", "a page, and the index says an entity"),
    ("atlantis/client_test.go.L80", "", "a page, and the index says an entity"),
    ("pull-request-settings", "", "of another resource than the index says"),
    ("sync-enabled", "", "of another resource than the index says"),
    ("", "_comment", "a note of whoever keeps the recording"),
    ("cdancy-bitbucket-rest/commit.json", "", "hand-made: a person's name and a plugin's properties"),
    ("api_pull_request", "values[]._", "a database of a crawler, around the answer"),
    ("api_pull_request", "values[].body", "a database of a crawler, around the answer"),
    ("get_pull_request_response", "toRef.repository.", "hand-made: the target is a personal fork"),
    ("iso_dates", "Date", "dates are milliseconds everywhere"),
    ("webhooks_start_0", "configuration.createdBy", "of a plugin"),
    ("commits_statuses.json", "", "members of Bitbucket Cloud"),
    ("commits_statuses_bad_decode", "", "broken on purpose"),
    (
        "froggit-go/vcsclient/testdata/bitbucketserver/compare_commits",
        "",
        "a diff, and the index says changes",
    ),
    ("drone-go-scm/commits.json", "parents[].", "lists of later releases have the ids of parents only"),
    ("pull_request_comments_list", "", "removed commits, and members of version 4"),
    ("pull-request-activities", "comment.tasks[]", "tasks of comments ended with 7.2"),
    ("admin-list-users", "lastAuthenticationTimestamp", "the simulator keeps no visits"),
    ("branch-list", "", "metadata of plugins, and avatars"),
    ("branch-permission-list", "accessKeys[]", "the simulator has no keys of SSH"),
    ("cdancy-bitbucket-rest/comments.json", "", "hand-made: a new comment with answers"),
    ("default-reviwers-create", "avatarUrl", "only where it is asked for"),
    ("drone-go-scm/changes.json", "properties", "of a pull request's changes"),
    (
        "pull-request-delete-invalid-version",
        "errors[].pullRequest",
        "hand-made: a fork of a personal project that is closed",
    ),
    ("repository-hooks", "values[]", "the simulator has no hooks"),
    ("pr_change.json", "conflict", "the simulator shows no conflicts in changes"),
];

/// What names in the recordings' endpoints stand for.
pub(super) const STAND_INS: &[(&str, &str)] = &[
    ("{pullRequestsPath}", "/pull-requests"),
    ("{groupsPath}", "/permissions/groups"),
    ("{usersPath}", "/permissions/users"),
    ("{hooksPath}", "/settings/hooks"),
    ("{specificPullRequestMergePath}", "/projects/PRJ/repos/my-repo/pull-requests/101/merge"),
    ("{browsePath}", "/rest/api/1.0/projects/PRJ/repos/my-repo/browse/"),
    ("{filesPath}", "/rest/api/1.0/projects/PRJ/repos/my-repo/files"),
];
