//! Places of which there are only so many: in all, and for each host.

use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

/// Where somebody comes from; none where an address has no number.
pub(in crate::node) type Host = Option<IpAddr>;

/// Those who have a place, found by their age and by their host.
#[derive(Debug)]
pub(in crate::node) struct Places<K> {
    holders: BTreeMap<K, Holder>,
    of_host: BTreeMap<Host, usize>,
    /// Those who may give way.
    by_age: BTreeSet<(Instant, K)>,
    by_host: BTreeMap<Host, BTreeSet<(Instant, K)>>,
}

#[derive(Debug, Clone, Copy)]
struct Holder {
    host: Host,
    since: Instant,
    /// It keeps its place, whoever wants it.
    pinned: bool,
}

/// How many places there are, and for how long one is safe.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Bounds {
    pub(in crate::node) in_all: usize,
    pub(in crate::node) of_host: usize,
    /// Whoever has been there since before gives way where no place is left.
    pub(in crate::node) safe_since: Instant,
}

/// Whether there is a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Vacancy<K> {
    Free,
    /// There is one if this one gives way: it has waited longest.
    After(K),
    None,
}

impl<K> Default for Places<K> {
    fn default() -> Self {
        let (holders, of_host) = (BTreeMap::new(), BTreeMap::new());
        Self { holders, of_host, by_age: BTreeSet::new(), by_host: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Places<K> {
    /// Whether somebody from this host can have a place.
    pub(in crate::node) fn vacancy(&self, host: Host, bounds: &Bounds) -> Vacancy<K> {
        let oldest = if self.of_host.get(&host).is_some_and(|count| *count >= bounds.of_host) {
            self.by_host.get(&host).and_then(BTreeSet::first)
        } else if self.holders.len() >= bounds.in_all {
            self.by_age.first()
        } else {
            return Vacancy::Free;
        };
        match oldest {
            Some((since, who)) if *since < bounds.safe_since => Vacancy::After(*who),
            _ => Vacancy::None,
        }
    }

    /// Whether somebody from this host has a place.
    pub(in crate::node) fn any_of(&self, host: Host) -> bool {
        self.of_host.contains_key(&host)
    }

    pub(in crate::node) fn take(&mut self, who: K, host: Host, since: Instant) {
        self.leave(who);
        self.holders.insert(who, Holder { host, since, pinned: false });
        *self.of_host.entry(host).or_default() += 1;
        self.offer(who, host, since);
    }

    pub(in crate::node) fn leave(&mut self, who: K) {
        let Some(Holder { host, since, .. }) = self.holders.remove(&who) else { return };
        if let Some(count) = self.of_host.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.of_host.remove(&host);
            }
        }
        self.withdraw(who, host, since);
    }

    /// From now on it keeps its place, whoever wants it; or may again have to give way.
    pub(in crate::node) fn pin(&mut self, who: K, pinned: bool) {
        let Some(holder) = self.holders.get_mut(&who) else { return };
        holder.pinned = pinned;
        let Holder { host, since, .. } = *holder;
        match pinned {
            true => self.withdraw(who, host, since),
            false => self.offer(who, host, since),
        }
    }

    fn offer(&mut self, who: K, host: Host, since: Instant) {
        self.by_age.insert((since, who));
        self.by_host.entry(host).or_default().insert((since, who));
    }

    fn withdraw(&mut self, who: K, host: Host, since: Instant) {
        self.by_age.remove(&(since, who));
        if let Some(neighbours) = self.by_host.get_mut(&host) {
            neighbours.remove(&(since, who));
            if neighbours.is_empty() {
                self.by_host.remove(&host);
            }
        }
    }

    /// It is at another host than was thought. Its age stays.
    pub(in crate::node) fn relocate(&mut self, who: K, host: Host) {
        if let Some(Holder { since, .. }) = self.holders.get(&who).copied() {
            self.take(who, host, since);
        }
    }

    pub(in crate::node) fn len(&self) -> usize {
        self.holders.len()
    }

    pub(in crate::node) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn who_has_waited_longest_gives_way_but_not_before_its_time() {
        let host = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let bounds = |safe_since| Bounds { in_all: 3, of_host: 2, safe_since: at(safe_since) };
        let mut places = Places::default();
        places.take(1, host(1), at(10));
        places.take(2, host(1), at(20));
        assert_eq!(places.vacancy(host(2), &bounds(0)), Vacancy::Free);
        assert_eq!(places.vacancy(host(1), &bounds(10)), Vacancy::None, "two of one host, neither old enough");
        assert_eq!(places.vacancy(host(1), &bounds(11)), Vacancy::After(1));
        places.take(3, host(2), at(5));
        assert_eq!(places.vacancy(None, &bounds(15)), Vacancy::After(3), "the oldest of all");
        assert_eq!(places.vacancy(host(1), &bounds(15)), Vacancy::After(1), "the oldest of its neighbours");
        places.relocate(3, host(1));
        assert_eq!(places.vacancy(host(1), &bounds(15)), Vacancy::After(3));
        places.pin(3, true);
        assert_eq!(places.vacancy(host(1), &bounds(15)), Vacancy::After(1), "who is pinned does not give way");
        places.pin(1, true);
        assert_eq!(places.vacancy(host(1), &bounds(15)), Vacancy::None, "but counts");
        places.pin(1, false);
        assert_eq!(places.vacancy(host(1), &bounds(15)), Vacancy::After(1));
        [1, 2, 3, 4].into_iter().for_each(|who| places.leave(who));
        assert_eq!((places.len(), places.of_host.len(), places.by_age.len(), places.by_host.len()), (0, 0, 0, 0));
        let all: Vec<_> = (0..5).map(|who| places.vacancy(Some([10, 0, 0, who].into()), &bounds(0))).collect();
        assert_eq!(all, [Vacancy::Free; 5]);
    }
}
