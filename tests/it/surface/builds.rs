//! Builds and reports.

use std::time::Duration;

use bitbucket_sim::{Fault as Trouble, Rule, Version, WriteKind};
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault, Reason};

use crate::adapter::{World, reason, web};

fn build(commit: &str, key: &str, state: pb::BuildState) -> pb::SetBuildStatusRequest {
    pb::SetBuildStatusRequest {
        repo: web(),
        commit_id: commit.into(),
        key: key.into(),
        state: state.into(),
        url: format!("https://ci.example/{key}"),
        ..Default::default()
    }
}

fn list(commit: &str) -> pb::ListBuildsRequest {
    let target = Some(pb::list_builds_request::Target::CommitId(commit.into()));
    pb::ListBuildsRequest { repo: web(), target, ..Default::default() }
}

fn log(commit: &str, key: &str) -> pb::GetBuildLogRequest {
    pb::GetBuildLogRequest { repo: web(), commit_id: commit.into(), key: key.into() }
}

fn report(commit: &str, messages: usize) -> pb::PublishReportRequest {
    let fact = |title: &str, value| pb::ReportData { title: title.into(), value: Some(value) };
    let link = pb::ReportLink { text: "More".into(), url: "https://scan.example".into() };
    pb::PublishReportRequest {
        repo: web(),
        commit_id: commit.into(),
        key: "example.scan".into(),
        title: "Scan".into(),
        result: pb::ReportResult::Fail.into(),
        data: vec![
            fact("n", pb::report_data::Value::Number(3.0)),
            fact("l", pb::report_data::Value::Link(link)),
            fact("p", pb::report_data::Value::Percentage(99.5)),
        ],
        annotations: (0..messages)
            .map(|n| pb::Annotation {
                path: "a.txt".into(),
                line: 1,
                message: format!("finding {n}"),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn builds_are_set_replaced_and_listed_page_by_page() {
    for version in [Version::V7_21, Version::V10_2] {
        let world = World::new(version).await;
        let client = world.client();
        let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
        for key in ["a", "b", "c"] {
            let asked = build(&head, key, pb::BuildState::InProgress);
            client.set_build_status(asked).await.expect("set");
        }
        let asked = build(&head, "b", pb::BuildState::Cancelled);
        let cancelled = if version == Version::V7_21 {
            assert_eq!(reason(client.set_build_status(asked).await), Reason::NotInThisVersion);
            pb::BuildState::InProgress
        } else {
            client.set_build_status(asked).await.expect("replaced");
            pb::BuildState::Cancelled
        };
        let (mut asked, mut found) = (pb::ListBuildsRequest { page_size: 2, ..list(&head) }, Vec::new());
        loop {
            let page = client.list_builds(asked.clone()).await.expect("a page");
            found.extend(page.builds.into_iter().map(|build| (build.key.clone(), build.state())));
            asked.page_token = page.next_page_token;
            if asked.page_token.is_empty() {
                break;
            }
        }
        found.sort();
        let running = pb::BuildState::InProgress;
        let expected = [("a", running), ("b", cancelled), ("c", running)];
        assert_eq!(found, expected.map(|(key, state)| (key.to_owned(), state)), "{version:?}");
        let error = Fault::from(client.get_build_log(log(&head, "a")).await.expect_err("no logs"));
        assert_eq!(
            (error.reason(), error.fact("url")),
            (Reason::CiLogsNotStored, Some("https://ci.example/a"))
        );
        assert_eq!(reason(client.get_build_log(log(&head, "z")).await), Reason::BuildNotFound);
    }
}

#[tokio::test]
async fn a_build_of_a_foreign_commit_is_refused_and_a_lost_answer_settled() {
    let world = World::new(Version::V10_2).await;
    let client = world.client();
    let foreign = build(&"1".repeat(40), "a", pb::BuildState::Failed);
    assert_eq!(reason(client.set_build_status(foreign).await), Reason::RefNotFound);
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    let none = build(&head, "a", pb::BuildState::Unspecified);
    assert_eq!(reason(client.set_build_status(none).await), Reason::InvalidField);
    world.trouble(Rule::new(Trouble::DropAnswer).method("POST").times(1));
    client.set_build_status(build(&head, "a", pb::BuildState::Failed)).await.expect("set");
    assert_eq!(client.list_builds(list(&head)).await.expect("a page").builds.len(), 1);
}

#[tokio::test]
async fn a_report_replaces_itself_and_the_same_one_is_left_alone() {
    for version in [Version::V7_21, Version::V10_2] {
        let world = World::new(version).await;
        let client = world.client();
        let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
        let published = client.publish_report(report(&head, 600)).await.expect("published");
        assert_eq!((published.annotations, published.unchanged), (600, false), "{version:?}");
        let again = client.publish_report(report(&head, 600)).await.expect("published");
        assert_eq!((again.annotations, again.unchanged), (600, true), "{version:?}");
        let other = client.publish_report(report(&head, 999)).await.expect("published");
        assert!(!other.unchanged);
        assert!(client.publish_report(report(&head, 999)).await.expect("published").unchanged);
        world.trouble(Rule::new(Trouble::DropAnswer).method("POST").times(1));
        client.publish_report(report(&head, 3)).await.expect("published");
        world.sim.knobs().clear();
        assert!(client.publish_report(report(&head, 3)).await.expect("published").unchanged);
        let none = client.publish_report(report(&head, 0)).await.expect("published");
        assert_eq!((none.annotations, none.unchanged), (0, false));
    }
}

#[tokio::test]
async fn two_who_publish_one_report_at_once_take_turns() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    for round in 1..=5 {
        let (one, two) = (client.publish_report(report(&head, 300)), client.publish_report(report(&head, 7)));
        let (one, two) = tokio::join!(one, two);
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        // Nobody found a mixture and had to publish again; only where the first stood already was one of them not written.
        let puts = world.sim.writes().iter().filter(|write| write.kind == WriteKind::PutReport).count();
        assert!(puts <= 2 * round, "{puts} in {round} rounds");
    }
}

#[tokio::test]
async fn another_process_that_comes_in_between_is_no_success_and_is_replaced() {
    let world = World::new(Version::V9_4).await;
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    let (slow, quick) = (world.client(), world.client());
    let failed = pb::PublishReportRequest { result: pb::ReportResult::Fail.into(), ..report(&head, 2) };
    let passed = pb::PublishReportRequest { result: pb::ReportResult::Pass.into(), ..report(&head, 2) };
    // Between its report and its annotations, the other's comes and goes: as many annotations, another result.
    let held = Rule::new(Trouble::Delay(Duration::from_millis(800))).method("DELETE").times(1);
    world.trouble(held);
    let begun = async {
        while !world.sim.writes().iter().any(|write| write.kind == WriteKind::PutReport) {
            tokio::task::yield_now().await;
        }
        quick.publish_report(passed).await
    };
    let (slow_one, quick_one) = tokio::join!(slow.publish_report(failed.clone()), begun);
    assert!(quick_one.is_ok(), "{quick_one:?}");
    assert!(slow_one.is_ok(), "{slow_one:?}");
    assert!(slow.publish_report(failed).await.expect("it").unchanged, "what stands is the last one's");
}

#[tokio::test]
async fn a_report_that_is_replaced_in_part_says_so_and_the_same_call_completes_it() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    client.publish_report(report(&head, 2)).await.expect("published");
    world.trouble(Rule::new(Trouble::Status(403)).method("POST").path("/annotations").every(2));
    let error = Fault::from(client.publish_report(report(&head, 600)).await.expect_err("in part"));
    assert_eq!(
        (error.reason(), error.fact("annotations_published"), error.fact("annotations")),
        (Reason::WriteUncertain, Some("250"), Some("600")),
        "{error}"
    );
    assert!(error.message().contains("the same call again"), "{error}");
    world.sim.knobs().clear();
    assert!(!client.publish_report(report(&head, 600)).await.expect("completed").unchanged);
    assert!(client.publish_report(report(&head, 600)).await.expect("there").unchanged);
}

#[tokio::test]
async fn a_report_that_cannot_be_replaced_is_left_as_it_was() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    client.publish_report(report(&head, 2)).await.expect("published");
    world.trouble(Rule::new(Trouble::Status(403)).method("PUT"));
    let refused = client.publish_report(report(&head, 600)).await;
    assert_ne!(reason(refused), Reason::WriteUncertain);
    world.sim.knobs().clear();
    assert!(client.publish_report(report(&head, 2)).await.expect("there").unchanged);
}

#[tokio::test]
async fn a_report_in_doubt_stays_so_when_the_second_attempt_is_refused() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    let lost = Rule::new(Trouble::DropAnswer).method("POST").path("/annotations").times(1);
    let lost = world.sim.knobs().add(lost);
    world.trouble(Rule::new(Trouble::Status(403)).method("PUT").after(lost));
    assert_eq!(reason(client.publish_report(report(&head, 600)).await), Reason::WriteUncertain);
    world.sim.knobs().clear();
    assert!(!client.publish_report(report(&head, 600)).await.expect("completed").unchanged);
}

#[tokio::test]
async fn a_link_that_is_no_address_is_refused_before_anything_is_written() {
    use gitproxy::proto::scm::v1::builds_client::BuildsClient;

    let world = World::new(Version::V9_4).await;
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    let mut asked = report(&head, 1);
    let before = world.sim.writes().len();
    for link in ["https://", "https://a b/", "ftp://x.example/", "http:"] {
        asked.annotations[0].link = link.to_owned();
        let refused =
            BuildsClient::new(crate::surface::writes::agent(&world)).publish_report(asked.clone()).await;
        let status = refused.expect_err(link);
        assert_eq!(Reason::of(&status), Some(Reason::InvalidField), "{link}: {status}");
    }
    assert_eq!(world.sim.writes().len(), before);
}
