//! What is on the wire when programs speak ZRE: beacons, messages and the ZMTP 3 framing below them.
//!
//! This crate turns octets into values and values into octets. It opens nothing, keeps no state beyond a partial
//! frame, and needs no more than `alloc`. Payloads are never copied where they can be sliced.
//!
//! ```text
//!   UDP datagram ──► Beacon
//!
//!   TCP octets ──► zmtp::GreetingDecoder ──► zmtp::FrameDecoder ──┬─► zmtp::Command   (READY, PING, …)
//!                                                                └─► Message         (HELLO, WHISPER, …)
//! ```
//!
//! | module | what | source |
//! |---|---|---|
//! | [`beacon`] | the datagram that announces a node | RFC 36, "Beacon" |
//! | [`message`] | the first frame of each message between two nodes | RFC 36, "ZRE" |
//! | [`endpoint`] | `tcp://host:port` and its kin | RFC 36, HELLO |
//! | [`zmtp`] | greeting, frames, commands, metadata | RFC 23 (ZMTP 3.0), RFC 37 (3.1) |
//! | [`limits`] | sizes that the wire formats impose | as above |
//!
//! Each decoder says which field broke and at which octet:
//!
//! ```
//! use zre_proto::{Beacon, Message, message::Body};
//!
//! let hello_there = bytes::Bytes::from_static(b"\xAA\xA1\x02\x02\x00\x07");
//! let message = Message::decode(&hello_there)?;
//! assert_eq!((message.sequence, message.body), (7, Body::Whisper));
//!
//! let error = Beacon::decode(b"ZRE\x02").unwrap_err();
//! assert_eq!(error.to_string(), "beacon length at octet 4: 4 octets where 22 or 54 belong");
//! # Ok::<(), zre_proto::DecodeError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod beacon;
pub mod endpoint;
pub mod error;
pub mod gossip;
pub mod limits;
pub mod message;
pub mod text;
mod wire;
pub mod zmtp;

pub use beacon::Beacon;
/// The crate whose `Bytes` and `BufMut` stand in the API.
pub use bytes;
pub use endpoint::Endpoint;
pub use error::{DecodeError, EncodeError, Fault};
pub use gossip::Gossip;
pub use message::Message;
pub use text::Text;
/// The crate whose `Uuid` stands in the API.
pub use uuid;
