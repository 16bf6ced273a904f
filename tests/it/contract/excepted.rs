//! Where the simulator is not as the document or a recording has it, each with the reason.

/// An answer that is not of the document.
pub(super) struct Answer {
    method: &'static str,
    /// How the path ends; `*` for every path.
    path: &'static str,
    /// A part of the problem.
    problem: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    why: &'static str,
}

impl Answer {
    pub(super) fn is_of(&self, (method, path): &(String, String), problem: &str) -> bool {
        (self.method == "*" || self.method == method)
            && (self.path == "*" || path.ends_with(self.path))
            && problem.contains(self.problem)
    }
}

/// A member of recordings that the simulator's answers do not have.
pub(super) struct Member {
    /// A part of the file's name; empty for every file.
    file: &'static str,
    /// How the place ends.
    place: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    why: &'static str,
}

impl Member {
    pub(super) fn is_of(&self, file: &str, place: &str) -> bool {
        file.contains(self.file) && place.ends_with(self.place)
    }
}

pub(super) const ANSWERS: &[Answer] = &[Answer {
    method: "*",
    path: "*",
    problem: "no status 401",
    why: "lists leave it out, and every server says it (spec-vs-real)",
}];

pub(super) const MEMBERS: &[Member] = &[Member { file: "", place: "directoryName", why: "" }];

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
