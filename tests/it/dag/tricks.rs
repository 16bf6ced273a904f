//! Each way to hide an import, and that it is found. A line that is allowed stands beside each, so that no rule passes
//! by refusing everything.

use super::{arrows, check};
use crate::tree::{self, File};

/// What the checker says about one file, as one text.
fn said(path: &str, text: &str) -> String {
    check(&[File::new(path, text)]).iter().map(|finding| finding.what.clone() + "\n").collect()
}

#[track_caller]
fn refused(path: &str, text: &str, why: &str) {
    let said = said(path, text);
    assert!(said.contains(why), "`{text}` in {path} should be refused with `{why}`, but got `{said}`");
}

#[track_caller]
fn allowed(path: &str, text: &str) {
    assert_eq!(said(path, text), "", "`{text}` in {path}");
}

#[test]
fn a_plain_use_is_found() {
    refused("src/ops/tasks.rs", "use crate::egress::Origin;", "ops may not import egress");
    refused("src/agent.rs", "use crate::gateway;", "agent may not import gateway");
    refused("src/gateway.rs", "use crate::agent::Link;", "gateway may not import agent");
    allowed("src/egress/dial.rs", "use crate::ops::Tasks; use crate::egress::Origin;");
}

#[test]
fn a_use_inside_a_function_is_found() {
    refused("src/proto.rs", "fn f() { use crate::ops::Tasks; }", "proto may not import ops");
}

#[test]
fn a_full_path_without_use_is_found() {
    refused("src/tunnel.rs", "fn f(o: crate::egress::Origin) {}", "tunnel may not import egress");
    refused("src/tunnel.rs", "type T = Vec<crate::egress::Origin>;", "tunnel may not import egress");
    refused("src/tunnel.rs", "impl<crate::r#egress::A as B>::C for D {}", "tunnel may not import egress");
    refused("src/tunnel.rs", "fn f() { crate :: egress :: dial() }", "tunnel may not import egress");
    allowed("src/tunnel.rs", "fn f(t: crate::ops::Tasks, s: crate::proto::Fault) {}");
}

#[test]
fn super_is_followed_from_a_file() {
    refused("src/ops.rs", "use super::scm::Scm;", "ops may not import scm");
    refused("src/ops/tasks.rs", "fn f() { super::super::scm::call() }", "ops may not import scm");
    refused("src/ops/tasks.rs", "use self::super::super::scm::call;", "ops may not import scm");
    allowed("src/ops/tasks.rs", "use super::scm;");
}

#[test]
fn super_is_followed_through_inline_modules() {
    refused("src/ops.rs", "mod tests { use super::super::scm::Scm; }", "ops may not import scm");
    refused(
        "src/ops.rs",
        "mod a { mod b { fn f() { super::super::super::scm::x() } } }",
        "ops may not import scm",
    );
    allowed("src/ops.rs", "mod tests { use super::*; use super::scm; }");
    allowed("src/ops.rs", "mod a { mod b {} } mod c { use super::scm; }");
}

#[test]
fn groups_and_nested_groups_are_found() {
    refused(
        "src/scm.rs",
        "use crate::{ops, proto::{self, Fault}, egress::Origin};",
        "scm may not import egress",
    );
    refused(
        "src/scm.rs",
        "use crate::{ops::{self}, bitbucket::{self as b}};",
        "scm may not import bitbucket",
    );
    refused("src/ops/key.rs", "use super::{super::{egress}, tasks};", "ops may not import egress");
    allowed("src/scm.rs", "use crate::{ops::{self, Tasks as T}, proto};");
}

#[test]
fn a_path_inside_a_macro_is_found() {
    refused("src/proto.rs", "fn f() { vec![crate::ops::Tasks::new()]; }", "proto may not import ops");
    refused("src/proto.rs", "macro_rules! m { () => { $crate::ops::f() } }", "proto may not import ops");
    refused(
        "src/proto.rs",
        "macro_rules! m { ($n:ident) => { crate::$n::f() } }",
        "only the macro's callers know",
    );
    refused(
        "src/proto.rs",
        "macro_rules! m { ($n:ident) => { use crate::$n; } }",
        "only the macro's callers know",
    );
    refused(
        "src/proto.rs",
        "macro_rules! m { ($n:ident) => { super::$n::f() } }",
        "only the macro's callers know",
    );
    refused(
        "src/proto.rs",
        "macro_rules! m { () => { use $crate::ops::Tasks; } }",
        "proto may not import ops",
    );
    allowed("src/egress.rs", "macro_rules! m { ($n:ident) => { use $crate::ops::$n; crate::ops::$n::f() } }");
    refused("src/proto.rs", "#[cfg_attr(test, derive(crate::ops::D))] struct S;", "proto may not import ops");
}

#[test]
fn another_name_for_the_root_is_found() {
    let why = "the crate's root gets another name";
    refused("src/ops.rs", "use crate as c; fn f() { c::scm::call() }", why);
    refused("src/ops.rs", "use super as up;", why);
    refused("src/ops.rs", "use crate::{self as root};", why);
    refused("src/ops/key.rs", "use super::super::*;", why);
    refused("src/ops.rs", "use crate::*;", why);
    refused("src/main.rs", "use gitproxy as g;", why);
    refused("src/ops.rs", "extern crate self as gitproxy;", "`extern crate`");
}

#[test]
fn a_reexport_is_found_also_where_the_arrow_is_allowed() {
    let why = "would carry them past the arrows";
    refused("src/egress.rs", "pub use crate::ops::Tasks;", why);
    refused("src/egress/dial.rs", "pub(crate) use super::super::ops::Tasks;", why);
    refused("src/scm.rs", "pub(in crate::scm) use crate::{proto::Fault};", why);
    refused("src/scm.rs", "mod prelude { pub(super) use crate::proto::*; }", why);
    refused("src/lib.rs", "pub use agent::Link;", "src/lib.rs may not import agent");
    allowed(
        "src/egress.rs",
        "pub use self::dial::Stream; pub use crate::egress::origin::Origin; use crate::ops::Tasks;",
    );
}

#[test]
fn only_the_backend_of_scm_imports_bitbucket() {
    refused("src/scm/repos.rs", "use crate::bitbucket::Client;", "scm may not import bitbucket");
    refused("src/scm/backends.rs", "use crate::bitbucket::Client;", "scm may not import bitbucket");
    allowed("src/scm/backend.rs", "use crate::bitbucket::Client;");
    allowed("src/scm/backend/cache.rs", "use crate::bitbucket::Client;");
}

#[test]
fn a_binary_imports_its_own_side_only() {
    refused("src/main.rs", "use gitproxy::gateway::Directory;", "may not import gateway");
    refused("src/bin/gitproxy-gateway.rs", "fn main() { gitproxy::agent::run() }", "may not import agent");
    refused("src/bin/gitproxy-gateway.rs", "use gitproxy::{ops, scm};", "may not import scm");
    refused("src/main.rs", "mod agent;", "build a file of the library into a binary");
    allowed("src/main.rs", "use gitproxy::{agent, ops}; mod tests { use super::*; }");
    allowed("src/bin/gitproxy-gateway.rs", "use gitproxy::gateway;");
    allowed("src/main.rs", "mod cli;");
    allowed("src/cli.rs", "mod run; use gitproxy::agent; use crate::cli::run; use super::cli;");
    refused("src/cli/run.rs", "use gitproxy::gateway;", "src/cli/run.rs may not import gateway");
    refused("src/lib.rs", "pub mod cli;", "the module cli has no row");
    refused("src/agent.rs", "use crate::cli::run;", "`cli` is no top-level module");
    refused("src/cli/mod.rs", "", "no rule knows this place");
    refused("src/bin/gitproxy-gateway.rs", "mod cli;", "build a file of the library into a binary");
}

#[test]
fn a_file_that_hides_where_it_belongs_is_found() {
    refused("src/ops.rs", "#[path = \"agent/link.rs\"] mod link;", "`#[path]`");
    refused("src/ops.rs", "#[cfg_attr(unix, path = \"agent/link.rs\")] mod link;", "`#[path]`");
    refused("src/ops.rs", "include!(\"agent/link.rs\");", "`include!`");
    refused("src/ops.rs", "std::include!(\"agent/link.rs\");", "`include!`");
    allowed("src/proto/methods.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/methods.rs\"));");
    refused("src/ops/mod.rs", "", "no rule knows this place");
    refused("src/other.rs", "", "no rule knows this place");
    refused("src/bin/third.rs", "", "no rule knows this place");
}

#[test]
fn a_module_without_a_row_in_the_table_is_found() {
    refused("src/lib.rs", "pub mod agent; pub mod git;", "the module git has no row");
    refused("src/agent.rs", "use crate::git::Pack;", "`git` is no top-level module");
}

#[test]
fn the_root_declares_modules_and_nothing_else() {
    let root =
        tree::rust_files("src").into_iter().find(|file| file.path == "src/lib.rs").expect("src/lib.rs");
    let mut code =
        root.text.lines().filter(|line| !line.starts_with("//") && !line.is_empty()).collect::<Vec<_>>();
    let mut expected = arrows::modules().map(|module| format!("pub mod {module};")).collect::<Vec<_>>();
    code.sort_unstable();
    expected.sort_unstable();
    assert_eq!(code, expected);
}
