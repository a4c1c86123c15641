//! A few nodes on a network in memory, with a clock of their own.
//!
//! UDP datagrams and TCP octets take a fixed time. Connections can be torn down, hosts killed or cut off from each
//! other. Everything is decided by the seed, so each run is the same.

use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, Instant, IoCause, LinkId, ListenerId, ListenerKind, Node, PeerId,
};

const LISTENER: ListenerId = ListenerId(0);
const LINK: LinkId = LinkId(0);
/// How long an octet takes from one host to another.
const LATENCY: Duration = Duration::from_micros(200);
/// The mailbox's port on every host.
pub const PORT: u16 = 49152;

type End = (usize, ConnId);

enum Packet {
    Datagram { to: usize, from: usize, data: Bytes },
    Connect { from: End, to: SocketAddr },
    Octets { to: End, data: Bytes },
    Ended { to: End, cause: IoCause },
}

struct Host {
    node: Node,
    events: Vec<Event>,
    alive: bool,
    /// While its machine sleeps: what the network keeps for it.
    asleep: Option<Vec<Packet>>,
    /// Whether events are consumed as they come.
    consumes: bool,
    unread: usize,
    paused: BTreeSet<ConnId>,
    held: BTreeMap<ConnId, VecDeque<Packet>>,
}

/// Nodes, a network and a clock.
pub struct World {
    now: Instant,
    hosts: Vec<Host>,
    wires: BTreeMap<End, End>,
    packets: BTreeMap<(Instant, u64), Packet>,
    sent: u64,
    /// Dice for the time that each packet takes, if it is not always the same, and when the last to each end arrives: TCP
    /// keeps the order.
    delays: Option<(u64, Duration)>,
    last: BTreeMap<End, Instant>,
    chunk: usize,
    cuts: BTreeSet<(usize, usize)>,
    deaf_to_beacons: BTreeSet<usize>,
    /// How many connections were asked for so far.
    pub connects: usize,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty world.
    pub fn new() -> Self {
        Self {
            now: Instant::ZERO,
            hosts: Vec::new(),
            wires: BTreeMap::new(),
            packets: BTreeMap::new(),
            sent: 0,
            delays: None,
            last: BTreeMap::new(),
            chunk: usize::MAX,
            cuts: BTreeSet::new(),
            deaf_to_beacons: BTreeSet::new(),
            connects: 0,
        }
    }

    /// TCP delivers at most so many octets at a time.
    pub fn chunks_of(mut self, octets: usize) -> Self {
        self.chunk = octets;
        self
    }

    /// Each packet takes another time, up to this one.
    pub fn delayed(mut self, seed: u64, most: Duration) -> Self {
        self.delays = Some((seed, most));
        self
    }

    /// Adds a host with a started node; returns its index.
    pub fn add(&mut self, name: &str) -> usize {
        let mut config = Config::default();
        config.name = Some(name.to_owned());
        self.add_with(config)
    }

    /// Adds a host with a started node of this configuration.
    pub fn add_with(&mut self, config: Config) -> usize {
        let index = self.hosts.len();
        let node = self.begin(index, config, index as u8);
        self.hosts.push(Host {
            node,
            events: Vec::new(),
            alive: true,
            asleep: None,
            consumes: true,
            unread: 0,
            paused: BTreeSet::new(),
            held: BTreeMap::new(),
        });
        self.settle(index);
        index
    }

    /// Another node, with another UUID, on the host of one that was killed.
    pub fn restart(&mut self, index: usize, config: Config) {
        assert!(!self.hosts[index].alive, "kill it first");
        self.hosts[index].node = self.begin(index, config, 128 + index as u8);
        self.hosts[index].alive = true;
        self.settle(index);
    }

    fn begin(&self, index: usize, config: Config, seed: u8) -> Node {
        let mut node = Node::new(config, [seed; 32], self.now).expect("a good configuration");
        let address = address(index);
        let at = Address::Tcp(SocketAddr::new(address, PORT));
        let kind = ListenerKind::Mailbox;
        node.handle(self.now, Input::Listening { listener: LISTENER, kind, at, advertise: None }).expect("listens");
        node.handle(self.now, Input::LinkUp { link: LINK, address, mailbox: LISTENER }).expect("link");
        node.start(self.now).expect("starts");
        node
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A node's UUID.
    pub fn id(&self, index: usize) -> PeerId {
        self.hosts[index].node.uuid()
    }

    /// A node, to ask it things.
    pub fn node(&self, index: usize) -> &Node {
        &self.hosts[index].node
    }

    /// Lets the application of a host do something with its node.
    pub fn with<R>(&mut self, index: usize, act: impl FnOnce(&mut Node, Instant) -> R) -> R {
        let result = act(&mut self.hosts[index].node, self.now);
        self.settle(index);
        result
    }

    /// All events of a host since the last call.
    pub fn events(&mut self, index: usize) -> Vec<Event> {
        std::mem::take(&mut self.hosts[index].events)
    }

    /// The events of a host since the last call, in short: `ENTER bob`, `SHOUT chat "hi"`, `EXIT bob left`.
    pub fn told(&mut self, index: usize) -> Vec<String> {
        self.events(index).iter().map(in_short).collect()
    }

    /// From now on the application of a host lets its events lie, or (again) takes them.
    pub fn set_consuming(&mut self, index: usize, consumes: bool) {
        let host = &mut self.hosts[index];
        host.consumes = consumes;
        if consumes {
            let octets = std::mem::take(&mut host.unread);
            self.with(index, |node, now| node.consumed(now, octets));
        }
    }

    /// A host dies as by `kill -9`: its connections end, nothing is said.
    pub fn kill(&mut self, index: usize) {
        self.hosts[index].alive = false;
        let ends: Vec<_> = self.wires.keys().copied().filter(|(host, _)| *host == index).collect();
        for end in ends {
            self.end_wire(end, IoCause::Finished);
        }
    }

    /// All connections between two hosts are torn down in the middle.
    pub fn reset(&mut self, a: usize, b: usize) {
        let between = |(one, other): (&End, &End)| (one.0 == a && other.0 == b).then_some((*one, *other));
        let pairs: Vec<_> = self.wires.iter().filter_map(between).collect();
        self.packets.retain(|_, packet| {
            !matches!(packet, Packet::Octets { to, .. } if pairs.iter().any(|(one, other)| to == one || to == other))
        });
        for (one, other) in pairs {
            self.wires.remove(&one);
            self.wires.remove(&other);
            self.post(Duration::ZERO, Packet::Ended { to: one, cause: IoCause::Reset });
            self.post(Duration::ZERO, Packet::Ended { to: other, cause: IoCause::Reset });
        }
    }

    /// Nothing passes between two hosts from now on (or again does). What was sent meanwhile never arrives.
    pub fn set_cut(&mut self, a: usize, b: usize, cut: bool) {
        for pair in [(a, b), (b, a)] {
            if cut {
                self.cuts.insert(pair);
            } else {
                self.cuts.remove(&pair);
            }
        }
    }

    /// A host hears no beacons (or again does).
    pub fn set_deaf(&mut self, index: usize, deaf: bool) {
        if deaf {
            self.deaf_to_beacons.insert(index);
        } else {
            self.deaf_to_beacons.remove(&index);
        }
    }

    /// Gives a host a datagram that seems to come from `from`.
    pub fn forge(&mut self, to: usize, from: SocketAddr, data: &[u8]) {
        let now = self.now;
        self.hosts[to].node.handle(now, Input::Datagram { link: LINK, from, data }).expect("a datagram");
        self.settle(to);
    }

    /// The machine of a host sleeps: the world goes on, the host does nothing.
    pub fn sleep(&mut self, index: usize, duration: Duration) {
        self.hosts[index].asleep = Some(Vec::new());
        self.run_for(duration);
        for packet in self.hosts[index].asleep.take().into_iter().flatten() {
            self.post(Duration::ZERO, packet);
        }
        let now = self.now;
        self.hosts[index].node.handle(now, Input::Timeout).expect("time goes on");
        self.settle(index);
    }

    /// Runs until a time has passed.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Runs until `done`, or panics when it does not come true within a time.
    pub fn run_until(&mut self, within: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + within;
        while !done(self) {
            let at = self.next_at().filter(|at| *at <= end).expect("it never came true");
            self.now = self.now.max(at);
            self.step();
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let packet = self.packets.keys().next().map(|(at, _)| *at);
        let alive = self.hosts.iter().filter(|host| host.alive && host.asleep.is_none());
        let timeout = alive.filter_map(|host| host.node.poll_timeout()).map(|deadline| deadline.at).min();
        packet.into_iter().chain(timeout).min()
    }

    fn step(&mut self) {
        let now = self.now;
        if let Some(entry) = self.packets.first_entry().filter(|entry| entry.key().0 <= now) {
            let packet = entry.remove();
            return self.deliver(packet);
        }
        for index in 0..self.hosts.len() {
            let host = &mut self.hosts[index];
            if host.alive
                && host.asleep.is_none()
                && host.node.poll_timeout().is_some_and(|deadline| deadline.at <= now)
            {
                host.node.handle(now, Input::Timeout).expect("a timeout");
                let next = host.node.poll_timeout().map(|deadline| deadline.at);
                assert!(next.is_none_or(|next| next > now), "the next deadline is later");
                self.settle(index);
            }
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let now = self.now;
        if let Packet::Octets { to: (to, _), .. } | Packet::Ended { to: (to, _), .. } = &packet
            && let Some(kept) = &mut self.hosts[*to].asleep
        {
            return kept.push(packet);
        }
        match packet {
            Packet::Datagram { to, .. } if self.hosts[to].asleep.is_some() => {}
            Packet::Datagram { to, from, data } => {
                if self.hosts[to].alive && !self.deaf_to_beacons.contains(&to) && !self.cuts.contains(&(from, to)) {
                    let from = SocketAddr::new(address(from), 5670);
                    self.hosts[to].node.handle(now, Input::Datagram { link: LINK, from, data: &data }).expect("link");
                    self.settle(to);
                }
            }
            Packet::Connect { from, to } => self.open(from, to),
            Packet::Octets { to, .. } | Packet::Ended { to, .. } if self.hosts[to.0].paused.contains(&to.1) => {
                self.hosts[to.0].held.entry(to.1).or_default().push_back(packet);
            }
            Packet::Octets { to, data } => {
                if self.hosts[to.0].alive {
                    // An id that is gone by now is the driver's business, not the node's.
                    let _ = self.hosts[to.0].node.handle(now, Input::Received { conn: to.1, data });
                    self.settle(to.0);
                }
            }
            Packet::Ended { to, cause } => {
                if self.hosts[to.0].alive {
                    let _ = self.hosts[to.0].node.handle(now, Input::Closed { conn: to.1, cause });
                    self.settle(to.0);
                }
            }
        }
    }

    fn open(&mut self, from: End, to: SocketAddr) {
        let now = self.now;
        let target = (0..self.hosts.len()).find(|index| address(*index) == to.ip() && to.port() == PORT);
        if target.is_some_and(|target| self.cuts.contains(&(from.0, target))) {
            return;
        }
        let local = Address::Tcp(SocketAddr::new(address(from.0), 40000 + from.1.index() as u16));
        let target = target.filter(|target| self.hosts[*target].alive);
        let accepted = target.and_then(|target| {
            let conn = self.hosts[target].node.accept(now, LISTENER, local.clone(), Address::Tcp(to));
            conn.ok().map(|conn| (target, conn))
        });
        match accepted {
            Some(end) => {
                self.wires.insert(from, end);
                self.wires.insert(end, from);
                let _ = self.hosts[from.0].node.handle(now, Input::Connected { conn: from.1, local });
                self.settle(end.0);
            }
            None => {
                // Somebody who does not let it in is there all the same.
                let cause = if target.is_some() { IoCause::Reset } else { IoCause::Refused };
                let _ = self.hosts[from.0].node.handle(now, Input::Closed { conn: from.1, cause });
            }
        }
        self.settle(from.0);
    }

    /// Carries out what a node wants, until it wants nothing.
    fn settle(&mut self, index: usize) {
        let now = self.now;
        while let Some(action) = self.hosts[index].node.poll_action() {
            match action {
                Action::Broadcast { data, .. } => {
                    for to in 0..self.hosts.len() {
                        self.post(LATENCY, Packet::Datagram { to, from: index, data: data.clone() });
                    }
                }
                Action::Connect { conn, to } => {
                    self.connects += 1;
                    let Address::Tcp(to) = to else { panic!("an address without a number") };
                    self.post(LATENCY, Packet::Connect { from: (index, conn), to });
                }
                Action::Writable { conn } => self.write((index, conn)),
                Action::Reading { conn, on } => self.set_reading((index, conn), on),
                Action::Close { conn, .. } => {
                    self.write((index, conn));
                    self.end_wire((index, conn), IoCause::Finished);
                }
            }
        }
        let host = &mut self.hosts[index];
        let mut consumed = 0;
        while let Some(event) = host.node.poll_event() {
            consumed += event.octets();
            host.events.push(event);
        }
        if consumed > 0 && host.consumes {
            host.node.consumed(now, consumed);
        } else {
            host.unread += consumed;
        }
    }

    fn write(&mut self, end: End) {
        loop {
            let mut chunks = [&[][..]; 4];
            let filled = self.hosts[end.0].node.transmit(end.1, &mut chunks);
            let octets = chunks[..filled].concat();
            if octets.is_empty() {
                return;
            }
            let now = self.now;
            self.hosts[end.0].node.advance(now, end.1, octets.len());
            if let Some(to) = self.wires.get(&end).copied().filter(|to| !self.cuts.contains(&(end.0, to.0))) {
                for chunk in octets.chunks(self.chunk) {
                    self.post(LATENCY, Packet::Octets { to, data: Bytes::copy_from_slice(chunk) });
                }
            }
        }
    }

    fn set_reading(&mut self, end: End, on: bool) {
        let host = &mut self.hosts[end.0];
        if on {
            host.paused.remove(&end.1);
            for packet in host.held.remove(&end.1).into_iter().flatten() {
                self.post(Duration::ZERO, packet);
            }
        } else {
            host.paused.insert(end.1);
        }
    }

    fn end_wire(&mut self, end: End, cause: IoCause) {
        if let Some(other) = self.wires.remove(&end) {
            self.wires.remove(&other);
            if !self.cuts.contains(&(end.0, other.0)) {
                self.post(LATENCY, Packet::Ended { to: other, cause });
            }
        }
    }

    fn post(&mut self, after: Duration, packet: Packet) {
        self.sent += 1;
        let mut at = self.now + after;
        if let Some((dice, most)) = &mut self.delays {
            // A linear congruential generator (Knuth's constants): its high bits are random enough.
            *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            at = at + *most * ((*dice >> 48) as u32) / 0xFFFF;
            if let Packet::Octets { to, .. } | Packet::Ended { to, .. } = &packet {
                at = at.max(self.last.get(to).copied().unwrap_or(at));
                self.last.insert(*to, at);
            }
        }
        self.packets.insert((at, self.sent), packet);
    }
}

/// The address of a host.
pub fn address(index: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, index as u8 + 1))
}

/// An event in a few words.
pub fn in_short(event: &Event) -> String {
    match event {
        Event::Enter { name, .. } => format!("ENTER {name}"),
        Event::Exit { name, reason, .. } => format!("EXIT {name} {reason}"),
        Event::Evasive { name, .. } => format!("EVASIVE {name}"),
        Event::Silent { name, .. } => format!("SILENT {name}"),
        Event::Join { name, group, .. } => format!("JOIN {name} {group}"),
        Event::Leave { name, group, .. } => format!("LEAVE {name} {group}"),
        Event::Leader { name, group, .. } => format!("LEADER {name} {group}"),
        Event::Whisper { name, content, .. } => format!("WHISPER {name} {content:?}"),
        Event::Shout { name, group, content, .. } => format!("SHOUT {name} {group} {content:?}"),
        other => other.kind().to_owned(),
    }
}
