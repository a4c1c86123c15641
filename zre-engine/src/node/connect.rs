//! Connections: attempts and handshakes, and how they end (RFC 23 for the handshake, RFC 36 "Peer-to-peer" for what each
//! connection is for).

use super::{
    Node, Phase,
    conns::{Conn, Role},
    gossip,
    grumble::complain,
    me::Me,
    peer::{Out, Peer, ProbeWhy},
    timers::Timer,
};
use crate::{
    Address,
    action::Action,
    config::Config,
    error::{AcceptError, CloseReason, InputError, Violation},
    event::ExitReason,
    id::{ConnId, PeerId},
    input::{IoCause, ListenerKind},
    log::log,
    planted::Planted,
    time::Instant,
    zmtp::{self, Connection, ConnectionConfig, SocketType},
};
use alloc::{boxed::Box, format, string::String, sync::Arc, vec};
use bytes::Bytes;
use core::{net::IpAddr, time::Duration};

/// The property by which nodes of this implementation know each other.
const OURS: &str = "X-ZRE";

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MOST: Duration = Duration::from_secs(30);
/// When a peer whose place another one holds is looked at again, if nothing happens before.
const PLACE_AGAIN: Duration = Duration::from_secs(1);

/// A hub's client that says nothing for so long is asked whether it is there, and after as long again is not.
const CLIENT_HEARTBEAT: Duration = Duration::from_secs(5);

/// How long the next attempt waits after so many others in a row that failed before the last. `jitter` is about 1000.
pub(super) fn backoff(failures: u32, jitter: u32) -> Duration {
    (BACKOFF_FIRST * 2u32.saturating_pow(failures.min(16))).min(BACKOFF_MOST) * jitter / 1000
}

/// What all our connections of a kind have in common.
#[derive(Debug)]
pub(super) struct Profiles {
    /// For those that we open.
    dealer: Arc<ConnectionConfig>,
    /// For those that peers open.
    router: Arc<ConnectionConfig>,
    /// For those to hubs.
    hub: Arc<ConnectionConfig>,
    /// For those of a hub's clients. They are asked whether they are there, for gossip does not ask.
    client: Arc<ConnectionConfig>,
}

impl Profiles {
    pub(super) fn new(config: &Config, me: &Me) -> Self {
        let limits = &config.limits;
        let common = |socket_type, identity| ConnectionConfig {
            properties: vec![(OURS, Bytes::from_static(b"1"))],
            handshake: config.handshake,
            command_limit: limits.ready,
            first_frame_limit: limits.hello,
            content_limit: limits.message,
            frames_limit: limits.frames,
            ..ConnectionConfig::new(socket_type, identity)
        };
        let dealer = ConnectionConfig { heartbeat: config.heartbeat, ..common(SocketType::Dealer, me.identity()) };
        let gossip = |socket_type| ConnectionConfig {
            first_frame_limit: gossip::MESSAGE,
            content_limit: 0,
            frames_limit: 0,
            ..common(socket_type, Bytes::new())
        };
        let client = ConnectionConfig { heartbeat: Some(CLIENT_HEARTBEAT), ..gossip(SocketType::Router) };
        Self {
            dealer: Arc::new(dealer),
            router: Arc::new(common(SocketType::Router, Bytes::new())),
            hub: Arc::new(gossip(SocketType::Dealer)),
            client: Arc::new(client),
        }
    }
}

impl Node {
    /// Opens our connection to a peer that has none, unless another peer's leads to the same place: whoever is there would
    /// take a second HELLO of ours for a restart.
    pub(super) fn connect(&mut self, id: PeerId) {
        let now = self.now;
        let holder = self.holder_of_place(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if holder.is_some() {
            peer.out = Out::Waiting { until: now + PLACE_AGAIN };
            return self.schedule_peer(id);
        }
        let conn = self.conns.insert(Role::Out(id), peer.endpoint().clone(), None);
        peer.out = Out::Connecting { conn, since: now };
        log!(debug, "peer {id}: connecting to {} ({conn})", peer.endpoint());
        self.actions.push_back(Action::Connect { conn, to: peer.endpoint().clone() });
        self.schedule_peer(id);
    }

    /// Our connection to a peer is gone; the next attempt is for the caller to begin.
    pub(super) fn wait_to_connect(&mut self, id: PeerId) {
        let until = self.now;
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.out = Out::Waiting { until };
        }
    }

    /// Gives up what there is of our connection, and tries again at once.
    pub(super) fn reconnect(&mut self, id: PeerId) {
        if let Some(conn) = self.peers.get(&id).and_then(|peer| peer.out.conn()) {
            self.close(conn, CloseReason::Abandoned);
        }
        self.connect(id);
    }

    /// The driver has found the address of a name. If another connection of ours leads there already, or if we ourselves
    /// are there, this one is not needed.
    pub(super) fn resolved(&mut self, id: ConnId, at: Address) -> Result<(), InputError> {
        let conn = self.conns.get(id).ok_or(InputError::UnknownConnection)?;
        if conn.zmtp.is_some() {
            return Err(InputError::AlreadyConnected);
        }
        let Role::Out(peer_id) = conn.role() else { return Ok(()) };
        // A name that somebody elsewhere tells of is not to lead to our own loopback.
        let home = self.peers.get(&peer_id).and_then(|peer| peer.home);
        let near = self.sought.is_near(peer_id) || home.is_some_and(|home| self.is_here(Some(home)));
        let fit = self.is_place_for(&at, if near { None } else { Some(IpAddr::from([0, 0, 0, 0])) });
        self.peers.relocate(peer_id, at.clone());
        self.sought_is_at(peer_id, &at);
        if fit && !self.is_own(&at) && self.holder_of_place(peer_id).is_none() {
            return Ok(());
        }
        if self.peers.get(&peer_id).is_some_and(|peer| peer.ready) {
            self.close(id, CloseReason::Abandoned);
            self.attempt_failed(peer_id);
        } else {
            self.forget(peer_id);
        }
        Ok(())
    }

    pub(super) fn connected(&mut self, id: ConnId, local: &Address) -> Result<(), InputError> {
        let now = self.now;
        let conn = self.conns.get_mut(id).ok_or(InputError::UnknownConnection)?;
        let role = conn.role();
        if conn.zmtp.is_some() || role.is_inbound() {
            return Err(InputError::AlreadyConnected);
        }
        let profile = if role == Role::Hub { &self.profiles.hub } else { &self.profiles.dealer };
        conn.zmtp = Some(Connection::new(profile.clone(), now));
        conn.local = Some(local.clone()).filter(|_| role == Role::Hub);
        let deadline = conn.zmtp.as_ref().and_then(Connection::poll_timeout);
        self.set_timer(id, deadline);
        self.actions.push_back(Action::Writable { conn: id });
        let Role::Out(peer_id) = role else { return Ok(()) };
        // Only now is it known by which address the peer sees us.
        let endpoint = self.endpoint_from(local).unwrap_or_else(|| local.clone());
        let Some(peer) = self.peers.get_mut(&peer_id) else { return Ok(()) };
        peer.out = Out::Open { conn: id, greeted: false };
        (peer.hello_at, peer.took) = (Some(now), now);
        peer.may_be_there();
        peer.next_out = 1;
        self.send_hello(peer_id, id, &endpoint);
        self.flush_held(peer_id);
        Ok(())
    }

    pub(super) fn accepted(
        &mut self,
        kind: ListenerKind,
        from: Address,
        local: Address,
    ) -> Result<ConnId, AcceptError> {
        let host = from.ip();
        self.admit_caller(host)?;
        let (role, profile) = match kind {
            ListenerKind::Mailbox => (Role::In(None), &self.profiles.router),
            ListenerKind::Hub => (Role::Client, &self.profiles.client),
        };
        let zmtp = Connection::new(profile.clone(), self.now);
        let deadline = zmtp.poll_timeout();
        let id = self.conns.insert(role, from, Some(zmtp));
        if let Some(conn) = self.conns.get_mut(id).filter(|_| role == Role::Client) {
            conn.local = Some(local);
        }
        log!(trace, "accepted connection {id} from {}", self.remote(id));
        self.is_caller(id, host);
        self.set_timer(id, deadline);
        self.actions.push_back(Action::Writable { conn: id });
        Ok(id)
    }

    /// The ZMTP handshake of a connection is done.
    pub(super) fn handshaken(&mut self, id: ConnId, info: &zmtp::Peer) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.ours = info.metadata.get(OURS).is_some();
        let ours = conn.ours;
        match conn.role() {
            Role::Out(peer_id) => {
                let deadline = conn.zmtp.as_ref().and_then(Connection::poll_timeout);
                self.set_timer(id, deadline);
                let Some(peer) = self.peers.get_mut(&peer_id) else { return };
                peer.out = Out::Open { conn: id, greeted: true };
                peer.hello_at = peer.hello_at.map(|_| self.now);
                peer.is_ours(ours);
                self.schedule_peer(peer_id);
                self.flush_held(peer_id);
            }
            Role::In(_) => self.identified(id, &info.identity),
            Role::Hub => self.hub_is_there(id, ours),
            Role::Client => self.client_is_there(id, ours),
        }
    }

    /// The driver says that a connection is gone.
    pub(super) fn closed(&mut self, id: ConnId, cause: IoCause) -> Result<(), InputError> {
        let conn = self.conns.get_mut(id).ok_or(InputError::UnknownConnection)?;
        log!(debug, "connection {id} is gone: {cause:?}");
        if conn.closing {
            self.release(id);
            return Ok(());
        }
        let rival =
            conn.claims().is_some_and(|peer| self.peers.get(&peer).is_some_and(|peer| peer.contender == Some(id)));
        if !conn.reading && conn.visitor.is_none() && !rival {
            // What came before the end waits for the application; the end comes after it.
            conn.ended = true;
            return Ok(());
        }
        let role = conn.role();
        self.broke(id);
        if let Role::Out(peer_id) = role
            && cause == IoCause::Refused
        {
            self.refused(peer_id);
        }
        Ok(())
    }

    /// A connection is gone, and everything that came on it has been taken.
    pub(super) fn broke(&mut self, id: ConnId) {
        let unsent = self.conns.get(id).and_then(|conn| conn.zmtp.as_ref()).map_or(0, Connection::unsent);
        let Some(conn) = self.release(id) else { return };
        match conn.role() {
            Role::Out(peer_id) => self.outgoing_broke(peer_id, id, unsent),
            Role::In(Some(peer_id)) => self.inbound_broke(peer_id, id),
            Role::In(None) => {}
            Role::Hub | Role::Client => self.gossip_broke(id),
        }
    }

    fn outgoing_broke(&mut self, peer_id: PeerId, id: ConnId, unsent: usize) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&peer_id).filter(|peer| peer.out.conn() == Some(id)) else { return };
        let was_greeted = matches!(peer.out, Out::Open { greeted: true, .. });
        assert!(peer.ready || !self.config.has(Planted::Panic), "whoever we connect to has entered");
        if !peer.ready || !was_greeted || peer.reintroducing {
            self.attempt_failed(peer_id);
            return;
        }
        let reason = match peer.probe.map(|probe| probe.why) {
            _ if peer.leaving => ExitReason::Left,
            Some(ProbeWhy::Replaced) => ExitReason::Replaced,
            _ => ExitReason::Lost,
        };
        peer.out = Out::Waiting { until: now + BACKOFF_MOST };
        peer.probe = None;
        self.begin_ending(peer_id, reason, unsent);
    }

    fn inbound_broke(&mut self, peer_id: PeerId, id: ConnId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if peer.contender == Some(id) {
            (peer.contender, peer.contest_lost) = (None, false);
            return self.schedule_peer(peer_id);
        }
        if peer.successor.is_some_and(|(successor, _)| successor == id) {
            peer.successor = None;
            return;
        }
        if peer.inbound != Some(id) {
            return;
        }
        peer.inbound = None;
        if let Some((successor, _)) = peer.successor {
            return self.succeed(peer_id, successor);
        }
        if !peer.ready {
            return;
        }
        if peer.ending.is_some() {
            return self.finish_ending(peer_id);
        }
        match peer.probe.map(|probe| probe.why) {
            _ if peer.leaving => self.exit(peer_id, ExitReason::Left, 0),
            Some(ProbeWhy::Replaced) => self.exit(peer_id, ExitReason::Replaced, 0),
            _ => self.orphan(peer_id),
        }
    }

    /// An attempt to connect came to nothing: the next is due after a while that grows. A stranger gets no other.
    pub(super) fn attempt_failed(&mut self, peer_id: PeerId) {
        if self.peers.get(&peer_id).is_some_and(|peer| !peer.ready && !peer.met) {
            return self.disappoint(peer_id);
        }
        let jitter = self.random(900, 1100);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let wait = backoff(peer.attempts, jitter);
        peer.attempts = peer.attempts.saturating_add(1);
        peer.out = Out::Waiting { until: now + wait };
        self.schedule_peer(peer_id);
    }

    /// A peer that we fail to reach is alive: the back-off begins anew.
    pub(super) fn retry_soon(&mut self, peer_id: PeerId) {
        self.hasten(peer_id);
        if let Some(peer) = self.peers.get_mut(&peer_id).filter(|peer| matches!(peer.out, Out::Waiting { .. })) {
            peer.attempts = 0;
        }
    }

    /// The next attempt to reach a peer is due soon.
    pub(super) fn hasten(&mut self, peer_id: PeerId) {
        let soon = self.now + BACKOFF_FIRST;
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if let Out::Waiting { until } = &mut peer.out {
            *until = soon.min(*until);
            self.schedule_peer(peer_id);
        }
    }

    pub(super) fn connection_timeout(&mut self, id: ConnId) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.closing {
            self.release(id);
            return;
        }
        if conn.visitor.is_some() {
            return self.end_wait(id);
        }
        if self.has_patience(id) {
            let until = now + self.config.handshake;
            if let Some(conn) = self.conns.get_mut(id) {
                conn.patient = true;
                conn.zmtp.iter_mut().for_each(|zmtp| zmtp.extend(until));
            }
            self.set_timer(id, Some(until));
            return;
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(zmtp) = conn.zmtp.as_mut() else { return };
        let silent = !zmtp.has_output();
        let timed_out = zmtp.handle_timeout(now).err();
        let writable = silent && zmtp.has_output();
        let (ready, deadline) = (zmtp.is_ready(), zmtp.poll_timeout());
        let inbound = conn.role().is_inbound();
        if inbound && ready && !conn.reading {
            // Its HELLO may be among what we do not read now; a stock program would never say it again.
            self.set_timer(id, Some(now + self.config.handshake));
            return;
        }
        let why = if inbound && ready && !conn.introduced { Some(CloseReason::HelloTimeout) } else { timed_out };
        if let Some(why) = why {
            self.fail(id, why);
            return;
        }
        if writable {
            self.actions.push_back(Action::Writable { conn: id });
        }
        self.set_timer(id, deadline);
    }

    /// Whether a connection that is not introduced in time gets its time once more. What each side says waits for what the
    /// other said, and both may be held up for a moment: that should not cost those who are known their relation.
    fn has_patience(&self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get(id).filter(|conn| !conn.patient) else { return false };
        let ready = conn.zmtp.as_ref().is_some_and(Connection::is_ready);
        match conn.role() {
            Role::Out(_) | Role::Hub => !ready,
            Role::Client => false,
            Role::In(Some(peer)) => !conn.introduced && self.peers.get(&peer).is_some(),
            Role::In(None) => !ready && self.peers.at_host(conn.remote.ip()) > 0,
        }
    }

    /// Closes a connection for its peer's fault or failure, with what follows for the relation.
    pub(super) fn fail(&mut self, id: ConnId, why: CloseReason) {
        let protocol = matches!(why, CloseReason::Violation(_));
        let lost_messages = matches!(why, CloseReason::Violation(Violation::Sequence { .. }));
        let role = self.conns.get(id).map(Conn::role);
        let unsent = self.conns.get(id).and_then(|conn| conn.zmtp.as_ref()).map_or(0, Connection::unsent);
        let remote = self.remote(id);
        match protocol {
            true => complain!(self, "closing connection {id} with {remote}: {why}"),
            false => log!(debug, "closing connection {id} with {remote}: {why}"),
        }
        self.close(id, why);
        match role {
            Some(Role::Out(peer_id)) => {
                let Some(peer) = self.peers.get(&peer_id).filter(|peer| peer.out.conn() == Some(id)) else { return };
                let greeted = matches!(peer.out, Out::Open { greeted: true, .. });
                if peer.ready && greeted && protocol {
                    self.exit(peer_id, ExitReason::Protocol, unsent);
                } else {
                    self.outgoing_broke(peer_id, id, unsent);
                }
            }
            Some(Role::In(Some(peer_id))) => {
                let Some(peer) = self.peers.get_mut(&peer_id) else { return };
                if peer.inbound == Some(id) && peer.ready && protocol {
                    let reason = if lost_messages { ExitReason::Lost } else { ExitReason::Protocol };
                    self.exit(peer_id, reason, 0);
                } else {
                    self.inbound_broke(peer_id, id);
                }
            }
            Some(Role::Hub | Role::Client) => self.gossip_broke(id),
            Some(Role::In(None)) | None => {}
        }
    }

    pub(super) fn violation(&mut self, id: ConnId, violation: Violation) {
        self.fail(id, CloseReason::Violation(violation));
    }

    fn remote(&self, id: ConnId) -> String {
        self.conns.get(id).map(|conn| format!("{}", conn.remote)).unwrap_or_default()
    }

    /// Closes a connection without more octets.
    pub(super) fn close(&mut self, id: ConnId, why: CloseReason) {
        if let Some(zmtp) = self.conns.get_mut(id).and_then(|conn| conn.zmtp.as_mut()) {
            zmtp.clear();
        }
        self.close_politely(id, why);
    }

    /// Closes a connection once what is queued has been written; the driver has `linger` for that.
    pub(super) fn close_politely(&mut self, id: ConnId, why: CloseReason) {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| !conn.closing) else { return };
        let name = reason_name(&why);
        *self.statistics.closed.entry(name).or_default() += 1;
        self.actions.push_back(Action::Close { conn: id, why });
        if conn.zmtp.as_ref().is_some_and(Connection::has_output) {
            conn.closing = true;
            self.set_timer(id, Some(self.now + self.config.linger));
        } else {
            self.release(id);
        }
    }

    /// Sets, moves or clears a connection's timer.
    pub(super) fn set_timer(&mut self, id: ConnId, at: Option<Instant>) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        self.timers.set(&mut conn.clock, Timer::Connection(id), at, self.now);
    }

    fn release(&mut self, id: ConnId) -> Option<Box<Conn>> {
        self.set_timer(id, None);
        self.admission.is_no_caller(id);
        self.conns.remove(id)
    }

    /// The first `written` of the octets that [`Node::transmit`] gave are written. An id that is gone is ignored.
    pub fn advance(&mut self, now: Instant, id: ConnId, written: usize) {
        // The octets are written, whatever the clock says.
        let _ = self.tick(now);
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(zmtp) = conn.zmtp.as_mut() else { return };
        let written = zmtp.advance(written);
        if self.config.has(Planted::ShortWrite) && zmtp.has_output() {
            zmtp.advance(1);
        }
        self.statistics.octets_sent += written as u64;
        if conn.closing {
            if !zmtp.has_output() {
                self.release(id);
            }
            return;
        }
        if let Role::Out(peer_id) = conn.role()
            && written > 0
        {
            if let Some(peer) = self.peers.get_mut(&peer_id) {
                peer.took = self.now;
            }
            self.check_room(peer_id);
            if self.phase == Phase::Stopping {
                self.check_all_drained();
            }
        }
    }

    /// A new record of a peer that has not said HELLO (yet, or again). Its clocks are for the caller to set.
    pub(super) fn introduce(&mut self, id: PeerId, endpoint: Address) {
        let jitter = self.draw_jitter();
        let mut peer = Peer::new(endpoint, &self.stranger, self.now, jitter);
        peer.wrap = self.wraps.get(&id).copied();
        self.peers.insert(id, peer);
    }
}

/// A reason's key in the statistics.
fn reason_name(why: &CloseReason) -> &'static str {
    match why {
        CloseReason::Violation(violation) => match violation {
            Violation::Malformed(_) => "malformed",
            Violation::Mechanism(_) => "mechanism",
            Violation::SocketType(_) => "socket type",
            Violation::Handshake => "handshake",
            Violation::SecondReady => "second READY",
            Violation::Refused(_) => "refused",
            Violation::Identity { .. } => "identity",
            Violation::MessageTooLarge => "message too large",
            Violation::Hello(_) => "HELLO",
            Violation::Gossip(_) => "gossip",
            Violation::ExtraFrames(_) => "extra frames",
            Violation::Sequence { .. } => "sequence",
            Violation::WrongDirection => "wrong direction",
        },
        CloseReason::HandshakeTimeout => "handshake timeout",
        CloseReason::HelloTimeout => "HELLO timeout",
        CloseReason::HeartbeatTimeout => "heartbeat timeout",
        CloseReason::Superseded => "superseded",
        CloseReason::IdentityConflict => "identity conflict",
        CloseReason::Exit(reason) => reason.as_str(),
        CloseReason::Abandoned => "abandoned",
        CloseReason::GaveWay => "gave way",
        CloseReason::NotReading => "not reading",
        CloseReason::Stopped => "stopped",
    }
}
