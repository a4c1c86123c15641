//! Addresses and ports where nobody was met: not tried again for a while, whoever names them.

use super::super::peers::place;
use crate::{Address, time::Instant};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// How many are remembered. Of more, those whose time ends first are forgotten.
const MOST: usize = 4096;
/// How long after its time a place is still remembered: failing again soon makes the next wait longer.
const MEMORY: Duration = Duration::from_secs(30);

/// By the number of an endpoint.
#[derive(Debug, Default)]
pub(in crate::node) struct Delays {
    by_place: BTreeMap<u64, Delay>,
    by_time: BTreeSet<(Instant, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Delay {
    failures: u32,
    until: Instant,
}

impl Delays {
    /// An attempt there came to nothing. `wait` says how long the next has to wait after so many failures before it.
    pub(in crate::node) fn failed(&mut self, at: &Address, now: Instant, wait: impl FnOnce(u32) -> Duration) {
        let place = place(at);
        let failures = match self.by_place.remove(&place) {
            None => 0,
            Some(old) => {
                self.by_time.remove(&(old.until, place));
                if now <= old.until + MEMORY { old.failures } else { 0 }
            }
        };
        if self.by_place.len() >= MOST
            && let Some((_, first)) = self.by_time.pop_first()
        {
            self.by_place.remove(&first);
        }
        let until = now + wait(failures);
        self.by_place.insert(place, Delay { failures: failures.saturating_add(1), until });
        self.by_time.insert((until, place));
    }

    /// Somebody was met there.
    pub(in crate::node) fn met(&mut self, at: &Address) {
        let place = place(at);
        if let Some(old) = self.by_place.remove(&place) {
            self.by_time.remove(&(old.until, place));
        }
    }

    /// Whether somebody was sought there in vain of late.
    pub(in crate::node) fn is_known(&self, at: &Address, now: Instant) -> bool {
        self.by_place.get(&place(at)).is_some_and(|delay| now <= delay.until + MEMORY)
    }

    /// Whether it is too early to try there.
    pub(in crate::node) fn is_early(&self, at: &Address, now: Instant) -> bool {
        self.by_place.get(&place(at)).is_some_and(|delay| now < delay.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn at(port: usize) -> Address {
        format!("tcp://10.0.0.1:{port}").parse().unwrap()
    }

    #[test]
    fn each_failure_makes_the_wait_longer_until_somebody_is_met() {
        let wait = |failures: u32| Duration::from_secs(1 << failures);
        let mut delays = Delays::default();
        let mut now = Instant::from_nanos(1);
        for seconds in [1, 2, 4] {
            delays.failed(&at(1), now, wait);
            let end = now + Duration::from_secs(seconds);
            assert!(delays.is_early(&at(1), end - Duration::from_nanos(1)) && !delays.is_early(&at(1), end));
            now = end;
        }
        assert!(!delays.is_early(&at(2), now));
        delays.failed(&at(1), now + MEMORY + Duration::from_nanos(1), |failures| {
            assert_eq!(failures, 0, "that was long ago");
            Duration::from_secs(1)
        });
        delays.met(&at(1));
        assert!(!delays.is_early(&at(1), now + MEMORY));
        assert!(delays.by_place.is_empty() && delays.by_time.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut delays = Delays::default();
        for port in 1..=3 * MOST {
            delays.failed(&at(port), Instant::from_nanos(port as u64), |_| Duration::from_secs(1));
        }
        assert_eq!((delays.by_place.len(), delays.by_time.len()), (MOST, MOST));
        assert!(delays.is_early(&at(3 * MOST), Instant::from_nanos(3 * MOST as u64)));
    }
}
