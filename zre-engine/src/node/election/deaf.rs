//! Programs that do not understand elections: Pyre drops whoever says ELECT at once, zyre.js at the next message.

use crate::id::PeerId;
use alloc::collections::{BTreeSet, VecDeque};

/// How many are remembered.
const MOST: usize = 1024;

/// Who does not want to hear of elections.
#[derive(Debug, Default)]
pub(super) struct Deaf {
    known: BTreeSet<PeerId>,
    in_order: VecDeque<PeerId>,
}

impl Deaf {
    pub(super) fn insert(&mut self, peer: PeerId) {
        if !self.known.insert(peer) {
            return;
        }
        self.in_order.push_back(peer);
        if self.in_order.len() > MOST
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, peer: PeerId) -> bool {
        self.known.contains(&peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let id = |number: usize| PeerId::from_octets((number as u128).to_be_bytes());
        let mut deaf = Deaf::default();
        (0..=MOST).chain([MOST]).for_each(|number| deaf.insert(id(number)));
        assert!(!deaf.contains(id(0)) && deaf.contains(id(1)) && deaf.contains(id(MOST)));
        assert_eq!((deaf.known.len(), deaf.in_order.len()), (MOST, MOST));
    }
}
