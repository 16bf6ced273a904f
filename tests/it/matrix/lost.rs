//! Writes whose answers are lost: done once, whatever is told of them.

use bitbucket_sim::{Fault as Trouble, Rule, Version, WriteKind};
use futures_util::future::join_all;
use gitproxy::proto::Effect;
use tonic::Code;

use super::bench::{Bench, Told, command};
use super::{about_a_repo, commands};

/// What is told of a write whose answer is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Read back, and found.
    Found,
    /// In doubt.
    Doubt,
}

/// A command that writes, and what becomes of it where every answer to a write is lost.
struct Row {
    name: &'static str,
    /// Where everything can be read.
    read: Ends,
    /// The requests that write, where nothing can be read after the first.
    requests: usize,
    /// Those of them that were performed.
    performed: usize,
}

const fn row(name: &'static str, read: Ends) -> Row {
    Row { name, read, requests: 1, performed: 1 }
}

/// Repeated once, and Bitbucket refuses the second.
const fn refused_again(name: &'static str) -> Row {
    Row { requests: 2, ..row(name, Ends::Found) }
}

const WRITES: &[Row] = &[
    refused_again("Refs/CreateBranch"),
    // What is gone may have been gone before: it is not looked for.
    row("Refs/DeleteBranch", Ends::Doubt),
    refused_again("Files/EditFile"),
    refused_again("PullRequests/OpenPR"),
    row("PullRequests/UpdatePR", Ends::Found),
    row("PullRequests/MergePR", Ends::Found),
    row("PullRequests/DeclinePR", Ends::Found),
    row("PullRequests/ReopenPR", Ends::Found),
    row("PullRequests/ReviewPR", Ends::Found),
    row("Comments/PostComment", Ends::Found),
    row("Comments/UpdateComment", Ends::Found),
    row("Comments/ResolveComment", Ends::Found),
    row("Comments/DeleteComment", Ends::Found),
    // The key makes the second the first.
    Row { requests: 2, performed: 2, ..row("Builds/SetBuildStatus", Ends::Found) },
    // The report is put at each of three attempts, which makes it the same; its annotations never have their turn.
    row("Builds/PublishReport", Ends::Doubt),
];

/// Loses what methods that write are answered; where `blind`, nothing can be read from then on.
fn lose(bench: &Bench, blind: bool) -> Vec<bitbucket_sim::RuleId> {
    let knobs = bench.world.sim.knobs();
    let lose = |method| knobs.add(Rule::new(Trouble::DropAnswer).method(method));
    let mut rules: Vec<_> = ["POST", "PUT", "DELETE"].into_iter().map(lose).collect();
    if blind {
        // What is not repeated, as a cut read is: that would only take longer.
        let read = |rule| knobs.add(Rule::new(Trouble::Status(500)).method("GET").after(rule));
        rules.extend(rules.clone().into_iter().map(read));
    }
    rules
}

/// Asks, and gives with what is told the requests that write and the writes that were performed.
async fn ask(bench: &Bench, name: &str, json: &str, blind: bool) -> (Told, usize, Vec<WriteKind>) {
    let sim = &bench.world.sim;
    let (requests, writes) = (sim.requests().len(), sim.writes().len());
    let rules = lose(bench, blind);
    let told = bench.ask(name, json).await;
    rules.into_iter().for_each(|rule| sim.knobs().remove(rule));
    let requests = sim.requests()[requests..].iter().filter(|request| request.method != "GET").count();
    let writes = sim.writes()[writes..].iter().map(|write| write.kind).collect();
    (told, requests, writes)
}

fn in_doubt(told: &Told) -> bool {
    (told.code(), told.reason()) == (Code::Unknown, "WRITE_UNCERTAIN")
}

async fn where_all_is_read(version: Version) {
    let bench = Bench::new(version).await;
    for row in WRITES {
        for (name, json, member) in about_a_repo().filter(|done| done.0 == row.name) {
            let (told, requests, writes) = ask(&bench, name, json, false).await;
            match row.read {
                Ends::Found => assert!(
                    told.code() == Code::Ok && told.has(member),
                    "{version:?} {name}: nothing in `{member}` of {told:?}"
                ),
                Ends::Doubt => assert!(in_doubt(&told), "{version:?} {name}: {told:?}"),
            }
            let once = if *name == "Builds/PublishReport" { 3 } else { 1 };
            assert_eq!((requests, writes.len()), (once, once), "{version:?} {name}: {writes:?}");
        }
    }
}

async fn where_nothing_is_read(version: Version) {
    let bench = Bench::new(version).await;
    for row in WRITES {
        for (name, json, _) in about_a_repo().filter(|done| done.0 == row.name) {
            let (told, requests, writes) = ask(&bench, name, json, true).await;
            assert!(in_doubt(&told), "{version:?} {name}: {told:?}");
            let expected = (row.requests, row.performed);
            assert_eq!((requests, writes.len()), expected, "{version:?} {name}: {writes:?}");
        }
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_done_once_and_read_back_in_every_version() {
    join_all(Version::ALL.map(where_all_is_read)).await;
    let named = WRITES.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(commands(|method| method.effect == Effect::Write), named);
    WRITES.iter().for_each(|row| assert_eq!(command(row.name).effect, Effect::Write));
}

#[tokio::test]
async fn a_write_that_cannot_be_read_back_is_in_doubt_and_done_once_in_every_version() {
    join_all(Version::ALL.map(where_nothing_is_read)).await;
}

#[tokio::test]
async fn a_report_is_published_once_whichever_of_its_writes_is_lost() {
    let bench = Bench::new(Version::V9_4).await;
    let knobs = bench.world.sim.knobs();
    for (method, puts, adds) in [("PUT", 2, 1), ("DELETE", 2, 1), ("POST", 1, 1)] {
        let before = bench.world.sim.writes().len();
        knobs.add(Rule::new(Trouble::DropAnswer).method(method).path("/reports/").times(1));
        let key = method.to_lowercase();
        let json = REPORT.replace("$KEY", &key);
        let told = bench.ask("Builds/PublishReport", &json).await;
        assert_eq!(told.code(), Code::Ok, "{method}: {told:?}");
        let writes = bench.world.sim.writes().split_off(before);
        let count = |kind| writes.iter().filter(|write| write.kind == kind).count();
        let found = (count(WriteKind::PutReport), count(WriteKind::AddAnnotations));
        assert_eq!(found, (puts, adds), "{method}: {writes:?}");
        // The very same report, annotations and all, is not written again.
        let again = bench.ask("Builds/PublishReport", &json).await;
        assert!(again.code() == Code::Ok && again.has("unchanged"), "{method}: {again:?}");
    }
}

#[tokio::test]
async fn a_comment_in_parts_has_each_part_once_and_says_how_many_there_are() {
    let bench = Bench::new(Version::V9_4).await;
    let json = format!(
        r#"{{"repo": {{"project": "SHOP", "slug": "web"}}, "pr_id": 1, "split": true, "text": "{}"}}"#,
        "word ".repeat(8_000)
    );
    let (told, requests, writes) = ask(&bench, "Comments/PostComment", &json, false).await;
    assert!(told.code() == Code::Ok && told.has("parts"), "{told:?}");
    assert_eq!((requests, writes), (2, vec![WriteKind::Comment; 2]));
    let (told, requests, writes) = ask(&bench, "Comments/PostComment", &json, true).await;
    assert!(in_doubt(&told) && told.fact("parts").is_empty(), "{told:?}");
    assert_eq!((requests, writes), (1, vec![WriteKind::Comment]));
    let sim = &bench.world.sim;
    let before = sim.writes().len();
    let second = sim.knobs().add(Rule::new(Trouble::DropAnswer).method("POST").every(2));
    sim.knobs().add(Rule::new(Trouble::Status(500)).method("GET").after(second));
    let told = bench.ask("Comments/PostComment", &json).await;
    assert!(in_doubt(&told), "{told:?}");
    let first = sim.writes()[before].fact("id").to_owned();
    let facts = ["parts_posted", "parts", "comment_id"].map(|name| told.fact(name));
    assert_eq!(facts, ["1".to_owned(), "2".to_owned(), first]);
    assert_eq!(sim.writes().len() - before, 2);
}

const REPORT: &str = r#"{"repo": {"project": "SHOP", "slug": "web"}, "commit_id": "$HEAD", "key": "$KEY", "title": "Scan", "annotations": [{"path": "new-1.txt", "line": 1, "message": "Mind"}]}"#;
