//! The codecs: what it costs to read and to write each thing on the wire.

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zre_benches::{beacons, commands, messages, stream};
use zre_proto::{
    Beacon, Message,
    zmtp::{Command, FrameDecoder, FrameHeader, Greeting},
};

fn beacon(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("beacon");
    for (name, beacon) in beacons() {
        let datagram = beacon.encode();
        group.throughput(Throughput::Bytes(datagram.len() as u64));
        group.bench_function(BenchmarkId::new("decode", name), |bench| {
            bench.iter(|| Beacon::decode(black_box(&datagram)));
        });
        group.bench_function(BenchmarkId::new("encode", name), |bench| bench.iter(|| black_box(&beacon).encode()));
    }
    group.finish();
}

fn message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    for (name, message) in messages() {
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        let frame = out.freeze();
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(BenchmarkId::new("decode", name), |bench| {
            bench.iter(|| Message::decode(black_box(&frame)));
        });
        let mut out = BytesMut::with_capacity(frame.len());
        group.bench_function(BenchmarkId::new("encode", name), |bench| {
            bench.iter(|| {
                out.clear();
                black_box(&message).encode(&mut out)
            });
        });
    }
    group.finish();
}

fn command(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("command");
    for (name, command) in commands() {
        let mut out = BytesMut::new();
        command.encode(&mut out).unwrap();
        let body = out.freeze();
        group
            .bench_function(BenchmarkId::new("decode", name), |bench| bench.iter(|| Command::decode(black_box(&body))));
        let mut out = BytesMut::with_capacity(body.len());
        group.bench_function(BenchmarkId::new("encode", name), |bench| {
            bench.iter(|| {
                out.clear();
                black_box(&command).encode(&mut out)
            });
        });
    }
    group.finish();
}

fn greeting(criterion: &mut Criterion) {
    let octets = Greeting::NULL.encode();
    criterion.bench_function("greeting/decode", |bench| bench.iter(|| Greeting::decode(black_box(&octets))));
    criterion.bench_function("greeting/encode", |bench| bench.iter(|| black_box(Greeting::NULL).encode()));
}

/// What a connection does all day: cutting what was read into frames, as it came and in reads that cut frames apart.
fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    for (count, size) in [(1000, 0), (1000, 20), (1000, 200), (100, 4096), (4, 1 << 20)] {
        let octets = stream(count, size);
        let name = format!("{count}x{size}");
        group.throughput(Throughput::Bytes(octets.len() as u64));
        for (reads, read) in [("one-read", octets.len()), ("reads-of-1500", 1500), ("reads-of-64Ki", 1 << 16)] {
            group.bench_function(BenchmarkId::new(reads, &name), |bench| {
                bench.iter(|| assert_eq!(cut(black_box(&octets), read), count));
            });
        }
    }
    group.finish();
    for (name, size) in [("short", 20), ("long", 70_000)] {
        criterion.bench_function(&format!("frame-header/encode/{name}"), |bench| {
            bench.iter(|| header(black_box(size)));
        });
    }
}

/// How many frames there are in these octets, when each read gives `read` of them.
fn cut(octets: &Bytes, read: usize) -> usize {
    let mut decoder = FrameDecoder::new(1 << 24);
    let mut frames = 0;
    let mut rest = octets.clone();
    while !rest.is_empty() {
        decoder.push(rest.split_to(read.min(rest.len())));
        while let Some(frame) = decoder.next_frame().unwrap() {
            black_box(frame);
            frames += 1;
        }
    }
    frames
}

fn header(size: usize) -> [u8; 9] {
    let mut octets = [0; 9];
    FrameHeader::message(size, true).encode(&mut &mut octets[..]);
    octets
}

criterion_group!(codec, beacon, message, command, greeting, frames);
criterion_main!(codec);
