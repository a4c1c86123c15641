//! How many instructions a message takes, from the application that sends to the application that hears, through nothing
//! but the engines of both: counted by valgrind, so that a busy machine makes no difference.
//!
//! `cargo bench -p zre-benches --bench instructions` needs valgrind and `cargo install gungraun-runner` of the version in
//! `Cargo.lock`. It fails where a limit is passed: then either mend what became slower or, where that cannot be, raise the
//! limit and say why.

#![allow(missing_docs, reason = "what the macros make has none")]

use bytes::Bytes;
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use zre_benches::memory::Cluster;
use zre_engine::PeerId;

/// Messages of one measurement. What happens once in a while (a buffer that grows) has its share in it.
const MESSAGES: usize = 1_000;
/// Receivers of a shout.
const RECEIVERS: usize = 32;

struct Work {
    cluster: Cluster,
    to: PeerId,
    payload: Bytes,
}

impl Work {
    fn whisper(&mut self) {
        self.cluster.whisper(0, self.to, self.payload.clone());
    }

    fn hear(&mut self, at: usize) {
        while let Some(event) = self.cluster.take(at) {
            black_box(event);
        }
    }

    fn one_by_one(&mut self) {
        for _ in 0..MESSAGES {
            self.whisper();
            self.cluster.settle();
            self.hear(1);
        }
    }

    fn burst(&mut self) {
        (0..MESSAGES).for_each(|_| self.whisper());
        self.cluster.settle();
        self.hear(1);
    }

    fn shouts(&mut self) {
        for _ in 0..MESSAGES / RECEIVERS {
            let receivers = self.cluster.shout(0, self.payload.clone());
            assert_eq!(receivers, RECEIVERS);
            self.cluster.settle();
            (1..=RECEIVERS).for_each(|receiver| self.hear(receiver));
        }
    }
}

/// A cluster in which everything has happened once that happens only once.
fn warm(nodes: usize, work: fn(&mut Work)) -> Work {
    let cluster = Cluster::new(nodes);
    let mut warm = Work { to: cluster.uuid(1), cluster, payload: Bytes::from_static(&[7; 32]) };
    work(&mut warm);
    warm
}

fn one_by_one() -> Work {
    warm(2, Work::one_by_one)
}

fn burst() -> Work {
    warm(2, Work::burst)
}

fn shouts() -> Work {
    warm(1 + RECEIVERS, Work::shouts)
}

/// No more than so many instructions for each message that is heard.
fn at_most(instructions: usize, messages: usize) -> LibraryBenchmarkConfig {
    let limit = (instructions * messages) as u64;
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::with_args(["--cache-sim=no"]).hard_limits([(EventKind::Ir, limit)]));
    config
}

#[library_benchmark(setup = one_by_one, config = at_most(3_300, MESSAGES))]
fn whispers_one_by_one(mut work: Work) -> Work {
    work.one_by_one();
    work
}

#[library_benchmark(setup = burst, config = at_most(1_060, MESSAGES))]
fn whispers_in_a_burst(mut work: Work) -> Work {
    work.burst();
    work
}

#[library_benchmark(setup = shouts, config = at_most(4_400, MESSAGES / RECEIVERS * RECEIVERS))]
fn shouts_to_32(mut work: Work) -> Work {
    work.shouts();
    work
}

library_benchmark_group!(name = engine, benchmarks = [whispers_one_by_one, whispers_in_a_burst, shouts_to_32]);

main!(library_benchmark_groups = engine);
