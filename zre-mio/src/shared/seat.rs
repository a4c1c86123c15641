//! Who drives a node, until when nobody has to, and whom to wake before that.

use zre_engine::Instant;

/// Who drives: who polls, and does what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The node's thread.
    Thread,
    /// A thread of the application. The node's is parked, or on its way back to the wheel.
    Application { parked: bool },
    /// Nobody. The node's thread is parked, and is to look soon.
    Nobody,
}

/// The driver's seat. It changes under the lock of the node's state only.
#[derive(Debug)]
pub(super) struct Seat {
    by: By,
    sleep: Option<Sleep>,
    /// How often the application drove.
    driven: u64,
}

/// Whoever drives waits for something to happen; or the thread, where nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sleep {
    /// Until then, or until it is woken.
    Until(Option<Instant>),
    /// For a moment, in which nothing is so urgent that it has to be woken.
    Short,
}

/// Who is to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sleeper {
    /// Whoever polls.
    Polling,
    /// The thread, which is parked.
    Parked,
}

impl Seat {
    /// The node's thread drives.
    pub(super) fn new() -> Self {
        Self { by: By::Thread, sleep: None, driven: 0 }
    }

    pub(super) fn sleep(&mut self, sleep: Sleep) {
        self.sleep = Some(sleep);
    }

    pub(super) fn wake(&mut self) {
        self.sleep = None;
    }

    /// Whom to wake, where the node has stopped or something is due before anybody would look. Once is enough: until somebody
    /// sleeps again it is nobody.
    pub(super) fn whom_to_wake(&mut self, stopped: bool, due: impl FnOnce() -> Option<Instant>) -> Option<Sleeper> {
        self.sleep.take_if(|sleep| stopped || sleep.is_late_for(due))?;
        Some(if self.is_empty() { Sleeper::Parked } else { Sleeper::Polling })
    }

    /// The thread leaves the wheel.
    pub(super) fn park(&mut self) {
        if self.by == By::Thread {
            self.by = By::Nobody;
        }
    }

    /// The thread goes back to the wheel. Where an application has it, that is not disturbed.
    pub(super) fn unpark(&mut self) {
        match self.by {
            By::Application { .. } => self.by = By::Application { parked: false },
            By::Nobody | By::Thread => {
                self.by = By::Thread;
                self.wake();
            }
        }
    }

    /// The application, which has the wheel, drives.
    pub(super) fn take(&mut self) {
        self.by = By::Application { parked: self.by == By::Nobody };
        self.wake();
    }

    /// It does not any more. Whether nobody does now; otherwise the thread is on its way.
    pub(super) fn leave(&mut self) -> bool {
        self.driven += 1;
        self.by = if self.by == (By::Application { parked: true }) { By::Nobody } else { By::Thread };
        self.wake();
        self.is_empty()
    }

    /// Whether nobody drives.
    pub(super) fn is_empty(&self) -> bool {
        self.by == By::Nobody
    }

    /// Whether the application drives.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.by, By::Application { .. })
    }

    /// How often the application drove until now.
    pub(super) fn driven(&self) -> u64 {
        self.driven
    }
}

impl Sleep {
    fn is_late_for(self, due: impl FnOnce() -> Option<Instant>) -> bool {
        match self {
            Self::Short => false,
            Self::Until(until) => due().is_some_and(|due| until.is_none_or(|until| due < until)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Option<Instant> {
        Some(Instant::ZERO + Duration::from_millis(millis))
    }

    fn woken(seat: &mut Seat, due: Option<Instant>) -> Option<Sleeper> {
        seat.whom_to_wake(false, || due)
    }

    #[test]
    fn who_sleeps_is_woken_for_what_is_due_before_and_once() {
        let mut seat = Seat::new();
        assert_eq!(woken(&mut seat, at(0)), None, "it does not sleep");
        seat.sleep(Sleep::Until(at(5)));
        assert_eq!(woken(&mut seat, None), None);
        assert_eq!(woken(&mut seat, at(5)), None);
        assert_eq!(woken(&mut seat, at(4)), Some(Sleeper::Polling));
        assert_eq!(woken(&mut seat, at(3)), None);
        seat.sleep(Sleep::Until(None));
        assert_eq!(woken(&mut seat, None), None);
        assert_eq!(woken(&mut seat, at(1_000)), Some(Sleeper::Polling));
        seat.sleep(Sleep::Until(None));
        seat.wake();
        assert_eq!(woken(&mut seat, at(0)), None);
    }

    #[test]
    fn a_short_sleep_is_ended_by_the_end_only() {
        let mut seat = Seat::new();
        seat.sleep(Sleep::Short);
        assert_eq!(woken(&mut seat, at(0)), None);
        assert_eq!(seat.whom_to_wake(true, || None), Some(Sleeper::Polling));
    }

    #[test]
    fn where_nobody_drives_the_thread_is_woken_and_where_the_application_does_its_poll() {
        let mut seat = Seat::new();
        seat.park();
        assert!(seat.is_empty());
        seat.sleep(Sleep::Until(at(5)));
        assert_eq!(woken(&mut seat, at(0)), Some(Sleeper::Parked));

        seat.sleep(Sleep::Until(at(5)));
        seat.take();
        assert!(seat.is_taken() && !seat.is_empty());
        assert_eq!(woken(&mut seat, at(0)), None, "it has not gone to sleep yet");
        seat.sleep(Sleep::Until(at(5)));
        assert_eq!(woken(&mut seat, at(0)), Some(Sleeper::Polling));

        seat.sleep(Sleep::Until(at(5)));
        assert_eq!(seat.whom_to_wake(true, || None), Some(Sleeper::Polling), "the node has stopped");

        assert_eq!(seat.driven(), 0);
        assert!(seat.leave(), "nobody drives");
        assert_eq!(seat.driven(), 1);
        seat.unpark();
        assert!(!seat.is_empty() && !seat.is_taken());
    }

    #[test]
    fn a_thread_on_its_way_back_does_not_disturb_who_drives_and_is_not_looked_for() {
        let mut seat = Seat::new();
        seat.park();
        seat.take();
        seat.sleep(Sleep::Until(None));
        seat.unpark();
        assert!(seat.is_taken());
        assert_eq!(woken(&mut seat, at(0)), Some(Sleeper::Polling), "it still sleeps");
        assert!(!seat.leave(), "the thread comes");
        assert!(!seat.is_empty() && !seat.is_taken());

        // It had left the wheel and is back, but the application was faster.
        seat.park();
        seat.unpark();
        seat.take();
        assert!(!seat.leave());
    }
}
