//! A dial that hangs is overtaken by a fresh one; the first that attaches wins.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{self, Instant};

use super::next::Failure;

/// Runs `dial`, and again each [`OVERTAKE`] while none has come to an end, at most [`ABREAST`] side by side.
///
/// Losers are dropped. Once something has answered with a refusal no fresh dial begins: it would get the same answer. Nor
/// does one after [`FRESH`]: where each dial hangs until its limit, fresh ones would keep the race from ever ending, and the
/// operator from hearing why.
///
/// # Errors
/// The last failure, when no dial is left.
pub(super) async fn race<'a, T, F>(dial: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>> + Send + 'a,
{
    let mut dials: FuturesUnordered<Dial<'a, T>> = FuturesUnordered::new();
    dials.push(Box::pin(dial()));
    let (begun, mut overtaking) = (Instant::now(), true);
    loop {
        let ended = match overtaking && begun.elapsed() < FRESH && dials.len() < ABREAST {
            true => time::timeout(OVERTAKE, dials.next()).await,
            false => Ok(dials.next().await),
        };
        match ended {
            Err(_) => dials.push(Box::pin(dial())),
            Ok(Some(Err(failure))) if dials.is_empty() => return Err(failure),
            Ok(Some(Err(failure))) => overtaking &= !failure.is_answer(),
            Ok(Some(Ok(won))) => return Ok(won),
            // The set is never empty here: the last failure returns above.
            Ok(None) => return Err(Failure::Slow(OVERTAKE)),
        }
    }
}

type Dial<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A handshake takes about four round trips: one that has not ended by now is more likely lost than slow.
const OVERTAKE: Duration = Duration::from_secs(1);

/// How long fresh dials begin: longer than it takes to get past a gateway that has just gone, shorter than a dial may hang.
const FRESH: Duration = Duration::from_secs(5);

/// Enough to get past a black hole or two; more would only add load to a gateway that is slow.
const ABREAST: usize = 3;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tonic::Status;

    use super::*;

    /// What dial number n does: end after a time, or hang.
    type Script = &'static [Option<(u64, Result<u32, fn() -> Failure>)>];

    fn refused() -> Failure {
        Status::unavailable("no").into()
    }

    fn hung() -> Failure {
        Failure::Slow(Duration::from_secs(10))
    }

    async fn run(script: Script) -> (Result<u32, Failure>, Duration, usize) {
        let (begun, dials) = (Instant::now(), Cell::new(0));
        let dial = || {
            let step = script[dials.replace(dials.get() + 1)];
            async move {
                let Some((millis, outcome)) = step else { return std::future::pending().await };
                time::sleep(Duration::from_millis(millis)).await;
                outcome.map_err(|failure| failure())
            }
        };
        let outcome = race(dial).await;
        (outcome, begun.elapsed(), dials.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_dial_is_overtaken_after_a_second() {
        let (outcome, took, dials) = run(&[None, Some((20, Ok(2)))]).await;
        assert_eq!(outcome.expect("attached"), 2);
        assert_eq!((took, dials), (Duration::from_millis(1020), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_dial_that_attaches_first_still_wins() {
        let (outcome, took, _) = run(&[Some((1500, Ok(1))), Some((1500, Ok(2)))]).await;
        assert_eq!((outcome.expect("attached"), took), (1, Duration::from_millis(1500)));
    }

    #[tokio::test(start_paused = true)]
    async fn at_most_three_run_side_by_side() {
        let hang = time::timeout(Duration::from_secs(60), run(&[None, None, None])).await;
        assert!(hang.is_err(), "a fourth dial would have panicked");
    }

    #[tokio::test(start_paused = true)]
    async fn a_race_ends_where_every_dial_hangs_until_its_limit() {
        // Each at another moment, so that none ends just when the next would begin.
        const DIALS: Script = &[
            Some((10_000, Err(hung))),
            Some((10_300, Err(hung))),
            Some((10_600, Err(hung))),
            Some((10_900, Err(hung))),
        ];
        let (outcome, took, _) = run(DIALS).await;
        assert!(outcome.is_err() && took < Duration::from_secs(15), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_stops_fresh_dials_but_not_the_one_under_way() {
        let (outcome, took, dials) = run(&[Some((3000, Ok(1))), Some((10, Err(refused)))]).await;
        assert_eq!(outcome.expect("attached"), 1);
        assert_eq!((took, dials), (Duration::from_secs(3), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_failure_is_told_at_once() {
        let (outcome, took, dials) = run(&[Some((10, Err(refused)))]).await;
        assert!(outcome.is_err());
        assert_eq!((took, dials), (Duration::from_millis(10), 1));
    }
}
