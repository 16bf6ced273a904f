use super::*;
use crate::scm::testing::Recorder;

fn slot(number: u64) -> Slot {
    Slot(Sha256::digest(number.to_be_bytes()).into())
}

const PRINT: Print = Print([0; 32]);

fn finish(journal: &Arc<Journal>, number: u64, length: usize) {
    let Entered::Turn(turn) = journal.enter(slot(number), PRINT) else { panic!("{number} is taken") };
    turn.settle(Ok(Bytes::from(vec![0; length])));
}

fn is_done(journal: &Arc<Journal>, number: u64) -> bool {
    matches!(journal.enter(slot(number), PRINT), Entered::Done(_))
}

#[test]
fn the_oldest_answers_go_when_there_are_too_many() {
    let journal = Arc::new(Journal::default());
    (0..=LINES as u64).for_each(|number| finish(&journal, number, 1));
    // Last the one that is gone: to ask for it takes a line.
    assert!(is_done(&journal, LINES as u64) && is_done(&journal, 1) && !is_done(&journal, 0));
}

#[test]
fn the_oldest_answers_go_when_they_are_too_much() {
    let journal = Arc::new(Journal::default());
    let fit = (BYTES / ANSWER) as u64;
    (0..=fit).for_each(|number| finish(&journal, number, ANSWER));
    assert!(is_done(&journal, fit) && is_done(&journal, 1) && !is_done(&journal, 0));
    assert!(journal.lock().bytes <= BYTES);
}

#[test]
fn a_line_that_is_tried_again_is_not_counted_twice() {
    let journal = Arc::new(Journal::default());
    for _ in 0..3 {
        let Entered::Turn(turn) = journal.enter(slot(1), PRINT) else { panic!("it rests") };
        drop(turn);
    }
    finish(&journal, 1, 7);
    let lines = journal.lock();
    assert_eq!((lines.by_slot.len(), lines.by_age.len(), lines.bytes), (1, 1, 7));
}

#[tokio::test]
async fn who_waits_for_a_turn_that_is_dropped_hears_of_doubt() {
    let journal = Arc::new(Journal::default());
    let Entered::Turn(turn) = journal.enter(slot(1), PRINT) else { panic!("it is free") };
    let Entered::Twin(twin) = journal.enter(slot(1), PRINT) else { panic!("it is underway") };
    drop(turn);
    let outcome = twin.ended().await.expect("an outcome");
    assert_eq!(outcome.unwrap_err().reason(), Reason::WriteUncertain);
}

#[test]
fn connections_of_one_name_are_told_apart_by_url_and_user() {
    let key = Key::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap();
    let recorder = Recorder::new();
    let held = |url: &str, user: Option<&str>| {
        let (url, user) = (url.to_owned(), user.map(str::to_owned));
        Connection { url, user, ..crate::scm::testing::connection("main", &recorder) }
    };
    let command = Command {
        method: crate::scm::describe::method("/gitproxy.scm.v1.Refs/CreateBranch"),
        caller: crate::scm::Caller::default(),
        connection: None,
        target: crate::scm::Target::default(),
        idempotency_key: None,
    };
    let of = |url, user| Slot::of(&command, &held(url, user), key);
    assert_eq!(of("https://a", Some("ci")), of("https://a", Some("ci")));
    assert_ne!(of("https://a", Some("ci")), of("https://b", Some("ci")));
    assert_ne!(of("https://a", Some("ci")), of("https://a", Some("bot")));
    assert_ne!(of("https://a", None), of("https://a", Some("ci")));
}
