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

    // Alone before and after, for the machine is not the same all along; and with idle peers for so long that the node has
    // asked each of them for a sign of life, as it does every five seconds.
    let rounds = if settings.quick { 1 } else { 5 };
    let mut pair = Pair::start(contestant, &settings.installed, 1)?;
    let count = one_way::count(&mut pair, "stream", SIZE, settings)?;
    let [mut alone, mut beside] = [Speed::default(), Speed::default()];
    alone.measure(&mut pair, rounds, count)?;
    let mut idle = self::idle(&settings.installed, &pair.senders_place, peers)?;
    beside.measure(&mut pair, 2 * rounds, count)?;
    idle.say("stop")?;
    idle.hear("stopped")?;
    alone.measure(&mut pair, rounds, count)?;
    let [(rate, p50), (rate_alone, p50_alone)] = [beside.total()?, alone.total()?];
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

/// How fast a pair is, over several rounds of messages one way and round trips.
#[derive(Default)]
struct Speed {
    messages: usize,
    seconds: f64,
    trips: Vec<f64>,
}

impl Speed {
    fn measure(&mut self, pair: &mut Pair, rounds: usize, count: usize) -> Result<(), String> {
        for _ in 0..rounds {
            self.seconds += pair.send("stream", count, SIZE)?;
            self.messages += count;
            self.trips.extend(pair.ping(1000, SIZE)?);
        }
        Ok(())
    }

    /// Messages a second, and the median of the round trips in microseconds.
    fn total(&self) -> Result<(f64, f64), String> {
        let trips = Spread::of(&self.trips).ok_or("no round trips")?;
        Ok((self.messages as f64 / self.seconds, trips.median))
    }
}
