//! Messages that come: from octets on a connection to events.

use super::{
    Node, Phase,
    admission::Visitor,
    conns::{Conn, Role},
    life::Introduction,
    peer::{Peer, ProbeWhy},
    wrap::Wrap,
};
use crate::{
    content::Content,
    error::{InputError, Violation},
    event::{Event, ExitReason},
    event_queue::LONG,
    id::{ConnId, PeerId},
    log::log,
    planted::Planted,
    zmtp::{Connection, Incoming},
};
use alloc::sync::Arc;
use bytes::Bytes;
use zre_proto::{
    Message, Text,
    message::{Body, Hello, Membership},
};

/// While no more than this part of the room for events is used, large payloads may be slices of what was read, and keep up
/// to eight times their own length in memory.
const UNSPARING: usize = 16;

impl Node {
    pub(super) fn received(&mut self, id: ConnId, data: Bytes) -> Result<(), InputError> {
        let now = self.now;
        let conn = self.conns.get_mut(id).ok_or(InputError::UnknownConnection)?;
        if conn.closing {
            return Ok(());
        }
        let zmtp = conn.zmtp.as_mut().ok_or(InputError::NotConnected)?;
        self.statistics.octets_received += data.len() as u64;
        zmtp.receive(now, data);
        self.resume(id);
        Ok(())
    }

    /// Takes what a connection has received, as long as the application keeps up.
    pub(super) fn resume(&mut self, id: ConnId) {
        while self.conns.get(id).is_some_and(Conn::is_read) {
            if self.short_messages(id) || !self.next_thing(id) {
                return;
            }
        }
    }

    /// Takes one thing of any kind. Whether there was one.
    fn next_thing(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.is_read()) else { return false };
        let role = conn.role();
        let Some(zmtp) = conn.zmtp.as_mut() else { return false };
        let silent = !zmtp.has_output();
        let progress = zmtp.poll_parts(self.now);
        if silent && zmtp.has_output() {
            self.actions.push_back(crate::Action::Writable { conn: id });
        }
        match progress {
            Ok(Some(Incoming::Message(first, content))) => self.message(id, role, &first, content),
            Ok(Some(Incoming::Ready(info))) => self.handshaken(id, &info),
            Err(why) => self.fail(id, why),
            Ok(None) => {
                let (in_message, ended) = (zmtp.is_in_message(), conn.ended);
                if let Role::In(Some(peer)) = role
                    && in_message
                {
                    // A large message under way is a sign of life.
                    self.hear(peer, id);
                }
                if ended {
                    self.broke(id);
                }
                return false;
            }
        }
        true
    }

    fn message(&mut self, id: ConnId, role: Role, first: &Bytes, content: Content) {
        if matches!(role, Role::Hub | Role::Client) {
            return self.gossip_message(id, role, first);
        }
        let Role::In(Some(peer_id)) = role else { return self.violation(id, Violation::WrongDirection) };
        let Message { sequence, body } = match Message::decode(first) {
            Ok(message) => message,
            Err(error) => return self.violation(id, error.into()),
        };
        if !content.is_empty() && !body.has_content() && !matches!(body, Body::Unknown { .. }) {
            return self.violation(id, Violation::ExtraFrames(body.name()));
        }
        log!(trace, "peer {peer_id}: received {} number {sequence}", body.name());
        if let Body::Hello(hello) = body {
            return self.hello_message(id, peer_id, sequence, hello);
        }
        self.prove_claim(peer_id, id, sequence);
        let Some(peer) = self.peers.get_mut(&peer_id).filter(|peer| peer.ready && peer.inbound == Some(id)) else {
            // Before a HELLO nothing else counts.
            self.statistics.skipped += 1;
            return;
        };
        let wrap = match peer.take_sequence(sequence) {
            Ok(wrap) => wrap,
            Err(violation) => return self.violation(id, violation),
        };
        peer.hear(self.now);
        if let Some(wrap) = wrap {
            self.learn_wrap(peer_id, wrap);
        }
        self.statistics.messages_received += 1;
        if let Some(conn) = self.conns.get_mut(id) {
            // One that resumed without a HELLO is introduced by its first message in order.
            conn.introduced = true;
        }
        match body {
            Body::Whisper => self.deliver(id, peer_id, None, content),
            Body::Shout { group } => self.deliver(id, peer_id, Some(&group), content),
            body => self.understand(peer_id, body),
        }
    }

    fn hello_message(&mut self, id: ConnId, peer_id: PeerId, sequence: u16, hello: Hello) {
        if sequence != 1 {
            return self.violation(id, Violation::Sequence { found: sequence, expected: 1 });
        }
        match Introduction::check(hello, &self.config.limits) {
            Ok(introduction) => self.hello(id, peer_id, Visitor { since: self.now, introduction }),
            Err(violation) => self.violation(id, violation),
        }
    }

    /// Content for the application.
    fn deliver(&mut self, id: ConnId, peer_id: PeerId, group: Option<&Text>, mut content: Content) {
        if self.config.send_only {
            self.statistics.discarded += 1;
            return;
        }
        if self.planted(Planted::LoseWhenFull) && self.waiting > self.config.limits.events / 2 {
            return;
        }
        let group = match group {
            None => None,
            // Only groups that we are in; stock programs deliver any.
            Some(group) => match self.own_group(group) {
                Some(group) => Some(group),
                None => return,
            },
        };
        // Short frames are packed while they wait. Of longer ones those stay slices that are large themselves, as long as
        // not much waits already.
        let sparing = self.waiting > self.config.limits.events / UNSPARING;
        let zmtp = self.conns.get(id).and_then(|conn| conn.zmtp.as_ref()).filter(|_| !sparing);
        content.copy_out(0, LONG..zmtp.map_or(usize::MAX, Connection::least_slice));
        let twice = group.is_none() && self.planted_now(Planted::DeliverTwice, 30);
        let Some(peer) = self.peers.get(&peer_id) else { return };
        self.waiting += Event::octets_of_message(content.len(), content.octets());
        if twice {
            self.events.push_message(peer_id, &peer.name, None, content.clone());
        }
        self.events.push_message(peer_id, &peer.name, group.as_ref(), content);
        self.check_pressure();
    }

    /// The name of a group that we are in.
    fn own_group(&self, group: &Text) -> Option<Arc<str>> {
        let group = group.to_string_lossy();
        let any = self.planted(Planted::ShoutToAnyGroup) || self.planted(Planted::ShoutAfterLeave);
        let known = self.me.groups.get(&*group).cloned();
        known.or_else(|| any.then(|| Arc::from(&*group)))
    }

    fn understand(&mut self, peer_id: PeerId, body: Body) {
        match body {
            Body::Join(change) => self.peer_changed(peer_id, &change, true),
            Body::Leave(change) => self.peer_changed(peer_id, &change, false),
            Body::Ping => self.answer_ping(peer_id),
            Body::PingOk => self.ping_answered(peer_id),
            Body::Goodbye => {
                self.exit(peer_id, ExitReason::Left, 0);
                self.gossip_left(peer_id);
            }
            Body::Elect { group, challenger } => self.elect(peer_id, &group, &challenger),
            Body::Leader { group, leader } => self.leads(peer_id, &group, &leader),
            Body::Hello(_) | Body::Whisper | Body::Shout { .. } => {}
            // What is not known is skipped.
            _ => self.statistics.skipped += 1,
        }
    }

    fn peer_changed(&mut self, peer_id: PeerId, change: &Membership, join: bool) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        peer.status = peer.status.wrapping_add(1);
        if peer.status != change.status {
            self.statistics.status_mismatches += 1;
            peer.status = change.status;
        }
        let group = group_name(&change.group);
        if join && !peer.groups.contains(&group) && peer.groups.len() >= self.config.limits.groups {
            self.statistics.skipped += 1;
            return;
        }
        self.set_member(peer_id, &group, join);
    }

    /// Puts a peer into a group or takes it out; the application is told of a change.
    pub(super) fn set_member(&mut self, peer_id: PeerId, group: &Arc<str>, join: bool) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        // All peers in a group share its name.
        let group = self.members.get_key_value(group).map_or(group, |(group, _)| group);
        let changed = if join { peer.groups.insert(group.clone()) } else { peer.groups.remove(group) };
        if !changed {
            return;
        }
        let (peer, name, group) = (peer_id, peer.name.clone(), group.clone());
        if join {
            self.members.entry(group.clone()).or_default().insert(peer);
            self.emit(Event::Join { peer, name, group: group.clone() });
            self.election_joins(&group, peer);
        } else {
            self.forget_member(peer, &group);
            self.emit(Event::Leave { peer, name, group: group.clone() });
            self.election_leaves(&group, peer);
        }
    }

    pub(super) fn forget_member(&mut self, peer: PeerId, group: &str) {
        if let Some(members) = self.members.get_mut(group) {
            members.remove(peer);
            if members.is_empty() {
                self.members.remove(group);
            }
        }
    }

    fn ping_answered(&mut self, peer_id: PeerId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        peer.pongs = peer.pings.min(peer.pongs + 1);
        peer.leaving = false;
        self.end_probe(peer_id, ProbeWhy::Leaving);
        self.end_probe(peer_id, ProbeWhy::Replaced);
        self.keep_place(peer_id);
        self.win_contest(peer_id);
        self.check_guess(peer_id);
        if self.phase == Phase::Stopping {
            self.check_all_drained();
        }
    }
}

/// A group's name as the application knows it.
pub(super) fn group_name(group: &Text) -> Arc<str> {
    Arc::from(&*group.to_string_lossy())
}

impl Peer {
    /// Whether a message has the number that the next must have.
    pub(super) fn is_next(&self, found: u16) -> bool {
        found == self.next_in || (self.next_in, found) == (u16::MAX, 0)
    }

    /// Whether a message is the next in order. After 65535 comes 0; some programs never use 65535.
    ///
    /// Where that shows which of the two the peer does, it is told.
    fn take_sequence(&mut self, found: u16) -> Result<Option<Wrap>, Violation> {
        let expected = self.next_in;
        let wrap = match (expected, found) {
            (u16::MAX, 0) => Some(Wrap::Short),
            (u16::MAX, u16::MAX) => Some(Wrap::Full),
            _ if found == expected => None,
            _ => return Err(Violation::Sequence { found, expected }),
        };
        self.next_in = found.wrapping_add(1);
        Ok(wrap)
    }
}
