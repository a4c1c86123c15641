//! Nodes of the engine that know each other, connected by nothing but memory: what the engine costs by itself.

use bytes::{Bytes, BytesMut};
use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, Instant, LinkId, ListenerId, ListenerKind, Node, PeerId,
};

const LISTENER: ListenerId = ListenerId(0);
const LINK: LinkId = LinkId(0);
const PORT: u16 = 49152;

/// One end of a connection: whose, and which.
type End = (usize, ConnId);

/// Nodes that have met, each in the group of [`Cluster::GROUP`].
pub struct Cluster {
    now: Instant,
    nodes: Vec<Node>,
    /// The other end of each connection.
    wires: BTreeMap<End, End>,
    /// Connections that have octets to send.
    writable: VecDeque<End>,
    /// Memory for what is on its way.
    octets: BytesMut,
}

impl Cluster {
    /// The group that every node is in.
    pub const GROUP: &'static str = "telemetry";

    /// So many nodes, at most 200, once each has met all others.
    pub fn new(nodes: usize) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        let mut cluster = Self {
            now,
            nodes: Vec::new(),
            wires: BTreeMap::new(),
            writable: VecDeque::new(),
            octets: BytesMut::with_capacity(1 << 20),
        };
        for index in 0..nodes {
            let mut config = Config::default();
            config.name = Some(format!("node-{index}"));
            let mut node = Node::new(config, [index as u8; 32], now).expect("a good configuration");
            let at = Address::Tcp(SocketAddr::new(host(index), PORT));
            let listening = Input::Listening { listener: LISTENER, kind: ListenerKind::Mailbox, at, advertise: None };
            node.handle(now, listening).expect("a listener");
            node.handle(now, Input::LinkUp { link: LINK, address: host(index), mailbox: LISTENER }).expect("a link");
            cluster.nodes.push(node);
        }
        for index in 0..nodes {
            cluster.nodes[index].start(now).expect("a start");
            cluster.nodes[index].join(now, Self::GROUP).expect("a group");
            cluster.settle();
        }
        for index in 0..nodes {
            assert_eq!(cluster.nodes[index].peers_by_group(Self::GROUP).len(), nodes - 1, "all have met");
            while cluster.take(index).is_some() {}
        }
        cluster
    }

    /// The UUID of a node.
    pub fn uuid(&self, index: usize) -> PeerId {
        self.nodes[index].uuid()
    }

    /// A node whispers to another. It is on its way after [`Cluster::settle`].
    pub fn whisper(&mut self, from: usize, to: PeerId, content: Bytes) {
        self.nodes[from].whisper(self.now, to, content).expect("room for a whisper");
    }

    /// A node shouts to the group of all.
    pub fn shout(&mut self, from: usize, content: Bytes) -> usize {
        self.nodes[from].shout(self.now, Self::GROUP, content).expect("room for a shout")
    }

    /// The next event of a node, taken by its application.
    pub fn take(&mut self, index: usize) -> Option<Event> {
        let event = self.nodes[index].poll_event()?;
        self.nodes[index].consumed(self.now, event.octets());
        Some(event)
    }

    /// Carries everything that is on its way, until nothing is.
    pub fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for index in 0..self.nodes.len() {
                while let Some(action) = self.nodes[index].poll_action() {
                    self.carry_out(index, action);
                    moved = true;
                }
            }
            while let Some(from) = self.writable.pop_front() {
                self.transfer(from);
                moved = true;
            }
        }
    }

    fn carry_out(&mut self, index: usize, action: Action) {
        match action {
            Action::Broadcast { data, .. } => {
                let from = SocketAddr::new(host(index), 40_000);
                for node in &mut self.nodes {
                    node.handle(self.now, Input::Datagram { link: LINK, from, data: &data }).expect("a datagram");
                }
            }
            Action::Connect { conn, to } => {
                let Address::Tcp(to) = to else { unreachable!("all are at addresses of IPv4") };
                let other = (0..self.nodes.len()).find(|index| host(*index) == to.ip()).expect("a host");
                let from = |index| Address::Tcp(SocketAddr::new(host(index), 40_000));
                let accepted = self.nodes[other].accept(self.now, LISTENER, from(index), to.into()).expect("a place");
                self.wires.insert((index, conn), (other, accepted));
                self.wires.insert((other, accepted), (index, conn));
                let connected = Input::Connected { conn, local: from(index) };
                self.nodes[index].handle(self.now, connected).expect("a connection");
                self.writable.push_back((other, accepted));
            }
            Action::Writable { conn } => self.writable.push_back((index, conn)),
            Action::Reading { .. } | Action::Close { .. } => unreachable!("nobody lags and nobody leaves"),
        }
    }

    fn transfer(&mut self, from: End) {
        let to = self.wires[&from];
        loop {
            let mut chunks: [&[u8]; 64] = [&[]; 64];
            let filled = self.nodes[from.0].transmit(from.1, &mut chunks);
            if filled == 0 {
                return;
            }
            chunks[..filled].iter().for_each(|chunk| self.octets.extend_from_slice(chunk));
            let data = self.octets.split().freeze();
            self.nodes[from.0].advance(self.now, from.1, data.len());
            self.nodes[to.0].handle(self.now, Input::Received { conn: to.1, data }).expect("a connection");
        }
    }
}

fn host(index: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, 1 + index as u8).into()
}
