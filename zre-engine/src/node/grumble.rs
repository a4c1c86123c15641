//! Lines about those who break rules: a few, however many they are.
//!
//! Whoever sends rubbish must not fill a disk. So of such lines some are written at `warn`, with how many were left out
//! before; all are written at `trace`.

use super::admission::Bucket;
use crate::time::Instant;

/// So many lines at once, and one more every second.
const LINES: u32 = 10;
const LINES_PER_SECOND: u32 = 1;

#[derive(Debug)]
pub(super) struct Grumble {
    lines: Bucket,
    left_out: u64,
}

impl Grumble {
    pub(super) fn new(now: Instant) -> Self {
        Self { lines: Bucket::new(LINES, LINES_PER_SECOND, now), left_out: 0 }
    }

    /// Whether a line may be written, and how many were left out before it.
    pub(super) fn may(&mut self, now: Instant) -> Option<u64> {
        if self.lines.take(now, 0) {
            return Some(core::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

/// Writes a line about somebody who breaks rules, unless there were many lately.
macro_rules! complain {
    ($node:expr, $($line:tt)+) => {
        match $node.grumble.may($node.now) {
            Some(0) => crate::log::log!(warn, $($line)+),
            Some(left_out) => {
                crate::log::log!(warn, "{} ({left_out} more such lines were left out)", alloc::format!($($line)+));
            }
            None => crate::log::log!(trace, $($line)+),
        }
    };
}

pub(super) use complain;

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_flood_of_lines_is_a_few_and_none_is_left_uncounted() {
        let (begin, mut grumble) = (Instant::from_nanos(1), Grumble::new(Instant::ZERO));
        let (mut written, mut left_out) = (0, 0);
        for line in 0..100_000 {
            if let Some(before) = grumble.may(begin + Duration::from_micros(100) * line) {
                (written, left_out) = (written + 1, left_out + before);
            }
        }
        assert!((15..25).contains(&written), "{written} lines in ten seconds");
        let last = grumble.may(begin + Duration::from_secs(60)).unwrap();
        assert_eq!(written + left_out + last, 100_000);
    }
}
