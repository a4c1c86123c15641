//! Bad octets on the mailbox and the beacon port of a node, while two honest nodes talk: nobody notices but the counters.

use bytes::Bytes;
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};
use uuid::Uuid;
use zre_mio::{Event, Node};
use zre_proto::zmtp::{Command, FrameHeader};
use zre_tests::{
    namespace,
    ours::Ours,
    recording::{Part, Recording},
    solo::{command, dealer_opening, opening},
};

/// As much of a large frame as is worth cutting at every octet.
const CUT_UP_TO: usize = 120;

/// The first frames of all messages that real programs said, each once.
fn first_frames() -> BTreeSet<Bytes> {
    let mut frames = BTreeSet::new();
    for name in ["zre_pyre_pyre", "zre_zyre_zyre", "zre_zyrejs_zyrejs", "election_2", "gossip_zyre"] {
        for session in Recording::load(name).sessions() {
            for part in &session.transcript.parts {
                if let Part::Message(message) = part {
                    frames.insert(message[0].clone());
                }
            }
        }
    }
    assert!(frames.len() > 40, "{}", frames.len());
    frames
}

fn frame(body: &[u8], more: bool) -> Vec<u8> {
    let mut octets = Vec::new();
    FrameHeader::message(body.len(), more).encode(&mut octets);
    octets.extend_from_slice(body);
    octets
}

/// What a stranger says after its handshake, each of which must end its connection.
fn bad_messages() -> Vec<Vec<u8>> {
    let mut bad = Vec::new();
    for first in first_frames() {
        for cut in 0..first.len().min(CUT_UP_TO) {
            // A GOODBYE or PING that is cut behind its header is whole; so is one of an unknown kind.
            if cut < 6 || matches!(first[2], 1 | 3 | 4 | 5 | 8 | 9) {
                bad.push(frame(&first[..cut], false));
            }
        }
        for (at, octet) in [(0, 0xAB), (1, 0xA0), (3, 1), (3, 3)] {
            let mut wrong = first.to_vec();
            wrong[at] = octet;
            bad.push(frame(&wrong, false));
        }
        if !matches!(first[2], 2 | 3) {
            bad.push([frame(&first, true), frame(b"extra", false)].concat());
        }
    }
    bad
}

/// Says something to a mailbox and waits until it closes the connection.
fn is_closed_on(mailbox: SocketAddr, octets: &[u8]) {
    let mut stream = TcpStream::connect(mailbox).expect("the node still listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    // It may close before everything is written.
    let _ = stream.write_all(octets);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection stays open on {octets:?}: {error}"),
    }
}

#[test]
fn bad_octets_never_stop_a_node_and_its_peers_notice_nothing() {
    namespace::run("bad_octets_never_stop_a_node_and_its_peers_notice_nothing", || {
        let start = |name: &str| Ours::start(Node::builder(name).interface("lo"));
        let (mut alice, mut bob) = (start("alice"), start("bob"));
        alice.expect("ENTER", |event| matches!(event, Event::Enter { .. }));
        bob.expect("ENTER", |event| matches!(event, Event::Enter { .. }));
        let zre_mio::Address::Tcp(mailbox) = alice.node.endpoint().expect("an endpoint") else { unreachable!() };
        let mut talks = 0;
        let mut talk = |alice: &mut Ours, bob: &mut Ours| {
            talks += 1;
            let text = format!("still here {talks}");
            alice.node.whisper(bob.node.uuid(), text.as_str()).expect("a whisper");
            bob.node.whisper(alice.node.uuid(), text.as_str()).expect("a whisper");
            for ours in [alice, bob] {
                let heard = ours.expect("the next event", |_| true);
                assert!(matches!(&heard, Event::Whisper { content, .. } if content.text() == text), "{heard:?}");
            }
        };

        let bad = bad_messages();
        for (number, octets) in bad.iter().enumerate() {
            let uuid = Uuid::from_u128(0xBAD_0000 + number as u128);
            is_closed_on(mailbox, &[dealer_opening(uuid), octets.clone()].concat());
            if number % 100 == 0 {
                talk(&mut alice, &mut bob);
            }
        }
        let ready = &dealer_opening(Uuid::from_u128(1))[64..];
        let second_ready = [dealer_opening(Uuid::from_u128(1)), ready.to_vec()].concat();
        let refusal = command(&Command::Error { reason: "no".into() });
        for octets in [
            second_ready,
            [&dealer_opening(Uuid::from_u128(1))[..64], &refusal].concat(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            opening("PUB", Bytes::new()),
            opening("DEALER", Bytes::from_static(b"short")),
            // Its UUID is bob's, and what it says is nonsense: only from bob's own address would that end a relation.
            [dealer_opening(Uuid::from_u128(1)), b"\x02\x00\x00\x40\x00\x00\x00\x00\x00".to_vec()].concat(),
        ] {
            is_closed_on(mailbox, &octets);
        }
        talk(&mut alice, &mut bob);

        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_broadcast(true).expect("broadcasts");
        let beacon = zre_proto::Beacon { uuid: Uuid::from_u128(0xBAD), port: 9, public_key: Some([1; 32]) }.encode();
        for cut in 0..beacon.len() {
            socket.send_to(&beacon[..cut], "127.255.255.255:5670").expect("a datagram");
        }
        socket.send_to(&[0xFF; 1400], "127.255.255.255:5670").expect("a datagram");
        let malformed = |ours: &Ours| ours.node.statistics().beacons_rejected.get("malformed").copied();
        while malformed(&alice) < Some(beacon.len() as u64) {
            talk(&mut alice, &mut bob);
        }

        let closed = alice.node.statistics().closed;
        println!("{} bad messages; connections closed: {closed:?}", bad.len());
        for reason in ["malformed", "extra frames", "second READY", "refused", "socket type", "identity"] {
            assert!(closed.get(reason).is_some_and(|count| *count > 0), "{reason} is not among {closed:?}");
        }
        assert_eq!(alice.node.statistics().connections, 2, "all of it is released");
        alice.expect_none("an event", Duration::ZERO, |_| true);
        bob.expect_none("an event", Duration::ZERO, |_| true);
    });
}
