//! Connections that mean ill: half open, slow, made up, pointing nowhere, or opened and closed without end.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{Ipv4Addr, Shutdown, TcpStream},
    time::Duration,
};
use uuid::Uuid;
use zre_proto::zmtp::Greeting;
use zre_tests::hostile::{
    Bounds, Siege, arena,
    attacker::{PATIENCE, Pace, beacons, connect, introduction, is_closed, nowhere, say_beacon, source, until_closed},
    by_length, counter,
    descriptors::make_room,
    now,
    settings::Settings,
};

const NODE: &str = env!("CARGO_BIN_EXE_hostile-node");
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

/// Connections that the node holds at most, where nobody of them has entered: `Limits::peers` twice, and the spare ones.
const CALLERS: usize = 2 * 1024 + 128;

/// Connections from many addresses of this machine, for from one there may be `Limits::callers_of_this_host` only.
fn crowd(siege: &Siege, many: usize) -> Vec<TcpStream> {
    (0..many).map(|number| connect(source(number), siege.node.mailbox).expect("somebody listens")).collect()
}

/// Waits until the node has closed all connections but so many.
#[track_caller]
fn until_at_most(crowd: &mut Vec<TcpStream>, most: usize) {
    let deadline = now() + PATIENCE;
    let mut pace = Pace::every(SECOND / 10);
    loop {
        crowd.retain_mut(|stream| !is_closed(stream));
        if crowd.len() <= most {
            return;
        }
        assert!(now() < deadline, "{} connections stay open", crowd.len());
        pace.beat();
    }
}

#[test]
fn half_open_connections() {
    if !make_room(8_000) {
        return;
    }
    arena("half_open_connections", || {
        let bounds = Bounds { memory: 10 * MIB, descriptors: CALLERS };
        Siege::run(NODE, "half-open", &Settings::named("half-open"), bounds, |siege| {
            let mut crowd = crowd(siege, 5_000);
            // Those who were turned away are closed at once, the others when their time is up.
            let held = crowd.iter_mut().filter_map(|stream| (!is_closed(stream)).then_some(())).count();
            assert!(held > CALLERS / 4, "{held} are held");
            until_at_most(&mut crowd, 0);
        });
    });
}

#[test]
fn slow_connections() {
    if !make_room(8_000) {
        return;
    }
    arena("slow_connections", || {
        let bounds = Bounds { memory: 10 * MIB, descriptors: CALLERS };
        Siege::run(NODE, "one octet a second", &Settings::named("slow"), bounds, |siege| {
            let words = introduction(Uuid::from_u128(0x510), "slow", nowhere(9));
            let mut crowd = crowd(siege, 5_000);
            let mut pace = Pace::every(SECOND);
            // No greeting is complete after a minute, and each has five seconds for it.
            let begin = now();
            for octet in &words {
                pace.beat();
                crowd.retain_mut(|stream| stream.write_all(&[*octet]).is_ok() && !is_closed(stream));
                if crowd.is_empty() {
                    break;
                }
            }
            assert!(crowd.is_empty() && begin.elapsed() < PATIENCE, "{} after {:?}", crowd.len(), begin.elapsed());
        });
    });
}

#[test]
fn ten_thousand_made_up_uuids() {
    if !make_room(12_000) {
        return;
    }
    arena("ten_thousand_made_up_uuids", || {
        // Each that was let in costs a peer, and a connection of ours beside its own.
        let bounds = Bounds { memory: 16 * MIB, descriptors: CALLERS + 1024 };
        Siege::run(NODE, "made-up UUIDs", &Settings::named("made-up"), bounds, |siege| {
            let mut crowd = Vec::new();
            let peers = |counters: &serde_json::Value| counters["peers"].as_array().expect("a list").len();
            // The first of them are given up while the last connect, where that takes a while.
            let mut most = 0;
            for number in 0..10_000 {
                let uuid = Uuid::from_u64_pair(0xFACE, number as u64);
                let mut stream = connect(source(number), siege.node.mailbox).expect("somebody listens");
                // It may be turned away before it has said all.
                let _ = stream.write_all(&introduction(uuid, "nobody", nowhere(1 + number as u16)));
                crowd.push(stream);
                if number % 500 == 499 {
                    most = most.max(peers(&siege.node.ask("counters")));
                }
            }
            let counters = siege.node.ask("counters");
            most = most.max(peers(&counters));
            assert!((256..=1024).contains(&most), "{most} at a time; in the end {counters:#}");
            until_at_most(&mut crowd, CALLERS);
        });
    });
}

#[test]
fn beacons_that_point_at_closed_ports_and_at_the_node_itself() {
    arena("beacons_that_point_at_closed_ports_and_at_the_node_itself", || {
        let bounds = Bounds { memory: 8 * MIB, descriptors: 2 * 128 };
        Siege::run(NODE, "beacons", &Settings::named("beacons"), bounds, |siege| {
            let socket = beacons();
            let (own, itself) = (Uuid::from(siege.node.uuid()), siege.node.mailbox.port());
            let honest = Uuid::from(siege.honest.as_ref().expect("it is there").uuid);
            let many = by_length(20_000, 500_000);
            let mut pace = Pace::every(SECOND / 200);
            for number in 0u64.. {
                let closed = (number.wrapping_mul(40_503) >> 4) as u16 | 1;
                let made_up = Uuid::from_u64_pair(0xBEAC, number);
                let (uuid, port) = match number % 8 {
                    0 | 1 => (made_up, itself),
                    2 => (own, closed),
                    3 => (own, itself),
                    // In the name of the honest one: that it is elsewhere. It is heard at its own place as well.
                    4 => (honest, closed),
                    _ => (made_up, closed),
                };
                say_beacon(&socket, uuid, port);
                if number % 50 == 0 {
                    pace.beat();
                }
                if number > 0 && number % 5_000 == 0 && counter(&siege.node.ask("counters"), "beacons") > many {
                    break;
                }
            }
            let rejected = siege.node.ask("counters")["rejected"].clone();
            for reason in ["our own endpoint", "failed a moment ago"] {
                assert!(rejected[reason].as_u64() > Some(0), "{reason} is not among {rejected}");
            }
        });
    });
}

#[test]
fn a_thousand_connections_a_second() {
    arena("a_thousand_connections_a_second", || {
        let bounds = Bounds { memory: 10 * MIB, descriptors: 1_024 };
        Siege::run(NODE, "opened and closed", &Settings::named("churn"), bounds, |siege| {
            let seconds = by_length(5, 120);
            let mut pace = Pace::every(SECOND / 1_000);
            let begin = now();
            let mut kinds = BTreeMap::new();
            for number in 0..1_000 * seconds {
                pace.beat();
                let uuid = Uuid::from_u64_pair(0xC0C0, number);
                let introduction = introduction(uuid, "hurried", nowhere((number % 60_000 + 1) as u16));
                let said = match number % 4 {
                    0 => &[][..],
                    1 => &Greeting::NULL.encode()[..],
                    2 => &introduction[..introduction.len() / 2],
                    _ => &introduction[..],
                };
                let mut stream = connect(Ipv4Addr::LOCALHOST, siege.node.mailbox).expect("somebody listens");
                let _ = stream.write_all(said);
                *kinds.entry(said.len()).or_insert(0) += 1;
                if number % 8 == 7 {
                    // Not all are in a hurry.
                    let _ = stream.shutdown(Shutdown::Write);
                    until_closed(&mut stream);
                }
            }
            println!("{} connections of kinds {kinds:?} in {:.1?}", 1_000 * seconds, begin.elapsed());
        });
    });
}
