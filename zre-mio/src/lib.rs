//! ZRE over real sockets: programs on a network find each other, form groups, whisper and shout. No broker, no
//! configuration, no C library; Zyre and Pyre programs are peers like any other.
//!
//! ```no_run
//! use zre_mio::{Event, Node};
//!
//! let node = Node::builder("alice").header("role", "sensor").interface("lo").start()?;
//! node.join("telemetry")?;
//! for event in node.events() {
//!     match event {
//!         Event::Enter { peer, .. } => {
//!             // An error says that it has left again meanwhile.
//!             let _ = node.whisper(peer, "hello");
//!         }
//!         Event::Shout { name, content, .. } => println!("{name}: {}", content.text()),
//!         _ => {}
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! (`interface("lo")` keeps the node on this machine; leave it out to meet others.)
//!
//! Two ways in, with the same sockets and the same state machine (`zre-engine`) under both:
//!
//! | | [`Node`] | [`Driver`] |
//! |---|---|---|
//! | runs | on a thread of its own | in your own mio `Poll`, when you call [`Driver::turn`] |
//! | handles | `Clone + Send + Sync` | one, `&mut` |
//! | sending | waits for room, or not (`try_…`) | never waits |
//! | events | [`Node::recv`] and its kin | [`Driver::poll_event`] |
//!
//! Log lines go to `tracing` with the feature of that name: which interface was chosen, start and stop at `info`, what
//! needs attention at `warn`, all traffic at `trace`. No signal handler is installed.
#![forbid(unsafe_code)]

mod buffer;
mod builder;
mod clock;
mod connection;
mod driver;
mod error;
mod inbox;
mod interface;
mod log;
mod node;
mod resolver;
mod shared;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use builder::Builder;
pub use driver::Driver;
pub use error::{RecvError, StartError};
pub use interface::InterfaceError;
/// The crate in whose `Poll` a [`Driver`] runs.
pub use mio;
pub use node::Node;
pub use zre_engine::{
    Address, Config, ConfigError, Content, Event, ExitReason, Headers, Limits, PeerId, PeerIdError, SendError,
    Statistics, bytes,
};
