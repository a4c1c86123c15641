//! Who has sent what to whom, and how much of it was heard.

use super::{Life, Wrong, view::View};
use std::collections::{BTreeMap, VecDeque};

/// Sender and receiver.
type Pair = (Life, Life);

/// A message that was taken for sending.
#[derive(Debug)]
struct Sent {
    number: u64,
    tick: u64,
    /// How often the receiver had entered, as its sender saw it.
    relation: u32,
    group: Option<&'static str>,
    /// Somebody came or went while it was sent, so it may be for another relation than its sender knew, or for none.
    unsure: bool,
}

impl Sent {
    fn must_be_heard(&self, hearer: &View) -> bool {
        !self.unsure && self.group.is_none_or(|group| hearer.is_in_since(group, self.tick))
    }
}

/// All messages from one node to another that may still be heard.
#[derive(Debug)]
struct Line {
    sent: VecDeque<Sent>,
    /// How often the receiver has entered, as the sender sees it.
    relation: u32,
    /// Nothing has been heard since the sender entered at the receiver's.
    fresh: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self { sent: VecDeque::new(), relation: 0, fresh: true }
    }
}

impl Line {
    fn heard(&mut self, number: u64, group: Option<&str>, hearer: &View) -> Result<(), Wrong> {
        let Some(place) = self.sent.iter().position(|sent| sent.number == number) else {
            return Err(format!("message {number} was not sent to this node, or comes twice, or after a later one"));
        };
        let left_out: Vec<_> = self.sent.drain(..place).filter(|sent| sent.must_be_heard(hearer)).collect();
        let Some(found) = self.sent.pop_front() else { return Ok(()) };
        // What was under way when an earlier relation ended is lost with it.
        let of_old = |sent: &Sent| self.fresh && (sent.relation < found.relation || found.unsure);
        let lost: Vec<_> = left_out.iter().filter(|sent| !of_old(sent)).map(|sent| sent.number).collect();
        self.fresh = false;
        if found.group != group {
            return Err(format!("message {number} was sent to {:?}, and comes to {group:?}", found.group));
        }
        match lost[..] {
            [] => Ok(()),
            [one] => Err(format!("message {number} comes, and {one}, which was sent before it, has not come")),
            [first, .., last] => {
                let count = lost.len();
                Err(format!("message {number} comes, and {count} before it have not come: {first} to {last}"))
            }
        }
    }
}

/// Lines by sender and receiver.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<Pair, Line>);

impl Lines {
    /// `peer` has entered at `me`: a new relation, both as sender and as receiver.
    pub(super) fn entered(&mut self, me: Life, peer: Life) {
        if let Some(line) = self.0.get_mut(&(me, peer)) {
            line.relation += 1;
        }
        if let Some(line) = self.0.get_mut(&(peer, me)) {
            line.fresh = true;
        }
    }

    pub(super) fn sent(&mut self, pair: Pair, number: u64, tick: u64, group: Option<&'static str>, unsure: bool) {
        let line = self.0.entry(pair).or_default();
        line.sent.push_back(Sent { number, tick, relation: line.relation, group, unsure });
    }

    /// It must be the next of those that were sent, but for shouts to groups that the hearer was not in all the time.
    pub(super) fn heard(&mut self, pair: Pair, number: u64, group: Option<&str>, hearer: &View) -> Result<(), Wrong> {
        self.0.entry(pair).or_default().heard(number, group, hearer)
    }

    /// The first message of the present relation that should have been heard.
    pub(super) fn missing(&self, pair: Pair, hearer: &View) -> Option<u64> {
        let line = self.0.get(&pair)?;
        let due = |sent: &&Sent| sent.relation == line.relation && sent.must_be_heard(hearer);
        line.sent.iter().find(due).map(|sent| sent.number)
    }

    /// Nothing is heard on it any more.
    pub(super) fn forget(&mut self, pair: Pair) {
        self.0.remove(&pair);
    }

    /// This node hears nothing any more.
    pub(super) fn ends(&mut self, to: Life) {
        self.0.retain(|pair, _| pair.1 != to);
    }

    /// Keeps the lines of these senders.
    pub(super) fn retain(&mut self, keep: impl Fn(Life) -> bool) {
        self.0.retain(|pair, _| keep(pair.0));
    }
}
