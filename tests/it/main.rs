//! The one integration binary: what holds for the house as a whole.

mod adapter;
mod bad_input;
mod blackhole;
mod budget;
#[expect(
    dead_code,
    clippy::print_stdout,
    reason = "a build script as a module: only parts of it are called here"
)]
#[path = "../../build.rs"]
mod build_script;
mod canary;
mod chaos;
mod chart;
mod cluster;
mod commands;
mod contract;
mod dag;
mod demo;
mod deny_all;
mod deploy;
mod docs;
mod doctor;
mod house;
mod isolation;
mod limiter;
mod login;
mod matrix;
mod methods;
mod network;
mod probe;
mod processes;
mod replay;
mod security;
mod status;
mod surface;
mod telemetry;
mod third_party;
mod tools;
mod tree;
mod tunnel;
mod wget;
mod world;
