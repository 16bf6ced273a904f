//! The simulator as a program: starts, says where it is and a token for it, and serves until interrupted.

use std::path::PathBuf;
use std::process::ExitCode;

use bitbucket_sim::{AutoBuild, Config, Sim, TokenSpec, seed};

/// What the command line says.
#[derive(Default)]
struct Options {
    config: Config,
    ca_out: Option<PathBuf>,
    seed_demo: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => return fail(&format!("{message}\n{USAGE}")),
    };
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error}")),
    }
}

#[expect(clippy::print_stderr, reason = "a program's error goes there")]
fn fail(message: &str) -> ExitCode {
    eprintln!("bitbucket-sim: {message}");
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is started for")]
async fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let sim = Sim::start(options.config).await?;
    if options.seed_demo {
        seed::demo(&sim).await?;
    }
    sim.add_user("admin", "admin");
    println!("url {}", sim.url());
    if let Some(path) = options.ca_out {
        tokio::fs::write(&path, sim.ca_pem()).await?;
        println!("ca {}", path.display());
    }
    println!("dir {}", sim.dir().display());
    println!("token {}", sim.add_token(TokenSpec::personal("admin")));
    tokio::signal::ctrl_c().await?;
    sim.stop().await;
    Ok(())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--port" => {
                options.config.port = value()?.parse().map_err(|_| "--port needs a number".to_owned())?
            }
            "--listen" => {
                options.config.address =
                    value()?.parse().map_err(|_| "--listen needs an address".to_owned())?
            }
            "--name" => options.config.names.push(value()?),
            "--no-tls" => options.config.tls = false,
            "--dir" => options.config.dir = Some(value()?.into()),
            "--version" => options.config.version = value()?.parse()?,
            "--context" => options.config.context = value()?,
            "--ca-out" => options.ca_out = Some(value()?.into()),
            "--seed-demo" => options.seed_demo = true,
            "--auto-build" => options.config.auto_build = Some(AutoBuild::default()),
            other => return Err(format!("{other} is not an option")),
        }
    }
    Ok(options)
}

const USAGE: &str = "usage: bitbucket-sim [--listen ADDRESS] [--port N] [--name DNS-NAME]... [--no-tls] [--dir DIR] [--version 7.21|8.9|8.19|9.4|10.2] [--context /PATH] \
     [--ca-out FILE] [--seed-demo] [--auto-build]";
