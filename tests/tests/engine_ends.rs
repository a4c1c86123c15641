//! The end of relations: nothing that came is lost, nothing that was accepted vanishes unseen, nobody storms.

use std::time::Duration;
use uuid::Uuid;
use zre_engine::{Config, Event, IoCause, SendError};
use zre_proto::{Message, message::Body};
use zre_tests::{
    solo::{Solo, Stock, dealer_opening, message, router_opening},
    world::World,
};

const BOB: u128 = 0xB0B;

fn throttled() -> (Solo, Stock) {
    let mut config = Config::default();
    config.limits.events = 1000;
    let mut solo = Solo::new(config);
    let mut stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.told();
    for number in 0..10 {
        stock.say(&mut solo, Body::Whisper, &[number.to_string().as_bytes(), &[7; 300]]);
    }
    assert!(!solo.reads(stock.to_node));
    (solo, stock)
}

fn whispers(solo: &mut Solo) -> (usize, Vec<String>) {
    let mut told = Vec::new();
    loop {
        let more = solo.told();
        if more.is_empty() {
            break;
        }
        told.extend(more);
    }
    let whispers = told.iter().filter(|told| told.starts_with("WHISPER")).count();
    (whispers, told)
}

#[test]
fn a_whisper_before_our_handshake_is_not_lost_with_a_broken_attempt() {
    let mut solo = Solo::default();
    let to_node = solo.accept("10.0.0.2:40001");
    let mut stock = Stock { uuid: Uuid::from_u128(BOB), host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
    stock.opening(&mut solo, to_node);
    let hello = stock.hello("stock", &[]);
    stock.say(&mut solo, hello, &[]);
    let (first, _) = solo.connects()[0];
    solo.connected(first);
    solo.node.whisper(solo.now, stock.id(), "early").unwrap();
    solo.broken(first, IoCause::Reset);
    solo.pass(Duration::from_millis(200));
    let (second, _) = solo.connects()[0];
    solo.connected(second);
    solo.feed(second, &router_opening());
    let names: Vec<_> = solo.messages(second).iter().map(|message| message.body.name()).collect();
    assert_eq!(names, ["HELLO", "WHISPER"]);
    assert_eq!(solo.told(), ["ENTER stock"]);
}

#[test]
fn what_came_before_the_end_is_told_before_exit_even_if_the_application_was_late() {
    for ends_by_beacon in [false, true] {
        let (mut solo, stock) = throttled();
        if ends_by_beacon {
            solo.datagram("10.0.0.2:5670", &stock.beacon(0));
            solo.pass(Duration::from_millis(300));
        }
        solo.broken(stock.to_node, IoCause::Finished);
        solo.broken(stock.from_node, IoCause::Finished);
        solo.pass(Duration::from_secs(2));
        let (count, told) = whispers(&mut solo);
        assert_eq!(count, 10, "{told:?}");
        let reason = if ends_by_beacon { "left" } else { "lost" };
        assert_eq!(told.last(), Some(&format!("EXIT stock {reason}")));
    }
}

#[test]
fn our_own_connection_breaks_first_and_what_is_under_way_is_still_read() {
    let mut solo = Solo::default();
    let mut stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.told();
    solo.broken(stock.from_node, IoCause::Finished);
    assert_eq!(solo.told(), [""; 0]);
    solo.pass(Duration::from_millis(200));
    stock.say(&mut solo, Body::Whisper, &[b"under way"]);
    solo.pass(Duration::from_millis(200));
    solo.broken(stock.to_node, IoCause::Finished);
    assert_eq!(solo.told(), [r#"WHISPER stock [b"under way"]"#, "EXIT stock lost"]);
}

#[test]
fn nothing_more_is_taken_for_a_peer_whose_end_the_application_has_not_heard_of() {
    // Or an application that only whispers would wait for ever for room in a queue that nobody empties.
    let (mut solo, stock) = throttled();
    solo.broken(stock.from_node, IoCause::Reset);
    let (now, bob) = (solo.now, stock.id());
    assert_eq!(solo.node.whisper(now, bob, "in vain"), Err(SendError::UnknownPeer(bob)));
    assert_eq!(solo.node.shout(now, "chat", "in vain"), Ok(0));
    let (count, told) = whispers(&mut solo);
    assert_eq!(count, 10, "{told:?}");
    solo.pass(Duration::from_millis(300));
    assert_eq!(solo.told(), ["EXIT stock lost"]);
}

#[test]
fn only_our_own_connection_breaks_and_the_relation_ends_soon_all_the_same() {
    let mut solo = Solo::default();
    let stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.told();
    solo.broken(stock.from_node, IoCause::Reset);
    solo.pass(Duration::from_millis(300));
    assert_eq!(solo.told(), ["EXIT stock lost"]);
}

#[test]
fn a_gap_on_a_resumed_connection_is_fatal_as_anywhere() {
    let mut solo = Solo::default();
    let mut stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.told();
    solo.broken(stock.to_node, IoCause::Reset);
    stock.sequence += 1;
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.say(&mut solo, Body::Whisper, &[b"after the gap"]);
    assert_eq!(solo.told(), ["EXIT stock lost"]);
}

#[test]
fn nothing_follows_stop() {
    let mut solo = Solo::default();
    let mut stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.pass(Duration::from_secs(11));
    stock.say(&mut solo, Body::PingOk, &[]);
    solo.told();
    solo.node.whisper(solo.now, stock.id(), "owed").unwrap();
    solo.node.stop(solo.now);
    stock.sequence = 1;
    let hello = stock.hello("again", &["chat"]);
    stock.say(&mut solo, hello, &[]);
    solo.pass(Duration::from_secs(5));
    assert_eq!(solo.told(), ["EXIT stock restarted", "STOP"]);
    assert_eq!(solo.node.statistics().peers, 0);
}

#[test]
fn a_claim_made_before_the_peer_came_takes_nothing_over() {
    let mut solo = Solo::default();
    let early = solo.accept("10.0.0.66:1");
    solo.feed(early, &dealer_opening(Uuid::from_u128(BOB)));
    let stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER stock"]);
    assert!(solo.closed(early).is_some());
    assert_eq!(solo.node.peer(stock.id()).unwrap().endpoint().to_string(), "tcp://10.0.0.2:7000");
}

#[test]
fn a_strangers_hello_that_we_do_not_read_yet_is_not_thrown_away() {
    let (mut solo, _) = throttled();
    let carol = 0xCA201;
    let conn = solo.accept("10.0.0.3:40001");
    let mut stock =
        Stock { uuid: Uuid::from_u128(carol), host: "10.0.0.3", sequence: 1, to_node: conn, from_node: conn };
    let beacon = stock.beacon(7000);
    solo.datagram("10.0.0.3:5670", &beacon);
    let (ours, _) = solo.connects()[0];
    solo.connected(ours);
    solo.feed(ours, &router_opening());
    stock.opening(&mut solo, conn);
    let hello = stock.hello("carol", &[]);
    stock.say(&mut solo, hello, &[]);
    solo.pass(Duration::from_secs(25));
    assert!(solo.closed(conn).is_none() && solo.closed(ours).is_none());
    let (_, told) = whispers(&mut solo);
    assert!(told.contains(&"ENTER carol".to_owned()), "{told:?}");
}

#[test]
fn silence_after_back_pressure_starts_from_the_beginning() {
    let mut config = Config::default();
    config.limits.events = 1000;
    let mut solo = Solo::new(config);
    let mut stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.told();
    solo.pass(Duration::from_millis(7000));
    assert_eq!(solo.told(), ["EVASIVE stock"]);
    while solo.reads(stock.to_node) {
        stock.say(&mut solo, Body::Whisper, &[&[7; 300]]);
    }
    whispers(&mut solo);
    stock.say(&mut solo, Body::PingOk, &[]);
    // Longer than from EVASIVE to SILENT; and whenever the PING comes (after 4.5 s at the earliest), within a second of it.
    solo.pass(Duration::from_millis(5400));
    stock.say(&mut solo, Body::PingOk, &[]);
    solo.pass(Duration::from_millis(500));
    assert_eq!(solo.told(), [""; 0], "a healthy peer is neither EVASIVE nor SILENT");
}

#[test]
fn what_was_queued_is_counted_whoever_ends_it() {
    let mut solo = Solo::default();
    let stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.told();
    for _ in 0..5 {
        solo.node.whisper(solo.now, stock.id(), "x").unwrap();
    }
    // A message on the connection that is ours to send on.
    solo.feed(stock.from_node, b"\x00\x01x");
    let events = solo.events();
    assert!(matches!(&events[..], [Event::Exit { unsent: 5, .. }]), "{events:?}");
}

#[test]
fn durations_without_end_are_no_trouble() {
    let mut config = Config::default();
    config.expired = Duration::MAX;
    config.evasive = Duration::MAX;
    config.silent = Duration::MAX;
    config.heartbeat = Some(Duration::MAX);
    let mut solo = Solo::new(config);
    Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.pass(Duration::from_secs(100_000));
    assert_eq!(solo.told(), ["ENTER stock"]);
}

#[test]
fn a_ping_is_answered_behind_a_message_larger_than_the_queue() {
    let mut config = Config::default();
    config.limits.send_queue = 1000;
    let mut solo = Solo::new(config);
    let mut stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    solo.node.whisper(solo.now, stock.id(), vec![7; 10 << 20]).unwrap();
    stock.say(&mut solo, Body::Ping, &[]);
    assert_eq!(solo.node.join(solo.now, "chat"), Ok(true));
    let names: Vec<_> = solo.messages(stock.from_node).iter().map(|message| message.body.name()).collect();
    assert_eq!(names, ["WHISPER", "PING-OK", "JOIN"]);
}

#[test]
fn a_large_hello_counts_for_what_it_holds() {
    let mut solo = Solo::default();
    let to_node = solo.accept("10.0.0.2:40001");
    let mut stock = Stock { uuid: Uuid::from_u128(BOB), host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
    stock.opening(&mut solo, to_node);
    let Body::Hello(mut hello) = stock.hello("stock", &[]) else { unreachable!() };
    hello.headers = (0..7).map(|number| (format!("{number}").into(), "v".repeat(8000).into())).collect();
    for _ in 0..2000 {
        stock.sequence = 1;
        stock.say(&mut solo, Body::Hello(hello.clone()), &[]);
        if !solo.reads(to_node) {
            break;
        }
    }
    let waiting = solo.node.statistics().events_waiting;
    assert!(!solo.reads(to_node) && waiting < 17 << 20, "{waiting}");
}

#[test]
fn a_peer_that_refuses_us_again_and_again_is_not_stormed() {
    let mut world = World::new();
    let mut small = Config::default();
    small.name = Some("small".into());
    small.limits.peers = 1;
    world.add_with(small);
    world.add("first");
    world.run_for(Duration::from_secs(2));
    world.add("second");
    let before = world.connects;
    world.run_for(Duration::from_secs(60));
    let connects = world.connects - before;
    assert!(connects <= 60 * 5 + 10, "{connects} attempts in a minute");
}

#[test]
fn who_hangs_up_and_is_not_there_when_we_call_is_gone() {
    // It has ended before we reached it.
    let mut solo = Solo::default();
    let stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (attempt, _) = solo.connects()[0];
    solo.broken(stock.to_node, IoCause::Finished);
    solo.broken(attempt, IoCause::Refused);
    solo.pass(Duration::from_millis(240));
    assert_eq!(solo.told(), ["ENTER b0b"], "it may come back");
    solo.pass(Duration::from_millis(20));
    assert_eq!(solo.told(), ["EXIT b0b lost"]);
}

#[test]
fn who_comes_back_in_the_meantime_goes_on() {
    let mut solo = Solo::default();
    let mut stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (attempt, _) = solo.connects()[0];
    solo.broken(stock.to_node, IoCause::Reset);
    solo.broken(attempt, IoCause::Refused);
    solo.pass(Duration::from_millis(199));
    // As libzmq does: it says no HELLO.
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.say(&mut solo, Body::Whisper, &[b"here again"]);
    let (attempt, _) = solo.connects()[0];
    solo.connected(attempt);
    solo.feed(attempt, &router_opening());
    solo.pass(Duration::from_secs(4));
    assert_eq!(solo.told(), ["ENTER b0b", r#"WHISPER b0b [b"here again"]"#]);
}

#[test]
fn who_is_about_to_come_back_has_its_time_for_that() {
    for comes in [true, false] {
        let mut solo = Solo::default();
        let mut stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
        let (attempt, _) = solo.connects()[0];
        solo.broken(stock.to_node, IoCause::Reset);
        solo.broken(attempt, IoCause::Refused);
        solo.pass(Duration::from_millis(200));
        stock.to_node = solo.accept("10.0.0.2:40002");
        solo.pass(Duration::from_millis(200));
        assert_eq!(solo.told(), ["ENTER b0b"]);
        if comes {
            stock.opening(&mut solo, stock.to_node);
            stock.say(&mut solo, Body::Whisper, &[b"here again"]);
            solo.pass(Duration::from_secs(4));
            assert_eq!(solo.told(), [r#"WHISPER b0b [b"here again"]"#]);
        } else {
            solo.broken(stock.to_node, IoCause::Reset);
            solo.pass(Duration::from_millis(200));
            assert_eq!(solo.told(), ["EXIT b0b lost"]);
        }
    }
}

#[test]
fn callers_without_end_do_not_keep_who_is_gone() {
    let mut solo = Solo::default();
    let stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (attempt, _) = solo.connects()[0];
    solo.broken(stock.to_node, IoCause::Reset);
    solo.broken(attempt, IoCause::Refused);
    for port in 0..51 {
        let caller = solo.accept(&format!("10.0.0.2:{}", 40_002 + port));
        solo.pass(Duration::from_millis(100));
        if port < 49 {
            assert!(solo.told().iter().all(|told| told == "ENTER b0b"));
        }
        solo.broken(caller, IoCause::Reset);
    }
    assert_eq!(solo.told(), ["EXIT b0b lost"]);
}

#[test]
fn a_beacon_says_that_who_has_hung_up_is_there_after_all() {
    // Before the next call, or while it is under way.
    for (port, after) in [(7000, 90), (7001, 90), (7000, 150)] {
        let mut solo = Solo::default();
        let stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
        let (attempt, _) = solo.connects()[0];
        solo.broken(stock.to_node, IoCause::Reset);
        solo.broken(attempt, IoCause::Refused);
        solo.pass(Duration::from_millis(after));
        solo.datagram("10.0.0.2:5670", &stock.beacon(port));
        solo.pass(Duration::from_millis(300));
        assert_eq!(solo.connects()[0].1.to_string(), format!("tcp://10.0.0.2:{port}"));
        assert_eq!(solo.told(), ["ENTER b0b"]);
        solo.pass(Duration::from_secs(5));
        assert_eq!(solo.told(), ["EXIT b0b lost"]);
    }
}

#[test]
fn who_is_there_at_the_next_call_has_its_time_to_come_back() {
    let mut solo = Solo::default();
    let stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (attempt, _) = solo.connects()[0];
    solo.broken(stock.to_node, IoCause::Reset);
    solo.broken(attempt, IoCause::Refused);
    solo.pass(Duration::from_millis(110));
    let (attempt, _) = solo.connects()[0];
    solo.connected(attempt);
    solo.pass(Duration::from_secs(4));
    assert_eq!(solo.told(), ["ENTER b0b"]);
}

#[test]
fn who_was_not_there_when_we_called_is_called_again_when_it_hangs_up() {
    let mut solo = Solo::default();
    let stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let mut attempt = solo.connects()[0].0;
    for wait in [150, 300, 600, 1200, 2400] {
        solo.broken(attempt, IoCause::Refused);
        solo.pass(Duration::from_millis(wait));
        attempt = solo.connects()[0].0;
    }
    solo.broken(attempt, IoCause::Refused);
    assert_eq!(solo.told(), ["ENTER b0b"], "it talks, and may be there soon");
    solo.broken(stock.to_node, IoCause::Finished);
    assert_eq!(solo.connects(), []);
    solo.pass(Duration::from_millis(100));
    attempt = solo.connects()[0].0;
    solo.broken(attempt, IoCause::Refused);
    solo.pass(Duration::from_millis(160));
    assert_eq!(solo.told(), ["EXIT b0b lost"]);
}

#[test]
fn who_hangs_up_where_nothing_answers_may_come_back() {
    let mut solo = Solo::default();
    let stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (attempt, _) = solo.connects()[0];
    solo.broken(stock.to_node, IoCause::Reset);
    solo.broken(attempt, IoCause::Unreachable);
    solo.pass(Duration::from_millis(4900));
    assert_eq!(solo.told(), ["ENTER b0b"]);
    solo.pass(Duration::from_millis(200));
    assert_eq!(solo.told(), ["EXIT b0b lost"]);
}

#[test]
fn a_rival_of_who_hangs_up_gets_no_place_sooner() {
    let mut solo = Solo::default();
    let stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (attempt, _) = solo.connects()[0];
    let rival = solo.accept("10.0.0.66:40001");
    stock.opening(&mut solo, rival);
    solo.broken(stock.to_node, IoCause::Finished);
    solo.broken(attempt, IoCause::Refused);
    let said = message(&Message { sequence: 2, body: Body::Whisper }, &[b"it is me"]);
    solo.feed(rival, &said);
    solo.pass(Duration::from_millis(1900));
    assert_eq!(solo.told(), ["ENTER b0b", "IDENTITY-CONFLICT"]);
    // Without it, the peer's time is over.
    solo.broken(rival, IoCause::Reset);
    solo.pass(Duration::from_millis(10));
    assert_eq!(solo.told(), ["EXIT b0b lost"]);
}

#[test]
fn who_breaks_again_and_again_is_not_called_each_time() {
    let mut solo = Solo::default();
    let mut stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let mut attempts = Vec::new();
    for _ in 0..160 {
        solo.broken(stock.to_node, IoCause::Reset);
        solo.pass(Duration::from_millis(50));
        stock.to_node = solo.accept("10.0.0.2:40002");
        stock.opening(&mut solo, stock.to_node);
        for (attempt, _) in solo.connects() {
            solo.broken(attempt, IoCause::Unreachable);
            attempts.push(attempt);
        }
    }
    assert!((4..=16).contains(&attempts.len()), "{} attempts in eight seconds", attempts.len());
}

#[test]
fn what_is_unread_of_who_hangs_up_comes_before_its_end() {
    let mut config = Config::default();
    config.limits.events = 1000;
    let mut solo = Solo::new(config);
    let mut stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (attempt, _) = solo.connects()[0];
    assert_eq!(solo.told(), ["ENTER b0b"]);
    for number in 0..10 {
        stock.say(&mut solo, Body::Whisper, &[number.to_string().as_bytes(), &[7; 300]]);
    }
    assert!(!solo.reads(stock.to_node));
    solo.broken(stock.to_node, IoCause::Finished);
    solo.broken(attempt, IoCause::Refused);
    solo.pass(Duration::from_millis(500));
    let (count, told) = whispers(&mut solo);
    assert_eq!((count, told.len()), (10, 10), "{told:?}");
    for (attempt, _) in solo.connects() {
        solo.broken(attempt, IoCause::Refused);
    }
    solo.pass(Duration::from_millis(300));
    assert_eq!(solo.told(), ["EXIT b0b lost"]);
}
