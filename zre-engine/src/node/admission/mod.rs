//! Who gets in, and how fast: what a node spends on those whom it does not know.
//!
//! Whoever was heard of by a beacon is a *stranger* until it says HELLO, and costs a connection of ours; whoever connects
//! is a *caller* until then, and costs one of his. Of both there are only so many, in all and from one host. Anybody can
//! make up beacons, so those who had to wait and are heard again go before others, and a share of the permits for new
//! peers is kept for those who connect and say HELLO. What cannot be let in yet waits *at the door*: its HELLO is kept and
//! its connection is left unread, for stock programs never say a HELLO again.

mod bucket;
mod delays;
mod heard;
mod places;
mod returns;

use super::{Node, connect::backoff, life::Introduction};
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
use heard::Heard;
use places::{Bounds, Host, Places, Vacancy};
use returns::Returns;

/// A stranger, or a caller, that has said nothing for so long gives way to another.
const SAFE: Duration = Duration::from_secs(1);
/// The same where the other has been heard before.
const SAFE_FROM_KNOWN: Duration = Duration::from_millis(250);
/// How long somebody waits at the door of a node that has no place, before he is looked at again; and in all.
const DOOR_AGAIN: Duration = Duration::from_secs(1);
const DOOR_MOST: Duration = Duration::from_secs(30);

/// What is known of those who are not peers.
#[derive(Debug)]
pub(super) struct Admission {
    strangers: Places<PeerId>,
    callers: Places<ConnId>,
    permits: Bucket,
    delays: Delays,
    heard: Heard,
    returns: Returns,
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

    /// A caller is known now, or gone.
    pub(super) fn is_no_caller(&mut self, id: ConnId) {
        self.callers.leave(id);
    }

    /// Somebody was met there.
    pub(super) fn met(&mut self, at: &Address) {
        self.delays.met(at);
    }

    pub(super) fn exited(&mut self, id: PeerId, now: Instant) {
        self.returns.exited(id, now);
    }

    /// Forgets what is past.
    pub(super) fn turn(&mut self, now: Instant) {
        self.heard.turn(now);
        self.returns.turn(now);
    }

    pub(super) fn clear(&mut self) {
        self.strangers.clear();
        self.callers.clear();
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
        let admission = &mut self.admission;
        if admission.returns.waits(id, now).is_some() {
            return Err("returns too often");
        }
        if admission.delays.is_early(at, now) {
            return Err("failed a moment ago");
        }
        let known = admission.heard.again(id, at, now);
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
            return Err(reason);
        }
        if let Vacancy::After(oldest) = vacancy {
            self.disappoint(oldest);
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
            Vacancy::After(oldest) => self.disappoint(oldest),
            Vacancy::None => return false,
        }
        self.admission.strangers.take(id, host, now);
        true
    }

    /// A stranger that did not say HELLO is given up, and for a while nobody is looked for where it was said to be.
    pub(super) fn disappoint(&mut self, id: PeerId) {
        let jitter = self.random(900, 1100);
        let now = self.now;
        let Some(peer) = self.peers.get(&id) else { return };
        self.admission.delays.failed(peer.endpoint(), now, |failures| backoff(failures, jitter));
        log!(debug, "peer {id}: given up before it said HELLO");
        self.forget(id);
    }

    fn strangers_of(&self, host: Host) -> usize {
        let limits = &self.config.limits;
        if self.is_here(host) { limits.strangers_of_this_host } else { limits.strangers_of_host }
    }

    /// Whether an address is one of this host's.
    pub(super) fn is_here(&self, host: Host) -> bool {
        host.is_some_and(|ip| {
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
                Err(error)
            }
        }
    }

    /// It has its place.
    pub(super) fn is_caller(&mut self, id: ConnId, from: Host) {
        self.admission.callers.take(id, from, self.now);
    }

    /// Somebody unknown says HELLO. Whether it may come in now; else until when it has to wait, and `None` if for as long
    /// as there is no place.
    pub(super) fn admit_newcomer(&mut self, id: PeerId) -> Result<(), Option<Instant>> {
        let now = self.now;
        if let Some(until) = self.admission.returns.waits(id, now) {
            return Err(Some(until));
        }
        // A stranger has a place and a permit already.
        if self.peers.get(&id).is_some() {
            return Ok(());
        }
        if self.peers.len() >= self.config.limits.peers {
            return Err(None);
        }
        if self.admission.permits.take(now, 0) { Ok(()) } else { Err(self.admission.permits.next(now)) }
    }

    /// A HELLO waits: until then, or for as long as there is no place, and its connection is not read.
    pub(super) fn wait_at_door(&mut self, id: ConnId, visitor: Visitor, until: Option<Instant>) {
        let now = self.now;
        if until.is_none() && now >= visitor.since + DOOR_MOST {
            return self.fail(id, CloseReason::GaveWay);
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        log!(debug, "connection {id}: its HELLO has to wait");
        conn.visitor = Some(Box::new(visitor));
        self.set_reading(id, false);
        self.set_timer(id, Some(until.unwrap_or(now + DOOR_AGAIN)));
    }

    /// Its time at the door is over: the HELLO counts as if it came now.
    pub(super) fn open_door(&mut self, id: ConnId) {
        if self.throttled {
            // Nobody would hear of it.
            return self.set_timer(id, Some(self.now + DOOR_AGAIN));
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some((visitor, peer)) = conn.visitor.take().zip(conn.claims()) else { return };
        self.hello(id, peer, *visitor);
        if self.conns.get(id).is_some_and(|conn| conn.visitor.is_none()) {
            self.set_reading(id, !self.throttled);
            self.resume(id);
        }
    }
}

/// Somebody who has said HELLO, and since when he wants to come in.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) since: Instant,
    pub(super) introduction: Introduction,
}
