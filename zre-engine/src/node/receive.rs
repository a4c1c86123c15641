//! Messages that come: from octets on a connection to events.

use super::{
    Node, Phase,
    admission::Visitor,
    conns::Role,
    life::Introduction,
    peer::{Peer, ProbeWhy},
    wrap::Wrap,
};
use crate::{
    content::Content,
    error::{InputError, Violation},
    event::{Event, ExitReason},
    id::{ConnId, PeerId},
    log::log,
    planted::Planted,
    zmtp::Progress,
};
use alloc::sync::Arc;
use bytes::Bytes;
use zre_proto::{
    Message, Text,
    message::{Body, Membership},
};

/// While no more than this part of the room for events is used, payloads may be slices of what was read, and keep up to
/// eight times their own length in memory: four of the chunk, two of the buffer that our driver read it into.
const UNSPARING: usize = 32;

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
        while let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.reading && !conn.closing) {
            let role = conn.role();
            let Some(zmtp) = conn.zmtp.as_mut() else { return };
            let silent = !zmtp.has_output();
            zmtp.set_sparing(self.waiting > self.config.limits.events / UNSPARING);
            let progress = zmtp.poll(self.now);
            if silent && zmtp.has_output() {
                self.actions.push_back(crate::Action::Writable { conn: id });
            }
            match progress {
                Ok(Some(Progress::Ready(info))) => self.handshaken(id, &info),
                Ok(Some(Progress::Message(frames))) => self.message(id, frames),
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
                    return;
                }
            }
        }
    }

    fn message(&mut self, id: ConnId, mut frames: Content) {
        let Some(conn) = self.conns.get(id) else { return };
        let role = conn.role();
        if matches!(role, Role::Hub | Role::Client) {
            return self.gossip_message(id, role, &frames);
        }
        let Role::In(Some(peer_id)) = role else { return self.violation(id, Violation::WrongDirection) };
        let Some((first, content)) = frames.split_first() else { return };
        let message = match Message::decode(first) {
            Ok(message) => message,
            Err(error) => return self.violation(id, error.into()),
        };
        if !content.is_empty() && !message.body.has_content() && !matches!(message.body, Body::Unknown { .. }) {
            return self.violation(id, Violation::ExtraFrames(message.body.name()));
        }
        log!(trace, "peer {peer_id}: received {} number {}", message.body.name(), message.sequence);
        let Message { sequence, body } = message;
        if let Body::Hello(hello) = body {
            if sequence != 1 {
                return self.violation(id, Violation::Sequence { found: sequence, expected: 1 });
            }
            match Introduction::check(hello, &self.config.limits) {
                Ok(introduction) => self.hello(id, peer_id, Visitor { since: self.now, introduction }),
                Err(violation) => self.violation(id, violation),
            }
            return;
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
        if let Some(wrap) = wrap {
            self.learn_wrap(peer_id, wrap);
        }
        self.statistics.messages_received += 1;
        if let Some(conn) = self.conns.get_mut(id) {
            // One that resumed without a HELLO is introduced by its first message in order.
            conn.introduced = true;
        }
        self.hear(peer_id, id);
        frames.remove_first();
        self.understand(peer_id, body, frames);
    }

    fn understand(&mut self, peer_id: PeerId, body: Body, content: Content) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let name = peer.name.clone();
        match body {
            Body::Whisper | Body::Shout { .. } if self.config.send_only => self.statistics.discarded += 1,
            _ if self.planted(Planted::LoseWhenFull) && self.waiting > self.config.limits.events / 2 => {}
            Body::Whisper => {
                if self.planted_now(Planted::DeliverTwice, 30) {
                    self.emit(Event::Whisper { peer: peer_id, name: name.clone(), content: content.clone() });
                }
                self.emit(Event::Whisper { peer: peer_id, name, content });
            }
            Body::Shout { group } => {
                // Only groups that we are in; stock programs deliver any.
                let group = group.to_str();
                let any = self.planted(Planted::ShoutToAnyGroup) || self.planted(Planted::ShoutAfterLeave);
                let known = self.me.groups.get(&*group).cloned();
                let Some(group) = known.or_else(|| any.then(|| Arc::from(&*group))) else { return };
                self.emit(Event::Shout { peer: peer_id, name, group, content });
            }
            Body::Join(change) => self.peer_changed(peer_id, &change, true),
            Body::Leave(change) => self.peer_changed(peer_id, &change, false),
            Body::Ping => self.answer_ping(peer_id),
            Body::PingOk => self.ping_answered(peer_id),
            Body::Goodbye => {
                self.exit(peer_id, ExitReason::Left, 0);
                self.gossip_left(peer_id);
            }
            Body::Hello(_) => {}
            Body::Elect { group, challenger } => self.elect(peer_id, &group, &challenger),
            Body::Leader { group, leader } => self.leads(peer_id, &group, &leader),
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
    Arc::from(&*group.to_str())
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
