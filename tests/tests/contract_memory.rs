//! Clause 4 of the engine's contract: work and memory follow what came, never what was declared.
//!
//! Allocations are counted instead of seconds: the same on every machine, in every run.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use zre_engine::{ConnId, Input, sim::Call};
use zre_proto::{
    Message,
    message::{Body, Membership},
    zmtp::Command,
};
use zre_tests::{
    lives::origin,
    solo::{Solo, Stock, command, dealer_opening, message},
};

#[global_allocator]
static COUNTING: dhat::Alloc = dhat::Alloc;

/// Octets held now, and octets allocated since the beginning.
fn held_and_allocated() -> (usize, u64) {
    let stats = dhat::HeapStats::get();
    (stats.curr_bytes, stats.total_bytes)
}

// One test in this file: the counter is the whole process's.
#[test]
fn clause_4_work_and_memory_follow_what_came_and_never_what_was_declared() {
    let _profiler = dhat::Profiler::builder().testing().build();
    a_declared_size_costs_nothing();
    a_frame_costs_in_proportion_however_it_is_cut();
    what_comes_in_random_lives_costs_in_proportion();
    one_connection_costs_no_more_than_twice_what_it_sent();
    what_waits_for_an_application_is_bounded_by_what_it_holds();
}

fn a_declared_size_costs_nothing() {
    // The greatest frame, the greatest HELLO counts, the greatest property: each by header only.
    let mut declared = vec![0x02];
    declared.extend_from_slice(&(16u64 << 20).to_be_bytes());
    let first = b"\x01\x06\xAA\xA1\x02\x02\x00\x02";
    let mut config = zre_engine::Config::default();
    config.limits.hello = 16 << 20;
    let mut solo = Solo::new(config);
    let stock = Stock::meets(&mut solo, 1, "10.0.0.2");
    let (before, _) = held_and_allocated();
    solo.feed(stock.to_node, first);
    solo.feed(stock.to_node, &declared);
    solo.feed(stock.to_node, &[7; 100]);
    let (after, _) = held_and_allocated();
    assert!(solo.closed(stock.to_node).is_none(), "it is within the limits, and only not there yet");
    assert!(after < before + 4096, "{} octets for a declaration", after - before);

    let mut solo = Solo::default();
    let stock = Stock::meets(&mut solo, 1, "10.0.0.2");
    let (before, _) = held_and_allocated();
    solo.feed(stock.to_node, b"\x00\x0B\xAA\xA1\x01\x02\x00\x01\x00\xFF\xFF\xFF\xFF");
    let (after, _) = held_and_allocated();
    assert!(after < before + 4096);
}

fn a_frame_costs_in_proportion_however_it_is_cut() {
    const SIZE: usize = 1 << 20;
    for chunk in [SIZE * 2, 65536, 1000, 10] {
        let mut solo = Solo::default();
        let stock = Stock::meets(&mut solo, 1, "10.0.0.2");
        solo.told();
        let mut octets = b"\x01\x06\xAA\xA1\x02\x02\x00\x02\x02".to_vec();
        octets.extend_from_slice(&(SIZE as u64).to_be_bytes());
        octets.extend(std::iter::repeat_n(7, SIZE));
        let (before, allocated_before) = held_and_allocated();
        let mut most = 0;
        let mut fed = 0;
        for piece in octets.chunks(chunk) {
            solo.feed(stock.to_node, piece);
            fed += piece.len();
            let (now, _) = held_and_allocated();
            most = most.max(now.saturating_sub(before));
            assert!(now.saturating_sub(before) <= 2 * fed + 65536, "{now} held for {fed} octets in chunks of {chunk}");
        }
        let (_, allocated) = held_and_allocated();
        let work = allocated - allocated_before;
        // The chunk itself, the frame's memory with its growth, and what an input costs whatever is in it.
        let bound = 5 * octets.len() + 400 * octets.len().div_ceil(chunk) + 65536;
        assert!(work <= bound as u64, "{work} octets allocated for {} in chunks of {chunk}", octets.len());
        assert_eq!(solo.told().len(), 1, "one WHISPER");
        println!("chunks of {chunk}: {most} octets held at most, {work} allocated");
    }
}

fn what_comes_in_random_lives_costs_in_proportion() {
    let mut runner = TestRunner::deterministic();
    let drawn = (origin(20), vec(any::<u8>(), 1..5000));
    let mut most = (0, 0);
    for _ in 0..60 {
        let (origin, garbage) = drawn.new_tree(&mut runner).expect("a tree").current();
        let mut life = origin.life();
        // And what no life holds, on a connection that may still stand.
        let received = |(at, call): &(_, Call)| match call {
            Call::Received(conn, _) => Some((*at, Call::Received(*conn, garbage.clone().into()))),
            _ => None,
        };
        let last = life.calls.iter().rev().find_map(received);
        life.calls.extend(last);
        let mut node = life.born();
        for (at, call) in life.calls {
            let octets = match &call {
                Call::Datagram(_, data) | Call::Received(_, data) => Some(data.len()),
                _ => None,
            };
            let (held, allocated) = held_and_allocated();
            let _ = call.make(&mut node, at);
            let (held_after, allocated_after) = held_and_allocated();
            while node.poll_action().is_some() {}
            while node.poll_event().is_some() {}
            let Some(octets) = octets else { continue };
            let (grown, work) = (held_after.saturating_sub(held), (allocated_after - allocated) as usize);
            most = (most.0.max(grown.saturating_sub(2 * octets)), most.1.max(work.saturating_sub(5 * octets)));
            assert!(grown <= 2 * octets + 16384, "{grown} octets held for {octets}");
            assert!(work <= 5 * octets + 16384, "{work} octets allocated for {octets}");
        }
    }
    println!("lives: {} octets held at most beside twice what came, {} allocated beside five times it", most.0, most.1);
}

/// A connection to a node whose application does not look at anything, and what it has sent.
struct Spender {
    solo: Solo,
    conn: ConnId,
    before: usize,
    sent: usize,
    /// The most that was held beyond twice what was sent.
    most: usize,
}

impl Spender {
    /// Counted from before the connection comes in; 10.0.0.2 is a peer that has nothing to do with it.
    fn new() -> Self {
        let mut solo = Solo::default();
        Stock::meets(&mut solo, 1, "10.0.0.2");
        solo.events();
        solo.actions();
        let (before, _) = held_and_allocated();
        let conn = solo.accept("10.0.0.3:40001");
        Self { solo, conn, before, sent: 0, most: 0 }
    }

    /// Sends octets in chunks of this length, as long as the connection stands.
    fn send(&mut self, octets: &[u8], chunk: usize) {
        for piece in octets.chunks(chunk) {
            let data = Bytes::copy_from_slice(piece);
            if self.solo.node.handle(self.solo.now, Input::Received { conn: self.conn, data }).is_err() {
                return;
            }
            // A driver carries out what is asked for; nobody takes events.
            while self.solo.node.poll_action().is_some() {}
            self.sent += piece.len();
            let (held, _) = held_and_allocated();
            self.most = self.most.max(held.saturating_sub(self.before + 2 * self.sent));
        }
    }

    fn met() -> Self {
        let mut spender = Self::new();
        let peer = spender.peer();
        spender.send(&dealer_opening(peer.uuid), usize::MAX);
        spender.send(&message(&Message { sequence: 1, body: peer.hello("spender", &["a"]) }, &[]), usize::MAX);
        assert!(spender.solo.node.peer(peer.id()).is_some());
        spender
    }

    fn peer(&self) -> Stock {
        let uuid = uuid::Uuid::from_u128(7);
        Stock { uuid, host: "10.0.0.3", sequence: 1, to_node: self.conn, from_node: self.conn }
    }
}

fn one_connection_costs_no_more_than_twice_what_it_sent() {
    let say = |sequence: usize, body, content: &[&[u8]]| {
        // As our own nodes count: after 65535 comes 0.
        message(&Message { sequence: (sequence + 2) as u16, body }, content)
    };
    let many = |count: usize, each: &dyn Fn(usize) -> Vec<u8>| (0..count).flat_map(each).collect::<Vec<u8>>();
    let change = |number: usize| Membership { group: format!("{number}").as_str().into(), status: number as u8 };
    let text = |length: usize| "x".repeat(length);
    let hello = |groups: usize, headers: usize, value: usize| {
        let spender = Spender::new();
        let Body::Hello(mut hello) = spender.peer().hello("spender", &[]) else { unreachable!("a HELLO") };
        hello.groups = (0..groups).map(|group| format!("{group}").as_str().into()).collect();
        let header = |number: usize| (format!("{number}").as_str().into(), text(value).as_str().into());
        hello.headers = (0..headers).map(header).collect();
        [dealer_opening(spender.peer().uuid), message(&Message { sequence: 1, body: Body::Hello(hello) }, &[])].concat()
    };
    // Each other x is no text.
    let spoilt = |mut octets: Vec<u8>| {
        let at = (0..octets.len()).filter(|at| at % 2 == 0 && octets[*at] == b'x').collect::<Vec<_>>();
        at.into_iter().for_each(|at| octets[at] = 0xFF);
        octets
    };
    let mut long_frame = vec![0x02];
    long_frame.extend_from_slice(&(60_000u64).to_be_bytes());
    long_frame.extend_from_slice(&[7; 59_999]);
    let ping = command(&Command::Ping { ttl: 1, context: Bytes::from_static(b"sixteen octets..") });
    let end = Bytes::from_static(b"\x01\x06\xAA\xA1\x02\x02\x00\x02");
    let mut endless = end.to_vec();
    (0..64).for_each(|_| endless.extend_from_slice(b"\x01\x01x"));

    let strangers: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("half a greeting", dealer_opening(uuid::Uuid::nil())[..40].to_vec()),
        ("garbage", vec![0x55; 200_000]),
        ("a READY that is not complete", dealer_opening(uuid::Uuid::nil())[..100].to_vec()),
        ("a HELLO of 256 groups", hello(256, 0, 0)),
        ("a HELLO of 128 headers", hello(0, 128, 400)),
        ("a HELLO of everything", hello(256, 128, 400)),
        ("a HELLO that is no text", spoilt(hello(200, 6, 8000))),
        ("a HELLO that is too large", hello(256, 128, 4000)),
        (
            "messages without a HELLO",
            [dealer_opening(uuid::Uuid::nil()), many(50_000, &|n| say(n, Body::Ping, &[]))].concat(),
        ),
    ];
    let peers: Vec<(&str, Vec<u8>)> = vec![
        ("whispers without content", many(60_000, &|n| say(n, Body::Whisper, &[]))),
        ("whispers of nothing", many(60_000, &|n| say(n, Body::Whisper, &[b""]))),
        ("whispers of an octet", many(60_000, &|n| say(n, Body::Whisper, &[b"x"]))),
        ("whispers of 32 octets", many(60_000, &|n| say(n, Body::Whisper, &[&[7; 32]]))),
        ("whispers of 300 octets", many(10_000, &|n| say(n, Body::Whisper, &[&[7; 300]]))),
        ("whispers of 20,000 octets", many(200, &|n| say(n, Body::Whisper, &[&[7; 20_000]]))),
        ("whispers of 64 frames", many(5_000, &|n| say(n, Body::Whisper, &[&b""[..]; 64]))),
        ("shouts to our group", many(60_000, &|n| say(n, Body::Shout { group: "chat".into() }, &[b"x"]))),
        ("shouts to others", many(60_000, &|n| say(n, Body::Shout { group: "other".into() }, &[b"x"]))),
        ("joins without end", many(60_000, &|n| say(n, Body::Join(change(n)), &[]))),
        (
            "joins and leaves",
            many(60_000, &|n| match n % 2 {
                0 => say(n, Body::Join(change(n)), &[]),
                _ => say(n, Body::Leave(change(n - 1)), &[]),
            }),
        ),
        (
            "joins and leaves of long names",
            many(20_000, &|n| match n % 2 {
                0 => say(n, Body::Join(Membership { group: text(250).as_str().into(), status: 0 }), &[]),
                _ => say(n, Body::Leave(Membership { group: text(250).as_str().into(), status: 0 }), &[]),
            }),
        ),
        (
            "joins and leaves of names that are no text",
            spoilt(many(20_000, &|n| match n % 2 {
                0 => say(n, Body::Join(Membership { group: text(250).as_str().into(), status: 0 }), &[]),
                _ => say(n, Body::Leave(Membership { group: text(250).as_str().into(), status: 0 }), &[]),
            })),
        ),
        ("pings", many(60_000, &|n| say(n, Body::Ping, &[]))),
        ("pings of ZMTP", many(60_000, &|_| ping.clone())),
        (
            "unknown messages",
            many(60_000, &|n| say(n, Body::Unknown { id: 99, fields: Bytes::from_static(b"f") }, &[])),
        ),
        ("a message that is not complete", long_frame.clone()),
        ("a message of 64 frames that is not complete", endless),
        ("a frame after the end of frames", [&end[..], &long_frame].concat()),
    ];
    let mut most = 0;
    for (chunk, of) in [(1, 10_000), (7, 100_000), (1000, usize::MAX), (100_000, usize::MAX)] {
        for (what, octets) in &strangers {
            let mut spender = Spender::new();
            spender.send(&octets[..octets.len().min(of)], chunk);
            assert!(
                spender.most <= 65_536,
                "{what} in chunks of {chunk}: {} beyond twice {}",
                spender.most,
                spender.sent
            );
            most = most.max(spender.most);
        }
        for (what, octets) in &peers {
            let mut spender = Spender::met();
            spender.solo.node.join(spender.solo.now, "chat").expect("a short name");
            spender.send(&octets[..octets.len().min(of)], chunk);
            assert!(
                spender.most <= 65_536,
                "{what} in chunks of {chunk}: {} beyond twice {}",
                spender.most,
                spender.sent
            );
            most = most.max(spender.most);
        }
    }
    println!("one connection: {most} octets held at most beside twice what it sent");
}

fn what_waits_for_an_application_is_bounded_by_what_it_holds() {
    const ROOM: usize = 4 << 20;
    // Payloads of little more than an eighth of their chunk, which are slices of it at first, others, and whispers of one octet.
    for (size, chunk) in [(80 << 10, 512 << 10), (17 << 10, 64 << 10), (1, 2000), (300, 1000), (100 << 10, 100 << 10)] {
        let mut config = zre_engine::Config::default();
        config.limits.events = ROOM;
        let mut solo = Solo::new(config);
        let stock = Stock::meets(&mut solo, 1, "10.0.0.2");
        solo.events();
        let (before, _) = held_and_allocated();
        let whisper =
            |number: u16, size: usize| message(&Message { sequence: number, body: Body::Whisper }, &[&vec![7; size]]);
        let mut number = 2u16;
        let mut sent = 0;
        while solo.reads(stock.to_node) {
            // What a node does not care for fills the rest of the chunk.
            let mut octets = Vec::new();
            while octets.len() < chunk {
                let left = chunk - octets.len();
                let shout = Body::Shout { group: "nobody".into() };
                let rest = left.saturating_sub(size + 100).min(60_000);
                octets.extend(whisper(number, size));
                octets.extend(message(&Message { sequence: number.wrapping_add(1), body: shout }, &[&vec![7; rest]]));
                number = number.wrapping_add(2);
            }
            sent += octets.len();
            solo.feed(stock.to_node, &octets);
        }
        let (held, _) = held_and_allocated();
        let held = held - before;
        println!("payloads of {size} in chunks of {chunk}: {held} held of {sent} sent, for {ROOM} octets of room");
        assert!(held <= ROOM + ROOM / 4 + 2 * chunk + 65_536, "{held}");
        // And it is all given back.
        let events = solo.events().len();
        assert!(events > 10);
        let (after, _) = held_and_allocated();
        assert!(after.saturating_sub(before) <= 2 * chunk + 65_536, "{} of {held}", after - before);
    }
}
