//! Questions to a peer on which something depends: whether it is still there when a beacon says that it leaves, when another
//! node is at its place, when another connection claims its identity.

use super::{
    Node,
    peer::{Probe, ProbeWhy},
};
use crate::{event::ExitReason, id::PeerId, zmtp::Connection};
use core::time::Duration;

impl ProbeWhy {
    /// How long a peer has to answer the PING.
    fn patience(self) -> Duration {
        match self {
            Self::Leaving => Duration::from_millis(250),
            Self::Replaced | Self::Contended => Duration::from_secs(1),
        }
    }
}

impl Node {
    /// A beacon in its name says that a ready peer leaves.
    pub(super) fn peer_may_leave(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        if peer.inbound.is_none() {
            return self.exit(id, ExitReason::Left, 0);
        }
        self.probe(id, ProbeWhy::Leaving);
        // It may be asked for another reason already.
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.leaving = true;
        }
    }

    /// Asks a peer for a sign of life, on which something depends; unless it is being asked already.
    pub(super) fn probe(&mut self, id: PeerId, why: ProbeWhy) {
        if self.peers.get(&id).is_none_or(|peer| peer.probe.is_some()) {
            return;
        }
        let asked = self.ping(id);
        let until = self.now + why.patience();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.probe = Some(Probe { why, until, asked, late: false });
        self.schedule_peer(id);
    }

    /// No answer has come in time. But whoever could not be asked, or takes what goes before the question, cannot have
    /// answered: he has his time when the question is out.
    pub(super) fn serve_probe(&mut self, id: PeerId, probe: Probe) {
        let now = self.now;
        let asked = probe.asked || self.ping(id);
        let Some(peer) = self.peers.get(&id) else { return };
        let queue = peer.out.conn().and_then(|conn| self.conns.get(conn)).and_then(|conn| conn.zmtp.as_ref());
        let under_way =
            queue.is_some_and(Connection::has_output) && now < peer.took + probe.why.patience() && !peer.contest_lost;
        if probe.asked && !under_way && !probe.late {
            return self.probe_failed(id, probe.why);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.probe = Some(Probe { until: now + probe.why.patience(), asked, late: under_way, ..probe });
        }
    }

    /// The question that was asked for this reason, if any, is settled.
    pub(super) fn end_probe(&mut self, id: PeerId, why: ProbeWhy) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.probe.take_if(|probe| probe.why == why);
        }
    }

    fn probe_failed(&mut self, id: PeerId, why: ProbeWhy) {
        match why {
            ProbeWhy::Leaving => self.exit(id, ExitReason::Left, 0),
            ProbeWhy::Replaced => self.exit(id, ExitReason::Replaced, 0),
            ProbeWhy::Contended => self.end_contest(id),
        }
    }
}
