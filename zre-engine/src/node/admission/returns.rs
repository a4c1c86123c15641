//! Peers that go and come back and go: taken back more slowly each time.

use crate::{id::PeerId, time::Instant};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// So many EXITs in `WINDOW` are no accident.
const EXITS: usize = 3;
/// A relation that lasts as long as this makes up for those before.
const WINDOW: Duration = Duration::from_secs(60);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How many peers are remembered. Of more, those that went longest ago are forgotten.
const MOST: usize = 1024;

/// Who went, and when.
#[derive(Debug, Default)]
pub(in crate::node) struct Returns {
    by_id: BTreeMap<PeerId, Record>,
    by_time: BTreeSet<(Instant, PeerId)>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    /// The last EXITs, latest first.
    exits: [Option<Instant>; EXITS],
    /// How often it was made to wait, or would be, in a row.
    waits: u32,
    /// Not taken back before.
    until: Instant,
}

impl Returns {
    /// A peer did EXIT.
    pub(in crate::node) fn exited(&mut self, id: PeerId, now: Instant) {
        let recent = |exit: Instant| now.since(exit) <= WINDOW;
        let old = self.by_id.remove(&id);
        if let Some([Some(last), ..]) = old.map(|old| old.exits) {
            self.by_time.remove(&(last, id));
        }
        let old = old.filter(|old| old.exits[0].is_some_and(recent));
        let [first, second, _] = old.map_or([None; EXITS], |old| old.exits);
        let mut record = Record { exits: [Some(now), first, second], waits: 0, until: now };
        let waits = old.map_or(0, |old| old.waits);
        if waits > 0 || record.exits[EXITS - 1].is_some_and(recent) {
            record.waits = waits + 1;
            record.until = now + (FIRST * 2u32.saturating_pow(waits.min(16))).min(LONGEST);
        }
        if self.by_id.len() >= MOST
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.by_id.remove(&oldest);
        }
        self.by_id.insert(id, record);
        self.by_time.insert((now, id));
    }

    /// Until when a peer has to wait, if it has to.
    pub(in crate::node) fn waits(&self, id: PeerId, now: Instant) -> Option<Instant> {
        self.by_id.get(&id).map(|record| record.until).filter(|until| now < *until)
    }

    /// Forgets those who went long ago.
    pub(in crate::node) fn turn(&mut self, now: Instant) {
        while let Some((_, id)) = self.by_time.first().copied().filter(|(last, _)| now.since(*last) > WINDOW) {
            self.by_time.pop_first();
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn id(number: u128) -> PeerId {
        uuid::Uuid::from_u128(number).into()
    }

    #[test]
    fn the_third_exit_in_a_minute_makes_a_peer_wait_and_each_further_one_longer() {
        let mut returns = Returns::default();
        let mut now = at(100);
        let mut waits = Vec::new();
        for _ in 0..9 {
            returns.exited(id(1), now);
            let until = returns.waits(id(1), now).unwrap_or(now);
            waits.push(until.since(now).as_secs());
            now = until + Duration::from_secs(10);
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(returns.waits(id(2), now), None);
        returns.exited(id(1), now + WINDOW);
        assert_eq!(returns.waits(id(1), now + WINDOW), None, "it was well behaved for long enough");
    }

    #[test]
    fn two_exits_a_minute_are_life() {
        let mut returns = Returns::default();
        for exit in 0..20 {
            let now = at(100 + 31 * exit);
            returns.exited(id(1), now);
            assert_eq!(returns.waits(id(1), now), None);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_passes() {
        let mut returns = Returns::default();
        for number in 0..5000 {
            returns.exited(id(number), at(number as u64 / 100));
        }
        assert_eq!((returns.by_id.len(), returns.by_time.len()), (MOST, MOST));
        returns.turn(at(1000));
        assert_eq!((returns.by_id.len(), returns.by_time.len()), (0, 0));
    }
}
