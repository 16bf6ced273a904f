//! `gitproxy`: the agent.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main().into()
}
