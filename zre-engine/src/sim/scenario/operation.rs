//! What happens in a scenario, and what it does to a cluster.

use crate::{
    Content,
    app::App,
    sim::{Identity, Network, Sim, network::millis},
};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// When, since the beginning.
    #[serde(with = "millis")]
    pub at: Duration,
    /// What.
    #[serde(flatten)]
    pub what: Op,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} ms  {:?}", self.at.as_millis(), self.what)
    }
}

/// What is cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cut {
    /// Everything, both ways.
    #[default]
    All,
    /// Everything, from the one side to the other only.
    OneWay,
    /// Datagrams, both ways.
    Udp,
}

/// What happens. An operation on a node that does not exist, or that cannot be done at the time, does nothing: so what is
/// left of a scenario that is made smaller still makes sense. What can happen to a machine can happen to a hub too: hubs
/// are numbered after the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the nodes that an operation is about")]
pub enum Op {
    /// A node joins a group.
    Join { node: usize, group: String },
    /// A node leaves a group.
    Leave { node: usize, group: String },
    /// A node wants to lead a group from now on, whenever it is in it.
    Contest { node: usize, group: String },
    /// A node sends another a message of so many octets.
    Whisper { node: usize, to: usize, octets: usize },
    /// A node sends a group a message of so many octets.
    Shout { node: usize, group: String, octets: usize },
    /// A node sends another as many messages of so many octets, or as many as there is room for.
    Flood { node: usize, to: usize, messages: u32, octets: usize },
    /// A node ends its relation with another.
    Disconnect { node: usize, from: usize },
    /// The power goes ([`Sim::crash`]).
    Crash { node: usize },
    /// The process is killed ([`Sim::kill`]).
    Kill { node: usize },
    /// The node stops politely.
    Stop { node: usize },
    /// A new process starts ([`Sim::restart`]).
    Restart {
        node: usize,
        #[serde(default)]
        same_uuid: bool,
        #[serde(default)]
        same_port: bool,
    },
    /// The machine sleeps.
    Pause { node: usize },
    /// The machine wakes.
    Resume { node: usize },
    /// The application lets its events lie, or takes them again.
    Slow { node: usize, on: bool },
    /// The clock is wrong from now on, by millionths.
    Clock { node: usize, ppm: i32 },
    /// The machine gets another address.
    Move { node: usize },
    /// The interface goes down or comes up.
    Link { node: usize, up: bool },
    /// Nothing passes between two sides any more.
    Partition {
        one: Vec<usize>,
        other: Vec<usize>,
        #[serde(default)]
        cut: Cut,
    },
    /// The connections of two nodes are torn down.
    Reset { one: usize, other: usize },
    /// The connections of two nodes die without a word.
    Forget { one: usize, other: usize },
    /// All ways, interfaces, clocks, sleepers and slow readers are well again ([`Sim::heal`]).
    Heal,
    /// The network is another from now on.
    Network { network: Network },
}

impl Op {
    /// The nodes that it is about.
    pub(super) fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Join { node, .. }
            | Self::Leave { node, .. }
            | Self::Contest { node, .. }
            | Self::Shout { node, .. }
            | Self::Crash { node }
            | Self::Kill { node }
            | Self::Stop { node }
            | Self::Restart { node, .. }
            | Self::Pause { node }
            | Self::Resume { node }
            | Self::Slow { node, .. }
            | Self::Clock { node, .. }
            | Self::Move { node }
            | Self::Link { node, .. } => vec![*node],
            Self::Whisper { node, to, .. } | Self::Flood { node, to, .. } => vec![*node, *to],
            Self::Disconnect { node, from } => vec![*node, *from],
            Self::Reset { one, other } | Self::Forget { one, other } => vec![*one, *other],
            // Its sides are what is left of them.
            Self::Partition { .. } | Self::Heal | Self::Network { .. } => Vec::new(),
        }
    }

    /// Whether it is what every cluster does; the rest is trouble.
    pub(super) fn is_daily(&self) -> bool {
        matches!(self, Self::Join { .. } | Self::Leave { .. } | Self::Whisper { .. } | Self::Shout { .. })
    }

    /// How long its messages are.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Whisper { octets, .. } | Self::Shout { octets, .. } | Self::Flood { octets, .. } => *octets,
            _ => 0,
        }
    }

    /// A node was taken away: those after it move up.
    pub(super) fn renumber(&mut self, gone: usize) {
        let up = |node: &mut usize| *node -= usize::from(*node > gone);
        match self {
            Self::Join { node, .. }
            | Self::Leave { node, .. }
            | Self::Contest { node, .. }
            | Self::Shout { node, .. }
            | Self::Crash { node }
            | Self::Kill { node }
            | Self::Stop { node }
            | Self::Restart { node, .. }
            | Self::Pause { node }
            | Self::Resume { node }
            | Self::Slow { node, .. }
            | Self::Clock { node, .. }
            | Self::Move { node }
            | Self::Link { node, .. } => up(node),
            Self::Whisper { node: one, to: other, .. }
            | Self::Flood { node: one, to: other, .. }
            | Self::Disconnect { node: one, from: other }
            | Self::Reset { one, other }
            | Self::Forget { one, other } => [one, other].into_iter().for_each(up),
            Self::Partition { one, other, .. } => {
                for side in [one, other] {
                    side.retain(|node| *node != gone);
                    side.iter_mut().for_each(up);
                }
            }
            Self::Heal | Self::Network { .. } => {}
        }
    }

    /// Carries it out. `number` makes the content of messages differ.
    pub(super) fn apply<A: App>(&self, sim: &mut Sim<A>, number: usize) {
        let most = sim.nodes_and_hubs();
        if self.nodes().iter().any(|node| *node >= most) {
            return;
        }
        match self {
            Self::Join { .. }
            | Self::Leave { .. }
            | Self::Contest { .. }
            | Self::Whisper { .. }
            | Self::Shout { .. }
            | Self::Flood { .. }
            | Self::Disconnect { .. } => self.apply_call(sim, number),
            Self::Crash { node } => sim.crash(*node),
            Self::Kill { node } => sim.kill(*node),
            Self::Stop { node } => sim.stop(*node),
            Self::Restart { node, same_uuid, same_port } => {
                let identity = if *same_uuid { Identity::Same } else { Identity::New };
                if *same_port {
                    sim.restart_on_same_port(*node, identity);
                } else {
                    sim.restart(*node, identity);
                }
            }
            Self::Pause { node } => sim.pause(*node),
            Self::Resume { node } => sim.resume(*node),
            Self::Slow { node, on } => sim.set_slow(*node, *on),
            Self::Clock { node, ppm } => sim.set_clock_rate(*node, *ppm),
            Self::Move { node } => sim.change_address(*node),
            Self::Link { node, up } => sim.set_link(*node, *up),
            Self::Partition { one, other, cut } => {
                let there = |side: &[usize]| side.iter().copied().filter(|node| *node < most).collect::<Vec<_>>();
                let (one, other) = (there(one), there(other));
                match cut {
                    Cut::All => sim.partition(one, other),
                    Cut::OneWay => sim.partition_one_way(one, other),
                    Cut::Udp => sim.partition_udp(one, other),
                }
            }
            Self::Reset { one, other } => sim.reset(*one, *other),
            Self::Forget { one, other } => sim.forget_connections(*one, *other),
            Self::Heal => sim.heal(),
            Self::Network { network } => sim.set_network(network.clone()),
        }
    }

    /// What an application does. Refusals are part of life.
    fn apply_call<A: App>(&self, sim: &mut Sim<A>, number: usize) {
        let acts = |node: &usize| *node < sim.len() && sim.is_awake(*node);
        let Some(node) = self.nodes().first().copied().filter(acts) else { return };
        let peer = self.nodes().get(1).map(|peer| sim.id(*peer));
        sim.with(node, |_, cx| match (self, peer) {
            (Self::Join { group, .. }, _) => drop(cx.join(group)),
            (Self::Leave { group, .. }, _) => drop(cx.leave(group)),
            (Self::Contest { group, .. }, _) => drop(cx.set_contest_in_group(group)),
            (Self::Shout { group, octets, .. }, _) => drop(cx.shout(group, content(number, 0, *octets))),
            (Self::Whisper { octets, .. }, Some(peer)) => drop(cx.whisper(peer, content(number, 0, *octets))),
            (Self::Flood { messages, octets, .. }, Some(peer)) => {
                let sent = |count| cx.whisper(peer, content(number, count, *octets)).is_ok();
                let _ = (0..*messages).map(sent).take_while(|sent| *sent).count();
            }
            (_, Some(peer)) => drop(cx.disconnect(peer)),
            _ => {}
        });
    }
}

/// A message that no other of the scenario is like, as long as it has room for its number.
fn content(number: usize, count: u32, octets: usize) -> Content {
    let mut text = format!("{number}.{count} ").into_bytes();
    text.resize(octets.max(text.len()), b'.');
    text.into()
}
