//! The one place that reads a clock.

use std::time::{Duration, Instant as StdInstant};
use zre_engine::Instant;

/// Turns the machine's monotonic clock into the engine's nanoseconds. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    epoch: StdInstant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn new() -> Self {
        Self { epoch: read() }
    }

    /// The time, for the engine.
    pub(crate) fn now(self) -> Instant {
        Instant::ZERO + read().saturating_duration_since(self.epoch)
    }

    /// The engine's time, for the machine.
    pub(crate) fn machine(self, at: Instant) -> StdInstant {
        self.epoch + at.since(Instant::ZERO)
    }
}

/// The moment this much later; none where that is beyond all counting.
pub(crate) fn after(duration: Duration) -> Option<StdInstant> {
    read().checked_add(duration)
}

#[expect(clippy::disallowed_methods, reason = "this is the driver's one place that reads the clock")]
fn read() -> StdInstant {
    StdInstant::now()
}
