//! One node alone, with connections and datagrams made by hand.

use bytes::{Bytes, BytesMut};
use std::{net::SocketAddr, time::Duration};
use uuid::Uuid;
use zre_engine::{
    AcceptError, Action, Address, CloseReason, Config, ConnId, Event, Input, Instant, IoCause, LinkId, ListenerId,
    ListenerKind, Node, PeerId,
};
use zre_proto::{
    Beacon, Message,
    gossip::Gossip,
    message::{Body, Hello},
    zmtp::{Command, FrameHeader, Greeting, Metadata},
};

const LISTENER: ListenerId = ListenerId(1);
const LINK: LinkId = LinkId(1);
const HUB: ListenerId = ListenerId(2);

/// A started node at 10.0.0.1:49152 that nobody talks to but the test.
pub struct Solo {
    /// The node.
    pub node: Node,
    /// The time.
    pub now: Instant,
    actions: Vec<Action>,
}

impl Default for Solo {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl Solo {
    /// A node of this configuration.
    pub fn new(config: Config) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut node = Node::new(config, [7; 32], now).expect("a good configuration");
        let at = socket("10.0.0.1:49152");
        let listening = Input::Listening { listener: LISTENER, kind: ListenerKind::Mailbox, at, advertise: None };
        node.handle(now, listening).expect("listens");
        let address = [10, 0, 0, 1].into();
        node.handle(now, Input::LinkUp { link: LINK, address, mailbox: LISTENER }).expect("link");
        node.start(now).expect("starts");
        Self { node, now, actions: Vec::new() }
    }

    /// Those who gossip can connect from now on, at 10.0.0.1:9001.
    pub fn be_hub(&mut self) {
        let at = socket("10.0.0.1:9001");
        self.input(Input::Listening { listener: HUB, kind: ListenerKind::Hub, at, advertise: None });
    }

    /// A connection comes in to gossip.
    pub fn accept_client(&mut self, from: &str) -> ConnId {
        self.node.accept(self.now, HUB, socket(from), socket("10.0.0.1:9001")).expect("accepted")
    }

    /// Lets time pass, with the node called at each of its deadlines.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.node.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.now = deadline.at;
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// Gives the node an input that must be right.
    pub fn input(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input).expect("a good input");
    }

    /// What the node wants done since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        self.gather();
        std::mem::take(&mut self.actions)
    }

    /// What the node has told since the last call; all of it is consumed.
    pub fn events(&mut self) -> Vec<Event> {
        let events: Vec<_> = std::iter::from_fn(|| self.node.poll_event()).collect();
        self.node.consumed(self.now, events.iter().map(Event::octets).sum());
        events
    }

    /// The same in short.
    pub fn told(&mut self) -> Vec<String> {
        self.events().iter().map(crate::world::in_short).collect()
    }

    fn gather(&mut self) {
        while let Some(action) = self.node.poll_action() {
            self.actions.push(action);
        }
    }

    /// The connections that the node asked for since the last call of this or `actions`, and where they go.
    pub fn connects(&mut self) -> Vec<(ConnId, Address)> {
        let connect = |action| match action {
            Action::Connect { conn, to } => Some((conn, to)),
            _ => None,
        };
        self.actions().into_iter().filter_map(connect).collect()
    }

    /// Why the node closed a connection, if it did.
    pub fn closed(&mut self, which: ConnId) -> Option<CloseReason> {
        self.gather();
        self.actions.iter().find_map(|action| match action {
            Action::Close { conn, why } if *conn == which => Some(why.clone()),
            _ => None,
        })
    }

    /// Whether the node wants a connection read, as it last said; it does unless it says otherwise.
    pub fn reads(&mut self, which: ConnId) -> bool {
        self.gather();
        let last = self.actions.iter().rev().find_map(|action| match action {
            Action::Reading { conn, on } if *conn == which => Some(*on),
            _ => None,
        });
        last.unwrap_or(true)
    }

    /// A connection comes in.
    pub fn accept(&mut self, from: &str) -> ConnId {
        self.try_accept(from).expect("accepted")
    }

    /// The same, where it may be turned away.
    pub fn try_accept(&mut self, from: &str) -> Result<ConnId, AcceptError> {
        self.node.accept(self.now, LISTENER, socket(from), socket("10.0.0.1:49152"))
    }

    /// An attempt of the node's succeeds.
    pub fn connected(&mut self, conn: ConnId) {
        self.input(Input::Connected { conn, local: socket("10.0.0.1:50000") });
    }

    /// Octets come on a connection.
    pub fn feed(&mut self, conn: ConnId, octets: &[u8]) {
        self.input(Input::Received { conn, data: Bytes::copy_from_slice(octets) });
    }

    /// A connection is gone.
    pub fn broken(&mut self, conn: ConnId, cause: IoCause) {
        self.input(Input::Closed { conn, cause });
    }

    /// A datagram comes.
    pub fn datagram(&mut self, from: &str, data: &[u8]) {
        let from = from.parse().expect("an address");
        self.input(Input::Datagram { link: LINK, from, data });
    }

    /// All that the node has written to a connection since the last call.
    pub fn output(&mut self, conn: ConnId) -> Vec<u8> {
        let mut octets = Vec::new();
        loop {
            let mut chunks = [&[][..]; 8];
            let filled = self.node.transmit(conn, &mut chunks);
            let chunk = chunks[..filled].concat();
            if chunk.is_empty() {
                return octets;
            }
            self.node.advance(self.now, conn, chunk.len());
            octets.extend(chunk);
        }
    }

    /// The frames in what the node has written to a connection since the last call.
    fn frames(&mut self, conn: ConnId) -> Vec<Bytes> {
        let mut octets = &self.output(conn)[..];
        if octets.first() == Some(&0xFF) {
            octets = &octets[64..];
        }
        let mut frames = Vec::new();
        while let Some((header, taken)) = FrameHeader::decode(octets).expect("a frame") {
            let (body, rest) = octets[taken..].split_at(header.size as usize);
            frames.push(Bytes::copy_from_slice(body));
            octets = rest;
        }
        frames
    }

    /// The ZRE messages in what the node has written to a connection since the last call.
    pub fn messages(&mut self, conn: ConnId) -> Vec<Message> {
        self.frames(conn).iter().filter_map(|frame| Message::decode(frame).ok()).collect()
    }

    /// The same for gossip.
    pub fn gossip(&mut self, conn: ConnId) -> Vec<Gossip> {
        self.frames(conn).iter().filter_map(|frame| Gossip::decode(frame).ok()).collect()
    }

    /// Somebody says gossip on a connection.
    pub fn feed_gossip(&mut self, conn: ConnId, message: &Gossip) {
        let mut frame = BytesMut::new();
        message.encode(&mut frame).expect("it fits");
        let mut octets = Vec::new();
        FrameHeader::message(frame.len(), false).encode(&mut octets);
        octets.extend_from_slice(&frame);
        self.feed(conn, &octets);
    }
}

fn socket(text: &str) -> Address {
    Address::Tcp(text.parse::<SocketAddr>().expect("an address"))
}

/// A peer that is played by the test, octet by octet: as stock programs are.
pub struct Stock {
    /// Its UUID.
    pub uuid: Uuid,
    /// The address of its host.
    pub host: &'static str,
    /// The number of its next message.
    pub sequence: u16,
    /// Its connection to the node.
    pub to_node: ConnId,
    /// The node's connection to it.
    pub from_node: ConnId,
}

impl Stock {
    /// A peer at `host`:7000 that has met the node: both HELLOs are said, ENTER is still to be read.
    pub fn meets(solo: &mut Solo, id: u128, host: &'static str) -> Self {
        let uuid = Uuid::from_u128(id);
        let beacon = Beacon { uuid, port: 7000, public_key: None }.encode();
        solo.actions();
        solo.datagram(&format!("{host}:5670"), &beacon);
        let connects = solo.connects();
        assert_eq!(connects[0].1, socket(&format!("{host}:7000")));
        let from_node = connects[0].0;
        solo.connected(from_node);
        solo.feed(from_node, &router_opening());
        let to_node = solo.accept(&format!("{host}:40001"));
        let mut stock = Self { uuid, host, sequence: 1, to_node, from_node };
        stock.opening(solo, to_node);
        let hello = stock.hello("stock", &[]);
        stock.say(solo, hello, &[]);
        assert_eq!(solo.messages(from_node).len(), 1, "our HELLO");
        stock
    }

    /// A peer at `host`:7000 that has said HELLO, under its number as name. The node may have to reach it yet.
    pub fn calls(solo: &mut Solo, id: u128, host: &'static str) -> Self {
        let to_node = solo.accept(&format!("{host}:40001"));
        let mut stock = Self { uuid: Uuid::from_u128(id), host, sequence: 1, to_node, from_node: to_node };
        stock.opening(solo, to_node);
        let hello = stock.hello(&format!("{id:x}"), &[]);
        stock.say(solo, hello, &[]);
        stock
    }

    /// Its UUID as the application sees it.
    pub fn id(&self) -> PeerId {
        self.uuid.into()
    }

    /// Greeting and READY of its DEALER on a connection.
    pub fn opening(&self, solo: &mut Solo, conn: ConnId) {
        solo.feed(conn, &dealer_opening(self.uuid));
    }

    /// A HELLO of its.
    pub fn hello(&self, name: &str, groups: &[&str]) -> Body {
        Body::Hello(Hello {
            endpoint: format!("tcp://{}:7000", self.host).into(),
            groups: groups.iter().map(|group| (*group).into()).collect(),
            status: groups.len() as u8,
            name: name.into(),
            headers: Vec::new(),
        })
    }

    /// Says something on its connection, with the next number.
    pub fn say(&mut self, solo: &mut Solo, body: Body, content: &[&[u8]]) {
        let octets = message(&Message { sequence: self.sequence, body }, content);
        self.sequence = self.sequence.wrapping_add(1);
        solo.feed(self.to_node, &octets);
    }

    /// Its beacon, with this port.
    pub fn beacon(&self, port: u16) -> Bytes {
        Beacon { uuid: self.uuid, port, public_key: None }.encode()
    }
}

/// A message as it stands on the wire.
pub fn message(message: &Message, content: &[&[u8]]) -> Vec<u8> {
    let mut first = BytesMut::new();
    message.encode(&mut first).expect("it fits");
    let mut octets = Vec::new();
    FrameHeader::message(first.len(), !content.is_empty()).encode(&mut octets);
    octets.extend_from_slice(&first);
    for (index, frame) in content.iter().enumerate() {
        FrameHeader::message(frame.len(), index + 1 < content.len()).encode(&mut octets);
        octets.extend_from_slice(frame);
    }
    octets
}

/// Greeting and READY of a ROUTER.
pub fn router_opening() -> Vec<u8> {
    opening("ROUTER", Bytes::new())
}

/// Greeting and READY of a ZRE node's DEALER.
pub fn dealer_opening(uuid: Uuid) -> Vec<u8> {
    let mut identity = vec![1];
    identity.extend_from_slice(uuid.as_bytes());
    opening("DEALER", Bytes::from(identity))
}

/// Greeting and READY of a socket of this implementation, without an identity.
pub fn opening_of_ours(socket_type: &'static str) -> Vec<u8> {
    opening_with(socket_type, Bytes::new(), true)
}

/// Greeting and READY of any socket.
pub fn opening(socket_type: &'static str, identity: Bytes) -> Vec<u8> {
    opening_with(socket_type, identity, false)
}

fn opening_with(socket_type: &'static str, identity: Bytes, ours: bool) -> Vec<u8> {
    let mut metadata = Metadata::default();
    metadata.push("Socket-Type".into(), Bytes::from_static(socket_type.as_bytes()));
    metadata.push("Identity".into(), identity);
    if ours {
        metadata.push("X-ZRE".into(), Bytes::from_static(b"1"));
    }
    let mut octets = Greeting::NULL.encode().to_vec();
    octets.extend(command(&Command::Ready(metadata)));
    octets
}

/// A command as it stands on the wire.
pub fn command(command: &Command) -> Vec<u8> {
    let mut octets = Vec::new();
    FrameHeader::command(command.encoded_len()).encode(&mut octets);
    command.encode(&mut octets).expect("it fits");
    octets
}
