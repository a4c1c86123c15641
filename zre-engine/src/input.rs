//! What the driver tells a node.

use crate::{
    Address,
    id::{ConnId, LinkId, ListenerId},
};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// Something that happened outside. Any input may come at any time.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// A socket listens.
    Listening {
        /// The driver's number for it.
        listener: ListenerId,
        /// What connects to it.
        kind: ListenerKind,
        /// Where, with the real port: `tcp://` with a numeric address, `ipc://` or `inproc://`.
        at: Address,
        /// What peers are told instead, where they reach the socket by another address (NAT).
        advertise: Option<Address>,
    },
    /// An interface is there: beacons go out on it. Again for the same link: its address changed.
    LinkUp {
        /// The driver's number for it.
        link: LinkId,
        /// The node's address on it.
        address: IpAddr,
        /// The mailbox that peers on this link connect to.
        mailbox: ListenerId,
    },
    /// An interface is gone.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A UDP datagram came.
    Datagram {
        /// On which link.
        link: LinkId,
        /// From where.
        from: SocketAddr,
        /// Its octets.
        data: &'a [u8],
    },
    /// A connection that the node asked for is to lead to a name (`tcp://host:port`), and the name is at this address.
    /// Before `Connected`; where a name has several addresses, for the one that is connected to.
    Resolved {
        /// Which.
        conn: ConnId,
        /// The address.
        at: SocketAddr,
    },
    /// A connection that the node asked for ([`Action::Connect`](crate::Action::Connect)) stands.
    Connected {
        /// Which.
        conn: ConnId,
        /// Our own end of it: what HELLO tells the peer.
        local: Address,
    },
    /// Octets came, in a chunk of any size.
    Received {
        /// On which connection.
        conn: ConnId,
        /// The octets. Payloads of 64 KiB and more, and of an eighth of it at least, become slices of it, and keep it in
        /// memory for as long as they live; what else is kept of it is copied, so that its memory can be used again at once.
        data: Bytes,
    },
    /// A connection is gone, or could not be made. No [`Action::Close`](crate::Action::Close) follows.
    Closed {
        /// Which.
        conn: ConnId,
        /// Why.
        cause: IoCause,
    },
    /// The deadline of [`Node::poll_timeout`](crate::Node::poll_timeout) has come (or any other time: it does no harm).
    Timeout,
}

/// What a listener is for. Exhaustive, as [`Input`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// Peers connect here (a ROUTER).
    Mailbox,
    /// Those who discover each other by gossip connect here (a ROUTER): the node is a hub.
    Hub,
}

/// Why a connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IoCause {
    /// The other side closed it in an orderly way.
    Finished,
    /// It was torn down in the middle.
    Reset,
    /// The other machine says that nobody listens there. A node takes its word for it: a peer whose own connection has ended
    /// as well has 250 ms to come back. Where the driver only guesses, or has other addresses of a name that it could not
    /// ask, it is something else.
    Refused,
    /// No way leads there.
    Unreachable,
    /// Nothing came back in time.
    TimedOut,
    /// The host's name is not known.
    Unresolved,
    /// The driver ran out of descriptors, memory or ports.
    Exhausted,
    /// Anything else.
    Other,
}
