//! One structure for all clocks of a node, with its minimum at hand.
//!
//! A timer is set when something is first known to be due, and looked at again when it fires; what happens in between
//! (a message that proves a peer alive) changes the peer's own fields and costs nothing here.

use crate::{
    action::{Deadline, Wake},
    id::{ConnId, LinkId, PeerId},
    time::Instant,
};
use alloc::collections::BTreeSet;
use core::{num::NonZeroU64, time::Duration};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Beacon(LinkId),
    Connection(ConnId),
    Peer(PeerId),
    Door,
    Seek,
    Hub(u32),
    Gossip,
    Election,
    Linger,
}

impl Timer {
    fn wake(self) -> Wake {
        match self {
            Self::Beacon(_) => Wake::Beacon,
            Self::Connection(_) | Self::Door => Wake::Connection,
            Self::Peer(_) | Self::Seek => Wake::Peer,
            Self::Hub(_) | Self::Gossip => Wake::Gossip,
            Self::Election => Wake::Election,
            Self::Linger => Wake::Linger,
        }
    }
}

/// What a timer was last set to. Whoever has the timer keeps it, so that no second index is needed; once the timer has
/// fired it is in the past, and means nothing.
#[derive(Debug, Default)]
pub(super) struct Clock(Option<NonZeroU64>);

impl Clock {
    fn get(&self) -> Option<Instant> {
        self.0.map(|at| Instant::from_nanos(at.get()))
    }
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    first: Option<(Instant, Timer)>,
}

impl Timers {
    /// Sets, moves or (with `None`) clears a timer, whose clock this is. It fires after `now`, so that nobody waits for
    /// what has passed. At the end of time nothing comes after `now`: there it does not fire.
    pub(super) fn set(&mut self, clock: &mut Clock, timer: Timer, at: Option<Instant>, now: Instant) {
        let at = at.map(|at| at.max(now + Duration::from_nanos(1))).filter(|at| *at > now);
        let old = clock.get().filter(|old| Some(*old) != at);
        clock.0 = at.and_then(|at| NonZeroU64::new(at.as_nanos()));
        let old = old.filter(|old| self.by_time.remove(&(*old, timer)));
        let new = at.map(|at| (at, timer)).filter(|new| self.by_time.insert(*new));
        // Nearly always another timer is the first, before and after.
        if old.is_some() && self.first.is_some_and(|(_, first)| first == timer) {
            self.first = self.by_time.first().copied();
        } else if new.is_some_and(|new| self.first.is_none_or(|first| new < first)) {
            self.first = new;
        }
        debug_assert_eq!(self.first, self.by_time.first().copied());
    }

    pub(super) fn next(&self) -> Option<Deadline> {
        self.first.map(|(at, timer)| Deadline { at, why: timer.wake() })
    }

    /// Takes the first timer that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = self.first.filter(|(at, _)| *at <= now)?;
        self.by_time.pop_first();
        self.first = self.by_time.first().copied();
        Some(timer)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
