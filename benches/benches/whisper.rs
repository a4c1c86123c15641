//! Whispers between two nodes over loopback: round trip and one way, through `Driver` in one loop and `Node` on threads.
//!
//! Both nodes are in this process. Compare figures of one run with each other, not with those of another machine.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mio::{Events, Poll, Token};
use std::{
    hint::black_box,
    sync::atomic::{AtomicU16, Ordering},
    thread,
};
use zre_mio::{Builder, Driver, Event, Node, PeerId};

const SIZES: [usize; 3] = [32, 1024, 65536];
/// Whispers on their way at a time in the one-way benches.
const BURST: usize = 256;

/// A UDP port on `lo` for a pair that is to meet nobody but each other.
fn own_port() -> u16 {
    static PAIRS: AtomicU16 = AtomicU16::new(0);
    20_000 + (std::process::id() % 20_000) as u16 + PAIRS.fetch_add(1, Ordering::Relaxed)
}

fn builder(name: &str, port: u16) -> Builder {
    Node::builder(name).interface("lo").port(port)
}

/// Two drivers in one loop.
struct Pair {
    poll: Poll,
    events: Events,
    drivers: [Driver; 2],
    peers: [PeerId; 2],
}

impl Pair {
    fn new() -> Self {
        let poll = Poll::new().expect("a poll");
        let port = own_port();
        let start = |name, base| builder(name, port).driver(poll.registry(), Token(base)).expect("a driver");
        let drivers = [start("alice", 0), start("bob", Driver::TOKENS)];
        let peers = [drivers[1].engine().uuid(), drivers[0].engine().uuid()];
        let mut pair = Self { poll, events: Events::with_capacity(64), drivers, peers };
        let mut met = 0;
        while met < 2 {
            pair.turn(|_, event| met += usize::from(matches!(event, Event::Enter { .. })));
        }
        pair
    }

    fn turn(&mut self, mut heard: impl FnMut(usize, &Event)) {
        let timeout = self.drivers.iter().filter_map(Driver::timeout).min();
        self.poll.poll(&mut self.events, timeout).expect("a poll");
        for (index, driver) in self.drivers.iter_mut().enumerate() {
            driver.turn(&self.events);
            while let Some(event) = driver.poll_event() {
                heard(index, &event);
            }
        }
    }

    fn whisper(&mut self, from: usize, payload: &bytes::Bytes) {
        self.drivers[from].whisper(self.peers[from], payload.clone()).expect("room for a whisper");
    }

    fn wait_for(&mut self, at: usize, mut whispers: usize) {
        while whispers > 0 {
            self.turn(|index, event| {
                if index == at && matches!(event, Event::Whisper { .. }) {
                    whispers -= 1;
                }
            });
        }
    }
}

fn wait_for(node: &Node, mut whispers: usize) {
    while whispers > 0 {
        if let Event::Whisper { content, .. } = node.recv().expect("the node runs") {
            black_box(content);
            whispers -= 1;
        }
    }
}

fn meet() -> (Node, Node) {
    let port = own_port();
    let [alice, bob] = ["alice", "bob"].map(|name| builder(name, port).start().expect("a node"));
    for node in [&alice, &bob] {
        while !matches!(node.recv(), Ok(Event::Enter { .. })) {}
    }
    (alice, bob)
}

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip");
    let payload = bytes::Bytes::from(vec![7; 32]);
    let mut pair = Pair::new();
    group.bench_function("Driver, both in one loop", |bencher| {
        bencher.iter(|| {
            for (from, to) in [(0, 1), (1, 0)] {
                pair.whisper(from, &payload);
                pair.wait_for(to, 1);
            }
        });
    });
    let (alice, bob) = meet();
    let (a, b) = (alice.uuid(), bob.uuid());
    let echo = thread::spawn(move || {
        for event in bob.events() {
            if let Event::Whisper { content, .. } = event
                && bob.whisper(a, content).is_err()
            {
                break;
            }
        }
    });
    group.bench_function("Node, each on its thread", |bencher| {
        bencher.iter(|| {
            alice.whisper(b, payload.clone()).expect("a whisper");
            wait_for(&alice, 1);
        });
    });
    alice.stop();
    // The echo lives until its node is dropped, which ends with the process.
    drop(echo);
}

fn one_way(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one way");
    let mut pair = Pair::new();
    let (alice, bob) = meet();
    let b = bob.uuid();
    for size in SIZES {
        let payload = bytes::Bytes::from(vec![7; size]);
        let burst = if size > 4096 { BURST / 8 } else { BURST };
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_with_input(BenchmarkId::new("Driver, both in one loop", size), &payload, |bencher, payload| {
            bencher.iter(|| {
                for _ in 0..burst {
                    pair.whisper(0, payload);
                }
                pair.wait_for(1, burst);
            });
        });
        group.bench_with_input(BenchmarkId::new("Node, each on its thread", size), &payload, |bencher, payload| {
            bencher.iter(|| {
                for _ in 0..burst {
                    alice.whisper(b, payload.clone()).expect("a whisper");
                }
                wait_for(&bob, burst);
            });
        });
    }
}

criterion_group!(benches, round_trip, one_way);
criterion_main!(benches);
