//! Discovery by beacon: our own, on every link, and those of others (RFC 36, "Beacon").

use super::{Link, Node, Phase, grumble::complain, peer::Out, timers::Timer, whereabouts::is_host};
use crate::{
    Address,
    action::Action,
    error::InputError,
    id::{LinkId, ListenerId, PeerId},
    input::ListenerKind,
    log::log,
    planted::Planted,
};
use alloc::boxed::Box;
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use zre_proto::Beacon;

/// An attempt to connect that is older than this is given up when a beacon shows a peer alive somewhere else.
const STALE_ATTEMPT: Duration = Duration::from_secs(1);

impl Node {
    pub(super) fn link_up(&mut self, link: LinkId, address: IpAddr, mailbox: ListenerId) -> Result<(), InputError> {
        if self.listeners.get(&mailbox).is_none_or(|listener| listener.kind != ListenerKind::Mailbox) {
            return Err(InputError::UnknownListener);
        }
        let clock = self.links.remove(&link).map(|old| old.clock).unwrap_or_default();
        self.links.insert(link, Link { address, mailbox, clock });
        if self.phase == Phase::Running && !self.planted(Planted::NoBeaconAfterLinkUp) {
            self.beacon(link);
        }
        if self.phase == Phase::Running {
            self.tell_of_me(false);
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
        self.admission.turn(self.now);
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
        let local = self.links.get(&link).ok_or(InputError::UnknownLink)?.address;
        if let Err(reason) = self.beacon_from(local, from, data) {
            log!(trace, "a datagram from {from} is not heeded: {reason}");
            self.statistics.reject_beacon(reason);
        }
        Ok(())
    }

    /// Heeds a beacon, or says why not.
    fn beacon_from(&mut self, local: IpAddr, from: SocketAddr, data: &[u8]) -> Result<(), &'static str> {
        let beacon = match Beacon::decode(data) {
            Ok(beacon) => beacon,
            Err(error) => {
                complain!(self, "a datagram from {from} is no beacon: {error}");
                return Err("malformed");
            }
        };
        if self.uuid_is_mine(beacon.uuid) {
            return Ok(());
        }
        if beacon.public_key.is_some() {
            // A node with CURVE meets only nodes with CURVE.
            return Err("secure");
        }
        // Nobody else's loopback is ours.
        if !is_host(from.ip()) || (from.ip().is_loopback() && !local.is_loopback()) {
            return Err("source");
        }
        let id = PeerId::from(beacon.uuid);
        let endpoint = Address::Tcp(SocketAddr::new(from.ip(), beacon.port));
        if beacon.port == 0 {
            self.beacon_of_leaving(id, from.ip())?;
        } else if self.peers.get(&id).is_some() {
            self.beacon_of_known(id, from.ip(), endpoint)?;
        } else {
            self.beacon_of_unknown(id, endpoint)?;
        }
        self.statistics.beacons_received += 1;
        Ok(())
    }

    fn beacon_of_unknown(&mut self, id: PeerId, endpoint: Address) -> Result<(), &'static str> {
        if self.phase != Phase::Running {
            return Ok(());
        }
        if self.is_own(&endpoint) {
            return Err("our own endpoint");
        }
        if self.is_taken(&endpoint) {
            // Whoever is there has our HELLO already, or gets it.
            return Err("another peer's endpoint");
        }
        self.admit_stranger(id, &endpoint)?;
        log!(debug, "peer {id}: first beacon, from {endpoint}");
        self.introduce(id, endpoint);
        self.connect(id);
        Ok(())
    }

    fn beacon_of_known(&mut self, id: PeerId, from: IpAddr, endpoint: Address) -> Result<(), &'static str> {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        // Where we connect to it, where it connects from, and what it said itself.
        let own = [peer.endpoint().ip(), peer.home, peer.named];
        if peer.ready && !own.contains(&Some(from)) {
            return Err("not the peer's address");
        }
        peer.quiet.beacon = Some(now);
        peer.may_be_there();
        if peer.ending.is_some() || self.phase != Phase::Running {
            return Ok(());
        }
        // The peer is alive: what fails to reach it is tried anew, and where it says it is now.
        let moved = *peer.endpoint() != endpoint;
        let out = peer.out;
        // Where it has not moved an attempt has longer, for it may be we who are slow: where hundreds of nodes start on one
        // machine, attempts that are begun anew each second come to no end.
        let stale_after = if moved { STALE_ATTEMPT } else { STALE_ATTEMPT.max(self.config.handshake) };
        if matches!(out, Out::Open { .. }) {
            if !peer.ready && peer.endpoint().ip() != Some(from) {
                // One of the two lies. Whoever was met first has his time to say HELLO; then the other has his.
                peer.elsewhere = Some(Box::new(endpoint));
            }
            return Ok(());
        }
        if moved && (self.is_own(&endpoint) || self.is_taken(&endpoint)) {
            return Ok(());
        }
        match out {
            Out::Connecting { since, .. } if now.since(since) > stale_after => {
                self.move_to(id, endpoint);
                self.reconnect(id);
            }
            Out::Waiting { .. } => {
                self.move_to(id, endpoint);
                self.retry_soon(id);
            }
            Out::Connecting { .. } | Out::Open { .. } => {}
        }
        Ok(())
    }

    /// From now on a peer is looked for there.
    fn move_to(&mut self, id: PeerId, endpoint: Address) {
        self.admission.stranger_moved(id, endpoint.ip());
        self.peers.relocate(id, endpoint);
    }

    /// A beacon with port 0. Anybody can send one, so it is believed only from the peer's own address, and only if
    /// the peer does not contradict.
    fn beacon_of_leaving(&mut self, id: PeerId, from: IpAddr) -> Result<(), &'static str> {
        let Some(peer) = self.peers.get(&id) else { return Ok(()) };
        let own = peer.endpoint().ip() == Some(from) || self.planted(Planted::BelievePortZero);
        if !own {
            return Err("not the peer's address");
        }
        if peer.ready {
            self.peer_may_leave(id);
        } else {
            self.forget(id);
        }
        Ok(())
    }
}
