//! Answers that their receivers have no room for yet.
//!
//! They wait here, each receiver's in their order. Once too much waits, the echo takes no further events: then the node
//! holds back those who send, and TCP carries that on to them. So nothing is lost, and memory stays bounded.

use std::collections::{BTreeMap, VecDeque};
use zre_mio::{Content, PeerId, SendError};

/// How much may wait before no event is taken any more, as [`cost`] counts it.
const MOST: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// None of these is empty.
    held: BTreeMap<PeerId, VecDeque<Content>>,
    load: usize,
}

impl Backlog {
    /// Whether no event is to be taken before [`retry`](Self::retry) has found room.
    pub(super) fn is_full(&self) -> bool {
        self.load >= MOST
    }

    /// Sends an answer, or keeps it until there is room. Whether it went, or will.
    pub(super) fn answer(
        &mut self,
        peer: PeerId,
        content: Content,
        send: &mut impl FnMut(PeerId, Content) -> Result<(), SendError>,
    ) -> bool {
        if !self.held.contains_key(&peer) {
            match send(peer, content.clone()) {
                Err(SendError::Full { .. }) => {}
                // Any other error says that nobody is there any more.
                sent => return sent.is_ok(),
            }
        }
        self.load += cost(&content);
        self.held.entry(peer).or_default().push_back(content);
        true
    }

    /// Sends to a peer as much of what waits for it as it has room for.
    pub(super) fn room(&mut self, peer: PeerId, send: &mut impl FnMut(PeerId, Content) -> Result<(), SendError>) {
        let Some(held) = self.held.get_mut(&peer) else { return };
        while let Some(content) = held.front() {
            match send(peer, content.clone()) {
                Ok(()) => {
                    self.load -= cost(content);
                    held.pop_front();
                }
                Err(SendError::Full { .. }) => return,
                Err(_) => break,
            }
        }
        self.forget(peer);
    }

    /// The same for all peers: while no events are taken, nobody says which one has room.
    pub(super) fn retry(&mut self, send: &mut impl FnMut(PeerId, Content) -> Result<(), SendError>) {
        let peers: Vec<_> = self.held.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.room(peer, send));
    }

    /// A peer is gone.
    pub(super) fn forget(&mut self, peer: PeerId) {
        let held = self.held.remove(&peer).unwrap_or_default();
        self.load -= held.iter().map(cost).sum::<usize>();
    }
}

/// What an answer that waits holds in memory, at least.
fn cost(content: &Content) -> usize {
    const CONTENT: usize = 128;
    const FRAME: usize = 64;
    CONTENT + FRAME * content.len() + content.octets()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId::from_octets([1; 16]);
    const BEN: PeerId = PeerId::from_octets([2; 16]);

    /// What went to whom, and how much of it each may still take.
    #[derive(Default)]
    struct World {
        went: Vec<(PeerId, String)>,
        room: BTreeMap<PeerId, usize>,
    }

    impl World {
        fn send(&mut self) -> impl FnMut(PeerId, Content) -> Result<(), SendError> {
            |peer, content| {
                let room = self.room.get_mut(&peer).ok_or(SendError::UnknownPeer(peer))?;
                *room = room.checked_sub(1).ok_or(SendError::Full { peer })?;
                self.went.push((peer, content.text().into_owned()));
                Ok(())
            }
        }

        fn went_to(&self, peer: PeerId) -> Vec<&str> {
            self.went.iter().filter(|(to, _)| *to == peer).map(|(_, text)| text.as_str()).collect()
        }
    }

    #[test]
    fn what_waits_keeps_its_order_and_holds_up_nobody_else() {
        let (mut world, mut backlog) = (World::default(), Backlog::default());
        world.room = [(ANN, 1), (BEN, 9)].into();
        for text in ["1", "2", "3"] {
            assert!(backlog.answer(ANN, text.into(), &mut world.send()));
            assert!(backlog.answer(BEN, text.into(), &mut world.send()));
        }
        assert_eq!((world.went_to(ANN), world.went_to(BEN)), (vec!["1"], vec!["1", "2", "3"]));
        world.room.insert(ANN, 1);
        // What comes now waits behind what waits.
        backlog.answer(ANN, "4".into(), &mut world.send());
        assert_eq!(world.went_to(ANN), ["1"]);
        backlog.room(ANN, &mut world.send());
        assert_eq!(world.went_to(ANN), ["1", "2"]);
        world.room.insert(ANN, 9);
        backlog.room(ANN, &mut world.send());
        assert_eq!(world.went_to(ANN), ["1", "2", "3", "4"]);
        assert_eq!((backlog.load, backlog.held.len()), (0, 0));
    }

    #[test]
    fn it_is_full_in_time_and_takes_more_once_something_went() {
        let (mut world, mut backlog) = (World::default(), Backlog::default());
        world.room = [(ANN, 0), (BEN, 0)].into();
        let large = || Content::from(vec![0; 1 << 20]);
        let mut taken = 0;
        while !backlog.is_full() {
            backlog.answer(if taken % 2 == 0 { ANN } else { BEN }, large(), &mut world.send());
            taken += 1;
        }
        assert_eq!(taken, 16);
        backlog.retry(&mut world.send());
        assert!(backlog.is_full());
        world.room.insert(BEN, 1);
        backlog.retry(&mut world.send());
        assert!(!backlog.is_full());
        // Small ones count for what they cost, however small.
        (0..100_000).for_each(|_| assert!(backlog.answer(ANN, Content::new(), &mut world.send())));
        assert!(backlog.is_full());
    }

    #[test]
    fn for_those_who_are_gone_nothing_waits() {
        let (mut world, mut backlog) = (World::default(), Backlog::default());
        world.room = [(ANN, 0), (BEN, 0)].into();
        for peer in [ANN, BEN] {
            backlog.answer(peer, "1".into(), &mut world.send());
        }
        backlog.forget(ANN);
        world.room.clear();
        assert!(!backlog.answer(ANN, "2".into(), &mut world.send()));
        backlog.retry(&mut world.send());
        assert_eq!((backlog.load, backlog.held.len(), world.went.len()), (0, 0, 0));
    }
}
