//! How long it takes until each node of a cluster has met each other.

use super::{Settings, Work, cluster::Cluster};
use crate::{child::Child, contestant::Contestant, machine, results::Results};

/// How many processes have all nodes of ours; of others each node has its own.
const PROCESSES: usize = 4;

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    for &nodes in sizes(contestant, settings) {
        let mut cluster = cluster(contestant, settings, nodes)?;
        let case = format!("{nodes} nodes");
        let milliseconds = cluster.meet()?;
        let mut add = |metric, value| results.add(Work::Mesh, &case, contestant, metric, value);
        add("ms", milliseconds);
        add("processes", cluster.processes.len() as f64);
        add("CPU s", cluster.sum(Child::cpu));
        add("MB", cluster.sum(Child::memory) / 1e6);
    }
    Ok(())
}

/// A hundred nodes of other programs are a hundred processes, and up to 6 GB.
fn sizes(contestant: Contestant, settings: &Settings) -> &'static [usize] {
    match (contestant.is_ours(), settings.quick, settings.full) {
        (true, true, _) => &[3, 10],
        (false, true, _) => &[3],
        (true, false, _) => &[10, 50, 100, 200],
        (false, false, true) => &[10, 50, 100],
        (false, false, false) => &[10],
    }
}

/// The processes for so many nodes, which are not started.
pub fn cluster(contestant: Contestant, settings: &Settings, nodes: usize) -> Result<Cluster, String> {
    let mut processes = if contestant.is_ours() { PROCESSES.min(nodes) } else { nodes };
    // Each node has two connections with each other.
    while (nodes.div_ceil(processes) * (2 * nodes + 8)) as u64 > machine::all_descriptors() && processes < nodes {
        processes *= 2;
    }
    Cluster::new(contestant, &settings.installed, processes, nodes)
}
