//! On the steady path a message costs no memory: not where it is sent, not on its way, not where it is heard.
//!
//! Allocations are counted instead of seconds: the same on every machine, in every run.

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, hint::black_box};
use zre_benches::memory::Cluster;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Rounds of each measurement, and of the one before it that warms up.
const ROUNDS: usize = 10_000;

/// How often memory was asked for, anew or for more, while `round` ran so many times; and how many messages were heard.
fn count(
    cluster: &mut Cluster,
    receivers: usize,
    rounds: usize,
    mut round: impl FnMut(&mut Cluster),
) -> (usize, usize) {
    let mut heard = 0;
    let mut run = |cluster: &mut Cluster| {
        heard = 0;
        for _ in 0..rounds {
            round(cluster);
            cluster.settle();
            for receiver in 1..=receivers {
                while let Some(event) = cluster.take(receiver) {
                    black_box(event);
                    heard += 1;
                }
            }
        }
    };
    run(cluster);
    let region = Region::new(COUNTING);
    run(cluster);
    let stats = region.change();
    (stats.allocations + stats.reallocations, heard)
}

/// What waits is in blocks, and a new one may cost something: so much for each 8 KiB, and once for each 40 messages.
fn assert_free(what: &str, size: usize, (allocations, messages): (usize, usize)) {
    println!("{what}: {allocations} allocations for {messages} messages");
    let most = messages * size / 8192 + messages / 40;
    assert!(allocations <= most, "{what}: {allocations} allocations for {messages} messages");
}

// One test in this file: the counter is the whole process's.
#[test]
fn a_message_costs_no_memory_on_the_steady_path() {
    for size in [0, 32, 255, 1024] {
        let payload = Bytes::from(vec![7; size]);
        let mut pair = Cluster::new(2);
        let to = pair.uuid(1);
        let whisper = |cluster: &mut Cluster| cluster.whisper(0, to, payload.clone());
        assert_free(&format!("whispers of {size}, one by one"), size, count(&mut pair, 1, ROUNDS, whisper));
        let burst = |cluster: &mut Cluster| (0..100).for_each(|_| whisper(cluster));
        assert_free(&format!("whispers of {size}, 100 at a time"), size, count(&mut pair, 1, ROUNDS / 100, burst));

        let mut many = Cluster::new(9);
        let shout = |cluster: &mut Cluster| assert_eq!(cluster.shout(0, payload.clone()), 8);
        assert_free(&format!("shouts of {size} to 8, one by one"), size, count(&mut many, 8, ROUNDS / 8, shout));
        let burst = |cluster: &mut Cluster| (0..50).for_each(|_| shout(cluster));
        assert_free(&format!("shouts of {size} to 8, 50 at a time"), size, count(&mut many, 8, ROUNDS / 400, burst));
    }
}
