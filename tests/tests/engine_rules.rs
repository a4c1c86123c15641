//! One node and stock peers played octet by octet: who is believed, what is fatal, what is not.

use bytes::Bytes;
use std::time::Duration;
use uuid::Uuid;
use zre_engine::{CloseReason, Config, IoCause, Violation};
use zre_proto::{
    Beacon, Message, Text,
    message::{Body, Membership},
    zmtp::Command,
};
use zre_tests::solo::{Solo, Stock, command, dealer_opening, message, opening, router_opening};

const BOB: u128 = 0xB0B;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn met() -> (Solo, Stock) {
    let mut solo = Solo::default();
    let stock = Stock::meets(&mut solo, BOB, "10.0.0.2");
    assert_eq!(solo.told(), ["ENTER stock"]);
    (solo, stock)
}

#[test]
fn the_first_octets_are_a_greeting_a_ready_and_a_hello() {
    let mut config = Config::default();
    config.name = Some("alice".into());
    config.headers = vec![("role".into(), "sensor".into())];
    let mut named = Solo::new(config);
    named.node.join(named.now, "chat").unwrap();
    named.actions();
    let beacon = Beacon { uuid: Uuid::from_u128(BOB), port: 7000, public_key: None };
    named.datagram("10.0.0.2:5670", &beacon.encode());
    let (conn, _) = named.connects()[0];
    named.connected(conn);
    assert_eq!(named.output(conn).len(), 64, "a greeting, and nothing more before the peer's");
    named.feed(conn, &router_opening());
    let messages = named.messages(conn);
    let [Message { sequence: 1, body: Body::Hello(hello) }] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(hello.endpoint, "tcp://10.0.0.1:49152");
    assert_eq!((hello.name.to_string_lossy(), hello.status), ("alice".into(), 1));
    assert_eq!(hello.groups, ["chat"]);
    assert_eq!(hello.headers, [("role".into(), "sensor".into())] as [(Text, Text); 1]);
}

#[test]
fn a_whisper_of_any_length_is_on_the_wire_as_the_codec_has_it() {
    let (mut solo, stock) = met();
    solo.output(stock.from_node);
    // Around what takes a longer header, what is shared instead of copied, and a whole block of a queue.
    let lengths = [0, 1, 254, 255, 256, 4095, 4096, 65_535, 65_536, 70_000, 3];
    let mut expected = Vec::new();
    for (length, sequence) in lengths.into_iter().zip(2..) {
        let content = vec![sequence as u8; length];
        expected.extend(message(&Message { sequence, body: Body::Whisper }, &[&content]));
        solo.node.whisper(solo.now, stock.id(), content).unwrap();
    }
    solo.node.whisper(solo.now, stock.id(), ["several", "", "frames"]).unwrap();
    let several: [&[u8]; 3] = [b"several", b"", b"frames"];
    expected.extend(message(&Message { sequence: 13, body: Body::Whisper }, &several));
    solo.node.whisper(solo.now, stock.id(), zre_engine::Content::new()).unwrap();
    expected.extend(message(&Message { sequence: 14, body: Body::Whisper }, &[b""]));
    assert!(solo.output(stock.from_node) == expected);
    assert_eq!(solo.node.statistics().messages_sent, 14, "with the HELLO");
}

#[test]
fn a_stock_peer_resumes_on_a_new_connection_without_a_hello() {
    let (mut solo, mut stock) = met();
    stock.say(&mut solo, Body::Whisper, &[b"one"]);
    solo.broken(stock.to_node, IoCause::Reset);
    assert!(solo.messages(stock.from_node).iter().any(|message| message.body == Body::Ping), "asked at once");
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.say(&mut solo, Body::Whisper, &[b"two"]);
    solo.pass(Duration::from_secs(8));
    assert_eq!(solo.told()[..2], [r#"WHISPER stock [b"one"]"#, r#"WHISPER stock [b"two"]"#]);
    assert_eq!(solo.node.peers().count(), 1);
}

#[test]
fn a_broken_inbound_connection_that_stays_away_is_lost_after_evasive() {
    let (mut solo, stock) = met();
    solo.broken(stock.to_node, IoCause::Finished);
    solo.pass(millis(4900));
    assert!(!solo.told().iter().any(|told| told.starts_with("EXIT")));
    solo.pass(millis(200));
    assert_eq!(solo.told().last().unwrap(), "EXIT stock lost");
}

#[test]
fn a_newer_connection_from_the_same_host_takes_over_at_once() {
    let (mut solo, mut stock) = met();
    let old = stock.to_node;
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    assert_eq!(solo.closed(old), Some(CloseReason::Superseded));
    stock.say(&mut solo, Body::Whisper, &[b"on"]);
    assert_eq!(solo.told(), [r#"WHISPER stock [b"on"]"#]);
}

#[test]
fn one_from_another_host_must_wait_for_the_first_to_fail() {
    for answers in [true, false] {
        let (mut solo, mut stock) = met();
        let rival = solo.accept("10.0.0.66:1");
        solo.feed(rival, &dealer_opening(stock.uuid));
        assert!(!solo.reads(rival));
        assert_eq!(solo.told(), ["IDENTITY-CONFLICT"]);
        solo.pass(millis(500));
        if answers {
            stock.say(&mut solo, Body::PingOk, &[]);
            assert_eq!(solo.closed(rival), Some(CloseReason::IdentityConflict));
            stock.say(&mut solo, Body::Whisper, &[b"mine"]);
            assert_eq!(solo.told(), [r#"WHISPER stock [b"mine"]"#]);
        } else {
            solo.pass(millis(600));
            assert!(solo.reads(rival));
            assert_eq!(solo.closed(stock.to_node), Some(CloseReason::Superseded));
        }
    }
}

#[test]
fn an_unprovoked_hello_of_a_ready_peer_is_a_restart() {
    let (mut solo, mut stock) = met();
    solo.pass(Duration::from_secs(12));
    solo.actions();
    solo.told();
    stock.sequence = 1;
    let hello = stock.hello("anew", &["chat"]);
    stock.say(&mut solo, hello, &[]);
    assert_eq!(solo.told(), ["EXIT stock restarted", "ENTER anew", "JOIN anew chat"]);
    let connects = solo.connects();
    assert_eq!(connects.len(), 1, "a fresh connection");
    solo.connected(connects[0].0);
    solo.feed(connects[0].0, &router_opening());
    assert_eq!(solo.messages(connects[0].0).len(), 1, "with a HELLO on it");
}

#[test]
fn a_hello_soon_after_ours_is_its_answer_and_never_answered() {
    let mut solo = Solo::default();
    // The peer heard our beacon first, and its HELLO comes before ours is out.
    let to_node = solo.accept("10.0.0.2:40001");
    let mut stock = Stock { uuid: Uuid::from_u128(BOB), host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
    stock.opening(&mut solo, to_node);
    let hello = stock.hello("stock", &[]);
    stock.say(&mut solo, hello, &[]);
    assert_eq!(solo.told(), ["ENTER stock"]);
    let connects = solo.connects();
    assert_eq!(connects.len(), 1);
    solo.connected(connects[0].0);
    solo.feed(connects[0].0, &router_opening());
    solo.pass(Duration::from_secs(2));
    // It answers our HELLO by a fresh connection and a HELLO, as stock programs do that hold us ready.
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.sequence = 1;
    let hello = stock.hello("stock", &["chat"]);
    stock.say(&mut solo, hello, &[]);
    assert_eq!(solo.told(), ["JOIN stock chat"], "no EXIT, no ENTER");
    assert_eq!(solo.connects(), [], "and no HELLO back");
}

#[test]
fn a_hello_soon_after_ours_is_a_restart_if_the_first_connection_had_broken_before() {
    let mut solo = Solo::default();
    let mut stock = Stock::calls(&mut solo, BOB, "10.0.0.2");
    assert_eq!(solo.told(), [format!("ENTER {BOB:x}")]);
    let connects = solo.connects();
    // It is killed before it has heard of us, and starts anew with its UUID, at its old port.
    solo.broken(stock.to_node, IoCause::Reset);
    solo.pass(millis(50));
    solo.connected(connects[0].0);
    solo.feed(connects[0].0, &router_opening());
    solo.pass(millis(5));
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.sequence = 1;
    let hello = stock.hello("anew", &["chat"]);
    stock.say(&mut solo, hello, &[]);
    assert_eq!(solo.told(), [&format!("EXIT {BOB:x} restarted"), "ENTER anew", "JOIN anew chat"]);
}

#[test]
fn a_gap_in_the_sequence_ends_the_relation_and_so_does_a_malformed_message() {
    let (mut solo, mut stock) = met();
    stock.sequence += 1;
    stock.say(&mut solo, Body::Whisper, &[b"x"]);
    assert_eq!(solo.closed(stock.to_node), Some(CloseReason::Violation(Violation::Sequence { found: 3, expected: 2 })));
    assert_eq!(solo.told(), ["EXIT stock lost"]);

    let (mut solo, mut stock) = met();
    stock.say(&mut solo, Body::Ping, &[b"extra"]);
    assert_eq!(solo.told(), ["EXIT stock protocol"]);

    let (mut solo, stock) = met();
    solo.feed(stock.to_node, b"\x00\x05\xAA\xA1\x02\x02\x00");
    assert_eq!(solo.told(), ["EXIT stock protocol"]);
}

#[test]
fn an_unknown_message_is_skipped_but_counted_and_a_wrong_status_is_not_fatal() {
    let (mut solo, mut stock) = met();
    stock.say(&mut solo, Body::Unknown { id: 77, fields: Bytes::from_static(b"future") }, &[]);
    stock.say(&mut solo, Body::Join(Membership { group: "chat".into(), status: 9 }), &[]);
    stock.say(&mut solo, Body::Whisper, &[]);
    assert_eq!(solo.told(), ["JOIN stock chat", "WHISPER stock []"]);
    let statistics = solo.node.statistics();
    assert_eq!((statistics.skipped, statistics.status_mismatches), (1, 1));
}

#[test]
fn either_way_of_counting_past_65534_is_taken() {
    for last in [65535u16, 65534] {
        let (mut solo, mut stock) = met();
        while stock.sequence != last {
            stock.say(&mut solo, Body::PingOk, &[]);
        }
        stock.say(&mut solo, Body::PingOk, &[]);
        stock.sequence = 0;
        stock.say(&mut solo, Body::Whisper, &[b"after"]);
        assert_eq!(solo.told(), [r#"WHISPER stock [b"after"]"#]);
    }
}

#[test]
fn a_beacon_with_port_0_counts_from_the_peers_own_address_if_it_does_not_contradict() {
    let (mut solo, mut stock) = met();
    solo.datagram("10.0.0.66:5670", &stock.beacon(0));
    solo.pass(Duration::from_secs(2));
    assert_eq!(solo.told(), [""; 0]);
    // Forged from its own address: it answers the PING.
    solo.datagram("10.0.0.2:5670", &stock.beacon(0));
    solo.pass(millis(200));
    stock.say(&mut solo, Body::PingOk, &[]);
    solo.pass(millis(500));
    assert_eq!(solo.told(), [""; 0]);
    // True, and the connection ends: what came before the end comes before EXIT.
    solo.datagram("10.0.0.2:5670", &stock.beacon(0));
    solo.broken(stock.from_node, IoCause::Finished);
    stock.say(&mut solo, Body::Whisper, &[b"last"]);
    solo.broken(stock.to_node, IoCause::Finished);
    assert_eq!(solo.told(), [r#"WHISPER stock [b"last"]"#, "EXIT stock left"]);
}

#[test]
fn a_beacon_with_port_0_and_then_silence_is_left() {
    let (mut solo, stock) = met();
    solo.datagram("10.0.0.2:5670", &stock.beacon(0));
    solo.pass(millis(260));
    assert_eq!(solo.told(), ["EXIT stock left"]);
}

#[test]
fn goodbye_is_left() {
    let (mut solo, mut stock) = met();
    stock.say(&mut solo, Body::Goodbye, &[]);
    assert_eq!(solo.told(), ["EXIT stock left"]);
    assert!(solo.closed(stock.to_node).is_some() && solo.closed(stock.from_node).is_some());
}

#[test]
fn a_newcomer_at_a_peers_endpoint_replaces_it_only_if_it_does_not_answer() {
    for answers in [true, false] {
        let (mut solo, mut stock) = met();
        let to_node = solo.accept("10.0.0.2:41000");
        let mut heir =
            Stock { uuid: Uuid::from_u128(0x4E17), host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
        heir.opening(&mut solo, to_node);
        let hello = heir.hello("heir", &[]);
        heir.say(&mut solo, hello, &[]);
        assert_eq!(solo.told(), ["ENTER heir"]);
        if answers {
            stock.say(&mut solo, Body::PingOk, &[]);
        }
        solo.pass(millis(1100));
        assert_eq!(solo.told().contains(&"EXIT stock replaced".to_owned()), !answers);
    }
}

#[test]
fn an_entered_peer_that_cannot_be_reached_is_unreachable_after_ten_seconds() {
    let mut solo = Solo::default();
    let to_node = solo.accept("10.0.0.2:40001");
    let mut stock = Stock { uuid: Uuid::from_u128(BOB), host: "10.0.0.2", sequence: 1, to_node, from_node: to_node };
    stock.opening(&mut solo, to_node);
    let hello = stock.hello("stock", &[]);
    stock.say(&mut solo, hello, &[]);
    let mut attempts = 0;
    for _ in 0..100 {
        for (conn, _) in solo.connects() {
            attempts += 1;
            solo.broken(conn, IoCause::Refused);
        }
        solo.pass(millis(100));
    }
    solo.pass(millis(100));
    assert_eq!(solo.told(), ["ENTER stock", "EXIT stock unreachable"]);
    assert!((4..=10).contains(&attempts), "{attempts} attempts, from 100 ms on, each after twice as long");
}

#[test]
fn where_we_connect_is_the_source_address_when_a_hello_names_another() {
    let mut solo = Solo::default();
    let to_node = solo.accept("10.0.0.2:40001");
    let mut stock =
        Stock { uuid: Uuid::from_u128(BOB), host: "192.168.99.1", sequence: 1, to_node, from_node: to_node };
    stock.opening(&mut solo, to_node);
    let hello = stock.hello("stock", &[]);
    stock.say(&mut solo, hello, &[]);
    assert_eq!(solo.connects()[0].1.to_string(), "tcp://10.0.0.2:7000");
}

#[test]
fn a_peer_that_falls_silent_gets_one_ping_and_its_own_ping_is_answered() {
    let (mut solo, mut stock) = met();
    solo.pass(millis(5600));
    let pings = solo.messages(stock.from_node);
    assert_eq!(pings.iter().filter(|message| message.body == Body::Ping).count(), 1);
    stock.say(&mut solo, Body::PingOk, &[]);
    stock.say(&mut solo, Body::Ping, &[]);
    assert_eq!(solo.messages(stock.from_node).last().unwrap().body, Body::PingOk);
    solo.pass(millis(4000));
    assert_eq!(solo.told(), [""; 0]);
}

#[test]
fn strangers_are_refused_with_the_rule_they_broke() {
    let hello = message(&Message { sequence: 1, body: Body::Ping }, &[]);
    let cases: [(Vec<u8>, &str); 6] = [
        (b"GET / HTTP/1.1\r\n".to_vec(), "greeting signature at octet 0"),
        (opening("PUB", Bytes::new()), "its socket type \"PUB\" does not go with ours"),
        (opening("DEALER", Bytes::from_static(b"me")), "its identity is 2 octets long"),
        ([&router_opening()[..64], &hello[..]].concat(), "something other than READY"),
        ([router_opening(), command(&Command::Ping { ttl: 0, context: Bytes::new() })].concat(), "identity is 0"),
        ([&router_opening()[..64], b"\x04\xFF\x05READY"].concat(), ""),
    ];
    for (octets, reason) in cases {
        let mut solo = Solo::default();
        let conn = solo.accept("10.0.0.2:40001");
        solo.feed(conn, &octets);
        match solo.closed(conn) {
            Some(why) => assert!(why.to_string().contains(reason) && !reason.is_empty(), "{why}"),
            None => {
                assert!(reason.is_empty(), "{reason}");
                solo.pass(millis(5100));
                assert_eq!(solo.closed(conn), Some(CloseReason::HandshakeTimeout));
            }
        }
        assert_eq!(solo.node.statistics().connections, 0, "released");
    }
}

#[test]
fn a_second_ready_and_a_declared_size_beyond_the_limit_are_fatal() {
    let (mut solo, stock) = met();
    solo.feed(stock.to_node, &dealer_opening(stock.uuid)[64..]);
    assert_eq!(solo.told(), ["EXIT stock protocol"]);
    let (mut solo, stock) = met();
    solo.feed(stock.to_node, b"\x02\x00\x00\x40\x00\x00\x00\x00\x00");
    assert_eq!(solo.told(), ["EXIT stock protocol"]);
}

#[test]
fn a_ping_of_zmtp_is_answered_and_a_flood_of_them_not_for_ever() {
    let (mut solo, stock) = met();
    let ping = command(&Command::Ping { ttl: 10, context: Bytes::from_static(b"ctx") });
    solo.output(stock.to_node);
    solo.feed(stock.to_node, &ping);
    assert_eq!(solo.output(stock.to_node), command(&Command::Pong { context: Bytes::from_static(b"ctx") }));
    for _ in 0..100_000 {
        solo.feed(stock.to_node, &ping);
    }
    assert!(solo.output(stock.to_node).len() < 2000);
}

#[test]
fn a_handshake_without_a_hello_is_closed() {
    let mut solo = Solo::default();
    let conn = solo.accept("10.0.0.2:40001");
    solo.feed(conn, &dealer_opening(Uuid::from_u128(BOB)));
    solo.pass(millis(5100));
    assert_eq!(solo.closed(conn), Some(CloseReason::HelloTimeout));
}

#[test]
fn a_v3_beacon_a_foreign_datagram_and_our_own_beacon_are_counted_or_ignored() {
    let mut solo = Solo::default();
    let own = Beacon { uuid: solo.node.uuid().into(), port: 49152, public_key: None }.encode();
    solo.actions();
    solo.datagram("10.0.0.1:5670", &own);
    solo.datagram("10.0.0.2:5670", b"hello");
    let secure = Beacon { uuid: Uuid::from_u128(9), port: 1, public_key: Some([1; 32]) };
    solo.datagram("10.0.0.2:5670", &secure.encode());
    solo.datagram("224.0.0.1:5670", &Beacon { uuid: Uuid::from_u128(9), port: 1, public_key: None }.encode());
    assert_eq!(solo.actions(), []);
    let rejected = solo.node.statistics().beacons_rejected;
    assert_eq!(rejected.into_iter().collect::<Vec<_>>(), [("malformed", 1), ("secure", 1), ("source", 1)]);
}

#[test]
fn a_hello_with_our_own_endpoint_is_ignored_and_so_is_anything_before_a_hello() {
    let (mut solo, mut stock) = met();
    let stranger = solo.accept("10.0.0.1:40005");
    let mut mirror =
        Stock { uuid: Uuid::from_u128(0x51), host: "10.0.0.1", sequence: 1, to_node: stranger, from_node: stranger };
    mirror.opening(&mut solo, stranger);
    mirror.say(&mut solo, Body::Whisper, &[b"before HELLO"]);
    let Body::Hello(mut hello) = mirror.hello("mirror", &[]) else { unreachable!("a HELLO") };
    hello.endpoint = "tcp://10.0.0.1:49152".into();
    mirror.sequence = 1;
    mirror.say(&mut solo, Body::Hello(hello), &[]);
    assert_eq!(solo.told(), [""; 0]);
    assert_eq!(solo.connects(), []);
    assert_eq!(solo.node.statistics().skipped, 1);
    stock.say(&mut solo, Body::Whisper, &[b"meanwhile"]);
    assert_eq!(solo.told(), [r#"WHISPER stock [b"meanwhile"]"#]);
}

#[test]
fn after_a_sleep_a_peer_has_two_seconds_to_answer() {
    for answers in [true, false] {
        let (mut solo, mut stock) = met();
        solo.output(stock.from_node);
        solo.now = solo.now + Duration::from_secs(3600);
        solo.input(zre_engine::Input::Timeout);
        assert!(solo.messages(stock.from_node).iter().any(|message| message.body == Body::Ping), "it is asked at once");
        solo.pass(millis(900));
        if answers {
            stock.say(&mut solo, Body::PingOk, &[]);
        }
        solo.pass(millis(1200));
        let exit = solo.told().iter().any(|told| told == "EXIT stock expired");
        assert_eq!(exit, !answers);
    }
}
