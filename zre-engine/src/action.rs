//! What a node wants its driver to do.

use crate::{
    Address,
    error::CloseReason,
    id::{ConnId, LinkId},
    time::Instant,
};
use bytes::Bytes;

/// Something for the driver to do. There are five, and there will be no others: match them all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an action that is not carried out leaves the node waiting"]
pub enum Action {
    /// Send a datagram to the link's broadcast address, at the UDP port that all nodes of the cluster share (ZRE's own is
    /// 5670), from the link's own address: receivers connect to where it comes from. If it is heard by the node itself,
    /// that does no harm.
    Broadcast {
        /// On which link.
        link: LinkId,
        /// The datagram.
        data: Bytes,
    },
    /// Open a connection. Answer with `Connected`, or `Closed` where it cannot be made, or where the driver has no way to
    /// such an address: names, `ipc://` and `inproc://` come only by gossip and from the user.
    ///
    /// Let it leave from the link's own address where the machine has several: peers know a node by the address that its
    /// beacons come from. An attempt that takes too long is no concern of the driver: the node closes it.
    Connect {
        /// The new connection's id.
        conn: ConnId,
        /// Where to.
        to: Address,
    },
    /// The connection has octets to send, and had none before: `transmit` and `advance` until it has none, or until the
    /// socket takes no more and then again when it does.
    Writable {
        /// Which.
        conn: ConnId,
    },
    /// Stop or resume reading from the connection: back-pressure. At first, connections are read. While one is not, its
    /// octets stay in the socket, and its end, which comes after them, is not told either.
    Reading {
        /// Which.
        conn: ConnId,
        /// Whether to read.
        on: bool,
    },
    /// Write what `transmit` still has for the connection, then close it; where it is not connected yet, drop the attempt.
    /// The node wants no more inputs for it but `Timeout`: once `linger` is over, `transmit` has nothing more. A driver that
    /// gives up before all is written says `Closed`.
    ///
    /// A TCP socket in which octets lie unread is torn down when it is closed, and the other side may lose what was written
    /// last: shut it down for writing, read what lies there, and throw that away.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        why: CloseReason,
    },
}

/// When the node wants to be called next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// The time.
    pub at: Instant,
    /// What it is for; for logs.
    pub why: Wake,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Wake {
    /// A beacon is due.
    Beacon,
    /// A peer's clocks: a PING, EVASIVE, SILENT, EXIT, a connection tried again.
    Peer,
    /// A connection's clocks: handshake, HELLO, heartbeat.
    Connection,
    /// Gossip: a hub to be asked or connected to, a node to be forgotten.
    Gossip,
    /// An election that is not over.
    Election,
    /// The end of the time that `stop` gives.
    Linger,
}
