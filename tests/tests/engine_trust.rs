//! One node, and others who lie about who and where they are: those who are there stay.

use std::time::Duration;
use uuid::Uuid;
use zre_engine::{CloseReason, Config, ConnId, IoCause};
use zre_proto::{Beacon, message::Body};
use zre_tests::solo::{Solo, Stock, dealer_opening, router_opening};

const BOB: u128 = 0xB0B;
const MALLORY: u128 = 0xBAD;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn met() -> (Solo, Stock) {
    let mut solo = Solo::default();
    let stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER stock"]);
    solo.actions();
    (solo, stock)
}

fn beacon(id: u128, port: u16) -> Vec<u8> {
    Beacon { uuid: Uuid::from_u128(id), port, public_key: None }.encode().to_vec()
}

/// Whether the node still talks with a peer, both ways.
#[track_caller]
fn assert_stays(solo: &mut Solo, stock: &mut Stock) {
    stock.say(solo, Body::Whisper, &[b"still here"]);
    let told = solo.told();
    assert!(told.contains(&r#"WHISPER stock [b"still here"]"#.to_owned()), "{told:?}");
    assert!(!told.iter().any(|told| told.starts_with("EXIT stock")), "{told:?}");
    solo.output(stock.from_node);
    solo.node.whisper(solo.now, stock.id(), "to you").expect("it is there");
    assert_eq!(solo.messages(stock.from_node).len(), 1);
}

fn pings(solo: &mut Solo, stock: &Stock) -> usize {
    solo.messages(stock.from_node).iter().filter(|message| message.body == Body::Ping).count()
}

#[test]
fn beacons_with_a_live_peers_uuid_from_another_address_change_nothing() {
    let (mut solo, mut stock) = met();
    for port in [0, 7000, 7001, 49152] {
        solo.datagram("10.0.0.66:5670", &beacon(BOB, port));
    }
    solo.pass(Duration::from_secs(2));
    assert_eq!((solo.told(), solo.connects()), (vec![], vec![]));
    assert_eq!(solo.node.statistics().beacons_rejected["not the peer's address"], 4);
    assert_stays(&mut solo, &mut stock);
}

#[test]
fn a_peer_that_is_out_of_reach_is_not_looked_for_where_somebody_else_says() {
    let mut solo = Solo::default();
    let bob = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let (conn, _) = solo.connects()[0];
    solo.broken(conn, IoCause::Refused);
    solo.datagram("10.0.0.66:5670", &bob.beacon(7000));
    solo.pass(millis(50));
    assert_eq!(solo.connects(), []);
    // It says itself where it is now.
    solo.datagram("10.0.0.2:5670", &bob.beacon(7001));
    solo.pass(millis(150));
    assert_eq!(solo.connects()[0].1.to_string(), "tcp://10.0.0.2:7001");
}

#[test]
fn made_up_uuids_at_a_live_peers_endpoint_get_no_connection() {
    let (mut solo, mut stock) = met();
    for id in 1000..2000 {
        solo.datagram("10.0.0.2:5670", &beacon(id, 7000));
    }
    assert_eq!(solo.connects(), []);
    assert_eq!(solo.node.statistics().strangers, 0);
    // One that has been quiet is asked, once, whether it is still the one that is there.
    solo.pass(millis(1100));
    solo.output(stock.from_node);
    for id in 1000..2000 {
        solo.datagram("10.0.0.2:5670", &beacon(id, 7000));
    }
    assert_eq!(pings(&mut solo, &stock), 1);
    assert_stays(&mut solo, &mut stock);
}

#[test]
fn made_up_uuids_at_one_endpoint_are_one_connection_and_whoever_answers_there_is_met() {
    let mut solo = Solo::default();
    for id in 1000..1100 {
        solo.datagram("10.0.0.2:5670", &beacon(id, 7000));
    }
    let connects = solo.connects();
    assert_eq!(connects.len(), 1);
    let from_node = connects[0].0;
    solo.connected(from_node);
    solo.feed(from_node, &router_opening());
    assert_eq!(solo.messages(from_node).len(), 1, "our HELLO");
    solo.node.join(solo.now, "chat").unwrap();
    let mut bob = Stock { from_node, ..Stock::calls(&mut solo, BOB, "10.0.0.2") };
    assert_eq!(solo.told(), ["ENTER b0b"]);
    assert_eq!(solo.connects(), [], "the connection that there is leads to it");
    let messages = solo.messages(from_node);
    assert!(
        matches!(&messages[..], [join] if join.sequence == 2 && matches!(join.body, Body::Join(_))),
        "{messages:?}"
    );
    assert_eq!(solo.node.statistics().strangers, 0);
    solo.pass(Duration::from_secs(12));
    bob.say(&mut solo, Body::Whisper, &[b"hi"]);
    assert_eq!(solo.told().last().unwrap(), r#"WHISPER b0b [b"hi"]"#);
}

#[test]
fn who_says_hello_is_met_where_it_is_and_not_where_a_beacon_said() {
    let mut solo = Solo::default();
    solo.datagram("10.0.0.66:5670", &beacon(BOB, 7000));
    let (astray, to) = solo.connects()[0].clone();
    assert_eq!(to.to_string(), "tcp://10.0.0.66:7000");
    solo.connected(astray);
    solo.feed(astray, &router_opening());
    Stock::calls(&mut solo, BOB, "10.0.0.2");
    assert_eq!(solo.closed(astray), Some(CloseReason::Abandoned));
    assert_eq!(solo.connects()[0].1.to_string(), "tcp://10.0.0.2:7000");
    let told = solo.events();
    assert!(
        matches!(&told[..], [zre_engine::Event::Enter { endpoint, .. }] if endpoint.to_string() == "tcp://10.0.0.2:7000")
    );
}

#[test]
fn a_node_with_two_addresses_keeps_the_connection_that_leads_to_the_one_it_names() {
    let mut solo = Solo::default();
    solo.datagram("10.0.0.2:5670", &beacon(BOB, 7000));
    let (conn, _) = solo.connects()[0];
    solo.connected(conn);
    // It names 10.0.0.2, and its connection comes from its other address.
    let to_node = solo.accept("10.9.9.9:40001");
    let mut bob = Stock { uuid: Uuid::from_u128(BOB), host: "10.0.0.2", sequence: 1, to_node, from_node: conn };
    bob.opening(&mut solo, to_node);
    let hello = bob.hello("bob", &[]);
    bob.say(&mut solo, hello, &[]);
    assert_eq!(solo.told(), ["ENTER bob"]);
    assert_eq!((solo.connects(), solo.closed(conn)), (vec![], None));
}

#[test]
fn a_hello_with_a_live_peers_endpoint_from_another_address_is_met_at_its_own() {
    let (mut solo, mut stock) = met();
    let to_node = solo.accept("10.0.0.66:40001");
    let mut mallory =
        Stock { uuid: Uuid::from_u128(MALLORY), host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
    mallory.opening(&mut solo, to_node);
    let hello = mallory.hello("mallory", &[]);
    mallory.say(&mut solo, hello, &[]);
    assert_eq!(solo.connects()[0].1.to_string(), "tcp://10.0.0.66:7000");
    assert_eq!(solo.told(), ["ENTER mallory"]);
    solo.pass(Duration::from_secs(3));
    assert_stays(&mut solo, &mut stock);
}

#[test]
fn at_one_address_a_live_peer_keeps_its_endpoint_and_gets_no_second_hello() {
    let (mut solo, mut stock) = met();
    Stock::calls(&mut solo, MALLORY, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER bad"]);
    assert_eq!(solo.connects(), [], "not before it is known who is there");
    assert_eq!(pings(&mut solo, &stock), 1);
    solo.pass(millis(300));
    stock.say(&mut solo, Body::PingOk, &[]);
    assert_eq!(solo.told(), ["EXIT bad unreachable"]);
    solo.pass(Duration::from_secs(3));
    assert_eq!(solo.connects(), []);
    assert_stays(&mut solo, &mut stock);

    // One that is gone makes room.
    let (mut solo, _) = met();
    Stock::calls(&mut solo, MALLORY, "10.0.0.2");
    solo.pass(millis(1001));
    assert_eq!(solo.told(), ["ENTER bad", "EXIT stock replaced"]);
    assert_eq!(solo.connects()[0].1.to_string(), "tcp://10.0.0.2:7000");
}

#[test]
fn no_beacon_makes_us_connect_to_ourselves_to_many_or_to_somebody_elses_loopback() {
    let mut solo = Solo::default();
    solo.datagram("10.0.0.1:5670", &beacon(1, 49152));
    for from in [
        "224.0.0.250:1",
        "255.255.255.255:1",
        "0.0.0.0:1",
        "127.0.0.1:1",
        "127.255.255.255:1",
        "[::1]:1",
        "[ff02::1]:1",
    ] {
        solo.datagram(from, &beacon(1, 7000));
    }
    assert_eq!(solo.connects(), []);
    let rejected = solo.node.statistics().beacons_rejected;
    assert_eq!(rejected.into_iter().collect::<Vec<_>>(), [("our own endpoint", 1), ("source", 7)]);
}

#[test]
fn advertised_addresses_are_believed_only_where_that_is_wanted() {
    let met_at = |trust: bool, said: &str| {
        let mut config = Config::default();
        config.trust_advertised = trust;
        let mut solo = Solo::new(config);
        let to_node = solo.accept("10.0.0.2:40001");
        let mut bob = Stock { uuid: Uuid::from_u128(BOB), host: "", sequence: 1, to_node, from_node: to_node };
        bob.opening(&mut solo, to_node);
        let Body::Hello(mut hello) = bob.hello("bob", &[]) else { unreachable!("a HELLO") };
        hello.endpoint = said.into();
        bob.say(&mut solo, Body::Hello(hello), &[]);
        solo.connects().first().map(|(_, to)| to.to_string())
    };
    let (public, source) = (Some("tcp://203.0.113.7:7000".to_owned()), Some("tcp://10.0.0.2:7000".to_owned()));
    assert_eq!(met_at(false, "tcp://203.0.113.7:7000"), source);
    assert_eq!(met_at(true, "tcp://203.0.113.7:7000"), public);
    assert_eq!(met_at(false, "tcp://bob.example:7000"), source);
    assert_eq!(met_at(true, "tcp://bob.example:7000"), Some("tcp://bob.example:7000".to_owned()));
    for nowhere in ["tcp://127.0.0.1:7000", "tcp://224.0.0.1:7000", "tcp://255.255.255.255:7000", "tcp://0.0.0.0:7000"]
    {
        assert_eq!(met_at(true, nowhere), source, "{nowhere}");
    }
    assert_eq!(met_at(true, "tcp://10.0.0.1:49152"), None, "ourselves");
    assert_eq!(met_at(true, "nonsense"), None);
}

/// Somebody at another address who claims to be the peer.
fn rival(solo: &mut Solo, stock: &Stock) -> ConnId {
    let rival = solo.accept("10.0.0.66:1");
    solo.feed(rival, &dealer_opening(stock.uuid));
    rival
}

#[test]
fn claims_by_the_thousand_are_one_question_and_one_event_a_second() {
    let (mut solo, mut stock) = met();
    let mut told = 0;
    let mut asked = 0;
    for tenth in 0..50 {
        for _ in 0..20 {
            rival(&mut solo, &stock);
        }
        solo.pass(millis(100));
        let questions = pings(&mut solo, &stock);
        (0..questions).for_each(|_| stock.say(&mut solo, Body::PingOk, &[]));
        asked += questions;
        told += solo.told().iter().filter(|told| *told == "IDENTITY-CONFLICT").count();
        assert!(solo.node.statistics().connections <= 4, "{tenth}");
    }
    assert!((4..=6).contains(&told) && (4..=6).contains(&asked), "{told} events, {asked} questions in 5 s");
    assert_eq!(solo.node.statistics().identity_conflicts, 1000);
    assert_stays(&mut solo, &mut stock);
}

#[test]
fn a_peer_that_shows_that_it_lives_has_longer_to_answer() {
    let (mut solo, mut stock) = met();
    let rival_conn = rival(&mut solo, &stock);
    for _ in 0..4 {
        solo.pass(millis(900));
        solo.datagram("10.0.0.2:5670", &stock.beacon(7000));
    }
    stock.say(&mut solo, Body::PingOk, &[]);
    assert_eq!(solo.closed(rival_conn), Some(CloseReason::IdentityConflict));
    assert_stays(&mut solo, &mut stock);
    // But not for ever: its beacons may outlive it.
    let rival_conn = rival(&mut solo, &stock);
    for _ in 0..13 {
        solo.pass(millis(900));
        solo.datagram("10.0.0.2:5670", &stock.beacon(7000));
    }
    assert_eq!(solo.closed(stock.to_node), Some(CloseReason::Superseded));
    assert_eq!(solo.closed(rival_conn), None);
}

#[test]
fn while_a_peers_connection_is_broken_its_name_is_not_free_to_take() {
    let (mut solo, mut stock) = met();
    solo.broken(stock.to_node, IoCause::Reset);
    let rival_conn = rival(&mut solo, &stock);
    assert!(!solo.reads(rival_conn));
    solo.pass(millis(500));
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    assert_eq!(solo.closed(rival_conn), Some(CloseReason::IdentityConflict));
    assert_stays(&mut solo, &mut stock);
}

#[test]
fn a_peer_that_has_moved_is_itself_after_a_second() {
    let (mut solo, mut stock) = met();
    solo.broken(stock.to_node, IoCause::Reset);
    stock.to_node = rival(&mut solo, &stock);
    solo.pass(millis(1001));
    assert!(solo.reads(stock.to_node));
    stock.say(&mut solo, Body::Whisper, &[b"moved"]);
    assert!(solo.told().contains(&r#"WHISPER stock [b"moved"]"#.to_owned()));
}

#[test]
fn who_has_connected_is_heard_though_a_forged_beacon_has_us_look_for_it_in_vain() {
    let mut solo = Solo::default();
    solo.datagram("10.0.0.66:5670", &beacon(BOB, 7000));
    let (astray, _) = solo.connects()[0];
    let to_node = solo.accept("10.0.0.2:40001");
    let mut bob = Stock { uuid: Uuid::from_u128(BOB), host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
    bob.opening(&mut solo, to_node);
    solo.broken(astray, IoCause::Refused);
    let hello = bob.hello("bob", &[]);
    bob.say(&mut solo, hello, &[]);
    assert_eq!(solo.told(), ["ENTER bob"]);
}

/// The peer takes so many octets of what the node has for it.
fn takes(solo: &mut Solo, stock: &Stock, octets: usize) {
    let mut chunks = [&[][..]; 1];
    let filled = solo.node.transmit(stock.from_node, &mut chunks);
    let written = chunks[..filled].first().map_or(0, |chunk| chunk.len().min(octets));
    solo.node.advance(solo.now, stock.from_node, written);
}

/// A node with 7 MiB on their way to its peer.
fn busy() -> (Solo, Stock) {
    let (mut solo, stock) = met();
    for _ in 0..7 {
        solo.node.whisper(solo.now, stock.id(), vec![7; 1 << 20]).expect("there is room");
    }
    (solo, stock)
}

#[test]
fn a_peer_that_takes_what_was_sent_before_the_question_has_its_time_to_answer() {
    for beacons in [true, false] {
        let (mut solo, mut stock) = busy();
        let rival_conn = rival(&mut solo, &stock);
        for tenth in 0..130 {
            solo.pass(millis(100));
            takes(&mut solo, &stock, 50_000);
            if beacons && tenth % 10 == 0 {
                solo.datagram("10.0.0.2:5670", &stock.beacon(7000));
            }
        }
        assert_eq!(solo.closed(stock.to_node), None, "6 MB of 7 are through");
        stock.say(&mut solo, Body::PingOk, &[]);
        assert!(solo.closed(rival_conn).is_some());
        assert_stays(&mut solo, &mut stock);
    }
    // The same for a beacon that says that it leaves, from its own address.
    let (mut solo, mut stock) = busy();
    solo.datagram("10.0.0.2:5670", &stock.beacon(0));
    for _ in 0..10 {
        solo.pass(millis(100));
        takes(&mut solo, &stock, 200_000);
    }
    stock.say(&mut solo, Body::PingOk, &[]);
    solo.pass(secs(1));
    assert_stays(&mut solo, &mut stock);
    // And one that takes nothing is gone.
    let (mut solo, stock) = busy();
    solo.datagram("10.0.0.2:5670", &stock.beacon(0));
    solo.pass(millis(260));
    assert_eq!(solo.told(), ["EXIT stock left"]);
}

#[test]
fn a_peer_that_cannot_be_asked_yet_is_not_taken_for_gone() {
    let mut solo = Solo::default();
    let bob = Stock::calls(&mut solo, BOB, "10.0.0.2");
    solo.told();
    solo.datagram("10.0.0.2:5670", &bob.beacon(0));
    solo.pass(secs(5));
    assert_eq!(solo.told(), [""; 0]);
    // It is asked as soon as our connection is through.
    let (conn, _) = solo.connects()[0];
    solo.connected(conn);
    solo.feed(conn, &router_opening());
    solo.pass(millis(251));
    assert!(solo.messages(conn).iter().any(|message| message.body == Body::Ping));
}

#[test]
fn a_claim_that_has_hung_up_displaces_nobody() {
    let (mut solo, mut stock) = met();
    let first = rival(&mut solo, &stock);
    solo.broken(first, IoCause::Finished);
    solo.pass(millis(1100));
    assert_eq!(solo.closed(stock.to_node), None);
    // Nor does one whose end is seen only when it is read.
    let second = rival(&mut solo, &stock);
    solo.pass(millis(1020));
    assert!(solo.reads(second));
    solo.broken(second, IoCause::Finished);
    solo.pass(millis(500));
    assert_eq!(solo.closed(stock.to_node), None);
    assert_stays(&mut solo, &mut stock);
}

#[test]
fn a_peer_that_resumes_from_its_other_address_goes_on_though_its_beacons_come_from_the_first() {
    let (mut solo, mut stock) = met();
    solo.broken(stock.to_node, IoCause::Reset);
    stock.to_node = solo.accept("10.9.9.9:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.say(&mut solo, Body::Whisper, &[b"resumed"]);
    for _ in 0..8 {
        solo.datagram("10.0.0.2:5670", &stock.beacon(7000));
        solo.pass(secs(1));
        stock.say(&mut solo, Body::PingOk, &[]);
    }
    assert_eq!(solo.told(), ["IDENTITY-CONFLICT", r#"WHISPER stock [b"resumed"]"#]);
}

/// A peer whose connection comes from an address at which it does not listen, and the node's attempt to reach it there.
fn calls_from_elsewhere(solo: &mut Solo, host: &'static str) -> (Stock, ConnId) {
    let to_node = solo.accept("10.9.9.9:40001");
    let mut bob = Stock { uuid: Uuid::from_u128(BOB), host, sequence: 1, to_node, from_node: to_node };
    bob.opening(solo, to_node);
    let hello = bob.hello("bob", &[]);
    bob.say(solo, hello, &[]);
    let (conn, to) = solo.connects()[0].clone();
    assert_eq!(to.to_string(), "tcp://10.9.9.9:7000");
    (bob, conn)
}

#[test]
fn a_peer_that_names_another_address_than_its_own_is_found_there_by_its_beacon() {
    let mut solo = Solo::default();
    let (mut bob, conn) = calls_from_elsewhere(&mut solo, "10.0.0.2");
    // That nobody is there says nothing of it.
    solo.broken(bob.to_node, IoCause::Reset);
    solo.broken(conn, IoCause::Refused);
    solo.pass(secs(2));
    bob.to_node = solo.accept("10.9.9.9:40002");
    bob.opening(&mut solo, bob.to_node);
    bob.say(&mut solo, Body::Whisper, &[b"resumed"]);
    assert_eq!(solo.told(), ["ENTER bob", r#"WHISPER bob [b"resumed"]"#]);
    let last = solo.connects().pop().expect("it is tried");
    solo.broken(last.0, IoCause::Refused);
    solo.datagram("10.0.0.2:5670", &bob.beacon(7000));
    solo.pass(millis(110));
    assert_eq!(solo.connects()[0].1.to_string(), "tcp://10.0.0.2:7000");
}

#[test]
fn a_peer_that_names_a_host_is_not_gone_where_nobody_listens_at_its_address() {
    let mut solo = Solo::default();
    let (bob, conn) = calls_from_elsewhere(&mut solo, "bob.lan");
    solo.broken(bob.to_node, IoCause::Reset);
    solo.broken(conn, IoCause::Refused);
    solo.pass(secs(2));
    assert_eq!(solo.told(), ["ENTER bob"]);
}

#[test]
fn who_claims_a_newcomers_name_by_beacons_does_not_hide_it() {
    let mut solo = Solo::default();
    let mut reached = None;
    for tick in 0..3000u16 {
        // A hundred a second, each with another port; somebody answers there, and never says HELLO.
        solo.datagram("10.0.0.66:5670", &beacon(BOB, 10_000 + tick));
        if tick % 100 == 50 {
            solo.datagram("10.0.0.2:5670", &beacon(BOB, 7000));
        }
        for (conn, to) in solo.connects() {
            match to.to_string() == "tcp://10.0.0.2:7000" {
                true => reached = reached.or(Some(tick)),
                false => {
                    solo.connected(conn);
                    solo.feed(conn, &router_opening());
                }
            }
        }
        solo.pass(millis(10));
    }
    assert!(reached.is_some_and(|tick| tick < 1100), "{reached:?} hundredths of a second");
}

#[test]
fn those_who_claim_a_place_one_after_the_other_are_unreachable_each_in_its_time() {
    let mut solo = Solo::default();
    let mut liars = Vec::new();
    for tenth in 0..300 {
        if tenth % 9 == 0 {
            liars.push(Stock::calls(&mut solo, 10_000 + tenth, "10.0.0.66"));
        }
        for (conn, _) in solo.connects() {
            let refused = zre_engine::Input::Closed { conn, cause: IoCause::Refused };
            // The node may have given it up by itself.
            let _ = solo.node.handle(solo.now, refused);
        }
        solo.pass(millis(100));
        let there: Vec<_> = liars.iter_mut().filter(|_| tenth % 50 == 0).collect();
        for liar in there {
            if solo.node.peer(liar.id()).is_some() {
                liar.say(&mut solo, Body::Ping, &[]);
            }
        }
        assert!(solo.node.statistics().peers <= 13, "ten seconds each");
    }
}

#[test]
fn a_program_that_starts_anew_elsewhere_under_its_uuid_enters_on_its_new_connection() {
    let (mut solo, mut stock) = met();
    // As every stock program does: opening and HELLO at once.
    let old = stock.to_node;
    stock.to_node = rival(&mut solo, &stock);
    stock.sequence = 1;
    let hello = stock.hello("moved", &[]);
    stock.say(&mut solo, hello, &[]);
    stock.say(&mut solo, Body::Whisper, &[b"here I am"]);
    solo.pass(millis(1200));
    let told = solo.told();
    assert_eq!(told, ["IDENTITY-CONFLICT", "EXIT stock restarted", "ENTER moved", r#"WHISPER moved [b"here I am"]"#]);
    assert_eq!((solo.closed(stock.to_node), solo.closed(old).is_some()), (None, true));
    assert_eq!(solo.connects()[0].1.to_string(), "tcp://10.0.0.66:7000");
}

#[test]
fn a_rival_that_was_listened_to_is_not_when_the_peer_speaks() {
    let (mut solo, mut stock) = met();
    let rival_conn = rival(&mut solo, &stock);
    solo.pass(millis(1010));
    assert!(solo.reads(rival_conn));
    stock.say(&mut solo, Body::Whisper, &[b"late"]);
    solo.pass(millis(45));
    assert!(!solo.reads(rival_conn));
    // It cannot guess its way in.
    for sequence in 0..10 {
        let lie = zre_tests::solo::message(&zre_proto::Message { sequence, body: Body::Whisper }, &[b"lie"]);
        solo.feed(rival_conn, &lie);
    }
    assert_eq!(solo.told(), ["IDENTITY-CONFLICT", r#"WHISPER stock [b"late"]"#]);
    assert_stays(&mut solo, &mut stock);
}

#[test]
fn a_newcomer_that_connects_again_before_its_hello_is_read_keeps_its_newer_connection() {
    let mut config = Config::default();
    config.limits.events = 1 << 16;
    let mut solo = Solo::new(config);
    let mut loud = Stock::meets(&mut solo, 1, "10.0.0.9");
    while solo.reads(loud.to_node) {
        loud.say(&mut solo, Body::Whisper, &[&[7; 4000]]);
    }
    let mut bob = Stock::calls(&mut solo, BOB, "10.0.0.2");
    let older = bob.to_node;
    bob.to_node = solo.accept("10.0.0.2:40002");
    bob.opening(&mut solo, bob.to_node);
    solo.events();
    // What is on the older one comes first.
    assert_eq!((solo.closed(bob.to_node), solo.closed(older)), (None, None));
    solo.pass(millis(260));
    assert_eq!((solo.closed(bob.to_node), solo.closed(older)), (None, Some(CloseReason::Superseded)));
    assert!(solo.node.peer(bob.id()).is_some());
    bob.say(&mut solo, Body::Whisper, &[b"resumed"]);
    assert_eq!(solo.told().last().unwrap(), r#"WHISPER b0b [b"resumed"]"#);
}
