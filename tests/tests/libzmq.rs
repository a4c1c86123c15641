//! A stock peer played by hand over real libzmq, and what our node makes of it.

use bytes::Bytes;
use serde_json::json;
use std::{net::UdpSocket, time::Duration};
use zre_mio::{Content, Event, ExitReason, Limits, Node, PeerId};
use zre_proto::{
    Beacon,
    message::{Body, Membership},
};
use zre_tests::{
    libzmq::{DEALER, HandPeer, MAILBOX, Wire},
    namespace,
    ours::Ours,
    pyre::Pyre,
};

const SECOND: Duration = Duration::from_secs(1);

const MIB: usize = 1 << 20;

/// UDP port of beacons.
const PORT: u16 = 5670;

fn ours() -> Ours {
    Ours::start(Node::builder("ours").header("role", "sensor").group("chat").interface(namespace::INTERFACE))
}

fn endpoint(ours: &Ours) -> String {
    ours.node.endpoint().expect("an endpoint").to_string()
}

fn is_hello(body: &Body) -> bool {
    matches!(body, Body::Hello(_))
}

fn is_exit(event: &Event) -> bool {
    matches!(event, Event::Exit { .. })
}

/// Runs a test in a namespace with libzmq at hand.
#[track_caller]
fn run(test: &str, body: impl FnOnce()) {
    if Pyre::install().is_some() {
        namespace::run(test, body);
    }
}

/// Takes our node's HELLO, and then its ENTER.
#[track_caller]
fn meet(ours: &mut Ours, peer: &mut HandPeer) -> PeerId {
    let (Body::Hello(hello), content) = peer.expect("HELLO", is_hello) else { unreachable!("it is a HELLO") };
    assert_eq!((&*hello.name.to_string_lossy(), &*hello.endpoint.to_string_lossy()), ("ours", endpoint(ours).as_str()));
    assert_eq!((hello.groups, hello.status), (vec!["chat".into()], 1));
    assert!(hello.headers.contains(&("role".into(), "sensor".into())), "{:?}", hello.headers);
    assert!(content.is_empty());
    enter(ours, peer)
}

#[track_caller]
fn enter(ours: &mut Ours, peer: &HandPeer) -> PeerId {
    let enter = ours.expect_within("ENTER", SECOND, |event| event.kind() == "ENTER");
    let Event::Enter { peer: id, name, endpoint, .. } = enter else { unreachable!("it is an ENTER") };
    assert_eq!((id, &*name), (PeerId::from(peer.uuid), &*peer.hello.name.to_string_lossy()));
    assert_eq!(endpoint.to_string(), peer.hello.endpoint.to_string_lossy());
    id
}

/// A peer that is connected and ready.
#[track_caller]
fn met(ours: &mut Ours) -> (HandPeer, PeerId) {
    let mut peer = HandPeer::start("by hand");
    peer.connect(&endpoint(ours));
    peer.hello();
    let id = meet(ours, &mut peer);
    (peer, id)
}

#[track_caller]
fn expect_whisper(ours: &mut Ours, expected: &Content) {
    let whisper = ours.expect("WHISPER", |event| matches!(event, Event::Whisper { .. }));
    let Event::Whisper { content, .. } = whisper else { unreachable!("it is a WHISPER") };
    assert!(content == *expected, "{} octets instead of {}", content.octets(), expected.octets());
}

/// Both can still talk, and nobody was gone meanwhile.
#[track_caller]
fn assert_together(ours: &mut Ours, peer: &mut HandPeer, by: &str) {
    let id = PeerId::from(peer.uuid);
    peer.say_by(by, Body::Whisper, &[b"are we together"]);
    expect_whisper(ours, &"are we together".into());
    ours.node.whisper(id, "we are").expect("a whisper");
    let (_, content) = peer.expect("WHISPER", |body| *body == Body::Whisper);
    assert_eq!(content, ["we are"]);
    ours.expect_none("EXIT", Duration::from_millis(300), is_exit);
    ours.expect_none("a second ENTER", Duration::ZERO, |event| event.kind() == "ENTER");
}

#[test]
fn a_hello_by_hand_is_answered_and_all_messages_go_both_ways() {
    run("a_hello_by_hand_is_answered_and_all_messages_go_both_ways", || {
        let mut ours = ours();
        let (mut peer, id) = met(&mut ours);

        let change = |status| Membership { group: "more".into(), status };
        peer.say(Body::Join(change(1)), &[]);
        ours.expect("JOIN", |event| matches!(event, Event::Join { group, .. } if &**group == "more"));
        peer.say(Body::Shout { group: "chat".into() }, &[b"to all", b""]);
        ours.expect("SHOUT", |event| matches!(event, Event::Shout { content, .. } if content.len() == 2));
        assert_eq!(ours.node.shout("more", "for you"), Ok(1));
        let (_, content) = peer.expect("SHOUT", |body| *body == Body::Shout { group: "more".into() });
        assert_eq!(content, ["for you"]);
        peer.say(Body::Leave(change(2)), &[]);
        ours.expect("LEAVE", |event| matches!(event, Event::Leave { group, .. } if &**group == "more"));
        peer.say(Body::Ping, &[]);
        peer.expect("PING-OK", |body| *body == Body::PingOk);

        let binary: Vec<u8> = (0..=255).collect();
        let long = vec![7; MIB];
        // Frames on both sides of where lengths take eight octets, several, none of any length, none at all.
        for frames in [&[&b"one"[..]][..], &[&binary[..255], &binary], &[&long, &[], &long], &[&[]], &[]] {
            peer.say(Body::Whisper, frames);
            let content: Content = frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect();
            expect_whisper(&mut ours, &content);
            ours.node.whisper(id, content).expect("a whisper");
            let (_, heard) = peer.expect("WHISPER", |body| *body == Body::Whisper);
            // None at all is sent as an empty one: Pyre dies of none.
            assert!(heard == frames || (frames.is_empty() && heard == [""]), "{} frames", frames.len());
        }
        assert_together(&mut ours, &mut peer, DEALER);

        peer.say(Body::Goodbye, &[]);
        let exit = ours.expect_within("EXIT", SECOND, is_exit);
        assert!(matches!(exit, Event::Exit { reason: ExitReason::Left, .. }), "{exit:?}");
    });
}

#[test]
fn a_beacon_by_hand_is_answered_with_hello() {
    run("a_beacon_by_hand_is_answered_with_hello", || {
        let mut ours = ours();
        let mut peer = HandPeer::start("by hand");
        let uuid = peer.uuid;
        let air = UdpSocket::bind((namespace::ADDRESS, 0)).expect("a port");
        air.set_broadcast(true).expect("a datagram socket");
        let beacon = |port| {
            let beacon = Beacon { uuid, port, public_key: None }.encode();
            air.send_to(&beacon, (namespace::BROADCAST, PORT)).expect("it is sent");
        };
        beacon(peer.port());
        peer.expect("HELLO", is_hello);
        // Its HELLO is not known yet, so there is no ENTER.
        ours.expect_none("ENTER", Duration::from_millis(200), |event| event.kind() == "ENTER");
        peer.connect(&endpoint(&ours));
        peer.hello();
        enter(&mut ours, &peer);
        assert_together(&mut ours, &mut peer, DEALER);

        beacon(0);
        // Its connection stays, so it is asked; it does not answer.
        peer.expect("PING", |body| *body == Body::Ping);
        let exit = ours.expect_within("EXIT", SECOND, is_exit);
        assert!(matches!(exit, Event::Exit { reason: ExitReason::Left, .. }), "{exit:?}");
    });
}

#[test]
fn a_dealer_whose_connection_breaks_resumes_without_hello() {
    run("a_dealer_whose_connection_breaks_resumes_without_hello", || {
        let mut ours = ours();
        let wire = Wire::to(&endpoint(&ours));
        let mut peer = HandPeer::start("by hand");
        peer.connect(wire.endpoint());
        peer.hello();
        meet(&mut ours, &mut peer);
        for _ in 0..5 {
            wire.cut();
            peer.zmq.expect_of(DEALER, "DISCONNECTED");
            // We ask whether it is there.
            peer.expect("PING", |body| *body == Body::Ping);
            peer.zmq.expect_of(DEALER, "HANDSHAKE_SUCCEEDED");
            peer.say(Body::PingOk, &[]);
            assert_together(&mut ours, &mut peer, DEALER);
        }
        // What it says while there is no connection waits for the next one.
        wire.cut();
        peer.zmq.expect_of(DEALER, "DISCONNECTED");
        let texts = ["one", "two", "three"];
        for text in texts {
            peer.say(Body::Whisper, &[text.as_bytes()]);
        }
        for text in texts {
            expect_whisper(&mut ours, &text.into());
        }
        assert_together(&mut ours, &mut peer, DEALER);
        assert_eq!(ours.node.peers(), [PeerId::from(peer.uuid)]);
    });
}

#[test]
fn a_dealer_that_does_not_come_back_and_does_not_answer_is_gone() {
    run("a_dealer_that_does_not_come_back_and_does_not_answer_is_gone", || {
        let quick = Duration::from_millis(500);
        let node = Node::builder("ours").group("chat").header("role", "sensor").interface(namespace::INTERFACE);
        let mut ours = Ours::start(node.evasive(quick));
        let (mut peer, _) = met(&mut ours);
        peer.zmq.close(DEALER);
        peer.expect("PING", |body| *body == Body::Ping);
        ours.expect_none("EXIT", quick / 2, is_exit);
        ours.expect_within("EXIT", quick, is_exit);
    });
}

#[test]
fn a_second_dealer_with_the_same_identity_takes_over() {
    run("a_second_dealer_with_the_same_identity_takes_over", || {
        let mut ours = ours();
        let (mut peer, _) = met(&mut ours);
        let names = ["second", "third", "fourth"];
        let mut before = DEALER;
        for name in names {
            peer.open_dealer(name, json!({}));
            peer.zmq.connect_to(name, &endpoint(&ours));
            peer.zmq.expect_of(name, "HANDSHAKE_SUCCEEDED");
            // Closed before it could come back and take over in turn.
            peer.zmq.close(before);
            assert_together(&mut ours, &mut peer, name);
            before = name;
        }
    });
}

/// A TCP connection that breaks takes with it what it carried, and libzmq does not say so: the numbers do.
#[test]
fn a_gap_after_a_break_is_an_exit_at_once() {
    run("a_gap_after_a_break_is_an_exit_at_once", || {
        let mut ours = ours();
        let wire = Wire::to(&endpoint(&ours));
        let mut peer = HandPeer::start("by hand");
        peer.connect(wire.endpoint());
        peer.hello();
        let id = meet(&mut ours, &mut peer);
        wire.cut();
        peer.zmq.expect_of(DEALER, "DISCONNECTED");
        peer.zmq.expect_of(DEALER, "HANDSHAKE_SUCCEEDED");
        peer.sequence += 1;
        peer.say(Body::Whisper, &[b"the one before is lost"]);
        let exit = ours.expect_within("EXIT", SECOND, is_exit);
        assert!(matches!(exit, Event::Exit { peer, reason: ExitReason::Lost, .. } if peer == id), "{exit:?}");
    });
}

/// Says so much, breaks the connection when all of it has been carried, and comes back.
#[track_caller]
fn much_and_a_break(ours: &Ours, peer: &mut HandPeer, wire: &Wire, frame: &[u8], many: usize) {
    for _ in 1..many {
        peer.say(Body::Whisper, &[frame]);
    }
    peer.say(Body::Whisper, &[b"and that was all"]);
    wire.expect_forth(b"and that was all");
    wire.cut();
    peer.zmq.expect_of(DEALER, "HANDSHAKE_SUCCEEDED");
    peer.say(Body::Whisper, &[b"back again"]);
    wire.expect_forth(b"back again");
    assert_eq!(ours.node.peers(), [PeerId::from(peer.uuid)]);
}

#[track_caller]
fn expect_much(ours: &mut Ours, frame: &[u8], many: usize) {
    for _ in 1..many {
        expect_whisper(ours, &frame.into());
    }
    expect_whisper(ours, &"and that was all".into());
    expect_whisper(ours, &"back again".into());
}

#[test]
fn what_came_before_a_break_comes_before_what_came_after() {
    run("what_came_before_a_break_comes_before_what_came_after", || {
        let mut ours = ours();
        let wire = Wire::to(&endpoint(&ours));
        let mut peer = HandPeer::start("by hand");
        peer.connect(wire.endpoint());
        peer.hello();
        meet(&mut ours, &mut peer);
        let frame = vec![1; MIB];
        much_and_a_break(&ours, &mut peer, &wire, &frame, 10);
        expect_much(&mut ours, &frame, 10);
        assert_together(&mut ours, &mut peer, DEALER);
    });
}

/// The same where the application is slow: what we have not read when the new connection comes is still to be read.
#[test]
fn what_came_before_a_break_is_read_even_if_the_application_is_slow() {
    run("what_came_before_a_break_is_read_even_if_the_application_is_slow", || {
        let mut limits = Limits::default();
        limits.events = 64 << 10;
        let node = Node::builder("ours").header("role", "sensor").group("chat").interface(namespace::INTERFACE);
        let mut ours = Ours::start(node.limits(limits));
        let wire = Wire::to(&endpoint(&ours));
        let mut peer = HandPeer::start("by hand");
        peer.connect(wire.endpoint());
        peer.hello();
        meet(&mut ours, &mut peer);
        let frame = vec![1; 10_000];
        much_and_a_break(&ours, &mut peer, &wire, &frame, 50);
        expect_much(&mut ours, &frame, 50);
        assert_together(&mut ours, &mut peer, DEALER);
    });
}

#[test]
fn heartbeats_of_libzmq_are_answered() {
    run("heartbeats_of_libzmq_are_answered", || {
        let mut ours = ours();
        // Without a PONG libzmq breaks a connection after the time-out.
        let heartbeats = json!({"HEARTBEAT_IVL": 50, "HEARTBEAT_TIMEOUT": 1000, "HEARTBEAT_TTL": 3000});
        let mut peer = HandPeer::with_options("by hand", heartbeats);
        let wire = Wire::to(&endpoint(&ours));
        let back = Wire::to(&peer.hello.endpoint.to_string_lossy());
        peer.hello.endpoint = back.endpoint().into();
        peer.connect(wire.endpoint());
        peer.hello();
        meet(&mut ours, &mut peer);
        wire.expect_back(b"\x04PONG", 40);
        // The mailbox PINGs as well; what comes back there are its own.
        back.expect_back(b"\x04PING", 40);
        assert_together(&mut ours, &mut peer, DEALER);
        for socket in [DEALER, MAILBOX] {
            assert!(!peer.zmq.has_been(socket, "DISCONNECTED"), "{socket} has missed a PONG");
        }
    });
}

/// What a peer says that it must not, as frames, and the reason of the EXIT. The next number is 2.
fn offences() -> Vec<(&'static str, Vec<&'static [u8]>, ExitReason)> {
    vec![
        ("garbage", vec![b"garbage"], ExitReason::Protocol),
        ("nothing", vec![b""], ExitReason::Protocol),
        ("another signature", vec![b"\xAA\xA0\x06\x02\x00\x02"], ExitReason::Protocol),
        ("another version", vec![b"\xAA\xA1\x06\x03\x00\x02"], ExitReason::Protocol),
        ("a truncated SHOUT", vec![b"\xAA\xA1\x03\x02\x00\x02\x05ch"], ExitReason::Protocol),
        ("too long a PING", vec![b"\xAA\xA1\x06\x02\x00\x02\x00"], ExitReason::Protocol),
        ("a PING with content", vec![b"\xAA\xA1\x06\x02\x00\x02", b"content"], ExitReason::Protocol),
        ("a gap", vec![b"\xAA\xA1\x06\x02\x00\x03"], ExitReason::Lost),
        ("the same number again", vec![b"\xAA\xA1\x06\x02\x00\x01"], ExitReason::Lost),
    ]
}

#[test]
fn garbage_from_a_peer_ends_its_connection_with_exit() {
    run("garbage_from_a_peer_ends_its_connection_with_exit", || {
        for (offence, frames, expected) in offences() {
            let mut ours = ours();
            let (mut peer, id) = met(&mut ours);
            peer.zmq.send_frames(DEALER, &frames);
            let exit = ours.expect_within(offence, SECOND, is_exit);
            let Event::Exit { peer: of, reason, .. } = exit else { unreachable!("it is an EXIT") };
            assert_eq!((of, reason), (id, expected), "{offence}");
            peer.zmq.expect_of(DEALER, "DISCONNECTED");
            peer.zmq.expect_of(MAILBOX, "DISCONNECTED");
            assert!(ours.node.peers().is_empty());
        }
    });
}

#[test]
fn garbage_from_a_stranger_ends_its_connection_and_nobody_hears_of_it() {
    run("garbage_from_a_stranger_ends_its_connection_and_nobody_hears_of_it", || {
        let mut ours = ours();
        let mut peer = HandPeer::start("by hand");
        peer.connect(&endpoint(&ours));
        peer.zmq.send_frames(DEALER, &[b"garbage"]);
        peer.zmq.expect_of(DEALER, "DISCONNECTED");
        ours.expect_none("an event", Duration::from_millis(300), |_| true);
        // It comes back by itself and may begin anew.
        peer.zmq.expect_of(DEALER, "HANDSHAKE_SUCCEEDED");
        peer.hello();
        meet(&mut ours, &mut peer);
        assert_together(&mut ours, &mut peer, DEALER);
    });
}

#[test]
fn what_comes_before_hello_is_ignored() {
    run("what_comes_before_hello_is_ignored", || {
        let mut ours = ours();
        let mut peer = HandPeer::start("by hand");
        peer.connect(&endpoint(&ours));
        peer.say(Body::Whisper, &[b"too early"]);
        peer.say(Body::Ping, &[]);
        peer.hello();
        meet(&mut ours, &mut peer);
        assert_together(&mut ours, &mut peer, DEALER);
    });
}

#[test]
fn a_mailbox_whose_connection_breaks_is_an_exit_and_a_new_hello() {
    run("a_mailbox_whose_connection_breaks_is_an_exit_and_a_new_hello", || {
        let mut ours = ours();
        let mut peer = HandPeer::start("by hand");
        let wire = Wire::to(&peer.hello.endpoint.to_string_lossy());
        peer.hello.endpoint = wire.endpoint().into();
        peer.connect(&endpoint(&ours));
        peer.hello();
        meet(&mut ours, &mut peer);
        wire.cut();
        // What it carried may be lost.
        let exit = ours.expect_within("EXIT", SECOND, is_exit);
        assert!(matches!(exit, Event::Exit { reason: ExitReason::Lost, .. }), "{exit:?}");
        // We begin anew, and so must it.
        peer.zmq.expect_of(DEALER, "HANDSHAKE_SUCCEEDED");
        peer.hello();
        meet(&mut ours, &mut peer);
        assert_together(&mut ours, &mut peer, DEALER);
    });
}

#[test]
fn an_identity_that_is_none_of_zre_is_turned_away() {
    run("an_identity_that_is_none_of_zre_is_turned_away", || {
        let mut ours = ours();
        let mut peer = HandPeer::start("by hand");
        for (socket, identity) in [("short", "01"), ("long", "010203040506070809101112131415161718")] {
            peer.zmq.open(socket, "DEALER", json!({"IDENTITY": identity, "RECONNECT_IVL": 20}));
            peer.zmq.connect_to(socket, &endpoint(&ours));
            peer.zmq.expect_of(socket, "CONNECTED");
            let gone = |line: &serde_json::Value| {
                line["socket"] == socket && line["event"].as_str().is_some_and(|event| event.contains("DISCONNECTED"))
            };
            peer.zmq.wait_for("its end", SECOND, gone);
            peer.zmq.close(socket);
        }
        ours.expect_none("an event", Duration::ZERO, |_| true);
    });
}
