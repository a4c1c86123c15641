//! Random lives of a node, for the property tests of the engine's contract.
//!
//! A life is made once, from a list of [`Op`]s, with the node itself choosing the connection ids. What comes out is a
//! list of [`Call`]s that can be played again, drained at other times, chunked otherwise.

use crate::solo::{command, dealer_opening, message, router_opening};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, Instant, IoCause, LinkId, ListenerId, ListenerKind, Node, PeerId,
};
use zre_proto::{
    Beacon, Message,
    message::{Body, Hello, Membership},
    zmtp::Command,
};

/// Something to do with a node; connections are named by a number that is taken modulo how many there have been.
#[derive(Debug, Clone)]
pub enum Op {
    /// Time passes, in milliseconds; the node's deadlines in between are kept.
    Pass(u16),
    /// Time passes, and the node is not called: as when a machine sleeps.
    Jump(u16),
    /// A beacon of peer 0 to 3, with this port.
    Beacon(u8, u16),
    /// A datagram that may be anything.
    Datagram(Vec<u8>),
    /// Peer 0 to 3 beacons, is connected to, connects and says HELLO: all that makes it enter.
    Meet(u8),
    /// The next message of peer 0 to 3, on the connection that it met us on.
    Tell(u8, u8),
    /// Sockets take no octets, or take them again.
    Stall(bool),
    /// More whispers to peer 0 to 3 than there is room for, and then the sockets take them.
    Flood(u8),
    /// A connection from the host of peer 0 to 3.
    Accept(u8),
    /// An attempt succeeds.
    Connected(u8),
    /// The handshake of peer 0 to 3, whichever way the connection goes.
    Handshake(u8, u8),
    /// A message of peer 0 to 3 in its place of the sequence.
    Say(u8, u8, u8),
    /// Octets that may be anything.
    Octets(u8, Vec<u8>),
    /// A connection is gone.
    Closed(u8),
    /// The interface comes or goes.
    Link(bool),
    /// The application does something.
    App(u8, u8),
}

/// Any operation, with the sensible ones more frequent than garbage.
pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u16..12000).prop_map(Op::Pass),
        5 => (0u8..4).prop_map(Op::Meet),
        9 => (0u8..4, any::<u8>()).prop_map(|(peer, what)| Op::Tell(peer, what)),
        2 => any::<bool>().prop_map(Op::Stall),
        1 => (0u8..4).prop_map(Op::Flood),
        1 => (0u16..60000).prop_map(Op::Jump),
        3 => (0u8..4, prop_oneof![3 => Just(7000u16), 1 => Just(0)]).prop_map(|(peer, port)| Op::Beacon(peer, port)),
        1 => vec(any::<u8>(), 0..60).prop_map(Op::Datagram),
        3 => (0u8..4).prop_map(Op::Accept),
        3 => any::<u8>().prop_map(Op::Connected),
        3 => (any::<u8>(), 0u8..4).prop_map(|(conn, peer)| Op::Handshake(conn, peer)),
        3 => (any::<u8>(), 0u8..4, any::<u8>()).prop_map(|(conn, peer, what)| Op::Say(conn, peer, what)),
        1 => (any::<u8>(), vec(any::<u8>(), 0..40)).prop_map(|(conn, octets)| Op::Octets(conn, octets)),
        1 => any::<u8>().prop_map(Op::Closed),
        1 => any::<bool>().prop_map(Op::Link),
        9 => (any::<u8>(), any::<u8>()).prop_map(|(what, whom)| Op::App(what, whom)),
    ]
}

/// A call of the node's API, with everything in it that it takes.
#[derive(Debug, Clone)]
pub enum Call {
    /// [`Node::handle`].
    Datagram(Vec<u8>, u8),
    /// [`Node::handle`].
    Connected(ConnId),
    /// [`Node::handle`].
    Received(ConnId, Bytes),
    /// [`Node::handle`].
    Closed(ConnId),
    /// [`Node::handle`].
    Link(bool),
    /// [`Node::handle`].
    Timeout,
    /// No call: from now on nothing is written, or everything is again.
    Stall(bool),
    /// [`Node::accept`].
    Accept(u8),
    /// One of the application's calls.
    App(u8, PeerId),
    /// [`Node::consumed`].
    Consumed(usize),
}

/// A node that plays calls, and all that came out of it.
#[derive(Debug)]
pub struct Player {
    /// The node.
    pub node: Node,
    /// The time of the last call.
    pub now: Instant,
    /// All actions so far, but for `Writable`, whose number depends on when octets are written.
    pub actions: Vec<Action>,
    /// All events so far.
    pub events: Vec<Event>,
    /// What was written to each connection.
    pub written: BTreeMap<ConnId, Vec<u8>>,
    /// The connections that there may be.
    pub conns: Vec<ConnId>,
    attempts: Vec<ConnId>,
    stalled: bool,
    writes: usize,
}

impl Player {
    /// A started node whose writes take at most `writes` octets at a time.
    pub fn new(writes: usize) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut config = Config::default();
        config.limits.events = 2000;
        config.limits.send_queue = 1500;
        let mut node = Node::new(config, [3; 32], now).expect("a good configuration");
        let at = tcp("10.0.0.1:49152");
        let kind = ListenerKind::Mailbox;
        node.handle(now, Input::Listening { listener: ListenerId(0), kind, at, advertise: None }).expect("listens");
        node.handle(now, link_up()).expect("a link");
        node.start(now).expect("starts");
        Self {
            node,
            now,
            actions: Vec::new(),
            events: Vec::new(),
            written: BTreeMap::new(),
            conns: Vec::new(),
            attempts: Vec::new(),
            stalled: false,
            writes,
        }
    }

    /// Makes a call at a time. What the node answers is not looked at: any call is allowed.
    pub fn call(&mut self, at: Instant, call: &Call) -> Option<ConnId> {
        self.now = at;
        let node = &mut self.node;
        let _ = match call {
            Call::Datagram(data, host) => {
                let from = ([10, 0, 0, host + 2], 5670).into();
                node.handle(at, Input::Datagram { link: LinkId(0), from, data })
            }
            Call::Connected(conn) => node.handle(at, Input::Connected { conn: *conn, local: tcp("10.0.0.1:50000") }),
            Call::Received(conn, data) => node.handle(at, Input::Received { conn: *conn, data: data.clone() }),
            Call::Closed(conn) => node.handle(at, Input::Closed { conn: *conn, cause: IoCause::Reset }),
            Call::Link(true) => node.handle(at, link_up()),
            Call::Link(false) => node.handle(at, Input::LinkDown { link: LinkId(0) }),
            Call::Timeout => node.handle(at, Input::Timeout),
            Call::Stall(stalled) => {
                self.stalled = *stalled;
                Ok(())
            }
            Call::Accept(host) => {
                let from = tcp(&format!("10.0.0.{}:40000", host + 2));
                return node.accept(at, ListenerId(0), from, tcp("10.0.0.1:49152")).ok();
            }
            Call::App(what, whom) => {
                application(node, at, *what, *whom);
                Ok(())
            }
            Call::Consumed(octets) => {
                node.consumed(at, *octets);
                Ok(())
            }
        };
        None
    }

    /// Writes what there is to write, and takes all actions and events.
    pub fn drain(&mut self) {
        self.write_all();
        self.take_queues();
    }

    /// Takes all actions and events.
    pub fn take_queues(&mut self) {
        while let Some(action) = self.node.poll_action() {
            match action {
                Action::Writable { .. } => {}
                Action::Connect { conn, .. } => {
                    self.attempts.push(conn);
                    self.conns.push(conn);
                    self.actions.push(action);
                }
                action => self.actions.push(action),
            }
        }
        self.events.extend(std::iter::from_fn(|| self.node.poll_event()));
    }

    /// Writes what there is to write, on any connection, without a look at the actions.
    pub fn write_all(&mut self) {
        let conns = if self.stalled { Vec::new() } else { self.conns.clone() };
        for conn in conns {
            self.write(conn);
        }
    }

    fn write(&mut self, conn: ConnId) {
        loop {
            let mut chunks = [&[][..]; 3];
            let filled = self.node.transmit(conn, &mut chunks);
            let mut octets = chunks[..filled].concat();
            octets.truncate(self.writes);
            if octets.is_empty() {
                return;
            }
            let again = {
                let mut chunks = [&[][..]; 3];
                let filled = self.node.transmit(conn, &mut chunks);
                chunks[..filled].concat()
            };
            assert!(again.starts_with(&octets), "transmit changes nothing until advance");
            self.node.advance(self.now, conn, octets.len());
            self.written.entry(conn).or_default().extend(octets);
        }
    }
}

/// A life: calls and when they are made.
pub type Life = Vec<(Instant, Call)>;

/// Lives through the operations, drained after each, and returns the calls that were made.
pub fn live(ops: &[Op]) -> (Life, Player) {
    let mut author = Author {
        player: Player::new(usize::MAX),
        life: Life::new(),
        conns: Vec::new(),
        numbers: BTreeMap::new(),
        met: BTreeMap::new(),
        consumed: 0,
    };
    author.player.drain();
    for op in ops {
        author.carry_out(op);
    }
    (author.life, author.player)
}

/// Turns operations into calls, with what the node answered in mind.
struct Author {
    player: Player,
    life: Life,
    /// All connections, each with whether it is the node's own.
    conns: Vec<(ConnId, bool)>,
    /// The number of the last message on each connection.
    numbers: BTreeMap<ConnId, u16>,
    /// The connection on which each peer last said HELLO.
    met: BTreeMap<u8, ConnId>,
    consumed: usize,
}

impl Author {
    fn call(&mut self, at: Instant, call: Call) -> Option<ConnId> {
        let accepted = self.player.call(at, &call);
        self.life.push((at, call));
        self.player.conns.extend(accepted);
        self.player.drain();
        self.conns.extend(accepted.map(|conn| (conn, false)));
        let attempts = std::mem::take(&mut self.player.attempts);
        self.conns.extend(attempts.into_iter().map(|conn| (conn, true)));
        accepted
    }

    fn pick(&self, index: u8) -> Option<(ConnId, bool)> {
        self.conns.get(usize::from(index) % self.conns.len().max(1)).copied()
    }

    fn next_number(&mut self, conn: ConnId) -> u16 {
        let number = self.numbers.entry(conn).or_insert(0);
        *number = number.wrapping_add(1);
        *number
    }

    fn carry_out(&mut self, op: &Op) {
        let now = self.player.now;
        let call = match op {
            Op::Pass(millis) => {
                let end = now + Duration::from_millis((*millis).into());
                while let Some(deadline) = self.player.node.poll_timeout().filter(|deadline| deadline.at <= end) {
                    self.call(deadline.at, Call::Timeout);
                }
                self.call(end, Call::Timeout);
                return;
            }
            Op::Jump(millis) => {
                self.call(now + Duration::from_millis((*millis).into()), Call::Timeout);
                return;
            }
            Op::Meet(peer) => return self.meet(*peer),
            Op::Tell(peer, what) => self.met.get(peer).copied().map(|conn| {
                let number = self.next_number(conn);
                Call::Received(conn, say(*peer, *what, number).into())
            }),
            Op::Stall(stalled) => Some(Call::Stall(*stalled)),
            Op::Flood(peer) => {
                self.call(now, Call::Stall(true));
                for _ in 0..8 {
                    self.call(now, Call::App(8, uuid(*peer).into()));
                }
                Some(Call::Stall(false))
            }
            Op::Beacon(peer, port) => Some(beacon(*peer, *port)),
            Op::Datagram(data) => Some(Call::Datagram(data.clone(), 0)),
            Op::Accept(peer) => Some(Call::Accept(*peer)),
            Op::Connected(conn) => self.pick(*conn).map(|(conn, _)| Call::Connected(conn)),
            Op::Handshake(conn, peer) => self.pick(*conn).map(|(conn, ours)| {
                let octets = if ours { router_opening() } else { dealer_opening(uuid(*peer)) };
                Call::Received(conn, octets.into())
            }),
            Op::Say(conn, peer, what) => self.pick(*conn).map(|(conn, _)| {
                let number = self.next_number(conn);
                Call::Received(conn, say(*peer, *what, number).into())
            }),
            Op::Octets(conn, octets) => self.pick(*conn).map(|(conn, _)| Call::Received(conn, octets.clone().into())),
            Op::Closed(conn) => self.pick(*conn).map(|(conn, _)| Call::Closed(conn)),
            Op::Link(up) => Some(Call::Link(*up)),
            Op::App(what, _) if what % 8 == 7 => {
                let waiting = self.player.events[self.consumed..].iter().map(Event::octets).sum();
                self.consumed = self.player.events.len();
                Some(Call::Consumed(waiting))
            }
            Op::App(what, whom) => Some(Call::App(*what, uuid(whom % 4).into())),
        };
        if let Some(call) = call {
            self.call(now, call);
        }
    }

    fn meet(&mut self, peer: u8) {
        let now = self.player.now;
        self.call(now, Call::Link(true));
        self.call(now, beacon(peer, 7000));
        if let Some((conn, true)) = self.conns.last().copied() {
            self.call(now, Call::Connected(conn));
            self.call(now, Call::Received(conn, router_opening().into()));
        }
        if let Some(conn) = self.call(now, Call::Accept(peer)) {
            self.met.insert(peer, conn);
            self.call(now, Call::Received(conn, dealer_opening(uuid(peer)).into()));
            let number = self.next_number(conn);
            self.call(now, Call::Received(conn, say(peer, 0, number).into()));
        }
    }
}

fn beacon(peer: u8, port: u16) -> Call {
    let beacon = Beacon { uuid: uuid(peer), port, public_key: None };
    Call::Datagram(beacon.encode().to_vec(), peer)
}

fn application(node: &mut Node, now: Instant, what: u8, whom: PeerId) {
    match what % 40 {
        0..5 => drop(node.join(now, "chat")),
        5..8 => drop(node.leave(now, "chat")),
        8..20 => drop(node.whisper(now, whom, [Bytes::from(vec![what; 40]), Bytes::from(vec![1; 300])])),
        20..32 => drop(node.shout(now, "chat", "to all")),
        32..34 => drop(node.disconnect(now, whom)),
        34..38 => drop(node.set_header("X-K", "v")),
        _ => node.stop(now),
    }
}

fn say(peer: u8, what: u8, number: u16) -> Vec<u8> {
    let membership = || Membership { group: "chat".into(), status: what };
    let hello = || {
        Body::Hello(Hello {
            endpoint: format!("tcp://10.0.0.{}:7000", peer + 2).into(),
            groups: vec!["chat".into()],
            status: 1,
            name: "peer".into(),
            headers: vec![("k".into(), "v".into())],
        })
    };
    let body = match what % 16 {
        _ if number == 1 && what < 240 => hello(),
        0..4 => Body::Whisper,
        4..8 => Body::Shout { group: "chat".into() },
        8 => Body::Join(membership()),
        9 => Body::Leave(membership()),
        10 | 11 => Body::Ping,
        12 | 13 => Body::PingOk,
        14 if what > 128 => return command(&Command::Ping { ttl: 1, context: Bytes::from_static(b"x") }),
        14 => Body::Unknown { id: 99, fields: Bytes::new() },
        _ if what > 200 => Body::Goodbye,
        _ => hello(),
    };
    let content: &[&[u8]] = if body.has_content() { &[b"content", b"", &[7; 200]] } else { &[] };
    message(&Message { sequence: number, body }, content)
}

fn uuid(peer: u8) -> Uuid {
    Uuid::from_u128(0x1000 + u128::from(peer))
}

fn tcp(text: &str) -> Address {
    Address::Tcp(text.parse().expect("an address"))
}

fn link_up() -> Input<'static> {
    Input::LinkUp { link: LinkId(0), address: [10, 0, 0, 1].into(), mailbox: ListenerId(0) }
}
