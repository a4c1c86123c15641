//! ZMTP as libzmq speaks it: handshakes, frames, heartbeats and refusals, one recording each.

use bytes::Bytes;
use zre_proto::zmtp::Command;
use zre_tests::recording::{Recording, Stream, Transcript};

/// The identity that the recorder gave its DEALERs.
const IDENTITY: &[u8] = b"\x01\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf";

/// Both directions of the connections of a recording: what the opener sent, and what came back.
fn conversations(name: &str) -> Vec<(Transcript, Transcript)> {
    let recording = Recording::load(name);
    let openers: Vec<&Stream> = recording.connections().filter(|stream| stream.opener).collect();
    openers.iter().map(|stream| (stream.transcript(), recording.answer(stream).transcript())).collect()
}

fn only(name: &str) -> (Transcript, Transcript) {
    let mut conversations = conversations(name);
    assert_eq!(conversations.len(), 1, "{name}");
    conversations.remove(0)
}

fn property<'a>(transcript: &'a Transcript, name: &str) -> Option<&'a [u8]> {
    transcript.ready().and_then(|ready| ready.get(name)).map(|value| &value[..])
}

fn messages(transcript: &Transcript) -> Vec<Vec<Bytes>> {
    transcript.messages().map(<[Bytes]>::to_vec).collect()
}

fn ping(ttl: u16) -> Command {
    Command::Ping { ttl, context: Bytes::new() }
}

/// What the DEALER of every recording sends first.
fn from_dealer() -> Vec<Vec<Bytes>> {
    let fill = |octet, count| Bytes::from(vec![octet; count]);
    let text = Bytes::from_static;
    let counting: Bytes = (0..70_000usize).map(|at| at as u8).collect();
    vec![
        vec![text(b"hello")],
        vec![text(b"")],
        vec![fill(b'x', 255)],
        vec![fill(b'y', 256)],
        vec![text(b"one"), text(b"two"), text(b""), text(b"four")],
        vec![counting],
    ]
}

/// What the ROUTER answers.
fn from_router() -> Vec<Vec<Bytes>> {
    vec![vec![Bytes::from_static(b"back")], vec![Bytes::from(vec![b'z'; 300]), Bytes::from_static(b"end")]]
}

#[test]
fn a_null_handshake_is_a_ready_each_way_and_then_frames_of_any_length() {
    for (name, identity) in [("zmtp_null", IDENTITY), ("zmtp_null_noid", b"")] {
        let (dealer, router) = only(name);
        assert_eq!(property(&dealer, "Socket-Type"), Some(&b"DEALER"[..]), "{name}");
        assert_eq!(property(&dealer, "Identity"), Some(identity), "{name}");
        assert_eq!(property(&router, "Socket-Type"), Some(&b"ROUTER"[..]), "{name}");
        assert_eq!(property(&router, "Identity"), Some(&b""[..]), "{name}");
        assert_eq!((dealer.commands().count(), router.commands().count()), (1, 1), "{name}");
        assert!(messages(&dealer) == from_dealer(), "{name}");
        assert!(messages(&router) == from_router(), "{name}");
    }
}

#[test]
fn a_frame_of_256_octets_is_the_first_with_a_long_size() {
    let recording = Recording::load("zmtp_null");
    let octets = recording.connections().next().unwrap().octets();
    let short = octets.windows(4).position(|window| window == b"\x00\xFFxx").expect("255 octets have a short size");
    let long = b"\x02\x00\x00\x00\x00\x00\x00\x01\x00yy";
    assert_eq!(&octets[short + 2 + 255..][..long.len()], long);
}

#[test]
fn heartbeats_are_pings_that_count_tenths_of_a_second_and_pongs_that_bring_the_context_back() {
    let (dealer, router) = only("zmtp_heartbeat");
    assert!(messages(&dealer) == from_dealer() && messages(&router) == from_router());
    for transcript in [&dealer, &router] {
        let commands: Vec<_> = transcript.commands().skip(1).collect();
        assert_eq!(commands.len(), 10);
        for pair in commands.chunks(2) {
            // ZMQ_HEARTBEAT_TTL was 1000 ms.
            assert_eq!(pair, [&ping(10), &Command::Pong { context: Bytes::new() }]);
        }
    }
}

#[test]
fn a_second_dealer_with_the_same_identity_is_heard() {
    let conversations = conversations("zmtp_handover");
    let [(old, _), (new, _)] = &conversations[..] else { panic!("two connections") };
    assert_eq!(property(old, "Identity"), Some(IDENTITY));
    assert_eq!(property(new, "Identity"), Some(IDENTITY));
    assert_eq!(messages(old).last().unwrap()[0], "I am the old one");
    assert_eq!(messages(new), [[Bytes::from_static(b"I am the new one")]]);
}

#[test]
fn a_refused_connection_carries_nothing_and_the_message_waits_for_the_next() {
    let recording = Recording::load("zmtp_late_bind");
    assert_eq!(recording.streams.iter().filter(|stream| stream.chunks.is_empty()).count(), 4);
    let (dealer, _) = only("zmtp_late_bind");
    assert_eq!(messages(&dealer), [[Bytes::from_static(b"queued before the other end is there")]]);
}

#[test]
fn a_refused_password_is_an_error_with_a_reason_and_nothing_after_it() {
    let (dealer, router) = only("zmtp_plain_bad");
    let hello = Command::Unknown { name: "HELLO".into(), data: Bytes::from_static(b"\x05admin\x05wrong") };
    assert!(dealer.commands().eq([&hello]), "PLAIN is not spoken here, but it is a command");
    assert!(router.commands().eq([&Command::Error { reason: "400".into() }]));
}

#[test]
fn two_mechanisms_part_after_the_greeting() {
    let (dealer, router) = only("zmtp_mechanism_mismatch");
    assert_ne!(dealer.greeting.mechanism, router.greeting.mechanism);
    assert!(dealer.parts.is_empty() && router.parts.is_empty());
}

#[test]
fn a_socket_type_that_does_not_fit_is_told_by_ready_and_the_connection_ends() {
    let (publisher, router) = only("zmtp_socket_type_mismatch");
    assert_eq!(property(&publisher, "Socket-Type"), Some(&b"PUB"[..]));
    assert_eq!(property(&publisher, "Identity"), None, "only some socket types have one");
    assert_eq!(property(&router, "Socket-Type"), Some(&b"ROUTER"[..]));
    assert!(publisher.messages().next().is_none() && router.messages().next().is_none());
}
