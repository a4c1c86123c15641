//! Points in time, as the driver tells them.

use core::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// Nanoseconds since an epoch of the driver's choice. Which it is makes no difference, but for chance: idle peers are
/// asked whether they are there a hundredth of that time earlier or later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The epoch.
    pub const ZERO: Self = Self(0);

    /// The instant this many nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The next multiple of `step` after the epoch: this instant, or up to a step later.
    pub(crate) fn round_up(self, step: Duration) -> Self {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self(self.0.checked_next_multiple_of(step).unwrap_or(self.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates in the year 2554 of the epoch.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at the epoch.
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_rounded_to_a_step_that_is_not_before_it() {
        let round = |nanos, step| Instant(nanos).round_up(Duration::from_nanos(step)).0;
        assert_eq!([round(0, 10), round(1, 10), round(10, 10), round(11, 10)], [0, 10, 10, 20]);
        assert_eq!(round(7, 0), 7, "there is always a step");
        assert_eq!(round(u64::MAX, 10), u64::MAX, "nothing is later");
        assert_eq!(Instant(7).round_up(Duration::MAX), Instant(u64::MAX));
    }
}
