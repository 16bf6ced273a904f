//! Files, directories and archives.

use std::collections::BTreeSet;

use bitbucket_sim::{Commit as Seed, Fault as Trouble, Rule, Version};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use gitproxy::bitbucket::{Client, Error};
use gitproxy::proto::scm::v1::{self as pb, ArchiveFormat, NodeType};
use gitproxy::proto::{Fault, Reason};

use crate::adapter::{World, web};
use crate::world;

fn directory(path: &str) -> pb::ListDirectoryRequest {
    pb::ListDirectoryRequest { repo: web(), path: path.into(), ..Default::default() }
}

fn archive(format: ArchiveFormat) -> pb::GetArchiveRequest {
    pb::GetArchiveRequest { repo: web(), format: format.into(), ..Default::default() }
}

async fn read(client: &Client, asked: pb::GetArchiveRequest) -> Result<Vec<u8>, Error> {
    let pieces: Vec<Bytes> = client.get_archive(asked).await?.try_collect().await?;
    assert!(pieces.iter().all(|piece| piece.len() <= 65_536));
    Ok(pieces.concat())
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Reason {
    Fault::from(outcome.expect_err("a failure")).reason()
}

const BOTH: [Version; 2] = [Version::V7_21, Version::V10_2];

#[tokio::test]
async fn more_than_1000_entries_and_100_000_files_arrive_whole() {
    let world = world::World::start().await;
    let seed = Seed::new("Many").many("wide", 2500).many("deep", 100_001);
    world.sim.add_commits("SHOP", "web", &[seed]).await.expect("seeded");
    let caller = world.caller().await;
    let mut asked = directory("wide");
    let (mut entries, mut pages) = (Vec::new(), Vec::new());
    loop {
        let page = caller.files().list_directory(caller.ask(asked.clone())).await.expect("a page");
        let page = page.into_inner();
        pages.push(page.entries.len());
        entries.extend(page.entries.into_iter().map(|entry| entry.path));
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    let expected: Vec<_> = (0..2500).map(|number| format!("wide/{number:06}.txt")).collect();
    assert_eq!((pages, entries), (vec![1000, 1000, 500], expected));

    let mut asked = pb::ListFilesRequest { repo: web(), page_size: 10_000, ..Default::default() };
    let (mut paths, mut pages) = (BTreeSet::new(), 0);
    loop {
        let page = caller.files().list_files(caller.ask(asked.clone())).await.expect("a page");
        let page = page.into_inner();
        pages += 1;
        paths.extend(page.paths);
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    // With the two files of the world.
    assert_eq!((pages, paths.len()), (11, 100_001 + 2500 + 2));
    assert!(["a.txt", "deep/000000.txt", "deep/100000.txt"].iter().all(|path| paths.contains(*path)));
}

#[tokio::test]
async fn a_directory_tells_files_directories_and_submodules_apart() {
    for version in BOTH {
        let world = World::new(version).await;
        let elsewhere = "c".repeat(40);
        let seed = Seed::new("Kinds")
            .file("top/file ü.txt", "12345")
            .file("top/sub/only/deep.txt", "x")
            .link("top/link", "file")
            .submodule("top/module", &elsewhere);
        world.sim.add_commits("SHOP", "web", &[seed]).await.expect("seeded");
        let client = world.client();
        let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
        let asked = pb::ListDirectoryRequest { at: head.clone(), ..directory("top") };
        let found = client.list_directory(asked).await.expect("a page");
        assert_eq!(found.commit_id, head, "{version:?}");
        let mut kinds: Vec<_> =
            found.entries.iter().map(|it| (it.path.as_str(), it.r#type(), it.size_bytes)).collect();
        kinds.sort_unstable();
        let expected = [
            ("top/file ü.txt", NodeType::File, 5),
            ("top/link", NodeType::File, 4),
            ("top/module", NodeType::Submodule, 0),
            ("top/sub", NodeType::Directory, 0),
        ];
        assert_eq!(kinds, expected, "{version:?}");
        let module = found.entries.iter().find(|entry| entry.path == "top/module").expect("there");
        assert_eq!(module.content_id, elsewhere, "{version:?}");
        let root = client.list_directory(directory("")).await.expect("a page");
        assert_eq!(root.commit_id, "", "{version:?}: a name is no commit");
        assert!(root.entries.iter().any(|entry| entry.path == "top"), "{version:?}");
    }
}

#[tokio::test]
async fn what_is_no_directory_is_named_so() {
    let world = World::new(Version::V9_4).await;
    world.sim.add_repo("SHOP", "empty", &[]).await.expect("a repository");
    let client = world.client();
    for path in ["a.txt", "empty", "no"] {
        assert_eq!(reason(client.list_directory(directory(path)).await), Reason::PathNotFound, "{path}");
    }
    let at = pb::ListDirectoryRequest { at: "nope".into(), ..directory("") };
    assert_eq!(reason(client.list_directory(at).await), Reason::RefNotFound);
    let empty = Some(pb::RepoRef { project: "SHOP".into(), slug: "empty".into() });
    let asked = pb::ListDirectoryRequest { repo: empty, ..directory("") };
    assert_eq!(reason(client.list_directory(asked).await), Reason::NoDefaultBranch);
}

#[tokio::test]
async fn an_archive_has_its_format_its_paths_and_its_prefix() {
    for version in BOTH {
        let world = World::new(version).await;
        let seed = Seed::new("More").file("lib/b.txt", "b\n").file("lib/c.txt", "c\n");
        world.sim.add_commits("SHOP", "web", &[seed]).await.expect("seeded");
        let client = world.client();
        for (format, magic) in [
            (ArchiveFormat::Unspecified, &b"PK\x03\x04"[..]),
            (ArchiveFormat::Zip, b"PK\x03\x04"),
            (ArchiveFormat::TarGz, b"\x1f\x8b"),
        ] {
            let bytes = read(&client, archive(format)).await.expect("whole");
            assert!(bytes.starts_with(magic), "{version:?} {format:?}");
        }
        let paths = vec!["a.txt".to_owned(), "lib/b.txt".to_owned()];
        let asked = pb::GetArchiveRequest {
            at: "refs/heads/master".into(),
            paths,
            prefix: "shop/".into(),
            ..archive(ArchiveFormat::Tar)
        };
        let bytes = read(&client, asked).await.expect("whole");
        assert!(["shop/a.txt", "shop/lib/b.txt"].iter().all(|path| has(&bytes, path)), "{version:?}");
        assert!(!has(&bytes, "shop/lib/c.txt"), "{version:?}");
    }
}

#[tokio::test]
async fn an_archive_comes_whole_or_as_an_error() {
    let world = World::new(Version::V9_4).await;
    let big = Seed::new("Big").zeros("big.bin", 3_000_000);
    world.sim.add_commits("SHOP", "web", &[big]).await.expect("seeded");
    let client = world.client();
    let asked = || archive(ArchiveFormat::Tar);
    assert!(read(&client, asked()).await.expect("whole").len() > 3_000_000);
    let nowhere = pb::GetArchiveRequest { at: "nope".into(), ..asked() };
    assert_eq!(reason(read(&client, nowhere).await), Reason::RefNotFound);
    let nothing = pb::GetArchiveRequest { paths: vec!["nope".into()], ..asked() };
    assert_eq!(reason(read(&client, nothing).await), Reason::PathNotFound);
    for (trouble, expected) in [
        (Trouble::CutAfter(100_000), Reason::EgressCut),
        (Trouble::LoginPage, Reason::NotBitbucket),
        (Trouble::LoginRedirect, Reason::NotBitbucket),
    ] {
        world.trouble(Rule::new(trouble).path("/archive"));
        assert_eq!(reason(read(&client, asked()).await), expected);
        world.sim.knobs().clear();
    }
}
