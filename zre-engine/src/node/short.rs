//! Short messages, many at a time.
//!
//! Most messages are a WHISPER or a SHOUT of one frame that is not long, and many come from one peer at a time. What they have in common
//! is looked up once, and their content goes from where it was received to where it waits, with a share in the memory of
//! neither. Whatever is out of the ordinary is left to `receive`, which does the same for one message of any kind.

use super::{Node, conns::Role, peer::Peer};
use crate::{event_queue::LONG, id::ConnId, log::log};
use alloc::sync::Arc;
use zre_proto::message::ContentHead;

impl Node {
    /// Takes short messages from the front of what a connection has received, as long as they are in order.
    pub(super) fn short_messages(&mut self, id: ConnId) {
        let Self { conns, peers, events, config, me, .. } = self;
        let Some(conn) = conns.get_mut(id) else { return };
        let Role::In(Some(peer_id)) = conn.role() else { return };
        let Some(zmtp) = conn.zmtp.as_mut().filter(|zmtp| zmtp.peek_short(LONG - 1).is_some()) else { return };
        let Some(peer) = peers.get_mut(&peer_id).filter(|peer| peer.ready && peer.inbound == Some(id)) else { return };
        if config.send_only || config.has_any() {
            return;
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
            return;
        }
        peer.hear(self.now);
        conn.introduced = true;
        self.waiting = waiting;
        self.statistics.messages_received += taken;
        self.check_pressure();
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
