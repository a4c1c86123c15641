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
//! 7. In the end [`Node::stop`]; go on until [`Event::Stop`], and until the connections are closed: what was said last is
//!    still to be written.
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
//! All that a driver must know is here. A driver is what stands between a node and the system: it has the sockets, the
//! clock and the wait. It decides nothing about ZRE. It takes some 300 lines for one kind of sockets, and some thousand
//! for all kinds.
//!
//! ## Order of life
//!
//! | when | call | what it brings |
//! |---|---|---|
//! | first | [`Node::new`] | nothing to do yet; groups may be joined ([`Node::join`]), hubs and peers named ([`Node::gossip_connect`], [`Node::require_peer`]) |
//! | a socket listens | [`Input::Listening`] | with the port that it really has, and a number of yours ([`ListenerId`]). May come later too: hubs can be added at any time |
//! | an interface is chosen | [`Input::LinkUp`] | the node's address on it, and which mailbox beacons tell of. The mailbox must have been announced before. Nodes without beacons have no link |
//! | then | [`Node::start`] | beacons, connections to hubs. Before it, [`Node::accept`] answers [`AcceptError::NotRunning`] |
//! | the interface goes, or gets another address | [`Input::LinkDown`], [`Input::LinkUp`] again | beacons stop, or begin anew at once |
//! | the end | [`Node::stop`] | up to [`Config::linger`] later [`Event::Stop`], see [the end](#the-end) |
//!
//! After **every** call that takes `&mut`, but the polls (the application's `join`, `whisper` and `stop` too,
//! [`Node::consumed`] and [`Node::advance`]): take the actions, and ask [`Node::poll_timeout`] anew. There may be none. It is cheap.
//!
//! ## Time and chance
//!
//! `now` comes from a monotonic clock, whose beginning you choose. Twice the same time is right, a time before the
//! last is [`InputError::TimeWentBackwards`]. One reading of the clock may serve a whole turn. When the time of
//! [`Node::poll_timeout`] has come, say [`Input::Timeout`]; too early does no harm, too late makes peers wait. A clock
//! that stands still while the machine sleeps is as good as one that jumps: after a jump longer than
//! [`Config::expired`] the node asks its peers whether they live before it gives any of them up. The node has its own
//! time-outs for all that peers do (connecting, handshake, HELLO, silence): a driver needs none.
//!
//! The seed is the only chance there is: 32 octets of the system's random source for a real node (the crate `getrandom`
//! has them), since its UUID and its jitter come of it; a number of your choice in a test.
//!
//! ## What to do on each action
//!
//! | action | do |
//! |---|---|
//! | [`Action::Broadcast`] | Send the datagram to the link's broadcast address (on `lo` 127.255.255.255), port 5670 (or the cluster's own), *from the link's address*. If that fails, let it be: the next is due in a second |
//! | [`Action::Connect`] | Begin to connect, without waiting. Then say [`Input::Connected`], or [`Input::Closed`] with the cause. Where `to` is a name, see below |
//! | [`Action::Writable`] | Begin to write, see below. It comes only when there was nothing to write before, and never before the connection stands: what the node has to say first is told of by it after `accept`, and after `Connected` |
//! | [`Action::Reading`] | `on: false`: read no more from this one, until `on: true`. Connections begin with reading on |
//! | [`Action::Close`] | Write what is left, then close the socket. Never said twice for one id |
//!
//! They are to be done in the order in which they come. An action for an id that you do not have is nothing: you said
//! `Closed` a moment ago.
//!
//! ## Connections
//!
//! *Ids.* A [`ConnId`] is an [index](ConnId::index) for your table and a generation. The index of a connection that is
//! gone is given to a new one, perhaps before you have taken the [`Action::Close`] of the old one. So take all actions
//! before you call [`Node::accept`]: otherwise the new connection may get an index that your table still uses. Always
//! compare the whole id, and ignore what the poll tells of an old generation. To the node a stale id is
//! [`InputError::UnknownConnection`], or 0 from [`Node::transmit`], and never somebody else.
//!
//! *Those who come.* Accept, then [`Node::accept`]: on `Ok` keep the socket under that id, and only then take the
//! actions; on an error close the socket, and go on. `from` and `local` are the two ends as the system tells them. If
//! the socket is of no use after an `Ok`, say `Closed`.
//!
//! *Those that you open.* On `Connect` to a numeric `tcp://` address, connect from the address of the node's own
//! interface, where there is one: peers know a node by the address that its beacons come from. With a name
//! ([`Address::Name`]), look it up elsewhere, so that nobody waits; for each address that you try say
//! [`Input::Resolved`], then take the actions, for the node may not want that one and close the connection. Nothing
//! found: `Closed` with [`IoCause::Unresolved`]. `ipc://` and `inproc://` come only where the user has named one, or
//! where the node has a mailbox of that kind; a driver that has neither says `Closed` with [`IoCause::Other`]. The
//! `local` of `Connected` is your end of the socket: by it HELLO tells the peer where you are.
//!
//! *Reading.* Chunks of any size, each as [`Input::Received`], in order. [`Node::read_hint`] says what the frame in
//! progress still wants (0: nobody knows yet): a buffer of that size and no less than, say, 64 KiB saves a copy of a
//! large payload. Stop as soon as `Reading { on: false }` has come; what you have read already, give all the same.
//! Bound what one connection may bring in one turn, or one loud peer makes the others late.
//!
//! *Writing.* [`Node::transmit`] fills slices, a vectored write takes some of their octets, [`Node::advance`] tells
//! how many; again until `transmit` has none, or until the socket takes no more and then again when it does. The array
//! of slices is made anew for each round, since it borrows the node:
//!
//! ```
//! # use zre_engine::{ConnId, Instant, Node};
//! # use std::io::{self, IoSlice, Write};
//! /// Whether all is written. An error means that the connection is broken: write no more, see below.
//! fn write(node: &mut Node, now: Instant, conn: ConnId, socket: &mut impl Write) -> io::Result<bool> {
//!     loop {
//!         let mut chunks: [&[u8]; 16] = [&[]; 16];
//!         let filled = node.transmit(conn, &mut chunks);
//!         if filled == 0 {
//!             return Ok(true);
//!         }
//!         let slices = chunks.map(IoSlice::new);
//!         match socket.write_vectored(&slices[..filled]) {
//!             Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
//!             Ok(written) => node.advance(now, conn, written),
//!             Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
//!             Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//! ```
//!
//! *Who closes.* Either side, once:
//!
//! - The system does: a read of 0 octets ([`IoCause::Finished`]), an error, an attempt that fails. Say
//!   [`IoCause::Refused`] only where nobody listens: a peer whose own connection has ended has 250 ms from then on to come
//!   back, and not [`Config::evasive`]. ZMTP knows no half-closed connection, so where the node has not said `Close`, the
//!   end of the one direction is the end of both. Give what can still be read, say `Closed`, drop the socket. The id is
//!   dead from then on.
//! - The node does, by `Close`. Give it nothing more from this connection: it is refused, or not heeded. Where
//!   `transmit` still has octets, write them; when it has none left, drop the socket, and say nothing. If they cannot
//!   be written (the connection breaks, or [`Config::linger`] has passed, after which the node lets go of them by
//!   itself), drop it and say `Closed`. That the peer's direction has ended is no matter now, and ends nothing. A
//!   connection that does not stand yet is given up at once. A TCP socket in which octets lie unread is torn down when it
//!   is closed, and the peer may lose what was said last. So when all is written: shut it down for writing, read what
//!   lies there until it would block or has ended, throw that away, and drop it.
//!
//! *While reading is off* do not look for the end either: it comes after what was not read.
//!
//! *A write that fails* is the end of the connection: write no more. While reading is on, what came before can still be
//! read and should be given; then say `Closed`. While reading is off, say `Closed` at once; the node tells the application
//! after what came before.
//!
//! *Order.* In one turn give datagrams before what happened to connections: that a peer leaves is told by its last
//! beacon, and only then does it close its connections. Give what can still be read before `Closed`, and of a peer's
//! two connections the inbound one first. So when an end shows, look once more for datagrams and at the inbound
//! connections, once, within the bound of a turn, and tell it after that. Otherwise a peer that has left in an orderly way is told of as `lost`, and what it
//! said last may be missed.
//!
//! *Datagrams.* Give all that come, whatever is in them: those that are no beacons are counted. None that matters is
//! longer than 54 octets, so a buffer of 256 does, and what it cuts off stays no beacon. The node's own come back by
//! broadcast, and do no harm.
//!
//! *Sockets.* `TCP_NODELAY` on both kinds: messages are small, and ours are written together already. A backlog of
//! some thousands: a hundred nodes that start together overflow 128. For beacons one socket that hears, on port 5670
//! with `SO_REUSEADDR` (and `SO_REUSEPORT`), since all nodes of a machine share it, and bound on Linux to the
//! broadcast address, so that nothing is heard of other interfaces; and one that sends, bound to the link's address,
//! with `SO_BROADCAST`. Where a port is chosen by the system, listen first and announce what it chose.
//!
//! ## Running out of descriptors
//!
//! Connecting: `Closed` with [`IoCause::Exhausted`]; the node tries again, more and more slowly. Accepting: leave the
//! caller in the backlog, do not ask the poll again for a quarter of a second, or it makes you spin, and go on with
//! the rest. The most that a node wants is what [`Limits`] says.
//!
//! ## Events
//!
//! [`Node::poll_event`] gives them one by one; [`Event::octets`] says what each counts for, and [`Node::consumed`]
//! takes that back when the application is done with it, at once or much later. Who forgets it stops the node from
//! reading once [`Limits::events`] is reached. Who hands events to another thread takes them all by
//! [`Node::take_events`] into an [`EventQueue`], where they stay small; [`EventQueue::octets`] says what those in it count for.
//!
//! ## The end
//!
//! [`Node::stop`] lets out what waits, for at most [`Config::linger`]; meanwhile the loop goes on as ever. Then come
//! the last beacons and a `Close` for each connection as actions, and [`Event::Stop`] as the last event. Go on accepting
//! until then, and close the listener afterwards. Carry out
//! these actions, write the rest with all connections side by side, for at most `linger` more, and drop everything. A
//! stopped node cannot start again: make a new one. One that is dropped without `stop` is told of as `lost`, at once
//! where the system closes its connections.
//!
//! ## Mistakes
//!
//! [`InputError::UnknownConnection`] is none: the node has closed the connection, and you have not taken that action
//! yet. Ignore it. Any other [`InputError`] is a mistake of the driver, worth a log line; it has changed nothing.
//!
//! # Examples
//!
//! `zre-mio` is such a driver; its `driver` folder shows each of these rules. The simulator drives nodes by the same.
//! Smaller ones, to be read from top to bottom, are in `zre-engine/examples`; each but the last is started by
//! `cargo run -p zre-engine --example NAME`.
//!
//! | example | what it shows |
//! |---|---|
//! | `two_nodes` | all that a network does for two nodes, in memory |
//! | `blocking` | sockets of the standard library, and no other crate |
//! | `tokio_engine` | tokio's sockets, with vectored writes, back-pressure and an orderly end |
//! | `smoltcp` | a TCP/IP stack that is a library: no operating system |
//! | `replicated` | the simulator finds a bug in an application: `cargo run --release -p zre-engine --features sim --example replicated` |
//!
//! # Applications
//!
//! Who drives many nodes, or one in several ways, writes what is done about events as an [`app::App`]: `zre_mio::run` and the
//! simulator (`zre_engine::sim`) run the same one, and [`app::Runner`] is what a driver of your own needs for that.
//!
//! # The contract
//!
//! Each clause is a property test: `clause_1_…` to `clause_7_…` in `tests/tests/contract.rs` and `contract_memory.rs`.
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
//! Four kinds, each by whose fault it is. None of them ends a node.
//!
//! | type | whose | what then |
//! |---|---|---|
//! | [`ConfigError`] | who configures | nothing was made or changed; the text names the setting, and what would do |
//! | [`InputError`], [`AcceptError`] | the driver | harmless; nothing has changed |
//! | [`SendError`], [`DiscoveryError`] | the application | nothing was sent to anybody; [`SendError::Full`] will pass, the others will not by themselves |
//! | [`CloseReason`] | the peer, mostly | no `Err`, but an [`Action::Close`]: the connection closes, the reason names the rule, and [`Statistics::closed`] counts it |
//!
//! # Back-pressure
//!
//! *Sending.* What waits for a peer is bounded ([`Limits::send_queue`]). A message that does not fit is refused as
//! [`SendError::Full`], before it gets its number: a message that has one must arrive, or the relation ends. One
//! [`Event::Room`] follows when half of the queue is free, or when there is nothing left to wait for. A peer that takes not one
//! octet of a full queue for [`Config::send_timeout`] is given up as [`ExitReason::Slow`].
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
//! Whoever is looked for so is tried again and again, more and more slowly (up to every 30 s, hubs up to every 5 s), until
//! it is there, and again when it has gone. A place named without a UUID where somebody answers, but never as a new
//! peer, is tried every five minutes after some attempts. Endpoints can be names (`tcp://host:port`), which the driver looks
//! up ([`Input::Resolved`]), and `ipc://` and `inproc://`, for nodes that are reached by the same.
//!
//! # Who leads
//!
//! In a group where nodes contest ([`Node::set_contest_in_group`]) one is the leader: the one with the smallest UUID of those
//! that contest. All members hear of it ([`Event::Leader`], [`Node::leader`]), within two seconds after the last has come or
//! gone, if all can reach each other. Zyres take part, and Zyre's own way of it is kept to towards them: so among Zyres it
//! may be another that they agree on, and where they come to no end, nodes of this implementation agree without them, after
//! about ten seconds.
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
//!   ([`Event::IdentityConflict`]). Who claims the endpoint of a peer is not connected to until that peer has
//!   failed to answer.
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
//! | `tracing` | no | log lines: `info` for the life of peers, `warn` for peers that break rules (ten at once, then one a second), `debug` for connections, `trace` for every message |
//!
//! # What this is not (yet)
//!
//! No CURVE: all connections use the NULL mechanism, without authentication or secrecy. Where gossip tells of a node
//! with CURVE, this node passes that on, and does not connect to it.
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
