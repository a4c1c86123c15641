//! A peer's life, told by nodes in memory under simulated time.

use std::time::Duration;
use zre_engine::{Config, SendError};
use zre_tests::world::World;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn pair() -> World {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    world.run_for(secs(1));
    assert_eq!(world.told(0), ["ENTER bob"]);
    assert_eq!(world.told(1), ["ENTER alice"]);
    world
}

#[test]
fn two_nodes_meet_and_talk() {
    let mut world = pair();
    let (alice, bob) = (world.id(0), world.id(1));
    assert_eq!(world.with(0, |node, now| node.join(now, "chat")), Ok(true));
    assert_eq!(world.with(0, |node, now| node.join(now, "chat")), Ok(false));
    world.run_for(secs(1));
    assert_eq!(world.told(1), ["JOIN alice chat"]);
    assert_eq!(world.with(1, |node, now| node.shout(now, "chat", ["a", "", "c"])), Ok(1));
    assert_eq!(world.with(1, |node, now| node.shout(now, "nobody", "x")), Ok(0));
    assert_eq!(world.with(0, |node, now| node.whisper(now, bob, "hi")), Ok(()));
    assert_eq!(world.with(0, |node, now| node.whisper(now, alice, "hi")), Err(SendError::UnknownPeer(alice)));
    world.run_for(secs(1));
    assert_eq!(world.told(0), [r#"SHOUT bob chat [b"a", b"", b"c"]"#]);
    assert_eq!(world.told(1), [r#"WHISPER alice [b"hi"]"#]);
    world.with(0, |node, now| node.leave(now, "chat")).unwrap();
    world.run_for(secs(1));
    assert_eq!(world.told(1), ["LEAVE alice chat"]);
}

#[test]
fn a_polite_stop_is_seen_at_once() {
    let mut world = pair();
    let bob = world.id(1);
    world.with(0, |node, now| node.whisper(now, bob, "last words")).unwrap();
    world.with(0, zre_engine::Node::stop);
    world.run_for(Duration::from_millis(10));
    assert_eq!(world.told(1), [r#"WHISPER alice [b"last words"]"#, "EXIT alice left"]);
    assert_eq!(world.told(0), ["EXIT bob stopped", "STOP"]);
}

#[test]
fn a_killed_node_is_noticed_at_once() {
    let mut world = pair();
    world.kill(1);
    world.run_for(Duration::from_millis(10));
    assert_eq!(world.told(0), ["EXIT bob lost"]);
    world.run_for(secs(60));
    assert_eq!(world.told(0), [""; 0]);
    assert_eq!(world.node(0).statistics().strangers, 0);
}

#[test]
fn one_sided_discovery_is_enough() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    world.set_deaf(0, true);
    world.run_for(secs(2));
    assert_eq!(world.told(0), ["ENTER bob"]);
    assert_eq!(world.told(1), ["ENTER alice"]);
}

#[test]
fn a_reset_in_mid_traffic_is_lost_and_met_again_without_a_storm() {
    let mut world = pair();
    let before = world.connects;
    world.reset(0, 1);
    world.run_for(secs(30));
    for index in 0..2 {
        let told = world.told(index);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("EXIT") && told[0].ends_with("lost") && told[1].starts_with("ENTER"), "{told:?}");
    }
    assert!(world.connects - before <= 4, "{}", world.connects - before);
    let bob = world.id(1);
    world.with(0, |node, now| node.whisper(now, bob, "still here?")).unwrap();
    world.run_for(secs(1));
    assert_eq!(world.told(1), [r#"WHISPER alice [b"still here?"]"#]);
}

#[test]
fn a_healthy_idle_pair_sees_nothing_and_does_nothing_for_an_hour() {
    let mut world = pair();
    let before = world.connects;
    world.run_for(secs(3600));
    assert_eq!((world.told(0).len(), world.told(1).len()), (0, 0));
    assert_eq!(world.connects, before);
}

#[test]
fn a_silent_peer_is_evasive_then_silent_then_expired() {
    let mut world = pair();
    world.set_cut(0, 1, true);
    let start = world.now();
    let mut seen = Vec::new();
    for _ in 0..400 {
        world.run_for(Duration::from_millis(100));
        for told in world.told(0) {
            seen.push((told, world.now().since(start)));
        }
    }
    let words: Vec<_> = seen.iter().map(|(told, _)| told.as_str()).collect();
    assert_eq!(words, ["EVASIVE bob", "SILENT bob", "EXIT bob expired"]);
    let within = |index: usize, from: f64, to: f64| {
        let at = seen[index].1.as_secs_f64();
        assert!(from <= at && at <= to, "{} at {at}", seen[index].0);
    };
    // PING after 5 s (±10 %) without word or beacon, of which the last came up to 1 s before the cut; EVASIVE 1 s later, SILENT
    // 5 s after that, EXIT at 30 s.
    within(0, 4.5, 6.7);
    let evasive = seen[0].1.as_secs_f64();
    within(1, evasive + 4.9, evasive + 5.1);
    within(2, 29.0, 30.2);
}

#[test]
fn a_restart_on_the_same_port_is_exit_of_the_old_and_enter_of_the_new() {
    let mut world = pair();
    world.kill(1);
    let mut config = Config::default();
    config.name = Some("bob again".into());
    world.restart(1, config);
    world.run_for(secs(2));
    assert_eq!(world.told(0), ["EXIT bob lost", "ENTER bob again"]);
}

#[test]
fn fifty_nodes_meet_within_two_seconds_and_then_are_quiet() {
    let mut world = World::new();
    for index in 0..50 {
        world.add(&format!("node {index}"));
    }
    world.run_for(secs(2));
    for index in 0..50 {
        let told = world.told(index);
        assert_eq!(told.len(), 49, "{told:?}");
        assert_eq!(world.node(index).peers().count(), 49);
    }
    let before = world.connects;
    world.run_for(secs(60));
    for index in 0..50 {
        assert_eq!(world.told(index), [""; 0]);
    }
    assert_eq!(world.connects, before);
}

#[test]
fn octet_by_octet_gives_the_same() {
    let mut world = World::new().chunks_of(1);
    world.add("alice");
    world.add("bob");
    world.run_for(secs(1));
    let bob = world.id(1);
    world.with(0, |node, now| node.whisper(now, bob, "x".repeat(300))).unwrap();
    world.run_for(secs(1));
    assert_eq!(world.told(1).len(), 2);
}

#[test]
fn an_application_that_does_not_read_makes_its_peers_wait_and_loses_nothing() {
    let mut world = World::new();
    world.add("sender");
    let mut config = Config::default();
    config.name = Some("reader".into());
    config.limits.events = 10_000;
    world.add_with(config);
    world.run_for(secs(1));
    let reader = world.id(1);
    world.set_consuming(1, false);
    for index in 0..500u32 {
        world.with(0, |node, now| node.whisper(now, reader, format!("{index:0100}"))).unwrap();
    }
    world.run_for(secs(60));
    let waiting = world.node(1).statistics().events_waiting;
    assert!((10_000..=10_400).contains(&waiting), "{waiting}");
    assert_eq!(world.node(0).peers().count(), 1, "nobody expires a reader that is slow");
    world.set_consuming(1, true);
    world.run_for(secs(5));
    let told = world.told(1);
    let whispers: Vec<_> = told.iter().filter(|told| told.starts_with("WHISPER")).collect();
    assert_eq!(whispers.len(), 500);
    for (index, whisper) in whispers.iter().enumerate() {
        assert!(whisper.contains(&format!("{index:0100}")));
    }
    assert_eq!(told.len(), 501, "ENTER and the whispers, no EVASIVE, no EXIT");
}

#[test]
fn waking_from_sleep_gives_peers_a_chance() {
    let mut world = pair();
    world.sleep(0, secs(20));
    world.run_for(secs(10));
    assert_eq!(world.told(0), [""; 0]);
}
