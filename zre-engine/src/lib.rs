//! A ZRE node and a ZMTP connection as deterministic state machines. No networking in here: bytes and time go in,
//! actions and events come out.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod config;
mod content;
mod error;
mod event;
mod id;
mod input;
mod log;
mod node;
mod time;
pub mod zmtp;

pub use action::{Action, Deadline, Wake};
pub use config::{Config, Limits};
pub use content::Content;
pub use error::{AcceptError, CloseReason, ConfigError, InputError, SendError, Violation};
pub use event::{Event, ExitReason, Headers};
pub use id::{ConnId, LinkId, ListenerId, PeerId, PeerIdError};
pub use input::{Input, IoCause, ListenerKind};
pub use node::{Node, PeerInfo, Statistics};
pub use time::Instant;
pub use zre_proto::Endpoint;
/// Where a connection goes to or a socket listens: the engine's word for an endpoint.
pub use zre_proto::Endpoint as Address;
