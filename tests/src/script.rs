//! Random lives of a node among stock peers, for the property tests of the engine's contract: what no cluster of our own
//! nodes does to it.
//!
//! A life is made once, from a list of [`Op`]s, with the node itself choosing the connection ids. What comes out can be
//! lived again: see [`lives`](crate::lives).

use crate::solo::{command, dealer_opening, message, router_opening};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;
use zre_engine::{
    Action, Address, Config, ConnId, Instant, IoCause, Node,
    sim::{Call, Life},
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

/// Lives through the operations: the life of a node that hears four hand-played peers, with little room for anything.
pub fn live(ops: &[Op]) -> Life {
    let mut config = Config::default();
    config.limits.events = 2000;
    config.limits.send_queue = 1500;
    let mut author = Author::new(Life::new(config, [3; 32], Instant::from_nanos(1_000_000_000)));
    for call in [Call::Listening(([10, 0, 0, 1], 49152).into()), link(true), Call::Start] {
        author.call(author.now, call);
    }
    for op in ops {
        author.carry_out(op);
    }
    author.life
}

/// Turns operations into calls, with what the node answered in mind.
struct Author {
    life: Life,
    node: Node,
    now: Instant,
    /// All connections, each with whether it is the node's own.
    conns: Vec<(ConnId, bool)>,
    /// The number of the last message on each connection.
    numbers: BTreeMap<ConnId, u16>,
    /// The connection on which each peer last said HELLO.
    met: BTreeMap<u8, ConnId>,
    /// What the events count for that the application has not consumed.
    waiting: usize,
    /// Sockets take no octets.
    stalled: bool,
}

impl Author {
    fn new(life: Life) -> Self {
        Self {
            node: life.born(),
            now: life.since,
            life,
            conns: Vec::new(),
            numbers: BTreeMap::new(),
            met: BTreeMap::new(),
            waiting: 0,
            stalled: false,
        }
    }

    /// Makes a call. What the node answers is not looked at: any call is allowed.
    fn call(&mut self, at: Instant, call: Call) -> Option<ConnId> {
        self.now = at;
        let accepted = call.make(&mut self.node, at).ok().flatten();
        let call = match call {
            Call::Accept(from, local, _) => Call::Accept(from, local, accepted),
            call => call,
        };
        self.life.calls.push((at, call));
        self.conns.extend(accepted.map(|conn| (conn, false)));
        self.drain();
        accepted
    }

    /// Takes what there is to do and to hear, and writes what the sockets take.
    fn drain(&mut self) {
        while let Some(action) = self.node.poll_action() {
            if let Action::Connect { conn, .. } = action {
                self.conns.push((conn, true));
            }
        }
        self.waiting += std::iter::from_fn(|| self.node.poll_event()).map(|event| event.octets()).sum::<usize>();
        if self.stalled {
            return;
        }
        for index in 0..self.conns.len() {
            let (conn, _) = self.conns[index];
            loop {
                let mut chunks = [&[][..]; 3];
                let filled = self.node.transmit(conn, &mut chunks);
                let octets = chunks[..filled].iter().map(|chunk| chunk.len()).sum();
                if octets == 0 {
                    break;
                }
                self.node.advance(self.now, conn, octets);
                self.life.calls.push((self.now, Call::Advance(conn, octets)));
            }
        }
    }

    fn pick(&self, index: u8) -> Option<(ConnId, bool)> {
        self.conns.get(usize::from(index) % self.conns.len().max(1)).copied()
    }

    fn next_number(&mut self, conn: ConnId) -> u16 {
        let number = self.numbers.entry(conn).or_insert(0);
        *number = number.wrapping_add(1);
        *number
    }

    fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
        self.drain();
    }

    fn carry_out(&mut self, op: &Op) {
        let now = self.now;
        let call = match op {
            Op::Pass(millis) => {
                let end = now + Duration::from_millis((*millis).into());
                while let Some(deadline) = self.node.poll_timeout().filter(|deadline| deadline.at <= end) {
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
            Op::Stall(stalled) => return self.stall(*stalled),
            Op::Flood(peer) => {
                self.stall(true);
                for _ in 0..8 {
                    self.call(now, application(8, *peer));
                }
                return self.stall(false);
            }
            Op::Beacon(peer, port) => Some(beacon(*peer, *port)),
            Op::Datagram(data) => Some(datagram(0, data.clone())),
            Op::Accept(peer) => Some(accept(*peer)),
            Op::Connected(conn) => self.pick(*conn).map(|(conn, _)| connected(conn)),
            Op::Handshake(conn, peer) => self.pick(*conn).map(|(conn, ours)| {
                let octets = if ours { router_opening() } else { dealer_opening(uuid(*peer)) };
                Call::Received(conn, octets.into())
            }),
            Op::Say(conn, peer, what) => self.pick(*conn).map(|(conn, _)| {
                let number = self.next_number(conn);
                Call::Received(conn, say(*peer, *what, number).into())
            }),
            Op::Octets(conn, octets) => self.pick(*conn).map(|(conn, _)| Call::Received(conn, octets.clone().into())),
            Op::Closed(conn) => self.pick(*conn).map(|(conn, _)| Call::Closed(conn, IoCause::Reset)),
            Op::Link(up) => Some(link(*up)),
            Op::App(what, _) if what % 8 == 7 => Some(Call::Consumed(std::mem::take(&mut self.waiting))),
            Op::App(what, whom) => Some(application(*what, whom % 4)),
        };
        if let Some(call) = call {
            self.call(now, call);
        }
    }

    fn meet(&mut self, peer: u8) {
        let now = self.now;
        self.call(now, link(true));
        self.call(now, beacon(peer, 7000));
        if let Some((conn, true)) = self.conns.last().copied() {
            self.call(now, connected(conn));
            self.call(now, Call::Received(conn, router_opening().into()));
        }
        if let Some(conn) = self.call(now, accept(peer)) {
            self.met.insert(peer, conn);
            self.call(now, Call::Received(conn, dealer_opening(uuid(peer)).into()));
            let number = self.next_number(conn);
            self.call(now, Call::Received(conn, say(peer, 0, number).into()));
        }
    }
}

fn beacon(peer: u8, port: u16) -> Call {
    let beacon = Beacon { uuid: uuid(peer), port, public_key: None };
    datagram(peer, beacon.encode().to_vec())
}

fn datagram(peer: u8, data: Vec<u8>) -> Call {
    Call::Datagram(([10, 0, 0, peer + 2], 5670).into(), data.into())
}

fn accept(peer: u8) -> Call {
    Call::Accept(tcp(&format!("10.0.0.{}:40000", peer + 2)), tcp("10.0.0.1:49152"), None)
}

fn connected(conn: ConnId) -> Call {
    Call::Connected(conn, tcp("10.0.0.1:50000"))
}

fn link(up: bool) -> Call {
    if up { Call::LinkUp([10, 0, 0, 1].into()) } else { Call::LinkDown }
}

fn application(what: u8, peer: u8) -> Call {
    let peer = uuid(peer).into();
    match what % 40 {
        0..5 => Call::Join("chat".into()),
        5..8 => Call::Leave("chat".into()),
        8..20 => Call::Whisper(peer, [Bytes::from(vec![what; 40]), Bytes::from(vec![1; 300])].into()),
        20..32 => Call::Shout("chat".into(), "to all".into()),
        32..34 => Call::Disconnect(peer),
        34..38 => Call::SetHeader("X-K".into(), "v".into()),
        _ => Call::Stop,
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
