//! What a node counts.

use alloc::collections::BTreeMap;

/// Counters since the node was made, and what there is now. All may grow in later versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Peers that have entered.
    pub peers: usize,
    /// Peers that are known but have not said HELLO.
    pub strangers: usize,
    /// Connections, both ways.
    pub connections: usize,
    /// ZRE messages that were queued for peers.
    pub messages_sent: u64,
    /// ZRE messages that came and were understood.
    pub messages_received: u64,
    /// Octets written to connections.
    pub octets_sent: u64,
    /// Octets that came on connections.
    pub octets_received: u64,
    /// Beacons that went out.
    pub beacons_sent: u64,
    /// Beacons of others that were good.
    pub beacons_received: u64,
    /// Datagrams that were not heeded, by reason: `malformed`, `secure` (its sender uses CURVE), `source` (no address of a
    /// host), `our own endpoint`, `another peer's endpoint` (somebody is thought to be there already), `not the peer's
    /// address`, `failed a moment ago` (nobody was met there), `returns too often`, `too many strangers`, `too many new peers`,
    /// `too many peers`, `too many peers of one host`.
    pub beacons_rejected: BTreeMap<&'static str, u64>,
    /// Connections of others that were not taken, by reason: `too many connections`, `too many connections of one host`.
    pub turned_away: BTreeMap<&'static str, u64>,
    /// How often somebody at another address claimed the UUID of a peer.
    pub identity_conflicts: u64,
    /// Connections that this node closed, by reason: the word of an [`ExitReason`](crate::ExitReason) where a relation
    /// ended, else that of a [`CloseReason`](crate::CloseReason), or of the [`Violation`](crate::Violation) in it.
    pub closed: BTreeMap<&'static str, u64>,
    /// JOIN and LEAVE with a status that does not follow.
    pub status_mismatches: u64,
    /// Messages skipped: of a kind that is not known, or before a HELLO.
    pub skipped: u64,
    /// Content that a node which only sends has thrown away.
    pub discarded: u64,
    /// Messages that were queued for a peer when it went.
    pub unsent: u64,
    /// Octets that came and are no whole message yet, or lie unread at this node's wish.
    pub incomplete: usize,
    /// Nodes that are known by gossip.
    pub tuples: usize,
    /// Those who gossip with this node as with a hub.
    pub hub_clients: usize,
    /// Hubs that this node gossips with, of those that are there.
    pub hubs: usize,
    /// Gossip messages that were said.
    pub gossip_sent: u64,
    /// Gossip messages that came.
    pub gossip_received: u64,
    /// Of these, what was not about a node, or found no room.
    pub gossip_refused: u64,
    /// What waits for the application, as [`Event::octets`](crate::Event::octets) counts it.
    pub events_waiting: usize,
    /// What waits for peers, in octets, each message counted with 64 more.
    pub send_queues: usize,
}

impl Statistics {
    pub(super) fn reject_beacon(&mut self, reason: &'static str) {
        *self.beacons_rejected.entry(reason).or_default() += 1;
    }
}
