//! A run as data: what is there, what the network is like, what happens when. It can be stored, drawn at random, made
//! smaller, and run again.

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod draw;
mod explore;
mod operation;
#[cfg(feature = "proptest")]
mod proptest;
mod run;
mod shrink;

#[cfg(doc)]
use super::Builder;
use super::{
    Plan,
    network::{Network, millis},
};
pub use explore::explore;
pub use operation::{Cut, Op, Operation};
pub use run::{Report, Trial};
use serde::{Deserialize, Serialize};
pub use shrink::{Shrunk, shrink};
use std::{fmt, time::Duration};

/// A run as data.
///
/// ```
/// use zre_engine::sim::Scenario;
///
/// let scenario = Scenario::from_json(
///     r#"{
///         "seed": 7,
///         "nodes": 5,
///         "network": "wifi",
///         "operations": [
///             {"at": 2000, "do": "join", "node": 1, "group": "chat"},
///             {"at": 3000, "do": "partition", "one": [0, 1], "other": [2, 3, 4]},
///             {"at": 50000, "do": "heal"}
///         ]
///     }"#,
/// )?;
/// let report = scenario.run();
/// assert!(report.violations.is_empty(), "{report}");
/// # Ok::<(), zre_engine::sim::ScenarioError>(())
/// ```
///
/// All times in JSON are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// All chance comes from it.
    pub seed: u64,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many hostile machines there are beside the nodes ([`Builder::hostile`]), until all is healed in the end; an operation
    /// that heals does not end them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hostile: usize,
    /// How the nodes find each other. Hubs are numbered after the nodes, so that operations can be about them.
    #[serde(default, skip_serializing_if = "is_by_beacons")]
    pub discovery: Plan,
    /// Groups that every node joins when it starts, and wants to lead ([`Builder::contest`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contest: Vec<String>,
    /// What the network is like until it is healed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Network,
    /// What happens, in the order of its times.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// The least time before all is healed; it goes on to the last operation in any case.
    #[serde(default, with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub duration: Duration,
}

/// The most octets of one message of a scenario: more than any node takes, and little enough to make.
const OCTETS_MOST: usize = 64 << 20;

impl Scenario {
    /// The most nodes that a scenario may have.
    pub const NODES_MOST: usize = 10_000;
    /// The most hostile machines that a scenario may have.
    pub const HOSTILE_MOST: usize = 1_000;
    /// The most hubs that a scenario may have.
    pub const HUBS_MOST: usize = 64;

    /// Nodes on a fast network, to which nothing happens.
    pub fn new(seed: u64, nodes: usize) -> Self {
        let (network, operations) = (Network::default(), Vec::new());
        let (discovery, contest) = (Plan::Beacons, Vec::new());
        Self { seed, nodes, hostile: 0, discovery, contest, network, operations, duration: Duration::ZERO }
    }

    /// A scenario of 5 to 12 nodes that follows from a seed. Each seed turns on some of the faults and leaves the others out
    /// (a swarm), for what happens all the time hides what happens rarely. In one of four the nodes find each other by other
    /// means than beacons, and in one of three they elect leaders.
    pub fn swarm(seed: u64) -> Self {
        draw::swarm(seed)
    }

    /// A swarm under siege: the nodes of [`swarm`](Self::swarm), or in every other case nodes to which nothing else happens,
    /// and 1 to 8 hostile machines. All of them beacon, and nobody elects leaders.
    pub fn siege(seed: u64) -> Self {
        draw::siege(seed)
    }

    /// From JSON.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or not that of a scenario, or has more than [`NODES_MOST`](Self::NODES_MOST) nodes or
    /// [`HOSTILE_MOST`](Self::HOSTILE_MOST) hostile machines or [`HUBS_MOST`](Self::HUBS_MOST) hubs, or a message of more
    /// than 64 MiB.
    pub fn from_json(json: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = serde_json::from_str(json).map_err(|error| ScenarioError(error.to_string()))?;
        scenario.operations.sort_by_key(|operation| operation.at);
        if scenario.hostile > Self::HOSTILE_MOST {
            let (found, most) = (scenario.hostile, Self::HOSTILE_MOST);
            return Err(ScenarioError(format!("{found} hostile machines are too many; there may be {most}")));
        }
        if scenario.discovery.hubs() > Self::HUBS_MOST {
            let (found, most) = (scenario.discovery.hubs(), Self::HUBS_MOST);
            return Err(ScenarioError(format!("{found} hubs are too many; there may be {most}")));
        }
        if scenario.nodes > Self::NODES_MOST {
            let (found, most) = (scenario.nodes, Self::NODES_MOST);
            return Err(ScenarioError(format!("{found} nodes are too many; there may be {most}")));
        }
        if let Some(octets) =
            scenario.operations.iter().map(|one| one.what.octets()).find(|octets| *octets > OCTETS_MOST)
        {
            return Err(ScenarioError(format!("a message of {octets} octets is too long; there may be {OCTETS_MOST}")));
        }
        Ok(scenario)
    }

    /// As JSON, in one line.
    pub fn to_json(&self) -> String {
        // Numbers, strings, lists: there is nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// One line of Rust that is this scenario again.
    pub fn reproduction(&self) -> String {
        if *self == Self::swarm(self.seed) {
            format!("Scenario::swarm({})", self.seed)
        } else if *self == Self::siege(self.seed) {
            format!("Scenario::siege({})", self.seed)
        } else {
            format!("Scenario::from_json(r##\"{}\"##)", self.to_json())
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_by_beacons(plan: &Plan) -> bool {
    *plan == Plan::Beacons
}

fn is_default(network: &Network) -> bool {
    *network == Network::default()
}

/// Text that is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no scenario: {0}")]
pub struct ScenarioError(String);

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} nodes, {} operations", self.seed, self.nodes, self.operations.len())?;
        self.operations.iter().try_for_each(|operation| writeln!(f, "  {operation}"))
    }
}
