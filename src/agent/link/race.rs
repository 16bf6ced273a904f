//! A dial that hangs is overtaken by a fresh one; the first that attaches wins.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{self, Instant};

use super::next::Failure;
use crate::ops::backoff;

/// Runs `dial`, and a fresh one beside it while none has come to an end: the first after [`OVERTAKE`], further ones as far
/// apart as delays after an outage of `lost_for` may be.
///
/// The first two run until their own limits, so that a slow way is not given up; a third place is for the newest only, so
/// that a way that comes back is found soon, whatever became of the packets of the others. The race ends with the first two,
/// so that the operator hears why, and [`LATE`] after something has answered with a refusal: fresh dials would get the same
/// answer. Losers are dropped.
///
/// # Errors
/// The refusal, or the last failure.
pub(super) async fn race<'a, T, F>(dial: impl Fn() -> F, lost_for: Duration) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>> + Send + 'a,
{
    let begun = Instant::now();
    let mut race = Race {
        elders: FuturesUnordered::new(),
        elders_left: ELDERS,
        newest: None,
        fresh_at: Some(begun + OVERTAKE),
    };
    race.add(Box::pin(dial()));
    let mut answer: Option<(Failure, Instant)> = None;
    loop {
        let (fresh_at, late) = (race.fresh_at, answer.as_ref().map(|(_, at)| *at + LATE));
        let ended = tokio::select! {
            ended = race.next() => ended,
            () = at(fresh_at) => {
                race.add(Box::pin(dial()));
                let apart = OVERTAKE.max(backoff::bound(lost_for + begun.elapsed()));
                race.fresh_at = Some(Instant::now() + apart);
                continue;
            }
            () = at(late) => Ended::Late,
        };
        match (ended, answer.take()) {
            (Ended::With(Ok(won)), _) => return Ok(won),
            (Ended::With(Err(failure)), None) if race.elders.is_empty() => return Err(failure),
            (Ended::With(Err(_)), Some((refusal, _))) if race.elders.is_empty() => return Err(refusal),
            (Ended::With(Err(failure)), None) if failure.is_answer() => {
                race.fresh_at = None;
                answer = Some((failure, Instant::now()));
            }
            (Ended::With(Err(_)), before) => answer = before,
            (Ended::Late, Some((refusal, _))) => return Err(refusal),
            (Ended::Late, None) => {}
        }
    }
}

struct Race<'a, T> {
    elders: FuturesUnordered<Dial<'a, T>>,
    /// How many dials are still to be kept until their own limits.
    elders_left: usize,
    newest: Option<Dial<'a, T>>,
    fresh_at: Option<Instant>,
}

enum Ended<T> {
    With(Result<T, Failure>),
    Late,
}

impl<'a, T> Race<'a, T> {
    fn add(&mut self, dial: Dial<'a, T>) {
        if self.elders_left > 0 {
            self.elders_left -= 1;
            self.elders.push(dial);
        } else {
            self.newest = Some(dial);
        }
    }

    /// The next dial that comes to an end.
    async fn next(&mut self) -> Ended<T> {
        tokio::select! {
            Some(ended) = self.elders.next() => Ended::With(ended),
            ended = newest(&mut self.newest) => {
                self.newest = None;
                Ended::With(ended)
            }
        }
    }
}

async fn newest<T>(dial: &mut Option<Dial<'_, T>>) -> Result<T, Failure> {
    match dial {
        Some(dial) => dial.await,
        None => std::future::pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

type Dial<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A handshake takes about four round trips: one that has not ended by now is more likely lost than slow.
const OVERTAKE: Duration = Duration::from_secs(1);

/// Enough to get past a black hole; more would only add load to a gateway that is slow.
const ELDERS: usize = 2;

/// How long the others have after a refusal.
const LATE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tonic::Status;

    use super::*;

    /// What dial number n does, the last of them for all that follow: end after a time, or hang.
    type Script = &'static [Option<(u64, Result<u32, fn() -> Failure>)>];

    fn refused() -> Failure {
        Status::unavailable("no").into()
    }

    fn hung() -> Failure {
        Failure::Slow(Duration::from_secs(10))
    }

    /// Counts as one that runs while it lives.
    struct Runs<'a>(&'a AtomicUsize);

    impl Drop for Runs<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    async fn run(script: Script, lost_for: u64) -> (Result<u32, Failure>, Duration, usize) {
        let (begun, dials, running) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
        let outcome = race(|| one(script, &dials, &running), Duration::from_secs(lost_for)).await;
        (outcome, begun.elapsed(), dials.into_inner())
    }

    async fn one(script: Script, dials: &AtomicUsize, running: &AtomicUsize) -> Result<u32, Failure> {
        let step = script[dials.fetch_add(1, Ordering::Relaxed).min(script.len() - 1)];
        assert!(running.fetch_add(1, Ordering::Relaxed) < 3, "a fourth runs beside the others");
        let _runs = Runs(running);
        let Some((millis, outcome)) = step else { return std::future::pending().await };
        time::sleep(Duration::from_millis(millis)).await;
        outcome.map_err(|failure| failure())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_dial_is_overtaken_after_a_second() {
        let (outcome, took, dials) = run(&[None, Some((20, Ok(2)))], 0).await;
        assert_eq!(outcome.expect("attached"), 2);
        assert_eq!((took, dials), (Duration::from_millis(1020), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_dial_that_attaches_first_still_wins() {
        let (outcome, took, _) = run(&[Some((4500, Ok(1))), Some((4500, Ok(2))), None], 0).await;
        assert_eq!((outcome.expect("attached"), took), (1, Duration::from_millis(4500)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_that_comes_back_is_found_within_about_a_second_whatever_hangs() {
        // Those that were begun before it came back hang for ever.
        const DIALS: Script = &[None, None, None, None, None, None, Some((20, Ok(7)))];
        let (outcome, took, _) = run(DIALS, 0).await;
        assert_eq!((outcome.expect("attached"), took), (7, Duration::from_millis(6020)));
    }

    #[tokio::test(start_paused = true)]
    async fn fresh_dials_are_as_far_apart_as_delays_after_a_long_outage() {
        // Of ten minutes, so up to half a minute.
        let hang = time::timeout(Duration::from_secs(45), run(&[None, None, Some((0, Ok(3)))], 600)).await;
        let (outcome, took, _) = hang.expect("it attached");
        assert_eq!((outcome.expect("attached"), took.as_secs()), (3, 31));
    }

    #[tokio::test(start_paused = true)]
    async fn a_race_ends_where_every_dial_hangs_until_its_limit() {
        let (outcome, took, _) = run(&[Some((10_000, Err(hung)))], 0).await;
        assert!(outcome.is_err() && took < Duration::from_secs(12), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_stops_fresh_dials_but_not_the_one_under_way() {
        let (outcome, took, dials) = run(&[Some((3000, Ok(1))), Some((10, Err(refused)))], 0).await;
        assert_eq!(outcome.expect("attached"), 1);
        assert_eq!((took, dials), (Duration::from_secs(3), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_soon_though_another_dial_hangs() {
        let (outcome, took, dials) = run(&[None, Some((10, Err(refused)))], 0).await;
        assert!(outcome.is_err_and(|failure| failure.is_answer()));
        assert_eq!((took, dials), (Duration::from_millis(4010), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_failure_is_told_at_once() {
        let (outcome, took, dials) = run(&[Some((10, Err(refused)))], 0).await;
        assert!(outcome.is_err());
        assert_eq!((took, dials), (Duration::from_millis(10), 1));
    }
}
