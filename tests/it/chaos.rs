//! Forty faults of one seed, in worlds side by side; `cargo bench --bench chaos` has a thousand.

mod delay;
mod load;
mod net;
mod plan;
mod proxy;
mod scene;
mod tests;

use futures_util::future::join_all;

use self::plan::{Scale, plan, traits};
use self::scene::Scene;
use crate::tools::need;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_faults_leave_no_call_hung_no_write_done_twice_and_the_link_soon_back() {
    let bad = join_all((0..WORLDS).map(world)).await.concat();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// What went wrong in a world.
async fn world(number: u32) -> Vec<String> {
    let traits = traits(number);
    let Some(mut scene) = Scene::new(number, traits).await else { return Vec::new() };
    let mut bad = Vec::new();
    for (index, fault) in plan(SEED, number, FAULTS, Scale::Short).iter().enumerate() {
        let seen = scene.meet(fault).await;
        let line = format!("seed {SEED} world {number} fault {index}: {seen}");
        if let Some(why) = seen.skipped {
            need::skip(&format!("{fault}: {why}"));
        }
        if !seen.good() {
            bad.push(format!("{line}\n{}", scene.logs()));
        }
    }
    let tally = scene.tally();
    let fine = |what| tally.ends.get(&(what, "OK".to_owned())).is_some_and(|count| *count > 0);
    let all = ["read", "write", "keyed write", "download"];
    assert!(all.into_iter().all(fine), "a load that never succeeds shows nothing: {:?}", tally.ends);
    bad
}

const SEED: u64 = 6;
const WORLDS: u32 = 4;
const FAULTS: usize = 10;
