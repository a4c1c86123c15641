//! Scenarios drawn at random: from a seed, from a fuzzer's octets, from proptest.

use super::{Cut, Op, Operation, Scenario};
use crate::sim::{
    Network, Plan, Share,
    dice::{Dice, Topic},
    millis,
};
use std::time::Duration;

/// Where choices come from.
pub(super) trait Source {
    /// From 0 to `bound` - 1.
    fn below(&mut self, bound: u64) -> u64;

    fn index(&mut self, bound: usize) -> usize {
        self.below(bound as u64) as usize
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 1
    }
}

impl Source for Dice {
    fn below(&mut self, bound: u64) -> u64 {
        Self::below(self, bound)
    }
}

const GROUPS: [&str; 3] = ["a", "b", "c"];

/// The kinds of operations, each with how often it comes.
const KINDS: [(Kind, u64); 20] = [
    (Kind::Join, 8),
    (Kind::Leave, 4),
    (Kind::Whisper, 12),
    (Kind::Shout, 8),
    (Kind::Flood, 1),
    (Kind::Disconnect, 1),
    (Kind::Crash, 1),
    (Kind::Kill, 2),
    (Kind::Stop, 1),
    (Kind::Restart, 4),
    (Kind::Pause, 2),
    (Kind::Resume, 2),
    (Kind::Slow, 2),
    (Kind::Clock, 1),
    (Kind::Move, 1),
    (Kind::Link, 2),
    (Kind::Partition, 2),
    (Kind::Reset, 2),
    (Kind::Forget, 1),
    (Kind::Heal, 2),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Join,
    Leave,
    Whisper,
    Shout,
    Flood,
    Disconnect,
    Crash,
    Kill,
    Stop,
    Restart,
    Pause,
    Resume,
    Slow,
    Clock,
    Move,
    Link,
    Partition,
    Reset,
    Forget,
    Heal,
}

impl Kind {
    /// What every cluster does; the rest is trouble.
    fn is_daily(self) -> bool {
        matches!(self, Self::Join | Self::Leave | Self::Whisper | Self::Shout)
    }
}

/// A set of kinds, as bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kinds(u32);

impl Kinds {
    #[cfg(any(feature = "arbitrary", feature = "proptest"))]
    pub(super) const ALL: Self = Self(u32::MAX);

    fn has(self, kind: Kind) -> bool {
        kind.is_daily() || self.0 & (1 << kind as u32) != 0
    }

    fn draw(self, source: &mut impl Source) -> Kind {
        let among = || KINDS.iter().filter(|(kind, _)| self.has(*kind));
        let mut left = source.below(among().map(|(_, weight)| weight).sum());
        for (kind, weight) in among() {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        Kind::Heal
    }
}

pub(super) fn swarm(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed, Topic::Swarm, [0; 3]);
    let nodes = 5 + dice.index(8);
    let kinds = Kinds(dice.next() as u32);
    let network = network(&mut dice);
    let count = 5 + dice.index(60);
    let span = 5_000 + dice.below(60_000);
    let mut operations: Vec<_> = (0..count).map(|_| operation(&mut dice, nodes, span, kinds)).collect();
    let (discovery, trouble) = discovery(seed, nodes, span);
    operations.extend(trouble);
    let (contest, candidacies) = elections(seed, nodes, span);
    operations.extend(candidacies);
    operations.sort_by_key(|operation| operation.at);
    Scenario { seed, nodes, hostile: 0, discovery, contest, network, operations, duration: Duration::ZERO }
}

/// How the nodes of a swarm find each other, and what becomes of its hubs.
fn discovery(seed: u64, nodes: usize, span: u64) -> (Plan, Vec<Operation>) {
    // Of its own, so that all else is as it would be with beacons.
    let mut dice = Dice::new(seed, Topic::Discovery, [0; 3]);
    if dice.below(4) > 0 {
        return (Plan::Beacons, Vec::new());
    }
    let hubs = 1 + dice.index(3);
    let plan = match dice.below(5) {
        0 | 1 => Plan::Gossip { hubs },
        2 => Plan::Gossip { hubs: 1 },
        3 => Plan::Mixed { hubs },
        _ => Plan::Peers,
    };
    let count = if plan.hubs() > 0 { dice.below(10) } else { 0 };
    let trouble = (0..count).map(|_| {
        let at = millis(dice.below(span));
        let (node, other) = (nodes + dice.index(hubs), dice.index(nodes));
        let what = match dice.below(10) {
            0 => Op::Crash { node },
            1 => Op::Kill { node },
            2..=4 => Op::Restart { node, same_uuid: dice.flip(), same_port: true },
            5 => Op::Pause { node },
            6 => Op::Resume { node },
            7 => Op::Move { node },
            8 => Op::Partition { one: vec![node], other: vec![other], cut: Cut::All },
            _ => [Op::Reset { one: node, other }, Op::Forget { one: node, other }][dice.index(2)].clone(),
        };
        Operation { at, what }
    });
    (plan, trouble.collect())
}

pub(super) fn siege(seed: u64) -> Scenario {
    let mut scenario = swarm(seed);
    let mut dice = Dice::new(seed, Topic::Siege, [0; 3]);
    scenario.hostile = 1 + dice.index(8);
    // They hear of nodes by their beacons.
    scenario.discovery = Plan::Beacons;
    scenario.contest.clear();
    scenario.operations.retain(|operation| !matches!(operation.what, Op::Contest { .. }));
    if dice.flip() {
        // Nothing else goes wrong, so nothing is an excuse.
        scenario.operations.retain(|operation| operation.what.is_daily());
        scenario.network = [Network::lan(), Network::wifi(), Network::wan()][dice.index(3)].clone();
    }
    scenario.duration = scenario.duration.max(Duration::from_secs(20));
    scenario
}

/// Who wants to lead which groups in a swarm: all from the start, or some of them some time.
fn elections(seed: u64, nodes: usize, span: u64) -> (Vec<String>, Vec<Operation>) {
    let mut dice = Dice::new(seed, Topic::Election, [0; 3]);
    let group = GROUPS[dice.index(GROUPS.len())].to_owned();
    match dice.below(6) {
        0 => (vec![group], Vec::new()),
        1 => {
            let count = 1 + dice.index(2 * nodes);
            let some = (0..count).map(|_| {
                let group = GROUPS[dice.index(GROUPS.len())].to_owned();
                let what = Op::Contest { node: dice.index(nodes), group };
                Operation { at: millis(dice.below(span)), what }
            });
            (Vec::new(), some.collect())
        }
        _ => (Vec::new(), Vec::new()),
    }
}

/// One of the presets, with only some of its faults.
pub(super) fn network(source: &mut impl Source) -> Network {
    let mut network = match source.below(6) {
        0 => Network::lan(),
        1 => Network::wifi(),
        2 => Network::wan(),
        _ => Network::hostile(),
    };
    let (udp, tcp) = (&mut network.udp, &mut network.tcp);
    for share in [
        &mut udp.loss,
        &mut udp.duplicate,
        &mut udp.late,
        &mut tcp.pieces,
        &mut tcp.stall,
        &mut tcp.reset,
        &mut tcp.half_open,
        &mut tcp.refuse,
    ] {
        if source.flip() {
            *share = Share::NEVER;
        }
    }
    if source.flip() {
        tcp.bandwidth = 0;
    }
    network
}

pub(super) fn operation(source: &mut impl Source, nodes: usize, span: u64, kinds: Kinds) -> Operation {
    let at = millis(source.below(span.max(1)));
    Operation { at, what: op(source, nodes.max(1), kinds) }
}

fn op(source: &mut impl Source, nodes: usize, kinds: Kinds) -> Op {
    let kind = kinds.draw(source);
    let node = source.index(nodes);
    let mut group = || GROUPS[source.index(GROUPS.len())].to_owned();
    match kind {
        Kind::Join => Op::Join { node, group: group() },
        Kind::Leave => Op::Leave { node, group: group() },
        Kind::Shout => Op::Shout { node, group: group(), octets: octets(source) },
        Kind::Whisper => Op::Whisper { node, to: source.index(nodes), octets: octets(source) },
        Kind::Flood => {
            let (to, messages) = (source.index(nodes), 1 + source.below(300) as u32);
            Op::Flood { node, to, messages, octets: octets(source) }
        }
        Kind::Disconnect => Op::Disconnect { node, from: source.index(nodes) },
        Kind::Crash => Op::Crash { node },
        Kind::Kill => Op::Kill { node },
        Kind::Stop => Op::Stop { node },
        Kind::Restart => Op::Restart { node, same_uuid: source.below(3) == 0, same_port: source.flip() },
        Kind::Pause => Op::Pause { node },
        Kind::Resume => Op::Resume { node },
        Kind::Slow => Op::Slow { node, on: source.below(3) > 0 },
        Kind::Clock => Op::Clock { node, ppm: [-200_000, -500, 500, 200_000][source.index(4)] },
        Kind::Move => Op::Move { node },
        Kind::Link => Op::Link { node, up: source.flip() },
        Kind::Partition => {
            let (one, other) = (0..nodes).partition(|_| source.flip());
            Op::Partition { one, other, cut: [Cut::All, Cut::OneWay, Cut::Udp][source.index(3)] }
        }
        Kind::Reset => Op::Reset { one: node, other: source.index(nodes) },
        Kind::Forget => Op::Forget { one: node, other: source.index(nodes) },
        Kind::Heal => Op::Heal,
    }
}

/// Mostly small messages, now and then one that fills queues.
fn octets(source: &mut impl Source) -> usize {
    match source.below(10) {
        0 => 20_000 + source.index(40_000),
        1 | 2 => 1_000 + source.index(3_000),
        _ => source.index(200),
    }
}

/// The longest time over which the operations of a drawn scenario are spread.
#[cfg(any(feature = "arbitrary", feature = "proptest"))]
pub(super) const SPAN: Duration = Duration::from_secs(65);
