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
/// More than this in one nap might be more than the socket keeps.
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
    /// Since when it is counted how often the link was heard, and how many datagrams came.
    since: Instant,
    times: usize,
    datagrams: usize,
}

impl Nap {
    /// Of a node that says so often that it is there; others are taken to do as it does. A nap is a tenth of that.
    pub(crate) fn new(interval: Duration) -> Self {
        let nap = (interval / 10).clamp(SHORT, NAP);
        Self { nap, time: interval.min(WHILE), until: None, since: Instant::ZERO, times: 0, datagrams: 0 }
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
        let naps = self.until.is_some();
        let wakes = news || naps && datagrams > MANY;
        self.times += datagrams.min(1);
        self.datagrams += datagrams;
        let time = now.since(self.since);
        let goes_on = if wakes || time < self.time {
            naps && !wakes
        } else {
            let is_worth_it = if naps { self.datagrams >= FEW } else { self.times >= OFTEN };
            is_worth_it && self.datagrams as u128 * self.nap.as_nanos() <= MANY as u128 * time.as_nanos()
        };
        if wakes || time >= self.time {
            (self.since, self.times, self.datagrams) = (now, 0, 0);
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
            assert_eq!(a_second_of(&mut nap, 1000 * second, 30), 30);
            assert_eq!(nap.until(), None);
        }
    }

    #[test]
    fn many_are_heard_together_until_they_are_few() {
        let mut nap = Nap::new(Duration::from_secs(1));
        // The first time it is seen how many they are.
        a_second_of(&mut nap, 0, 500);
        a_second_of(&mut nap, 1000, 500);
        for second in 2..10 {
            assert_eq!(a_second_of(&mut nap, 1000 * second, 500), 10);
        }
        a_second_of(&mut nap, 10_000, 10);
        a_second_of(&mut nap, 11_000, 10);
        assert_eq!((a_second_of(&mut nap, 12_000, 10), nap.until()), (10, None));
    }

    #[test]
    fn news_ends_it() {
        let mut nap = Nap::new(Duration::from_secs(1));
        (0..2).for_each(|second| _ = a_second_of(&mut nap, 1000 * second, 500));
        let until = nap.until().expect("a nap");
        assert!(until > at(1999) && until <= at(2100), "{until}");
        nap.heard(until, 5, true);
        assert_eq!(nap.until(), None);
        for now in 0..999 {
            nap.heard(until + Duration::from_millis(now), 1, false);
            assert_eq!(nap.until(), None, "there may be more of them");
        }
        nap.heard(until + Duration::from_millis(1000), 1, false);
        assert_ne!(nap.until(), None);
    }

    #[test]
    fn a_nap_is_as_long_as_the_time_between_beacons_allows() {
        let nap = |interval| {
            let mut nap = Nap::new(Duration::from_millis(interval));
            (0..OFTEN).for_each(|_| nap.heard(at(0), 1, false));
            nap.heard(at(1000), 1, false);
            nap.until()
        };
        assert_eq!([1, 500, 1000, 3_600_000].map(nap), [1001, 1050, 1100, 1100].map(|end| Some(at(end))));
    }

    #[test]
    fn a_flood_is_heard_as_it_comes() {
        let mut nap = Nap::new(Duration::from_secs(1));
        for now in 0..10_000 {
            nap.heard(at(now), 2, false);
            assert_eq!(nap.until(), None, "{now}");
        }
        // One that comes while the link naps is heard as of its second nap.
        (20..22).for_each(|second| _ = a_second_of(&mut nap, 1000 * second, 500));
        nap.heard(nap.until().expect("a nap"), MANY + 1, false);
        assert_eq!(nap.until(), None);
    }
}
