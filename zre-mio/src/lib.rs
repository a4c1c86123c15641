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
//! # How it hangs together
//!
//! ```text
//!    your program     zre-mio                                            zre-engine, zre-proto
//!                   ┌─ Node: a thread ─────────┐                      ┌──────────────────────┐
//!    whisper, … ──► │  Driver: sockets, names, │ ── octets, time ───► │  the protocol,       │
//!    Event      ◄── │  interfaces, the clock   │ ◄─ actions, events ─ │  no sockets or clock │
//!                   └──────────────────────────┘                      └──────────────────────┘
//! ```
//!
//! All that the protocol decides is decided in `zre-engine`, which runs the same in a test, a fuzzer and a simulated
//! cluster. Who wants other sockets than mio's writes another driver: its documentation has the rules.
//!
//! # A driver in your own loop
//!
//! Poll for no longer than [`Driver::timeout`], give the events to [`Driver::turn`], take [`Driver::poll_event`] until
//! it has none. Between two turns call what you like, and ask for the time-out anew. [`Driver`] has the loop in full.
//!
//! # Examples
//!
//! Started by `cargo run -p zre-mio --example NAME`:
//!
//! | example | what it shows |
//! |---|---|
//! | `chat` | a [`Node`], and a thread for its events |
//! | `mio_loop` | a [`Driver`] in a mio loop of your own, beside a timer and another socket |
//! | `tokio_node` | a [`Node`] in tokio: its descriptor tells that events wait |
//! | `calloop_loop` | the same in calloop, and so in any loop that watches descriptors |
//!
//! # Errors
//!
//! | type | when | what then |
//! |---|---|---|
//! | [`StartError`] | at the start, and `gossip_bind` | nothing is left behind; the text says what to try. [`ConfigError`], [`InterfaceError`], [`BindError`] and [`EndpointError`] are in it |
//! | [`ConfigError`] | `set_header` | nothing has changed |
//! | [`SendError`] | `whisper`, `shout`, `join`, `leave`, `disconnect`, `set_contest_in_group` | nothing was sent to anybody. `UnknownPeer`: it has left again, which happens at any time. `Full` will pass |
//! | [`DiscoveryError`] | `gossip_connect`, `require_peer` | nothing has changed |
//! | [`RecvError`] | `recv` and its kin | the node has stopped, and its last event was taken. That there is no event yet is `Ok(None)` |
//! | [`RunError`] | [`run`] | it did not start, or the poll failed |
//!
//! What a *peer* does wrong is no error here: its connection closes, and [`Event::Exit`] has the reason. What befalls
//! the machine while a node runs (no descriptors, an interface that goes) is logged at `warn`, and the node goes on as
//! well as it can.
//!
//! # Back-pressure
//!
//! A peer that does not read has a queue of 8 MiB here; when that is full, [`Node::whisper`] and [`Node::shout`] wait,
//! and [`Node::try_whisper`] and [`Node::try_shout`] say [`SendError::Full`]; [`Event::Room`] tells when to go on.
//! After 10 s without one octet taken, the peer is given up as `slow`. An application that does not take its events
//! makes its senders wait, by TCP: nothing is lost. The one trap: two nodes whose only threads both wait in `whisper`
//! do not read.
//!
//! # Time, chance, copies
//!
//! Clocks are monotonic ones; a machine may sleep, and its node asks its peers before it gives any of them up. The seed
//! of a node is of the system's random source. A large payload is not copied from the socket's buffer to the
//! application, a small one once; [`Content::detach`] is for what you keep for long.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `tracing` | no | log lines: start, stop and the life of peers at `info`, what needs attention at `warn`, connections at `debug`, all traffic at `trace` |
//! | `cli` | no | the program `zre` (chat, pipe, gossip, perf, sim, soak), with `tracing` |
//!
//! No signal handler is installed. No setting comes from a file or from a variable of the environment; only a mailbox or
//! hub at `ipc://*` asks for the directory of temporary files (`TMPDIR`). Linux is what is tested.
//!
//! # The manual
//!
//! [`manual`] has what does not belong to one item: protocol choices, every default with its reason, other programs and
//! their ways, the simulator, and what to do when a cluster does not do what it should.
#![forbid(unsafe_code)]

mod bind;
mod buffer;
mod builder;
mod clock;
mod connection;
mod driver;
mod ears;
mod error;
mod flow;
mod inbox;
mod inproc;
mod interface;
mod ipc;
mod late_ack;
mod listener;
mod log;
pub mod manual;
mod nap;
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
