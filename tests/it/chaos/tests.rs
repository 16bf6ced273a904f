//! The plan is what the seed says, and a delay delays.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::process::Command;

use super::delay::Delay;
use super::plan::{Dice, Fault, Kind, Scale, kinds, plan, traits};
use crate::tools::{Netns, need};

#[test]
fn the_same_seed_gives_the_same_faults_and_another_seed_or_world_others() {
    let of = |seed, world| plan(seed, world, 40, Scale::Full);
    assert_eq!(of(7, 1), of(7, 1));
    assert_ne!(of(7, 1), of(8, 1));
    assert_ne!(of(7, 1), of(7, 3));
}

#[test]
fn a_longer_plan_begins_as_the_shorter_one_so_a_fault_keeps_its_number() {
    assert_eq!(plan(7, 1, 100, Scale::Full)[..40], plan(7, 1, 40, Scale::Full));
}

#[test]
fn the_generator_is_splitmix64() {
    // The first numbers of its author's own for the seed 1234567.
    let mut dice = Dice(1_234_567);
    assert_eq!([dice.roll(), dice.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
}

#[test]
fn every_kind_comes_before_any_comes_again() {
    for world in 0..4 {
        let kinds = kinds(traits(world));
        let drawn = plan(1, world, kinds.len(), Scale::Short);
        let same =
            |kind: &Kind, fault: &Fault| std::mem::discriminant(kind) == std::mem::discriminant(&fault.kind);
        assert!(kinds.iter().all(|kind| drawn.iter().any(|fault| same(kind, fault))), "{drawn:?}");
    }
}

#[test]
fn lengths_are_as_the_scale_says_and_some_full_ones_are_beyond_fifteen_seconds() {
    let longest = |scale| plan(1, 1, 500, scale).iter().map(|fault| fault.length).max().expect("some");
    assert!(longest(Scale::Short) < Duration::from_millis(2500));
    assert!((Duration::from_secs(15)..Duration::from_secs(25)).contains(&longest(Scale::Full)));
}

#[test]
fn processes_of_a_lasting_world_never_end() {
    let ends = |fault: &Fault| matches!(fault.kind, Kind::Kill(_) | Kind::Swap);
    assert!(!plan(1, 0, 200, Scale::Full).iter().any(ends));
    assert!(plan(1, 1, 200, Scale::Full).iter().any(ends));
}

#[tokio::test]
async fn a_delay_is_there_until_it_is_dropped() {
    let Some(netns) = Netns::new().await else { return };
    let listener = TcpListener::bind((netns.outside(3), 0)).await.expect("a port");
    let to = listener.local_addr().expect("an address");
    let connect = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
    let connects = async || {
        let begun = Instant::now();
        let inside = format!("--net=/run/netns/{}", netns.name());
        let done = Command::new("nsenter").args([&inside, "bash", "-c", &connect]).status().await;
        assert!(done.expect("nsenter").success());
        begun.elapsed()
    };
    let delay = match Delay::begin(&netns, 500).await {
        Ok(delay) => delay,
        Err(why) => return need::skip(why),
    };
    assert!(connects().await >= Duration::from_millis(500));
    drop(delay);
    // The way is the old one again; how long that takes depends on the machine.
    connects().await;
}
