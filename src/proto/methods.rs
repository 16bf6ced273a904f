//! The table of methods, made by `build.rs` from the options in `proto/`.

use std::collections::BTreeSet;

/// What a method does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing; may be retried inside its deadline.
    Read,
    /// Changes something in Bitbucket; never repeated by accident.
    Write,
    /// Concerns gitproxy itself.
    Admin,
}

/// How long a method lives and how much it carries; each class has limits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// One small request, one small reply.
    Unary,
    /// A transfer of any size.
    Bulk,
    /// A stream that waits for events.
    Watch,
}

impl Class {
    /// The name in logs, metrics and errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Bulk => "bulk",
            Self::Watch => "watch",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The path as it travels, `/package.Service/Method`.
    pub path: &'static str,
    /// The package, such as `gitproxy.scm.v1`.
    pub package: &'static str,
    /// What the method does to the world.
    pub effect: Effect,
    /// How long it lives and how much it carries.
    pub class: Class,
}

/// The package whose methods a gateway forwards.
pub const SCM_PACKAGE: &str = "gitproxy.scm.v1";

/// The package in which an agent answers about itself.
pub const AGENT_PACKAGE: &str = "gitproxy.agent.v1";

/// Every method of every contract.
pub const METHODS: &[Method] = &include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// Finds a method by the path of its request; `None` for a path that no contract has.
pub fn find(path: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.path == path)
}

/// The full names of the services that have a method of which `wanted` is true; what a door's reflection shows.
pub fn services(wanted: impl Fn(&Method) -> bool) -> BTreeSet<&'static str> {
    METHODS
        .iter()
        .filter(|method| wanted(method))
        .filter_map(|method| method.path.split('/').nth(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_its_path_with_its_options() {
        let found = find("/gitproxy.scm.v1.Files/GetFile").expect("in the table");
        assert_eq!((found.effect, found.class, found.package), (Effect::Read, Class::Bulk, SCM_PACKAGE));
    }

    #[test]
    fn a_path_that_no_contract_has_is_not_found() {
        assert_eq!(find("/gitproxy.scm.v1.Files/Getfile"), None);
        assert_eq!(find("gitproxy.scm.v1.Files/GetFile"), None);
    }
}
