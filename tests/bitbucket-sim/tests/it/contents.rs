//! Folders, files and archives.

use bitbucket_sim::Commit;
use serde_json::json;

use crate::{Shop, shop, web};

#[tokio::test]
async fn a_large_folder_comes_in_pages_and_knows_links_and_submodules() {
    let Shop { sim, client, .. } = shop().await;
    let odd = Commit::new("Odd").many("many", 1001).link("link", "a.txt").submodule("lib", &"1".repeat(40));
    sim.add_commits("SHOP", "web", &[odd]).await.unwrap();
    let page = client.get(&web("/browse/many?limit=5000")).await.json();
    assert_eq!((&page["children"]["size"], &page["children"]["nextPageStart"]), (&json!(1000), &json!(1000)));
    let root = client.get(&web("/browse")).await.json();
    let kinds: Vec<_> = root["children"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| (child["path"]["name"].as_str().unwrap(), child["type"].as_str().unwrap()))
        .collect();
    assert!(kinds.contains(&("lib", "SUBMODULE")) && kinds.contains(&("link", "FILE")), "{kinds:?}");
    assert_eq!(client.get(&web("/browse/lib?type=true")).await.json(), json!({"type": "SUBMODULE"}));
    assert_eq!(client.get(&web("/raw/link")).await.bytes.as_ref(), b"a.txt");
}

#[tokio::test]
async fn a_hundred_thousand_files_are_one_page_and_one_more_is_not() {
    let Shop { sim, client, .. } = shop().await;
    sim.add_repo("SHOP", "huge", &[Commit::new("Huge").many("d", 100_001)]).await.unwrap();
    let path = "/rest/api/latest/projects/SHOP/repos/huge/files?limit=1000000";
    let page = client.get(path).await.json();
    assert_eq!((&page["size"], &page["nextPageStart"]), (&json!(100_000), &json!(100_000)));
}

#[tokio::test]
async fn blame_names_who_brought_the_lines() {
    let Shop { sim, client, .. } = shop().await;
    let change = Commit::new("Change").by("Bo", "bo@example.org").file("a.txt", "one\n2\nthree\n");
    sim.add_commits("SHOP", "web", &[change]).await.unwrap();
    let both = client.get(&web("/browse/a.txt?blame")).await.json();
    assert_eq!((&both["size"], &both["blame"][1]["author"]["name"]), (&json!(3), &json!("Bo")));
    let only = client.get(&web("/browse/a.txt?blame=true&noContent=true")).await.json();
    assert_eq!((&only[1]["lineNumber"], &only[1]["spannedLines"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn a_binary_file_larger_than_a_page_is_not_read_to_tell_so() {
    let Shop { sim, client, .. } = shop().await;
    sim.add_commits("SHOP", "web", &[Commit::new("Large").zeros("z", 64 << 20)]).await.unwrap();
    assert_eq!(client.get(&web("/browse/z")).await.json()["binary"], true);
    assert_eq!(client.get(&web("/browse/z?size=true")).await.json()["size"], 64 << 20);
}

#[tokio::test]
async fn an_archive_is_named_and_narrowed_as_asked() {
    let Shop { sim, client, .. } = shop().await;
    let sha = sim.commit_of("SHOP", "web", "master").await.unwrap();
    let name = |reply: &crate::client::Reply| {
        reply.headers["content-disposition"].to_str().unwrap().split('"').nth(1).unwrap().to_owned()
    };
    let whole = client.get(&web("/archive?format=tgz")).await;
    assert_eq!(name(&whole), format!("web-master@{}.tgz", &sha[..11]));
    assert!(whole.bytes.starts_with(&[0x1f, 0x8b]));
    let part =
        client.get(&web(&format!("/archive?at={sha}&format=tar&path=src&prefix=p&filename=x.tar"))).await;
    assert_eq!(name(&part), "x.tar");
    let text = String::from_utf8_lossy(&part.bytes);
    assert!(text.contains("p/src/") && !text.contains("a.txt"));
    assert_eq!(client.get(&web("/archive?path=none")).await.exception(), "NoSuchPathException");
    assert_eq!(client.get(&web("/archive?format=rar")).await.status, 400);
}
