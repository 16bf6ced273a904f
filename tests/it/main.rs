//! The one integration binary: what holds for the house as a whole.

mod adapter;
#[expect(
    dead_code,
    clippy::print_stdout,
    reason = "a build script as a module: only parts of it are called here"
)]
#[path = "../../build.rs"]
mod build_script;
mod dag;
mod docs;
mod house;
mod methods;
mod processes;
mod tree;
mod tunnel;
