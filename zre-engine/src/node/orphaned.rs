//! Peers whose own connection is gone, though ours to them is not broken. Such a one may come back and go on where it was:
//! libzmq does. It has `evasive` for that; less where nobody listens any more at the place that it named.

use super::{Node, peer::Peer};
use crate::{event::ExitReason, id::PeerId, time::Instant};
use core::time::Duration;

/// How long a peer has where nobody listens any more: libzmq takes up to 200 ms to connect again.
const BACK: Duration = Duration::from_millis(250);
/// A peer whose connection breaks again within this time is not called for that each time.
const BREAKS_OFTEN: Duration = Duration::from_secs(1);

/// Since a peer's connection is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orphaned {
    since: Instant,
    /// Nobody listens where it is, either: until when it may come back then.
    refused: Option<Instant>,
}

impl Peer {
    /// That nobody listens where it is is not so, or not known, any more.
    pub(super) fn may_be_there(&mut self) {
        self.orphaned.iter_mut().for_each(|orphaned| orphaned.refused = None);
    }
}

impl Node {
    /// The connection of a ready peer is gone. If ours does not stand, it is tried soon whether there is anybody.
    pub(super) fn orphan(&mut self, id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let often = peer.broke.is_some_and(|broke| now.since(broke) < BREAKS_OFTEN);
        (peer.orphaned, peer.broke) = (Some(Orphaned { since: now, refused: None }), Some(now));
        self.ping(id);
        if !often {
            self.hasten(id);
        }
        self.schedule_peer(id);
    }

    /// Nobody listens where we connect to a peer. It counts where the peer has named that host itself.
    pub(super) fn refused(&mut self, id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let there = peer.named == peer.endpoint().ip();
        if let Some(orphaned) = peer.orphaned.as_mut().filter(|_| there) {
            orphaned.refused.get_or_insert(now.max(orphaned.since + BACK));
            self.schedule_peer(id);
        }
    }

    /// Until when a peer whose connection is gone may come back. Whoever else claims to be it gets no place sooner than
    /// otherwise.
    pub(super) fn back_by(&self, peer: &Peer) -> Option<Instant> {
        let orphaned = peer.orphaned?;
        let at_last = orphaned.since + self.config.evasive;
        let gone = orphaned.refused.filter(|_| peer.contender.is_none());
        Some(gone.map_or(at_last, |until| until.min(at_last)))
    }

    /// The end of a peer's time to come back, if that is now. Whether the peer is there still.
    pub(super) fn serve_orphaned(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.peers.get(&id) else { return false };
        let is_over = self.back_by(peer).is_some_and(|until| self.now >= until);
        if !is_over || self.may_be_calling(id) {
            return true;
        }
        // Whoever claims to be it comes from another address, and nobody speaks against it.
        let contender = self.peers.get(&id).and_then(|peer| peer.contender);
        let Some(contender) = contender else {
            self.exit(id, ExitReason::Lost, 0);
            return false;
        };
        self.take_inbound(id, contender);
        self.resume(contender);
        true
    }

    /// Whether somebody calls from where a peer was: it may be the peer. Then it has some time more.
    fn may_be_calling(&mut self, id: PeerId) -> bool {
        let at_last = self.now - self.config.evasive;
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let Some(orphaned) = peer.orphaned.as_mut().filter(|orphaned| orphaned.since > at_last) else { return false };
        let calls = self.admission.calls_from(peer.home);
        if calls {
            orphaned.refused = Some(self.now + BACK);
        }
        calls
    }
}
