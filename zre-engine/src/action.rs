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
    /// Open a connection. Answer with `Connected`, or `Closed` where it cannot be made.
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
    /// Stop or resume reading from the connection: back-pressure.
    Reading {
        /// Which.
        conn: ConnId,
        /// Whether to read.
        on: bool,
    },
    /// Write what `transmit` still has for the connection, then close it. The node wants no more inputs for it. A driver
    /// that gives up before all is written says `Closed`.
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
