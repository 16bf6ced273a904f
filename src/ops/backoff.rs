//! How long to wait before the next dial.

use std::time::Duration;

/// The delay before the next dial: uniform between zero and a tenth of the time since the link was lost, that bound
/// being at least 0.2 s and at most 30 s.
///
/// So it is quick after a blip and spread out after an outage, and it needs no memory but the instant of the loss.
pub fn delay(lost_for: Duration) -> Duration {
    spread(bound(lost_for))
}

/// The longest that [`delay`] may be.
pub fn bound(lost_for: Duration) -> Duration {
    (lost_for / 10).clamp(SHORTEST_BOUND, LONGEST_BOUND)
}

/// A time between zero and `bound`, for what many begin at the same moment.
pub fn spread(bound: Duration) -> Duration {
    bound.mul_f64(uniform())
}

/// A time between `base` and one and a half times `base`, for what must not happen everywhere at once.
pub fn jittered(base: Duration) -> Duration {
    base.mul_f64(1.0 + uniform() / 2.0)
}

/// A random number from 0 (included) to 1 (excluded). Without entropy it is 0.5: later than never.
fn uniform() -> f64 {
    let bits = getrandom::u64().unwrap_or(1 << 63) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

const SHORTEST_BOUND: Duration = Duration::from_millis(200);
const LONGEST_BOUND: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blip_waits_at_most_a_fifth_of_a_second() {
        assert_eq!(bound(Duration::ZERO), Duration::from_millis(200));
    }

    #[test]
    fn an_outage_spreads_over_a_tenth_of_its_length_and_at_most_half_a_minute() {
        assert_eq!(bound(Duration::from_secs(60)), Duration::from_secs(6));
        assert_eq!(bound(Duration::from_secs(86_400)), Duration::from_secs(30));
    }

    #[test]
    fn the_portion_is_random_and_below_one() {
        let portions: Vec<f64> = (0..100).map(|_| uniform()).collect();
        assert!(portions.iter().all(|portion| (0.0..1.0).contains(portion)));
        assert!(portions.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
