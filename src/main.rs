//! `gitproxy`: the agent; by the name `wget`, the check of its way out.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
