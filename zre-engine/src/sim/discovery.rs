//! How the nodes of a cluster find each other: by beacons, by gossip over hubs, or because they were told.

use super::{Nodes, Sim, life::Call};
use crate::{Address, app::App};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

/// The port on which hubs listen.
pub(super) const HUB: u16 = 5671;

/// How one node finds others; by default, by beacons. Machines are named by their numbers: nodes come first, then the hubs
/// of [`Builder::hubs`](super::Builder::hubs).
///
/// Hubs and nodes that others are told of keep their port for ever, and are known by name: `node-3`, `hub-0`. So they are
/// found again where they start again, and when they have another address.
///
/// ```
/// use zre_engine::sim::{Discovery, Network, Sim, secs};
///
/// // Two hubs, machines 6 and 7. Three nodes gossip with the first, one with both, the next with the second;
/// // the last has no hub, and was told where node 4 is.
/// let discovery = |machine| match machine {
///     0..3 => Discovery::gossip(6),
///     3 => Discovery::gossip([6, 7]),
///     4 => Discovery::gossip(7),
///     _ => Discovery::peers(0..machine),
/// };
/// let mut sim = Sim::builder(1).nodes(6, |_| ()).hubs(2).discovery(discovery).network(Network::lan()).build();
/// sim.assert_converges(secs(2));
///
/// // Whoever knows each other needs no hub.
/// let hub = sim.hub(0);
/// sim.crash(hub);
/// sim.run_for(secs(60));
/// assert_eq!(sim.converged(), Ok(()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovery {
    /// It sends beacons, and hears those of others.
    pub beacons: bool,
    /// It is a hub itself (`gossip_bind`), beside being a node. The hubs of [`Builder::hubs`](super::Builder::hubs) are
    /// hubs in any case, and nothing else.
    pub hub: bool,
    /// The hubs that it gossips with (`gossip_connect`).
    pub hubs: Vec<usize>,
    /// The nodes that it was told of (`require_peer`), by their places alone.
    pub peers: Vec<usize>,
}

impl Default for Discovery {
    fn default() -> Self {
        Self::beacons()
    }
}

impl Discovery {
    /// It finds nobody; others may find it.
    pub fn none() -> Self {
        Self { beacons: false, hub: false, hubs: Vec::new(), peers: Vec::new() }
    }

    /// By beacons.
    pub fn beacons() -> Self {
        Self { beacons: true, ..Self::none() }
    }

    /// By gossip with these hubs; itself among them does not count.
    pub fn gossip(hubs: impl Nodes) -> Self {
        Self { hubs: hubs.indices(), ..Self::none() }
    }

    /// It was told of these nodes; itself among them does not count.
    pub fn peers(peers: impl Nodes) -> Self {
        Self { peers: peers.indices(), ..Self::none() }
    }

    /// By both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.beacons |= other.beacons;
        self.hub |= other.hub;
        self.hubs.extend(other.hubs);
        self.peers.extend(other.peers);
        self
    }

    /// And it is a hub for others.
    #[must_use]
    pub fn as_hub(mut self) -> Self {
        self.hub = true;
        self
    }
}

/// How all nodes of a cluster find each other, so that in the end everybody finds everybody, whatever went wrong before.
/// In JSON: `"beacons"`, `{"gossip": {"hubs": 2}}`, `"peers"`, `{"mixed": {"hubs": 1}}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Plan {
    /// All by beacons.
    #[default]
    Beacons,
    /// By gossip: each node with one of so many hubs in turn, every third with all of them. The other hubs gossip with the
    /// first.
    Gossip {
        /// How many; none is taken for one.
        hubs: usize,
    },
    /// Each node was told of those before it.
    Peers,
    /// Nodes with even numbers by beacons; the others by gossip, and they were told of the former. Node 1 is a hub too, with
    /// which node 3 and its like gossip beside.
    Mixed {
        /// How many hubs there are; none is taken for one.
        hubs: usize,
    },
}

impl Plan {
    /// How many hubs it needs.
    pub fn hubs(self) -> usize {
        match self {
            Self::Beacons | Self::Peers => 0,
            Self::Gossip { hubs } | Self::Mixed { hubs } => hubs.max(1),
        }
    }

    /// What it is for one machine of a cluster of so many nodes.
    pub fn of(self, machine: usize, nodes: usize) -> Discovery {
        let hubs = nodes..nodes + self.hubs();
        let one = nodes + machine % self.hubs().max(1);
        match self {
            Self::Gossip { .. } | Self::Mixed { .. } if machine == nodes => Discovery::none(),
            Self::Gossip { .. } | Self::Mixed { .. } if machine > nodes => Discovery::gossip(nodes),
            Self::Beacons => Discovery::beacons(),
            Self::Gossip { .. } if machine % 3 == 2 => Discovery::gossip(hubs),
            Self::Gossip { .. } => Discovery::gossip(one),
            Self::Peers => Discovery::peers(0..machine),
            Self::Mixed { .. } if machine.is_multiple_of(2) => Discovery::beacons(),
            Self::Mixed { .. } => {
                let told = Discovery::peers((0..nodes).step_by(2).collect::<Vec<_>>());
                match machine {
                    1 => told.and(Discovery::gossip(one)).as_hub(),
                    _ if machine % 4 == 3 => told.and(Discovery::gossip([one, 1])),
                    _ => told.and(Discovery::gossip(one)),
                }
            }
        }
    }
}

impl<A: App> Sim<A> {
    /// A node, or a hub, is told where its process listens.
    pub(super) fn listen(&mut self, machine: usize) {
        let host = &self.hosts[machine];
        let (address, port, as_hub) = (IpAddr::V4(host.address), host.port, host.discovery.hub);
        if !self.is_hub(machine) {
            self.tell(machine, Call::Listening(SocketAddr::new(address, port)));
        }
        if as_hub || self.is_hub(machine) {
            self.tell(machine, Call::HubListening(SocketAddr::new(address, HUB)));
        }
    }

    /// A node is told whom to find, before it starts.
    pub(super) fn tell_whom_to_find(&mut self, machine: usize) {
        for hub in self.hubs_of(machine) {
            let at = Address::Name { host: self.name_of(hub), port: HUB };
            self.tell(machine, Call::GossipConnect(at));
        }
        for peer in self.told_to(machine) {
            let at = Address::Name { host: self.name_of(peer), port: self.hosts[peer].port };
            self.tell(machine, Call::RequirePeer(None, at));
        }
    }
}

impl<A> Sim<A> {
    /// The hubs that a machine gossips with.
    pub(super) fn hubs_of(&self, machine: usize) -> BTreeSet<usize> {
        self.others(machine, &self.hosts[machine].discovery.hubs)
    }

    /// The nodes that a node was told of.
    pub(super) fn told_to(&self, machine: usize) -> BTreeSet<usize> {
        self.others(machine, &self.hosts[machine].discovery.peers)
    }

    fn others(&self, machine: usize, all: &[usize]) -> BTreeSet<usize> {
        all.iter().copied().filter(|other| *other != machine && *other < self.hosts.len()).collect()
    }

    /// The number of a hub of [`Builder::hubs`](super::Builder::hubs), to make something happen to it: hubs are numbered
    /// from 0, and their machines after those of the nodes.
    ///
    /// # Panics
    ///
    /// If there is no such hub.
    pub fn hub(&self, hub: usize) -> usize {
        let machine = self.nodes + hub;
        assert!(machine < self.hosts.len(), "there is no hub {hub}; there are {}", self.hosts.len() - self.nodes);
        machine
    }

    /// How many machines there are that are not hostile.
    pub(super) fn nodes_and_hubs(&self) -> usize {
        self.hosts.len()
    }

    /// Whether a machine is a hub that is no node.
    pub(super) fn is_hub(&self, machine: usize) -> bool {
        (self.nodes..self.hosts.len()).contains(&machine)
    }

    /// What others call a machine.
    fn name_of(&self, machine: usize) -> String {
        name(machine, self.nodes)
    }

    /// What to call a machine in a message.
    pub(super) fn in_words(&self, machine: usize) -> String {
        self.name_of(machine).replace('-', " ")
    }

    /// The machine with this name.
    pub(super) fn called(&self, name: &str) -> Option<usize> {
        let number = |rest: &str| rest.parse::<usize>().ok();
        let machine = match name.strip_prefix("hub-") {
            Some(rest) => self.nodes.checked_add(number(rest)?)?,
            None => number(name.strip_prefix("node-")?)?,
        };
        (machine < self.hosts.len() && self.name_of(machine) == name).then_some(machine)
    }
}

/// What a machine is called in a cluster of so many nodes.
pub(super) fn name(machine: usize, nodes: usize) -> String {
    match machine.checked_sub(nodes) {
        Some(hub) => format!("hub-{hub}"),
        None => format!("node-{machine}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_leads_everybody_to_everybody() {
        let plans = [Plan::Gossip { hubs: 0 }, Plan::Gossip { hubs: 3 }, Plan::Peers, Plan::Mixed { hubs: 2 }];
        for (plan, nodes) in plans.into_iter().flat_map(|plan| (1..14).map(move |nodes| (plan, nodes))) {
            let all: Vec<_> = (0..nodes + plan.hubs()).map(|machine| plan.of(machine, nodes)).collect();
            assert!(all[nodes..].iter().all(|hub| !hub.beacons && hub.peers.is_empty()));
            let gossips = |node: usize| !all[node].hubs.is_empty();
            for (one, other) in (0..nodes).flat_map(|one| (0..one).map(move |other| (one, other))) {
                let told = all[one].peers.contains(&other) || all[other].peers.contains(&one);
                let beacons = all[one].beacons && all[other].beacons;
                assert!(told || beacons || (gossips(one) && gossips(other)), "{plan:?}: {one} and {other} of {nodes}");
            }
            let hubs = all.iter().flat_map(|one| &one.hubs);
            assert!(hubs.clone().all(|hub| (nodes..all.len()).contains(hub) || all[*hub].hub));
        }
    }

    #[test]
    fn plans_are_readable() {
        for (plan, json) in [
            (Plan::Beacons, r#""beacons""#),
            (Plan::Gossip { hubs: 2 }, r#"{"gossip":{"hubs":2}}"#),
            (Plan::Peers, r#""peers""#),
            (Plan::Mixed { hubs: 1 }, r#"{"mixed":{"hubs":1}}"#),
        ] {
            assert_eq!(serde_json::to_string(&plan).unwrap(), json);
            assert_eq!(serde_json::from_str::<Plan>(json).unwrap(), plan);
        }
    }
}
