//! The connections of a node, found by ids that cannot be confused.

use super::{admission::Visitor, timers::Clock};
use crate::{
    Address,
    id::{ConnId, PeerId},
    zmtp,
};
use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Ours, to send to this peer.
    Out(PeerId),
    /// A peer's, to receive on; its identity is known after the handshake.
    In(Option<PeerId>),
    /// Ours to a hub, for gossip.
    Hub,
    /// Of somebody who gossips with us as with a hub.
    Client,
}

impl Role {
    /// Whether the other end opened it.
    pub(super) fn is_inbound(self) -> bool {
        matches!(self, Self::In(_) | Self::Client)
    }
}

#[derive(Debug)]
pub(super) struct Conn {
    /// Changed by [`Conns::identify`] only, which keeps the index.
    role: Role,
    /// None until an outgoing connection stands.
    pub(super) zmtp: Option<zmtp::Connection>,
    /// The other end.
    pub(super) remote: Address,
    /// Our own end, where gossip goes on it: whoever hears of us there reaches us by that address.
    pub(super) local: Option<Address>,
    /// Whether its messages are taken: no while the application does not keep up, or while its identity is in doubt.
    pub(super) reading: bool,
    /// How many there were before it.
    pub(super) number: u64,
    /// It said HELLO.
    pub(super) introduced: bool,
    /// How many it said.
    pub(super) hellos: u8,
    /// It said HELLO, and has to wait before that counts.
    pub(super) visitor: Option<Box<Visitor>>,
    /// It was given more time for that, or for the handshake.
    pub(super) patient: bool,
    /// The other end has closed; what came before is still to be taken.
    pub(super) ended: bool,
    /// Only its last octets are still to be written.
    pub(super) closing: bool,
    /// The other end is a node of this implementation (the property `X-ZRE`).
    pub(super) ours: bool,
    pub(super) clock: Clock,
}

impl Conn {
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Whether what it has received is looked at.
    pub(super) fn is_read(&self) -> bool {
        self.reading && !self.closing
    }

    /// The peer that it says it is of.
    pub(super) fn claims(&self) -> Option<PeerId> {
        match self.role {
            Role::In(peer) => peer,
            Role::Out(_) | Role::Hub | Role::Client => None,
        }
    }
}

/// Boxed: the table of a thousand connections grows, and shrinks never.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    conn: Option<Box<Conn>>,
}

#[derive(Debug, Default)]
pub(super) struct Conns {
    slots: Vec<Slot>,
    free: Vec<u32>,
    inbound: usize,
    /// How many there have been.
    made: u64,
    /// Inbound connections by the identity that they claim.
    claims: BTreeSet<(PeerId, ConnId)>,
}

impl Conns {
    pub(super) fn insert(&mut self, role: Role, remote: Address, zmtp: Option<zmtp::Connection>) -> ConnId {
        let conn = Conn {
            role,
            zmtp,
            remote,
            local: None,
            reading: true,
            introduced: false,
            hellos: 0,
            visitor: None,
            patient: false,
            ended: false,
            closing: false,
            ours: false,
            number: self.made,
            clock: Clock::default(),
        };
        self.made += 1;
        self.inbound += usize::from(role.is_inbound());
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.conn = Some(Box::new(conn));
        let id = ConnId::new(index, slot.generation);
        if let Role::In(Some(peer)) = role {
            self.claims.insert((peer, id));
        }
        id
    }

    /// The handshake has told whose inbound connection it is.
    pub(super) fn identify(&mut self, id: ConnId, peer: PeerId) {
        let Some(conn) = self.get_mut(id) else { return };
        let Role::In(old) = conn.role else { return };
        conn.role = Role::In(Some(peer));
        if let Some(old) = old {
            self.claims.remove(&(old, id));
        }
        self.claims.insert((peer, id));
    }

    /// A connection of ours leads to another peer than was thought.
    pub(super) fn reassign(&mut self, id: ConnId, peer: PeerId) {
        if let Some(conn) = self.get_mut(id)
            && matches!(conn.role, Role::Out(_))
        {
            conn.role = Role::Out(peer);
        }
    }

    /// The inbound connections that claim to be a peer's, in the order of their index.
    pub(super) fn claimed_by(&self, peer: PeerId) -> impl Iterator<Item = ConnId> {
        let (first, last) = (ConnId::new(0, 0), ConnId::new(u32::MAX, u32::MAX));
        self.claims.range((peer, first)..=(peer, last)).map(|(_, id)| *id)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Box<Conn>> {
        let slot = self.slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation())?;
        let conn = slot.conn.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index() as u32);
        self.inbound -= usize::from(conn.role.is_inbound());
        if let Role::In(Some(peer)) = conn.role {
            self.claims.remove(&(peer, id));
        }
        Some(conn)
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.slots.get(id.index()).filter(|slot| slot.generation == id.generation())?.conn.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation())?.conn.as_deref_mut()
    }

    /// Inbound connections, with those that are closing.
    pub(super) fn inbound(&self) -> usize {
        self.inbound
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// All of them, in the order of their index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &Conn)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.conn.as_deref().map(|conn| (ConnId::new(index as u32, slot.generation), conn))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn remote() -> Address {
        "tcp://10.0.0.1:1".parse().unwrap()
    }

    #[test]
    fn a_stale_id_finds_nothing_after_its_index_is_used_again() {
        let mut conns = Conns::default();
        let first = conns.insert(Role::In(None), remote(), None);
        assert!(conns.remove(first).is_some());
        let second = conns.insert(Role::In(None), remote(), None);
        assert_eq!(first.index(), second.index());
        assert!(conns.get(first).is_none() && conns.remove(first).is_none());
        assert!(conns.get_mut(second).is_some());
        assert_eq!((conns.inbound(), conns.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn claims_are_what_a_look_at_all_connections_finds(steps in vec((0u8..4, 0usize..12, 0u8..3), 0..80)) {
            let mut conns = Conns::default();
            let mut ids = Vec::new();
            let peer = |number| PeerId::from_octets([number; 16]);
            for (step, which, number) in steps {
                match (step, ids.get(which).copied()) {
                    (1, Some(id)) => conns.identify(id, peer(number)),
                    (2, Some(id)) => drop(conns.remove(id)),
                    (3, _) => ids.push(conns.insert(Role::Out(peer(number)), remote(), None)),
                    _ => ids.push(conns.insert(Role::In(None), remote(), None)),
                }
                for number in 0..3 {
                    let claims = |(id, conn): (ConnId, &Conn)| (conn.role == Role::In(Some(peer(number)))).then_some(id);
                    let found: Vec<_> = conns.iter().filter_map(claims).collect();
                    prop_assert_eq!(conns.claimed_by(peer(number)).collect::<Vec<_>>(), found);
                }
            }
        }
    }
}
