//! Beacons that could not be heeded: whoever is heard again has come to stay.
//!
//! In a flood of made-up UUIDs each is heard once, while an honest node says its own every second. So those who were
//! refused before go before all others.

use crate::{Address, id::PeerId, node::peers::place, time::Instant};
use alloc::collections::BTreeSet;
use core::time::Duration;

/// How many are remembered in each span.
const MOST: usize = 8192;
/// How long a span is. Not the interval of beacons, so that nobody's beacons always come when a span is full.
const SPAN: Duration = Duration::from_millis(1300);

/// Marks of the beacons that were refused in this span of time, and in the one before.
#[derive(Debug, Default)]
pub(in crate::node) struct Heard {
    now: BTreeSet<u64>,
    before: BTreeSet<u64>,
    since: Instant,
}

impl Heard {
    /// Remembers a beacon that was refused.
    pub(in crate::node) fn refused(&mut self, id: PeerId, at: &Address, now: Instant) {
        self.turn(now);
        if self.now.len() < MOST {
            self.now.insert(mark(id, at));
        }
    }

    /// Whether such a beacon was refused a moment ago.
    pub(in crate::node) fn again(&mut self, id: PeerId, at: &Address, now: Instant) -> bool {
        self.turn(now);
        let mark = mark(id, at);
        self.now.contains(&mark) || self.before.contains(&mark)
    }

    /// Forgets what is past.
    pub(in crate::node) fn turn(&mut self, now: Instant) {
        let elapsed = now.since(self.since);
        if elapsed >= SPAN {
            self.before = core::mem::take(&mut self.now);
            if elapsed >= 2 * SPAN {
                self.before.clear();
            }
            self.since = now;
        }
    }
}

/// A number for who says that he is where.
fn mark(id: PeerId, at: &Address) -> u64 {
    let (high, low) = uuid::Uuid::from(id).as_u64_pair();
    high.rotate_left(32) ^ low ^ place(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_is_known_again_after_a_second_and_not_for_ever() {
        let here: Address = "tcp://10.0.0.1:1".parse().unwrap();
        let there = "tcp://10.0.0.1:2".parse().unwrap();
        let id = |number: u128| PeerId::from(uuid::Uuid::from_u128(number));
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let mut heard = Heard::default();
        for second in 0..5 {
            let now = at(1_000_000 + 1_000 * second);
            assert_eq!(heard.again(id(1), &here, now), second > 0);
            heard.refused(id(1), &here, now);
            assert!(!heard.again(id(1), &there, now) && !heard.again(id(2), &here, now));
        }
        assert!(!heard.again(id(1), &here, at(1_010_000)));
        for number in 0..50_000 {
            heard.refused(id(number), &here, at(1_010_001));
        }
        assert!(heard.now.len() <= MOST);
        heard.turn(at(1_020_000));
        heard.turn(at(1_030_000));
        assert!(heard.now.is_empty() && heard.before.is_empty());
    }
}
