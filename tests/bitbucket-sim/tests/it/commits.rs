//! Commits, comparisons and patches.

use bitbucket_sim::Commit;
use http::Method;
use serde_json::json;

use crate::{Shop, shop, web};

#[tokio::test]
async fn commits_are_capped_at_a_hundred_and_counted_when_asked() {
    let Shop { sim, client, .. } = shop().await;
    let many: Vec<_> = (0..120).map(|n| Commit::new("Many").file("n", n.to_string())).collect();
    sim.add_commits("SHOP", "web", &many).await.unwrap();
    let first = client.get(&web("/commits?limit=1000&withCounts=true")).await.json();
    assert_eq!((&first["size"], &first["nextPageStart"]), (&json!(100), &json!(100)));
    assert_eq!((&first["totalCount"], &first["authorCount"]), (&json!(122), &json!(1)));
    let last = client.get(&web("/commits?limit=100&start=100")).await.json();
    assert_eq!((&last["size"], last.get("nextPageStart")), (&json!(22), Some(&json!(null))));
    assert_eq!(client.get(&web("/commits?path=a.txt")).await.json()["size"], 1);
}

#[tokio::test]
async fn a_commit_is_found_by_a_short_id_a_ref_or_a_path() {
    let Shop { sim, client, .. } = shop().await;
    let sha = sim.commit_of("SHOP", "web", "master").await.unwrap();
    for name in [&sha[..11], "master", "refs%2Fheads%2Fmaster"] {
        assert_eq!(client.get(&web(&format!("/commits/{name}"))).await.json()["id"], json!(sha));
    }
    let start = client.get(&web("/commits/master?path=a.txt")).await.json();
    assert_eq!(start["message"], "Start");
    let patch = client.get(&web("/patch?until=master")).await;
    assert!(patch.bytes.starts_with(format!("From {sha}").as_bytes()));
    assert_eq!(client.get(&web("/patch")).await.status, 400);
}

#[tokio::test]
async fn a_rename_is_followed_when_asked() {
    let Shop { sim, client, .. } = shop().await;
    let rename = Commit::new("Rename").remove("a.txt").file("b.txt", "one\ntwo\nthree\n");
    sim.add_commits("SHOP", "web", &[rename]).await.unwrap();
    assert_eq!(client.get(&web("/commits?path=b.txt")).await.json()["size"], 1);
    assert_eq!(client.get(&web("/commits?path=b.txt&followRenames=true")).await.json()["size"], 2);
    let modified = client.get(&web("/last-modified?at=master")).await.json();
    assert_eq!(modified["files"]["b.txt"]["message"], "Rename");
    assert_eq!(modified["files"]["src"]["message"], "More");
    assert_eq!(client.get(&web("/last-modified")).await.status, 400);
}

#[tokio::test]
async fn a_fork_is_compared_with_its_origin() {
    let Shop { sim, client, .. } = shop().await;
    assert_eq!(client.post(&web(""), &json!({"name": "mine"})).await.status, 201);
    sim.add_commits("~ALICE", "mine", &[Commit::new("Mine").file("m", "m")]).await.unwrap();
    for from in ["~alice/mine", "~ALICE/MINE"] {
        let path = web(&format!("/compare/commits?from=master&to=master&fromRepo={from}"));
        assert_eq!(client.get(&path).await.json()["values"][0]["message"], "Mine");
    }
    let diff = client.get(&web("/compare/diff?from=master&to=master&fromRepo=~alice/mine")).await.json();
    assert_eq!(diff["diffs"][0]["destination"]["toString"], "m");
    assert_eq!(client.get(&web("/forks")).await.json()["size"], 1);
    let text = [("accept", "text/plain")];
    let diff = client.send(Method::GET, &web("/diff?until=master"), &text, "").await.unwrap();
    assert!(diff.bytes.starts_with(b"diff --git"));
}
