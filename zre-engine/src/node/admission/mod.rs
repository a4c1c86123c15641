//! Who gets in, and how fast: what a node spends on those whom it does not know.
//!
//! Whoever was heard of by a beacon is a *stranger* until it says HELLO, and costs a connection of ours; whoever connects
//! is a *caller* until then, and costs one of his. Of both there are only so many, in all and from one host. Anybody can
//! make up beacons, so those who had to wait and are heard again go before others, and a share of the permits for new
//! peers is kept for those who connect and say HELLO. What cannot be let in yet waits *at the door*: its HELLO is kept and
//! its connection is left unread, for stock programs never say a HELLO again.

mod bucket;
mod delays;
mod door;
mod heard;
mod places;
mod returns;

use super::{Node, Phase, connect::backoff, grumble::complain, life::Introduction, timers::Timer};
use crate::{
    Address,
    config::Limits,
    error::{AcceptError, CloseReason},
    id::{ConnId, PeerId},
    log::log,
    time::Instant,
};
use alloc::boxed::Box;
pub(super) use bucket::Bucket;
use core::time::Duration;
use delays::Delays;
use door::Door;
use heard::Heard;
use places::{Bounds, Host, Places, Vacancy};
use returns::Returns;

/// A stranger, or a caller, that has said nothing for so long gives way to another.
const SAFE: Duration = Duration::from_secs(1);
/// The same where the other has been heard before.
const SAFE_FROM_KNOWN: Duration = Duration::from_millis(250);
/// How often the door of a node is looked at that has no place, or whose application does not keep up.
const DOOR_AGAIN: Duration = Duration::from_secs(1);

/// What is known of those who are not peers.
#[derive(Debug)]
pub(super) struct Admission {
    strangers: Places<PeerId>,
    callers: Places<ConnId>,
    permits: Bucket,
    delays: Delays,
    heard: Heard,
    returns: Returns,
    pub(super) door: Door,
    /// The door is being opened: whose turn it is need not wait for the others.
    opening: bool,
}

impl Admission {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            strangers: Places::default(),
            callers: Places::default(),
            permits: Bucket::new(limits.new_peers, limits.new_peers_per_second, now),
            delays: Delays::default(),
            heard: Heard::default(),
            returns: Returns::default(),
            door: Door::default(),
            opening: false,
        }
    }

    /// A stranger is a peer now, or gone.
    pub(super) fn is_no_stranger(&mut self, id: PeerId) {
        self.strangers.leave(id);
    }

    /// A stranger is somewhere else than was thought.
    pub(super) fn stranger_moved(&mut self, id: PeerId, host: Host) {
        self.strangers.relocate(id, host);
    }

    /// A caller whose words lie unread keeps its place.
    pub(super) fn pin_caller(&mut self, id: ConnId, pinned: bool) {
        self.callers.pin(id, pinned);
    }

    /// Whether there is a caller from this host.
    pub(super) fn calls_from(&self, host: Host) -> bool {
        self.callers.any_of(host)
    }

    /// A caller is known now, or gone.
    pub(super) fn is_no_caller(&mut self, id: ConnId) {
        self.callers.leave(id);
        self.door.leave(id);
    }

    /// Somebody was met there.
    pub(super) fn met(&mut self, at: &Address) {
        self.delays.met(at);
    }

    pub(super) fn exited(&mut self, id: PeerId, now: Instant) {
        self.returns.exited(id, now);
    }

    /// Until when a peer that came and went too often is not taken back.
    pub(super) fn returns_at(&self, id: PeerId, now: Instant) -> Option<Instant> {
        self.returns.waits(id, now)
    }

    /// Forgets what is past.
    pub(super) fn turn(&mut self, now: Instant) {
        self.heard.turn(now);
        self.returns.turn(now);
    }

    pub(super) fn clear(&mut self) {
        self.strangers.clear();
        self.callers.clear();
        self.door = Door::default();
    }
}

impl Node {
    /// A beacon of somebody unknown: a stranger from now on, if there is a place. Else the reason why not.
    pub(super) fn admit_stranger(&mut self, id: PeerId, at: &Address) -> Result<(), &'static str> {
        let now = self.now;
        let limits = &self.config.limits;
        if self.peers.len() >= limits.peers {
            return Err("too many peers");
        }
        if self.is_full_of(at.ip()) {
            return Err("too many peers of one host");
        }
        let admission = &mut self.admission;
        if admission.returns.waits(id, now).is_some() {
            return Err("returns too often");
        }
        if admission.delays.is_early(at, now) {
            return Err("failed a moment ago");
        }
        // Whoever was heard again and sought in vain goes behind those who were not.
        let known = admission.heard.again(id, at, now) && !admission.delays.is_known(at, now);
        let safe_since = now - if known { SAFE_FROM_KNOWN } else { SAFE };
        let bounds = Bounds { in_all: limits.strangers, of_host: self.strangers_of(at.ip()), safe_since };
        // The last eighth is not for anybody: one half of it is for those who are heard again, one for those who connect.
        let reserve = u64::from(limits.new_peers) / if known { 16 } else { 8 };
        let admission = &mut self.admission;
        let vacancy = admission.strangers.vacancy(at.ip(), &bounds);
        let refused = match vacancy {
            Vacancy::None => Some("too many strangers"),
            _ if !admission.permits.take(now, reserve) => Some("too many new peers"),
            _ => None,
        };
        if let Some(reason) = refused {
            admission.heard.refused(id, at, now);
            complain!(self, "the beacon of a node at {at} is not heeded: {reason}");
            return Err(reason);
        }
        if let Vacancy::After(oldest) = vacancy {
            self.give_up(oldest);
        }
        self.admission.strangers.take(id, at.ip(), now);
        Ok(())
    }

    /// A place for a peer whose connection broke, and that is to be met again. Whether there is one.
    pub(super) fn admit_again(&mut self, id: PeerId, host: Host) -> bool {
        let now = self.now;
        if self.peers.len() >= self.config.limits.peers || self.admission.returns.waits(id, now).is_some() {
            return false;
        }
        // Whoever was a peer goes before those who never were.
        let bounds = Bounds { in_all: self.config.limits.strangers, of_host: usize::MAX, safe_since: now };
        match self.admission.strangers.vacancy(host, &bounds) {
            Vacancy::Free => {}
            Vacancy::After(oldest) => drop(self.give_up(oldest)),
            Vacancy::None => return false,
        }
        self.admission.strangers.take(id, host, now);
        true
    }

    /// A stranger that did not say HELLO is given up, and for a while nobody is looked for where it was said to be. Where
    /// another beacon said that it is, it is looked for now.
    pub(super) fn disappoint(&mut self, id: PeerId) {
        let now = self.now;
        let Some(at) = self.give_up(id).filter(|_| self.phase == Phase::Running) else { return };
        let limits = &self.config.limits;
        let (in_all, of_host) = (limits.strangers, self.strangers_of(at.ip()));
        let bounds = Bounds { in_all, of_host, safe_since: Instant::ZERO };
        let place = self.admission.strangers.vacancy(at.ip(), &bounds) == Vacancy::Free && !self.is_full_of(at.ip());
        if place && !self.is_own(&at) && !self.is_taken(&at) && !self.admission.delays.is_early(&at, now) {
            self.admission.strangers.take(id, at.ip(), now);
            self.introduce(id, *at);
            self.connect(id);
        }
    }

    /// A stranger is given up. Where else a beacon said that it is.
    fn give_up(&mut self, id: PeerId) -> Option<Box<Address>> {
        let jitter = self.random(900, 1100);
        let now = self.now;
        let peer = self.peers.get_mut(&id)?;
        let elsewhere = peer.elsewhere.take();
        if !self.sought.has(id) {
            // Whoever is sought has a back-off of his own, and nobody's beacon is to suffer for it.
            self.admission.delays.failed(peer.endpoint(), now, |failures| backoff(failures, jitter));
        }
        log!(debug, "peer {id}: given up before it said HELLO");
        self.forget(id);
        elsewhere
    }

    pub(super) fn strangers_of(&self, host: Host) -> usize {
        let limits = &self.config.limits;
        if self.is_here(host) { limits.strangers_of_this_host } else { limits.strangers_of_host }
    }

    /// Whether an address is one of this host's. What has no number is reached by `ipc://` or `inproc://`.
    pub(super) fn is_here(&self, host: Host) -> bool {
        host.is_none_or(|ip| {
            ip.is_loopback()
                || self.links.values().any(|link| link.address == ip)
                || self.listeners.values().any(|mailbox| mailbox.at.ip() == Some(ip))
        })
    }

    /// A connection comes in: a caller from now on, if there is a place.
    pub(super) fn admit_caller(&mut self, from: Host) -> Result<(), AcceptError> {
        let limits = &self.config.limits;
        let of_host = if self.is_here(from) { limits.callers_of_this_host } else { limits.callers_of_host };
        let most = limits.peers.saturating_mul(2).saturating_add(limits.spare_connections);
        // Those of peers are not there to give way.
        let peers = self.conns.inbound().saturating_sub(self.admission.callers.len());
        let bounds = Bounds { in_all: most.saturating_sub(peers), of_host, safe_since: self.now - SAFE };
        match self.admission.callers.vacancy(from, &bounds) {
            Vacancy::Free => Ok(()),
            Vacancy::After(oldest) => {
                self.fail(oldest, CloseReason::GaveWay);
                Ok(())
            }
            Vacancy::None => {
                let full = self.admission.callers.len() >= bounds.in_all;
                let (error, reason) = match full {
                    true => (AcceptError::Full, "too many connections"),
                    false => (AcceptError::TooManyOfHost, "too many connections of one host"),
                };
                *self.statistics.turned_away.entry(reason).or_default() += 1;
                if let Some(from) = from {
                    complain!(self, "a connection from {from} is turned away: {error}");
                }
                Err(error)
            }
        }
    }

    /// It has its place.
    pub(super) fn is_caller(&mut self, id: ConnId, from: Host) {
        self.admission.callers.take(id, from, self.now);
    }

    /// Somebody unknown at this host says HELLO, or somebody who was in until now. Whether it may come in now, or what it
    /// has to wait for.
    pub(super) fn admit_newcomer(&mut self, id: PeerId, host: Host, was_in: bool) -> Result<(), Wait> {
        let now = self.now;
        if let Some(until) = self.admission.returns.waits(id, now) {
            return Err(Wait::Until(until));
        }
        // A stranger has a place and a permit already.
        if self.peers.get(&id).is_some() {
            return Ok(());
        }
        let others = self.admission.door.len() > 0 && !self.admission.opening && !was_in;
        if others || self.peers.len() >= self.config.limits.peers || self.is_full_of(host) {
            return Err(Wait::Turn);
        }
        if self.admission.permits.take(now, 0) { Ok(()) } else { Err(Wait::Turn) }
    }

    /// Whether as many peers are at a host as may be.
    fn is_full_of(&self, host: Host) -> bool {
        self.peers.at_host(host) >= self.config.limits.peers_of_host && !self.is_here(host)
    }

    /// A HELLO waits, and its connection is not read.
    pub(super) fn wait_at_door(&mut self, id: ConnId, visitor: Visitor, wait: Wait) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        log!(debug, "connection {id}: its HELLO has to wait");
        let (since, host) = (visitor.since, conn.remote.ip());
        conn.visitor = Some(Box::new(visitor));
        self.set_reading(id, false);
        match wait {
            Wait::Until(until) => self.set_timer(id, Some(until)),
            Wait::Turn => {
                self.set_timer(id, None);
                self.admission.door.wait(id, host, since);
                let crowd = self.admission.door.len() > self.config.limits.spare_connections.max(1);
                if let Some(least) = self.admission.door.least().filter(|_| crowd) {
                    self.fail(least, CloseReason::GaveWay);
                }
                if !self.admission.opening {
                    self.knock();
                }
            }
        }
    }

    /// Whoever was to wait until now has done so: the HELLO counts as if it came now.
    pub(super) fn end_wait(&mut self, id: ConnId) {
        if self.throttled {
            // Nobody would hear of it.
            return self.set_timer(id, Some(self.now + DOOR_AGAIN));
        }
        self.let_in(id);
    }

    /// Opens the door for as many as may come in.
    pub(super) fn serve_door(&mut self) {
        let (mut refused, hosts) = (0, self.admission.door.hosts());
        self.admission.opening = true;
        while self.has_room() && refused < hosts {
            let Some(id) = self.admission.door.turn() else { break };
            refused = if self.let_in(id) { 0 } else { refused + 1 };
        }
        self.admission.opening = false;
        // Those who were refused though there is room are of hosts that have enough.
        let at = (self.admission.door.len() > 0).then(|| self.next_room().unwrap_or(self.now + DOOR_AGAIN));
        self.set_door(at);
    }

    /// Somebody has come to the door, or a peer is gone and somebody may come in.
    pub(super) fn knock(&mut self) {
        if self.admission.door.len() > 0 && !self.admission.opening {
            let at = if self.has_room() { self.now } else { self.next_room().unwrap_or(self.now + DOOR_AGAIN) };
            self.set_door(Some(at));
        }
    }

    fn has_room(&self) -> bool {
        !self.throttled && self.peers.len() < self.config.limits.peers && self.admission.permits.has(self.now)
    }

    /// When there is room that is not there now, as far as time alone makes it.
    fn next_room(&self) -> Option<Instant> {
        let place = !self.throttled && self.peers.len() < self.config.limits.peers;
        self.admission.permits.next(self.now).filter(|next| place && *next > self.now)
    }

    fn set_door(&mut self, at: Option<Instant>) {
        self.timers.set(&mut self.admission.door.clock, Timer::Door, at, self.now);
    }

    /// Whether a visitor has come in, or is gone.
    fn let_in(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(id) else { return true };
        let Some((visitor, peer)) = conn.visitor.take().zip(conn.claims()) else { return true };
        self.hello(id, peer, *visitor);
        let waits = self.conns.get(id).is_some_and(|conn| conn.visitor.is_some());
        if !waits {
            self.set_reading(id, !self.throttled);
            self.resume(id);
        }
        !waits
    }
}

/// What somebody who says HELLO has to wait for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    /// A time: he has come back too often.
    Until(Instant),
    /// His turn.
    Turn,
}

/// Somebody who has said HELLO, and since when he wants to come in.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) since: Instant,
    pub(super) introduction: Introduction,
}
