//! The round trip of a session, by what both ends tell each other of their clocks.
//!
//! As TCP's timestamps do it (RFC 7323, 3): each end tells its clock, the clock that it heard last, and for how long it has
//! had that. No clock is compared with another; what travels back is one's own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::proto::tunnel::v1::Beat;

/// One end's.
#[derive(Debug)]
pub(super) struct Clocks {
    began: Instant,
    heard: Mutex<Option<Heard>>,
    /// In microseconds, smoothed; [`NONE`] until there is one.
    round_trip: AtomicU64,
}

/// What the peer told last.
#[derive(Debug, Clone, Copy)]
struct Heard {
    clock: u64,
    at: Instant,
}

impl Clocks {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, heard: Mutex::default(), round_trip: AtomicU64::new(NONE) }
    }

    /// What to tell the peer, now.
    pub(super) fn tell(&self) -> Beat {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (echo_us, held_us) = heard.map_or((0, 0), |it| (it.clock, micros(it.at.elapsed())));
        Beat { clock_us: self.now(), echo_us, held_us }
    }

    /// Takes note of what the peer told. Nonsense, such as a clock of ours that is still to come, gives no round trip.
    pub(super) fn told(&self, beat: &Beat) {
        let heard = Heard { clock: beat.clock_us, at: Instant::now() };
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        let took = self.now().checked_sub(beat.echo_us).and_then(|since| since.checked_sub(beat.held_us));
        let Some(took) = took.filter(|_| beat.echo_us != 0) else { return };
        let smoothed = match self.round_trip.load(Ordering::Relaxed) {
            NONE => took,
            // RFC 6298, 2.3.
            before => before - before / 8 + took / 8,
        };
        self.round_trip.store(smoothed, Ordering::Relaxed);
    }

    /// Smoothed over about the last eight.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        let micros = self.round_trip.load(Ordering::Relaxed);
        (micros != NONE).then(|| Duration::from_micros(micros))
    }

    /// Never 0, which means none on the wire.
    fn now(&self) -> u64 {
        micros(self.began.elapsed()).saturating_add(1)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

const NONE: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const WAY: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn it_is_the_way_there_and_back_without_what_either_end_held() {
        let near = Clocks::new(Instant::now());
        advance(Duration::from_secs(7)).await;
        let far = Clocks::new(Instant::now());
        let first = near.tell();
        advance(WAY).await;
        far.told(&first);
        assert_eq!(far.round_trip(), None);
        advance(Duration::from_secs(1)).await;
        let answer = far.tell();
        advance(WAY * 2).await;
        near.told(&answer);
        assert_eq!(near.round_trip(), Some(WAY * 3));
        let second = near.tell();
        advance(WAY).await;
        far.told(&second);
        assert_eq!(far.round_trip(), Some(WAY * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_far_off_moves_it_by_an_eighth() {
        let (near, far) = (Clocks::new(Instant::now()), Clocks::new(Instant::now()));
        for way in [8, 16] {
            far.told(&near.tell());
            let answer = far.tell();
            advance(Duration::from_millis(way)).await;
            near.told(&answer);
        }
        assert_eq!(near.round_trip(), Some(Duration::from_millis(9)));
    }

    #[tokio::test(start_paused = true)]
    async fn nonsense_gives_none() {
        let clocks = Clocks::new(Instant::now());
        advance(WAY).await;
        let now = clocks.tell().clock_us;
        for (echo_us, held_us) in [(0, 0), (now + 1, 0), (now, 1), (1, u64::MAX), (u64::MAX, 0)] {
            clocks.told(&Beat { clock_us: u64::MAX, echo_us, held_us });
            assert_eq!(clocks.round_trip(), None, "{echo_us} {held_us}");
        }
    }
}
