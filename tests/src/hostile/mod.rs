//! Attacks on a node over real sockets, and what has to hold in each of them.
//!
//! The node is a process of its own ([`target`]), so that its memory and its descriptors can be read. All along it is one half
//! of an honest pair ([`honest`]) that exchanges numbered messages. [`Siege::run`] starts both, measures ([`meter`]) while the
//! attack runs, and then asks for everything back: descriptors, memory, peers. Each prints one line.
//!
//! Some attacks are longer with `ZRE_HOSTILE=long` in the environment.

pub mod attacker;
pub mod descriptors;
pub mod honest;
pub mod meter;
pub mod settings;
pub mod target;

use crate::{children::JsonLines, namespace::Namespace};
use bytes::Bytes;
use honest::Honest;
use meter::{Cost, Meter};
use serde_json::{Value, json};
use settings::Settings;
use std::{
    env,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};
use zre_mio::{Content, PeerId};

/// How long it may take until everything is released.
const RELEASE: Duration = Duration::from_secs(45);
/// What memory may be kept after an attack: allocators do not give back everything at once.
const KEPT: u64 = 16 << 20;
/// How often counters are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What an attack may cost the node at its height: more than before it.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Octets of memory.
    pub memory: u64,
    /// Descriptors.
    pub descriptors: usize,
}

/// An attack under way.
#[derive(Debug)]
pub struct Siege {
    /// The node that is attacked.
    pub node: Target,
    /// The other half of the honest pair, where the node is one.
    pub honest: Option<Honest>,
    meter: Option<Meter>,
    before: Cost,
    /// Who is a peer before the attack and after it.
    peers: Vec<PeerId>,
    /// Descriptors that the node keeps for good once the attack has made it need them.
    pub stays: usize,
    what: String,
}

/// The process of the node that is attacked.
#[derive(Debug)]
pub struct Target {
    lines: JsonLines,
    /// Its mailbox.
    pub mailbox: SocketAddr,
}

impl Target {
    /// Starts the program at this path, `hostile-node`.
    #[track_caller]
    pub fn start(program: &str, settings: &Settings) -> Self {
        Self::start_by(Command::new(program), settings)
    }

    /// The same with a command that ends with the program.
    #[track_caller]
    pub fn start_by(mut command: Command, settings: &Settings) -> Self {
        // What is freed is given back at once: else the allocator keeps the more the larger the blocks were, and nobody could
        // tell that from what the node holds.
        command.env("MALLOC_MMAP_THRESHOLD_", "32768").env("MALLOC_TRIM_THRESHOLD_", "131072");
        command.arg(serde_json::to_string(settings).expect("settings are JSON"));
        let lines = JsonLines::start(settings.name.as_str(), command);
        let mailbox = lines.endpoint().strip_prefix("tcp://").and_then(|at| at.parse().ok()).expect("a TCP endpoint");
        Self { lines, mailbox }
    }

    /// Its UUID.
    pub fn uuid(&self) -> PeerId {
        self.lines.uuid().parse().expect("a UUID")
    }

    /// Where it is a hub.
    pub fn hub(&self) -> SocketAddr {
        self.lines.hubs()[0].strip_prefix("tcp://").and_then(|at| at.parse().ok()).expect("a TCP endpoint")
    }

    /// Sends it a command and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, what: &str) -> Value {
        self.lines.ask(json!({"do": what}))
    }

    /// Has it whisper to a peer until that one's queue is full. How many octets it took.
    #[track_caller]
    pub fn fill(&mut self, peer: PeerId) -> u64 {
        self.lines.ask(json!({"do": "fill", "peer": peer.to_string()})).as_u64().expect("octets")
    }

    /// Waits until its counters are so, looking again and again.
    #[track_caller]
    pub fn until(&mut self, what: &str, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        self.until_asked("counters", what, within, fits)
    }

    /// The same of what its application has heard.
    #[track_caller]
    pub fn until_heard(&mut self, what: &str, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        self.until_asked("heard", what, within, fits)
    }

    #[track_caller]
    fn until_asked(&mut self, ask: &str, what: &str, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = now() + within;
        loop {
            let mut told = self.ask(ask);
            told["descriptors"] = json!(self.cost().descriptors);
            if fits(&told) {
                return told;
            }
            assert!(now() < deadline, "not {what} within {within:?}: {told:#}");
            self.lines.expect_none("line that nobody says", LOOK, |_| false);
        }
    }

    /// Waits for an event of a peer that it tells of.
    #[track_caller]
    pub fn expect_event(&mut self, kind: &str, within: Duration, of: PeerId) -> Value {
        let of = of.to_string();
        self.lines.wait_for(kind, within, |line| line["event"] == kind && line["peer"] == of.as_str())
    }

    /// Its events so far, of the peers that it tells of.
    pub fn told_of(&mut self, of: PeerId) -> Vec<String> {
        let of = of.to_string();
        let its = self.lines.seen().filter(|line| line["peer"] == of.as_str() && line["event"] != "START");
        its.map(|line| line["event"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.lines.pid()
    }

    /// What it costs now.
    pub fn cost(&self) -> Cost {
        Cost::of(self.lines.pid())
    }

    /// Stops it, which must end well.
    #[track_caller]
    pub fn stop(self) {
        self.lines.stop();
    }
}

impl Siege {
    /// Attacks a node with these settings. `program` is the path of `hostile-node`, `what` the attack's name.
    #[track_caller]
    pub fn run(program: &str, what: &str, settings: &Settings, bounds: Bounds, attack: impl FnOnce(&mut Self)) {
        Self::begin(Target::start(program, settings), what).finish(bounds, attack);
    }

    /// The honest pair has met and talks; nothing is wrong yet.
    #[track_caller]
    pub fn begin(node: Target, what: &str) -> Self {
        let honest = Honest::start(node.uuid());
        let peers = vec![honest.uuid];
        Self::among(node, honest, peers, what)
    }

    /// The node is beside the honest pair, and knows both; and more peers that stay, perhaps.
    #[track_caller]
    pub fn among(mut node: Target, honest: Honest, mut peers: Vec<PeerId>, what: &str) -> Self {
        peers.sort_unstable();
        node.until("settled", PATIENCE, |counters| is_calm(counters, &peers));
        // First the peak is forgotten: what is in use after that is no more than the peak.
        let meter = Meter::start(node.lines.pid());
        let before = node.cost();
        Self { node, honest: Some(honest), meter: Some(meter), before, peers, stays: 0, what: what.into() }
    }

    /// Attacks, and looks whether all is well after it.
    #[track_caller]
    pub fn finish(mut self, bounds: Bounds, attack: impl FnOnce(&mut Self)) {
        let begin = now();
        attack(&mut self);
        let honest = self.honest.take().expect("nobody takes it");
        let (before, after) = (self.before, self.until_released());
        let took = begin.elapsed();
        let heard = self.node.ask("heard")["numbered"][honest.uuid.to_string()].clone();
        assert!(heard[1].as_u64().is_none_or(|out_of_order| out_of_order == 0), "{heard}");
        assert_eq!(self.node.told_of(honest.uuid), ["ENTER"], "the honest pair stays together");
        let account = honest.finish();
        let peak = self.meter.take().expect("it measures").peak();
        let mib = |octets: u64| octets as f64 / f64::from(1 << 20);
        println!(
            "hostile: {}: peak {:.1} MiB ({:.1} before, {:.1} after), {} descriptors, {} honest messages, the slowest {:.1?}; {took:.1?}",
            self.what,
            mib(peak.memory),
            mib(before.memory),
            mib(after.memory),
            peak.descriptors,
            account.messages,
            account.slowest,
        );
        assert!(peak.memory.saturating_sub(before.memory) <= bounds.memory, "{peak:?} of memory, {before:?} before");
        assert!(peak.descriptors <= before.descriptors + bounds.descriptors, "{peak:?} descriptors, {before:?} before");
        assert!(after.memory <= before.memory + KEPT, "{after:?} of memory is left over, {before:?} before");
        self.node.stop();
    }

    /// Waits until the node is as it was before the attack. What it costs then.
    #[track_caller]
    fn until_released(&mut self) -> Cost {
        let descriptors = self.before.descriptors + self.stays;
        let is_as_before = |counters: &Value| is_calm(counters, &self.peers) && counters["descriptors"] == descriptors;
        self.node.until(&format!("released, with {descriptors} descriptors"), RELEASE, is_as_before);
        self.node.cost()
    }
}

/// Whether a node has just these peers, and nothing is left to do.
fn is_calm(counters: &Value, peers: &[PeerId]) -> bool {
    let known: Vec<_> = peers.iter().map(ToString::to_string).collect();
    let mut found: Vec<_> = counters["peers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    found.sort_unstable();
    found == known
        && counters["strangers"] == 0
        // Each has connected to the other.
        && counters["connections"] == 2 * peers.len()
        && counters["hub_clients"] == 0
        && counter(counters, "events_waiting") < 1 << 10
}

/// A counter of a node by its name, which has to be there: what is missing is less than any bound.
#[track_caller]
pub fn counter(counters: &Value, name: &str) -> u64 {
    counters[name].as_u64().unwrap_or_else(|| panic!("there is no counter {name}: {counters:#}"))
}

/// How long what takes milliseconds may take.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Content with a number, of so many octets.
pub fn numbered(number: u64, octets: usize) -> Content {
    let mut frame = vec![0; octets.max(8)];
    frame[..8].copy_from_slice(&number.to_be_bytes());
    Bytes::from(frame).into()
}

/// The number of [`numbered`] content.
pub fn number_of(content: &Content) -> Option<u64> {
    let frame = content.iter().next()?;
    Some(u64::from_be_bytes(*frame.first_chunk()?))
}

/// Whether attacks are to be longer.
pub fn long() -> bool {
    env::var("ZRE_HOSTILE").is_ok_and(|how| how == "long")
}

/// Runs `body`, the whole of the test of this name, in a network of its own. See [`namespace`](crate::namespace).
#[track_caller]
pub fn arena(test: &str, body: impl FnOnce()) {
    Namespace::new(test).deadline(Duration::from_secs(by_length(120, 7_200))).run(body);
}

/// One number by default, another where attacks are to be longer.
pub fn by_length<T>(short: T, longer: T) -> T {
    if long() { longer } else { short }
}

/// The time of the machine, in which attacks happen.
#[expect(clippy::disallowed_methods, reason = "what happens over real sockets happens in real time")]
pub fn now() -> Instant {
    Instant::now()
}
