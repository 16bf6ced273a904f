//! Every block of commands on the pages says who runs it: the test here, a cluster, or nobody, and why not.
//!
//! The mark is a comment on the line before the block, which readers do not see: `<!-- run -->`, `<!-- run: PROGRAM … -->` for
//! the lines that begin with one of these programs, `<!-- cluster -->` for what wants a cluster (`scripts/cluster-test` runs
//! each of them), `<!-- read: WHY -->`.

mod block;
mod scene;

pub(crate) use block::{Block, Mark, all};

use std::process::Command;

use self::block::of;
use self::scene::Scene;
use crate::tree::File;

#[test]
fn every_block_of_commands_says_who_runs_it() {
    let blocks = all();
    let marked = |wanted: fn(&Mark) -> bool| {
        blocks.iter().filter_map(|it| it.mark.as_ref()).filter(|it| wanted(it)).count()
    };
    assert!(marked(|it| matches!(it, Mark::Run(_))) >= 10, "few blocks are run");
    assert!(marked(|it| matches!(it, Mark::Cluster)) >= 10, "few blocks are for a cluster");
    let wrong: Vec<String> = blocks.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_block_that_says_nothing_is_found() {
    let page = "```sh\na\n```\n<!-- run -->\n```sh\nb\n```\n<!-- read: no -->\n```sh\nc\n```\n<!-- cluster -->\n\n```sh\nd\n```\n\
                <!-- read: it takes an hour -->\n```sh\ne\n```\n<!-- run -->\n```bash\nf\n```\n```toml\ng = 1\n```\n";
    let blocks = of(&File::new("docs/x.md", page));
    let wrong: Vec<String> = blocks.iter().filter_map(wrong).collect();
    let unmarked = "is not marked as `run`, `cluster` or `read: WHY` on the line before it";
    let expected = [
        format!("docs/x.md:1 {unmarked}"),
        format!("docs/x.md:9 {unmarked}"),
        format!("docs/x.md:14 {unmarked}"),
        "docs/x.md:22 is for `bash`: write `sh`".to_owned(),
    ];
    assert_eq!(wrong, expected);
}

#[test]
fn every_block_is_something_that_a_shell_reads() {
    for block in all() {
        let done = Command::new("bash").args(["-n", "-c", &block.text]).output().expect("a shell");
        assert!(done.status.success(), "{block}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn every_command_of_ours_is_one_that_the_program_takes() {
    let mut seen = 0;
    for block in all() {
        for words in block.commands_of_ours() {
            let program = match words[0].as_str() {
                "gitproxy" => env!("CARGO_BIN_EXE_gitproxy"),
                _ => env!("CARGO_BIN_EXE_gitproxy-gateway"),
            };
            // It reads all words before it helps.
            let done =
                Command::new(program).args(&words[1..]).arg("--help").env_clear().output().expect("it runs");
            assert!(done.status.success(), "{block}: {words:?}: {}", String::from_utf8_lossy(&done.stderr));
            seen += 1;
        }
    }
    assert!(seen >= 12, "only {seen} commands were read");
}

#[tokio::test]
async fn the_blocks_that_are_marked_for_it_run() {
    let scene = Scene::new().await;
    let mut failed = Vec::new();
    for block in all() {
        if let Some(said) = scene.runs(&block).await {
            failed.push(format!("{block}:\n{said}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[tokio::test]
async fn a_command_that_fails_is_told_wherever_it_stands_in_its_block() {
    let scene = Scene::new().await;
    for text in ["false\ntrue\n", "gitproxy egress explain nowhere\ntrue\n", "false | cat\n"] {
        let page = format!("<!-- run -->\n```sh\n{text}```\n");
        let [block] = of(&File::new("docs/x.md", &page)).try_into().expect("one block");
        assert!(scene.runs(&block).await.is_some(), "{text} runs");
    }
}

fn wrong(block: &Block) -> Option<String> {
    if block.language != "sh" {
        return Some(format!("{block} is for `{}`: write `sh`", block.language));
    }
    let unmarked =
        || format!("{block} is not marked as `run`, `cluster` or `read: WHY` on the line before it");
    block.mark.is_none().then(unmarked)
}
