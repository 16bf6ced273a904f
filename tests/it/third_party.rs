//! Clients of Bitbucket that others wrote, let loose on the simulator: that they believe it says that it is believable.

use bitbucket_sim::{Commit, Config, Sim, TokenSpec, Version, WriteKind};
use tokio::process::Command;

use crate::tools::need;
use crate::tree;

#[tokio::test]
async fn atlassian_python_api_reads_back_what_it_wrote_in_two_versions() {
    let Some(python) = need::program("atlassian-python") else { return };
    // It edits files without `X-Atlassian-Token`, which versions before 9 refuse.
    for version in [Version::V9_4, Version::V10_2] {
        let sim = Sim::start(Config::default().version(version)).await.expect("a simulator");
        let seed = Commit::new("Start").file("a.txt", "one\ntwo\n");
        sim.add_repo("SHOP", "web", &[seed]).await.expect("a repository");
        let token = sim.add_token(TokenSpec::personal("alice"));
        let _other = sim.add_token(TokenSpec::personal("bob"));
        let folder = tempfile::tempdir().expect("a folder");
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, sim.ca_pem()).expect("written");
        let mut command = Command::new(&python);
        command.arg(tree::root().join("tests/clients/atlassian_calls.py")).args([sim.url(), &token]).arg(&ca);
        let done = command.kill_on_drop(true).output().await.expect("it runs");
        let (told, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{version:?}\n{told}\n{errors}");
        let calls = told.lines().filter(|line| line.starts_with("ok ")).count();
        println!("{version:?}: {calls} distinct calls");
        assert!(calls >= 40, "{version:?}: only {calls} distinct calls");
        // The simulator's own log is the judge of what was written.
        let wrote = |kind| sim.writes().iter().any(|write| write.kind == kind);
        for kind in [
            WriteKind::EditFile,
            WriteKind::MergePullRequest,
            WriteKind::DeclinePullRequest,
            WriteKind::Comment,
        ] {
            assert!(wrote(kind), "{version:?}: {kind:?}");
        }
    }
}
