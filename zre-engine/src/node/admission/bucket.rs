//! How fast something may happen: so often at once, and so often a second in the long run.

use crate::time::Instant;

/// A bucket of permits that fills up again. It is full in the beginning.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Bucket {
    /// How many it holds.
    most: u64,
    /// How many come back in a second.
    rate: u64,
    /// What is missing, in billionths of a permit, at `since`.
    missing: u64,
    since: Instant,
}

const BILLION: u64 = 1_000_000_000;

impl Bucket {
    pub(in crate::node) fn new(most: u32, rate: u32, now: Instant) -> Self {
        Self { most: most.into(), rate: rate.into(), missing: 0, since: now }
    }

    fn missing(&self, now: Instant) -> u64 {
        let elapsed = u64::try_from(now.since(self.since).as_nanos()).unwrap_or(u64::MAX);
        self.missing.saturating_sub(elapsed.saturating_mul(self.rate))
    }

    /// Takes a permit, if there is one beside `reserve` others.
    pub(in crate::node) fn take(&mut self, now: Instant, reserve: u64) -> bool {
        let missing = self.missing(now);
        let there = missing + (1 + reserve) * BILLION <= self.most * BILLION;
        if there {
            (self.missing, self.since) = (missing + BILLION, now);
        }
        there
    }

    /// Whether there is a permit.
    pub(in crate::node) fn has(&self, now: Instant) -> bool {
        self.next(now) == Some(now)
    }

    /// When there is a permit again. None: never.
    pub(in crate::node) fn next(&self, now: Instant) -> Option<Instant> {
        let excess = (self.missing(now) + BILLION).saturating_sub(self.most * BILLION);
        if self.most == 0 || (self.rate == 0 && excess > 0) {
            return None;
        }
        let wait = if excess == 0 { 0 } else { excess.div_ceil(self.rate) };
        Some(now + core::time::Duration::from_nanos(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn so_many_at_once_and_then_as_they_come_back() {
        let begin = Instant::from_nanos(5);
        let mut bucket = Bucket::new(3, 10, begin);
        assert!(!bucket.take(begin, 3), "not from the reserve");
        assert_eq!([0; 4].map(|reserve| bucket.take(begin, reserve)), [true, true, true, false]);
        let next = bucket.next(begin).unwrap();
        assert_eq!(next, begin + Duration::from_millis(100));
        assert!(!bucket.take(next - Duration::from_nanos(1), 0));
        assert!(bucket.take(next, 0));
        let later = begin + Duration::from_secs(1000);
        assert_eq!(bucket.next(later), Some(later));
        assert_eq!(
            [0; 4].map(|reserve| bucket.take(later, reserve)),
            [true, true, true, false],
            "no more than it holds"
        );
    }

    #[test]
    fn no_setting_overflows() {
        for (most, rate) in [(0, 0), (0, u32::MAX), (u32::MAX, 0), (u32::MAX, u32::MAX)] {
            let mut bucket = Bucket::new(most, rate, Instant::ZERO);
            for now in [0, 1, u64::MAX] {
                let now = Instant::from_nanos(now);
                assert_eq!(bucket.take(now, 0), most > 0);
                assert_eq!(bucket.next(now).is_some(), most > 0);
                assert!(!bucket.take(now, u32::MAX.into()));
            }
        }
    }
}
