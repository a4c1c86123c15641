//! What a node is told before it lives: its name, its clocks, its limits.

use alloc::{string::String, vec::Vec};
use core::time::Duration;
use uuid::Uuid;

/// How a node behaves. Start from `Config::default()` and change what you need; [`Node::new`](crate::Node::new) checks
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The node's name, 1 to 255 octets. Default: the first six hex digits of the UUID. Names are not unique.
    pub name: Option<String>,
    /// The node's UUID. Default: made from the seed.
    pub uuid: Option<Uuid>,
    /// Headers that peers see in ENTER, in this order: names of 1 to 255 octets, none twice.
    pub headers: Vec<(String, String)>,
    /// Time between beacons; the first goes out at once. Default 1 s.
    pub interval: Duration,
    /// Silence after which a peer is asked for a sign of life, if no beacon of it was heard for as long either. While its
    /// beacons come, it is asked after half of `expired`. Default 5 s.
    pub evasive: Duration,
    /// Time from EVASIVE, which comes 1 s after a PING without an answer, to SILENT. Default 5 s.
    pub silent: Duration,
    /// Silence after which a peer is given up: EXIT. Default 30 s.
    pub expired: Duration,
    /// How long `stop` waits for peers to take what is queued. Default 1 s.
    pub linger: Duration,
    /// How long a full queue may wait for its peer to take one octet before the peer is given up as slow. Default 10 s.
    pub send_timeout: Duration,
    /// The node only sends: WHISPERs and SHOUTs that come are thrown away, and counted. Default no.
    pub send_only: bool,
    /// Time for greeting and ZMTP handshake of a connection, and on an inbound one once more for the HELLO after it. A peer
    /// whose beacon was heard may take once longer; and so long, but no less than a second, an attempt to connect has before
    /// a beacon begins it anew. Default 5 s.
    pub handshake: Duration,
    /// Time in which a peer must be reached once it said HELLO, and a stranger must say HELLO. Default 10 s.
    pub introduction: Duration,
    /// Connects to peers where their HELLO says, whatever address it comes from. Without it, one that names another address
    /// than it comes from is met at the address that it comes from. Set it where peers are behind address translation and
    /// advertise how they are reached, and only where nobody lies: whoever says HELLO can make the node connect anywhere.
    /// Default no.
    pub trust_advertised: bool,
    /// ZMTP heartbeats on our outgoing connections: off by default.
    pub heartbeat: Option<Duration>,
    /// What a peer may cost.
    pub limits: Limits,
    /// A known bug that the node is to have, so that a test can show that it finds it.
    #[cfg(feature = "planted-faults")]
    #[doc(hidden)]
    pub planted: Option<crate::planted::Planted>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            uuid: None,
            headers: Vec::new(),
            interval: Duration::from_secs(1),
            evasive: Duration::from_secs(5),
            silent: Duration::from_secs(5),
            expired: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            send_timeout: Duration::from_secs(10),
            send_only: false,
            handshake: Duration::from_secs(5),
            introduction: Duration::from_secs(10),
            trust_advertised: false,
            heartbeat: None,
            limits: Limits::default(),
            #[cfg(feature = "planted-faults")]
            planted: None,
        }
    }
}

/// Bounds on what others can make a node hold and do: on by default, so that a node can be left on an open network.
/// Lengths are in octets.
///
/// Three kinds: who goes beyond `message`, `frames`, `hello`, `groups`, `headers`, `header_value` or `ready` loses the
/// connection; `send_queue` and `events` make a sender wait; beyond the others somebody is turned away, or waits to be let
/// in. Memory follows what came, never a length or a count that somebody declared.
///
/// What all of it comes to at worst: each peer may hold a message that is not complete, so `peers` × `message` octets
/// ([`Statistics::incomplete`](crate::Statistics::incomplete) tells); and a node may have `3 × peers + strangers +
/// spare_connections` connections, each a descriptor. Where that is more than the machine has, or than `ulimit -n` allows,
/// lower `peers` and `message`.
///
/// ```
/// let mut limits = zre_engine::Limits::default();
/// limits.peers = 64;
/// limits.message = 1 << 20;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Content of one message, all frames together. Default 16 MiB. Protects from messages that fill the memory before
    /// they are complete.
    pub message: usize,
    /// Content frames of one message. Default 64. Protects from messages of endless empty frames.
    pub frames: usize,
    /// A HELLO, ours included. Default 64 KiB. Protects from peers that cost much for as long as they are there.
    pub hello: usize,
    /// Groups in a HELLO, and groups that a peer is in. Default 256. Protects from peers that join without end.
    pub groups: usize,
    /// Headers in a HELLO. Default 128. Protects from many small ones, each of which costs more than its octets.
    pub headers: usize,
    /// One header's value. Default 8 KiB. Protects whoever shows or stores headers.
    pub header_value: usize,
    /// A READY or another command of the handshake. Default 512, at least 128. Protects from those who are not known at all.
    pub ready: usize,

    /// What may wait for one peer, each message counted with 64 octets more. Default 8 MiB. Protects from peers that do not
    /// read. A message within the other limits is always taken by an empty queue.
    pub send_queue: usize,
    /// Events that wait for the application, by the memory that they hold, to within a half; beyond that, senders are
    /// made to wait. Default 16 MiB. Protects from peers that send faster than the application takes.
    pub events: usize,

    /// Peers known at a time, strangers among them. Default 1024. Protects from made-up UUIDs. Who says HELLO to a full node
    /// waits until a place is free.
    pub peers: usize,
    /// Peers at one address, other than of this host. Default 512: however many nodes one host makes up, others find a place.
    pub peers_of_host: usize,
    /// New peers at once; then [`new_peers_per_second`](Self::new_peers_per_second). Default 1024. Protects from those who come
    /// and go as fast as they can: each costs connections, timers, and events for the application. The last eighth is kept
    /// for those who are heard again and those who connect.
    pub new_peers: u32,
    /// New peers a second in the long run. Default 200.
    pub new_peers_per_second: u32,
    /// Strangers at a time: those who were heard of by a beacon and have not said HELLO. Default 128. Protects from forged
    /// beacons, each of which makes the node connect somewhere. With 0 no beacon is heeded, and peers come by themselves.
    pub strangers: usize,
    /// Strangers at one address. Default 32. Keeps one host from taking all places.
    pub strangers_of_host: usize,
    /// The same for an address of this host, where many nodes are no wonder. Default 128.
    pub strangers_of_this_host: usize,
    /// Inbound connections at a time beyond two for each place in `peers`; and so many may wait to be let in. Default 128.
    /// Protects the node's descriptors.
    pub spare_connections: usize,
    /// Inbound connections from one address whose peers have not entered. Default 32. Protects from connections that say
    /// nothing, or say it slowly: the oldest gives way once it has been there for a second.
    pub callers_of_host: usize,
    /// The same for an address of this host. Default 256.
    pub callers_of_this_host: usize,

    /// Nodes that are known by gossip. Default 4096. Protects hubs, and those who listen to them, from made-up nodes: beyond
    /// it, whoever tells of most makes room for others.
    pub tuples: usize,
    /// Those who may gossip with this node as with a hub, at a time. Default 1024. With 0 it is no hub for anybody.
    pub hub_clients: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            frames: 64,
            hello: 64 << 10,
            groups: 256,
            headers: 128,
            header_value: 8 << 10,
            ready: 512,
            send_queue: 8 << 20,
            events: 16 << 20,
            peers: 1024,
            peers_of_host: 512,
            new_peers: 1024,
            new_peers_per_second: 200,
            strangers: 128,
            strangers_of_host: 32,
            strangers_of_this_host: 128,
            spare_connections: 128,
            callers_of_host: 32,
            callers_of_this_host: 256,
            tuples: 4096,
            hub_clients: 1024,
        }
    }
}
