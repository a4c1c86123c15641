//! What we would have sent in the place of a stock program is what it sent, octet for octet.
//!
//! The messages stand here by hand, from what each node was told to do (`steps` in the recording); nothing is taken
//! from our decoder. UUIDs are those that the programs told their applications.

use bytes::{Bytes, BytesMut};
use uuid::Uuid;
use zre_proto::{
    Beacon, Endpoint, Message, Text,
    message::{Body, Hello, Membership},
    zmtp::{Command, Greeting, Metadata},
};
use zre_tests::recording::{Recording, Stream, assert_same_octets, put_command, put_message};

/// A node that writes what it is told to, as one direction of a connection.
struct Writer {
    out: BytesMut,
    sequence: u16,
}

impl Writer {
    /// A DEALER that has shaken hands.
    fn dealer(uuid: Uuid) -> Self {
        let mut identity = vec![1];
        identity.extend_from_slice(uuid.as_bytes());
        Self::connected("DEALER", identity)
    }

    /// A ROUTER that has shaken hands; more it never says.
    fn router() -> Self {
        Self::connected("ROUTER", Vec::new())
    }

    fn connected(socket_type: &'static str, identity: Vec<u8>) -> Self {
        let mut greeting = Greeting::NULL.encode();
        // Padding, but libzmq writes the length of its identity there, plus one.
        greeting[8] = identity.len() as u8 + 1;
        let mut ready = Metadata::default();
        ready.push("Socket-Type".into(), socket_type.into());
        ready.push("Identity".into(), identity.into());
        let mut out = BytesMut::from(&greeting[..]);
        put_command(&mut out, &Command::Ready(ready));
        Self { out, sequence: 0 }
    }

    fn say(&mut self, body: Body, content: &[&[u8]]) {
        self.sequence += 1;
        let mut first = BytesMut::new();
        Message { sequence: self.sequence, body }.encode(&mut first).unwrap();
        let mut frames = vec![first.freeze()];
        frames.extend(content.iter().map(|frame| Bytes::copy_from_slice(frame)));
        put_message(&mut self.out, &frames);
    }

    fn hello(&mut self, endpoint: &Endpoint, name: &str, groups: &[&str], headers: &[(&str, &str)]) {
        let hello = Hello {
            endpoint: endpoint.to_string().into(),
            groups: groups.iter().copied().map(Text::from).collect(),
            status: groups.len() as u8,
            name: name.into(),
            headers: headers.iter().map(|(name, value)| (Text::from(*name), Text::from(*value))).collect(),
        };
        self.say(Body::Hello(hello), &[]);
    }

    fn join(&mut self, group: &str, status: u8) {
        self.say(Body::Join(Membership { group: group.into(), status }), &[]);
    }

    fn leave(&mut self, group: &str, status: u8) {
        self.say(Body::Leave(Membership { group: group.into(), status }), &[]);
    }

    fn whisper(&mut self, content: &[&[u8]]) {
        self.say(Body::Whisper, content);
    }

    fn shout(&mut self, group: &str, content: &[&[u8]]) {
        self.say(Body::Shout { group: group.into() }, content);
    }

    /// PINGs and PING-OKs, in the order in which the clocks of that day had them.
    fn pings(&mut self, what: &[Body]) {
        for body in what {
            self.say(body.clone(), &[]);
        }
    }

    #[track_caller]
    fn is(&self, recorded: &Stream) {
        assert_same_octets(&self.out, &recorded.octets(), recorded);
    }
}

/// The two nodes of a recording, A and B.
struct Pair {
    recording: Recording,
    alice: Uuid,
    bob: Uuid,
}

impl Pair {
    fn load(name: &str, alice: u128, bob: u128) -> Self {
        let recording = Recording::load(name);
        let (alice, bob) = (Uuid::from_u128(alice), Uuid::from_u128(bob));
        assert_eq!((recording.peers["A"].uuid, recording.peers["B"].uuid), (alice, bob), "{name}");
        Self { recording, alice, bob }
    }

    /// The direction in which this node speaks to the other.
    fn from(&self, letter: &str) -> &Stream {
        self.recording.connections().find(|stream| stream.opener && stream.from == letter).unwrap()
    }

    /// What each node announced first and last, and what its mailbox sends to whoever connects.
    fn announce(&self, alice: &str, bob: &str) -> [Endpoint; 2] {
        [("A", self.alice, alice), ("B", self.bob, bob)].map(|(letter, uuid, endpoint)| {
            let endpoint: Endpoint = endpoint.parse().unwrap();
            let sent = self.recording.datagrams().find(|stream| stream.from == letter).unwrap();
            let beacon = |port| Beacon { uuid, port, public_key: None }.encode();
            assert_eq!(sent.chunks.first(), Some(&beacon(endpoint.port().unwrap())));
            assert_eq!(sent.chunks.last(), Some(&beacon(0)));
            let mailbox = |stream: &&Stream| !stream.opener && stream.from == letter;
            Writer::router().is(self.recording.connections().find(mailbox).unwrap());
            endpoint
        })
    }
}

fn counting() -> [u8; 256] {
    std::array::from_fn(|at| at as u8)
}

const XS: &[u8] = &[b'x'; 70_000];

#[test]
fn a_session_of_pyre() {
    let pair = Pair::load(
        "zre_pyre_pyre",
        0x8989_82b4_3d67_4eb6_bbaa_cfbb_a747_8086,
        0xeac8_c3bd_91af_4117_9729_149f_62be_e5c5,
    );
    let [alice_at, bob_at] = pair.announce("tcp://10.77.0.1:38647", "tcp://10.77.0.2:36415");

    let mut alice = Writer::dealer(pair.alice);
    alice.hello(&alice_at, "alice", &["GLOBAL"], &[("X-HELLO", "world"), ("X-EMPTY", "")]);
    alice.join("chat", 2);
    alice.whisper(&[b"hello bob"]);
    alice.whisper(&[b"part one", b"", &counting(), b"last"]);
    alice.whisper(&[b""]);
    alice.whisper(&[&XS[..300]]);
    alice.whisper(&[XS]);
    alice.shout("chat", &[b"hello chatters"]);
    alice.pings(&[Body::PingOk, Body::PingOk]);
    alice.is(pair.from("A"));

    let mut bob = Writer::dealer(pair.bob);
    bob.hello(&bob_at, "bob", &["GLOBAL", "second"], &[("X-PORT", "1234")]);
    bob.join("chat", 3);
    bob.whisper(&[b"hello alice"]);
    bob.shout("GLOBAL", &[b"hello globals"]);
    bob.shout("chat", &[b"sh", b"out"]);
    bob.leave("chat", 4);
    bob.pings(&[Body::Ping, Body::Ping]);
    bob.is(pair.from("B"));
}

#[test]
fn a_session_of_zyre() {
    let pair = Pair::load(
        "zre_zyre_zyre",
        0xe79e_37a0_b4a7_4adf_881a_1285_920c_6658,
        0x3708_90f5_b26f_4832_852c_5ee5_d0c5_da92,
    );
    let [alice_at, bob_at] = pair.announce("tcp://10.77.0.1:49152", "tcp://10.77.0.2:49152");

    let mut alice = Writer::dealer(pair.alice);
    // Zyre writes its headers in the order of a hash table.
    alice.hello(&alice_at, "alice", &["GLOBAL"], &[("X-EMPTY", ""), ("X-HELLO", "world")]);
    alice.join("chat", 2);
    alice.whisper(&[b"hello bob"]);
    alice.whisper(&[b"part one", b"", &counting(), b"last"]);
    alice.whisper(&[b""]);
    alice.whisper(&[&XS[..300]]);
    alice.whisper(&[XS]);
    alice.shout("chat", &[b"hello chatters"]);
    alice.pings(&[Body::PingOk, Body::Ping, Body::Ping]);
    alice.is(pair.from("A"));

    let mut bob = Writer::dealer(pair.bob);
    bob.hello(&bob_at, "bob", &["GLOBAL", "second"], &[("X-PORT", "1234")]);
    bob.join("chat", 3);
    bob.whisper(&[b"hello alice"]);
    bob.shout("GLOBAL", &[b"hello globals"]);
    bob.shout("chat", &[b"sh", b"out"]);
    bob.leave("chat", 4);
    bob.pings(&[Body::Ping, Body::PingOk]);
    bob.is(pair.from("B"));
}

#[test]
fn a_session_of_zyre_js() {
    let pair = Pair::load(
        "zre_zyrejs_zyrejs",
        0x9cc6_7156_5b90_40cd_a81a_5ec1_0961_1cd1,
        0xe4a5_91d5_478e_4c5b_963a_4192_dc81_f5fb,
    );
    let [alice_at, bob_at] = pair.announce("tcp://10.77.0.1:55802", "tcp://10.77.0.2:55816");

    let mut alice = Writer::dealer(pair.alice);
    alice.hello(&alice_at, "alice", &["GLOBAL"], &[("X-HELLO", "world"), ("X-EMPTY", "")]);
    alice.join("chat", 2);
    alice.whisper(&[b"hello bob"]);
    // It sends one content frame and no more.
    alice.whisper(&[&counting()]);
    alice.whisper(&[b""]);
    alice.whisper(&[&XS[..300]]);
    alice.whisper(&[XS]);
    alice.shout("chat", &[b"hello chatters"]);
    alice.pings(&[Body::PingOk, Body::Ping, Body::PingOk, Body::Ping, Body::PingOk]);
    alice.is(pair.from("A"));

    let mut bob = Writer::dealer(pair.bob);
    bob.hello(&bob_at, "bob", &["GLOBAL", "second"], &[("X-PORT", "1234")]);
    bob.join("chat", 3);
    bob.whisper(&[b"hello alice"]);
    bob.shout("GLOBAL", &[b"hello globals"]);
    bob.leave("chat", 4);
    bob.pings(&[Body::Ping, Body::Ping, Body::PingOk, Body::Ping, Body::PingOk]);
    bob.is(pair.from("B"));
}

#[test]
fn an_election_of_two_zyres() {
    let pair =
        Pair::load("election_2", 0xb76f_eadb_3639_4054_9223_54d6_cc86_4186, 0xd105_ae0b_d109_40c7_9cb3_8805_0f7e_51ca);
    const ALICE: &str = "B76FEADB36394054922354D6CC864186";
    const BOB: &str = "D105AE0BD10940C79CB388050F7E51CA";
    let elect = |who: &str| Body::Elect { group: "G".into(), challenger: who.into() };
    let leader = |who: &str| Body::Leader { group: "G".into(), leader: who.into() };

    let mut alice = Writer::dealer(pair.alice);
    alice.hello(&"tcp://10.77.0.1:49152".parse().unwrap(), "alice", &["G"], &[]);
    alice.say(elect(ALICE), &[]);
    alice.say(leader(ALICE), &[]);
    alice.leave("G", 2);
    alice.join("G", 3);
    alice.say(elect(BOB), &[]);
    alice.say(leader(BOB), &[]);
    alice.is(pair.from("A"));

    let mut bob = Writer::dealer(pair.bob);
    bob.hello(&"tcp://10.77.0.2:49152".parse().unwrap(), "bob", &["G"], &[]);
    for body in [elect(BOB), elect(ALICE), leader(ALICE), elect(BOB), leader(BOB)] {
        bob.say(body, &[]);
    }
    bob.is(pair.from("B"));
}

#[test]
fn a_zyre_that_says_goodbye() {
    let recording = Recording::load("gossip_zyre");
    let mut bob = Writer::dealer(Uuid::from_u128(0xb50e_c008_77a4_4864_bdb6_0225_be52_b444));
    bob.hello(&"tcp://10.77.0.2:5671".parse().unwrap(), "bob", &["G"], &[]);
    bob.shout("G", &[b"hi"]);
    bob.say(Body::Goodbye, &[]);
    let to_carol = |stream: &&Stream| stream.opener && (stream.from.as_str(), stream.to.as_str()) == ("B", "C");
    bob.is(recording.connections().find(to_carol).unwrap());
}
