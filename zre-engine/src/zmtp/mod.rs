//! One ZMTP 3 connection as a state machine (RFC 23, RFC 37), useful without ZRE.
//!
//! ```text
//!   octets in ──► receive ──► poll ──► Ready, then messages
//!   messages  ──► send    ──► transmit, advance ──► octets out
//! ```
//!
//! | state | what it waits for | what it sends |
//! |---|---|---|
//! | greeting | the peer's 64 octets | its own 64, at once |
//! | handshake | what the mechanism asks for: NULL wants a READY | its READY |
//! | ready | messages and commands | messages, PONG for PING, PING where heartbeats are on |
//! | failed | nothing | nothing |
//!
//! Messages sent before the handshake is done wait for it.

mod connection;
mod encoder;
mod mechanism;
mod queue;
mod spliced;

pub(crate) use connection::Incoming;
pub use connection::{Connection, ConnectionConfig, Peer, Progress, SocketType};
pub(crate) use encoder::{Encoder, SHARED_FROM};
