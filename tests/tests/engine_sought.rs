//! Peers that are looked for because gossip or the user says where they are, one node at a time.

use std::time::Duration;
use zre_engine::{Action, Address, CloseReason, DiscoveryError, Input, IoCause};
use zre_proto::gossip::{Gossip, Tuple};
use zre_tests::{
    gossiper::{client, client_of, hub_for, id, own, place, refuse, tuple, tuple_for},
    solo::{Solo, Stock, opening_of_ours, router_opening},
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn what_a_hub_tells_of_is_met_and_its_bad_tuples_are_overlooked() {
    let (mut solo, conns) = client_of(1, &router_opening());
    let key = Gossip::Publish(Tuple { key: "no UUID".into(), value: place(1).as_str().into(), ttl: 0 });
    for overlooked in [
        key,
        tuple(2, "nowhere"),
        tuple(3, "tcp://224.0.0.1:7000"),
        tuple(4, "tcp://127.0.0.1:7000"),
        tuple(5, "ipc:///tmp/x"),
        tuple(6, &format!("{}|{}", place(6), "k".repeat(40))),
        own(&solo),
        tuple(7, "tcp://10.0.0.1:49152"),
    ] {
        solo.feed_gossip(conns[0], &overlooked);
        assert_eq!(solo.connects(), [], "{overlooked:?}");
    }
    assert_eq!(solo.closed(conns[0]), None);
    solo.feed_gossip(conns[0], &tuple(1, &place(1)));
    assert_eq!(solo.connects()[0].1.to_string(), place(1));
}

#[test]
fn a_peer_of_gossip_that_is_not_there_is_sought_more_and_more_slowly_until_it_is_forgotten() {
    let (mut solo, conns) = client_of(1, &opening_of_ours("ROUTER"));
    solo.feed_gossip(conns[0], &tuple(1, &place(1)));
    let run = |solo: &mut Solo, seconds| {
        let attempts = (0..seconds).map(|_| {
            solo.feed_gossip(conns[0], &Gossip::Pong);
            refuse(solo, 1)
        });
        attempts.sum::<usize>()
    };
    let first = run(&mut solo, 60);
    assert!((8..14).contains(&first), "{first} attempts in the first minute");
    let next = run(&mut solo, 300);
    assert!((9..14).contains(&next), "{next} attempts in five minutes");
    solo.feed_gossip(conns[0], &tuple_for(1, &place(1), 1));
    assert_eq!(run(&mut solo, 300), 0);
}

#[test]
fn a_place_given_by_the_user_is_the_peers_that_says_hello_from_there() {
    let mut solo = Solo::default();
    let at: Address = "tcp://10.0.0.2:7000".parse().unwrap();
    assert_eq!(solo.node.require_peer(solo.now, None, at.clone()), Ok(true));
    assert_eq!(solo.node.require_peer(solo.now, None, at.clone()), Ok(false));
    let ours = solo.connects()[0].0;
    solo.connected(ours);
    solo.feed(ours, &router_opening());
    let stock = Stock::calls(&mut solo, 7, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER 7"]);
    assert_eq!(solo.connects(), [], "what leads there is its connection");
    assert_eq!(solo.messages(ours).len(), 1, "one HELLO");
    solo.pass(secs(20));
    assert!(solo.connects().is_empty() && solo.node.peer(stock.id()).is_some());
    // When it is gone, whoever is there next is sought.
    solo.broken(stock.to_node, IoCause::Finished);
    solo.broken(ours, IoCause::Finished);
    assert!(solo.told().contains(&"EXIT 7 lost".to_owned()));
    let mut tried = 0;
    for _ in 0..200 {
        solo.pass(millis(100));
        for (conn, to) in solo.connects() {
            assert_eq!(to, at);
            tried += 1;
            solo.broken(conn, IoCause::Refused);
        }
    }
    assert!(tried > 3, "{tried}");
}

/// A peer behind a gate at 10.0.9.9: it says that it is there, and comes from 10.0.0.2, where it cannot be reached.
fn calls_from_behind_a_gate(solo: &mut Solo) -> Stock {
    let to_node = solo.accept("10.0.0.2:40001");
    let mut stock = Stock { uuid: id(7).into(), host: "10.0.9.9", sequence: 1, to_node, from_node: to_node };
    stock.opening(solo, to_node);
    let hello = stock.hello("7", &[]);
    stock.say(solo, hello, &[]);
    assert_eq!(solo.told(), ["ENTER 7"]);
    stock
}

#[test]
fn who_comes_before_gossip_tells_where_it_is_is_met_there_all_the_same() {
    let gate = "tcp://10.0.9.9:7000";
    for is_under_way in [false, true] {
        let (mut solo, conns) = client_of(1, &router_opening());
        let stock = calls_from_behind_a_gate(&mut solo);
        let (astray, to) = solo.connects().remove(0);
        assert_eq!(to.to_string(), "tcp://10.0.0.2:7000");
        if !is_under_way {
            solo.broken(astray, IoCause::Refused);
        }
        // Elsewhere than it says itself it is not.
        solo.feed_gossip(conns[0], &tuple(7, "tcp://10.0.8.8:7000"));
        solo.feed_gossip(conns[0], &tuple(7, "tcp://10.0.9.9:7001"));
        assert_eq!(solo.connects(), []);
        solo.feed_gossip(conns[0], &tuple(7, gate));
        let actions = solo.actions();
        let closed = actions.iter().any(|action| matches!(action, Action::Close { conn, .. } if *conn == astray));
        assert_eq!(closed, is_under_way, "{actions:?}");
        let [ours] = actions
            .iter()
            .filter_map(|action| match action {
                Action::Connect { conn, to } if to.to_string() == gate => Some(*conn),
                _ => None,
            })
            .collect::<Vec<_>>()[..]
        else {
            panic!("{actions:?}")
        };
        solo.connected(ours);
        solo.feed(ours, &router_opening());
        assert_eq!(solo.messages(ours).len(), 1, "a HELLO");
        assert_eq!(solo.node.peer(stock.id()).map(|peer| peer.endpoint().to_string()), Some(gate.into()));
        assert_eq!(solo.told(), Vec::<String>::new());
    }
}

#[test]
fn a_connection_that_stands_is_not_given_up_for_what_gossip_tells() {
    let (mut solo, conns) = client_of(1, &router_opening());
    calls_from_behind_a_gate(&mut solo);
    let (ours, _) = solo.connects().remove(0);
    solo.connected(ours);
    solo.feed(ours, &router_opening());
    solo.feed_gossip(conns[0], &tuple(7, "tcp://10.0.9.9:7000"));
    assert_eq!((solo.closed(ours), solo.connects()), (None, Vec::new()));
}

#[test]
fn a_name_given_by_the_user_leads_to_the_peer_that_is_there() {
    let mut solo = Solo::default();
    let at: Address = "tcp://bob:7000".parse().unwrap();
    solo.node.require_peer(solo.now, None, at.clone()).unwrap();
    let (ours, to) = solo.connects().remove(0);
    assert_eq!(to, at);
    solo.input(Input::Resolved { conn: ours, at: "10.0.0.2:7000".parse().unwrap() });
    solo.connected(ours);
    solo.feed(ours, &router_opening());
    Stock::calls(&mut solo, 7, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER 7"]);
    assert_eq!(solo.connects(), []);
    // One that is this node itself, or a peer that is there already, is left alone.
    for name in ["tcp://me:49152", "tcp://bob-too:7000"] {
        solo.node.require_peer(solo.now, None, name.parse().unwrap()).unwrap();
        let conn = solo.connects()[0].0;
        let port = if name.contains("me") { "10.0.0.1:49152" } else { "10.0.0.2:7000" };
        solo.input(Input::Resolved { conn, at: port.parse().unwrap() });
        assert_eq!(solo.closed(conn), Some(CloseReason::Abandoned));
    }
    assert_eq!(solo.told(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_sought_is_said_so() {
    let mut solo = Solo::default();
    let address = |text: &str| text.parse::<Address>().unwrap();
    let require = |solo: &mut Solo, peer, at: &str| solo.node.require_peer(solo.now, peer, address(at));
    let own = solo.node.uuid();
    assert!(matches!(require(&mut solo, None, "tcp://10.0.0.1:49152"), Err(DiscoveryError::Oneself(_))));
    assert!(matches!(require(&mut solo, Some(own), "tcp://10.0.0.2:1"), Err(DiscoveryError::Oneself(_))));
    assert!(matches!(require(&mut solo, None, "tcp://224.0.0.1:1"), Err(DiscoveryError::NoPlace(_))));
    let hub = address("tcp://255.255.255.255:1");
    assert!(matches!(solo.node.gossip_connect(solo.now, hub), Err(DiscoveryError::NoPlace(_))));
    for number in 0..64 {
        assert_eq!(solo.node.gossip_connect(solo.now, address(&format!("tcp://10.1.0.{number}:1"))), Ok(true));
    }
    let more = solo.node.gossip_connect(solo.now, address("tcp://10.1.1.1:1"));
    assert_eq!(more, Err(DiscoveryError::TooMany { limit: 64 }));
    solo.node.stop(solo.now);
    assert_eq!(require(&mut solo, None, "tcp://10.0.0.2:1"), Err(DiscoveryError::Stopped));
}

#[test]
fn what_makes_room_for_others_is_sought_no_more() {
    let mut solo = hub_for(20);
    for begin in [0, 100] {
        let conn = client(&mut solo);
        for number in begin..begin + 20 {
            solo.feed_gossip(conn, &tuple(number, &place(number)));
        }
        solo.broken(conn, IoCause::Finished);
    }
    refuse(&mut solo, 100);
    let late = refuse(&mut solo, 100);
    assert_eq!((solo.node.statistics().tuples, late), (0, 0));
}

#[test]
fn a_hub_elsewhere_does_not_lead_us_to_our_own_loopback() {
    let (mut solo, conns) = client_of(1, &router_opening());
    solo.feed_gossip(conns[0], &tuple(1, "tcp://localhost:22"));
    let (conn, _) = solo.connects().remove(0);
    solo.input(Input::Resolved { conn, at: "127.0.0.1:22".parse().unwrap() });
    assert_eq!(solo.closed(conn), Some(CloseReason::Abandoned));
    solo.actions();
    solo.feed_gossip(conns[0], &tuple(2, "tcp://[::ffff:127.0.0.1]:22"));
    assert_eq!(solo.connects(), []);
    // The user may.
    solo.node.require_peer(solo.now, None, "tcp://self.example:23".parse().unwrap()).unwrap();
    let (conn, _) = solo.connects().remove(0);
    solo.input(Input::Resolved { conn, at: "127.0.0.1:23".parse().unwrap() });
    assert_eq!(solo.closed(conn), None);
}

#[test]
fn a_hub_that_tells_of_thousands_leaves_places_for_others() {
    let (mut solo, conns) = client_of(1, &router_opening());
    for number in 0..1100u128 {
        let at = |net| format!("tcp://10.{net}.{}.{}:7000", number / 200, number % 200 + 1);
        solo.feed_gossip(conns[0], &tuple(1000 + number, &at(1)));
        solo.feed_gossip(conns[0], &tuple(1000 + number, &format!("{}|k", at(2))));
    }
    assert!(solo.node.statistics().strangers <= 128, "{}", solo.node.statistics().strangers);
    Stock::calls(&mut solo, 7, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER 7"]);
}

#[test]
fn what_the_user_says_holds_when_gossip_says_it_no_more() {
    let (mut solo, conns) = client_of(1, &opening_of_ours("ROUTER"));
    solo.feed_gossip(conns[0], &tuple(1, &place(1)));
    for (conn, _) in solo.connects() {
        solo.broken(conn, IoCause::Refused);
    }
    assert_eq!(solo.node.require_peer(solo.now, Some(id(1)), place(1).parse().unwrap()), Ok(true));
    solo.feed_gossip(conns[0], &tuple_for(1, &place(1), 1));
    let mut tried = 0;
    for _ in 0..300 {
        solo.pass(millis(100));
        for (conn, to) in solo.connects() {
            tried += usize::from(to.to_string() == place(1));
            solo.broken(conn, IoCause::Refused);
        }
    }
    assert!(tried > 4, "{tried}");
}
