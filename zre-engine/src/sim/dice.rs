//! Chance that follows from the seed alone.
//!
//! There is no generator whose state all share: each question is answered by a hash of the seed and of what it is about
//! (which link, which packet). So a fault that is taken away, or a node, does not reshuffle the luck of the others, and a
//! failing run can be made smaller.

use super::network::Share;
use std::time::Duration;

/// The golden ratio in 64 bits: what splitmix64 counts by.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a question is about, so that two questions about the same packet get different answers.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Topic {
    Node = 1,
    Application,
    Start,
    Port,
    Datagram,
    Segment,
    Connection,
    Swarm,
    Hostile,
    Siege,
    Discovery,
    Election,
}

/// The answers to one question, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, topic: Topic, about: [u64; 3]) -> Self {
        let words =
            about.into_iter().fold(mix(mix(seed ^ STEP) ^ topic as u64), |state, word| mix(state ^ mix(word ^ STEP)));
        Self(words)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// From 0 to `bound` - 1; 0 where there is nothing to choose.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// From `low` to `high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Whether it happens. What never happens costs no throw.
    pub(super) fn happens(&mut self, share: Share) -> bool {
        share.ppm() > 0 && self.below(1_000_000) < u64::from(share.ppm())
    }

    pub(super) fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(low), nanos(high)))
    }

    pub(super) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.chunks_exact_mut(8).for_each(|eight| eight.copy_from_slice(&self.next().to_le_bytes()));
        seed
    }
}

/// The finaliser of splitmix64: each bit of the result depends on each bit of the word.
pub(super) const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_answers_of_their_own() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..10 {
            for topic in [Topic::Datagram, Topic::Segment] {
                for about in [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]] {
                    assert!(seen.insert(Dice::new(seed, topic, about).next()));
                }
            }
        }
        assert_eq!(Dice::new(7, Topic::Node, [1, 2, 3]).next(), Dice::new(7, Topic::Node, [1, 2, 3]).next());
    }

    #[test]
    fn shares_are_kept() {
        let mut dice = Dice::new(1, Topic::Datagram, [0; 3]);
        let hits = (0..100_000).filter(|_| dice.happens(Share::percent(20))).count();
        assert!((19_000..21_000).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert!(!dice.happens(Share::NEVER) && dice.happens(Share::ALWAYS));
    }
}
