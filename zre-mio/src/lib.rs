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
//! Three ways in, with the same sockets and the same state machine (`zre-engine`) under all of them:
//!
//! | | [`Node`] | [`Driver`] | [`run`] |
//! |---|---|---|---|
//! | runs | on a thread of its own | in your own mio `Poll`, when you call [`Driver::turn`] | on your thread, to the end |
//! | handles | `Clone + Send + Sync` | one, `&mut` | [`Cx`], while the application is called |
//! | sending | waits for room, or not (`try_…`) | never waits | never waits |
//! | events | [`Node::recv`] and its kin | [`Driver::poll_event`] | [`App::on_event`] |
//!
//! An [`App`] that is written for [`run`] runs unchanged in the simulator (`zre_engine::sim`), a hundred of them in one
//! test:
//!
//! ```no_run
//! use std::time::Duration;
//! use zre_mio::{App, Cx, Event, Node};
//!
//! struct Clock;
//!
//! impl App for Clock {
//!     fn on_start(&mut self, cx: &mut Cx<'_>) {
//!         cx.set_timer(0, Duration::from_secs(1));
//!     }
//!
//!     fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
//!         if matches!(event, Event::Whisper { content, .. } if content.text() == "stop") {
//!             cx.stop();
//!         }
//!     }
//!
//!     fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
//!         // An error says that too much waits for somebody: that tick is left out.
//!         let _ = cx.shout("clock", "tick");
//!         cx.set_timer(timer, Duration::from_secs(1));
//!     }
//! }
//!
//! zre_mio::run(Node::builder("clock").interface("lo"), Clock)?;
//! # Ok::<(), zre_mio::RunError>(())
//! ```
//!
//! Log lines go to `tracing` with the feature of that name: which interface was chosen, start and stop at `info`, what
//! needs attention at `warn`, all traffic at `trace`. No signal handler is installed.
#![forbid(unsafe_code)]

mod bind;
mod buffer;
mod builder;
mod clock;
mod connection;
mod driver;
mod ears;
mod error;
mod inbox;
mod inproc;
mod interface;
mod ipc;
mod listener;
mod log;
mod node;
mod resolver;
mod run;
mod shared;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use bind::BindError;
pub use builder::Builder;
pub use driver::Driver;
pub use error::{EndpointProblem, RecvError, RunError, StartError};
pub use interface::InterfaceError;
/// The crate in whose `Poll` a [`Driver`] runs.
pub use mio;
pub use node::Node;
pub use run::run;
/// The crate whose `Uuid` stands in the API.
pub use uuid;
/// The state machine under a [`Driver`], which [`Driver::engine`] shows.
pub use zre_engine;
pub use zre_engine::app::{App, Cx, Runner};
pub use zre_engine::{
    Address, Config, ConfigError, Content, DiscoveryError, Event, EventQueue, ExitReason, Headers, InputError, Instant,
    Limits, ListenerKind, PeerId, PeerIdError, PeerInfo, SendError, Statistics, bytes,
};
pub use zre_proto::endpoint::EndpointError;
