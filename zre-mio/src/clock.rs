//! The one place that reads a clock.

use std::{
    cell::Cell,
    time::{Duration, Instant as StdInstant},
};
use zre_engine::Instant;

/// Turns the machine's monotonic clock into the engine's nanoseconds. What is done in one go is done at one time: the clock
/// is read for the first of it only, until [`forget`](Self::forget).
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: StdInstant,
    kept: Cell<Option<Instant>>,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn new() -> Self {
        Self { epoch: read(), kept: Cell::new(None) }
    }

    /// The time, for the engine.
    pub(crate) fn now(&self) -> Instant {
        let now = self.kept.get().unwrap_or_else(|| Instant::ZERO + read().saturating_duration_since(self.epoch));
        self.kept.set(Some(now));
        now
    }

    /// Time passes until the next thing is done.
    pub(crate) fn forget(&self) {
        self.kept.set(None);
    }

    /// The engine's time, for the machine.
    pub(crate) fn machine(&self, at: Instant) -> StdInstant {
        self.epoch + at.since(Instant::ZERO)
    }
}

/// The moment this much later; none where that is beyond all counting.
pub(crate) fn after(duration: Duration) -> Option<StdInstant> {
    read().checked_add(duration)
}

#[cfg(test)]
pub(crate) fn is_ahead(at: StdInstant) -> bool {
    at > read()
}

/// How long ago something was.
#[derive(Debug)]
pub(crate) struct Age(StdInstant);

impl Default for Age {
    /// Just now.
    fn default() -> Self {
        Self(read())
    }
}

impl Age {
    pub(crate) fn is_below(&self, duration: Duration) -> bool {
        read().saturating_duration_since(self.0) < duration
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the driver's one place that reads the clock")]
fn read() -> StdInstant {
    StdInstant::now()
}
