//! Where peers are: who is believed about it, and who holds a place that two claim.
//!
//! Anybody can say in a beacon that a node with a UUID that he made up is where another one is. If we said HELLO there once
//! for each, the node that is there would take us for one that starts anew all the time. So no two connections of ours lead
//! to one place, and who answers there is who says HELLO.

use super::{
    Listener, Node, Phase,
    peer::{Out, Peer, ProbeWhy},
};
use crate::{Address, event::ExitReason, id::PeerId, planted::Planted};
use alloc::vec::Vec;
use core::{
    mem,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// A peer that has not been heard for so long is asked when another is said to be in its place.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many may say that they are at one place, though only one can be: each that says so is compared with all others.
const CROWD: usize = 128;

impl Node {
    /// Where to connect to a peer that says `said` from the address `from`: as it says, where the addresses agree; else its
    /// source address with the port that it says. A node behind address translation, or with several addresses, says a
    /// wrong one; one that lies would have us connect anywhere. What is within this machine is for those within it, and
    /// for nodes that are reached so themselves.
    pub(super) fn connect_to(&self, said: &Address, from: &Address) -> Option<Address> {
        let (said_ip, from_ip) = (said.ip(), from.ip());
        let Some(port) = said.port() else {
            return Some(said.clone()).filter(|_| self.has_transport_of(said) && self.is_here(from_ip));
        };
        let trusted = self.config.trust_advertised && self.is_place_for(said, from_ip);
        match from_ip {
            Some(from_ip) if said_ip != Some(from_ip) && !trusted => Some(SocketAddr::new(from_ip, port).into()),
            _ => Some(said.clone()),
        }
    }

    /// Whether we are reached by the same means: others know nothing of what is within this machine, or this process.
    pub(super) fn has_transport_of(&self, at: &Address) -> bool {
        let same = |mailbox: &Listener| mem::discriminant(&mailbox.at) == mem::discriminant(at);
        at.port().is_some() || self.mailboxes().any(same)
    }

    /// Whether somebody at `teller` may have us connect there: not to many hosts at once, nor, from another host, to
    /// programs on our own.
    pub(super) fn is_place_for(&self, at: &Address, teller: Option<IpAddr>) -> bool {
        at.ip().is_none_or(|ip| is_host(ip) && (!ip.to_canonical().is_loopback() || self.is_here(teller)))
    }

    /// Another peer whose connection of ours leads where we would connect to this one.
    pub(super) fn holder_of_place(&self, id: PeerId) -> Option<PeerId> {
        if self.planted(Planted::ConnectTwice) {
            return None;
        }
        let endpoint = self.peers.get(&id)?.endpoint();
        let holds = |other: &PeerId| self.peers.get(other).is_some_and(|peer| peer.out.conn().is_some());
        self.peers.at(endpoint).find(|other| *other != id && holds(other))
    }

    /// Whether somebody is thought to be there, now that a beacon names the place. A ready peer that has been quiet is asked,
    /// so that one which is gone is noticed.
    pub(super) fn is_taken(&mut self, at: &Address) -> bool {
        if self.planted(Planted::ConnectTwice) {
            return false;
        }
        let Some(holder) = self.peers.at(at).next() else { return false };
        let (now, patience) = (self.now, self.config.evasive.min(PATIENCE));
        if let Some(peer) = self.peers.get_mut(&holder).filter(|peer| peer.ready)
            && now >= peer.quiet.heard + patience
            && peer.suspected.is_none_or(|at| now >= at + patience)
        {
            peer.suspected = Some(now);
            self.ping(holder);
        }
        if self.peers.get(&holder).is_some_and(|peer| !peer.ready) {
            // Somebody is there, whoever it is.
            self.retry_soon(holder);
        }
        true
    }

    /// Whether more say that they are at a place than can be.
    pub(super) fn is_crowded(&self, endpoint: &Address) -> bool {
        self.peers.at(endpoint).nth(CROWD).is_some()
    }

    /// A peer that has said HELLO is at a place where others were thought to be. A stranger there was this peer all along.
    /// A ready one is asked whether it still lives, and until then keeps its place.
    pub(super) fn claim_place(&mut self, newcomer: PeerId, endpoint: &Address) {
        let others: Vec<_> = self.peers.at(endpoint).filter(|id| *id != newcomer).collect();
        for id in others {
            match self.peers.get(&id) {
                Some(peer) if peer.ready && peer.inbound.is_none() => self.exit(id, ExitReason::Replaced, 0),
                Some(peer) if peer.ready && peer.out.conn().is_some() => self.probe(id, ProbeWhy::Replaced),
                // It waits for the place, or has failed there.
                Some(peer) if peer.ready => {}
                _ => self.adopt(newcomer, id),
            }
        }
    }

    /// Our connection to a stranger turns out to lead to this peer.
    fn adopt(&mut self, id: PeerId, stranger: PeerId) {
        let free = self.peers.get(&id).is_some_and(|peer| peer.out.conn().is_none());
        if let Some(found) = self.peers.get_mut(&stranger).filter(|_| free)
            && let Some(conn) = found.out.conn()
        {
            let until = self.now;
            let out = mem::replace(&mut found.out, Out::Waiting { until });
            let (next_out, ours, held) = (found.next_out, found.ours, mem::take(&mut found.held));
            self.conns.reassign(conn, id);
            if let Some(peer) = self.peers.get_mut(&id) {
                (peer.out, peer.next_out) = (out, next_out);
                let later = mem::replace(&mut peer.held, held);
                peer.held.append(later);
                peer.is_ours(ours);
            }
        }
        self.sought_is(stranger, id);
        self.forget(stranger);
    }

    /// A peer has shown that it lives where another says that it is: the other cannot be there.
    pub(super) fn keep_place(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.out.conn().is_some()) else { return };
        let others = self.peers.at(peer.endpoint()).filter(|other| *other != id);
        let waits = |peer: &Peer| peer.ready && peer.out.conn().is_none() && peer.ending.is_none();
        let liars: Vec<_> = others.filter(|other| self.peers.get(other).is_some_and(waits)).collect();
        for liar in liars {
            self.exit(liar, ExitReason::Unreachable, 0);
        }
    }

    /// Nobody holds a place any more: whoever waited for it connects.
    pub(super) fn leave_place(&mut self, endpoint: &Address) {
        if self.phase != Phase::Running {
            return;
        }
        let waits = |id: &PeerId| {
            self.peers.get(id).is_some_and(|peer| {
                peer.ready && peer.ending.is_none() && peer.attempts == 0 && matches!(peer.out, Out::Waiting { .. })
            })
        };
        let next = self.peers.at(endpoint).find(waits);
        next.into_iter().for_each(|next| self.connect(next));
    }
}

/// Whether an address can be that of one host.
pub(super) fn is_host(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast() || ip.octets() == [127, 255, 255, 255]);
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}
