//! Discovery by gossip, one node at a time: as a hub, and as a client of hubs.

use bytes::Bytes;
use std::time::Duration;
use zre_engine::{CloseReason, ConnId, Event, IoCause, Violation};
use zre_proto::{
    gossip::{Gossip, Tuple},
    message::Body,
    zmtp::Command,
};
use zre_tests::{
    gossiper::{client, client_of, client_of_ours, hub, hub_for, id, own, place, refuse, stranger, tuple, tuple_for},
    solo::{Solo, Stock, command, message, opening_of_ours, router_opening},
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_hub_tells_who_says_hello_all_that_it_knows_and_each_client_what_is_new() {
    let mut solo = hub();
    let first = stranger(&mut solo);
    solo.feed_gossip(first, &Gossip::Hello);
    assert_eq!(solo.gossip(first), [own(&solo)]);
    solo.feed_gossip(first, &tuple(1, &place(1)));
    assert_eq!(solo.gossip(first), [tuple(1, &place(1))], "the teller too");
    let second = stranger(&mut solo);
    solo.feed_gossip(second, &Gossip::Hello);
    assert_eq!(solo.gossip(second), [own(&solo), tuple(1, &place(1))]);
    solo.feed_gossip(second, &tuple(2, &place(2)));
    assert_eq!(solo.gossip(first), [tuple(2, &place(2))]);
    // What is known is not told again; what has changed is.
    solo.feed_gossip(second, &tuple(2, &place(2)));
    solo.feed_gossip(second, &tuple(1, &place(1)));
    assert_eq!(solo.gossip(first), []);
    solo.feed_gossip(second, &tuple(2, &place(3)));
    assert_eq!(solo.gossip(first), [tuple(2, &place(3))]);
    assert_eq!((solo.node.statistics().tuples, solo.node.statistics().hub_clients), (2, 2));
}

#[test]
fn a_hub_answers_as_stock_hubs_do() {
    let mut solo = hub();
    let conn = stranger(&mut solo);
    for (said, answer) in [
        (Gossip::Ping, vec![Gossip::Pong]),
        (tuple(1, &place(1)), vec![Gossip::Invalid]),
        (Gossip::Pong, vec![Gossip::Invalid]),
        (Gossip::Unknown { id: 99, fields: Bytes::new() }, vec![]),
    ] {
        solo.feed_gossip(conn, &said);
        assert_eq!(solo.gossip(conn), answer, "{said:?}");
    }
    assert_eq!(solo.node.statistics().tuples, 0, "nobody has said HELLO");
    assert_eq!(solo.closed(conn), None);
}

#[test]
fn a_bad_message_costs_the_connection_that_it_came_on_and_no_other() {
    let mut solo = hub();
    let honest = client(&mut solo);
    let key = |key: &str| Gossip::Publish(Tuple { key: key.into(), value: place(1).as_str().into(), ttl: 0 });
    for (bad, fault) in [
        (key("not a UUID"), "a key that is no UUID"),
        (key(""), "a key that is no UUID"),
        (tuple(1, "nowhere"), "an endpoint that is no address"),
        (tuple(1, "tcp://10.0.0.1:0"), "an endpoint that is no address"),
        (tuple(1, ""), "an endpoint that is no address"),
    ] {
        let conn = client(&mut solo);
        solo.feed_gossip(conn, &bad);
        assert_eq!(solo.closed(conn), Some(CloseReason::Violation(Violation::Gossip(fault))), "{bad:?}");
    }
    let conn = client(&mut solo);
    solo.feed_gossip(conn, &tuple(1, &"x".repeat(100 << 10)));
    assert!(matches!(solo.closed(conn), Some(CloseReason::Violation(_))));
    let conn = client(&mut solo);
    solo.feed(conn, b"\0\x02hi");
    assert!(matches!(solo.closed(conn), Some(CloseReason::Violation(Violation::Malformed(_)))));
    let conn = solo.accept_client("10.0.0.9:40000");
    solo.feed(conn, b"hi");
    assert!(matches!(solo.closed(conn), Some(CloseReason::Violation(_))));
    let conn = client(&mut solo);
    let hello = zre_proto::Message { sequence: 1, body: Body::Ping };
    solo.feed(conn, &message(&hello, &[]));
    assert!(matches!(solo.closed(conn), Some(CloseReason::Violation(Violation::Malformed(_)))), "ZRE is no gossip");
    assert_eq!((solo.closed(honest), solo.gossip(honest)), (None, vec![]));
    solo.feed_gossip(honest, &tuple(2, &place(2)));
    assert_eq!(solo.gossip(honest), [tuple(2, &place(2))]);
    assert_eq!(solo.node.statistics().closed["gossip"], 5);
}

#[test]
fn a_tuple_holds_while_its_client_is_connected_and_half_a_minute_longer() {
    let mut solo = hub();
    let (dies, stays) = (client(&mut solo), client(&mut solo));
    solo.feed_gossip(dies, &tuple(1, &place(1)));
    solo.feed_gossip(stays, &tuple(2, &place(2)));
    // Stock programs say again what they hear.
    solo.feed_gossip(stays, &tuple(1, &place(1)));
    // They say nothing of their own accord, but libzmq answers when it is asked.
    let pass = |solo: &mut Solo, seconds, conns: &[ConnId]| {
        for _ in 0..seconds {
            solo.pass(secs(1));
            let pong = command(&Command::Pong { context: Bytes::new() });
            conns.iter().for_each(|conn| solo.feed(*conn, &pong));
        }
    };
    pass(&mut solo, 60, &[dies, stays]);
    let told = |solo: &mut Solo| {
        let conn = stranger(solo);
        solo.feed_gossip(conn, &Gossip::Hello);
        solo.gossip(conn).len() - 1
    };
    assert_eq!(told(&mut solo), 2);
    solo.broken(dies, IoCause::Finished);
    pass(&mut solo, 29, &[stays]);
    assert_eq!(told(&mut solo), 2);
    pass(&mut solo, 2, &[stays]);
    assert_eq!(told(&mut solo), 1);
    assert_eq!(solo.closed(stays), None);
}

#[test]
fn a_client_that_is_gone_without_a_word_is_noticed() {
    let mut solo = hub();
    let conn = client(&mut solo);
    solo.pass(millis(9_900));
    assert_eq!(solo.closed(conn), None);
    solo.pass(millis(200));
    assert_eq!(solo.closed(conn), Some(CloseReason::HeartbeatTimeout));
}

#[test]
fn who_connects_and_does_not_say_hello_is_sent_away() {
    let mut solo = hub();
    let conn = stranger(&mut solo);
    solo.pass(secs(6));
    assert_eq!(solo.closed(conn), Some(CloseReason::HelloTimeout));
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let mut solo = hub();
    let (teller, other) = (client(&mut solo), client(&mut solo));
    for number in 0..60_000 {
        solo.feed_gossip(teller, &tuple(1, &place(number % 200)));
        solo.output(teller);
    }
    solo.pass(millis(1));
    assert_eq!((solo.closed(other), solo.closed(teller)), (Some(CloseReason::NotReading), None));
    assert!(solo.node.statistics().send_queues < 4 << 20);
}

#[test]
fn who_tells_of_too_many_makes_room_for_others() {
    let mut solo = hub_for(100);
    let (many, few) = (client(&mut solo), client(&mut solo));
    for number in 0..1000 {
        solo.feed_gossip(many, &tuple(number, &place(number % 200)));
    }
    solo.gossip(few);
    assert_eq!(solo.node.statistics().tuples, 100);
    for number in 2000..2010 {
        solo.feed_gossip(few, &tuple(number, &place(1)));
    }
    assert_eq!(solo.node.statistics().tuples, 100);
    assert_eq!(solo.gossip(few).len(), 10);
    assert_eq!(solo.node.statistics().gossip_refused, 900);
}

#[test]
fn clients_of_this_implementation_are_told_what_holds_no_more() {
    let mut solo = hub();
    let (stock, ours, teller) = (client(&mut solo), client_of_ours(&mut solo), client(&mut solo));
    solo.feed_gossip(teller, &tuple(1, &place(1)));
    solo.gossip(ours);
    solo.gossip(stock);
    assert!(solo.node.gossip_unpublish(solo.now, id(1)));
    assert_eq!(solo.gossip(ours), [tuple_for(1, &place(1), 1)]);
    assert_eq!(solo.gossip(stock), []);
    assert!(!solo.node.gossip_unpublish(solo.now, id(1)));
    // The node itself.
    assert!(solo.node.gossip_unpublish(solo.now, solo.node.uuid()));
    let newcomer = stranger(&mut solo);
    solo.feed_gossip(newcomer, &Gossip::Hello);
    assert_eq!(solo.gossip(newcomer), []);
}

#[test]
fn a_time_to_live_is_heeded() {
    let mut solo = hub();
    let conn = client(&mut solo);
    solo.feed_gossip(conn, &tuple_for(1, &place(1), 3000));
    assert_eq!(solo.node.statistics().tuples, 1);
    solo.pass(millis(2_900));
    assert_eq!(solo.node.statistics().tuples, 1);
    solo.pass(millis(200));
    assert_eq!(solo.node.statistics().tuples, 0);
}

#[test]
fn a_client_says_hello_and_where_it_is_and_asks_three_times_a_second() {
    let (mut solo, conns) = client_of(1, &router_opening());
    assert_eq!(solo.gossip(conns[0]), [Gossip::Hello, own(&solo)]);
    solo.pass(millis(950));
    assert_eq!(solo.gossip(conns[0]), [Gossip::Ping, Gossip::Ping, Gossip::Ping]);
}

#[test]
fn a_hub_that_has_forgotten_is_told_all_again() {
    let (mut solo, conns) = client_of(1, &router_opening());
    solo.gossip(conns[0]);
    solo.pass(millis(100));
    solo.feed_gossip(conns[0], &Gossip::Invalid);
    solo.feed_gossip(conns[0], &Gossip::Invalid);
    assert_eq!(solo.gossip(conns[0]), [Gossip::Hello, own(&solo)], "once");
}

#[test]
fn a_hub_that_is_gone_or_silent_is_connected_to_again() {
    let (mut solo, conns) = client_of(1, &router_opening());
    solo.broken(conns[0], IoCause::Finished);
    let attempts = refuse(&mut solo, 60);
    assert!((14..25).contains(&attempts), "{attempts} attempts in a minute");
    solo.pass(secs(6));
    let conn = solo.connects()[0].0;
    solo.connected(conn);
    solo.feed(conn, &router_opening());
    assert_eq!(solo.gossip(conn), [Gossip::Hello, own(&solo)]);
    solo.pass(millis(5_100));
    assert_eq!(solo.closed(conn), Some(CloseReason::HeartbeatTimeout));
    solo.pass(millis(200));
    assert_eq!(solo.connects().len(), 1);
}

#[test]
fn what_one_hub_tells_at_first_hand_another_hears_and_what_is_hearsay_not() {
    let (mut solo, conns) = client_of(2, &opening_of_ours("ROUTER"));
    let (one, two) = (conns[0], conns[1]);
    solo.gossip(one);
    solo.gossip(two);
    solo.feed_gossip(one, &tuple(1, &place(1)));
    solo.feed_gossip(one, &tuple_for(2, &place(2), 30_000));
    assert_eq!(solo.gossip(one), []);
    assert_eq!(solo.gossip(two), [tuple_for(1, &place(1), 30_000)]);
    // It holds no more where it came from.
    solo.feed_gossip(one, &tuple_for(1, &place(1), 1));
    assert_eq!(solo.gossip(two), [tuple_for(1, &place(1), 1)]);
    // What the other hub knows itself it is not told.
    solo.feed_gossip(two, &tuple(3, &place(3)));
    assert_eq!(solo.gossip(one), [tuple_for(3, &place(3), 30_000)]);
    solo.feed_gossip(one, &tuple(3, &place(3)));
    assert_eq!(solo.gossip(two), []);
}

#[test]
fn a_node_that_stops_says_goodbye_to_those_it_knows_by_gossip() {
    let (mut solo, conns) = client_of(1, &router_opening());
    solo.feed_gossip(conns[0], &tuple(7, "tcp://10.0.0.2:7000"));
    let ours = solo.connects()[0].0;
    solo.connected(ours);
    solo.feed(ours, &router_opening());
    Stock::calls(&mut solo, 7, "10.0.0.2");
    let stock = Stock::meets(&mut solo, 8, "10.0.0.3");
    assert_eq!(solo.told(), ["ENTER 7", "ENTER stock"]);
    solo.messages(ours);
    solo.node.stop(solo.now);
    let bodies = |messages: Vec<zre_proto::Message>| messages.into_iter().map(|one| one.body).collect::<Vec<_>>();
    assert_eq!(bodies(solo.messages(ours)), [Body::Goodbye]);
    assert_eq!(bodies(solo.messages(stock.from_node)), [], "it may not know what that is");
}

#[test]
fn who_says_goodbye_is_gone_and_told_of_no_more() {
    let mut solo = hub();
    let (teller, other) = (client(&mut solo), client_of_ours(&mut solo));
    solo.feed_gossip(teller, &tuple(7, "tcp://10.0.0.2:7000"));
    let ours = solo.connects()[0].0;
    solo.connected(ours);
    solo.feed(ours, &router_opening());
    let mut stock = Stock::calls(&mut solo, 7, "10.0.0.2");
    solo.gossip(other);
    stock.say(&mut solo, Body::Goodbye, &[]);
    assert_eq!(solo.told(), ["ENTER 7", "EXIT 7 left"]);
    assert_eq!(solo.gossip(other), [tuple_for(7, "tcp://10.0.0.2:7000", 1)]);
    solo.pass(secs(60));
    assert_eq!(solo.connects(), []);
    assert!(!solo.events().iter().any(|event| matches!(event, Event::Enter { .. })));
}

#[test]
fn who_makes_up_tuples_takes_no_place_for_good_and_nobody_elses() {
    let mut solo = hub_for(20);
    let (good, evil) = (client(&mut solo), client(&mut solo));
    for number in 0..10 {
        solo.feed_gossip(good, &tuple(number, &place(number)));
    }
    for number in 100..200 {
        solo.feed_gossip(evil, &tuple_for(number, &place(1), u32::MAX));
    }
    let told = |solo: &mut Solo| {
        let newcomer = client_of_ours(solo);
        solo.feed_gossip(newcomer, &tuple(900, &place(9)));
        let known = stranger(solo);
        solo.feed_gossip(known, &Gossip::Hello);
        solo.gossip(known)
            .iter()
            .filter(|message| (0..10).any(|number| **message == tuple(number, &place(number))))
            .count()
    };
    assert_eq!(told(&mut solo), 10, "those that somebody vouches for");
    solo.broken(evil, IoCause::Finished);
    solo.pass(secs(301));
    assert!(solo.node.statistics().tuples <= 11, "{}", solo.node.statistics().tuples);
}

#[test]
fn a_table_of_long_values_does_not_cut_off_who_says_hello() {
    let mut solo = hub();
    let teller = client(&mut solo);
    let long = |number: u128| format!("tcp://{}:7000|{}", "h".repeat(240), "k".repeat(40 + number as usize % 2));
    for number in 0..4096 {
        solo.feed_gossip(teller, &tuple(number, &long(number)));
        solo.output(teller);
    }
    assert_eq!(solo.node.statistics().tuples, 4096);
    let honest = stranger(&mut solo);
    solo.feed_gossip(honest, &Gossip::Hello);
    solo.pass(millis(1));
    assert_eq!(solo.closed(honest), None);
    assert_eq!(solo.gossip(honest).len(), 4097);
    let evil = client(&mut solo);
    solo.feed_gossip(evil, &tuple(1, &format!("{}|{}", place(1), "k".repeat(900))));
    assert_eq!(solo.closed(evil), Some(CloseReason::Violation(Violation::Gossip("too long a value"))));
}

#[test]
fn who_is_told_to_be_elsewhere_than_it_is_says_so() {
    let mut solo = hub();
    let evil = client(&mut solo);
    let key = solo.node.uuid().to_string();
    let lie = Gossip::Publish(Tuple { key: key.as_str().into(), value: place(6).as_str().into(), ttl: 0 });
    solo.feed_gossip(evil, &lie);
    solo.feed_gossip(evil, &lie);
    assert_eq!(solo.gossip(evil), [own(&solo)]);
}
