//! The hub's side: those who connect to us, tell where they are, and hear where others are.

use super::{Message, TAKEN_BACK, Whereabouts, table::Hand, ttl};
use crate::{
    error::{CloseReason, Violation},
    id::{ConnId, PeerId},
    log::log,
    node::Node,
    time::Instant,
    zmtp::Connection,
};
use alloc::vec::Vec;
use core::{net::IpAddr, time::Duration};

/// Somebody who gossips with us as with a hub.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// It has said HELLO.
    pub(super) introduced: bool,
    /// It is a program of this implementation.
    pub(super) ours: bool,
    /// Where it comes from, and when it last said HELLO.
    host: Option<IpAddr>,
    hello: Option<Instant>,
}

/// How often a client is told all for saying HELLO.
const HELLO: Duration = Duration::from_millis(100);

impl Node {
    /// Clients that know what a time to live means.
    pub(super) fn clients_of_ours(&self) -> impl Iterator<Item = ConnId> {
        self.gossip.clients.iter().filter(|(_, client)| client.introduced && client.ours).map(|(id, _)| *id)
    }

    /// The handshake with a client is done; it is to say HELLO.
    pub(in crate::node) fn client_is_there(&mut self, id: ConnId, ours: bool) {
        let host = self.conns.get(id).and_then(|conn| conn.remote.ip());
        self.gossip.clients.insert(id, Client { introduced: false, ours, host, hello: None });
        self.set_timer(id, Some(self.now + self.config.handshake));
    }

    pub(in crate::node) fn gossip_of_client(&mut self, id: ConnId, message: Message) {
        let Some(client) = self.gossip.clients.get(&id) else { return };
        let (introduced, ours) = (client.introduced, client.ours);
        match message {
            Message::Hello => self.introduce_client(id),
            // As stock hubs have it: whoever is not known is to begin at the beginning.
            Message::Publish(_) if !introduced => self.say(id, &Message::Invalid),
            Message::Publish(tuple) => match Whereabouts::read(tuple) {
                Err(fault) => self.violation(id, Violation::Gossip(fault)),
                Ok(tuple) => {
                    let known = self.gossip.table.get(tuple.key) == Some(&tuple.value);
                    let echo = known && self.gossip.table.is_told(tuple.key) && !self.gossip.table.tells(id, tuple.key);
                    // Stock programs say all again that they hear from us; that is not to keep it alive.
                    if ours || !echo {
                        self.told(id, &tuple, ours);
                    }
                }
            },
            Message::Ping => self.say(id, &Message::Pong),
            Message::Pong => self.say(id, &Message::Invalid),
            _ => {}
        }
    }

    fn introduce_client(&mut self, id: ConnId) {
        let now = self.now;
        let Some(host) = self.gossip.clients.get(&id).map(|client| client.host) else { return };
        let others = || self.gossip.clients.iter().filter(|(other, client)| **other != id && client.introduced);
        let of_host = others().filter(|(_, client)| client.host == host).count();
        let limits = &self.config.limits;
        if others().count() >= limits.hub_clients || (of_host >= limits.peers_of_host && !self.is_here(host)) {
            return self.fail(id, CloseReason::GaveWay);
        }
        let Some(client) = self.gossip.clients.get_mut(&id) else { return };
        if client.hello.is_some_and(|last| now < last + HELLO) {
            return;
        }
        client.hello = Some(now);
        if !core::mem::replace(&mut client.introduced, true) {
            log!(debug, "gossip: client {id} is there");
        }
        self.admission.is_no_caller(id);
        let deadline = self.conns.get_mut(id).and_then(|conn| {
            conn.introduced = true;
            conn.zmtp.as_ref().and_then(Connection::poll_timeout)
        });
        self.set_timer(id, deadline);
        self.publish_me(id, 0);
        let keys: Vec<_> = self.gossip.table.keys().collect();
        for key in keys {
            self.publish_to_client(id, key);
        }
    }

    /// Tells all clients of a tuple, the teller too.
    pub(super) fn tell_clients(&mut self, key: PeerId) {
        let all: Vec<_> =
            self.gossip.clients.iter().filter(|(_, client)| client.introduced).map(|(id, _)| *id).collect();
        for client in all {
            self.publish_to_client(client, key);
        }
    }

    /// How well we know as a hub where a node is: at first hand if it is a client of ours. What our own hubs know at first hand,
    /// we have from them: else our clients would vouch to one hub for what it has from another, and that from it.
    pub(super) fn hand_of_hub(&self, key: PeerId) -> Hand {
        let is_client = |teller| self.gossip.clients.contains_key(&teller);
        let of_clients = self.gossip.table.hand_among(key, is_client);
        if of_clients == Hand::FIRST { of_clients } else { self.gossip.table.hand_among(key, |_| true).next() }
    }

    pub(super) fn publish_to_client(&mut self, client: ConnId, key: PeerId) {
        let told = self.gossip.table.is_told(key);
        // What nobody tells for the moment may be told again.
        let hand = if told { self.hand_of_hub(key) } else { Hand::LAST };
        let ours = self.gossip.clients.get(&client).is_some_and(|client| client.ours);
        match ttl(hand) {
            TAKEN_BACK if !ours => {}
            ttl => self.publish(client, key, ttl),
        }
    }
}
