//! Discovery by beacon: our own, on every link, and those of others (RFC 36, "Beacon").

use super::{Link, Node, Phase, peer::Out, timers::Timer};
use crate::{
    Address,
    action::Action,
    error::InputError,
    id::{LinkId, ListenerId, PeerId},
    log::log,
    planted::Planted,
};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use zre_proto::Beacon;

/// An attempt to connect that is older than this is given up when a beacon shows a peer alive.
const STALE_ATTEMPT: Duration = Duration::from_secs(1);

impl Node {
    pub(super) fn link_up(&mut self, link: LinkId, address: IpAddr, mailbox: ListenerId) -> Result<(), InputError> {
        if !self.listeners.contains_key(&mailbox) {
            return Err(InputError::UnknownListener);
        }
        let clock = self.links.remove(&link).map(|old| old.clock).unwrap_or_default();
        self.links.insert(link, Link { address, mailbox, clock });
        if self.phase == Phase::Running && !self.planted(Planted::NoBeaconAfterLinkUp) {
            self.beacon(link);
        }
        Ok(())
    }

    pub(super) fn link_down(&mut self, link: LinkId) -> Result<(), InputError> {
        let mut gone = self.links.remove(&link).ok_or(InputError::UnknownLink)?;
        self.timers.set(&mut gone.clock, Timer::Beacon(link), None, self.now);
        Ok(())
    }

    /// Announces the node on a link, and sees to the next time.
    pub(super) fn beacon(&mut self, link: LinkId) {
        self.announce(link, false);
        let Some(Link { clock, .. }) = self.links.get_mut(&link) else { return };
        self.timers.set(clock, Timer::Beacon(link), Some(self.now + self.config.interval), self.now);
    }

    /// Sends one beacon on a link: with the mailbox's port, or with 0 for a node that leaves.
    pub(super) fn announce(&mut self, link: LinkId, leaving: bool) {
        let Some(&Link { address, mailbox, .. }) = self.links.get(&link) else { return };
        let port = if leaving { Some(0) } else { self.endpoint_on(address, Some(mailbox)).and_then(|at| at.port()) };
        let Some(port) = port else { return };
        let beacon = Beacon { uuid: self.me.id.into(), port, public_key: None };
        self.statistics.beacons_sent += 1;
        self.actions.push_back(Action::Broadcast { link, data: beacon.encode() });
    }

    pub(super) fn datagram(&mut self, link: LinkId, from: SocketAddr, data: &[u8]) -> Result<(), InputError> {
        if !self.links.contains_key(&link) {
            return Err(InputError::UnknownLink);
        }
        let beacon = match Beacon::decode(data) {
            Ok(beacon) => beacon,
            Err(error) => {
                log!(debug, "a datagram from {from} is no beacon: {error}");
                self.statistics.reject_beacon("malformed");
                return Ok(());
            }
        };
        if self.uuid_is_mine(beacon.uuid) {
            return Ok(());
        }
        if beacon.public_key.is_some() {
            // A node with CURVE meets only nodes with CURVE.
            self.statistics.reject_beacon("secure");
            return Ok(());
        }
        if !is_host(from.ip()) {
            self.statistics.reject_beacon("source");
            return Ok(());
        }
        self.statistics.beacons_received += 1;
        let id = PeerId::from(beacon.uuid);
        if beacon.port == 0 {
            self.beacon_of_leaving(id, from.ip());
        } else {
            self.beacon_of(id, Address::Tcp(SocketAddr::new(from.ip(), beacon.port)));
        }
        Ok(())
    }

    fn beacon_of(&mut self, id: PeerId, endpoint: Address) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else {
            if self.phase != Phase::Running || self.is_own(&endpoint) {
                return;
            }
            if self.peers.len() >= self.config.limits.peers {
                self.statistics.reject_beacon("too many peers");
                return;
            }
            log!(debug, "peer {id}: first beacon, from {endpoint}");
            self.introduce(id, endpoint);
            self.connect(id);
            return;
        };
        peer.quiet.beacon = Some(now);
        // The peer is alive: what fails to reach it is tried anew, and where it says it is now.
        let stuck = peer.ending.is_none()
            && match peer.out {
                Out::Waiting { .. } => true,
                Out::Connecting { since, .. } => now.since(since) > STALE_ATTEMPT,
                Out::Open { .. } => false,
            };
        if stuck && self.phase == Phase::Running {
            peer.attempts = 0;
            self.peers.relocate(id, endpoint);
            self.reconnect(id);
        }
    }

    /// A beacon with port 0. Anybody can send one, so it is believed only from the peer's own address, and only if
    /// the peer does not contradict.
    fn beacon_of_leaving(&mut self, id: PeerId, from: IpAddr) {
        let Some(peer) = self.peers.get(&id) else { return };
        if peer.endpoint().ip() != Some(from) {
            self.statistics.reject_beacon("not the peer's address");
            return;
        }
        if peer.ready {
            self.peer_may_leave(id);
        } else {
            self.forget(id);
        }
    }
}

/// Whether an address can be that of one host.
fn is_host(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}
