//! Chance, cheap enough for every call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): one addition in memory, and
/// no lock. It spreads load; it guards nothing.
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

impl Default for Dice {
    /// Differs from gateway to gateway. Without entropy it does not, which costs evenness alone.
    fn default() -> Self {
        Self::seeded(getrandom::u64().unwrap_or_default())
    }
}

impl Dice {
    /// The same seed gives the same numbers.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Two places out of so many, different where there are two; `None` where there is none.
    pub(super) fn two_of(&self, places: usize) -> Option<(usize, usize)> {
        match places {
            0 => None,
            1 => Some((0, 0)),
            _ => {
                let one = self.below(places);
                let other = self.below(places - 1);
                Some((one, if other >= one { other + 1 } else { other }))
            }
        }
    }

    /// A time from nine tenths to eleven tenths of `base`, for what must not happen everywhere at once.
    pub(super) fn about(&self, base: Duration) -> Duration {
        let portion = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        base.mul_f64(0.9 + 0.2 * portion)
    }

    /// A number below `most`, which is not 0. The remainder favours small numbers by less than one in 2^50.
    fn below(&self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn next(&self) -> u64 {
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_comes_up_and_none_twice_the_same_place() {
        let dice = Dice::seeded(1);
        let pairs: std::collections::HashSet<_> = (0..200).filter_map(|_| dice.two_of(3)).collect();
        assert_eq!(pairs.len(), 6, "{pairs:?}");
        assert!(pairs.iter().all(|(one, other)| one != other));
        assert_eq!((dice.two_of(0), dice.two_of(1)), (None, Some((0, 0))));
    }

    #[test]
    fn a_seed_repeats_itself() {
        // The first number of the reference implementation with seed 0.
        assert_eq!(Dice::seeded(0).next(), 0xe220_a839_7b1d_cdaf);
        let (one, other) = (Dice::seeded(9), Dice::seeded(9));
        assert!((0..9).all(|_| one.next() == other.next()));
    }

    #[test]
    fn a_time_is_spread_by_a_tenth_to_either_side() {
        let (dice, base) = (Dice::seeded(1), Duration::from_secs(3600));
        let times: Vec<_> = (0..1000).map(|_| dice.about(base).as_secs()).collect();
        assert!(times.iter().all(|time| (3240..=3960).contains(time)));
        assert!(times.iter().any(|time| *time < 3300) && times.iter().any(|time| *time > 3900));
    }
}
