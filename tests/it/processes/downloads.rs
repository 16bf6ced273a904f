//! Large downloads through both programs: nobody on the way keeps them.

use std::time::Instant;

use bitbucket_sim::Commit;

use super::house::House;

#[tokio::test]
async fn a_file_and_an_archive_of_1_gib_take_the_agent_less_than_64_mib() {
    let house = House::new().await;
    let big = Commit::new("Big").zeros("big.bin", GIB as u64);
    house.sim.add_commits("SHOP", "web", &[big]).await.expect("a large file");
    let agent = house.start_agent(&[]);
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    let idle = most_mib(agent.id());

    let start = Instant::now();
    assert_eq!(caller.download("big.bin").await.expect("a whole file"), GIB);
    let (file, after_file) = (start.elapsed(), most_mib(agent.id()));
    // Without compression, so that it is as long on the way as it is in the repository.
    let archive = caller.archive().await.expect("a whole archive");
    let (both, after_both) = (start.elapsed(), most_mib(agent.id()));

    println!("idle {idle} MiB, file {after_file} MiB in {file:?}, archive {after_both} MiB, both {both:?}");
    assert!(archive > GIB, "{archive} bytes");
    assert!(after_both < AGENT_MIB, "the agent took {after_both} MiB, and {idle} before the downloads");
}

/// The most memory that a process ever had, its program's own pages included.
fn most_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a live process");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("the field");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

const GIB: usize = 1 << 30;
const AGENT_MIB: u64 = 64;
