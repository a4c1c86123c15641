//! Everything that is decided before a cluster begins.

use super::{
    Configure, Drain, Make, Sim, Trace,
    agenda::Agenda,
    cuts::Cuts,
    dice::{Dice, Topic, nanos},
    digest::Digest,
    discovery::{Discovery, name},
    host::{Clock, Host, Program, State},
    hostile::Hostile,
    life::Life,
    network::Network,
    watch::Watch,
    wire::{Packet, Wires},
};
use crate::{
    Config, Node,
    app::{App, Runner},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    net::Ipv4Addr,
    time::Duration,
};

type Discover = Box<dyn Fn(usize) -> Discovery>;

/// The most nodes in a cluster: each has an address of its own.
const NODES_MOST: usize = 1 << 16;
/// The most hubs.
const HUBS_MOST: usize = 1_000;
/// The most hostile machines, likewise.
const HOSTILE_MOST: usize = 60_000;

/// A cluster to be: [`Sim::builder`] begins, [`build`](Self::build) ends.
#[must_use = "nothing happens before `build`"]
pub struct Builder<A> {
    seed: u64,
    nodes: usize,
    make: Make<A>,
    configure: Configure,
    discover: Discover,
    network: Network,
    hubs: usize,
    contest: Vec<String>,
    hostile: usize,
    start_within: Duration,
    drain: Drain,
    trace: bool,
    lives: bool,
    keep_going: bool,
}

impl Builder<()> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: 0,
            make: Box::new(|_| ()),
            configure: Box::new(|_, _| ()),
            discover: Box::new(|_| Discovery::beacons()),
            network: Network::default(),
            hubs: 0,
            contest: Vec::new(),
            hostile: 0,
            start_within: Duration::from_millis(100),
            drain: Drain::default(),
            trace: false,
            lives: false,
            keep_going: false,
        }
    }
}

impl<A: App> Builder<A> {
    /// How many nodes there are, and the application of each: `make` is given the node's index, at the beginning and at
    /// each restart.
    ///
    /// # Panics
    ///
    /// If there are more than 65,536.
    pub fn nodes<B: App>(self, nodes: usize, make: impl Fn(usize) -> B + 'static) -> Builder<B> {
        assert!(nodes <= NODES_MOST, "at most {NODES_MOST} nodes, not {nodes}");
        Builder {
            seed: self.seed,
            nodes,
            make: Box::new(make),
            configure: self.configure,
            discover: self.discover,
            network: self.network,
            hubs: self.hubs,
            contest: self.contest,
            hostile: self.hostile,
            start_within: self.start_within,
            drain: self.drain,
            trace: self.trace,
            lives: self.lives,
            keep_going: self.keep_going,
        }
    }

    /// Changes the configuration of each node, which is the default one with the name `node-0`, `node-1`, …; and that of
    /// each hub, by its number after those of the nodes.
    pub fn config(mut self, configure: impl Fn(usize, &mut Config) + 'static) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// What the network is like. Default: fast, and nothing goes wrong.
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// So many hubs beside the nodes: machines that tell nodes of each other by gossip ([`Discovery::gossip`]), and are no
    /// nodes themselves. Their numbers come after those of the nodes ([`Sim::hub`]), and all that can happen to a machine
    /// can happen to them. Default none.
    ///
    /// # Panics
    ///
    /// If there are more than 1,000.
    pub fn hubs(mut self, hubs: usize) -> Self {
        assert!(hubs <= HUBS_MOST, "at most {HUBS_MOST} hubs, not {hubs}");
        self.hubs = hubs;
        self
    }

    /// How each machine finds the others, by its number: nodes first, then hubs, which can gossip with each other, too.
    /// Default by beacons. [`Plan::of`](super::Plan::of) has some for whole clusters.
    pub fn discovery(mut self, discover: impl Fn(usize) -> Discovery + 'static) -> Self {
        self.discover = Box::new(discover);
        self
    }

    /// Every node joins this group when it starts, and wants to lead it ([`Sim::assert_led`]).
    ///
    /// ```
    /// use zre_engine::sim::{Network, Sim, secs};
    ///
    /// let mut sim = Sim::builder(1).nodes(5, |_| ()).contest("crew").network(Network::lan()).build();
    /// sim.assert_converges(secs(2));
    /// sim.assert_led(secs(3));
    /// let first = (0..5).min_by_key(|node| sim.id(*node)).unwrap();
    /// assert_eq!(sim.node(4).leader("crew"), Some(sim.id(first)));
    ///
    /// sim.kill(first);
    /// sim.assert_led(secs(3));
    /// ```
    pub fn contest(mut self, group: &str) -> Self {
        self.contest.push(group.to_owned());
        self
    }

    /// So many hostile machines beside the nodes, until [`Sim::calm`] ([`Sim::heal`] does not end them): they forge beacons and
    /// HELLOs, claim the UUIDs and endpoints of nodes, flood, stall, and talk nonsense. What they make up enters as peers do,
    /// so applications hear of nodes that are none ([`Sim::find`] knows only those that are); what they must not do is to
    /// harm the nodes that are. Default none.
    ///
    /// # Panics
    ///
    /// If there are more than 60,000.
    pub fn hostile(mut self, machines: usize) -> Self {
        assert!(machines <= HOSTILE_MOST, "at most {HOSTILE_MOST} hostile machines, not {machines}");
        self.hostile = machines;
        self
    }

    /// The nodes start at random times within this. Default 100 ms.
    pub fn start_within(mut self, start_within: Duration) -> Self {
        self.start_within = start_within;
        self
    }

    /// In which order actions and events are taken from the nodes; it makes no difference.
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Writes down all packets, events and faults ([`Sim::trace`]). Costs memory. Default no.
    pub fn trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// Writes down the lives of all nodes ([`Sim::life`]). Costs memory. Default no.
    pub fn record_lives(mut self, lives: bool) -> Self {
        self.lives = lives;
        self
    }

    /// Goes on when an invariant does not hold, so that [`Sim::violations`] can be asked; else the run panics. Default no.
    pub fn keep_going(mut self, keep_going: bool) -> Self {
        self.keep_going = keep_going;
        self
    }

    /// The cluster, at time zero.
    ///
    /// # Panics
    ///
    /// If [`config`](Self::config) made a configuration that no node takes.
    pub fn build(self) -> Sim<A> {
        let nodes = self.nodes;
        let hosts = nodes + self.hubs;
        let machines = hosts + self.hostile;
        let mut sim = Sim {
            seed: self.seed,
            now: 0,
            drain: self.drain,
            network: self.network,
            nodes,
            hosts: Vec::with_capacity(hosts),
            hostiles: (0..self.hostile).map(|number| Hostile::new(self.seed, number)).collect(),
            agenda: Agenda::of(machines),
            wires: Wires::default(),
            addresses: BTreeMap::new(),
            cuts: Cuts::of(machines),
            parked: Vec::new(),
            connects: vec![0; hosts * machines],
            actions: VecDeque::new(),
            events: VecDeque::new(),
            digest: Digest::default(),
            watch: Watch::new(nodes, self.hubs, self.keep_going),
            trace: self.trace.then(Trace::default),
            checks: Vec::new(),
            make: self.make,
            configure: self.configure,
            contest: self.contest,
        };
        let discoveries: Vec<_> = (0..hosts)
            .map(|machine| match (self.discover)(machine) {
                // A hub is no node: there is nobody to be found, or to find.
                Discovery { hubs, .. } if machine >= nodes => Discovery { hubs, ..Discovery::none() },
                discovery => discovery,
            })
            .collect();
        let told_of: BTreeSet<_> = discoveries.iter().flat_map(|discovery| &discovery.peers).copied().collect();
        for (node, discovery) in discoveries.into_iter().enumerate() {
            let address = address(node, 0);
            sim.addresses.insert(address, node);
            let (engine, runner, life) = sim.conceive(node, 0, None, self.lives);
            let mut host = Host::new(engine, runner, Clock::new(0), address, port(self.seed, node, 0));
            host.life = life;
            host.discovery = discovery;
            host.told_of = told_of.contains(&node);
            host.state = State::Down { machine: true };
            let mut dice = Dice::new(self.seed, Topic::Start, [node as u64, 0, 0]);
            let at = dice.below(nanos(self.start_within).max(1));
            host.deliver(at, Packet::Boot);
            sim.agenda.set(node, host.due());
            sim.hosts.push(host);
        }
        for (number, hostile) in sim.hostiles.iter().enumerate() {
            sim.addresses.insert(hostile.address, hosts + number);
            sim.agenda.set(hosts + number, hostile.due());
        }
        sim
    }
}

impl<A> fmt::Debug for Builder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("seed", &self.seed)
            .field("nodes", &self.nodes)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

impl<A: App> Sim<A> {
    /// A node that does nothing yet, and its application.
    pub(super) fn conceive(
        &self,
        node: usize,
        incarnation: u32,
        uuid: Option<uuid::Uuid>,
        record: bool,
    ) -> (Node, Runner<Program<A>>, Option<Life>) {
        let mut config = Config { name: Some(name(node, self.nodes)), ..Config::default() };
        (self.configure)(node, &mut config);
        config.uuid = uuid.or(config.uuid);
        let about = [node as u64, u64::from(incarnation), 0];
        let seed = Dice::new(self.seed, Topic::Node, about).seed();
        let now = self.hosts.get(node).map_or(crate::Instant::ZERO, |host| host.clock.own(self.now));
        let life = record.then(|| Life { config: config.clone(), seed, since: now, calls: Vec::new() });
        let engine = match Node::new(config, seed, now) {
            Ok(engine) => engine,
            Err(error) => panic!("node {node} cannot have this configuration: {error}"),
        };
        let program = Program((node < self.nodes).then(|| (self.make)(node)));
        let mut runner = Runner::new(program, Dice::new(self.seed, Topic::Application, about).seed());
        runner.keep_journal();
        (engine, runner, life)
    }
}

/// The address of a machine that has moved so often.
pub(super) fn address(node: usize, moves: u8) -> Ipv4Addr {
    let [.., high, low] = (node as u32).to_be_bytes();
    Ipv4Addr::new(10, moves, high, low)
}

/// The port of a mailbox, as a system would give it.
pub(super) fn port(seed: u64, node: usize, incarnation: u32) -> u16 {
    let mut dice = Dice::new(seed, Topic::Port, [node as u64, u64::from(incarnation), 0]);
    dice.between(49152, 65535) as u16
}
