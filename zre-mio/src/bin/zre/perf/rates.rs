//! From counts and a time to rates.

use std::time::Duration;

/// What arrived, and how long that took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) messages: u64,
    pub(super) octets: u64,
    pub(super) time: Duration,
}

impl Rates {
    /// A clock that did not move between two looks has moved by a nanosecond.
    pub(super) fn seconds(&self) -> f64 {
        self.time.max(Duration::from_nanos(1)).as_secs_f64()
    }

    pub(super) fn messages_per_s(&self) -> f64 {
        self.messages as f64 / self.seconds()
    }

    /// In millions of octets a second.
    pub(super) fn mb_per_s(&self) -> f64 {
        self.octets as f64 / self.seconds() / 1e6
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let messages = crate::text::count(self.messages_per_s().round() as u64);
        format!("{messages} messages/s, {:.1} MB/s", self.mb_per_s())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second() {
        let rates = Rates { messages: 3_000, octets: 6_000_000, time: Duration::from_millis(1_500) };
        assert_eq!((rates.messages_per_s(), rates.mb_per_s()), (2_000.0, 4.0));
        assert_eq!(rates.text(), "2,000 messages/s, 4.0 MB/s");
        let at_once = Rates { time: Duration::ZERO, ..rates };
        assert!(at_once.messages_per_s().is_finite());
    }
}
