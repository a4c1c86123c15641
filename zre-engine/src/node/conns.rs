//! The connections of a node, found by ids that cannot be confused.

use crate::{
    Address,
    id::{ConnId, PeerId},
    zmtp,
};
use alloc::vec::Vec;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Ours, to send to this peer.
    Out(PeerId),
    /// A peer's, to receive on; its identity is known after the handshake.
    In(Option<PeerId>),
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) role: Role,
    /// None until an outgoing connection stands.
    pub(super) zmtp: Option<zmtp::Connection>,
    /// The other end.
    pub(super) remote: Address,
    /// Whether its messages are taken: no while the application does not keep up, or while its identity is in doubt.
    pub(super) reading: bool,
    /// It said HELLO.
    pub(super) introduced: bool,
    /// The other end has closed; what came before is still to be taken.
    pub(super) ended: bool,
    /// Only its last octets are still to be written.
    pub(super) closing: bool,
    /// The other end is a node of this implementation (the property `X-ZRE`).
    pub(super) ours: bool,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    conn: Option<Conn>,
}

#[derive(Debug, Default)]
pub(super) struct Conns {
    slots: Vec<Slot>,
    free: Vec<u32>,
    inbound: usize,
}

impl Conns {
    pub(super) fn insert(&mut self, role: Role, remote: Address, zmtp: Option<zmtp::Connection>) -> ConnId {
        let conn =
            Conn { role, zmtp, remote, reading: true, introduced: false, ended: false, closing: false, ours: false };
        self.inbound += usize::from(matches!(role, Role::In(_)));
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.conn = Some(conn);
        ConnId::new(index, slot.generation)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let slot = self.slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation())?;
        let conn = slot.conn.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index() as u32);
        self.inbound -= usize::from(matches!(conn.role, Role::In(_)));
        Some(conn)
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.slots.get(id.index()).filter(|slot| slot.generation == id.generation())?.conn.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation())?.conn.as_mut()
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
            slot.conn.as_ref().map(|conn| (ConnId::new(index as u32, slot.generation), conn))
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing_after_its_index_is_used_again() {
        let mut conns = Conns::default();
        let remote = || "tcp://10.0.0.1:1".parse::<Address>().unwrap();
        let first = conns.insert(Role::In(None), remote(), None);
        assert!(conns.remove(first).is_some());
        let second = conns.insert(Role::In(None), remote(), None);
        assert_eq!(first.index(), second.index());
        assert!(conns.get(first).is_none() && conns.remove(first).is_none());
        assert!(conns.get_mut(second).is_some());
        assert_eq!((conns.inbound(), conns.len()), (1, 1));
    }
}
