//! Single branches, and tags.

use bitbucket_sim::{Commit as Seed, Version};
use gitproxy::bitbucket::Client;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault, Reason};

use crate::adapter::{World, web};

async fn get(client: &Client, name: &str) -> Result<pb::Branch, Reason> {
    let asked = pb::GetBranchRequest { repo: web(), name: name.into() };
    let found = client.get_branch(asked).await.map_err(|error| Fault::from(error).reason())?;
    Ok(found.branch.expect("one"))
}

const BOTH: [Version; 2] = [Version::V7_21, Version::V10_2];

#[tokio::test]
async fn a_branch_is_the_one_of_exactly_this_name() {
    for version in BOTH {
        let world = World::new(version).await;
        let seeds = ["fix", "fix-2", "a/fix", "prefix"].map(|name| Seed::new(name).on(name).file(name, "x"));
        world.sim.add_commits("SHOP", "web", &seeds).await.expect("seeded");
        let client = world.client();
        for (name, id) in [
            ("fix", "refs/heads/fix"),
            ("refs/heads/a/fix", "refs/heads/a/fix"),
            ("a/fix", "refs/heads/a/fix"),
        ] {
            let branch = get(&client, name).await.expect("found");
            let head = world.sim.commit_of("SHOP", "web", id).await.expect("a commit");
            let expected = (id.to_owned(), head, false);
            assert_eq!((branch.id, branch.commit_id, branch.is_default), expected, "{version:?}");
        }
        assert!(get(&client, "master").await.expect("found").is_default, "{version:?}");
        for name in ["fi", "FIX", "refix"] {
            assert_eq!(get(&client, name).await, Err(Reason::RefNotFound), "{version:?} {name}");
        }
    }
}

#[tokio::test]
async fn tags_are_listed_by_name_and_only_annotated_ones_have_an_object() {
    for version in BOTH {
        let world = World::new(version).await;
        for (name, message) in [("v2", Some("Two")), ("v1", None), ("rc", None)] {
            world.sim.add_tag("SHOP", "web", name, "master", message).await.expect("a tag");
        }
        let client = world.client();
        let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
        let mut asked = pb::ListTagsRequest {
            repo: web(),
            name_contains: "v".into(),
            page_size: 1,
            ..Default::default()
        };
        let first = client.list_tags(asked.clone()).await.expect("a page");
        asked.page_token = first.next_page_token;
        let last = client.list_tags(asked).await.expect("a page");
        let ([one], [two]) = (first.tags.as_slice(), last.tags.as_slice()) else { panic!("{version:?}") };
        // The younger of the two, which comes first where Bitbucket is not asked for an order.
        assert_eq!((two.id.as_str(), two.name.as_str()), ("refs/tags/v2", "v2"), "{version:?}");
        assert!(two.object_id.len() == 40 && two.object_id != head, "{version:?}");
        assert_eq!((one.name.as_str(), one.object_id.as_str()), ("v1", ""), "{version:?}");
        assert_eq!((&one.commit_id, &two.commit_id), (&head, &head), "{version:?}");
        assert_eq!(last.next_page_token, "");
    }
}
