//! What came of a run, be it of a scenario or not.

use super::Chatter;
use crate::json::{self, Object, string, string_or_null};
use std::time::Duration;
use zre_engine::sim::{Network, Report, Sample, Sim, Totals, Trace, Violation};

/// What a network is called that no preset is like.
pub(super) const CUSTOM: &str = "custom";

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) nodes: usize,
    /// Hostile machines beside them.
    pub(super) hostile: usize,
    /// Hubs over which they gossip.
    pub(super) hubs: usize,
    pub(super) seed: u64,
    /// The name of a preset, or [`CUSTOM`].
    pub(super) network: String,
    pub(super) digest: u64,
    pub(super) simulated: Duration,
    pub(super) full_mesh: Option<Duration>,
    /// For each node, in order of time; at the end those that never saw all others.
    mesh_times: Vec<Option<Duration>>,
    pub(super) curve: Vec<Sample>,
    pub(super) healing: Healing,
    pub(super) totals: Totals,
    pub(super) violations: Vec<Violation>,
    pub(super) trace: Option<Trace>,
    /// The command that does the same again.
    pub(super) again: String,
    /// How long it took.
    pub(super) real: Duration,
}

/// Whether all became well in the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Healing {
    /// That was not asked for.
    None,
    /// It did not, in the time that it had.
    Failed,
    /// It took so long.
    Took(Duration),
}

impl Outcome {
    pub(super) fn of_scenario(report: Report, again: String) -> Self {
        let network = &report.scenario.network;
        let is = |name: &&&str| name.parse::<Network>().as_ref() == Ok(network);
        Self {
            nodes: report.scenario.nodes,
            hostile: report.scenario.hostile,
            hubs: report.scenario.discovery.hubs(),
            seed: report.scenario.seed,
            network: Network::PRESETS.iter().find(is).unwrap_or(&CUSTOM).to_string(),
            digest: report.digest,
            simulated: report.simulated,
            full_mesh: report.full_mesh,
            mesh_times: in_order(report.mesh_times),
            curve: report.curve,
            healing: report.healed_in.map_or(Healing::Failed, Healing::Took),
            totals: report.totals,
            violations: report.violations,
            trace: report.trace,
            again,
            real: Duration::ZERO,
        }
    }

    pub(super) fn of_cluster(
        sim: &mut Sim<Chatter>,
        (hostile, hubs): (usize, usize),
        network: &str,
        again: String,
    ) -> Self {
        let trace = sim.take_trace();
        Self {
            nodes: sim.len(),
            hostile,
            hubs,
            seed: sim.seed(),
            network: network.into(),
            digest: sim.digest(),
            simulated: sim.now(),
            full_mesh: sim.full_mesh(),
            mesh_times: in_order(sim.mesh_times()),
            curve: sim.curve().to_vec(),
            healing: Healing::None,
            totals: sim.totals().clone(),
            violations: sim.violations().to_vec(),
            trace,
            again,
            real: Duration::ZERO,
        }
    }

    /// The time after which so many in a hundred nodes had seen all others; none where they never did.
    pub(super) fn mesh_percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.mesh_times.len() * percent).div_ceil(100);
        self.mesh_times.get(rank.checked_sub(1)?).copied().flatten()
    }

    /// One object in one line. All but `real_ms` follows from the command.
    pub(super) fn to_json(&self) -> String {
        let Totals { events, messages, flaps, datagrams, connects, resets, segments, octets, .. } = &self.totals;
        // Rules and numbers: there is nothing in a violation that JSON cannot hold.
        let violated = serde_json::to_string(&self.violations).unwrap_or_else(|_| "[]".into());
        let mesh = Object::new()
            .raw("p50", &millis_or_null(self.mesh_percentile(50)))
            .raw("p99", &millis_or_null(self.mesh_percentile(99)));
        let object = Object::new()
            .text("digest", &format!("{:016x}", self.digest))
            .raw("full_mesh_ms", &millis_or_null(self.full_mesh))
            .number("messages", *messages)
            .number("flaps", *flaps)
            .number("violations", self.violations.len() as u64)
            .raw("violated", &json::harmless(&violated))
            .number("nodes", self.nodes as u64)
            .number("hostile", self.hostile as u64)
            .number("hubs", self.hubs as u64)
            .number("seed", self.seed)
            .raw("network", &string(&self.network))
            .number("simulated_ms", self.simulated.as_millis())
            .raw("mesh_ms", &mesh.end());
        let object = match self.healing {
            Healing::None => object,
            Healing::Failed => object.raw("healed_ms", "null"),
            Healing::Took(time) => object.raw("healed_ms", &millis_or_null(Some(time))),
        };
        let again = (!self.violations.is_empty()).then_some(&self.again);
        object
            .counts("events", events)
            .number("datagrams", *datagrams)
            .number("connects", *connects)
            .number("resets", *resets)
            .number("segments", *segments)
            .number("octets", *octets)
            .raw("reproduce", &string_or_null(again))
            .number("real_ms", self.real.as_millis())
            .end()
    }
}

fn millis_or_null(time: Option<Duration>) -> String {
    time.map_or_else(|| "null".into(), |time| time.as_millis().to_string())
}

/// Those that are none come last.
fn in_order(mut times: Vec<Option<Duration>>) -> Vec<Option<Duration>> {
    times.sort_unstable_by_key(|time| time.unwrap_or(Duration::MAX));
    times
}
