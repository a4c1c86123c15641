//! When a link is heard whose beacons bring nothing new.

use crate::clock::next_beat;
use std::time::Duration;
use zre_engine::Instant;

/// The longest nap, and the longest time that is looked at.
const NAP: Duration = Duration::from_millis(100);
const WHILE: Duration = Duration::from_secs(1);
/// The shortest nap: what a poll can wait.
const SHORT: Duration = Duration::from_millis(1);
/// Woken so often in that time for nothing, a link naps from then on.
const OFTEN: usize = 32;
/// Until fewer datagrams than this come in that time.
const FEW: usize = 16;
/// So many in one nap might be more than the socket keeps.
const MANY: usize = 128;

/// Whether a link naps.
///
/// Each node says each second that it is there, and as a rule all others know that. Among a hundred nodes that would wake
/// each of them a hundred times a second, and that is most of what a node costs that has nothing to do. So where many beacons
/// come that bring nothing new, they are left in their socket for a moment, and heard together. A node that comes is found
/// so much later by those who nap.
#[derive(Debug)]
pub(crate) struct Nap {
    /// How long one is, and the time that is looked at.
    nap: Duration,
    time: Duration,
    until: Option<Instant>,
    /// Since when it is counted, and how often it was woken; in naps, how many datagrams came.
    since: Instant,
    count: usize,
}

impl Nap {
    /// Of a node that says so often that it is there; others are taken to do as it does. A nap is a tenth of that.
    pub(crate) fn new(interval: Duration) -> Self {
        let nap = (interval / 10).clamp(SHORT, NAP);
        Self { nap, time: interval.min(WHILE), until: None, since: Instant::ZERO, count: 0 }
    }

    /// The end of the nap, while there is one.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// There is one more, whatever was heard.
    pub(crate) fn go_on(&mut self, now: Instant) {
        self.until = Some(next_beat(now, self.nap));
    }

    /// The link was heard, up to its last datagram as a rule. It naps from now on if [`until`](Self::until) says so.
    pub(crate) fn heard(&mut self, now: Instant, datagrams: usize, news: bool) {
        if news || datagrams > MANY {
            (self.until, self.since, self.count) = (None, now, 0);
            return;
        }
        let naps = self.until.is_some();
        self.count += if naps { datagrams } else { datagrams.min(1) };
        let is_over = now.since(self.since) >= self.time;
        let goes_on = if naps { !is_over || self.count >= FEW } else { !is_over && self.count >= OFTEN };
        if is_over || goes_on != naps {
            (self.since, self.count) = (now, 0);
        }
        self.until = goes_on.then(|| next_beat(now, self.nap));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    /// So many datagrams a second, each of which wakes the link unless it naps: how often it is heard in that time, and how
    /// it goes on.
    fn a_second_of(nap: &mut Nap, from: u64, datagrams: u64) -> usize {
        let mut heard = 0;
        let mut waiting = 0;
        for now in from..from + 1000 {
            let comes = now * datagrams / 1000 != (now + 1) * datagrams / 1000;
            waiting += usize::from(comes);
            if nap.until().map_or(comes, |until| until <= at(now)) {
                nap.heard(at(now), waiting, false);
                (heard, waiting) = (heard + 1, 0);
            }
        }
        heard
    }

    #[test]
    fn a_few_beacons_are_heard_as_they_come() {
        let mut nap = Nap::new(Duration::from_secs(1));
        for second in 0..10 {
            assert_eq!(a_second_of(&mut nap, 1000 * second, 31), 31);
            assert_eq!(nap.until(), None);
        }
    }

    #[test]
    fn many_are_heard_together_until_they_are_few() {
        let mut nap = Nap::new(Duration::from_secs(1));
        assert!(a_second_of(&mut nap, 0, 500) <= OFTEN + 10);
        for second in 1..10 {
            assert_eq!(a_second_of(&mut nap, 1000 * second, 500), 10);
        }
        a_second_of(&mut nap, 10_000, 10);
        a_second_of(&mut nap, 11_000, 10);
        assert_eq!((a_second_of(&mut nap, 12_000, 10), nap.until()), (10, None));
    }

    #[test]
    fn news_ends_it() {
        let mut nap = Nap::new(Duration::from_secs(1));
        a_second_of(&mut nap, 0, 500);
        let until = nap.until().expect("a nap");
        assert!(until > at(999) && until <= at(1100), "{until}");
        nap.heard(until, 5, true);
        assert_eq!(nap.until(), None);
        for now in 0..OFTEN as u64 - 1 {
            nap.heard(until + Duration::from_millis(now), 1, false);
            assert_eq!(nap.until(), None, "there may be more of them");
        }
    }

    #[test]
    fn a_nap_is_as_long_as_the_time_between_beacons_allows() {
        let nap = |interval| {
            let mut nap = Nap::new(Duration::from_millis(interval));
            (0..OFTEN).for_each(|_| nap.heard(at(0), 1, false));
            nap.until()
        };
        assert_eq!([1, 500, 1000, 3_600_000].map(nap), [1, 50, 100, 100].map(|end| Some(at(end))));
    }

    #[test]
    fn a_flood_is_heard_as_it_comes() {
        let mut nap = Nap::new(Duration::from_secs(1));
        a_second_of(&mut nap, 0, 500);
        nap.heard(at(1000), MANY + 1, false);
        assert_eq!(nap.until(), None);
    }
}
