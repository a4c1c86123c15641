//! Short messages, of which there are many.
//!
//! Most messages are a WHISPER or a SHOUT of one frame that is not long, and many come from one peer at a time. What they have in common
//! is looked up once, and their content goes from where it was received to where it waits, with a share in the memory of
//! neither. A WHISPER that goes is put together where it waits to be written. Whatever is out of the ordinary is left to
//! `receive` and `send`, which do the same for one message of any kind.

use super::{Node, Phase, conns::Role, peer::Peer};
use crate::{
    action::Action,
    event_queue::LONG,
    id::{ConnId, PeerId},
    log::log,
    zmtp::SHARED_FROM,
};
use alloc::sync::Arc;
use bytes::Bytes;
use zre_proto::message::ContentHead;

/// No less than a short message counts for in a queue beyond its content: its headers, and what `send` counts.
const MOST_OVERHEAD: usize = 128;

impl Node {
    /// Takes short messages from the front of what a connection has received, as long as they are in order. Whether
    /// that was all, and nothing else is to be done.
    pub(super) fn short_messages(&mut self, id: ConnId) -> bool {
        let Self { conns, peers, events, config, me, .. } = self;
        let Some(conn) = conns.get_mut(id) else { return false };
        let Role::In(Some(peer_id)) = conn.role() else { return false };
        let Some(zmtp) = conn.zmtp.as_mut().filter(|zmtp| zmtp.peek_short(LONG - 1).is_some()) else { return false };
        let Some(peer) = peers.get_mut(&peer_id).filter(|peer| peer.ready && peer.inbound == Some(id)) else {
            return false;
        };
        if config.send_only || config.has_any() {
            return false;
        }
        let mut waiting = self.waiting;
        let mut taken = 0;
        let mut sender = events.begin_short(peer_id, &peer.name);
        // The group of the last SHOUT.
        let mut known: Option<Arc<str>> = None;
        while waiting <= config.limits.events
            && let Some((first, content, octets)) = zmtp.peek_short(LONG - 1)
            && let Some(ContentHead { sequence, group }) = ContentHead::read(first)
        {
            if let Some(group) = group.filter(|group| known.as_ref().is_none_or(|known| known.as_bytes() != *group)) {
                known = core::str::from_utf8(group).ok().and_then(|group| me.groups.get(group)).cloned();
                if known.is_none() {
                    break;
                }
            }
            if !peer.take_ordinary(sequence) {
                break;
            }
            log!(
                trace,
                "peer {peer_id}: received {} number {sequence}",
                if group.is_some() { "SHOUT" } else { "WHISPER" }
            );
            waiting += events.push_short(&mut sender, known.as_ref().filter(|_| group.is_some()), content);
            taken += 1;
            zmtp.skip(octets);
        }
        events.end_short(sender);
        if taken == 0 {
            return false;
        }
        let all = zmtp.is_at_rest() && !conn.ended;
        peer.hear(self.now);
        conn.introduced = true;
        self.waiting = waiting;
        self.statistics.messages_received += taken;
        self.check_pressure();
        all
    }

    /// Sends a WHISPER of one short frame, if that is all there is to do. Whether it did.
    pub(super) fn send_short(&mut self, id: PeerId, content: &[Bytes]) -> bool {
        let [frame] = content else { return false };
        let limits = &self.config.limits;
        let is_short = frame.len() < SHARED_FROM.min(limits.message);
        if !is_short || self.phase != Phase::Running || limits.frames == 0 || self.config.has_any() {
            return false;
        }
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.ending.is_none() && peer.held.is_empty()) else {
            return false;
        };
        let Some(conn_id) = peer.open().filter(|_| !peer.must_guess()) else { return false };
        let Some(zmtp) = self.conns.get_mut(conn_id).and_then(|conn| conn.zmtp.as_mut()) else { return false };
        // Whether it is full is for `send` to say.
        if zmtp.load() + frame.len() + MOST_OVERHEAD > limits.send_queue {
            return false;
        }
        peer.confirmed_by = peer.pings + 1;
        let number = peer.take_number();
        log!(trace, "peer {id}: sending WHISPER number {number}");
        let silent = !zmtp.has_output();
        zmtp.push_whisper(number, frame);
        self.statistics.messages_sent += 1;
        if silent && zmtp.has_output() {
            self.actions.push_back(Action::Writable { conn: conn_id });
        }
        true
    }
}

impl Peer {
    /// Whether a message is the next in order, where nothing is to be learned from its number; it is taken then.
    fn take_ordinary(&mut self, found: u16) -> bool {
        let takes = found == self.next_in && found != u16::MAX;
        self.next_in += u16::from(takes);
        takes
    }
}
