//! Discovery by gossip (Zyre's, over czmq's zgossip): nodes tell hubs where they are, and hubs tell everybody.
//!
//! | file | its story |
//! |---|---|
//! | `mod` | what is told, and to whom it is passed on |
//! | `table` | what is known, and who says so |
//! | `hub` | those who connect to us |
//! | `client` | the hubs that we connect to |
//!
//! A tuple is a node's UUID and its endpoint. Its time to live, which stock programs set to 0 and do not look at, says here
//! how the teller knows it: 0, at first hand; 1, not any more; more, at second hand or later. So the tuples of dead nodes can
//! end, where stock programs keep them for ever.

mod client;
mod hub;
mod table;

use super::{
    Node, Phase,
    conns::Role,
    grumble::complain,
    sought::Source,
    timers::{Clock, Timer},
};
use crate::{
    Address,
    error::CloseReason,
    id::{ConnId, PeerId},
    log::log,
    planted::Planted,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    vec::Vec,
};
use bytes::{Bytes, BytesMut};
use client::Hub;
use core::{net::IpAddr, net::SocketAddr, time::Duration};
use hub::Client;
use table::{Hand, Table, Told};
use zre_proto::{
    Text,
    gossip::{Gossip as Message, Tuple},
};

/// The longest message: a PUBLISH with room for a long host name and a public key.
pub(super) const MESSAGE: usize = 1024;
/// How long a tuple holds that nobody tells any more: time for a node, or a hub, to come back.
const HOLDS: Duration = Duration::from_secs(30);
/// The time to live of what is known at second hand, in milliseconds; one more for each hand after that.
const SECOND_HAND: u32 = HOLDS.as_millis() as u32;
/// The time to live of what does not hold any more. Programs that do not look at it know the tuple already.
const TAKEN_BACK: u32 = 1;
/// The longest value: a host's name, a port, and a public key.
const VALUE: usize = 320;
/// How long a tuple holds at most that nobody vouches for, whatever its time to live.
const UNTOLD: Duration = Duration::from_secs(300);
/// What a tuple may take in a queue; and what may wait for one connection beyond the whole table, in octets.
const TUPLE: usize = VALUE + 64;
const QUEUE: usize = 256 << 10;
/// How often a node contradicts what others tell of it.
const CONTRADICT: Duration = Duration::from_secs(1);

/// What a node knows by gossip, and whom it gossips with.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    table: Table,
    hubs: Vec<Hub>,
    clients: BTreeMap<ConnId, Client>,
    /// The application does not want this node to be told of.
    withdrawn: bool,
    /// Those who do not take what is said to them: they are cut off as soon as this is over.
    overdue: BTreeSet<ConnId>,
    /// When it was last said that what others tell of this node is not so.
    contradicted: Option<crate::Instant>,
    /// Of the next tuple to end.
    clock: Clock,
}

impl Gossip {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether gossip tells of a peer.
    pub(super) fn knows(&self, id: PeerId) -> bool {
        self.table.get(id).is_some()
    }

    /// Tuples, clients, and hubs that answer.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let clients = self.clients.values().filter(|client| client.introduced).count();
        (self.table.len(), clients, self.hubs.iter().filter(|hub| hub.up).count())
    }
}

/// How a time to live says at which hand something is known.
fn ttl(hand: Hand) -> u32 {
    match hand {
        Hand::FIRST => 0,
        hand if hand > Hand::LAST => TAKEN_BACK,
        Hand(more) => SECOND_HAND + u32::from(more - 1),
    }
}

/// What a time to live of one of ours says.
fn hand(ttl: u32) -> Hand {
    match ttl {
        0 => Hand::FIRST,
        ttl => Hand(u8::try_from(ttl.saturating_sub(SECOND_HAND)).unwrap_or(u8::MAX).saturating_add(1)),
    }
}

/// What a PUBLISH says, if it is about a node.
struct Whereabouts {
    key: PeerId,
    value: Text,
    /// None where the node uses CURVE: it meets only nodes with CURVE.
    at: Option<Address>,
    ttl: u32,
}

impl Whereabouts {
    /// Or what is wrong with it.
    fn read(tuple: Tuple) -> Result<Self, &'static str> {
        let key = tuple.key.to_string_lossy().parse().map_err(|_| "a key that is no UUID")?;
        if tuple.value.len() > VALUE {
            return Err("too long a value");
        }
        let text = tuple.value.to_string_lossy();
        let (endpoint, secure) = match text.split_once('|') {
            Some((endpoint, _)) => (endpoint, true),
            None => (&*text, false),
        };
        let at: Address = endpoint.parse().map_err(|_| "an endpoint that is no address")?;
        let at = Some(at).filter(|_| !secure);
        Ok(Self { key, value: tuple.value.clone(), at, ttl: tuple.ttl })
    }
}

impl Node {
    /// Takes a peer out of what this node tells by gossip, such as one that is gone for good; with its own UUID, the node
    /// itself. Whether it was there. A peer that others still tell of comes back with the next that they say.
    pub fn gossip_unpublish(&mut self, now: crate::Instant, peer: PeerId) -> bool {
        // It is withdrawn, whatever the clock says.
        let _ = self.tick(now);
        if peer == self.me.id {
            let told = !core::mem::replace(&mut self.gossip.withdrawn, true);
            if told {
                self.tell_of_me(true);
            }
            return told;
        }
        let known = self.gossip.knows(peer);
        if known {
            self.drop_tuple(peer);
        }
        known
    }

    /// Somebody tells where a node is.
    fn told(&mut self, teller: ConnId, tuple: &Whereabouts, ours: bool) {
        let (key, now) = (tuple.key, self.now);
        if key == self.me.id {
            return self.contradict(teller, tuple);
        }
        let hand = hand(tuple.ttl);
        if ours && (tuple.ttl == TAKEN_BACK || hand > Hand::LAST) {
            if self.gossip.table.take_back(teller, key, now) {
                self.spread(key);
                self.schedule_gossip();
            }
            return;
        }
        let until = (!ours && tuple.ttl > 0).then(|| now + Duration::from_millis(tuple.ttl.into()).min(UNTOLD));
        if self.gossip.table.get(key).is_none() && self.gossip.table.len() >= self.config.limits.tuples {
            let Some(victim) = self.gossip.table.victim(teller, until.is_some()) else {
                self.statistics.gossip_refused += 1;
                complain!(self, "gossip: {key} is not remembered, for as many nodes are known as the limit allows");
                return;
            };
            self.drop_tuple(victim);
        }
        // Where nobody told it any more, those who were told before were not told that.
        let hands = |node: &Self| {
            let table = &node.gossip.table;
            (table.is_told(key), table.hand(key), node.hand_of_hub(key))
        };
        let before = hands(self);
        match self.gossip.table.tell((teller, hand), key, tuple.value.clone(), until) {
            Told::New => {
                log!(debug, "gossip: {key} is at {}", tuple.value.to_string_lossy());
                for hub in &mut self.gossip.hubs {
                    hub.published.remove(&key);
                }
                self.tell_clients(key);
                self.tell_hubs(key);
                let host = self.conns.get(teller).and_then(|conn| conn.remote.ip());
                match &tuple.at {
                    Some(at) if self.may_seek(at, host) => {
                        let near = self.is_here(host);
                        self.seek(key, at.clone(), Source::Gossip { near });
                    }
                    _ => self.seek_no_more(key),
                }
            }
            Told::Known if before != hands(self) => self.spread(key),
            // Where somebody still knows it at first hand, that may be a hub that has it from us.
            Told::Known => self.tell_hubs(key),
        }
        self.schedule_gossip();
    }

    /// Somebody tells that this node is elsewhere than it is.
    fn contradict(&mut self, teller: ConnId, tuple: &Whereabouts) {
        let local = self.conns.get(teller).and_then(|conn| conn.local.clone());
        let own = local.and_then(|local| self.endpoint_from(&local));
        let due = self.gossip.contradicted.is_none_or(|last| self.now >= last + CONTRADICT);
        let once = self.planted(Planted::PublishOnce);
        if due && own.is_some() && own != tuple.at && tuple.ttl != TAKEN_BACK && !once {
            self.gossip.contradicted = Some(self.now);
            self.publish_me(teller, 0);
        }
    }

    /// Whether we would connect there because somebody at this host says so.
    fn may_seek(&self, at: &Address, teller: Option<IpAddr>) -> bool {
        let local = at.port().is_some() || self.is_here(teller);
        local && self.has_transport_of(at) && self.is_place_for(at, teller) && !self.is_own(at) && self.is_reachable()
    }

    /// Whether peers can connect to us. A hub that stands alone has no peers.
    fn is_reachable(&self) -> bool {
        self.mailboxes().next().is_some()
    }

    /// A tuple is better known than before, or less well.
    fn spread(&mut self, key: PeerId) {
        self.tell_hubs(key);
        if !self.gossip.table.is_told(key) {
            return;
        }
        // Of interest to those who look at how well it is known: also to those who tell it, for they tell it other hubs too.
        let ours: Vec<_> = self.clients_of_ours().collect();
        ours.into_iter().for_each(|client| self.publish_to_client(client, key));
    }

    /// Hubs are told what they do not know from others.
    fn tell_hubs(&mut self, key: PeerId) {
        for index in 0..self.gossip.hubs.len() {
            let Some(conn) = self.gossip.hubs[index].conn.filter(|_| self.gossip.hubs[index].up) else { continue };
            let vouched = self.gossip.table.is_vouched_for(key, conn);
            let (hub, table) = (&mut self.gossip.hubs[index], &self.gossip.table);
            if vouched && !table.tells(conn, key) && hub.published.insert(key) {
                self.publish(conn, key, ttl(Hand::FIRST.next()));
            } else if !vouched && hub.published.remove(&key) && hub.ours {
                self.publish(conn, key, TAKEN_BACK);
            }
        }
    }

    /// Nobody has told a tuple for a while.
    pub(super) fn serve_gossip(&mut self) {
        for id in core::mem::take(&mut self.gossip.overdue) {
            self.fail(id, CloseReason::NotReading);
        }
        for key in self.gossip.table.due(self.now) {
            if self.peers.get(&key).is_some_and(|peer| peer.ready) || self.planted(Planted::KeepTuples) {
                // It is there, whoever tells so.
                self.gossip.table.extend(key, HOLDS, self.now);
            } else {
                self.drop_tuple(key);
            }
        }
        self.schedule_gossip();
    }

    fn schedule_gossip(&mut self) {
        let overdue = (!self.gossip.overdue.is_empty()).then_some(self.now);
        let at = overdue.into_iter().chain(self.gossip.table.next_end()).min();
        self.timers.set(&mut self.gossip.clock, Timer::Gossip, at, self.now);
    }

    /// A peer has said that it leaves for good.
    pub(super) fn gossip_left(&mut self, peer: PeerId) {
        if self.gossip.knows(peer) {
            self.drop_tuple(peer);
        }
    }

    fn drop_tuple(&mut self, key: PeerId) {
        log!(debug, "gossip: {key} is forgotten");
        let clients: Vec<_> = self.clients_of_ours().collect();
        for client in clients {
            self.publish(client, key, TAKEN_BACK);
        }
        for index in 0..self.gossip.hubs.len() {
            let hub = &mut self.gossip.hubs[index];
            if let Some(conn) = hub.conn.filter(|_| hub.published.remove(&key) && hub.ours) {
                self.publish(conn, key, TAKEN_BACK);
            }
        }
        self.gossip.table.remove(key);
        self.seek_no_more(key);
        self.schedule_gossip();
    }

    /// This node's endpoint has changed, or it is not to be told of any more.
    pub(super) fn tell_of_me(&mut self, taken_back: bool) {
        let hubs: Vec<_> = self.gossip.hubs.iter().filter(|hub| hub.up && (hub.ours || !taken_back)).collect();
        let hubs: Vec<_> = hubs.into_iter().filter_map(|hub| hub.conn).collect();
        let clients =
            self.gossip.clients.iter().filter(|(_, client)| client.introduced && (client.ours || !taken_back));
        let clients: Vec<_> = clients.map(|(id, _)| *id).collect();
        for conn in hubs.into_iter().chain(clients) {
            self.publish_me(conn, if taken_back { TAKEN_BACK } else { 0 });
        }
    }

    fn publish_me(&mut self, conn: ConnId, ttl: u32) {
        let withdrawn = self.gossip.withdrawn && ttl != TAKEN_BACK;
        if withdrawn || !self.is_reachable() || self.phase == Phase::New {
            return;
        }
        let local = self.conns.get(conn).and_then(|conn| conn.local.clone());
        let endpoint = match local.and_then(|local| self.endpoint_from(&local)) {
            // Whoever hears of us through this machine is on it.
            Some(Address::Tcp(at)) if at.ip().is_unspecified() => {
                let here = if at.is_ipv4() { [127, 0, 0, 1].into() } else { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]) };
                SocketAddr::new(here, at.port()).into()
            }
            Some(endpoint) => endpoint,
            None => return,
        };
        let tuple = Tuple { key: format!("{}", self.me.id).into(), value: format!("{endpoint}").into(), ttl };
        self.say(conn, &Message::Publish(tuple));
    }

    fn publish(&mut self, conn: ConnId, key: PeerId, ttl: u32) {
        let Some(value) = self.gossip.table.get(key).cloned() else { return };
        self.say(conn, &Message::Publish(Tuple { key: format!("{key}").into(), value, ttl }));
    }

    /// Sends a gossip message, unless the other end does not keep up.
    fn say(&mut self, id: ConnId, message: &Message) {
        let Some(zmtp) = self.conns.get(id).and_then(|conn| conn.zmtp.as_ref()) else { return };
        if zmtp.load() > self.config.limits.tuples.saturating_mul(TUPLE).saturating_add(QUEUE) {
            // Not at once: what follows from it would be said to others in the same way.
            self.gossip.overdue.insert(id);
            return self.schedule_gossip();
        }
        log!(trace, "{id}: saying gossip {}", message.name());
        let mut frame = BytesMut::with_capacity(message.encoded_len());
        // Keys and values are within the bounds of what was read or made here.
        let encoded = message.encode(&mut frame);
        debug_assert_eq!(encoded, Ok(()));
        self.encoder.start(&frame, 0);
        let encoder = core::mem::take(&mut self.encoder);
        self.put_encoded(id, &encoder, false);
        self.encoder = encoder;
        self.statistics.gossip_sent += 1;
    }

    /// Something was said on a connection of gossip.
    pub(super) fn gossip_message(&mut self, id: ConnId, role: Role, first: &Bytes) {
        let message = match Message::decode(first) {
            Ok(message) => message,
            Err(error) => return self.violation(id, error.into()),
        };
        log!(trace, "{id}: gossip {} came", message.name());
        self.statistics.gossip_received += 1;
        match role {
            Role::Hub => self.gossip_of_hub(id, message),
            _ => self.gossip_of_client(id, message),
        }
    }

    /// A connection on which gossip went is gone.
    pub(super) fn gossip_broke(&mut self, id: ConnId) {
        self.gossip.clients.remove(&id);
        self.gossip.overdue.remove(&id);
        let told = self.gossip.table.gone(id, self.now + HOLDS);
        for key in told {
            self.spread(key);
        }
        self.schedule_gossip();
        if let Some(index) = self.gossip.hubs.iter().position(|hub| hub.conn == Some(id)) {
            self.hub_gone(index);
        }
    }
}
