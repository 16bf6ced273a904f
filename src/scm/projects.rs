//! The projects that a connection may touch.

use tonic::Code;

use crate::proto::{Fault, Reason};

/// A set of project keys, `~user` for a personal project. The empty set contains none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projects(Vec<String>);

impl Projects {
    /// The keys, in the order in which they were given.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Whether the connection may touch `project`.
    ///
    /// Only the letter case of ASCII is ignored: Unicode folds characters such as the Kelvin sign into ASCII letters, and
    /// Bitbucket need not agree with us on which.
    pub fn contains(&self, project: &str) -> bool {
        self.0.iter().any(|key| key.eq_ignore_ascii_case(project))
    }

    pub(super) fn check<'a>(&self, named: impl IntoIterator<Item = &'a String>) -> Result<(), Fault> {
        named
            .into_iter()
            .find(|project| !self.contains(project))
            .map_or(Ok(()), |project| Err(outside(project)))
    }
}

impl<S: Into<String>> FromIterator<S> for Projects {
    fn from_iter<I: IntoIterator<Item = S>>(keys: I) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }
}

fn outside(project: &str) -> Fault {
    Fault::new(
        Code::PermissionDenied,
        Reason::OutsideProject,
        format!("the connection may not touch project `{project}`; its settings name those that it may"),
    )
    .with("project", project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_does_not_matter_but_look_alikes_do() {
        let projects: Projects = ["SHOP", "~kate"].into_iter().collect();
        assert!(projects.contains("shop") && projects.contains("~KATE"));
        assert!(!projects.contains("SHO") && !projects.contains("~\u{212a}ate") && !projects.contains(""));
    }

    #[test]
    fn the_first_project_outside_is_named() {
        let projects: Projects = ["SHOP"].into_iter().collect();
        let fault = projects.check(&["shop".to_owned(), "HR".to_owned()]).unwrap_err();
        assert_eq!((fault.reason(), fault.fact("project")), (Reason::OutsideProject, Some("HR")));
    }
}
