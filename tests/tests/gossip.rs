//! Nodes that find each other by gossip, or because the user names them, over real sockets: hubs that die and come back,
//! several ways to be found at once, and those who talk nonsense to a hub.

use bytes::{Bytes, BytesMut};
use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process,
    time::Duration,
};
use uuid::Uuid;
use zre_mio::{Address, Builder, Event, ExitReason, Node, PeerId};
use zre_proto::{
    Gossip,
    gossip::Tuple,
    zmtp::{FrameDecoder, FrameHeader},
};
use zre_tests::{
    children::JsonLines,
    libzmq::Wire,
    namespace,
    ours::{Ours, all_meet, all_talk},
    solo::opening,
    zre,
};

const SECOND: Duration = Duration::from_secs(1);

/// Each transport, wherever it is free.
const ANYWHERE: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://*"];

const GROUP: &str = "all";

fn is_exit(event: &Event) -> bool {
    matches!(event, Event::Exit { .. })
}

fn is_enter(event: &Event) -> bool {
    matches!(event, Event::Enter { .. })
}

/// A node that sends no beacons.
fn at(name: &str, place: &str) -> Builder {
    Node::builder(name).endpoint(place).group(GROUP)
}

/// A node that finds others through these hubs.
fn client(name: &str, place: &str, hubs: &[&str]) -> Ours {
    Ours::start(hubs.iter().fold(at(name, place), Builder::gossip_connect))
}

/// A hub within this process that is nobody's peer.
fn hub(place: &str) -> (Ours, String) {
    let hub = Ours::start(Node::builder("hub").hub().gossip_bind(place));
    let place = hub.node.gossip_endpoints()[0].to_string();
    (hub, place)
}

/// The program `zre gossip` at this place.
fn hub_process(place: &str) -> JsonLines {
    let hub = JsonLines::start("hub", zre::zre(&["gossip", "--json", place]));
    assert_eq!(hub.hubs().len(), 1);
    hub
}

/// A place for another process: a transport, and a path that no other test has.
fn places(name: &str) -> [String; 2] {
    let path = std::env::temp_dir().join(format!("zre-gossip-{}-{name}", process::id()));
    ["tcp://127.0.0.1:*".into(), format!("ipc://{}", path.display())]
}

/// What a hub that was killed has left behind.
fn clear_away(place: &str) {
    if let Some(path) = place.strip_prefix("ipc://") {
        let _ = std::fs::remove_file(PathBuf::from(path));
    }
}

#[track_caller]
fn expect_hubs(nodes: &mut [Ours], hubs: usize) {
    for ours in nodes {
        ours.expect_counters(&format!("{hubs} hubs"), |statistics| statistics.hubs == hubs);
    }
}

#[track_caller]
fn assert_steady(nodes: &mut [Ours]) {
    nodes.iter_mut().for_each(Ours::assert_steady);
}

#[test]
fn three_nodes_and_a_hub_meet_whisper_and_shout_over_each_transport() {
    for place in ANYWHERE {
        let (mut hub, hub_at) = hub(place);
        let mut nodes = ["alice", "bob", "carol"].map(|name| client(name, place, &[&hub_at]));
        all_meet(&mut nodes);
        all_talk(&mut nodes, GROUP);
        assert_steady(&mut nodes);
        assert_eq!((hub.seen("ENTER").len(), hub.node.statistics().tuples), (0, 3), "{place}");
        assert_eq!(hub.node.statistics().hub_clients, 3, "{place}");
    }
}

#[test]
fn who_has_no_transport_of_the_others_does_not_meet_them() {
    let (_hub, hub_at) = hub("inproc://*");
    let mut nodes = ["alice", "bob"].map(|name| client(name, "tcp://127.0.0.1:*", &[&hub_at]));
    let mut apart = client("apart", "inproc://*", &[&hub_at]);
    all_meet(&mut nodes);
    all_talk(&mut nodes, GROUP);
    // It may reach the others, but they cannot reach it: a name within a process is for nodes that have one.
    apart.expect_none("ENTER", SECOND, is_enter);
    assert_steady(&mut nodes);
}

#[test]
fn a_hub_that_is_a_node_meets_those_who_gossip_with_it() {
    for place in ANYWHERE {
        let hub = Ours::start(at("hub", place).gossip_bind(place));
        let hub_at = hub.node.gossip_endpoints()[0].to_string();
        let [alice, bob] = ["alice", "bob"].map(|name| client(name, place, &[&hub_at]));
        let mut nodes = [hub, alice, bob];
        all_meet(&mut nodes);
        all_talk(&mut nodes, GROUP);
        assert_steady(&mut nodes);
    }
}

#[test]
fn a_hub_that_is_killed_and_comes_back_makes_no_difference() {
    zre::program();
    for place in places("killed") {
        let hub = hub_process(&place);
        let hub_at = hub.hubs()[0].to_owned();
        let mut nodes = vec![client("alice", "tcp://127.0.0.1:*", &[&hub_at])];
        nodes.push(client("bob", "tcp://127.0.0.1:*", &[&hub_at]));
        all_meet(&mut nodes);

        hub.kill9();
        expect_hubs(&mut nodes, 0);
        all_talk(&mut nodes, GROUP);
        // One comes while there is no hub, and one when there is again.
        let mut early = client("early", "tcp://127.0.0.1:*", &[&hub_at]);
        early.expect_none("ENTER", Duration::from_millis(300), is_enter);
        let hub = hub_process(&hub_at);
        assert_eq!(hub.hubs(), [&*hub_at]);
        let mut late = client("late", "tcp://127.0.0.1:*", &[&hub_at]);
        for ours in &mut nodes {
            for newcomer in [&early, &late] {
                ours.expect_enter(newcomer.node.uuid());
            }
        }
        for newcomer in [&mut early, &mut late] {
            nodes.iter().for_each(|ours| newcomer.expect_enter(ours.node.uuid()));
        }
        early.expect_enter(late.node.uuid());
        late.expect_enter(early.node.uuid());
        nodes.extend([early, late]);
        all_talk(&mut nodes, GROUP);
        assert_steady(&mut nodes);
        hub.kill9();
        clear_away(&place);
    }
}

#[test]
fn of_two_hubs_one_is_enough() {
    zre::program();
    for (place, other) in places("first").iter().zip(&places("second")) {
        let hubs = [hub_process(place), hub_process(other)];
        let hubs_at = hubs.each_ref().map(|hub| hub.hubs()[0].to_owned());
        let hubs_at = hubs_at.each_ref().map(String::as_str);
        let mut nodes = vec![client("alice", "ipc://*", &hubs_at), client("bob", "ipc://*", &hubs_at)];
        all_meet(&mut nodes);
        expect_hubs(&mut nodes, 2);

        let [first, second] = hubs;
        first.kill9();
        expect_hubs(&mut nodes, 1);
        let mut late = client("late", "ipc://*", &hubs_at);
        for ours in &mut nodes {
            ours.expect_enter(late.node.uuid());
            late.expect_enter(ours.node.uuid());
        }
        nodes.push(late);
        all_talk(&mut nodes, GROUP);
        assert_steady(&mut nodes);
        second.kill9();
        clear_away(place);
        clear_away(other);
    }
}

#[test]
fn a_node_between_two_hubs_carries_word_from_one_to_the_other() {
    let (_one, one_at) = hub("inproc://*");
    let (_other, other_at) = hub("inproc://*");
    let alice = client("alice", "inproc://*", &[&one_at]);
    let bob = client("bob", "inproc://*", &[&other_at]);
    let between = client("between", "inproc://*", &[&one_at, &other_at]);
    let mut nodes = [alice, bob, between];
    all_meet(&mut nodes);
    all_talk(&mut nodes, GROUP);
    assert_steady(&mut nodes);
}

#[test]
fn a_hub_that_gossips_with_another_joins_their_nodes() {
    zre::program();
    let (_one, one_at) = hub("tcp://127.0.0.1:*");
    let arguments = ["gossip", "--json", "tcp://127.0.0.1:*", "--gossip-connect", &one_at];
    let other = JsonLines::start("other", zre::zre(&arguments));
    let mut nodes = [one_at.as_str(), other.hubs()[0]].map(|hub_at| client("node", "tcp://127.0.0.1:*", &[hub_at]));
    all_meet(&mut nodes);
    all_talk(&mut nodes, GROUP);
    assert_steady(&mut nodes);
}

#[test]
fn who_stops_is_gone_at_once_from_those_who_know_it_by_gossip() {
    for place in ANYWHERE {
        let (_hub, hub_at) = hub(place);
        let mut nodes = ["alice", "bob", "carol"].map(|name| client(name, place, &[&hub_at]));
        all_meet(&mut nodes);
        let [alice, rest @ ..] = &mut nodes;
        let gone = alice.node.uuid();
        alice.node.stop();
        for ours in rest {
            let exit = ours.expect_within("EXIT", SECOND, is_exit);
            let left = matches!(exit, Event::Exit { peer, reason: ExitReason::Left, .. } if peer == gone);
            assert!(left, "{place}: {exit:?}");
        }
        // Who comes now hears of her for a while yet, and does not meet her.
        let mut late = client("late", place, &[&hub_at]);
        nodes[1..].iter().for_each(|ours| late.expect_enter(ours.node.uuid()));
        late.expect_none("ENTER", Duration::from_millis(300), is_enter);
    }
}

/// Nodes that are named to others, in a cluster that beacons.
fn beaconing(name: &str, port: u16) -> Ours {
    Ours::start(Node::builder(name).group(GROUP).interface("lo").mailbox_port(port))
}

#[test]
fn who_sends_no_beacons_joins_a_cluster_that_does_by_name() {
    zre::program();
    namespace::run("who_sends_no_beacons_joins_a_cluster_that_does_by_name", || {
        let mut nodes = vec![beaconing("alice", 47001), beaconing("bob", 47002)];
        all_meet(&mut nodes);
        let named = nodes.iter().map(Ours::endpoint);
        let mut outsider = Ours::start(named.fold(at("outsider", "tcp://127.0.0.1:*"), Builder::peer));
        let arguments =
            ["--group", GROUP, "--endpoint", "tcp://127.0.0.1:*", "--peer", "tcp://localhost:47001", "--peer"];
        let mut pipe = zre::pipe("pipe", &[&arguments[..], &["tcp://127.0.0.1:47002"]].concat());
        let piped: PeerId = pipe.uuid().parse().expect("a UUID");
        for ours in &mut nodes {
            ours.expect_enter(outsider.node.uuid());
            ours.expect_enter(piped);
            outsider.expect_enter(ours.node.uuid());
            pipe.expect_event("ENTER", |event| event["peer"] == ours.uuid());
        }
        // They are not told of each other, for nobody gossips.
        nodes.push(outsider);
        for ours in &mut nodes[..2] {
            let heard = format!("to {}", ours.uuid());
            pipe.whisper(&ours.uuid(), &serde_json::json!([heard]));
            assert_eq!(ours.expect_whisper(&heard), piped);
            ours.node.whisper(piped, "and back").expect("a whisper");
            pipe.expect_event("WHISPER", |event| event["peer"] == ours.uuid());
        }
        assert_eq!(nodes[2].node.shout(GROUP, "hello"), Ok(2));
        for ours in &mut nodes[..2] {
            ours.expect("SHOUT", |event| matches!(event, Event::Shout { .. }));
        }
        assert_steady(&mut nodes);
        assert_eq!(pipe.seen().filter(|line| line["event"] == "ENTER").count(), 2);
    });
}

#[test]
fn a_peer_that_is_named_may_start_later_and_another_may_take_its_place() {
    zre::program();
    namespace::run("a_peer_that_is_named_may_start_later_and_another_may_take_its_place", || {
        let place = "tcp://localhost:47003";
        let mut outsider = Ours::start(at("outsider", "tcp://127.0.0.1:*").peer(place));
        let mut pipe = zre::pipe("pipe", &["--endpoint", "tcp://127.0.0.1:*", "--peer", place]);
        outsider.expect_none("ENTER", SECOND, |_| true);
        for name in ["first", "second", "third"] {
            let mut peer = beaconing(name, 47003);
            outsider.expect_enter(peer.node.uuid());
            pipe.expect_event("ENTER", |event| event["peer"] == peer.uuid());
            peer.expect_enter(outsider.node.uuid());
            let text = format!("hello, {name}");
            outsider.node.whisper(peer.node.uuid(), text.as_str()).expect("a whisper");
            assert_eq!(peer.expect_whisper(&text), outsider.node.uuid());
            let uuid = peer.node.uuid();
            peer.node.stop();
            drop(peer);
            let exit = outsider.expect_within("EXIT", SECOND, is_exit);
            assert!(matches!(exit, Event::Exit { peer, reason: ExitReason::Left, .. } if peer == uuid), "{exit:?}");
            let left = |event: &serde_json::Value| event["event"] == "EXIT" && event["reason"] == "left";
            pipe.wait_for("EXIT", SECOND, left);
        }
    });
}

#[test]
fn a_peer_that_is_named_by_its_uuid_is_waited_for_whoever_is_there() {
    let mut alice = Ours::start(at("alice", "inproc://*"));
    let (place, wanted) = (alice.endpoint(), Uuid::from_u128(0x1234));
    // She is called, and so she comes, as who she is; and stays.
    let mut bob = Ours::start(at("bob", "inproc://*").required_peer(wanted, &place));
    bob.expect_enter(alice.node.uuid());
    alice.expect_enter(bob.node.uuid());
    bob.expect_none("EXIT or another ENTER", 3 * SECOND, |event| is_exit(event) || is_enter(event));
    alice.assert_steady();
    alice.node.stop();
    let mut wanted = Ours::start(at("wanted", &place).uuid(wanted));
    bob.expect_enter(wanted.node.uuid());
    wanted.expect_enter(bob.node.uuid());
}

#[test]
fn beacons_gossip_and_names_together_make_one_peer() {
    namespace::run("beacons_gossip_and_names_together_make_one_peer", || {
        let (_hub, hub_at) = hub("tcp://127.0.0.1:*");
        let named = [47001, 47002, 47003];
        let mut nodes: Vec<_> = named
            .iter()
            .map(|port| {
                let own = Node::builder(format!("at {port}")).group(GROUP).interface("lo").mailbox_port(*port);
                let own = own.interval(SECOND / 5).gossip_connect(&hub_at);
                let others = named.iter().filter(|other| *other != port);
                Ours::start(others.fold(own, |own, other| own.peer(format!("tcp://localhost:{other}"))))
            })
            .collect();
        all_meet(&mut nodes);
        expect_hubs(&mut nodes, 1);
        all_talk(&mut nodes, GROUP);
        for ours in &mut nodes {
            ours.expect_none("EXIT or another ENTER", SECOND, |event| is_exit(event) || is_enter(event));
            assert_eq!(ours.node.statistics().connections, 5, "one each way, and one to the hub");
        }
        assert_steady(&mut nodes);
    });
}

#[test]
fn who_is_behind_a_gate_is_met_through_it() {
    namespace::run("who_is_behind_a_gate_is_met_through_it", || {
        let (_hub, hub_at) = hub("tcp://127.0.0.1:*");
        let gate = Wire::to("tcp://127.0.0.1:47001");
        let alice = at("alice", "tcp://127.0.0.1:47001").advertise(gate.endpoint()).gossip_connect(&hub_at);
        let alice = Ours::start(alice);
        assert_eq!(alice.endpoint(), gate.endpoint());
        let bob = client("bob", "tcp://127.0.0.1:*", &[&hub_at]);
        let mut nodes = [alice, bob];
        all_meet(&mut nodes);
        all_talk(&mut nodes, GROUP);
        let [alice, bob] = &mut nodes;
        let place: Address = gate.endpoint().parse().expect("an endpoint");
        assert_eq!(bob.node.peer_address(alice.node.uuid()), Some(place));
        bob.node.whisper(alice.node.uuid(), "through the gate").expect("a whisper");
        gate.expect_forth(b"through the gate");
        assert_steady(&mut nodes);
    });
}

/// Somebody who gossips with a hub by hand.
struct Gossiper {
    stream: TcpStream,
    frames: FrameDecoder,
}

impl Gossiper {
    /// One whose handshake is done on its side.
    fn at(hub: &str) -> Self {
        let mut this = Self::silent(hub);
        this.write(&opening("DEALER", Bytes::new()));
        let mut greeting = [0; 64];
        this.stream.read_exact(&mut greeting).expect("a greeting");
        this
    }

    /// One that has not said anything.
    fn silent(hub: &str) -> Self {
        let stream = TcpStream::connect(hub.strip_prefix("tcp://").expect("over TCP")).expect("the hub listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a deadline");
        Self { stream, frames: FrameDecoder::new(1 << 20) }
    }

    fn write(&mut self, octets: &[u8]) {
        // The hub may have closed the connection before it has all.
        let _ = self.stream.write_all(octets);
    }

    fn say_frame(&mut self, body: &[u8]) {
        let mut octets = Vec::new();
        FrameHeader::message(body.len(), false).encode(&mut octets);
        octets.extend_from_slice(body);
        self.write(&octets);
    }

    fn say(&mut self, message: &Gossip) {
        let mut body = BytesMut::new();
        message.encode(&mut body).expect("it fits");
        self.say_frame(&body);
    }

    /// The next message, or None where the connection is closed.
    #[track_caller]
    fn hear(&mut self) -> Option<Gossip> {
        loop {
            while let Some(frame) = self.frames.next_frame().expect("good frames") {
                if !frame.command {
                    return Some(Gossip::decode(&frame.body).expect("a good message"));
                }
            }
            let mut octets = [0; 4096];
            match self.stream.read(&mut octets) {
                Ok(0) => return None,
                Ok(length) => self.frames.push(Bytes::copy_from_slice(&octets[..length])),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing comes: {error}"),
            }
        }
    }

    /// Asks for a sign of life: all that comes before it.
    #[track_caller]
    fn answers(&mut self) -> Vec<Gossip> {
        self.say(&Gossip::Ping);
        let mut heard = Vec::new();
        loop {
            match self.hear().expect("the connection is open") {
                Gossip::Pong => return heard,
                message => heard.push(message),
            }
        }
    }
}

/// What a hub tells whoever comes now.
#[track_caller]
fn table(hub: &str) -> BTreeMap<String, String> {
    let mut gossiper = Gossiper::at(hub);
    gossiper.say(&Gossip::Hello);
    let told = gossiper.answers().into_iter().map(|message| match message {
        Gossip::Publish(tuple) => {
            (tuple.key.to_string_lossy().into_owned(), tuple.value.to_string_lossy().into_owned())
        }
        other => panic!("{other:?}"),
    });
    told.collect()
}

fn publish(key: &str, value: &str) -> Gossip {
    Gossip::Publish(Tuple { key: key.into(), value: value.into(), ttl: 0 })
}

/// A message as a frame has it.
fn frame(message: &Gossip) -> Vec<u8> {
    let mut body = BytesMut::new();
    message.encode(&mut body).expect("it fits");
    let mut octets = Vec::new();
    FrameHeader::message(body.len(), false).encode(&mut octets);
    octets.extend_from_slice(&body);
    octets
}

/// What ends a connection to a hub, once HELLO is said, and the word that counts it.
fn offences() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let key = "0123456789ABCDEF0123456789ABCDEF";
    let good = frame(&publish(key, "tcp://127.0.0.1:9"));
    let body = |octets: &[u8]| [&[0, octets.len() as u8], octets].concat();
    vec![
        ("a value of 100 KiB", frame(&publish(key, &"x".repeat(100 << 10))), "malformed"),
        ("a frame said to be endless", [&[2][..], &[0x7F; 8]].concat(), "malformed"),
        ("a key that is no UUID", frame(&publish("printer", "tcp://127.0.0.1:9")), "gossip"),
        ("no key", frame(&publish("", "tcp://127.0.0.1:9")), "gossip"),
        ("an endpoint that is no address", frame(&publish(key, "over there")), "gossip"),
        ("no endpoint", frame(&publish(key, "")), "gossip"),
        ("two octets of garbage", body(b"no"), "malformed"),
        ("an empty message", body(b""), "malformed"),
        ("a ZRE message", body(b"\xAA\xA1\x06\x02\x00\x02"), "malformed"),
        ("another version", body(b"\xAA\xA0\x01\x02"), "malformed"),
        ("a truncated PUBLISH", body(&good[2..good.len() - 1]), "malformed"),
        ("more than a PUBLISH", body(&[&good[2..], b"x"].concat()), "malformed"),
        ("a frame with flags that are none", b"\xFF\x01x".to_vec(), "malformed"),
        ("a second READY", opening("DEALER", Bytes::new())[64..].to_vec(), "second READY"),
    ]
}

#[test]
fn nonsense_ends_a_connection_to_a_hub_and_honest_nodes_do_not_notice() {
    let (mut hub, hub_at) = hub("tcp://127.0.0.1:*");
    let mut nodes = ["alice", "bob"].map(|name| client(name, "tcp://127.0.0.1:*", &[&hub_at]));
    all_meet(&mut nodes);
    let count = |hub: &Ours, reason: &str| hub.node.statistics().closed.get(reason).copied().unwrap_or_default();
    for (offence, octets, reason) in offences() {
        let before = count(&hub, reason);
        let mut gossiper = Gossiper::at(&hub_at);
        gossiper.say(&Gossip::Hello);
        assert_eq!(gossiper.answers().len(), 2, "of alice and bob, before {offence}");
        gossiper.write(&octets);
        while gossiper.hear().is_some() {}
        hub.expect_counters(&format!("closed as {reason}, for {offence}"), |statistics| {
            statistics.closed.get(reason).copied() == Some(before + 1)
        });
    }
    // And before there is a handshake.
    for (octets, reason) in [
        (b"no".to_vec(), "malformed"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "malformed"),
        (opening("SUB", Bytes::new()), "socket type"),
    ] {
        let before = count(&hub, reason);
        let mut gossiper = Gossiper::silent(&hub_at);
        gossiper.write(&octets);
        let _ = gossiper.stream.read_to_end(&mut Vec::new());
        assert_eq!(count(&hub, reason), before + 1, "{:?}", String::from_utf8_lossy(&octets));
    }
    hub.expect_counters("two clients", |statistics| statistics.hub_clients == 2 && statistics.connections == 2);
    assert_eq!(hub.node.statistics().tuples, 2, "nothing came of it");
    let mut late = client("late", "tcp://127.0.0.1:*", &[&hub_at]);
    for ours in &mut nodes {
        late.expect_enter(ours.node.uuid());
        ours.expect_enter(late.node.uuid());
    }
    let [alice, bob] = nodes;
    let mut nodes = [alice, bob, late];
    all_talk(&mut nodes, GROUP);
    assert_steady(&mut nodes);
}

#[test]
fn a_hub_answers_as_stock_hubs_do() {
    let (mut hub, hub_at) = hub("tcp://127.0.0.1:*");
    let alice = client("alice", "tcp://127.0.0.1:*", &[&hub_at]);
    let mut gossiper = Gossiper::at(&hub_at);
    let stranger = publish("0123456789ABCDEF0123456789ABCDEF", "tcp://127.0.0.1:9");
    // Who has not said HELLO is to begin with it; a PING is answered in any case.
    gossiper.say(&stranger);
    assert_eq!(gossiper.hear(), Some(Gossip::Invalid));
    assert_eq!(gossiper.answers(), []);
    gossiper.say(&Gossip::Hello);
    let told = gossiper.answers();
    assert_eq!(told, [publish(&alice.uuid(), &alice.endpoint())]);
    for message in [Gossip::Pong, Gossip::Unknown { id: 9, fields: Bytes::new() }, Gossip::Invalid] {
        gossiper.say(&message);
        let expected = if message == Gossip::Pong { vec![Gossip::Invalid] } else { vec![] };
        assert_eq!(gossiper.answers(), expected, "{message:?}");
    }
    // A new tuple goes to all, the teller too; a known one to nobody.
    gossiper.say(&stranger);
    assert_eq!(gossiper.answers(), std::slice::from_ref(&stranger));
    gossiper.say(&stranger);
    assert_eq!(gossiper.answers(), []);
    assert_eq!(table(&hub_at).len(), 2);
    hub.expect_counters("two clients", |statistics| statistics.hub_clients == 2);
}

#[test]
fn who_withdraws_is_told_of_no_more_and_stays_with_its_peers() {
    let (mut hub, hub_at) = hub("tcp://127.0.0.1:*");
    let mut nodes = ["alice", "bob"].map(|name| client(name, "tcp://127.0.0.1:*", &[&hub_at]));
    all_meet(&mut nodes);
    let [alice, bob] = &nodes;
    let both = nodes.iter().map(|ours| (ours.uuid(), ours.endpoint())).collect();
    assert_eq!(table(&hub_at), both);
    assert!(alice.node.gossip_unpublish(alice.node.uuid()));
    assert!(!alice.node.gossip_unpublish(alice.node.uuid()), "it is so already");
    hub.expect_counters("one tuple", |statistics| statistics.tuples == 1);
    assert_eq!(table(&hub_at), [(bob.uuid(), bob.endpoint())].into());
    assert!(!bob.node.gossip_unpublish(Uuid::from_u128(7).into()), "nobody knows of it");
    all_talk(&mut nodes, GROUP);
    // It hears of those who come, and goes to them.
    let mut late = client("late", "tcp://127.0.0.1:*", &[&hub_at]);
    nodes.iter().for_each(|ours| late.expect_enter(ours.node.uuid()));
    assert_steady(&mut nodes);
}
