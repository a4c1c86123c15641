//! One node on an open network: what strangers, callers and newcomers can cost it, and that honest ones get in.

use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;
use zre_engine::{AcceptError, CloseReason, Config, IoCause, Limits};
use zre_proto::{Beacon, message::Body};
use zre_tests::solo::{Solo, Stock, dealer_opening, router_opening};

const BOB: u128 = 0xB0B;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn with(change: impl FnOnce(&mut Limits)) -> Solo {
    let mut config = Config::default();
    change(&mut config.limits);
    Solo::new(config)
}

fn beacon(id: u128, port: u16) -> Vec<u8> {
    Beacon { uuid: Uuid::from_u128(id), port, public_key: None }.encode().to_vec()
}

/// A beacon of node `id` at an address and port of its own, 250 to an address.
fn beacon_of(solo: &mut Solo, host: u128, id: u128) {
    let (at, port) = (host + id / 250, 20_000 + (id % 250) as u16);
    solo.datagram(&format!("10.1.{}.{}:5670", at / 250, at % 250 + 1), &beacon(id, port));
}

#[test]
fn strangers_have_128_places_and_32_for_one_address() {
    let mut solo = Solo::default();
    for port in 1..=100 {
        solo.datagram("10.0.0.2:5670", &beacon(port.into(), port));
    }
    assert_eq!((solo.connects().len(), solo.node.statistics().strangers), (32, 32));
    for id in 0..10_000 {
        beacon_of(&mut solo, id, id);
    }
    assert_eq!((solo.connects().len(), solo.node.statistics().strangers), (96, 128));
    // Of an address of our own host there may be more.
    let mut solo = Solo::default();
    for port in 1..=1000 {
        solo.datagram("10.0.0.1:5670", &beacon(port.into(), port));
    }
    assert_eq!(solo.connects().len(), 128);
    // Nobody who does not say HELLO stays longer than ten seconds.
    solo.pass(secs(11));
    let statistics = solo.node.statistics();
    assert_eq!((statistics.strangers, statistics.connections, solo.events().len()), (0, 0, 0));
}

#[test]
fn an_attempt_has_the_time_of_a_handshake_before_a_beacon_begins_it_anew() {
    let mut solo = Solo::default();
    let hear = |solo: &mut Solo| {
        solo.datagram("10.0.0.2:5670", &beacon(BOB, 7000));
        solo.connects()
    };
    let [(first, _)] = hear(&mut solo)[..] else { panic!("one attempt") };
    // A node that is slow, with hundreds of others on its machine, comes to the end of it some time.
    for second in 1..=5 {
        solo.pass(secs(1));
        assert_eq!(hear(&mut solo), [], "after {second} s");
    }
    solo.pass(millis(1));
    solo.datagram("10.0.0.2:5670", &beacon(BOB, 7000));
    assert_eq!(solo.closed(first), Some(CloseReason::Abandoned));
    assert_eq!(solo.connects().len(), 1);
    // But where it is somewhere else by now, a second is enough.
    for (wait, port) in [(1000, None), (1, Some(7001))] {
        solo.pass(millis(wait));
        solo.datagram("10.0.0.2:5670", &beacon(BOB, 7001));
        assert_eq!(solo.connects().first().and_then(|(_, to)| to.port()), port);
    }
}

#[test]
fn a_connection_that_fails_frees_its_place_and_delays_its_address_and_port() {
    let mut solo = Solo::default();
    let mut attempts = Vec::new();
    // A beacon every 10 ms for a minute, each with a UUID of its own.
    for tick in 0..6000u64 {
        solo.datagram("10.0.0.2:5670", &beacon(u128::from(tick), 7000));
        for (conn, _) in solo.connects() {
            attempts.push(tick * 10);
            solo.broken(conn, IoCause::Refused);
            assert_eq!(solo.node.statistics().strangers, 0);
        }
        solo.pass(millis(10));
    }
    println!("attempts after {attempts:?} ms");
    assert!((8..=11).contains(&attempts.len()), "100 ms, and each time twice as long: {attempts:?}");
    // Another port is not delayed, and whoever comes by himself is welcome.
    solo.datagram("10.0.0.2:5670", &beacon(1, 7001));
    assert_eq!(solo.connects().len(), 1);
    Stock::calls(&mut solo, BOB, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER b0b"]);
    assert_eq!(solo.connects().len(), 1);
}

#[test]
fn a_peer_that_we_fail_to_reach_is_tried_ten_times_a_second_at_most_however_many_beacons_come() {
    let mut solo = Solo::default();
    let bob = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let mut attempts = 0;
    for _ in 0..500 {
        for (conn, _) in solo.connects() {
            attempts += 1;
            solo.broken(conn, IoCause::Refused);
        }
        solo.datagram("10.0.0.2:5670", &bob.beacon(7000));
        solo.pass(millis(10));
    }
    assert!((45..=51).contains(&attempts), "{attempts} in 5 s");
}

#[test]
fn new_peers_come_1024_at_once_and_200_a_second_and_none_is_lost() {
    let mut solo = with(|limits| {
        limits.peers = 10_000;
        limits.spare_connections = 100_000;
    });
    let mut callers = Vec::new();
    for id in 0..1500u128 {
        let host: &'static str = Box::leak(format!("10.1.{}.{}", id / 250, id % 250 + 1).into_boxed_str());
        callers.push(Stock::calls(&mut solo, id + 1, host));
    }
    let entered = |told: &[String]| told.iter().filter(|told| told.starts_with("ENTER")).count();
    assert_eq!(entered(&solo.told()), 1024);
    assert!(!solo.reads(callers[1200].to_node), "it waits, and so does what it says");
    callers[1200].say(&mut solo, Body::Whisper, &[b"after HELLO"]);
    solo.pass(secs(1));
    let first = solo.told();
    assert!((195..=205).contains(&entered(&first)), "{} in the first second", entered(&first));
    assert!(first.contains(&r#"WHISPER 4b1 [b"after HELLO"]"#.to_owned()) && solo.reads(callers[1200].to_node));
    solo.pass(millis(1500));
    assert_eq!(entered(&solo.told()), 1500 - 1024 - entered(&first));
}

#[test]
fn who_finds_no_place_waits_for_one() {
    let mut solo = with(|limits| limits.peers = 1);
    let mut first = Stock::calls(&mut solo, 1, "10.0.0.2");
    let mut second = Stock::calls(&mut solo, 2, "10.0.0.3");
    let third = Stock::calls(&mut solo, 3, "10.0.0.4");
    assert_eq!(solo.told(), ["ENTER 1"]);
    solo.broken(third.to_node, IoCause::Finished);
    solo.pass(secs(3));
    first.say(&mut solo, Body::Goodbye, &[]);
    solo.pass(millis(1));
    assert_eq!(solo.told(), ["EXIT 1 left", "ENTER 2"]);
    let (conn, _) = solo.connects().pop().expect("it is met");
    solo.connected(conn);
    solo.feed(conn, &router_opening());
    let fourth = Stock::calls(&mut solo, 4, "10.0.0.5");
    for _ in 0..60 {
        // The one that is there stays, and talks; the other waits for as long as that takes.
        solo.pass(secs(1));
        second.say(&mut solo, Body::PingOk, &[]);
        // Its place is not for connections that say nothing.
        for port in 41_000..41_040 {
            let _ = solo.try_accept(&format!("10.0.0.5:{port}"));
        }
    }
    assert_eq!((solo.closed(second.to_node), solo.closed(fourth.to_node)), (None, None));
    second.say(&mut solo, Body::Goodbye, &[]);
    solo.pass(millis(1));
    assert_eq!(solo.told(), ["EXIT 2 left", "ENTER 4"]);
}

#[test]
fn at_the_door_hosts_take_turns_and_the_largest_crowd_gives_way() {
    // One host says HELLO and leaves as fast as it is let in, with 31 connections at a time.
    let mut solo = Solo::default();
    let mut next = 10_000;
    let mut crowd: Vec<Stock> = Vec::new();
    let mut came = None;
    for tick in 0..20_000 {
        let told = solo.told();
        if told.contains(&"ENTER b0b".to_owned()) {
            came = Some(tick);
            break;
        }
        crowd.retain_mut(|one| {
            let is_in = told.contains(&format!("ENTER {:x}", one.uuid.as_u128()));
            if is_in {
                one.say(&mut solo, Body::Goodbye, &[]);
            }
            !is_in
        });
        while crowd.len() < 31 {
            next += 1;
            crowd.push(Stock::calls(&mut solo, next, "10.0.0.66"));
        }
        if tick == 5000 {
            Stock::calls(&mut solo, BOB, "10.0.0.2");
        }
        solo.pass(millis(1));
    }
    assert!(next > 11_500, "there was a crowd");
    assert!(came.is_some_and(|tick| tick < 5050), "{came:?} ms");
    // In a full house the door holds only so many.
    let mut solo = with(|limits| (limits.peers, limits.spare_connections) = (1, 4));
    Stock::calls(&mut solo, 1, "10.0.0.2");
    let bob = Stock::calls(&mut solo, BOB, "10.0.0.3");
    let crowd: Vec<_> = (10..14).map(|id| Stock::calls(&mut solo, id, "10.0.0.66")).collect();
    assert_eq!(solo.closed(crowd[3].to_node), Some(CloseReason::GaveWay));
    assert_eq!((solo.closed(bob.to_node), solo.closed(crowd[0].to_node)), (None, None));
}

#[test]
fn one_host_does_not_take_all_places_for_peers() {
    let mut solo = with(|limits| (limits.peers, limits.peers_of_host) = (20, 10));
    for id in 0..15 {
        Stock::calls(&mut solo, 100 + id, "10.0.0.66");
    }
    for id in 0..12u16 {
        Stock::calls(&mut solo, 200 + u128::from(id), ["10.0.0.2", "10.0.0.3"][usize::from(id) % 2]);
        solo.pass(millis(1));
    }
    assert_eq!(solo.node.peers().count(), 20);
    let made_up = solo.told().iter().filter(|told| told.starts_with("ENTER 6") || told.starts_with("ENTER 7")).count();
    assert_eq!(made_up, 10, "100 is 64 in hex digits");
    let rejected = |solo: &Solo| solo.node.statistics().beacons_rejected.get("too many peers of one host").copied();
    let mut solo = with(|limits| limits.peers_of_host = 1);
    Stock::calls(&mut solo, 1, "10.0.0.66");
    solo.datagram("10.0.0.66:5670", &beacon(2, 7001));
    assert_eq!(rejected(&solo), Some(1));
}

#[test]
fn a_peer_that_goes_three_times_in_a_minute_is_taken_back_more_slowly_each_time() {
    let mut solo = Solo::default();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let mut bob = Stock::calls(&mut solo, BOB, "10.0.0.2");
        bob.say(&mut solo, Body::Whisper, &[b"hello"]);
        let begin = solo.now;
        let mut told = solo.told();
        if told.is_empty() {
            assert!(!solo.reads(bob.to_node), "it is left unread");
            assert_eq!(solo.connects(), [], "and ours is not opened");
            solo.datagram("10.0.0.2:5670", &bob.beacon(7000));
            assert_eq!(solo.connects(), [], "not for a beacon either");
        }
        while told.len() < 2 {
            solo.pass(millis(10));
            told.extend(solo.told());
        }
        assert_eq!(told, ["ENTER b0b", r#"WHISPER b0b [b"hello"]"#], "nothing is lost");
        waits.push(solo.now.since(begin).as_secs());
        bob.say(&mut solo, Body::Goodbye, &[]);
        assert_eq!(solo.told(), ["EXIT b0b left"]);
        solo.actions();
    }
    assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16]);
    // Others need not wait for it.
    Stock::calls(&mut solo, 1, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER 1"]);
}

#[test]
fn hello_after_hello_is_no_storm() {
    // On one connection for as long as that stands, and then on another.
    let mut solo = Solo::default();
    let mut bob = Stock::calls(&mut solo, BOB, "10.0.0.2");
    for _ in 0..1000 {
        if solo.closed(bob.to_node).is_some() {
            bob.to_node = solo.accept("10.0.0.2:40001");
            bob.opening(&mut solo, bob.to_node);
        }
        bob.sequence = 1;
        let hello = bob.hello("bob", &[]);
        bob.say(&mut solo, hello, &[]);
        solo.pass(millis(10));
    }
    let told = solo.told();
    let connects = solo.connects().len();
    assert!(told.len() <= 12 && connects <= 8, "{connects} connections, {told:?}");
}

#[test]
fn callers_have_32_places_for_one_address_and_256_for_our_own_host() {
    let mut solo = Solo::default();
    for port in 1..=32 {
        solo.accept(&format!("10.0.0.66:{port}"));
    }
    assert_eq!(solo.try_accept("10.0.0.66:33"), Err(AcceptError::TooManyOfHost));
    for port in 1..=256 {
        solo.accept(&format!("10.0.0.1:{port}"));
    }
    assert_eq!(solo.try_accept("10.0.0.1:257"), Err(AcceptError::TooManyOfHost));
    assert_eq!(solo.node.statistics().turned_away["too many connections of one host"], 2);
    // Peers that have entered do not count.
    for id in 1..=100 {
        Stock::calls(&mut solo, id, "10.0.0.3");
    }
    assert_eq!(solo.node.peers().count(), 100);
    // Who has said nothing for a second gives way.
    solo.pass(millis(1001));
    solo.accept("10.0.0.66:34");
    assert_eq!(solo.node.statistics().closed["gave way"], 1);
    solo.pass(secs(6));
    assert_eq!(solo.node.statistics().closed["handshake timeout"], 32 + 256 - 1 + 1);
}

#[test]
fn so_many_connections_in_all_and_those_of_peers_never_give_way() {
    let mut solo = with(|limits| {
        limits.peers = 10;
        limits.spare_connections = 5;
    });
    let mut bob = Stock::meets(&mut solo, BOB, "10.0.0.2");
    for host in 0..24 {
        solo.accept(&format!("10.2.0.{host}:1"));
    }
    assert_eq!(solo.try_accept("10.2.0.99:1"), Err(AcceptError::Full));
    for second in 0..20 {
        solo.pass(millis(1001));
        solo.accept(&format!("10.2.1.{second}:1"));
        bob.say(&mut solo, Body::PingOk, &[]);
    }
    assert!(solo.node.statistics().connections <= 26);
    bob.say(&mut solo, Body::Whisper, &[b"hi"]);
    assert_eq!(solo.told(), ["ENTER stock", r#"WHISPER stock [b"hi"]"#]);
}

#[test]
fn a_hundred_honest_nodes_at_one_address_are_no_attack() {
    // Behind one address of another host, all at once; each connects, and connects again if it is turned away.
    let mut solo = Solo::default();
    let mut out = BTreeMap::new();
    let mut waiting: Vec<u128> = (1..=100).collect();
    let mut entered = 0;
    let mut tenths = 0;
    while entered < 100 {
        if tenths % 10 == 0 {
            for id in 1..=100u16 {
                solo.datagram("10.0.0.2:5670", &beacon(id.into(), 7000 + id));
            }
        }
        for (conn, to) in solo.connects() {
            solo.connected(conn);
            solo.feed(conn, &router_opening());
            out.insert(to.to_string(), conn);
        }
        // All at once, before any has said anything: as many as there are places for.
        let mut callers = Vec::new();
        for id in std::mem::take(&mut waiting) {
            match solo.try_accept(&format!("10.0.0.2:{}", 30_000 + id)) {
                Ok(conn) => callers.push((id, conn)),
                Err(error) => {
                    assert_eq!(error, AcceptError::TooManyOfHost);
                    waiting.push(id);
                }
            }
        }
        assert!(!callers.is_empty());
        for (id, to_node) in callers {
            let uuid = Uuid::from_u128(id);
            let mut stock = Stock { uuid, host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
            stock.opening(&mut solo, to_node);
            let Body::Hello(mut hello) = stock.hello("one of many", &[]) else { unreachable!("a HELLO") };
            hello.endpoint = format!("tcp://10.0.0.2:{}", 7000 + id).into();
            stock.say(&mut solo, Body::Hello(hello), &[]);
        }
        entered += solo.told().iter().filter(|told| *told == "ENTER one of many").count();
        solo.pass(millis(100));
        tenths += 1;
    }
    assert!(tenths <= 4, "after {tenths} tenths of a second");
    for (conn, _) in solo.connects() {
        solo.connected(conn);
        solo.feed(conn, &router_opening());
    }
    assert_eq!(solo.node.statistics().connections, 200, "two for each, and no other");
    assert_eq!(solo.node.statistics().closed, BTreeMap::new());
}

/// A flood of beacons with made-up UUIDs, and one honest node in it. How long that takes to get in by its beacon alone.
fn drowned(
    per_second: u64,
    flood: impl Fn(&mut Solo, u64),
    answer: impl Fn(&mut Solo, zre_engine::ConnId),
) -> Duration {
    let mut solo = Solo::default();
    let begin = solo.now;
    let mut number = 0;
    // The flood begins first; the honest one's beacons come at no special time.
    for tick in 0..20_000u64 {
        for _ in 0..per_second / 1000 {
            number += 1;
            flood(&mut solo, number);
        }
        if tick > 3000 && tick % 1000 == 777 {
            solo.datagram("10.0.0.2:5670", &beacon(BOB, 7000));
        }
        for (conn, to) in solo.connects() {
            if to.to_string() == "tcp://10.0.0.2:7000" {
                let statistics = solo.node.statistics();
                assert!(statistics.strangers <= 128 && statistics.connections <= 128);
                return solo.now.since(begin) - millis(3000);
            }
            answer(&mut solo, conn);
        }
        solo.pass(millis(1));
    }
    panic!("it never got in");
}

#[test]
fn an_honest_node_gets_in_while_forged_beacons_flood_the_network() {
    let refused = |solo: &mut Solo, conn| solo.broken(conn, IoCause::Refused);
    let tarpit = |solo: &mut Solo, conn| solo.connected(conn);
    let nowhere = |_: &mut Solo, _| {};
    let spread = |solo: &mut Solo, number: u64| {
        let (host, port) = (number * 7 % 250, number * 31 % 60_000 + 1);
        solo.datagram(&format!("10.3.0.{host}:5670"), &beacon((1 << 64) + u128::from(number), port as u16));
    };
    let own_host = |solo: &mut Solo, number: u64| {
        let port = (number * 31 % 49_000 + 1) as u16;
        solo.datagram("10.0.0.1:5670", &beacon((1 << 64) + u128::from(number), port));
    };
    for per_second in [1000, 3000, 10_000] {
        let times = [
            drowned(per_second, spread, refused),
            drowned(per_second, spread, tarpit),
            drowned(per_second, spread, nowhere),
            drowned(per_second, own_host, refused),
            drowned(per_second, own_host, tarpit),
        ];
        println!("{per_second} a second: {times:?}");
        assert!(times.iter().all(|time| *time <= secs(6)), "{per_second} a second: {times:?}");
    }
}

#[test]
fn hellos_get_in_while_beacons_flood_the_network() {
    let mut solo = Solo::default();
    for number in 0..50_000u64 {
        let port = (number * 31 % 49_000 + 1) as u16;
        solo.datagram("10.0.0.66:5670", &beacon((1 << 64) + u128::from(number), port));
        for (conn, _) in solo.connects() {
            solo.broken(conn, IoCause::Refused);
        }
        if number % 500 == 0 {
            solo.pass(millis(100));
        }
        if number == 30_000 {
            Stock::calls(&mut solo, BOB, "10.0.0.2");
            assert_eq!(solo.told(), ["ENTER b0b"], "at once");
        }
    }
}

#[test]
fn a_live_relation_does_not_notice_a_flood_of_callers() {
    let mut solo = Solo::default();
    let mut bob = Stock::meets(&mut solo, BOB, "10.0.0.2");
    for number in 0..5000u32 {
        let from = format!("10.4.{}.{}:{}", number % 7, number % 200 + 1, number + 1);
        if let Ok(conn) = solo.try_accept(&from) {
            match number % 4 {
                0 => {}
                1 => solo.feed(conn, &[0xFF]),
                2 => solo.feed(conn, &dealer_opening(Uuid::from_u128(number.into()))),
                _ => solo.broken(conn, IoCause::Reset),
            }
        }
        if number % 10 == 0 {
            bob.say(&mut solo, Body::Whisper, &[b"on"]);
            solo.pass(millis(10));
        }
    }
    let told = solo.told();
    assert_eq!(told.iter().filter(|told| *told == r#"WHISPER stock [b"on"]"#).count(), 500);
    assert!(!told.iter().any(|told| told.starts_with("EXIT")));
    assert!(solo.node.statistics().connections <= 2 * 1024 + 128 + 1);
    solo.pass(secs(12));
    assert_eq!(solo.node.statistics().connections, 2);
    assert!(solo.closed(bob.to_node).is_none_or(|why| why != CloseReason::GaveWay));
}

#[test]
fn what_lies_unread_at_our_wish_does_not_give_way() {
    let cramped = || with(|limits| limits.events = 1 << 16);
    let fill = |solo: &mut Solo, loud: &mut Stock| {
        while solo.reads(loud.to_node) {
            loud.say(solo, Body::Whisper, &[&[7; 4000]]);
        }
    };
    // HELLOs of honest nodes at one address, while the application does not keep up.
    let mut solo = cramped();
    let mut loud = Stock::meets(&mut solo, 1, "10.0.0.9");
    fill(&mut solo, &mut loud);
    let first = Stock::calls(&mut solo, 1000, "10.0.0.2");
    for id in 1..32 {
        Stock::calls(&mut solo, 1000 + id, "10.0.0.2");
    }
    solo.pass(millis(1500));
    assert_eq!(solo.try_accept("10.0.0.2:50000"), Err(AcceptError::TooManyOfHost), "it comes again");
    assert_eq!(solo.closed(first.to_node), None);
    solo.events();
    assert_eq!(solo.told().iter().filter(|told| told.starts_with("ENTER")).count(), 32);

    // The newer connection of a peer, while the older one is still to be read.
    let mut solo = cramped();
    let mut bob = Stock::meets(&mut solo, BOB, "10.0.0.2");
    fill(&mut solo, &mut bob);
    let newer = solo.accept("10.0.0.2:40002");
    bob.opening(&mut solo, newer);
    solo.pass(millis(1500));
    for port in 41_000..41_040 {
        let _ = solo.try_accept(&format!("10.0.0.2:{port}"));
    }
    assert_eq!(solo.closed(newer), None);
}

#[test]
fn beacons_that_are_forged_again_and_again_do_not_hide_an_honest_one() {
    for (made_up, per_millisecond) in [(2000, 2), (6000, 10), (1_000_000, 10)] {
        let mut solo = Solo::default();
        let (mut number, mut reached) = (0u128, None);
        for tick in 0..40_000u64 {
            for _ in 0..per_millisecond {
                let id = number % made_up;
                number += 1;
                let (from, port) = (format!("10.5.0.{}:5670", id % 200 + 1), 20_000 + (id / 200 % 30_000) as u16);
                solo.datagram(&from, &beacon(50_000 + id, port));
            }
            if tick >= 5000 && tick % 1000 == 333 {
                solo.datagram("10.0.0.2:5670", &beacon(BOB, 7000));
            }
            if solo.connects().iter().any(|(_, to)| to.to_string() == "tcp://10.0.0.2:7000") {
                reached = Some(tick - 5000);
                break;
            }
            solo.pass(millis(1));
        }
        println!("{made_up} made up, {per_millisecond} a millisecond: after {reached:?} ms");
        assert!(reached.is_some_and(|tick| tick < 15_000), "{made_up}, {per_millisecond}: {reached:?}");
    }
}
