//! Errors in four kinds: configuration, misuse by the driver, the application's, a peer's fault.

use crate::{Address, event::ExitReason, id::PeerId};
use alloc::string::String;
use core::time::Duration;
use zre_proto::DecodeError;

/// A configuration that cannot work. Nothing was made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A node's name must be 1 to 255 octets.
    #[error("the name {0:?} is {len} octets long; choose one of 1 to 255 octets", len = .0.len())]
    Name(String),
    /// A header's name must be 1 to 255 octets.
    #[error("the header name {0:?} is {len} octets long; choose one of 1 to 255 octets", len = .0.len())]
    HeaderName(String),
    /// A header's value is too long for a HELLO.
    #[error("the value of header {name:?} is {found} octets long, the limit is {limit}")]
    HeaderValue {
        /// The header.
        name: String,
        /// The value's length in octets.
        found: usize,
        /// The limit in octets.
        limit: usize,
    },
    /// The headers (or, with them, the groups) no longer fit a HELLO.
    #[error("the node's HELLO would be larger than peers accept; use fewer or shorter headers and groups")]
    HelloTooLarge,
    /// A limit with which no node could live.
    #[error("the limit {what} is {found}; it must be at least {least}")]
    Limit {
        /// Which field of [`Limits`](crate::Limits).
        what: &'static str,
        /// What it was set to.
        found: usize,
        /// The least that works.
        least: usize,
    },
    /// A duration that must be longer.
    #[error("{what} is {found:?}; it must be at least {least:?}")]
    Duration {
        /// Which setting.
        what: &'static str,
        /// What it was set to.
        found: Duration,
        /// The least that works.
        least: Duration,
    },
}

/// A call that had no place. It had no effect, and the node goes on.
///
/// A correct driver meets [`InputError::UnknownConnection`] in ordinary life, when something happens to a connection
/// whose [`Action::Close`](crate::Action::Close) it has not taken yet: ignore it. The others are mistakes of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// `now` was earlier than before.
    #[error("time went backwards; give the node a monotonic clock")]
    TimeWentBackwards,
    /// A connection that the node has closed meanwhile, or that never was. Nothing to worry about.
    #[error("there is no such connection (any more)")]
    UnknownConnection,
    /// A link that did not come up.
    #[error("there is no such link (any more)")]
    UnknownLink,
    /// A listener that was never announced.
    #[error("there is no such listener")]
    UnknownListener,
    /// `Connected` for a connection that has been connected already.
    #[error("that connection is connected already")]
    AlreadyConnected,
    /// Octets for a connection that is not connected yet.
    #[error("that connection is not connected yet")]
    NotConnected,
    /// A listener must be where others can connect to, with its real port.
    #[error("a listener is at a numeric TCP address with a port that is not 0, or at an ipc:// or inproc:// endpoint")]
    BadListener,
    /// `start` was called twice, or after `stop`.
    #[error("the node was started before")]
    AlreadyStarted,
    /// The node cannot be reached: it has no mailbox, and is no hub.
    #[error("the node has no mailbox; announce a listener before the start")]
    NoMailbox,
}

/// Why a connection was not taken. The driver closes its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The node has not started, or is stopping.
    #[error("the node is not running")]
    NotRunning,
    /// As many connections as the limits allow.
    #[error("too many inbound connections")]
    Full,
    /// As many connections from this address as one may have whose peers have not entered.
    #[error("too many inbound connections from one address whose peers have not entered")]
    TooManyOfHost,
    /// A listener that was never announced, or time that went backwards.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Why the application's message (or join, or leave) was not taken. Nothing was sent to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A peer that has not entered, has left, or is the node itself.
    #[error("unknown peer {0}: it has not entered, or has left")]
    UnknownPeer(PeerId),
    /// The peer's queue is full. An `Event::Room` follows when half of it is free.
    #[error("the queue to peer {peer} is full; wait for room")]
    Full {
        /// The peer that does not keep up.
        peer: PeerId,
    },
    /// The peer took nothing for as long as the send time-out, and was given up.
    #[error("peer {peer} took nothing for the send time-out and was disconnected")]
    Slow {
        /// The peer that was given up.
        peer: PeerId,
    },
    /// More octets than a message may have.
    #[error("the message has {found} octets of content, the limit is {limit}")]
    TooLarge {
        /// The message's content in octets.
        found: usize,
        /// The limit in octets.
        limit: usize,
    },
    /// More frames than a message may have.
    #[error("the message has {found} frames, the limit is {limit}")]
    TooManyFrames {
        /// The message's frames.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A group's name must be 1 to 255 octets.
    #[error("a group's name is 1 to 255 octets long, this one is {found}")]
    BadGroup {
        /// The length of the name.
        found: usize,
    },
    /// The node is in as many groups as its HELLO has room for.
    #[error("one group more would make the node's HELLO larger than peers accept; leave another group first")]
    TooManyGroups,
    /// The node has stopped or is stopping.
    #[error("the node has stopped")]
    Stopped,
    /// `now` was earlier than before.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Why a peer or a hub is not sought. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// An endpoint that no connection can lead to.
    #[error("nobody can be reached at {0}; give the address of one host, and a port that is not 0")]
    NoPlace(Address),
    /// The node itself.
    #[error("{0} is this node itself; give the endpoint of another")]
    Oneself(Address),
    /// As many as a node can have.
    #[error("a node can be given {limit} of these, and has them")]
    TooMany {
        /// How many there can be.
        limit: usize,
    },
    /// The node has stopped or is stopping.
    #[error("the node has stopped")]
    Stopped,
    /// `now` was earlier than before.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Why the node closed a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer broke a rule of ZMTP or ZRE.
    #[error("the peer broke a rule: {0}")]
    Violation(#[from] Violation),
    /// No finished handshake in time.
    #[error("no finished handshake in time")]
    HandshakeTimeout,
    /// A handshake, but no HELLO after it.
    #[error("no HELLO in time")]
    HelloTimeout,
    /// Heartbeats went unanswered.
    #[error("no answer to heartbeats")]
    HeartbeatTimeout,
    /// The same node opened a newer connection.
    #[error("a newer connection of the same node took its place")]
    Superseded,
    /// Another connection claims the identity of a peer that is alive.
    #[error("its identity belongs to a peer that is alive")]
    IdentityConflict,
    /// The relation with the peer ended.
    #[error("the relation with the peer ended: {0}")]
    Exit(ExitReason),
    /// A better way to the peer is known, or the attempt took too long.
    #[error("the attempt was given up")]
    Abandoned,
    /// It had not said HELLO for a while, or was not let in, and its place was wanted by another.
    #[error("it gave way: there was no place for it")]
    GaveWay,
    /// The other end does not take what is said to it.
    #[error("the other end does not read")]
    NotReading,
    /// The node stops.
    #[error("the node stops")]
    Stopped,
}

/// A rule that a peer broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Octets that do not decode.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// Another security mechanism than ours.
    #[error("it uses the mechanism {0}, this node uses NULL")]
    Mechanism(zre_proto::zmtp::Mechanism),
    /// A socket type that may not connect here.
    #[error("its socket type {0:?} does not go with ours")]
    SocketType(String),
    /// A message or another command where the handshake should go on.
    #[error("something other than READY in the handshake")]
    Handshake,
    /// READY after the handshake.
    #[error("a second READY")]
    SecondReady,
    /// The peer refused us.
    #[error("it refused the connection: {0}")]
    Refused(String),
    /// An identity that is not `01` and a UUID.
    #[error("its identity is {found} octets long, a ZRE node's is 17")]
    Identity {
        /// The identity's length.
        found: usize,
    },
    /// A message in more or larger frames than the limits allow.
    #[error("a message of too many frames or octets")]
    MessageTooLarge,
    /// A HELLO beyond the limits, or with a header twice.
    #[error("its HELLO has {0}")]
    Hello(&'static str),
    /// Frames after a message that has no content.
    #[error("{0} with extra frames")]
    ExtraFrames(&'static str),
    /// Gossip that is not about a node.
    #[error("its gossip has {0}")]
    Gossip(&'static str),
    /// A sequence number that does not follow.
    #[error("sequence number {found} where {expected} belongs: messages were lost")]
    Sequence {
        /// The number that came.
        found: u16,
        /// The number that belongs there.
        expected: u16,
    },
    /// A message on a connection that we opened for sending only.
    #[error("a message on a connection that is ours to send on")]
    WrongDirection,
}
