//! How long things took: any number of times in half a megabyte.

use std::time::Duration;

/// So many leading bits of a time are kept: it is known to one part in two thousand, and below two microseconds to the
/// nanosecond.
const SHARP: u32 = 11;
const HALF: usize = 1 << (SHARP - 1);
const SLOTS: usize = (64 - SHARP as usize + 2) * HALF;

#[derive(Debug)]
pub(super) struct Histogram {
    slots: Vec<u64>,
    times: u64,
    sum: u128,
    least: u64,
    most: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { slots: vec![0; SLOTS], times: 0, sum: 0, least: u64::MAX, most: 0 }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.slots[slot(nanos)] += 1;
        self.times += 1;
        self.sum += u128::from(nanos);
        self.least = self.least.min(nanos);
        self.most = self.most.max(nanos);
    }

    /// The time within which so many in a thousand were done; none where there was none.
    pub(super) fn permille(&self, permille: u64) -> Option<Duration> {
        let rank = (u128::from(self.times) * u128::from(permille)).div_ceil(1000).max(1);
        let mut passed = 0;
        let found = self.slots.iter().position(|times| {
            passed += u128::from(*times);
            passed >= rank
        })?;
        Some(Duration::from_nanos(middle(found).clamp(self.least, self.most)))
    }

    /// Least, mean and most; none where there was none.
    pub(super) fn range(&self) -> Option<[Duration; 3]> {
        let mean = u64::try_from(self.sum.checked_div(self.times.into())?).ok()?;
        Some([self.least, mean, self.most].map(Duration::from_nanos))
    }
}

fn slot(nanos: u64) -> usize {
    let left_out = (64 - nanos.leading_zeros()).saturating_sub(SHARP);
    left_out as usize * HALF + (nanos >> left_out) as usize
}

/// The middle of the times that share a slot.
fn middle(slot: usize) -> u64 {
    let left_out = (slot / HALF).saturating_sub(1);
    let first = ((slot - left_out * HALF) as u64) << left_out;
    first + ((1 << left_out) - 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_slot_that_is_near() {
        let mut before = 0;
        for shift in 0..64 {
            for offset in [0, 1, 3, 1021] {
                let nanos = (1u64 << shift).saturating_add(offset << shift.max(10) >> 10);
                let found = slot(nanos);
                assert!(found < SLOTS, "{nanos}");
                assert!(middle(found).abs_diff(nanos) <= nanos / 2000, "{nanos}: {}", middle(found));
            }
            assert!(slot(1 << shift) > before || shift == 0);
            before = slot(1 << shift);
        }
        assert_eq!((slot(0), middle(0)), (0, 0));
        assert!(slot(u64::MAX) < SLOTS);
    }

    #[test]
    fn so_many_in_a_thousand_are_done() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.permille(500), histogram.range()), (None, None));
        (1..=1000).for_each(|nanos| histogram.record(Duration::from_nanos(nanos)));
        let nanos = |permille| histogram.permille(permille).map(|time| time.as_nanos());
        assert_eq!([nanos(1), nanos(500), nanos(990), nanos(999)], [Some(1), Some(500), Some(990), Some(999)]);
        assert_eq!(histogram.range(), Some([1, 500, 1000].map(Duration::from_nanos)));

        let mut one = Histogram::default();
        one.record(Duration::from_micros(12_345));
        assert!([500, 990, 999].iter().all(|permille| one.permille(*permille) == Some(Duration::from_micros(12_345))));
    }
}
