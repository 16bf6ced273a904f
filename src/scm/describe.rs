//! What each request is about, and its limits as the proto states them.
//!
//! One file a service, as in `services`. What a request names is taken in even where it is malformed, and the fault is
//! returned only after pause, policy and the connection's projects had their say: a policy that denies stops a method whatever
//! the body is, and a malformed request to a foreign project learns nothing but that it is foreign.

use super::fields::Fields;
use crate::proto::Method;
use crate::proto::methods::METHODS;

mod builds;
mod comments;
mod commits;
mod connections;
mod files;
mod pull_requests;
mod refs;
mod repos;
#[cfg(test)]
mod tests;

/// A request message: its method, and what it names.
pub trait Describe: Send + 'static {
    /// The method that takes this message.
    const METHOD: &'static Method;

    /// Fills in what the message names and which field is out of its limits.
    fn describe(&self, fields: &mut Fields);
}

/// Finds a method of the contracts while compiling: a path that no contract has does not compile.
pub const fn method(path: &str) -> &'static Method {
    let mut row = 0;
    while row < METHODS.len() {
        if same(METHODS[row].path.as_bytes(), path.as_bytes()) {
            return &METHODS[row];
        }
        row += 1;
    }
    panic!("no contract has this method")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    a.len() == b.len()
}
