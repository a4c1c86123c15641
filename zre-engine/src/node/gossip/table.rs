//! What is known by gossip: who is where, and who says so.
//!
//! A tuple holds for as long as somebody who tells it is connected, and a while longer. Whether a teller knows it at first
//! hand matters: a node passes on to a hub only what it has from somebody who does. Without that, two nodes between two
//! hubs could keep each other believing in a third for ever.

use crate::{
    id::{ConnId, PeerId},
    time::Instant,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;
use smallvec::SmallVec;
use zre_proto::Text;

/// How well somebody knows what it tells: 0 is the node itself, or a hub that the node is connected to; whoever has it from
/// another knows it at one hand more. Beyond a few it is not believed: so hubs that tell each other what they have from each
/// other come to an end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hand(pub(super) u8);

impl Hand {
    pub(super) const FIRST: Self = Self(0);
    /// As far as anything is believed: a hub's client, the hub, another hub, its client, and one more of each.
    pub(super) const LAST: Self = Self(3);
    /// Nobody tells it.
    pub(super) const NONE: Self = Self(u8::MAX);

    /// Of whoever hears it from one who knows it so.
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[derive(Debug)]
struct Entry {
    value: Text,
    tellers: SmallVec<[(ConnId, Hand); 2]>,
    /// When it is forgotten.
    ends: Option<Instant>,
}

/// What became of a tuple that was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It was not known, or was known with another value.
    New,
    /// It is as it was; perhaps better known than before, or less well.
    Known,
}

/// Tuples by their key, with indices by when they end and by who tells them.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<PeerId, Entry>,
    by_end: BTreeSet<(Instant, PeerId)>,
    by_teller: BTreeSet<(ConnId, PeerId)>,
    /// How many each tells.
    tellers: BTreeMap<ConnId, usize>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: PeerId) -> Option<&Text> {
        self.entries.get(&key).map(|entry| &entry.value)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = PeerId> {
        self.entries.keys().copied()
    }

    pub(super) fn hand(&self, key: PeerId) -> Option<Hand> {
        self.entries.get(&key).map(best)
    }

    /// Whether somebody beside this one tells a tuple at first hand.
    pub(super) fn is_vouched_for(&self, key: PeerId, beside: ConnId) -> bool {
        let vouches = |(teller, hand): &(ConnId, Hand)| *teller != beside && *hand == Hand::FIRST;
        self.entries.get(&key).is_some_and(|entry| entry.tellers.iter().any(vouches))
    }

    /// The best hand at which one of these tells a tuple.
    pub(super) fn hand_among(&self, key: PeerId, among: impl Fn(ConnId) -> bool) -> Hand {
        let tellers = self.entries.get(&key).into_iter().flat_map(|entry| &entry.tellers);
        tellers.filter(|(teller, _)| among(*teller)).map(|(_, hand)| *hand).min().unwrap_or(Hand::NONE)
    }

    /// Whether anybody tells a tuple now.
    pub(super) fn is_told(&self, key: PeerId) -> bool {
        self.entries.get(&key).is_some_and(|entry| !entry.tellers.is_empty())
    }

    /// Whether this teller tells of that.
    pub(super) fn tells(&self, teller: ConnId, key: PeerId) -> bool {
        self.by_teller.contains(&(teller, key))
    }

    /// A tuple is told. With `until` nobody vouches for it, but it holds until then.
    pub(super) fn tell(
        &mut self,
        (teller, hand): (ConnId, Hand),
        key: PeerId,
        value: Text,
        until: Option<Instant>,
    ) -> Told {
        let new = self.entries.get(&key).is_none_or(|old| old.value != value);
        if new {
            self.remove(key);
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry { value, tellers: SmallVec::new(), ends: None });
        if until.is_none() {
            match entry.tellers.iter_mut().find(|(found, _)| *found == teller) {
                Some((_, old)) => *old = hand,
                None => {
                    entry.tellers.push((teller, hand));
                    self.by_teller.insert((teller, key));
                    *self.tellers.entry(teller).or_default() += 1;
                }
            }
        }
        let ends = until.filter(|_| entry.tellers.is_empty());
        self.set_end(key, ends);
        if new { Told::New } else { Told::Known }
    }

    /// Which tuple makes room for another: one that nobody tells any more, else one of whoever tells most, if that is more than
    /// this teller does. Who does not vouch for what he tells (`untold`) takes nobody's place who does.
    pub(super) fn victim(&self, teller: ConnId, untold: bool) -> Option<PeerId> {
        let ends_first = self.by_end.first().map(|(_, key)| *key);
        if ends_first.is_some() || untold {
            return ends_first;
        }
        let own = self.tellers.get(&teller).copied().unwrap_or(0);
        let most = self.tellers.iter().max_by_key(|(_, count)| **count).filter(|(_, count)| **count > own + 1);
        most.and_then(|(most, _)| self.told_by(*most).last())
    }

    fn told_by(&self, teller: ConnId) -> impl DoubleEndedIterator<Item = PeerId> {
        let (first, last) = (PeerId::from_octets([0; 16]), PeerId::from_octets([0xFF; 16]));
        self.by_teller.range((teller, first)..=(teller, last)).map(|(_, key)| *key)
    }

    /// A teller takes back what it told of one. Whether it had told it.
    pub(super) fn take_back(&mut self, teller: ConnId, key: PeerId, ends: Instant) -> bool {
        if !self.forget_teller(teller, key) {
            return false;
        }
        let Some(entry) = self.entries.get_mut(&key) else { return true };
        entry.tellers.retain(|(found, _)| *found != teller);
        if entry.tellers.is_empty() {
            self.set_end(key, Some(ends));
        }
        true
    }

    /// A teller is gone: what only it told holds a while longer. What it told is returned.
    pub(super) fn gone(&mut self, teller: ConnId, ends: Instant) -> Vec<PeerId> {
        let told: Vec<_> = self.told_by(teller).collect();
        for key in &told {
            self.take_back(teller, *key, ends);
        }
        told
    }

    /// What nobody tells any more holds until then.
    fn set_end(&mut self, key: PeerId, ends: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Some(old) = entry.ends {
            self.by_end.remove(&(old, key));
        }
        entry.ends = ends;
        self.by_end.extend(ends.map(|ends| (ends, key)));
    }

    pub(super) fn remove(&mut self, key: PeerId) {
        self.set_end(key, None);
        let tellers = self.entries.remove(&key).map(|entry| entry.tellers).unwrap_or_default();
        for (teller, _) in tellers {
            self.forget_teller(teller, key);
        }
    }

    /// Takes one that a teller tells out of the indices. Whether it told it.
    fn forget_teller(&mut self, teller: ConnId, key: PeerId) -> bool {
        if !self.by_teller.remove(&(teller, key)) {
            return false;
        }
        if let Some(count) = self.tellers.get_mut(&teller) {
            *count -= 1;
            if *count == 0 {
                self.tellers.remove(&teller);
            }
        }
        true
    }

    pub(super) fn next_end(&self) -> Option<Instant> {
        self.by_end.first().map(|(at, _)| *at)
    }

    /// Those whose time is over.
    pub(super) fn due(&self, now: Instant) -> Vec<PeerId> {
        self.by_end.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| *key).collect()
    }

    /// It holds a while longer.
    pub(super) fn extend(&mut self, key: PeerId, by: Duration, now: Instant) {
        self.set_end(key, Some(now + by));
    }
}

fn best(entry: &Entry) -> Hand {
    entry.tellers.iter().map(|(_, hand)| *hand).min().unwrap_or(Hand::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::format;

    fn id(number: u8) -> PeerId {
        PeerId::from_octets([number; 16])
    }

    fn teller(number: u8) -> ConnId {
        ConnId::new(number.into(), 0)
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_tuple_holds_while_somebody_tells_it_and_the_best_of_them_counts() {
        let (mut table, value) = (Table::default(), Text::from("tcp://10.0.0.1:1"));
        assert_eq!(table.tell((teller(1), Hand::FIRST.next()), id(1), value.clone(), None), Told::New);
        assert_eq!(table.tell((teller(2), Hand::FIRST), id(1), value.clone(), None), Told::Known);
        assert_eq!(table.hand(id(1)), Some(Hand::FIRST));
        assert!(table.is_vouched_for(id(1), teller(1)) && !table.is_vouched_for(id(1), teller(2)));
        assert_eq!(table.gone(teller(2), at(30)), [id(1)]);
        assert_eq!((table.hand(id(1)), table.next_end()), (Some(Hand(1)), None));
        assert!(table.take_back(teller(1), id(1), at(40)) && !table.take_back(teller(1), id(1), at(50)));
        assert_eq!((table.due(at(39)), table.due(at(40))), (Vec::new(), Vec::from([id(1)])));
        // Another value is another tuple: who told the old one tells it no more.
        table.tell((teller(1), Hand::FIRST), id(1), value, None);
        assert_eq!(table.tell((teller(2), Hand::FIRST), id(1), "tcp://10.0.0.1:2".into(), None), Told::New);
        assert!(!table.tells(teller(1), id(1)) && table.tells(teller(2), id(1)));
    }

    #[test]
    fn who_vouches_for_nothing_takes_the_place_of_nobody_who_does() {
        let mut table = Table::default();
        let tell = |table: &mut Table, by, number: u8, until| {
            table.tell((teller(by), Hand::FIRST), id(number), format!("tcp://10.0.0.1:{number}").into(), until);
        };
        (1..4).for_each(|number| tell(&mut table, 1, number, None));
        assert_eq!((table.victim(teller(2), true), table.victim(teller(1), false)), (None, None));
        assert_eq!(table.victim(teller(2), false), Some(id(3)), "of whoever tells most");
        tell(&mut table, 2, 9, Some(at(5)));
        assert_eq!((table.victim(teller(2), true), table.victim(teller(1), false)), (Some(id(9)), Some(id(9))));
    }

    proptest! {
        #[test]
        fn the_indices_are_what_a_look_at_all_tuples_finds(steps in vec((0u8..5, 0u8..4, 0u8..6, 0u8..3), 0..80)) {
            let mut table = Table::default();
            for (step, by, key, value) in steps {
                let value = format!("tcp://10.0.0.1:{}", value + 1).into();
                match step {
                    0 | 1 => drop(table.tell((teller(by), Hand(step)), id(key), value, None)),
                    2 => drop(table.tell((teller(by), Hand::FIRST), id(key), value, Some(at(key.into())))),
                    3 => drop(table.gone(teller(by), at(9))),
                    _ => table.remove(id(key)),
                }
                let told = table.entries.iter().flat_map(|(key, entry)| entry.tellers.iter().map(|(by, _)| (*by, *key)));
                prop_assert_eq!(&told.collect::<BTreeSet<_>>(), &table.by_teller);
                let ends = table.entries.iter().filter_map(|(key, entry)| entry.ends.map(|ends| (ends, *key)));
                prop_assert_eq!(&ends.collect::<BTreeSet<_>>(), &table.by_end);
                for by in (0..4).map(teller) {
                    prop_assert_eq!(table.tellers.get(&by).copied().unwrap_or(0), table.told_by(by).count());
                }
                // Each holds because somebody tells it, or until then.
                prop_assert!(table.entries.values().all(|entry| entry.tellers.is_empty() == entry.ends.is_some()));
            }
        }
    }
}
