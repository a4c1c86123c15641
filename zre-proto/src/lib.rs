//! What is on the wire when programs speak ZRE: beacons, messages and the ZMTP 3 framing below them.
//!
//! This crate turns octets into values and values into octets. It opens nothing, keeps no state beyond a partial frame,
//! and needs no more than `alloc`. What a node does about these values is in the crate `zre-engine`.
//!
//! ```text
//!   UDP datagram ──► Beacon
//!
//!   TCP octets ──► zmtp::GreetingDecoder ──► zmtp::FrameDecoder ──┬─► zmtp::Command   (READY, PING, …)
//!                                                                ├─► Message         (HELLO, WHISPER, …)
//!                                                                └─► Gossip          (PUBLISH, …), at a hub
//! ```
//!
//! | module | what | source |
//! |---|---|---|
//! | [`beacon`] | the datagram that announces a node | RFC 36, "Beacon" |
//! | [`message`] | the first frame of each message between two nodes | RFC 36, "ZRE"; ELECT, LEADER and GOODBYE are Zyre's |
//! | [`gossip`] | what a hub and its clients say | czmq's zgossip, which has no RFC |
//! | [`endpoint`] | `tcp://host:port` and its kin | RFC 36, HELLO |
//! | [`zmtp`] | greeting, frames, commands, metadata | RFC 23 (ZMTP 3.0), RFC 37 (3.1) |
//! | [`text`] | names and groups as they come, perhaps not UTF-8 | RFC 36 |
//! | [`limits`] | sizes that the wire formats impose | as above |
//!
//! For captures, for tests, for a node of your own. To read a frame and what is in it:
//!
//! ```
//! use zre_proto::{Message, message::Body, zmtp::FrameDecoder};
//!
//! // A short frame of six octets: a WHISPER, the seventh message to its receiver.
//! let mut decoder = FrameDecoder::new(1 << 20);
//! decoder.push(bytes::Bytes::from_static(b"\x00\x06\xAA\xA1\x02\x02\x00\x07"));
//! let frame = decoder.next_frame()?.expect("it is complete");
//! let message = Message::decode(&frame.body)?;
//! assert_eq!((message.sequence, message.body), (7, Body::Whisper));
//! # Ok::<(), zre_proto::DecodeError>(())
//! ```
//!
//! # Errors
//!
//! [`DecodeError`] says which field broke, at which octet, and how; [`EncodeError`] says which field is longer than its
//! format allows. Whoever sent what does not decode has broken the protocol, and what to do about it is for the caller
//! to say: no input panics.
//!
//! ```
//! use zre_proto::Beacon;
//!
//! let error = Beacon::decode(b"ZRE\x02").unwrap_err();
//! assert_eq!(error.to_string(), "beacon length at octet 4: 4 octets where 22 or 54 belong");
//! ```
//!
//! # Octets and copies
//!
//! Decoders of messages take [`bytes::Bytes`], and what is in a message shares them: nothing is copied where it can be
//! sliced. A payload that spans two reads is put together once. A length or a count that was declared is never an
//! allocation: memory follows what came.
//!
//! # Features
//!
//! `std` (on by default) adds the standard halves of the dependencies; the code is the same without.
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
