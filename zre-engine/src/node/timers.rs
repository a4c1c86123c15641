//! One structure for all clocks of a node, with its minimum at hand.
//!
//! A timer is set when something is first known to be due, and looked at again when it fires; what happens in between
//! (a message that proves a peer alive) changes the peer's own fields and costs nothing here.

use crate::{
    action::{Deadline, Wake},
    id::{ConnId, LinkId, PeerId},
    time::Instant,
};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Beacon(LinkId),
    Connection(ConnId),
    Peer(PeerId),
    Linger,
}

impl Timer {
    fn wake(self) -> Wake {
        match self {
            Self::Beacon(_) => Wake::Beacon,
            Self::Connection(_) => Wake::Connection,
            Self::Peer(_) => Wake::Peer,
            Self::Linger => Wake::Linger,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
    first: Option<(Instant, Timer)>,
}

impl Timers {
    /// Sets, moves or (with `None`) clears a timer. It fires after `now`, so that nobody waits for what has passed.
    pub(super) fn set(&mut self, timer: Timer, at: Option<Instant>, now: Instant) {
        let at = at.map(|at| at.max(now + Duration::from_nanos(1)));
        let old = match at {
            Some(at) => self.by_timer.insert(timer, at),
            None => self.by_timer.remove(&timer),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, timer));
        }
        if let Some(at) = at {
            self.by_time.insert((at, timer));
        }
        self.first = self.by_time.first().copied();
    }

    pub(super) fn next(&self) -> Option<Deadline> {
        self.first.map(|(at, timer)| Deadline { at, why: timer.wake() })
    }

    /// Takes the first timer that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = self.first.filter(|(at, _)| *at <= now)?;
        self.set(timer, None, now);
        Some(timer)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
