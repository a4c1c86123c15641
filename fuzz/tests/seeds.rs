//! The seeds of the targets whose input is a story: written here, in the words of the target.
//!
//! They are the files of the corpora that begin with `seed_`. When the words change they are written again by
//! `ZRE_FUZZ_SEEDS=write cargo test -p zre-fuzz --test seeds`.

use std::{collections::BTreeSet, env, fs, path::Path};
use zre_fuzz::{Doing, Doing::*};

/// A doing, and the octets that say more about it.
fn does(story: &mut Vec<u8>, doing: Doing, details: &[u8]) {
    story.push(doing as u8);
    story.extend_from_slice(details);
}

/// What `node` reads: the configuration; how the second and the third node are called; and what happens.
fn story(traits: u8, doings: &[(Doing, &[u8])]) -> Vec<u8> {
    let mut story = vec![traits, 3, 0, 1, 5, 2, 0, 2, 30, 7];
    doings.iter().for_each(|(doing, details)| does(&mut story, *doing, details));
    story
}

/// All seeds of `node`.
#[rustfmt::skip]
fn nodes() -> Vec<(&'static str, Vec<u8>)> {
    const EVERYTHING: u8 = 255;
    vec![
        ("meets_and_talks", story(0, &[(Join, &[0]), (Meet, &[0, 1]), (Meet, &[1, 34]), (Tell, &[0, 0, 8]),
            (Tell, &[0, 5, 8]), (Tell, &[1, 9, 1]), (Tell, &[1, 11, 1]), (Whisper, &[0, 2, 40]),
            (Shout, &[0, 1, 10]), (Pass, &[3, 2]), (Tell, &[0, 13, 0]), (Tell, &[0, 20, 0]),
            (Consumed, &[EVERYTHING]), (Leave, &[0]), (Stop, &[]), (Pass, &[3, 2])])),
        ("falls_silent", story(0, &[(Meet, &[2, 1]), (Pass, &[3, 8]), (Pass, &[3, 8]), (Pass, &[3, 40])])),
        ("burst_of_short_messages", story(0, &[(Join, &[0]), (Meet, &[0, 1]), (Burst, &[0, 40, 16, 200]),
            (Burst, &[0, 30, 7, 13]), (Cut, &[100]), (Burst, &[0, 30, 40, 5]), (Consumed, &[EVERYTHING])])),
        ("back_pressure", story(1, &[(Join, &[0]), (Meet, &[0, 1]), (Burst, &[0, 60, 100, 200]),
            (Burst, &[0, 60, 100, 200]), (Pass, &[3, 3]), (Consumed, &[60]), (Consumed, &[EVERYTHING]),
            (Pass, &[3, 1])])),
        ("full_queue_and_room", story(1, &[(Meet, &[0, 1]), (Flood, &[0]), (Stall, &[]), (Flood, &[0]),
            (Stall, &[]), (Pass, &[3, 1]), (Stall, &[]), (Flood, &[0]), (Pass, &[3, 12])])),
        ("election", story(0, &[(Join, &[0]), (Contest, &[0]), (Meet, &[0, 1]), (Meet, &[1, 1]),
            (Tell, &[0, 16, 0]), (Tell, &[1, 18, 4]), (Pass, &[3, 3]), (Tell, &[0, 18, 0]), (Tell, &[0, 20, 0]),
            (Pass, &[3, 3])])),
        ("leads_alone", story(0, &[(Join, &[0]), (Contest, &[0]), (Pass, &[3, 5]), (Meet, &[0, 1]),
            (Pass, &[3, 5])])),
        ("wrong_number", story(0, &[(Meet, &[0, 1]), (Tell, &[240, 0, 8]), (Meet, &[0, 1]), (Pass, &[3, 2])])),
        ("breaks_rules", story(32, &[(Meet, &[0, 1]), (Tell, &[0, 0, 255]), (Meet, &[1, 1]),
            (Tell, &[1, 13, 247]), (Meet, &[2, 255]), (Accept, &[0, 3, 0]), (Handshake, &[0, 3, 10]),
            (Accept, &[0, 3, 0]), (Handshake, &[0, 3, 11]), (Accept, &[0, 3, 0]), (Handshake, &[0, 3, 13]),
            (Accept, &[0, 3, 0]), (Octets, &[0, 3, 0, 1, 2]), (Accept, &[0, 3, 0]), (Handshake, &[0, 3, 12]),
            (Accept, &[0, 3, 0]), (Handshake, &[0, 3, 15])])),
        ("hub", story(0, &[(Accept, &[1, 0, 0]), (Handshake, &[0, 0, 0]), (Gossip, &[0, 0, 6, 0]),
            (Gossip, &[0, 2, 0, 0]), (Accept, &[1, 1, 0]), (Handshake, &[0, 1, 0]), (Gossip, &[0, 0, 6, 0]),
            (Gossip, &[0, 0, 8, 0]), (Gossip, &[0, 0, 10, 0]), (Closed, &[1, 0]), (Pass, &[3, 40]),
            (Gossip, &[0, 0, 0, 7])])),
        ("client_of_a_hub", story(0, &[(GossipConnect, &[7]), (Connected, &[0, 8]), (Handshake, &[0, 0, 0]),
            (Gossip, &[0, 1, 0, 0]), (Gossip, &[1, 3, 0, 5]), (Pass, &[3, 10]), (Gossip, &[2, 0, 10, 0]),
            (Closed, &[2, 1]), (Pass, &[3, 35]), (GossipConnect, &[13]), (Resolved, &[0, 7]),
            (Connected, &[0, 8])])),
        ("required_peer", story(0, &[(RequirePeer, &[1, 1]), (RequirePeer, &[200, 13]), (RequirePeer, &[0, 15]),
            (Connected, &[0, 8]), (Closed, &[1, 2]), (Pass, &[3, 30]), (Handshake, &[0, 0, 0]),
            (Meet, &[1, 1])])),
        ("somebody_elses_uuid", story(0, &[(Meet, &[0, 1]), (Accept, &[0, 3, 0]), (Handshake, &[0, 0, 0]),
            (Say, &[0, 0, 22, 1]), (Beacon, &[0, 4]), (Pass, &[3, 3]), (Meet, &[5, 1]), (Tell, &[0, 0, 8])])),
        ("restarted_and_moved", story(0, &[(Meet, &[0, 1]), (Beacon, &[0, 1]), (Pass, &[3, 2]), (Meet, &[0, 2]),
            (Meet, &[0, 1]), (Closed, &[0, 1]), (Pass, &[3, 2]), (Disconnect, &[0]), (Meet, &[7, 1])])),
        ("little_room", story(16, &[(Meet, &[0, 1]), (Meet, &[1, 1]), (Meet, &[2, 1]), (Meet, &[3, 1]),
            (Meet, &[7, 1]), (Beacon, &[4, 0]), (Beacon, &[6, 0]), (Accept, &[0, 3, 1]), (Accept, &[0, 3, 2]),
            (Accept, &[0, 3, 3]), (Pass, &[3, 8])])),
        ("links_come_and_go", story(128, &[(Start, &[]), (LinkUp, &[0, 1, 0]), (Listening, &[0, 64]),
            (LinkUp, &[0, 1, 0]), (LinkUp, &[1, 6, 0]), (Start, &[]), (Meet, &[6, 1]), (LinkDown, &[1]),
            (LinkUp, &[0, 2, 0]), (Pass, &[3, 3]), (LinkDown, &[0]), (Start, &[]), (Listening, &[1, 1]),
            (Listening, &[2, 14])])),
        ("heartbeats", story(2, &[(Meet, &[0, 1]), (Stall, &[]), (Pass, &[3, 10]), (Stall, &[]),
            (Pass, &[3, 10])])),
        ("only_sends", story(4, &[(Join, &[0]), (Meet, &[0, 1]), (Burst, &[0, 20, 16, 3]),
            (Shout, &[0, 4, 241])])),
        ("absurd_application", story(64, &[(Join, &[255]), (Join, &[2]), (Leave, &[3]), (SetHeader, &[1, 1]),
            (SetHeader, &[0, 255]), (Contest, &[200]), (Whisper, &[5, 1, 1]), (Whisper, &[0, 0, 0]),
            (Shout, &[0, 4, 255]), (GossipConnect, &[12]), (RequirePeer, &[5, 8]), (Disconnect, &[5]),
            (Consumed, &[254]), (Advance, &[0, 255]), (Stop, &[]), (Start, &[]), (Join, &[0]), (Stop, &[])])),
        ("sleeps_to_the_end_of_time", story(0, &[(Meet, &[0, 1]), (Jump, &[3, 60]), (Meet, &[0, 1]),
            (Jump, &[6, 3]), (Jump, &[7, 99]), (Pass, &[7, 99]), (Meet, &[1, 1]), (Pass, &[7, 99])])),
        ("spoilt", story(0, &[(Join, &[0]), (Spoil, &[70, 1]), (Meet, &[0, 1]), (Meet, &[1, 1]),
            (Spoil, &[3, 7]), (Tell, &[1, 0, 8]), (Datagram, &[0, 1, 4, 90, 82, 69, 1]), (Connected, &[0, 1]),
            (Meet, &[2, 1]), (Tell, &[2, 21, 3])])),
    ]
}

/// All seeds of `connection`: the types, each end's identity and traits; and what happens.
#[rustfmt::skip]
fn connections() -> Vec<(&'static str, Vec<u8>)> {
    const ALL: u8 = 255;
    const OTHER: u8 = 0x80;
    let begin = |types: u8, traits: u8, what: &[u8]| [&[types, 0, traits, 17, traits][..], &[15, ALL], what].concat();
    vec![
        ("messages_both_ways", begin(0, 0, &[0, 0, 7, 4, OTHER, 2, 9, 3, 8, 14, 3, ALL, 1, OTHER | 3, 10, 7,
            OTHER | 6, 90, 6, 3, OTHER | 6, ALL, 15, 1])),
        ("octet_by_octet", [&[1, 5, 0, 0, 0x10][..], &[0, 1, 1, 5, 9, 15, 1, OTHER, 4, 3, 0, 1, 2, 3, 4, 15,
            3]].concat()),
        ("messages_before_the_handshake", vec![2, 0, 0, 0, 0, 0, 0, 1, 15, OTHER, 0, 1, 15, 15, ALL]),
        ("heartbeats", begin(0, 1, &[10, 2, 2, 15, ALL, 10, 2, 2, 3, ALL, 0, OTHER | 6, ALL, 10, 2, 2, 10, 2,
            3])),
        ("handshake_too_late", vec![0, 0, 0, 0, 0, 3, 20, 1, 10, 3, 2]),
        ("beyond_the_limits", begin(0, 0x20, &[0, 3, 1, 9, 9, 9, 9, 15, ALL, OTHER, 0, 1, 13, 15, ALL])),
        ("spoilt", begin(3, 0, &[0, 1, 9, 4, 7, 3, ALL, 7, 11, 1, 4, 15, ALL, 0, 0, 1, 2, 15, ALL])),
        ("lost_and_made_up", begin(0, 0, &[0, 0, 9, 9, 3, ALL, 7, 12, 3, 5, 15, ALL, OTHER | 13, 4, 0, 1, 65, 0,
            15, ALL, OTHER | 13, 2, 0x80, 0, 15, 2])),
        ("commands_in_between", begin(1, 0, &[14, 3, 14, 4, 14, 5, OTHER | 14, 6, 0, 2, 1, 3, 3, 3, 15, 1, 14,
            9, 15, 2])),
        ("long_messages_in_pieces", begin(0, 0, &[0, 1, 1, 15, 15, OTHER, 1, 1, 15, 14, 3, 254, 2, OTHER | 6,
            254, OTHER | 9, 254, OTHER | 9, 77, 15, 254])),
    ]
}

/// All seeds of `events`.
#[rustfmt::skip]
fn events() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("one_of_each_kind", (0..10).flat_map(|kind| [0, kind, 1, kind, 2, 4, 7, 11, 9]).chain([5,
            20]).collect()),
        ("a_block_of_small_ones", vec![0, 0, 1, 0, 1, 3, 8, 4, 255, 4, 255, 4, 255, 5, 255, 4, 255, 5, 255, 6,
            255]),
        ("long_names", (0..8).flat_map(|group| [0, 4 + group % 3, group, group, 0]).chain([5, 3, 7, 135, 133,
            9]).collect()),
        ("poured_into_each_other", vec![0, 2, 1, 0, 1, 8, 8, 4, 9, 128, 0, 2, 0, 1, 11, 8, 7, 5, 3, 135, 133, 3,
            7, 5, 90]),
        ("lengths_at_the_edges", (0..16).flat_map(|length| [0, 0, length, 0, 1, length, length]).chain([5,
            9]).collect()),
    ]
}

fn compare(target: &str, seeds: Vec<(&str, Vec<u8>)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    if env::var_os("ZRE_FUZZ_SEEDS").is_some_and(|what| what == "write") {
        fs::create_dir_all(&folder).unwrap();
        for (name, seed) in &seeds {
            fs::write(folder.join(format!("seed_{name}")), seed).unwrap();
        }
    }
    let written: BTreeSet<_> = seeds.iter().map(|(name, _)| format!("seed_{name}")).collect();
    for (name, seed) in &seeds {
        let found =
            fs::read(folder.join(format!("seed_{name}"))).unwrap_or_else(|error| panic!("{target} {name}: {error}"));
        assert_eq!(&found, seed, "{target} {name} is another: see the head of this file");
    }
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("seed_")).collect::<BTreeSet<_>>(), written, "seeds of {target}");
}

#[test]
fn the_seeds_are_in_the_corpora() {
    compare("node", nodes());
    compare("connection", connections());
    compare("events", events());
}

/// What the seeds of `node` come to: so deep does a search begin.
const REACHED: &str = "
    ENTER, JOIN, LEAVE, WHISPER, SHOUT, EVASIVE, SILENT, ROOM, LEADER, IDENTITY-CONFLICT, STOP,
    EXIT left, EXIT expired, EXIT lost, EXIT protocol, EXIT slow, EXIT stopped";

#[test]
fn the_seeds_of_node_reach_every_event() {
    let reached: BTreeSet<String> = nodes().iter().flat_map(|(_, seed)| zre_fuzz::node_reaches(seed)).collect();
    for what in REACHED.split(',').map(str::trim) {
        assert!(reached.contains(what), "{what} is not among {reached:?}");
    }
}
