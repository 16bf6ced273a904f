//! A thousand faults of one seed, in worlds side by side, each in a network namespace of its own; needs root.
//!
//! `--seed N --faults N --worlds N`; `--world N --only N` has one fault of a run again, alone, and prints the logs of both
//! programs. `--short` takes the lengths of faults of the test. Writes `target/bench/chaos.json`.
#![expect(clippy::print_stdout, reason = "a line for each fault is what it is run for")]

#[path = "../tests/it/chaos/delay.rs"]
mod delay;
#[expect(dead_code, reason = "other benchmarks use more of it")]
mod figures;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/chaos/load.rs"]
mod load;
#[path = "../tests/it/tools/need.rs"]
mod need;
#[path = "../tests/it/chaos/net.rs"]
mod net;
#[path = "../tests/it/tools/netns.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod netns;
#[path = "../tests/it/chaos/plan.rs"]
mod plan;
#[path = "../tests/it/processes/program.rs"]
mod program;
#[path = "../tests/it/chaos/proxy.rs"]
mod proxy;
#[path = "../tests/it/chaos/scene.rs"]
mod scene;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
/// Where the modules of the tests find each other.
mod world {
    pub(crate) use super::tls;
}
/// As above.
mod processes {
    pub(crate) use super::{house, program};
}
/// As above.
mod tools {
    pub(crate) use super::need;
    pub(crate) use super::netns::Netns;
}

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::join_all;

use self::figures::Figures;
use self::plan::{Scale, plan, traits};
use self::scene::{Scene, Seen};

/// What the command line says.
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// In all worlds together.
    #[arg(long, default_value_t = 1000)]
    faults: usize,
    #[arg(long, default_value_t = 4)]
    worlds: u32,
    /// This world alone.
    #[arg(long)]
    world: Option<u32>,
    /// This fault of the world alone, from 0.
    #[arg(long, requires = "world")]
    only: Option<usize>,
    #[arg(long)]
    short: bool,
    /// Cargo's own.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a world has seen.
struct Run {
    /// Whether its processes lived as long as it did.
    lasting: bool,
    seen: Vec<Seen>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let begun = Instant::now();
    let worlds = match args.world {
        Some(world) => world..world + 1,
        None => 0..args.worlds,
    };
    let runs = join_all(worlds.map(|world| run(&args, world))).await;
    let runs: Vec<_> = runs.into_iter().flatten().collect();
    judge(&runs, begun.elapsed())
}

/// Has the faults of one world, and prints a line for each; none where there can be no such world.
async fn run(args: &Args, world: u32) -> Option<Run> {
    let Args { seed, short, .. } = *args;
    let scale = if short { Scale::Short } else { Scale::Full };
    let count = match args.only {
        Some(only) => only + 1,
        None => args.faults.div_ceil(args.worlds.max(1) as usize),
    };
    let (faults, traits) = (plan(seed, world, count, scale), traits(world));
    let Some(mut scene) = Scene::new(world, traits).await else {
        println!("seed {seed} world {world}: not run, see above");
        return None;
    };
    let mut seen = Vec::with_capacity(count);
    for (index, fault) in faults.iter().enumerate().skip(args.only.unwrap_or(0)) {
        let now = scene.meet(fault).await;
        println!("seed {seed} world {world} fault {index}: {now}");
        if !now.good() || args.only.is_some() {
            let short = if short { " --short" } else { "" };
            println!("again, alone: --seed {seed} --world {world} --only {index}{short}\n{}", scene.logs());
        }
        seen.push(now);
    }
    println!("seed {seed} world {world}, its calls: {:?}", scene.tally().ends);
    Some(Run { lasting: traits.lasting, seen })
}

fn judge(runs: &[Run], took: Duration) -> ExitCode {
    let mut figures = Figures::new("chaos");
    let had = || runs.iter().flat_map(|run| &run.seen).filter(|seen| seen.skipped.is_none());
    let count = |of: fn(&Seen) -> usize| had().map(of).sum::<usize>() as f64;
    figures.note("faults", had().count() as f64);
    figures.note(
        "faults_skipped",
        runs.iter().map(|run| run.seen.len()).sum::<usize>() as f64 - had().count() as f64,
    );
    figures.note("calls", count(|seen| seen.calls as usize));
    figures.note("calls_failed", count(|seen| seen.failed as usize));
    figures.note("calls_cut_by_the_caller", count(|seen| seen.unanswered as usize));
    figures.at_most("took_minutes", took.as_secs_f64() / 60.0, 60.0);
    figures.at_most("calls_hung", count(|seen| seen.hung.len()), 0.0);
    figures.at_most("wrong_writes", count(|seen| seen.wrong.len()), 0.0);
    figures.at_most("links_late", count(|seen| usize::from(seen.back > seen.bound)), 0.0);
    let mut back: Vec<_> = had().map(|seen| seen.back.as_secs_f64()).collect();
    back.sort_by(f64::total_cmp);
    if let Some(worst) = back.last() {
        figures.note("back_p50_s", back[back.len() / 2]);
        figures.note("back_p99_s", back[back.len() * 99 / 100]);
        figures.note("back_worst_s", *worst);
    }
    for run in runs.iter().filter(|run| run.lasting && run.seen.len() >= THIRDS) {
        figures.at_most("agent_growth_mib", growth(&run.seen, |seen| seen.agent), FLAT);
        figures.at_most("gateway_growth_mib", growth(&run.seen, |seen| seen.gateway), FLAT);
    }
    // Nothing seen is nothing shown.
    figures.at_least("worlds", runs.len() as f64, 1.0);
    figures.finish()
}

/// By how much the median of the last third is above that of the second.
fn growth(seen: &[Seen], of: fn(&Seen) -> f64) -> f64 {
    let third = seen.len() / 3;
    let median = |part: &[Seen]| {
        let mut values: Vec<_> = part.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    median(&seen[2 * third..]) - median(&seen[third..2 * third])
}

/// The least faults for a judgement of growth.
const THIRDS: usize = 30;
/// In MiB; an allocator keeps a little more after each storm of retries.
const FLAT: f64 = 4.0;
