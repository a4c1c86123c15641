//! Gossip with czmq's own zgossip, which every Zyre has in it: as the hub of our nodes, and as a client of our hub.

use std::{path::PathBuf, process, time::Duration};
use zre_mio::{Event, Node};
use zre_tests::{
    ours::{Ours, all_meet, all_talk},
    zgossip::Zgossip,
};

const GROUP: &str = "all";

/// A tuple of somebody who is not there.
const KEY: &str = "0123456789ABCDEF0123456789ABCDEF";
const VALUE: &str = "tcp://127.0.0.1:9";

/// TCP, and a path that no other test has.
fn places(name: &str) -> [String; 2] {
    let path = std::env::temp_dir().join(format!("zre-czmq-{}-{name}", process::id()));
    ["tcp://127.0.0.1:*".into(), format!("ipc://{}", path.display())]
}

/// What a program that was killed has left behind.
fn clear_away(place: &str) {
    if let Some(path) = place.strip_prefix("ipc://") {
        let _ = std::fs::remove_file(PathBuf::from(path));
    }
}

fn client(name: &str, hub: &str) -> Ours {
    let transport = hub.split_once("://").expect("an endpoint").0;
    let place = if transport == "tcp" { "tcp://127.0.0.1:*" } else { "ipc://*" };
    Ours::start(Node::builder(name).endpoint(place).group(GROUP).gossip_connect(hub))
}

fn hub(place: &str) -> (Ours, String) {
    let hub = Ours::start(Node::builder("hub").hub().gossip_bind(place));
    let place = hub.node.gossip_endpoints()[0].to_string();
    (hub, place)
}

/// A newcomer and all others meet.
#[track_caller]
fn joins(nodes: &mut Vec<Ours>, mut newcomer: Ours) {
    for ours in nodes.iter_mut() {
        ours.expect_enter(newcomer.node.uuid());
        newcomer.expect_enter(ours.node.uuid());
    }
    nodes.push(newcomer);
}

#[test]
fn our_nodes_meet_by_a_stock_hub() {
    if !Zgossip::is_here() {
        return;
    }
    for place in places("stock-hub") {
        let mut hub = Zgossip::start("hub");
        let hub_at = hub.bind(&place);
        let mut nodes: Vec<_> = ["alice", "bob"].map(|name| client(name, &hub_at)).into();
        all_meet(&mut nodes);
        // A stock hub forgets who says nothing for a second. We are still there for those who come then, and they for us.
        nodes[0].expect_none("EXIT", Duration::from_millis(1500), |event| matches!(event, Event::Exit { .. }));
        joins(&mut nodes, client("late", &hub_at));
        all_talk(&mut nodes, GROUP);
        nodes.iter_mut().for_each(Ours::assert_steady);
        for ours in &nodes {
            hub.expect_tuple(&ours.uuid(), &ours.endpoint());
        }
        assert_eq!(hub.tuples(), 3);
        hub.stop();
        clear_away(&place);
    }
}

#[test]
fn a_stock_hub_that_is_killed_and_comes_back_makes_no_difference() {
    if !Zgossip::is_here() {
        return;
    }
    for place in places("stock-killed") {
        let mut hub = Zgossip::start("hub");
        let hub_at = hub.bind(&place);
        let mut nodes: Vec<_> = ["alice", "bob"].map(|name| client(name, &hub_at)).into();
        all_meet(&mut nodes);
        hub.kill9();
        for ours in &mut nodes {
            ours.expect_counters("no hub", |statistics| statistics.hubs == 0);
        }
        all_talk(&mut nodes, GROUP);
        let mut hub = Zgossip::start("hub again");
        assert_eq!(hub.bind(&hub_at), hub_at);
        // It knows nothing, and is told all again.
        for ours in &nodes {
            hub.expect_tuple(&ours.uuid(), &ours.endpoint());
        }
        joins(&mut nodes, client("late", &hub_at));
        all_talk(&mut nodes, GROUP);
        nodes.iter_mut().for_each(Ours::assert_steady);
        hub.kill9();
        clear_away(&place);
    }
}

#[test]
fn a_stock_hub_that_stands_still_for_a_while_makes_no_difference() {
    if !Zgossip::is_here() {
        return;
    }
    let mut hub = Zgossip::start("hub");
    let hub_at = hub.bind("tcp://127.0.0.1:*");
    let mut nodes: Vec<_> = ["alice", "bob"].map(|name| client(name, &hub_at)).into();
    all_meet(&mut nodes);
    hub.signal("STOP");
    for ours in &mut nodes {
        ours.expect_counters("no hub", |statistics| statistics.hubs == 0);
    }
    hub.signal("CONT");
    joins(&mut nodes, client("late", &hub_at));
    all_talk(&mut nodes, GROUP);
    nodes.iter_mut().for_each(Ours::assert_steady);
}

#[test]
fn a_stock_client_hears_all_and_tells_all_at_our_hub() {
    if !Zgossip::is_here() {
        return;
    }
    for place in places("our-hub") {
        let (hub, hub_at) = hub(&place);
        let mut nodes: Vec<_> = ["alice", "bob"].map(|name| client(name, &hub_at)).into();
        all_meet(&mut nodes);
        let mut theirs = Zgossip::start("client");
        theirs.connect_to(&hub_at);
        for ours in &nodes {
            theirs.expect_tuple(&ours.uuid(), &ours.endpoint());
        }
        // What it tells comes to another of its kind, that comes later; and what we tell later comes to both.
        theirs.publish(KEY, VALUE);
        let mut other = Zgossip::start("other client");
        other.connect_to(&hub_at);
        other.expect_tuple(KEY, VALUE);
        joins(&mut nodes, client("late", &hub_at));
        for zgossip in [&mut theirs, &mut other] {
            zgossip.expect_tuple(&nodes[2].uuid(), &nodes[2].endpoint());
            assert_eq!(zgossip.tuples(), 4);
        }
        assert_eq!((hub.node.statistics().tuples, hub.node.statistics().hub_clients), (4, 5));
        theirs.stop();
        other.stop();
        nodes.iter_mut().for_each(Ours::assert_steady);
    }
}

#[test]
fn our_hub_may_stop_and_start_under_a_stock_client() {
    if !Zgossip::is_here() {
        return;
    }
    for place in places("our-restart") {
        let (hub, hub_at) = hub(&place);
        let mut theirs = Zgossip::start("client");
        theirs.connect_to(&hub_at);
        theirs.publish(KEY, VALUE);
        let mut nodes = vec![client("alice", &hub_at)];
        theirs.expect_tuple(&nodes[0].uuid(), &nodes[0].endpoint());
        hub.node.stop();
        drop(hub);
        let (mut hub, again) = self::hub(&hub_at);
        assert_eq!(again, hub_at);
        hub.expect_counters("two tuples", |statistics| statistics.tuples == 2 && statistics.hub_clients == 2);
        joins(&mut nodes, client("late", &hub_at));
        theirs.expect_tuple(&nodes[1].uuid(), &nodes[1].endpoint());
        nodes.iter_mut().for_each(Ours::assert_steady);
        theirs.stop();
    }
}
