//! How soon a call is answered after something was away: a gateway, for ten seconds or for none, and the agent itself.
//!
//! The release binaries as processes with their default settings, TLS on the tunnel and for the caller. Time counts from
//! the moment at which the gateway says that it listens (or the agent is started) to the answer of the first call that
//! gets one; the caller asks every few milliseconds. Writes `target/bench/reconnect.json`.

#[expect(dead_code, reason = "the other benchmarks use more of it")]
mod figures;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/processes/program.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod program;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
/// Where the house of the tests finds it.
mod world {
    pub(crate) use super::tls;
}

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::time::sleep;
use tonic::Code;

use self::figures::Figures;
use self::house::House;

/// How long it takes to be back.
#[derive(Parser)]
struct Args {
    /// How often each thing goes away.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// For how many seconds the gateway is away.
    #[arg(long, default_value_t = 10.0)]
    down: f64,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let Args { rounds, down, bench: _ } = Args::parse();
    let mut house = House::new().await;
    let mut figures = Figures::new("reconnect");
    let agent = house.start_agent(&[]);
    answered(&house).await;

    let mut outage = Vec::new();
    for _ in 0..rounds {
        outage.push(gateway_away(&mut house, Duration::from_secs_f64(down)).await);
    }
    outage.sort();
    figures.at_most("gateway_outage_p50_s", p50(&outage), 0.5);
    figures.at_most("gateway_outage_worst_s", worst(&outage), 2.0);

    let mut blip = Vec::new();
    for _ in 0..rounds {
        blip.push(gateway_away(&mut house, Duration::ZERO).await);
    }
    blip.sort();
    figures.note("gateway_blip_p50_s", p50(&blip));
    figures.note("gateway_blip_worst_s", worst(&blip));

    let mut agent = agent;
    let mut restart = Vec::new();
    for _ in 0..rounds {
        agent.kill();
        agent.ended().await;
        let begun = Instant::now();
        agent = house.start_agent(&[]);
        answered(&house).await;
        restart.push(begun.elapsed());
    }
    restart.sort();
    figures.note("agent_restart_p50_s", p50(&restart));
    figures.note("agent_restart_worst_s", worst(&restart));
    figures.finish()
}

/// Kills the gateway, starts it again after so long, and says how long its first answer took.
async fn gateway_away(house: &mut House, down: Duration) -> Duration {
    // What is lost shall be a link: a session that ends soon after it began counts as part of the outage before it.
    sleep(STEADY).await;
    house.gateway.kill();
    house.gateway.ended().await;
    sleep(down).await;
    house.start_gateway_again().await;
    let begun = Instant::now();
    answered(house).await;
    begun.elapsed()
}

/// Asks until there is an answer.
async fn answered(house: &House) {
    let caller = house.caller().await;
    while let Err(status) = caller.get_repo().await {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        sleep(ASKED_EVERY).await;
    }
}

fn p50(sorted: &[Duration]) -> f64 {
    sorted[sorted.len() / 2].as_secs_f64()
}

fn worst(sorted: &[Duration]) -> f64 {
    sorted[sorted.len() - 1].as_secs_f64()
}

const STEADY: Duration = Duration::from_millis(5500);
const ASKED_EVERY: Duration = Duration::from_millis(5);
