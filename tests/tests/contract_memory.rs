//! Clause 4 of the engine's contract: work and memory follow what came, never what was declared.
//!
//! Allocations are counted instead of seconds: the same on every machine, in every run.

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use zre_engine::sim::Call;
use zre_tests::{
    lives::origin,
    solo::{Solo, Stock},
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
