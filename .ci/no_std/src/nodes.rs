//! Two nodes, and between them a network that loses nothing and takes no time.

use alloc::{collections::VecDeque, string::String, sync::Arc, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, Instant, IoCause, LinkId, ListenerId, ListenerKind, Node,
    bytes::Bytes,
};
use zre_proto::Beacon;

const LISTENER: ListenerId = ListenerId(0);
const LINK: LinkId = LinkId(0);
const NAMES: [&str; 2] = ["alice", "bob"];
const PORT: u16 = 49152;

/// How long they may take, by their own clocks.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nodes that have met.
pub struct Met {
    /// What each is called by the other.
    pub names: [Arc<str>; 2],
    /// When that was.
    pub after: Duration,
}

/// One of the two, and what it has heard of the other.
struct Host {
    node: Node,
    name: Option<Arc<str>>,
    whisper: bool,
}

/// What is under way to a host.
enum Packet {
    Datagram(Bytes),
    /// Octets for a connection of it.
    Octets(ConnId, Bytes),
    Ended(ConnId),
}

struct Cluster {
    now: Instant,
    hosts: [Host; 2],
    under_way: VecDeque<(usize, Packet)>,
    /// The two ends of each connection, by host.
    wires: Vec<[ConnId; 2]>,
}

/// Starts two nodes, and runs them until they have met.
pub fn meet() -> Result<Met, String> {
    let mut cluster =
        Cluster { now: Instant::ZERO, hosts: [host(0)?, host(1)?], under_way: VecDeque::new(), wires: Vec::new() };
    let end = Instant::ZERO + PATIENCE;
    while cluster.now <= end {
        cluster.settle()?;
        if let [Some(alice), Some(bob)] = [&cluster.hosts[1].name, &cluster.hosts[0].name]
            && cluster.hosts.iter().all(|host| host.whisper)
        {
            return Ok(Met { names: [alice.clone(), bob.clone()], after: cluster.now.since(Instant::ZERO) });
        }
        cluster.wait()?;
    }
    Err("their time is up".into())
}

fn host(index: usize) -> Result<Host, String> {
    let mut config = Config::default();
    config.name = Some(NAMES[index].into());
    let now = Instant::ZERO;
    let mut node = Node::new(config, [index as u8; 32], now).map_err(said)?;
    let (listener, kind, at) = (LISTENER, ListenerKind::Mailbox, Address::Tcp(address(index)));
    node.handle(now, Input::Listening { listener, kind, at, advertise: None }).map_err(said)?;
    node.handle(now, Input::LinkUp { link: LINK, address: address(index).ip(), mailbox: LISTENER }).map_err(said)?;
    node.start(now).map_err(said)?;
    Ok(Host { node, name: None, whisper: false })
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1 + index as u8)), PORT)
}

fn said(why: impl fmt::Display) -> String {
    alloc::format!("{why}")
}

impl Cluster {
    /// Goes on until nothing is under way and no node wants anything.
    fn settle(&mut self) -> Result<(), String> {
        loop {
            for index in 0..self.hosts.len() {
                while let Some(action) = self.hosts[index].node.poll_action() {
                    self.act(index, action)?;
                }
                self.hear(index)?;
            }
            let Some((to, packet)) = self.under_way.pop_front() else { return Ok(()) };
            let from = SocketAddr::new(address(1 - to).ip(), 5670);
            let input = match &packet {
                Packet::Datagram(data) => Input::Datagram { link: LINK, from, data },
                Packet::Octets(conn, data) => Input::Received { conn: *conn, data: data.clone() },
                Packet::Ended(conn) => Input::Closed { conn: *conn, cause: IoCause::Finished },
            };
            // A connection that the node has closed meanwhile is no mistake.
            let _ = self.hosts[to].node.handle(self.now, input);
        }
    }

    fn act(&mut self, index: usize, action: Action) -> Result<(), String> {
        let other = 1 - index;
        match action {
            Action::Broadcast { data, .. } => {
                Beacon::decode(&data).map_err(said)?;
                self.under_way.push_back((other, Packet::Datagram(data)));
            }
            Action::Connect { conn, to } => {
                if to != Address::Tcp(address(other)) {
                    return Err(alloc::format!("nobody is at {to}"));
                }
                let local = Address::Tcp(SocketAddr::new(address(index).ip(), 40000 + conn.index() as u16));
                let accepted = self.hosts[other].node.accept(self.now, LISTENER, local.clone(), to).map_err(said)?;
                self.wires.push(if index == 0 { [conn, accepted] } else { [accepted, conn] });
                self.hosts[index].node.handle(self.now, Input::Connected { conn, local }).map_err(said)?;
            }
            Action::Writable { conn } => self.write(index, conn),
            Action::Reading { .. } => {}
            Action::Close { conn, .. } => {
                self.write(index, conn);
                if let Some(end) = self.other_end(index, conn) {
                    self.under_way.push_back((other, Packet::Ended(end)));
                }
                self.wires.retain(|wire| wire[index] != conn);
            }
        }
        Ok(())
    }

    fn write(&mut self, index: usize, conn: ConnId) {
        loop {
            let node = &mut self.hosts[index].node;
            let mut chunks = [&[][..]; 4];
            let filled = node.transmit(conn, &mut chunks);
            let octets = chunks[..filled].concat();
            if octets.is_empty() {
                return;
            }
            node.advance(self.now, conn, octets.len());
            if let Some(end) = self.other_end(index, conn) {
                self.under_way.push_back((1 - index, Packet::Octets(end, octets.into())));
            }
        }
    }

    fn other_end(&self, index: usize, conn: ConnId) -> Option<ConnId> {
        self.wires.iter().find(|wire| wire[index] == conn).map(|wire| wire[1 - index])
    }

    /// Takes the events of a host: who enters is greeted.
    fn hear(&mut self, index: usize) -> Result<(), String> {
        let host = &mut self.hosts[index];
        let mut octets = 0;
        while let Some(event) = host.node.poll_event() {
            octets += event.octets();
            match event {
                Event::Enter { peer, name, .. } => {
                    host.node.whisper(self.now, peer, "hello").map_err(said)?;
                    host.name = Some(name);
                }
                Event::Whisper { content, .. } => host.whisper = content.text() == "hello",
                other => return Err(alloc::format!("{} came", other.kind())),
            }
        }
        host.node.consumed(self.now, octets);
        Ok(())
    }

    /// Time passes, until a node wants to be called.
    fn wait(&mut self) -> Result<(), String> {
        let deadlines = self.hosts.iter().filter_map(|host| host.node.poll_timeout());
        self.now = deadlines.map(|deadline| deadline.at).min().ok_or("nobody waits for anything")?;
        for host in &mut self.hosts {
            host.node.handle(self.now, Input::Timeout).map_err(said)?;
        }
        Ok(())
    }
}
