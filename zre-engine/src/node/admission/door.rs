//! Those who have said HELLO and wait to be let in: hosts in turn, and of each host whoever came first.

use super::places::Host;
use crate::{id::ConnId, node::timers::Clock, time::Instant};
use alloc::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(in crate::node) struct Door {
    waiting: BTreeMap<Host, BTreeSet<(Instant, ConnId)>>,
    visitors: BTreeMap<ConnId, (Host, Instant)>,
    /// Whose turn it was last.
    last: Host,
    /// When it is opened next.
    pub(in crate::node) clock: Clock,
}

impl Door {
    pub(in crate::node) fn wait(&mut self, id: ConnId, host: Host, since: Instant) {
        self.leave(id);
        self.visitors.insert(id, (host, since));
        self.waiting.entry(host).or_default().insert((since, id));
    }

    pub(in crate::node) fn leave(&mut self, id: ConnId) {
        let Some((host, since)) = self.visitors.remove(&id) else { return };
        if let Some(all) = self.waiting.get_mut(&host) {
            all.remove(&(since, id));
            if all.is_empty() {
                self.waiting.remove(&host);
            }
        }
    }

    /// Takes whoever's turn it is.
    pub(in crate::node) fn turn(&mut self) -> Option<ConnId> {
        use core::ops::Bound::{Excluded, Unbounded};
        let after = self.waiting.range((Excluded(self.last), Unbounded)).next();
        let (host, all) = after.or_else(|| self.waiting.first_key_value())?;
        let (host, id) = (*host, all.first()?.1);
        self.last = host;
        self.leave(id);
        Some(id)
    }

    /// Whoever came last of the host that most are from; of several such hosts, whoever came last of all.
    pub(in crate::node) fn least(&self) -> Option<ConnId> {
        let crowd = self.waiting.values().max_by_key(|all| (all.len(), all.last().map(|(since, _)| *since)))?;
        crowd.last().map(|(_, id)| *id)
    }

    pub(in crate::node) fn len(&self) -> usize {
        self.visitors.len()
    }

    /// From how many hosts.
    pub(in crate::node) fn hosts(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;
    use std::vec::Vec;

    #[test]
    fn hosts_take_turns_and_the_largest_crowd_gives_way() {
        let host = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let id = |number| ConnId::new(number, 0);
        let mut door = Door::default();
        for number in 0..5 {
            door.wait(id(number), host(1), Instant::from_nanos(u64::from(number)));
        }
        door.wait(id(10), host(2), Instant::from_nanos(9));
        door.wait(id(11), None, Instant::from_nanos(9));
        assert_eq!((door.len(), door.hosts(), door.least()), (7, 3, Some(id(4))));
        let mut level = Door::default();
        for (number, since) in [(1, 7), (2, 9), (3, 8)] {
            level.wait(id(number), host(number as u8), Instant::from_nanos(since));
        }
        assert_eq!(level.least(), Some(id(2)));
        door.leave(id(1));
        let turns: Vec<_> = core::iter::from_fn(|| door.turn()).map(ConnId::index).collect();
        assert_eq!(turns, [0, 10, 11, 2, 3, 4]);
        assert_eq!((door.len(), door.hosts(), door.least()), (0, 0, None));
    }
}
