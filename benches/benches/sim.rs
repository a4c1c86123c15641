//! What a simulated cluster costs: time until every node sees every other, time of an idle minute, memory for each relation.
//!
//! `cargo bench -p zre-benches --bench sim` takes about a minute, nearly all of it for 1000 nodes; with numbers after `--`,
//! clusters of those sizes alone. Compare figures of one run with each other, not with those of another machine.
//!
//! A relation is one node's knowledge of one peer: there are n · (n - 1).

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::{
    alloc::System,
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};
use zre_engine::sim::{Network, Sim, secs};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SIZES: [usize; 4] = [10, 100, 300, 1000];

/// Up to so many nodes a cluster is run some times, and the quickest counts.
const QUICK: usize = 300;

/// Up to so many nodes, the calls that one node got are made again to a node alone, to see what the engine keeps of it.
const ALONE: usize = 300;

/// What should be reached, by the number of nodes: real time, simulated time.
const GOALS: [(usize, Duration, Duration); 2] = [(100, Duration::from_millis(500), secs(3)), (1000, secs(60), secs(3))];

/// What a relation may take, in octets.
const RELATION: f64 = 1.5 * 1024.0;

fn main() {
    let asked: Vec<usize> = env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    println!("Until every node sees every other:\n");
    println!(
        "{:>6} {:>9} {:>9} {:>9} {:>11} {:>10} {:>11} {:>11} {:>9}   goals",
        "nodes", "real s", "cpu s", "sim ms", "happenings", "each s", "B/relation", "engine's B", "peak MiB"
    );
    for nodes in &sizes {
        mesh(*nodes);
    }
    let [cpu, real] = idle(100);
    println!("\nAn idle minute of 100 nodes: {:.2} s, {:.2} s of CPU\n", real.as_secs_f64(), cpu.as_secs_f64());
    println!("cpu s: as real s, without the time that other programs took; happenings each second are of this.");
    println!("B/relation: heap of the whole cluster for each relation, goal at most {RELATION}.");
    println!("engine's B: what one of its nodes keeps for each peer, without the simulator.");
    println!("peak MiB: of this process so far; with 1000 nodes, goal at most 8192.");
}

fn mesh(nodes: usize) {
    let times = if nodes <= QUICK { 3 } else { 1 };
    let mut best = [Duration::MAX; 2];
    let (mut sim_ms, mut count, mut heap) = (0, 0, 0);
    for _ in 0..times {
        let before = held();
        let begin = now();
        let mut sim = cluster(nodes, false);
        count = run_to_mesh(&mut sim);
        best = passed(begin).min(best);
        sim_ms = sim.full_mesh().map_or(0, |full| full.as_millis());
        heap = held() - before;
    }
    let relations = (nodes * (nodes - 1)).max(1) as f64;
    let alone = if nodes <= ALONE { format!("{:.0}", alone(nodes) as f64 / (nodes as f64 - 1.0)) } else { "-".into() };
    println!(
        "{nodes:>6} {:>9.3} {:>9.3} {sim_ms:>9} {count:>11} {:>10.0} {:>11.0} {alone:>11} {:>9}   {}",
        best[1].as_secs_f64(),
        best[0].as_secs_f64(),
        count as f64 / best[0].as_secs_f64(),
        heap as f64 / relations,
        peak_mib(),
        goals(nodes),
    );
}

fn goals(nodes: usize) -> String {
    let of = GOALS.iter().filter(|(of, ..)| *of == nodes);
    of.map(|(_, real, sim)| format!("real s <= {}, sim ms <= {}", real.as_secs_f64(), sim.as_millis())).collect()
}

fn cluster(nodes: usize, lives: bool) -> Sim<()> {
    Sim::builder(1).nodes(nodes, |_| ()).network(Network::lan()).record_lives(lives).build()
}

/// How many things happened meanwhile.
fn run_to_mesh(sim: &mut Sim<()>) -> u64 {
    let mut count = 0u64;
    let shown = io::stderr().is_terminal();
    let came_true = sim.run_until(secs(60), |sim| {
        count += 1;
        if shown && count.is_multiple_of(1 << 16) {
            let (all, seen) = sim.mesh();
            eprint!("\r{} nodes: {} % ", sim.len(), seen * 100 / all.max(1));
            let _ = io::stderr().flush();
        }
        sim.full_mesh().is_some()
    });
    assert!(came_true, "no full mesh: {:?}", sim.converged());
    if shown {
        eprint!("\r{:30}\r", "");
    }
    count
}

fn idle(nodes: usize) -> [Duration; 2] {
    let mut sim = cluster(nodes, false);
    run_to_mesh(&mut sim);
    let begin = now();
    sim.run_for(secs(60));
    passed(begin)
}

/// What one node of a cluster keeps, all calls that it got made again to one that is alone.
fn alone(nodes: usize) -> usize {
    let mut sim = cluster(nodes, true);
    run_to_mesh(&mut sim);
    let life = sim.life(0).expect("it was asked for");
    let before = held();
    let mut node = life.born();
    for (at, call) in &life.calls {
        // A call that was refused then is refused now.
        let _ = call.make(&mut node, *at);
        while node.poll_event().is_some() {}
        while node.poll_action().is_some() {}
    }
    let heap = held() - before;
    assert_eq!(node.peers().count(), nodes - 1);
    heap
}

/// Octets of the heap that are in use.
fn held() -> usize {
    let stats = COUNTING.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// The most memory that the process has had.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// CPU time of the process, and real time.
type Moment = (Duration, Instant);

#[expect(clippy::disallowed_methods, reason = "it is real time that a benchmark measures")]
fn now() -> Moment {
    // Nanoseconds on a CPU come first. Where there is no such file, there is no such column.
    let schedule = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let cpu = schedule.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    (Duration::from_nanos(cpu), Instant::now())
}

/// How much of both has passed.
fn passed(since: Moment) -> [Duration; 2] {
    let (cpu, real) = now();
    [cpu.saturating_sub(since.0), real - since.1]
}
