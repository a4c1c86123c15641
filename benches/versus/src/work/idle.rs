//! What nodes cost that have met and say nothing.

use super::{Settings, Work, cluster::Cluster, mesh};
use crate::{child::Child, contestant::Contestant, results::Results};
use std::{thread, time::Duration};

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let (nodes, seconds) = if settings.quick { (10, 1) } else { (100, 10) };
    let mut cluster = mesh::cluster(contestant, settings, nodes)?;
    let state = |cluster: &Cluster| [cluster.sum(Child::memory), cluster.sum(Child::descriptors)];
    let before = state(&cluster);
    cluster.meet()?;
    // What the meeting has left to do is no idling.
    thread::sleep(Duration::from_secs(1));
    let cpu = cluster.sum(Child::cpu);
    thread::sleep(Duration::from_secs(seconds));
    let cpu = cluster.sum(Child::cpu) - cpu;
    let after = state(&cluster);
    let relations = (nodes * (nodes - 1)) as f64;
    let case = format!("{nodes} nodes");
    let mut add = |metric, value| results.add(Work::Idle, &case, contestant, metric, value);
    add("CPU %", 100.0 * cpu / seconds as f64);
    add("KiB a peer", (after[0] - before[0]) / 1024.0 / relations);
    add("descriptors a peer", (after[1] - before[1]) / relations);
    add("MB in all", after[0] / 1e6);
    Ok(())
}
