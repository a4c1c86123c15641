//! The client's side: hubs that we connect to, tell where we are, and hear from where others are.
//!
//! A stock hub forgets a client that says nothing for a second, and says INVALID to what it says next. So it is asked three
//! times a second whether it is there, and told everything anew when it has forgotten.

use super::{MESSAGE, Message, Whereabouts, table::Hand, ttl};
use crate::{
    Address,
    action::Action,
    error::{CloseReason, DiscoveryError},
    id::{ConnId, PeerId},
    log::log,
    node::{
        Node, Phase,
        connect::backoff,
        conns::Role,
        grumble::complain,
        timers::{Clock, Timer},
    },
    planted::Planted,
    time::Instant,
    zmtp::Connection,
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::time::Duration;

/// How many hubs a node can have.
const MOST: usize = 64;
/// How often a hub is asked whether it is there.
const PING: Duration = Duration::from_millis(300);
/// A hub that says nothing for so long is connected to anew.
const SILENCE: Duration = Duration::from_secs(5);
/// How long an attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The longest wait before the next attempt: all that depends on a hub waits for it.
const RETRY_MOST: Duration = Duration::from_secs(5);
/// How often a hub may forget us.
const HELLO_AGAIN: Duration = Duration::from_millis(100);

/// A hub that we gossip with.
#[derive(Debug)]
pub(super) struct Hub {
    at: Address,
    pub(super) conn: Option<ConnId>,
    /// The handshake is done, and our HELLO is out.
    pub(super) up: bool,
    /// It is a program of this implementation.
    pub(super) ours: bool,
    /// Tuples of others that it has from us.
    pub(super) published: BTreeSet<PeerId>,
    attempts: u32,
    /// When the attempt began or is to begin; then when it last said something, was last asked, was last told HELLO.
    since: Instant,
    heard: Instant,
    asked: Instant,
    hello: Instant,
    /// That it is not there has been said.
    missed: bool,
    clock: Clock,
}

impl Node {
    /// Gossips with the hub at this endpoint from the start on, or from now: tells it where this node is, and meets the
    /// nodes that it tells of. Several hubs may be given, for redundancy. `Ok(false)` where it is one already.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`]: no connection can lead there, it is this node itself, there are 64 already, or the node has stopped.
    pub fn gossip_connect(&mut self, now: Instant, hub: Address) -> Result<bool, DiscoveryError> {
        self.tick(now)?;
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return Err(DiscoveryError::Stopped);
        }
        if !self.is_place_for(&hub, None) || hub.port() == Some(0) {
            return Err(DiscoveryError::NoPlace(hub));
        }
        if self.listeners.values().any(|listener| listener.at == hub) {
            return Err(DiscoveryError::Oneself(hub));
        }
        if self.gossip.hubs.iter().any(|known| known.at == hub) {
            return Ok(false);
        }
        if self.gossip.hubs.len() >= MOST {
            return Err(DiscoveryError::TooMany { limit: MOST });
        }
        self.gossip.hubs.push(Hub {
            at: hub,
            conn: None,
            up: false,
            ours: false,
            published: BTreeSet::new(),
            attempts: 0,
            since: self.now,
            heard: self.now,
            asked: self.now,
            hello: self.now,
            missed: false,
            clock: Clock::default(),
        });
        if self.phase == Phase::Running {
            self.connect_to_hub(self.gossip.hubs.len() - 1);
        }
        Ok(true)
    }

    /// The node starts: all hubs are connected to.
    pub(in crate::node) fn connect_to_hubs(&mut self) {
        for index in 0..self.gossip.hubs.len() {
            self.connect_to_hub(index);
        }
    }

    fn connect_to_hub(&mut self, index: usize) {
        let now = self.now;
        let Some(hub) = self.gossip.hubs.get_mut(index).filter(|hub| hub.conn.is_none()) else { return };
        let to = hub.at.clone();
        let conn = self.conns.insert(Role::Hub, to.clone(), None);
        (hub.conn, hub.since) = (Some(conn), now);
        log!(debug, "gossip: connecting to the hub at {to} ({conn})");
        self.actions.push_back(Action::Connect { conn, to });
        self.schedule_hub(index);
    }

    fn schedule_hub(&mut self, index: usize) {
        let now = self.now;
        let Some(hub) = self.gossip.hubs.get_mut(index) else { return };
        let at = match (hub.conn, hub.up) {
            (None, _) => hub.since,
            (Some(_), false) => hub.since + ATTEMPT,
            (Some(_), true) => (hub.asked + PING).min(hub.heard + SILENCE),
        };
        self.timers.set(&mut hub.clock, Timer::Hub(index as u32), Some(at), now);
    }

    pub(in crate::node) fn serve_hub(&mut self, index: usize) {
        let now = self.now;
        if self.phase != Phase::Running {
            return;
        }
        let patient = self.planted(Planted::TrustHub);
        let Some(hub) = self.gossip.hubs.get_mut(index) else { return };
        match (hub.conn, hub.up) {
            (Some(_), true) if patient && now >= hub.heard + SILENCE => hub.heard = now,
            (None, _) if now >= hub.since => return self.connect_to_hub(index),
            (Some(conn), false) if now >= hub.since + ATTEMPT => return self.fail(conn, CloseReason::Abandoned),
            (Some(conn), true) if now >= hub.heard + SILENCE => return self.fail(conn, CloseReason::HeartbeatTimeout),
            (Some(conn), true) if now >= hub.asked + PING => {
                hub.asked = now;
                self.say(conn, &Message::Ping);
            }
            _ => {}
        }
        self.schedule_hub(index);
    }

    fn hub_of(&self, conn: ConnId) -> Option<usize> {
        self.gossip.hubs.iter().position(|hub| hub.conn == Some(conn))
    }

    /// The handshake with a hub is done.
    pub(in crate::node) fn hub_is_there(&mut self, conn: ConnId, ours: bool) {
        let now = self.now;
        let deadline = self.conns.get(conn).and_then(|conn| conn.zmtp.as_ref()).and_then(Connection::poll_timeout);
        self.set_timer(conn, deadline);
        let Some(index) = self.hub_of(conn) else { return };
        let hub = &mut self.gossip.hubs[index];
        (hub.up, hub.ours, hub.attempts) = (true, ours, 0);
        (hub.heard, hub.asked) = (now, now);
        if core::mem::take(&mut hub.missed) {
            log!(warn, "gossip: the hub at {} is there now", hub.at);
        } else {
            log!(info, "gossip: the hub at {} is there", hub.at);
        }
        self.greet_hub(index, conn);
        self.schedule_hub(index);
    }

    /// Says HELLO to a hub, and all that it should know.
    fn greet_hub(&mut self, index: usize, conn: ConnId) {
        self.gossip.hubs[index].hello = self.now;
        self.gossip.hubs[index].published.clear();
        self.say(conn, &Message::Hello);
        if self.planted(Planted::PublishOnce) && self.gossip.table.len() > 0 {
            return;
        }
        self.publish_me(conn, 0);
        let table = &self.gossip.table;
        let for_it = |key: &PeerId| table.is_vouched_for(*key, conn) && !table.tells(conn, *key);
        let keys: Vec<_> = table.keys().filter(for_it).collect();
        for key in keys {
            self.gossip.hubs[index].published.insert(key);
            self.publish(conn, key, ttl(Hand::FIRST.next()));
        }
    }

    pub(in crate::node) fn gossip_of_hub(&mut self, conn: ConnId, message: Message) {
        let now = self.now;
        let Some(index) = self.hub_of(conn) else { return };
        let hub = &mut self.gossip.hubs[index];
        hub.heard = now;
        let ours = hub.ours;
        match message {
            Message::Publish(tuple) => match Whereabouts::read(tuple) {
                Ok(tuple) => self.told(conn, &tuple, ours),
                // A hub hands on what others say: it is not the hub's fault.
                Err(fault) => {
                    self.statistics.gossip_refused += 1;
                    complain!(self, "gossip: the hub at {} tells of {fault}", self.gossip.hubs[index].at);
                }
            },
            Message::Invalid if now >= hub.hello + HELLO_AGAIN => {
                log!(debug, "gossip: the hub at {} has forgotten us", hub.at);
                self.greet_hub(index, conn);
            }
            Message::Ping => self.say(conn, &Message::Pong),
            _ => {}
        }
    }

    /// Our connection to a hub is gone, or was never made.
    pub(super) fn hub_gone(&mut self, index: usize) {
        let jitter = self.random(900, 1100);
        let now = self.now;
        let Some(hub) = self.gossip.hubs.get_mut(index) else { return };
        hub.up = false;
        if self.phase == Phase::Running && !core::mem::replace(&mut hub.missed, true) {
            log!(warn, "gossip: there is no hub at {} (any more): it is tried again and again", hub.at);
        }
        hub.conn = None;
        hub.published.clear();
        hub.since = now + backoff(hub.attempts, jitter).min(RETRY_MOST);
        hub.attempts = hub.attempts.saturating_add(1);
        if self.phase == Phase::Running {
            self.schedule_hub(index);
        }
    }
}

const _: () = assert!(MESSAGE >= 4 + 256 + 4 + 256 + 41 + 4, "the longest host name and a public key");
