//! Whether a program sends without a pause, so that a node's thread need not be woken for each thing that is left to write.

use crate::shared::PATIENCE;
use zre_engine::Instant;

/// While so many octets are gathered within [`PATIENCE`], callers do not wake the thread for what they leave to write: each time
/// that it wakes it takes the lock from whoever sends.
const MUCH: u64 = 64 << 10;

/// What callers gathered, as the thread finds it each time before it sleeps.
///
/// That there is a flow is not forgotten when the thread wakes for something else, such as a peer's PING: callers would wake
/// it for the next message, and for the one after that, and with a turn for each there would never be much between two
/// turns. But where the application was brought something since, it may be what it waits for before it sends more, and
/// whatever it sends then should not wait.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// What had been gathered, and when, at the start of the time that is looked at.
    before: u64,
    since: Instant,
    /// Until when it is taken to go on.
    until: Instant,
}

impl Flow {
    /// Whether there is one: by what was gathered until `now`, all in all, and whether the application `heard` something since
    /// the last time.
    pub(crate) fn goes_on(&mut self, now: Instant, gathered: u64, heard: bool) -> bool {
        let much = gathered - self.before >= MUCH;
        if much {
            self.until = now + PATIENCE;
        } else if heard {
            self.until = now;
        }
        if much || heard || now.since(self.since) >= PATIENCE {
            (self.before, self.since) = (gathered, now);
        }
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MOMENT: Duration = Duration::from_micros(50);

    fn at(moments: u32) -> Instant {
        Instant::ZERO + Duration::from_secs(1) + MOMENT * moments
    }

    #[test]
    fn much_between_two_turns_is_a_flow_until_little_comes() {
        let mut flow = Flow::default();
        assert!(!flow.goes_on(at(0), 0, false));
        assert!(flow.goes_on(at(1), MUCH, true), "whatever else comes");
        assert!(flow.goes_on(at(2), MUCH, false), "for a while");
        assert!(!flow.goes_on(at(1) + PATIENCE, MUCH, false), "not for ever");
        assert!(!flow.goes_on(at(1) + 2 * PATIENCE, 2 * MUCH - 1, false));
    }

    #[test]
    fn many_turns_do_not_hide_a_flow() {
        let mut flow = Flow::default();
        let on: Vec<bool> = (0..100).map(|turn| flow.goes_on(at(turn), MUCH / 8 * u64::from(turn), false)).collect();
        let first = on.iter().position(|on| *on).unwrap();
        assert!(first <= 16, "{on:?}");
        assert!(on[first..].iter().all(|on| *on), "{on:?}");
    }

    #[test]
    fn who_waits_for_an_answer_before_he_goes_on_makes_no_flow() {
        let mut flow = Flow::default();
        for turn in 0..100 {
            assert!(!flow.goes_on(at(turn), MUCH / 2 * u64::from(turn), true));
        }
    }

    #[test]
    fn an_answer_ends_a_flow() {
        let mut flow = Flow::default();
        flow.goes_on(at(0), 0, false);
        assert!(flow.goes_on(at(1), MUCH, false));
        assert!(!flow.goes_on(at(2), MUCH + MUCH / 2, true));
        assert!(!flow.goes_on(at(3), MUCH + MUCH, true));
    }

    #[test]
    fn a_little_now_and_then_is_no_flow() {
        let mut flow = Flow::default();
        for turn in 0..100 {
            assert!(!flow.goes_on(at(0) + PATIENCE * turn, MUCH / 2 * u64::from(turn), false));
        }
    }
}
