//! Who has sent what to whom, and how much of it was heard.

use super::{Rule, view::Seen};
use crate::{Content, PeerId, sim::digest::Digest};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// A message that was taken for sending.
#[derive(Debug)]
struct Entry {
    at: u64,
    /// How often the receiver had entered, as its sender saw it.
    epoch: u32,
    /// A hash of group and content.
    hash: u64,
    /// Its sender had not heard all of its events, so its relation may be a later one than the sender knew.
    early: bool,
    group: Option<Arc<str>>,
}

/// All messages from one node to another that may still be heard.
#[derive(Debug)]
struct Line {
    entries: VecDeque<Entry>,
    /// How often the receiver has entered, as the sender sees it.
    epoch: u32,
    /// Nothing has been heard since the sender entered at the receiver's.
    fresh: bool,
    /// Where in `entries` the next message may be: one place, unless messages are alike.
    places: Vec<usize>,
}

impl Default for Line {
    fn default() -> Self {
        Self { entries: VecDeque::new(), epoch: 0, fresh: true, places: vec![0] }
    }
}

impl Line {
    /// Where the next message may be after one with this hash, from each of the places where that one may be.
    fn follow(&self, hash: u64, hearer: &Seen) -> Vec<usize> {
        let mut places = Vec::new();
        for place in &self.places {
            // Of old: what was under way when an earlier relation ended is lost with it.
            let mut lost = 0;
            for (index, entry) in self.entries.iter().enumerate().skip(*place) {
                let of_old = self.fresh && (lost <= entry.epoch || entry.early);
                let whole = lost == 0 || of_old;
                if entry.hash == hash && whole {
                    places.push(index + 1);
                }
                let may_miss = entry.group.as_ref().is_some_and(|group| !hearer.is_in_since(group, entry.at));
                if !may_miss {
                    if !self.fresh {
                        break;
                    }
                    // One more than its epoch, for zero is for nothing lost.
                    lost = lost.max(entry.epoch + 1);
                }
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// What is before all places will not be heard any more.
    fn forget(&mut self) {
        let first = self.places.iter().copied().min().unwrap_or(0);
        self.entries.drain(..first);
        self.places.iter_mut().for_each(|place| *place -= first);
    }
}

/// Lines by sender and receiver.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lines: BTreeMap<(PeerId, PeerId), Line>,
    /// UUIDs that were born more than once: two nodes may have it at a time, so nothing can be said of its messages.
    births: BTreeMap<PeerId, u32>,
    /// Who ran before each process, on the same machine: on its port too, perhaps.
    predecessors: BTreeMap<PeerId, PeerId>,
}

impl Ledger {
    pub(super) fn born(&mut self, id: PeerId, predecessor: Option<PeerId>) {
        *self.births.entry(id).or_default() += 1;
        if let Some(predecessor) = predecessor.filter(|predecessor| *predecessor != id) {
            self.predecessors.insert(id, predecessor);
        }
    }

    /// Whether a message was for a process that ran on the same machine before: whoever connects to a port finds the
    /// process that has it now, and ZRE has no word for whom he means.
    fn is_inherited(&self, from: PeerId, to: PeerId, hash: u64) -> bool {
        let before = std::iter::successors(self.predecessors.get(&to), |id| self.predecessors.get(*id));
        // As many as there are, for UUIDs that come again make a circle.
        before.take(self.predecessors.len()).any(|before| {
            let line = self.lines.get(&(from, *before));
            line.is_some_and(|line| line.entries.iter().any(|entry| entry.hash == hash))
        })
    }

    /// Whether no other node had either UUID.
    fn is_unique(&self, one: PeerId, other: PeerId) -> bool {
        [one, other].iter().all(|id| self.births.get(id) == Some(&1))
    }

    /// `peer` has entered at `me`: a new relation, both as sender and as receiver.
    pub(super) fn entered(&mut self, me: PeerId, peer: PeerId) {
        if let Some(line) = self.lines.get_mut(&(me, peer)) {
            line.epoch += 1;
        }
        if let Some(line) = self.lines.get_mut(&(peer, me)) {
            line.fresh = true;
            line.places = vec![0];
        }
    }

    /// A message was taken for sending, at a time. `early`: while events waited that its sender had not looked at.
    pub(super) fn sent(
        &mut self,
        (at, early): (u64, bool),
        (from, to): (PeerId, PeerId),
        group: Option<&Arc<str>>,
        content: &Content,
    ) {
        if self.is_unique(from, to) {
            let line = self.lines.entry((from, to)).or_default();
            let entry = Entry { at, epoch: line.epoch, hash: hash(group, content), early, group: group.cloned() };
            line.entries.push_back(entry);
        }
    }

    /// `to` hears a message of `from`: it must be the next of those that `from` sent it, but for shouts to groups that
    /// `to` was not in all the time.
    pub(super) fn heard(
        &mut self,
        from: PeerId,
        to: PeerId,
        group: Option<&Arc<str>>,
        content: &Content,
        hearer: &Seen,
    ) -> Result<(), (Rule, String)> {
        if !self.is_unique(from, to) {
            return Ok(());
        }
        let wrong = |what: &str| Err((Rule::Order, what.to_owned()));
        let hash = hash(group, content);
        let places = self.lines.get(&(from, to)).map(|line| line.follow(hash, hearer)).unwrap_or_default();
        if places.is_empty() && self.is_inherited(from, to, hash) {
            return Ok(());
        }
        let Some(line) = self.lines.get_mut(&(from, to)) else { return wrong("it never sent one") };
        line.fresh = false;
        if !places.is_empty() {
            line.places = places;
            line.forget();
            return Ok(());
        }
        // Wrong: go on behind it.
        let Some(index) = line.entries.iter().position(|entry| entry.hash == hash) else {
            return wrong("it was not sent, or comes twice");
        };
        line.places = vec![index + 1];
        line.forget();
        wrong("some before it are left out")
    }

    /// How many messages of the present relation should have been heard, of those sent before a time.
    pub(super) fn missing(&self, from: PeerId, to: PeerId, before: u64, hearer: &Seen) -> usize {
        let Some(line) = self.lines.get(&(from, to)).filter(|_| self.is_unique(from, to)) else { return 0 };
        let due = |entry: &&Entry| {
            entry.epoch == line.epoch
                && !entry.early
                && entry.at < before
                && entry.group.as_ref().is_none_or(|group| hearer.is_in_since(group, entry.at))
        };
        // Where it cannot be told which was heard, what is certain.
        let heard = line.places.iter().copied().max().unwrap_or(0);
        line.entries.iter().skip(heard).filter(due).count()
    }
}

fn hash(group: Option<&Arc<str>>, content: &Content) -> u64 {
    let mut digest = Digest::default();
    digest.octets(group.map_or(&[], |group| group.as_bytes()));
    // An empty message goes out, and comes, as one empty frame.
    if content.is_empty() {
        digest.octets(&[]);
    }
    content.iter().for_each(|frame| digest.octets(frame));
    digest.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId::from_octets([1; 16]);
    const B: PeerId = PeerId::from_octets([2; 16]);

    struct Pair {
        ledger: Ledger,
        hearer: Seen,
        now: u64,
    }

    impl Pair {
        fn new() -> Self {
            let mut ledger = Ledger::default();
            [A, B].into_iter().for_each(|id| ledger.born(id, None));
            Self { ledger, hearer: Seen::born(B), now: 10 }
        }

        fn send(&mut self, text: &str, group: Option<&str>) {
            self.now += 1;
            let group = group.map(Arc::from);
            self.ledger.sent((self.now, false), (A, B), group.as_ref(), &Content::from(text));
        }

        fn hear(&mut self, text: &str, group: Option<&str>) -> bool {
            let group = group.map(Arc::from);
            self.ledger.heard(A, B, group.as_ref(), &Content::from(text), &self.hearer).is_ok()
        }
    }

    #[test]
    fn what_is_left_out_comes_twice_or_was_never_sent_is_found() {
        let mut pair = Pair::new();
        ["1", "2", "3", "4"].into_iter().for_each(|text| pair.send(text, None));
        assert!(pair.hear("1", None) && pair.hear("2", None));
        assert!(!pair.hear("2", None), "twice");
        assert!(!pair.hear("4", None), "3 is left out");
        assert!(!pair.hear("5", None), "never sent");
        assert_eq!(pair.ledger.missing(A, B, 100, &pair.hearer), 0);
    }

    #[test]
    fn a_process_may_hear_what_was_for_the_one_before_it() {
        const NEXT: PeerId = PeerId::from_octets([3; 16]);
        let mut pair = Pair::new();
        pair.ledger.born(NEXT, Some(B));
        pair.ledger.born(B, Some(NEXT));
        pair.ledger.births.insert(B, 1);
        pair.send("for B", None);
        let hear = |pair: &Pair, text: &str| pair.ledger.is_inherited(A, NEXT, hash(None, &text.into()));
        assert!(hear(&pair, "for B") && !hear(&pair, "for nobody"));
        let mut heard = |text: &str| pair.ledger.heard(A, NEXT, None, &text.into(), &Seen::born(NEXT));
        assert!(heard("for B").is_ok() && heard("for nobody").is_err());
    }

    #[test]
    fn a_relation_begins_with_its_first_message_and_the_end_of_the_last_may_be_lost() {
        let mut pair = Pair::new();
        pair.send("same", None);
        pair.send("lost", None);
        pair.ledger.entered(A, B);
        pair.ledger.entered(B, A);
        ["same", "2", "same", "4"].into_iter().for_each(|text| pair.send(text, None));
        assert!(["same", "2", "same"].into_iter().all(|text| pair.hear(text, None)));
        assert_eq!(pair.ledger.missing(A, B, 100, &pair.hearer), 1);
        pair.ledger.entered(A, B);
        pair.ledger.entered(B, A);
        ["first", "second"].into_iter().for_each(|text| pair.send(text, None));
        assert!(!pair.hear("second", None), "the first of a relation is not lost");
    }

    #[test]
    fn shouts_to_groups_that_one_is_not_in_need_not_be_heard() {
        let mut pair = Pair::new();
        pair.send("1", Some("g"));
        pair.hearer.join(pair.now + 1, &"g".into());
        pair.now += 1;
        pair.send("2", Some("g"));
        pair.send("3", None);
        assert!(pair.hear("2", Some("g")) && pair.hear("3", None));
        pair.send("4", Some("g"));
        pair.send("5", None);
        assert!(!pair.hear("5", None), "it was in the group all the time");
    }
}
