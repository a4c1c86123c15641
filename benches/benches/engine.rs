//! What a message costs in the engines of both sides, in memory: time, where `instructions` counts.
//!
//! Compare figures of one run with each other, not with those of another machine.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zre_benches::memory::Cluster;

/// Messages on their way at a time.
const BURST: usize = 1_000;
const SIZES: [usize; 3] = [32, 1024, 65536];

fn hear(cluster: &mut Cluster, at: usize) {
    while let Some(event) = cluster.take(at) {
        black_box(event);
    }
}

fn whisper(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine, whisper");
    let mut cluster = Cluster::new(2);
    let to = cluster.uuid(1);
    for size in SIZES {
        let payload = Bytes::from(vec![7; size]);
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::new("one by one", size), &payload, |bencher, payload| {
            bencher.iter(|| {
                cluster.whisper(0, to, payload.clone());
                cluster.settle();
                hear(&mut cluster, 1);
            });
        });
        let burst = if size > 4096 { BURST / 50 } else { BURST };
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_with_input(BenchmarkId::new("burst", size), &payload, |bencher, payload| {
            bencher.iter(|| {
                (0..burst).for_each(|_| cluster.whisper(0, to, payload.clone()));
                cluster.settle();
                hear(&mut cluster, 1);
            });
        });
    }
}

fn shout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine, shout");
    for receivers in [2, 8, 32] {
        let mut cluster = Cluster::new(1 + receivers);
        for size in [32, 1024] {
            let payload = Bytes::from(vec![7; size]);
            group.throughput(Throughput::Elements(32 * receivers as u64));
            group.bench_with_input(BenchmarkId::new(format!("to {receivers}"), size), &payload, |bencher, payload| {
                bencher.iter(|| {
                    (0..32).for_each(|_| assert_eq!(cluster.shout(0, payload.clone()), receivers));
                    cluster.settle();
                    (1..=receivers).for_each(|receiver| hear(&mut cluster, receiver));
                });
            });
        }
    }
}

criterion_group!(benches, whisper, shout);
criterion_main!(benches);
