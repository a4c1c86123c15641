//! A cluster in a test: many nodes, a network with faults, and a clock that jumps, all in one thread and all decided by
//! one seed.
//!
//! Nothing is sent for real and nobody waits: time jumps from one thing that happens to the next, so an hour of a small
//! cluster takes a second or two. Two runs with the same seed do the same to the last octet, on any machine.
//!
//! ```
//! use zre_engine::{Event, app::{App, Cx}, sim::{Network, Sim, secs}};
//!
//! /// Counts who is there.
//! #[derive(Default)]
//! struct Roll {
//!     present: usize,
//! }
//!
//! impl App for Roll {
//!     fn on_event(&mut self, _: &mut Cx<'_>, event: Event) {
//!         match event {
//!             Event::Enter { .. } => self.present += 1,
//!             Event::Exit { .. } => self.present -= 1,
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let mut sim = Sim::builder(42).nodes(20, |_| Roll::default()).network(Network::wifi()).build();
//! sim.assert_converges(secs(5));
//! assert!((0..20).all(|node| sim.app(node).present == 19));
//!
//! sim.partition(0..5, 5..20);
//! sim.crash(19);
//! sim.run_for(secs(60));
//! assert_eq!((sim.app(0).present, sim.app(5).present), (4, 13));
//!
//! sim.heal();
//! sim.assert_converges(secs(5));
//! assert_eq!(sim.app(0).present, 18);
//! ```
//!
//! # The parts
//!
//! | | |
//! |---|---|
//! | [`App`] | your program: it is called at its start, for events and for its timers, and answers through a [`Cx`]. `zre_mio::run` runs the same over real sockets |
//! | [`Sim`] | the cluster: run it for a time, make things go wrong, look at nodes and applications |
//! | [`Network`] | how long things take and what is lost, torn and stalled; presets `lan`, `wifi`, `wan`, `hostile` |
//! | [`Builder::contest`], [`Sim::assert_led`] | groups in which a leader is elected |
//! | [`Builder::discovery`], [`Builder::hubs`] | how nodes find each other: by beacons, by gossip over hubs, or because they were told |
//! | [`Builder::hostile`] | machines on which somebody means ill: forged beacons and HELLOs, floods, stalls, nonsense |
//! | [`Scenario`] | a run as data: in JSON, from a seed, from proptest, from a fuzzer |
//! | [`Trial`], [`explore`], [`shrink`] | run scenario after scenario with your applications; the one that fails is made small |
//! | [`Trace`] | what happened, as JSON lines and as a capture for Wireshark |
//! | [`Life`] | all calls that one node got, to live them again alone |
//!
//! # What is checked all along
//!
//! These hold for any application, and a run panics where one does not ([`Builder::keep_going`] collects them instead):
//!
//! - Messages of one sender come in the order in which it sent them, none twice and none left out, from its ENTER to its
//!   EXIT.
//! - ENTER and EXIT of a peer alternate; JOIN, LEAVE and messages come in between; nothing comes about the node itself.
//! - A shout reaches only those who are in its group. Who leads a group is in it.
//! - Nobody goes, as others see it, without a reason: its process ended, it slept, or the network between the two failed.
//! - What waits in a node is bounded, in clusters of up to 64 nodes (to look costs time).
//! - The engine keeps its contract: no errors for a driver that makes no mistake, deadlines that move on.
//!
//! [`Sim::assert_converges`] adds that every view becomes exact, [`Sim::assert_led`] that each group that somebody wants to
//! lead has one leader, [`Sim::assert_quiet`] that a quiet cluster is quiet, and
//! a [`Trial`] that what was sent has arrived and that no connection is left over. Yours are added by
//! [`Sim::invariant`].
//!
//! # Looking for what goes wrong
//!
//! ```
//! use zre_engine::sim::{Scenario, Trial, explore};
//!
//! // In a test: scenarios in which things go wrong, each from a seed.
//! explore((0..10).map(Scenario::swarm), |scenario| Trial::of_nodes().run(scenario));
//! ```
//!
//! A scenario has two parts. First its operations come, at their times, on a network that does wrong: in this part nothing
//! may be violated. Then all is healed, and now everything must become right within a bound. Where one fails, operations,
//! nodes and faults are taken away for as long as it still fails, and the smallest is printed with a line that runs it
//! again. `examples/replicated.rs` shows this with an application that has a bug.
//!
//! Three things to know when it is your application that runs: scenarios of a swarm whisper, shout, join and leave on its
//! nodes as they like, so messages may come that it never sent; an invariant must not ask a sleeping or slow application
//! ([`Sim::is_awake`], [`Sim::is_slow`]) for what it cannot have heard; and in a `Trial` the operations are only the
//! beginning: the time in which all becomes well is added, about two minutes. `ZRE_SIM_SCENARIO`, in the environment,
//! replaces the scenarios of every `explore`: name the test that you want to see again. In debug builds a scenario takes
//! ten times as long: set `opt-level = 2` for your test profile.
//!
//! # Hostile machines
//!
//! [`Builder::hostile`] puts machines into the network that are no nodes; [`Scenario::siege`] draws scenarios with them. All
//! that is checked about nodes is checked about nodes among them, too. What they make up enters as peers do, and applications
//! hear what it says: an application that is to be left on an open network is best tried among them. In its assertions,
//! [`Sim::find`] tells nodes from what is made up; or [`Sim::calm`] silences the hostile machines, and a minute later all
//! that they made up is gone.
//!
//! # How chance works
//!
//! There is no generator that all share. Whether the third datagram from node 2 to node 5 is lost follows from the seed and
//! from just that: so an operation that is taken away does not reshuffle the luck of the rest. Keep to [`Cx::random`] and [`Cx::now`] in
//! your application, and to collections whose order is fixed; then its runs can be repeated too.
//!
//! # What is simplified
//!
//! TCP is modelled by its effects: octets in order, late, in pieces, bounded by a window, cut off; a way that was cut is
//! tried again at growing distances. There are no single lost segments, no congestion, no accept backlog and no descriptors
//! that run out. What is under way when a way is cut arrives; what reaches a machine without power is gone. A broadcast reaches all nodes; there is one network and no router. Names are those of its machines, and whoever asks is answered
//! at once. A process
//! takes no time to think.

mod agenda;
mod arrive;
mod builder;
mod carry;
mod converge;
mod cuts;
mod dice;
mod digest;
mod discovery;
mod faults;
mod host;
mod hostile;
mod life;
mod network;
mod scenario;
mod trace;
mod turn;
mod watch;
mod wire;

use crate::{
    Action, Event, Node, PeerId,
    app::{App, Cx},
};
use agenda::Agenda;
pub use builder::Builder;
use cuts::{Cuts, Parked};
use digest::Digest;
pub use discovery::{Discovery, Plan};
pub use faults::{Identity, Nodes};
use host::Host;
use hostile::Hostile;
pub use life::{Call, CallError, Life};
pub use network::{Network, Share, ShareError, Tcp, Udp, UnknownNetwork, millis, secs};
pub use scenario::{Cut, Op, Operation, Report, Scenario, ScenarioError, Shrunk, Trial, explore, shrink};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    net::Ipv4Addr,
    time::Duration,
};
pub use trace::{Flag, Record, Trace, What};
use watch::Watch;
pub use watch::{Rule, Sample, Totals, Violation};
use wire::Wires;

/// In which order a driver takes actions and events from a node: it makes no difference (clause 2 of the contract), and the
/// simulator can show that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drain {
    /// All events, then all actions.
    #[default]
    EventsFirst,
    /// All actions, then all events.
    ActionsFirst,
    /// One of each in turn.
    Alternating,
}

type Make<A> = Box<dyn Fn(usize) -> A>;
type Configure = Box<dyn Fn(usize, &mut crate::Config)>;
type Check<A> = Box<dyn FnMut(&Sim<A>) -> Result<(), String>>;

/// A cluster of simulated nodes, each with an application. [`Sim::builder`] begins.
pub struct Sim<A> {
    seed: u64,
    /// Nanoseconds since the beginning.
    now: u64,
    drain: Drain,
    network: Network,
    /// How many of `hosts` are nodes; the others are hubs.
    nodes: usize,
    hosts: Vec<Host<A>>,
    /// Machines on which somebody means ill. Each has a number after those of `hosts`.
    hostiles: Vec<Hostile>,
    agenda: Agenda,
    wires: Wires,
    addresses: BTreeMap<Ipv4Addr, usize>,
    cuts: Cuts,
    /// What waits for a way, in the order in which it was sent.
    parked: Vec<Parked>,
    /// How often each machine has connected to each other, by `from * machines + to`.
    connects: Vec<u32>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    digest: Digest,
    watch: Watch,
    trace: Option<Trace>,
    checks: Vec<(String, Option<Check<A>>)>,
    make: Make<A>,
    configure: Configure,
    /// Groups that every node joins and wants to lead.
    contest: Vec<String>,
}

impl Sim<()> {
    /// A cluster to be; everything in it follows from the seed.
    pub fn builder(seed: u64) -> Builder<()> {
        Builder::new(seed)
    }
}

impl<A: App> Sim<A> {
    /// The time since the beginning.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many nodes there are, whatever their state. Hubs are none.
    pub fn len(&self) -> usize {
        self.nodes
    }

    /// Whether there is no node at all.
    pub fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// A node, to ask it things. It stays as it was when its process is gone.
    pub fn node(&self, node: usize) -> &Node {
        &self.hosts[node].node
    }

    /// A node's UUID.
    pub fn id(&self, node: usize) -> PeerId {
        self.hosts[node].node.uuid()
    }

    /// The node with this UUID whose process runs; of several, the first.
    pub fn find(&self, id: PeerId) -> Option<usize> {
        (0..self.nodes).find(|node| self.lives(*node) && self.id(*node) == id)
    }

    /// The application of a node.
    ///
    /// # Panics
    ///
    /// If it is a hub: those have none.
    pub fn app(&self, node: usize) -> &A {
        self.hosts[node].runner.app().there()
    }

    /// The application of a node, to change it.
    ///
    /// # Panics
    ///
    /// If it is a hub: those have none.
    pub fn app_mut(&mut self, node: usize) -> &mut A {
        self.hosts[node].runner.app_mut().there_mut()
    }

    /// Whether a node's process runs (or sleeps).
    pub fn lives(&self, node: usize) -> bool {
        self.hosts[node].lives()
    }

    /// Whether a node's process runs, is awake, and has not stopped.
    pub fn is_awake(&self, node: usize) -> bool {
        self.hosts[node].state == host::State::Up && !self.hosts[node].stopped
    }

    /// Whether a node's application lets its events lie ([`set_slow`](Self::set_slow)).
    pub fn is_slow(&self, node: usize) -> bool {
        self.hosts[node].slow
    }

    /// All nodes whose process runs.
    pub fn living(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes).filter(|node| self.lives(*node))
    }

    /// Lets a node's application do something now: join, whisper, set a timer.
    ///
    /// # Panics
    ///
    /// If the node's process does not run, or sleeps; and if it is a hub, which has no application.
    pub fn with<R>(&mut self, node: usize, act: impl FnOnce(&mut A, &mut Cx<'_>) -> R) -> R {
        assert!(self.lives(node), "node {node} is down: nothing runs there");
        assert!(self.hosts[node].state != host::State::Paused, "node {node} sleeps: nothing runs there now");
        let host = &mut self.hosts[node];
        let now = host.clock.own(self.now);
        let result = host.runner.call(&mut host.node, now, |program, cx| act(program.there_mut(), cx));
        self.after_app(node);
        self.settle(node);
        result
    }

    /// Runs the cluster for a time.
    ///
    /// # Panics
    ///
    /// When an invariant does not hold (see [`Builder::keep_going`]).
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now.saturating_add(dice::nanos(duration));
        while self.step(end) {}
        self.now = end;
        self.heed();
    }

    /// Runs until something is true, at most for a time. Whether it came true. It is looked at after each thing that
    /// happens.
    pub fn run_until(&mut self, within: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.saturating_add(dice::nanos(within));
        while !done(self) {
            if !self.step(end) {
                self.now = end;
                self.heed();
                return done(self);
            }
        }
        true
    }

    /// What the network is like now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Changes what the network is like, for all that is sent from now on.
    pub fn set_network(&mut self, network: Network) {
        self.network = network;
    }

    /// A number that stands for everything that has happened so far: two runs with the same digest were the same.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// What has been counted.
    pub fn totals(&self) -> &Totals {
        self.watch.totals()
    }

    /// The invariants that did not hold.
    pub fn violations(&self) -> &[Violation] {
        self.watch.violations()
    }

    /// What was written down, if [`Builder::trace`] asked for it.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// What was written down, to keep it.
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    /// Adds an invariant of your own. It is looked at after each thing that happens at any node; an `Err` is a violation,
    /// once for each text.
    pub fn invariant(&mut self, name: &str, check: impl FnMut(&Self) -> Result<(), String> + 'static) {
        self.checks.push((name.to_owned(), Some(Box::new(check))));
    }

    /// The calls that a node got since its last start, where [`Builder::record_lives`] asked for them.
    pub fn life(&self, node: usize) -> Option<&Life> {
        self.hosts[node].life.as_ref()
    }
}

impl<A> fmt::Debug for Sim<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .field("now", &Duration::from_nanos(self.now))
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}
