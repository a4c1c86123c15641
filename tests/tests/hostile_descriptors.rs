//! A node whose process has no descriptor left, and comes back.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Command,
    time::Duration,
};
use uuid::Uuid;
use zre_mio::Node;
use zre_tests::{
    hostile::{
        Bounds, Siege, Target, arena,
        attacker::{Pace, beacons, connect, is_closed, say_beacon},
        by_length, now,
        settings::Settings,
    },
    ours::Ours,
};

const NODE: &str = env!("CARGO_BIN_EXE_hostile-node");
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

/// What the node's process may have; and it may have inherited some with numbers beyond it.
const LIMIT: usize = 40;

#[test]
fn no_descriptor_left_and_back_again() {
    arena("no_descriptor_left_and_back_again", || {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh", &LIMIT.to_string(), NODE]);
        let node = Target::start_by(command, &Settings::named("poor"));
        let siege = Siege::begin(node, "no descriptor left");
        siege.finish(Bounds { memory: 8 * MIB, descriptors: LIMIT }, |siege| {
            // Somebody to connect to, for each of whom there is no descriptor either.
            let place = TcpListener::bind("127.0.0.1:0").expect("a listener");
            let (socket, port) = (beacons(), place.local_addr().expect("its address").port());
            for round in 0..by_length(2, 30) {
                let mut crowd = Vec::new();
                let (begin, mut most) = (now(), 0);
                let mut pace = Pace::every(SECOND / 50);
                let mut newcomer = None;
                while begin.elapsed() < 3 * SECOND {
                    pace.beat();
                    crowd.retain_mut(|stream| !is_closed(stream));
                    while crowd.len() < 3 * LIMIT {
                        crowd.push(connect(Ipv4Addr::LOCALHOST, siege.node.mailbox).expect("somebody listens"));
                    }
                    say_beacon(&socket, Uuid::from_u64_pair(0xB00, round), port);
                    most = most.max(siege.node.cost().descriptors);
                    if most >= LIMIT && newcomer.is_none() {
                        newcomer = Some(Ours::start(Node::builder("newcomer").interface("lo")));
                    }
                }
                assert!(most >= LIMIT, "it has {most} at most");
                let mut newcomer = newcomer.expect("it ran out of them");
                drop(crowd);
                let freed = now();
                // Who came in the meantime gets in, and so does whoever comes then.
                newcomer.expect_within("ENTER of the node", 20 * SECOND, |event| {
                    event.kind() == "ENTER" && event.peer() == Some(siege.node.uuid())
                });
                let after = freed.elapsed();
                let mut later = Ours::start(Node::builder("later").interface("lo"));
                later.expect_enter(siege.node.uuid());
                println!("without a descriptor for 3 s; the newcomer was in {after:.1?} after");
            }
        });
    });
}
