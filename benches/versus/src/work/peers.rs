//! What peers cost a node that are there and say nothing: memory, and speed towards one more.

use super::{Settings, Work, cluster::Cluster, one_way};
use crate::{
    child::Child, cli::Role, contestant::Contestant, install::Installed, pair::Pair, results::Results, stats::Spread,
};

/// How many come at a time: a node lets in only so many at once.
const BATCH: usize = 100;
const SIZE: usize = 32;

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let peers = if settings.quick { 50 } else { 1000 };
    let case = format!("{peers} idle");
    let mut add = |metric, value| results.add(Work::Peers, &case, contestant, metric, value);

    let mut alone = Cluster::new(contestant, &settings.installed, 1, 1)?;
    let node = &mut alone.processes[0];
    node.say("start 1")?;
    let endpoint = node.hear("begun")?.pop().unwrap_or_default();
    let before = [node.memory(), node.descriptors()];
    let idle = idle(&settings.installed, &endpoint, peers)?;
    add("KiB a peer", (node.memory() - before[0]) / 1024.0 / peers as f64);
    add("descriptors a peer", (node.descriptors() - before[1]) / peers as f64);
    drop((alone, idle));

    let mut pair = Pair::start(contestant, &settings.installed, 1)?;
    // Before and after, for the machine is not the same all along.
    let [rate_before, p50_before] = speed(&mut pair, settings)?;
    let mut idle = self::idle(&settings.installed, &pair.senders_place, peers)?;
    let [rate, p50] = speed(&mut pair, settings)?;
    idle.say("stop")?;
    idle.hear("stopped")?;
    let [rate_after, p50_after] = speed(&mut pair, settings)?;
    let [rate_alone, p50_alone] = [(rate_before + rate_after) / 2.0, (p50_before + p50_after) / 2.0];
    add("rate", rate);
    add("rate alone", rate_alone);
    add("rate x", rate / rate_alone);
    add("rtt p50", p50);
    add("rtt alone", p50_alone);
    add("rtt x", p50 / p50_alone);
    Ok(())
}

/// A process of so many nodes that look for the one at that endpoint, and have met it.
fn idle(installed: &Installed, endpoint: &str, peers: usize) -> Result<Child, String> {
    let command = Contestant::Driver.command(installed, Role::Idle, endpoint)?;
    let mut idle = Child::start("idle peers", command)?;
    idle.hear("ready")?;
    for _ in 0..peers.div_ceil(BATCH) {
        idle.say(&format!("start {}", peers.min(BATCH)))?;
        idle.hear("begun")?;
        idle.say("await 1")?;
        idle.hear("whole")?;
    }
    Ok(idle)
}

/// Messages a second, and a round trip in microseconds.
fn speed(pair: &mut Pair, settings: &Settings) -> Result<[f64; 2], String> {
    let count = one_way::count(pair, "stream", SIZE, settings)?;
    let rate = count as f64 / pair.send("stream", count, SIZE)?;
    let trips = if settings.quick { 100 } else { 10_000 };
    let p50 = Spread::of(&pair.ping(trips, SIZE)?).ok_or("no round trips")?.median;
    Ok([rate, p50])
}
