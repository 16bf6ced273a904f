use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;

use super::*;
use crate::proto::scm::v1 as pb;

/// Looks by a script; at its end, the last line again and again.
struct Script {
    lines: VecDeque<Line>,
    last: &'static str,
    looks: Arc<Mutex<Vec<Duration>>>,
    began: Instant,
}

#[derive(Clone)]
enum Line {
    Finds(&'static str),
    Cut,
    /// Has no turn for so many seconds.
    Waits(u64),
    Gone,
    Closes,
}

use Line::{Closes, Cut, Finds, Gone, Waits};

fn state(text: &str) -> State {
    State::of(&pb::GetRepoRequest { repo: Some(pb::RepoRef { project: text.into(), slug: String::new() }) })
}

impl Look for Script {
    type Message = &'static str;

    fn look(mut self) -> Looking<Self> {
        self.looks.lock().unwrap().push(self.began.elapsed());
        let line = self.lines.pop_front().unwrap_or(Finds(self.last));
        let found = |message, end| Ok(Looked { message, state: state(message), mood: Mood::Calm, end });
        let looked = match line.clone() {
            Finds(text) => {
                self.last = text;
                found(text, End::NotYet)
            }
            Waits(_) => found("late", End::NotYet),
            Closes => found("closed", End::Reached),
            Cut => Err(Error::cut(Effect::Read, &"https://git.example".into(), io::Error::other("cut"))),
            Gone => Err(Error::RouteMissing),
        };
        async move {
            if let Waits(seconds) = line {
                time::sleep(Duration::from_secs(seconds)).await;
            }
            (self, looked)
        }
        .boxed()
    }

    fn heartbeat() -> &'static str {
        "beat"
    }
}

type Looks = Arc<Mutex<Vec<Duration>>>;

fn script(lines: &[Line]) -> (Script, Looks) {
    let looks = Looks::default();
    let script = Script {
        lines: lines.iter().cloned().collect(),
        last: "",
        looks: looks.clone(),
        began: Instant::now(),
    };
    (script, looks)
}

/// The first messages, `!` for an error.
async fn told(lines: &[Line], seen: Option<State>, count: usize) -> Vec<&'static str> {
    let watch = watch(script(lines).0, seen, Rhythm::default());
    watch.map(|message| message.unwrap_or("!")).take(count).collect().await
}

#[tokio::test(start_paused = true)]
async fn the_present_state_comes_first_and_then_changes_only() {
    let lines = [Finds("a"), Finds("a"), Finds("b"), Finds("b"), Finds("a")];
    assert_eq!(told(&lines, None, 3).await, ["a", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn who_resumes_is_not_told_again_but_hears_at_once_that_the_watch_goes_on() {
    assert_eq!(told(&[Finds("a"), Finds("a"), Finds("b")], Some(state("a")), 2).await, ["beat", "b"]);
    assert_eq!(told(&[Finds("b")], Some(state("a")), 1).await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_every_20_seconds_of_silence() {
    let began = Instant::now();
    assert_eq!(told(&[Finds("a")], None, 4).await, ["a", "beat", "beat", "beat"]);
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_before_the_first_look_had_its_turn_too() {
    let began = Instant::now();
    assert_eq!(told(&[Waits(50), Finds("a")], None, 3).await, ["beat", "beat", "late"]);
    assert_eq!(began.elapsed().as_secs(), 50);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_state_that_is_the_last() {
    assert_eq!(told(&[Finds("a"), Closes], None, 9).await, ["a", "closed"]);
    assert_eq!(told(&[Closes], None, 9).await, ["closed"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_not_told_and_one_that_stays_ends_it() {
    assert_eq!(told(&[Finds("a"), Cut, Cut, Finds("b")], None, 2).await, ["a", "b"]);
    assert_eq!(told(&[Finds("a"), Gone], None, 9).await, ["a", "!"]);
    assert_eq!(told(&[Cut, Finds("a")], None, 9).await, ["!"], "the first look is the answer to the call");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_cannot_look_for_two_minutes_ends() {
    let lines: Vec<_> = [Finds("a")].into_iter().chain(std::iter::repeat_n(Cut, 100)).collect();
    let began = Instant::now();
    assert_eq!(told(&lines, None, 99).await.last(), Some(&"!"));
    assert!((120..=200).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_once_the_caller_has_left() {
    let (script, looks) = script(&[Finds("a"), Finds("b")]);
    let mut watch = Box::pin(watch(script, None, Rhythm::default()));
    assert_eq!((watch.next().await.unwrap().unwrap(), watch.next().await.unwrap().unwrap()), ("a", "b"));
    drop(watch);
    let before = looks.lock().unwrap().len();
    time::advance(Duration::from_secs(600)).await;
    tokio::task::yield_now().await;
    assert_eq!(looks.lock().unwrap().len(), before);
}

#[tokio::test(start_paused = true)]
async fn looks_are_seldom_while_nothing_moves() {
    let (script, looks) = script(&[Finds("a")]);
    let mut watch = Box::pin(watch(script, None, Rhythm::default()));
    let hour = time::timeout(Duration::from_secs(3600), async { while watch.next().await.is_some() {} });
    assert!(hour.await.is_err(), "it never ends");
    let looks = looks.lock().unwrap().len();
    assert!((60..=90).contains(&looks), "{looks} looks in an hour");
}
