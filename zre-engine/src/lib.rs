//! A ZRE node (RFC 36) and a ZMTP 3 connection (RFC 23, 37) as deterministic state machines. There is no networking in
//! here: bytes and time go in, actions and events come out.
//!
//! ```text
//!                 ┌──────────────────────────────────┐
//!   datagrams ───►│                                  │───► Action: Broadcast, Connect, Writable,
//!   octets    ───►│  Node                            │             Reading, Close
//!   time      ───►│    discovery · peers · groups    │───► Event:  Enter, Join, Whisper, Shout,
//!   join,     ───►│    quiet peers · back-pressure   │             Leave, Exit, …
//!   whisper …     │                                  │
//!                 └──────────────────────────────────┘
//! ```
//!
//! The engine opens no socket, reads no clock, starts no thread and rolls no die of its own, so the same code runs over
//! sockets (the crate `zre-mio`), in your own event loop, in a fuzzer, and many times side by side in a test. It needs
//! `alloc` and nothing else of the standard library.
//!
//! # The loop
//!
//! 1. [`Node::new`] with a [`Config`], a random seed and the time.
//! 2. Bind a TCP socket, say [`Input::Listening`]; for each network interface say [`Input::LinkUp`]; then
//!    [`Node::start`].
//! 3. Carry out what [`Node::poll_action`] says, until `None`.
//! 4. Take what [`Node::poll_event`] tells, until `None`, and say [`Node::consumed`] when done with it.
//! 5. Wait for the sockets, at most until [`Node::poll_timeout`].
//! 6. Tell the node what happened: [`Node::accept`], [`Node::handle`], and for written octets [`Node::advance`]. Back
//!    to 3.
//! 7. In the end [`Node::stop`]; go on until [`Event::Stop`].
//!
//! ```
//! use zre_engine::{Action, Address, Config, Event, Input, Instant, LinkId, ListenerId, ListenerKind, Node};
//!
//! let now = Instant::ZERO; // of a monotonic clock
//! let mut config = Config::default();
//! config.name = Some("alice".into());
//! let seed = [7; 32]; // of the system's random source
//! let mut node = Node::new(config, seed, now)?;
//!
//! let (listener, link) = (ListenerId(0), LinkId(0));
//! let at = Address::Tcp("192.168.1.5:49152".parse()?);
//! node.handle(now, Input::Listening { listener, kind: ListenerKind::Mailbox, at, advertise: None })?;
//! node.handle(now, Input::LinkUp { link, address: "192.168.1.5".parse()?, mailbox: listener })?;
//! node.start(now)?;
//!
//! while let Some(action) = node.poll_action() {
//!     match action {
//!         Action::Broadcast { link, data } => assert_eq!((link, data.len()), (LinkId(0), 22)), // send it by UDP
//!         Action::Connect { conn, to } => println!("open a connection {conn} to {to}"),
//!         Action::Writable { conn } => println!("write what transmit({conn}) gives"),
//!         Action::Reading { conn, on } => println!("read from {conn}: {on}"),
//!         Action::Close { conn, why } => println!("write the rest of {conn}, close it: {why}"),
//!     }
//! }
//! let mut octets = 0;
//! while let Some(event) = node.poll_event() {
//!     octets += event.octets();
//!     match event {
//!         Event::Enter { peer, name, .. } => println!("{name} ({peer}) is there"),
//!         event => println!("{event:?}"),
//!     }
//! }
//! node.consumed(now, octets);
//! let deadline = node.poll_timeout().expect("the next beacon is due");
//! node.handle(deadline.at, Input::Timeout)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rules for a driver
//!
//! - Give datagrams before what happened to connections in the same turn: that a peer leaves is told by its last beacon,
//!   and only then does it close its connections.
//! - Give what can still be read from a connection before its `Closed`, and of a peer's two connections the inbound one
//!   first.
//! - [`InputError::UnknownConnection`] is no mistake: the node has closed the connection, and the driver has not taken
//!   that action yet. Ignore it.
//! - On [`Action::Writable`], and later whenever the socket takes octets again: [`Node::transmit`] fills slices, a vectored
//!   write takes some of their octets, [`Node::advance`] says how many; again until `transmit` has none.
//! - Beacons go to UDP port 5670 unless the cluster has another, and are heard on that port.
//!
//! `zre-mio` is such a driver; its `driver` folder shows each of these.
//!
//! # Applications
//!
//! Who drives many nodes, or one in several ways, writes what is done about events as an [`app::App`]: `zre_mio::run` and the
//! simulator (`zre_engine::sim`) run the same one, and [`app::Runner`] is what a driver of your own needs for that.
//!
//! # The contract
//!
//! Each clause is a property test of this name.
//!
//! 1. Any input may come at any time. `now` never goes back; if it does, the answer is
//!    [`InputError::TimeWentBackwards`] and nothing has changed.
//! 2. When actions and events are drained makes no difference to which come: same inputs, same outputs.
//!    ([`Node::consumed`] is an input, and so is [`Node::advance`].)
//! 3. After [`Input::Timeout`] at or past the deadline, the next deadline is later, or there is none: a driver cannot
//!    spin.
//! 4. [`Node::handle`] does work in proportion to the octets it is given; memory grows with what was received, never
//!    with a length that was declared.
//! 5. No input panics. A peer's fault is never an `Err`: it is an [`Action::Close`] with its reason and, where the peer
//!    had entered, an [`Event::Exit`].
//! 6. [`Node::transmit`] changes nothing until [`Node::advance`]. Any split of the writes and any chunking of the reads
//!    gives the same result.
//! 7. Same configuration, seed and inputs: same outputs. No hash-map order, no clock, no thread.
//!
//! # Errors
//!
//! | type | whose | what then |
//! |---|---|---|
//! | [`ConfigError`] | who configures | nothing was made |
//! | [`InputError`], [`AcceptError`] | the driver | harmless; nothing has changed |
//! | [`SendError`] | the application | nothing was sent to anybody |
//! | [`CloseReason`] | the peer, mostly | the connection closes; the reason names the rule |
//!
//! # Back-pressure
//!
//! *Sending.* What waits for a peer is bounded ([`Limits::send_queue`]). A message that does not fit is refused as
//! [`SendError::Full`]; one [`Event::Room`] follows when half of the queue is free.
//!
//! *Receiving.* What waits for the application is bounded too ([`Limits::events`]). Beyond that the node takes no more
//! messages and tells the driver to stop reading, so TCP makes the senders wait. Nothing is lost. Until they are taken,
//! events are packed ([`EventQueue`]); a driver that keeps them longer can do the same.
//!
//! # Where no beacon reaches
//!
//! Nodes find each other by beacons, by gossip, by what the user says, and by all of these at a time.
//!
//! - *Gossip* ([`Node::gossip_connect`]): hubs tell each node where the others are. A node is a hub itself once it has a
//!   listener of the kind [`ListenerKind::Hub`]; with no other listener it is a hub and nothing else. It speaks as czmq's
//!   zgossip does, with either end of it. A tuple holds while somebody who tells it is connected, and half a minute longer.
//! - *Peers that the user names* ([`Node::require_peer`]), by their UUID and endpoint or by the endpoint alone.
//!
//! Whoever is looked for so is tried again and again, more and more slowly up to every half minute, until it is there, and
//! again when it has gone. Endpoints can be names (`tcp://host:port`), which the driver looks up ([`Input::Resolved`]), and
//! `ipc://` and `inproc://`, for nodes that are reached by the same.
//!
//! # Who leads
//!
//! In a group where nodes contest ([`Node::set_contest_in_group`]) one is the leader: the one with the smallest UUID of those
//! that contest. All members hear of it ([`Event::Leader`], [`Node::leader`]), within two seconds after the last has come or
//! gone, if all can reach each other. Zyres take part, and Zyre's own way of it is kept to towards them: so among Zyres it
//! may be another that they agree on, and where they come to no end, nodes of this implementation agree without them.
//! Programs that do not understand elections (Pyre, zyre.js) drop whoever tells them of one; each is told once, and is
//! known from then on.
//!
//! # On an open network
//!
//! Whoever is on the network can send beacons and connect. [`Limits`] says what that can cost a node, and each limit what it
//! protects from. Beyond them somebody waits or is turned away; a peer that has entered never is. The rules of trust:
//!
//! - A node connects where a beacon comes from, at the port that it names; and where a HELLO comes from, whatever address it
//!   names ([`Config::trust_advertised`] changes that). Never to itself, to a multicast or broadcast address, or to its own
//!   loopback because another host says so. No two connections of its own lead to one place, whoever is said to be there.
//! - That a peer leaves, or has moved, is believed only from its own address; the first only if it is asked by a PING and
//!   does not answer.
//! - Who claims the UUID of a peer from another address waits, unread, until that has failed to answer a PING
//!   ([`Event::IdentityConflict`]). Who claims its endpoint is not connected to before.
//! - Who goes three times in a minute is taken back after 1, 2, 4 … 30 s. Places that failed are tried again as slowly.
//! - One connection makes a node hold no more than twice what it sent, and 64 KiB.
//!
//! None of this is authentication. Who can send from a node's own address can speak for it, and end its relations; after that
//! the true one may have to wait for up to 30 s, as it has come and gone too often. And peers that somebody made up are peers
//! like others: they are told to the application, and keep their places for as long as they keep the rules.
//!
//! # Buffers
//!
//! A received payload under 4 KiB is copied once, to where it waits for the application: such payloads share blocks of up
//! to 32 KiB, and one that is kept keeps its block, so copy what you keep for long ([`Content::detach`]). One of 64 KiB and
//! more, and of an eighth of its chunk at least, is a slice of the [`bytes::Bytes`] that the driver read, unless its frame
//! spans reads (copied once). Others have memory of their own, and where much waits for the application all of 4 KiB and
//! more do: then what waits holds about what it counts for. On the steady path a message asks for no memory at all, and a
//! burst of small ones takes one write. A payload to send
//! is copied into a connection's buffer when it is short, and shared between all receivers when it is long.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `std` | yes | the standard halves of the dependencies; the engine's code is the same without |
//! | `sim` | no | the simulator, `zre_engine::sim`: a cluster in a test; needs the standard library |
//! | `arbitrary`, `proptest` | no | scenarios of the simulator from a fuzzer's octets, and from proptest |
//! | `tracing` | no | log lines: `info` for the life of peers, `warn` for peers that break rules (a few a second at most), `trace` for every message |
//!
//! # What this is not (yet)
//!
//! No CURVE: all connections use the NULL mechanism, without authentication or secrecy. A node with CURVE that gossip tells of
//! is told on, and not met.
// The simulator is a program for machines that have all of the standard library; nothing else here needs it.
#![cfg_attr(not(feature = "sim"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod action;
pub mod app;
mod blocks;
mod config;
mod content;
mod error;
mod event;
mod event_queue;
mod id;
mod input;
mod log;
mod node;
mod planted;
#[cfg(feature = "sim")]
pub mod sim;
mod time;
pub mod zmtp;

pub use action::{Action, Deadline, Wake};
/// The crate whose `Bytes` stand in the API.
pub use bytes;
pub use config::{Config, Limits};
pub use content::{Content, Frames};
pub use error::{AcceptError, CloseReason, ConfigError, DiscoveryError, InputError, SendError, Violation};
pub use event::{Event, ExitReason, Headers};
pub use event_queue::EventQueue;
pub use id::{ConnId, LinkId, ListenerId, PeerId, PeerIdError};
pub use input::{Input, IoCause, ListenerKind};
pub use node::{Node, PeerInfo, Statistics};
#[cfg(feature = "planted-faults")]
#[doc(hidden)]
pub use planted::Planted;
pub use time::Instant;
/// The crate whose `Uuid` stands in the API.
pub use uuid;
/// The crate whose types stand in [`zmtp`] and in errors.
pub use zre_proto;
/// Where a connection goes to or a socket listens: the engine's word for an endpoint.
pub use zre_proto::Endpoint as Address;
