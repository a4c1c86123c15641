//! The polite end.
//!
//! Stock programs forget a node as soon as its last beacon says so, with whatever is still under way to them. So before
//! that beacon each peer that was sent something says, by a PING-OK, that it has read it, or `linger` passes.

use super::{
    Node, Phase,
    peer::{Out, Peer},
    timers::{Clock, Timer},
};
use crate::{
    error::CloseReason,
    event::{Event, ExitReason},
    id::PeerId,
    log::log,
    time::Instant,
    zmtp::Connection,
};
use alloc::vec::Vec;
use zre_proto::message::Body;

impl Node {
    /// Leaves: no new peers from now on; what is queued still goes out, for at most `linger`; then peers are told,
    /// connections close, and [`Event::Stop`] comes last. Stopping twice is no error.
    pub fn stop(&mut self, now: Instant) {
        // Going back in time cannot keep a node alive.
        let _ = self.tick(now);
        match self.phase {
            Phase::New => return self.finish_stop(),
            Phase::Stopping | Phase::Stopped => return,
            Phase::Running => self.phase = Phase::Stopping,
        }
        log!(debug, "node stops");
        self.sought.clear();
        self.schedule_seeks();
        // Set once, and never moved.
        self.timers.set(&mut Clock::default(), Timer::Linger, Some(self.now + self.config.linger), self.now);
        let strangers: Vec<_> = self.peers.iter().filter(|(_, peer)| !peer.ready).map(|(id, _)| id).collect();
        for id in strangers {
            self.forget(id);
        }
        let ready: Vec<_> = self.peers().collect();
        for id in ready {
            let owed = self.peers.get(&id).is_some_and(Peer::is_unconfirmed) || self.load(id) > 0;
            if owed {
                self.ping(id);
            }
        }
        self.check_all_drained();
    }

    /// Ends the node once every peer has said that it read everything.
    pub(super) fn check_all_drained(&mut self) {
        let owed = |id: PeerId| {
            let peer = self.peers.get(&id);
            // Whoever we cannot reach now will not be reached in time.
            let reachable = peer.is_some_and(|peer| matches!(peer.out, Out::Open { .. } | Out::Connecting { .. }));
            reachable && (self.load(id) > 0 || peer.is_some_and(Peer::is_unconfirmed))
        };
        // This is asked for each octet written and each PING-OK. So whoever was found owed last time is asked first, and
        // the search goes on from there: one round in all, not one for each time.
        let from = self.waited_for.unwrap_or(PeerId::from_octets([0; 16]));
        let found = self.peers.from(from).find(|id| owed(*id));
        self.waited_for = found;
        if found.is_none() {
            self.finish_stop();
        }
    }

    /// Says good-bye, whoever has not answered.
    pub(super) fn finish_stop(&mut self) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.phase = Phase::Stopped;
        let peers: Vec<_> = self.peers.iter().map(|(id, _)| id).collect();
        for id in &peers {
            self.part(*id);
        }
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            self.announce(link, true);
        }
        self.tell_of_me(true);
        self.timers.clear();
        self.peers.clear();
        self.admission.clear();
        self.sought.clear();
        self.gossip.clear();
        self.elections.clear();
        self.full.clear();
        self.members.clear();
        let rest: Vec<_> = self.conns.iter().map(|(id, _)| id).collect();
        for id in rest {
            self.close_politely(id, CloseReason::Stopped);
        }
        self.emit(Event::Stop);
    }

    /// The end of a relation when the node stops. Our connection closes once its octets are written.
    fn part(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.ready) else { return };
        let queued = peer.out.conn().and_then(|conn| self.conns.get(conn)).and_then(|conn| conn.zmtp.as_ref());
        let unsent = queued.map_or(0, Connection::unsent) + peer.held.content();
        let name = peer.name.clone();
        // Programs that do not know GOODBYE drop whoever says it.
        if (peer.extended || self.gossip.knows(id)) && peer.open().is_some() {
            self.send_control(id, &Body::Goodbye);
        }
        self.emit(Event::Exit { peer: id, name, reason: ExitReason::Stopped, unsent });
    }
}
