//! The peers of a node, found by their UUIDs, by where we connect to, and counted by host.

use super::{by_id::ById, peer::Peer};
use crate::{Address, id::PeerId};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
};
use core::net::IpAddr;

/// The peers of a node, found by UUID and by where we connect to.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_id: ById<Peer>,
    by_place: BTreeSet<(u64, PeerId)>,
    /// How many are at each host.
    of_host: BTreeMap<Option<IpAddr>, usize>,
}

impl Peers {
    pub(super) fn insert(&mut self, id: PeerId, peer: Peer) {
        self.remove(&id);
        self.count_in(peer.endpoint().ip());
        self.by_place.insert((place(peer.endpoint()), id));
        self.by_id.insert(id, peer);
    }

    pub(super) fn remove(&mut self, id: &PeerId) -> Option<Box<Peer>> {
        let peer = self.by_id.remove(id)?;
        self.by_place.remove(&(place(peer.endpoint()), *id));
        self.count_out(peer.endpoint().ip());
        Some(peer)
    }

    fn count_in(&mut self, host: Option<IpAddr>) {
        *self.of_host.entry(host).or_default() += 1;
    }

    fn count_out(&mut self, host: Option<IpAddr>) {
        if let Some(count) = self.of_host.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.of_host.remove(&host);
            }
        }
    }

    /// How many are at a host.
    pub(super) fn at_host(&self, host: Option<IpAddr>) -> usize {
        self.of_host.get(&host).copied().unwrap_or(0)
    }

    /// From now on we connect to a peer there.
    pub(super) fn relocate(&mut self, id: PeerId, endpoint: Address) {
        let Some(peer) = self.by_id.get_mut(&id) else { return };
        self.by_place.remove(&(place(peer.endpoint()), id));
        self.by_place.insert((place(&endpoint), id));
        let (from, to) = (peer.endpoint().ip(), endpoint.ip());
        peer.move_to(endpoint);
        self.count_out(from);
        self.count_in(to);
    }

    /// Who is connected to there, in the order of their UUIDs.
    pub(super) fn at(&self, endpoint: &Address) -> impl Iterator<Item = PeerId> {
        let place = place(endpoint);
        let (first, last) = (PeerId::from_octets([0; 16]), PeerId::from_octets([0xFF; 16]));
        let near = self.by_place.range((place, first)..=(place, last)).map(|(_, id)| *id);
        near.filter(move |id| self.by_id.get(id).is_some_and(|peer| peer.endpoint() == endpoint))
    }

    pub(super) fn get(&self, id: &PeerId) -> Option<&Peer> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.by_id.get_mut(id)
    }

    /// All of them, in the order of their UUIDs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.by_id.iter()
    }

    /// All UUIDs in their order, from this one on and then from the first.
    pub(super) fn from(&self, id: PeerId) -> impl Iterator<Item = PeerId> {
        self.by_id.from(id)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A number for an endpoint, which takes less room in an index: its own for IPv4, one that it may share for others.
pub(super) fn place(endpoint: &Address) -> u64 {
    /// FNV-1a, 64 bits.
    fn hash(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3))
    }
    match endpoint {
        Address::Tcp(at) => match at.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()) << 16 | u64::from(at.port()),
            IpAddr::V6(ip) => {
                let bits = ip.to_bits();
                ((bits >> 64) as u64 ^ bits as u64).rotate_left(16) ^ u64::from(at.port())
            }
        },
        Address::Name { host, port } => hash(host) ^ u64::from(*port),
        Address::Ipc(name) | Address::Inproc(name) => hash(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::peer::Stranger, *};
    use crate::time::Instant;
    use proptest::{collection::vec, prelude::*};
    use std::vec::Vec;

    proptest! {
        #[test]
        fn who_is_at_an_endpoint_is_what_a_look_at_all_peers_finds(steps in vec((0u8..3, 0u8..6, 0usize..7), 0..60)) {
            let endpoints = ["tcp://10.0.0.1:1", "tcp://10.0.0.1:2", "tcp://[::1]:1", "tcp://[0:0:0:1::]:1", "tcp://host:1", "ipc:///a", "inproc://a"];
            let endpoints = endpoints.map(|text| text.parse::<Address>().unwrap());
            let mut peers = Peers::default();
            for (step, number, endpoint) in steps {
                let (id, endpoint) = (PeerId::from_octets([number; 16]), endpoints[endpoint].clone());
                match step {
                    0 => peers.insert(id, Peer::new(endpoint, &Stranger::default(), Instant::ZERO, 1000)),
                    1 => peers.relocate(id, endpoint),
                    _ => drop(peers.remove(&id)),
                }
                for endpoint in &endpoints {
                    let there = |(id, peer): (PeerId, &Peer)| (peer.endpoint() == endpoint).then_some(id);
                    let found: Vec<_> = peers.iter().filter_map(there).collect();
                    prop_assert_eq!(peers.at(endpoint).collect::<Vec<_>>(), found);
                }
                prop_assert_eq!(peers.by_place.len(), peers.len());
                for host in endpoints.iter().map(Address::ip) {
                    let there = peers.iter().filter(|(_, peer)| peer.endpoint().ip() == host).count();
                    prop_assert_eq!(peers.at_host(host), there);
                }
            }
        }
    }
}
