//! Whose connection a peer is heard on (RFC 23, "The Identity Property"): the newest of the same host; and one from
//! another host only when the peer that is there does not answer any more.

use super::{Node, conns::Conn, grumble::complain, life::READ_OUT, peer::ProbeWhy};
use crate::{
    error::{CloseReason, Violation},
    event::Event,
    id::{ConnId, PeerId},
    log::log,
    planted::Planted,
    time::Instant,
};
use core::time::Duration;
use zre_proto::limits::IDENTITY_LEN;

/// How long after a peer had to prove itself it need not again: its rival waits.
const CONTEST_AGAIN: Duration = Duration::from_secs(1);
/// A peer whose last beacon came from its own address within this time lives: no three are lost in a row.
const BEACONS: Duration = Duration::from_secs(3);
/// How long that alone puts off the end of a contest: what was said on a connection may be held up for a while, but the
/// beacons of a program can outlive the rest of it.
const CONTEST_MOST: Duration = Duration::from_secs(10);
/// A peer that has said something within this time lives.
const WORD: Duration = Duration::from_secs(1);
/// How long a rival that has won is listened to before it takes the place: if it has hung up, that shows.
const GRACE: Duration = Duration::from_millis(50);

impl Node {
    /// The handshake of an inbound connection has told whose it is.
    pub(super) fn identified(&mut self, id: ConnId, identity: &[u8]) {
        let octets: Option<[u8; 16]> = identity.get(1..).and_then(|uuid| uuid.try_into().ok());
        let Some(peer_id) = octets.filter(|_| identity.len() == IDENTITY_LEN).map(PeerId::from_octets) else {
            return self.violation(id, Violation::Identity { found: identity.len() });
        };
        if peer_id == self.me.id && !self.planted(Planted::HearOneself) {
            return self.close(id, CloseReason::IdentityConflict);
        }
        self.conns.identify(id, peer_id);
        let Some(conn) = self.conns.get(id) else { return };
        let from = conn.remote.ip();
        let (ours, number) = (conn.ours, conn.number);
        self.set_timer(id, Some(self.now + self.config.handshake));
        self.supersede_visitor(id, peer_id);
        let Some(peer) = self.peers.get_mut(&peer_id) else { return self.set_reading(id, !self.throttled) };
        if peer.ready && peer.home != from && !self.config.has(Planted::BelieveClaims) {
            // Two from different addresses: the one that is there proves itself, or the other takes its place.
            return self.contend(peer_id, id);
        }
        let old = peer.inbound.filter(|_| peer.ready);
        peer.is_ours(ours);
        if old.and_then(|old| self.conns.get(old)).is_some_and(|old| old.number > number) {
            // Held up on its way, while its peer gave it up and connected anew: what is on it is of the past.
            return self.close(id, CloseReason::Superseded);
        }
        if peer.ready {
            // libzmq resumes without a HELLO.
            self.set_timer(id, None);
        }
        let unread = old.and_then(|old| self.conns.get(old)).is_some_and(|old| !old.reading);
        if unread {
            return self.will_succeed(peer_id, id);
        }
        self.take_inbound(peer_id, id);
    }

    /// What lies in the older connection of a peer, here or in the system's hands, comes before anything on this one.
    pub(super) fn will_succeed(&mut self, peer_id: PeerId, id: ConnId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let older = peer.successor.replace((id, self.now + READ_OUT)).filter(|(older, _)| *older != id);
        self.admission.is_no_caller(id);
        self.set_timer(id, None);
        self.set_reading(id, false);
        if let Some((older, _)) = older {
            self.close(older, CloseReason::Superseded);
        }
    }

    /// Whoever waits at the door has connected anew: only the newer connection counts.
    fn supersede_visitor(&mut self, id: ConnId, peer: PeerId) {
        let host = self.conns.get(id).and_then(|conn| conn.remote.ip());
        let waits = |conn: &Conn| conn.visitor.is_some() && conn.remote.ip() == host;
        let older = self.conns.claimed_by(peer).find(|older| self.conns.get(*older).is_some_and(waits));
        if let Some(older) = older {
            self.close(older, CloseReason::Superseded);
        }
    }

    /// The newer connection of a peer takes the place of the one that has been read.
    pub(super) fn succeed(&mut self, peer_id: PeerId, id: ConnId) {
        if let Some(peer) = self.peers.get_mut(&peer_id) {
            peer.successor = None;
        }
        self.take_inbound(peer_id, id);
        self.resume(id);
    }

    /// Makes `id` the connection that a peer is heard on.
    pub(super) fn take_inbound(&mut self, peer_id: PeerId, id: ConnId) {
        let old = self.peers.get(&peer_id).and_then(|peer| peer.inbound).filter(|old| *old != id);
        if let Some(conn) = old.and_then(|old| self.conns.get_mut(old)) {
            // What has come on the old one comes before anything on the new one, whether the application keeps up or
            // not.
            conn.reading = true;
            old.into_iter().for_each(|old| self.resume(old));
            if self.conns.get(id).is_none_or(|conn| conn.closing) {
                // What came on the old one has decided against the new one.
                return;
            }
        }
        let home = self.conns.get(id).and_then(|conn| conn.remote.ip());
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let old = peer.inbound.replace(id).filter(|old| *old != id);
        peer.home = home;
        if peer.orphaned.take().is_some() || old.is_some() {
            peer.forget_pings();
        }
        peer.contest_lost = false;
        let (ready, contender) = (peer.ready, peer.contender.take().filter(|contender| *contender != id));
        if ready {
            self.admission.is_no_caller(id);
            self.set_timer(id, None);
        }
        self.end_probe(peer_id, ProbeWhy::Contended);
        if let Some(contender) = contender {
            // The one that was there has come back.
            self.close(contender, CloseReason::IdentityConflict);
        }
        if let Some(old) = old {
            log!(debug, "peer {peer_id}: connection {id} takes over from {old}");
            self.close(old, CloseReason::Superseded);
        }
        self.set_reading(id, !self.throttled);
    }

    /// A connection from another address claims a live peer's identity: it waits while the peer is asked.
    fn contend(&mut self, peer_id: PeerId, id: ConnId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let older = peer.contender.replace(id);
        peer.contest_lost = false;
        self.statistics.identity_conflicts += 1;
        self.set_reading(id, false);
        if let Some(older) = older {
            self.close(older, CloseReason::Superseded);
        }
        self.serve_contest(peer_id);
        self.schedule_peer(peer_id);
    }

    /// When a peer that somebody claims to be is asked to prove itself, if it is not being asked already.
    pub(super) fn next_contest(&self, peer: &super::peer::Peer) -> Option<Instant> {
        let free = peer.contender.is_some() && peer.probe.is_none();
        free.then(|| peer.contested.map_or(self.now, |last| last + CONTEST_AGAIN))
    }

    /// Begins a contest that is due. The application hears of each.
    pub(super) fn serve_contest(&mut self, peer_id: PeerId) {
        let now = self.now;
        let due = self.peers.get(&peer_id).and_then(|peer| self.next_contest(peer)).is_some_and(|at| now >= at);
        let Some(peer) = self.peers.get_mut(&peer_id).filter(|_| due) else { return };
        (peer.contested, peer.contest_lost) = (Some(now), false);
        let rival = self.peers.get(&peer_id).and_then(|peer| peer.contender).and_then(|rival| self.conns.get(rival));
        let rival = rival.and_then(|rival| rival.remote.ip());
        if let Some(rival) = rival {
            complain!(self, "{rival} claims to be peer {peer_id}, which is at another address: it is asked");
        }
        self.emit(Event::IdentityConflict { peer: peer_id });
        self.probe(peer_id, ProbeWhy::Contended);
    }

    /// The peer has answered: it has proved itself.
    pub(super) fn win_contest(&mut self, peer_id: PeerId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if peer.probe.is_none_or(|probe| probe.why != ProbeWhy::Contended) {
            return;
        }
        (peer.probe, peer.contest_lost) = (None, false);
        if let Some(contender) = peer.contender.take() {
            self.close(contender, CloseReason::IdentityConflict);
        }
    }

    /// The peer has not answered in time. It keeps its place a while longer if something else shows that it lives.
    pub(super) fn end_contest(&mut self, peer_id: PeerId) {
        let (now, evasive) = (self.now, self.config.evasive);
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let Some(probe) = peer.probe.as_mut() else { return };
        let (begun, heard) = (peer.contested.unwrap_or(now), peer.quiet.heard);
        // One whose connection is broken has nothing on its way to us.
        let beacons = peer.inbound.is_some() && peer.quiet.beacon.is_some_and(|at| at > now - BEACONS);
        // Who is held back by its own application does not read our PING; but it says PING itself.
        let lives = beacons && (now < begun + CONTEST_MOST || heard > now - evasive);
        if heard > now - WORD || lives {
            probe.until = now + WORD;
            if core::mem::take(&mut peer.contest_lost)
                && let Some(contender) = peer.contender
            {
                self.set_reading(contender, false);
            }
            return;
        }
        let Some(contender) = peer.contender else {
            (peer.probe, peer.contest_lost) = (None, false);
            return;
        };
        if !peer.contest_lost {
            peer.contest_lost = true;
            probe.until = now + GRACE;
            self.set_reading(contender, true);
            return self.resume(contender);
        }
        self.take_inbound(peer_id, contender);
        self.resume(contender);
    }

    /// A rival that has won goes on where the peer was: so it is the peer, at another address.
    pub(super) fn prove_claim(&mut self, peer_id: PeerId, id: ConnId, sequence: u16) {
        let proves =
            |peer: &super::peer::Peer| peer.contender == Some(id) && peer.contest_lost && peer.is_next(sequence);
        if self.peers.get(&peer_id).is_some_and(proves) {
            self.take_inbound(peer_id, id);
        }
    }
}
