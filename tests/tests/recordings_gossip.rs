//! Recorded elections and gossip of Zyres: our engine in the place of any of the nodes announces the same leaders, and tells
//! its application the same.

use std::net::SocketAddr;
use zre_tests::{
    recording::{Recording, Seen},
    replay::{Discovery, Part, seen},
};

/// Leaders in the order in which they were announced, without those that were announced once more.
fn leaders(seen: &[Seen]) -> Vec<Seen> {
    let mut leaders: Vec<_> = seen.iter().filter(|seen| matches!(seen, Seen::Leader { .. })).cloned().collect();
    leaders.dedup();
    leaders
}

fn elects(name: &str, contests: &[&str]) {
    let recording = Recording::load(name);
    for (me, peer) in &recording.peers {
        for chunk in [usize::MAX, 7, 1] {
            let part = Part::new(&recording, me);
            let part = if contests.contains(&&**me) { part.contests("G") } else { part };
            let (events, _) = part.play(chunk);
            let ours: Vec<_> = events.iter().filter_map(seen).collect();
            let (told, recorded) = (leaders(&ours), leaders(&peer.events));
            // A recording ends with its last node; ours lives on, and may lead alone.
            let more = told.get(recorded.len()..).unwrap_or_default();
            assert!(told.starts_with(&recorded), "{name}, {me} in chunks of {chunk}: {ours:#?}");
            let me = peer.uuid;
            assert!(more.iter().all(|one| matches!(one, Seen::Leader { peer, .. } if *peer == me)), "{more:?}");
            let membership = |events: &[Seen]| {
                let of_groups = |seen: &&Seen| matches!(seen, Seen::Join { .. } | Seen::Leave { .. });
                events.iter().filter(of_groups).cloned().collect::<Vec<_>>()
            };
            assert_eq!(membership(&ours), membership(&peer.events), "{name}, {}", peer.name);
        }
    }
}

#[test]
fn two_that_contest() {
    elects("election_2", &["A", "B"]);
}

#[test]
fn three_that_contest() {
    elects("election_3", &["A", "B", "C"]);
}

#[test]
fn three_of_which_one_contests() {
    elects("election_1of3", &["A"]);
}

#[test]
fn three_that_gossip() {
    let recording = Recording::load("gossip_zyre");
    let hub: SocketAddr = "10.77.0.1:9001".parse().unwrap();
    for (me, discovery) in [("A", Discovery::Hub(hub)), ("B", Discovery::Client(hub)), ("C", Discovery::Client(hub))] {
        for chunk in [usize::MAX, 7, 1] {
            let (events, _) = Part::new(&recording, me).discovers(discovery).play(chunk);
            let ours: Vec<_> = events.iter().filter_map(seen).collect();
            let told = recording.peers[me].events.iter().filter(|seen| !matches!(seen, Seen::Other | Seen::Stop));
            let told: Vec<_> = told.cloned().collect();
            assert!(ours.starts_with(&told), "{me} in chunks of {chunk}: {ours:#?}");
            assert!(ours[told.len()..].iter().all(|more| matches!(more, Seen::Exit { .. })), "{ours:#?}");
        }
    }
}
