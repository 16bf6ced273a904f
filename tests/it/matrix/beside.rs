//! The commands that name no repository: what becomes of them where there is nothing, no permission, and no answer.

/// A row of the table.
pub(super) struct Beside {
    pub(super) name: &'static str,
    pub(super) json: &'static str,
    /// In place of SHOP, a project that the connection may touch and Bitbucket does not have.
    pub(super) missing: Told,
    /// For a user who may see nothing.
    pub(super) denied: Told,
    /// Where every answer about projects is lost.
    pub(super) cut: Told,
}

/// What is told.
pub(super) enum Told {
    /// The reason of a failure.
    Reason(&'static str),
    /// A success whose checks say this.
    Check(&'static str),
    /// A success with something in this member; and why it is one.
    Well(&'static str, &'static str),
    /// A success without anything in this member; and why.
    Empty(&'static str, &'static str),
}

pub(super) const BESIDE: &[Beside] = &[
    Beside {
        name: "Connections/TestConnection",
        json: "{}",
        missing: Told::Well("hidden_projects", "what is wrong is what it tells"),
        denied: Told::Well("hidden_projects", "what is wrong is what it tells"),
        cut: Told::Check("the answer did not arrive whole"),
    },
    Beside {
        name: "Connections/ListConnections",
        json: "{}",
        missing: Told::Well("connections", "Bitbucket is not asked"),
        denied: Told::Well("connections", "Bitbucket is not asked"),
        cut: Told::Well("connections", "Bitbucket is not asked"),
    },
    Beside {
        name: "Repos/ListProjects",
        json: "{}",
        missing: Told::Well("projects", "it names none; those that exist are listed"),
        denied: Told::Empty("projects", "Bitbucket lists what a user may see"),
        cut: Told::Reason("EGRESS_CUT"),
    },
    Beside {
        name: "Repos/ListRepos",
        json: r#"{"project": "SHOP"}"#,
        missing: Told::Reason("PROJECT_NOT_FOUND"),
        denied: Told::Reason("PERMISSION_MISSING"),
        cut: Told::Reason("EGRESS_CUT"),
    },
];
