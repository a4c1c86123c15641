//! The one place that reads a clock.

use std::{
    cell::Cell,
    sync::OnceLock,
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
    /// All clocks of a process show the same time, from the first on, so that what its nodes do at round times they do in
    /// one go.
    pub(crate) fn new() -> Self {
        static EPOCH: OnceLock<StdInstant> = OnceLock::new();
        Self { epoch: *EPOCH.get_or_init(read), kept: Cell::new(None) }
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

/// The next multiple of a time that is not zero: who waits for that wakes together with others who do.
pub(crate) fn next_beat(now: Instant, every: Duration) -> Instant {
    let every = every.as_nanos() as u64;
    let past = now.as_nanos().checked_rem(every).unwrap_or_default();
    now + Duration::from_nanos(every - past)
}

/// The moment this much later; none where that is beyond all counting.
pub(crate) fn after(duration: Duration) -> Option<StdInstant> {
    read().checked_add(duration)
}

/// How long it is until then; nothing where that is over.
pub(crate) fn until(at: StdInstant) -> Duration {
    at.saturating_duration_since(read())
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
