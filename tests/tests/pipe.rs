//! `zre pipe` as a script meets it: commands, questions, events, errors, and each way to end.

use serde_json::{Value, json};
use std::{net::UdpSocket, time::Duration};
use zre_tests::{
    children::{JsonLines, PATIENCE},
    namespace,
    pyre::{Pyre, PyreNode, PyreOptions},
    zre::{self, chat},
};

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1 << 20;
const LO: [&str; 2] = ["--interface", "lo"];

fn pipe(name: &str, arguments: &[&str]) -> JsonLines {
    zre::pipe(name, &[&LO, arguments].concat())
}

/// Two nodes that have met, both in the group `tea`.
fn pair() -> (JsonLines, JsonLines) {
    let mut alice = pipe("alice", &["--header", "role=sensor", "--header", "k=a=b", "--group", "tea"]);
    let mut bob = pipe("bob", &["--group", "tea", "--group", "milk"]);
    meet(&mut alice, &mut bob);
    for group in ["tea", "milk"] {
        alice.expect_event("JOIN", |event| event["group"] == group && event["name"] == "bob");
    }
    bob.expect_event("JOIN", |event| event["group"] == "tea");
    (alice, bob)
}

fn meet(one: &mut JsonLines, other: &mut JsonLines) {
    one.expect_event("ENTER", |event| event["peer"] == other.uuid());
    other.expect_event("ENTER", |event| event["peer"] == one.uuid());
}

#[test]
fn the_first_line_is_start_and_then_come_events() {
    zre::program();
    namespace::run("the_first_line_is_start_and_then_come_events", || {
        let (mut alice, mut bob) = pair();
        assert_eq!(alice.uuid().len(), 32);
        assert!(alice.uuid().bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')));
        assert_eq!(alice.name(), "alice");
        assert!(alice.endpoint().starts_with("tcp://127.0.0.1:"));
        assert_eq!(alice.seen().next().map(|line| line["event"].clone()), Some(json!("START")));

        let enter = bob.seen().find(|line| line["event"] == "ENTER").cloned();
        let (uuid, at) = (alice.uuid().to_owned(), alice.endpoint().to_owned());
        let headers = json!({"role": "sensor", "k": "a=b"});
        let told = json!({"event": "ENTER", "peer": uuid, "name": "alice", "headers": headers, "endpoint": at});
        assert_eq!(enter, Some(told));

        let peer = bob.uuid().to_owned();
        bob.join("late");
        let join = alice.expect_event("JOIN", |event| event["group"] == "late");
        assert_eq!(join, json!({"event": "JOIN", "peer": peer, "name": "bob", "group": "late"}));
        bob.leave("late");
        let leave = alice.expect_event("LEAVE", |_| true);
        assert_eq!(leave, json!({"event": "LEAVE", "peer": peer, "name": "bob", "group": "late"}));

        let content = json!(["hi", "", {"hex": "00ff"}, "grüße, 世界", "\u{9b}31m\n\u{2028}"]);
        bob.whisper(&uuid, &content);
        let whisper = alice.expect_event("WHISPER", |_| true);
        assert_eq!(whisper, json!({"event": "WHISPER", "peer": peer, "name": "bob", "content": content}));
        bob.shout("tea", &content);
        let shout = alice.expect_event("SHOUT", |_| true);
        assert_eq!(shout, json!({"event": "SHOUT", "peer": peer, "name": "bob", "group": "tea", "content": content}));
        // Hex that is text comes as text; nothing at all is one empty frame, for stock programs take no less.
        bob.whisper(&uuid, &json!([{"hex": "4142"}]));
        alice.expect_event("WHISPER", |event| event["content"] == json!(["AB"]));
        bob.whisper(&uuid, &json!([]));
        alice.expect_event("WHISPER", |event| event["content"] == json!([""]));

        bob.stop();
        let exit = alice.wait_for("EXIT", SECOND, |event| event["event"] == "EXIT");
        let left = json!({"event": "EXIT", "peer": peer, "name": "bob", "reason": "left", "unsent": 0});
        assert_eq!(exit, left);
        alice.send(&json!({"do": "stop"}));
        let stop = alice.expect_event("STOP", |_| true);
        assert_eq!(stop, json!({"event": "STOP", "peer": uuid, "name": "alice"}));
        assert!(alice.end().success());
    });
}

#[test]
fn every_question_has_its_answer() {
    zre::program();
    namespace::run("every_question_has_its_answer", || {
        let (mut alice, bob) = pair();
        let (own, peer, at) = (alice.uuid().to_owned(), bob.uuid().to_owned(), alice.endpoint().to_owned());
        let nobody = "0".repeat(32);
        let mut is = |question: Value, answer: Value| assert_eq!(alice.ask(question.clone()), answer, "{question}");
        is(json!({"do": "uuid"}), json!(own));
        is(json!({"do": "name"}), json!("alice"));
        is(json!({"do": "endpoint"}), json!(at));
        is(json!({"do": "peers"}), json!([peer]));
        is(json!({"do": "own_groups"}), json!(["tea"]));
        is(json!({"do": "peer_groups"}), json!(["milk", "tea"]));
        is(json!({"do": "peers_by_group", "group": "milk"}), json!([peer]));
        is(json!({"do": "peers_by_group", "group": "water"}), json!([]));
        is(json!({"do": "peer_address", "peer": peer}), json!(bob.endpoint()));
        is(json!({"do": "peer_name", "peer": peer}), json!("bob"));
        is(json!({"do": "peer_headers", "peer": peer}), json!({}));
        is(json!({"do": "peer_header_value", "peer": peer, "name": "k"}), json!(null));
        for stranger in [&nobody, &own] {
            is(json!({"do": "peer_address", "peer": stranger}), json!(null));
            is(json!({"do": "peer_name", "peer": stranger}), json!(null));
            is(json!({"do": "peer_headers", "peer": stranger}), json!(null));
            is(json!({"do": "peer_header_value", "peer": stranger, "name": "k"}), json!(null));
        }

        // Groups twice or not at all are no error.
        is(json!({"do": "join", "group": "more"}), json!(true));
        is(json!({"do": "join", "group": "more"}), json!(true));
        is(json!({"do": "own_groups"}), json!(["more", "tea"]));
        is(json!({"do": "leave", "group": "more"}), json!(true));
        is(json!({"do": "leave", "group": "more"}), json!(true));
        is(json!({"do": "shout", "group": "empty", "content": ["to nobody"]}), json!(true));

        // Headers are for those who come later.
        is(json!({"do": "set_header", "name": "late", "value": "1"}), json!(true));
        let mut bob = bob;
        let dashed = format!("{}-{}-{}-{}-{}", &own[..8], &own[8..12], &own[12..16], &own[16..20], &own[20..]);
        let value = |name| json!({"do": "peer_header_value", "peer": dashed.to_lowercase(), "name": name});
        assert_eq!(bob.ask(value("k")), json!("a=b"));
        assert_eq!(bob.ask(value("late")), json!(null));
        let mut carol = pipe("carol", &[]);
        let enter = carol.expect_event("ENTER", |event| event["name"] == "alice");
        assert_eq!(enter["headers"], json!({"role": "sensor", "k": "a=b", "late": "1"}));
        let headers = carol.ask(json!({"do": "peer_headers", "peer": own.to_lowercase()}));
        assert_eq!(headers, enter["headers"]);
        // And without a name it is made from the UUID.
        let mut anonymous = JsonLines::start("anonymous", zre::zre(&["pipe", "--interface", "lo"]));
        assert_eq!(anonymous.name(), &anonymous.uuid()[..6]);
        assert_eq!(anonymous.ask(json!({"do": "own_groups"})), json!([]));
    });
}

#[test]
fn stats_count() {
    zre::program();
    namespace::run("stats_count", || {
        let (mut alice, mut bob) = pair();
        bob.whisper(alice.uuid(), &json!(["x".repeat(1000)]));
        alice.expect_event("WHISPER", |_| true);
        let stats = alice.ask(json!({"do": "stats"}));
        for (name, least) in [
            ("peers", 1),
            ("strangers", 0),
            ("connections", 2),
            ("messages_sent", 1),
            ("messages_received", 2),
            ("octets_sent", 100),
            ("octets_received", 1000),
            ("beacons_sent", 1),
            ("beacons_received", 1),
            ("events_waiting", 0),
            ("send_queues", 0),
        ] {
            assert!(stats[name].as_u64().is_some_and(|count| count >= least), "{name}: {stats}");
        }
        assert_eq!((&stats["peers"], &stats["strangers"]), (&json!(1), &json!(0)));
        assert!(stats["beacons_rejected"].is_object() && stats["connections_closed"].is_object(), "{stats}");

        // A datagram that is no beacon counts by its reason.
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_broadcast(true).expect("broadcasts");
        socket.send_to(b"ZREx", "127.255.255.255:5670").expect("a datagram");
        let rejected = |stats: &Value| stats["beacons_rejected"]["malformed"].as_u64().unwrap_or_default();
        while rejected(&alice.ask(json!({"do": "stats"}))) == 0 {}
    });
}

#[test]
fn what_cannot_be_done_gets_an_error_and_the_node_goes_on() {
    zre::program();
    namespace::run("what_cannot_be_done_gets_an_error_and_the_node_goes_on", || {
        let (mut alice, mut bob) = pair();
        let (own, peer) = (alice.uuid().to_owned(), bob.uuid().to_owned());
        let long = "g".repeat(256);
        let hi = json!(["hi"]);
        for (command, words) in [
            (json!({"do": "whisper", "peer": "0".repeat(32), "content": hi}), "unknown peer 0000"),
            (json!({"do": "whisper", "peer": own, "content": hi}), &*format!("unknown peer {own}")),
            (json!({"do": "whisper", "peer": "bob", "content": hi}), "32 hex digits"),
            (json!({"do": "whisper", "content": hi}), "\"peer\" is missing"),
            (json!({"do": "whisper", "peer": peer}), "\"content\" is missing"),
            (json!({"do": "whisper", "peer": peer, "content": "hi"}), "list of frames"),
            (json!({"do": "whisper", "peer": peer, "content": [1]}), "a frame is"),
            (json!({"do": "whisper", "peer": peer, "content": [{"hex": "0"}]}), "a frame is"),
            (json!({"do": "whisper", "peer": peer, "content": vec![""; 65]}), "64"),
            (json!({"do": "whisper", "peer": peer, "content": ["x".repeat(16 * MIB + 1)]}), "16777216"),
            (json!({"do": "shout", "group": "tea"}), "\"content\" is missing"),
            (json!({"do": "shout", "content": hi}), "\"group\" is missing"),
            (json!({"do": "shout", "group": "", "content": hi}), "1 to 255"),
            (json!({"do": "join"}), "\"group\" is missing"),
            (json!({"do": "join", "group": ""}), "1 to 255"),
            (json!({"do": "join", "group": long}), "1 to 255"),
            (json!({"do": "leave", "group": 7}), "must be a text"),
            (json!({"do": "set_header", "name": "k"}), "\"value\" is missing"),
            (json!({"do": "set_header", "name": "", "value": "v"}), "1 to 255"),
            (json!({"do": "set_header", "name": "k", "value": "v".repeat(9000)}), "8192"),
            (json!({"do": "peers_by_group"}), "\"group\" is missing"),
            (json!({"do": "peer_name"}), "\"peer\" is missing"),
            (json!({"do": "peer_header_value", "peer": peer}), "\"name\" is missing"),
            (json!({"do": "dance"}), "no such command"),
            (json!({}), "\"do\""),
            (json!({"do": ["peers"]}), "\"do\""),
        ] {
            let shown: String = command.to_string().chars().take(200).collect();
            let why = alice.try_ask(command.clone()).expect_err(&shown);
            assert!(why.contains(words), "{shown}: {why}");
            let line = alice.seen().last().cloned().expect("the answer");
            assert_eq!(line["do"], command["do"].as_str().map_or(Value::Null, Value::from), "{line}");
        }
        alice.whisper(&peer, &json!(["still here"]));
        let whisper = bob.expect_event("WHISPER", |_| true);
        assert_eq!(whisper["content"], json!(["still here"]), "and nothing came of the rest");
    });
}

#[test]
fn pyre_and_pipe_hear_each_other() {
    if Pyre::install().is_none() {
        return;
    }
    zre::program();
    namespace::run("pyre_and_pipe_hear_each_other", || {
        let mut ours = zre::pipe("ours", &["--interface", "v0", "--header", "role=sensor", "--group", "chat"]);
        let mut theirs = PyreNode::start(&PyreOptions::named("theirs").header("X-HELLO", "world").group("chat"));
        let (own, peer) = (ours.uuid().to_owned(), theirs.uuid().to_owned());
        let enter = ours.expect_event("ENTER", |event| event["peer"] == *peer);
        assert_eq!((&enter["name"], &enter["headers"]), (&json!("theirs"), &json!({"X-HELLO": "world"})));
        assert_eq!(enter["endpoint"], theirs.endpoint());
        let enter = theirs.expect_event("ENTER", |event| event["peer"] == *own);
        assert_eq!((&enter["name"], &enter["headers"]), (&json!("ours"), &json!({"role": "sensor"})));
        assert_eq!(enter["endpoint"], ours.endpoint());
        ours.expect_event("JOIN", |event| event["group"] == "chat");
        theirs.expect_event("JOIN", |event| event["group"] == "chat");

        let large = "x".repeat(MIB);
        let octets: String = (0..MIB).map(|index| format!("{:02x}", (index * 7) % 256)).collect();
        for content in [
            json!(["hi"]),
            json!(["a", "", {"hex": "00ff"}, "grüße, 世界"]),
            json!([large]),
            json!([{"hex": octets}, "and", {"hex": octets}]),
        ] {
            let is_it = |event: &Value| event["content"] == content;
            ours.whisper(&peer, &content);
            theirs.expect_event("WHISPER", is_it);
            ours.shout("chat", &content);
            theirs.expect_event("SHOUT", is_it);
            theirs.whisper(&own, &content);
            ours.expect_event("WHISPER", is_it);
            theirs.shout("chat", &content);
            ours.expect_event("SHOUT", |event| is_it(event) && event["group"] == "chat");
        }
        ours.join("late");
        theirs.expect_event("JOIN", |event| event["group"] == "late");
        theirs.join("late");
        ours.expect_event("JOIN", |event| event["group"] == "late");
        assert_eq!(ours.ask(json!({"do": "peers_by_group", "group": "late"})), json!([peer]));
        ours.leave("late");
        theirs.expect_event("LEAVE", |event| event["group"] == "late");
        theirs.leave("late");
        ours.expect_event("LEAVE", |event| event["group"] == "late");
        assert_eq!(ours.ask(json!({"do": "peer_header_value", "peer": peer, "name": "X-HELLO"})), json!("world"));
        let answers = ["peers", "own_groups", "peer_groups"].map(|name| {
            let question = json!({"do": name});
            (ours.ask(question.clone()), theirs.ask(question))
        });
        assert_eq!(answers[0], (json!([peer]), json!([own])));
        assert_eq!(answers[1], (json!(["chat"]), json!(["chat"])));

        ours.stop();
        theirs.wait_for("EXIT", SECOND, |event| event["event"] == "EXIT" && event["peer"] == *own);
    });
}

#[test]
fn a_chat_is_a_peer_like_any_other() {
    zre::program();
    namespace::run("a_chat_is_a_peer_like_any_other", || {
        let mut talker = chat("talker", &LO);
        let mut ours = pipe("ours", &["--group", "chat"]);
        talker.expect_event("JOIN", |event| event["name"] == "ours");
        talker.type_line("hello");
        let shout = ours.expect_event("SHOUT", |_| true);
        assert_eq!((&shout["group"], &shout["content"]), (&json!("chat"), &json!(["hello"])));
    });
}

#[test]
fn replies_come_in_the_order_of_the_commands() {
    zre::program();
    namespace::run("replies_come_in_the_order_of_the_commands", || {
        let (mut alice, mut bob) = pair();
        let (own, peer) = (alice.uuid().to_owned(), bob.uuid().to_owned());
        // Events come in between, and no line gets into another.
        let large = "y".repeat(100_000);
        for _ in 0..100 {
            bob.send(&json!({"do": "whisper", "peer": own, "content": [large]}));
        }
        let commands = [
            json!({"do": "peers"}),
            json!({"do": "whisper", "peer": peer, "content": ["x"]}),
            json!({"do": "dance"}),
            json!({"do": "join", "group": "g"}),
            json!({"do": "stats"}),
        ];
        let many = 2000;
        for (id, command) in commands.iter().cycle().take(many).enumerate() {
            let mut command = command.clone();
            command["id"] = json!(id);
            alice.send(&command);
        }
        alice.wait_for("the last reply", 3 * PATIENCE, |line| line["id"] == many - 1);
        for _ in 0..100 {
            alice.expect_event("WHISPER", |event| event["content"] == json!([large]));
        }
        let ids: Vec<u64> = alice.seen().filter_map(|line| line["id"].as_u64()).collect();
        assert_eq!(ids, (0..many as u64).collect::<Vec<_>>());
        assert!(alice.seen().all(Value::is_object), "every line is whole");
    });
}

/// Stops a peer and whispers so much to it that a whisper waits, and a question after it.
fn fill(alice: &mut JsonLines, slow: &JsonLines) {
    slow.signal("STOP");
    let (peer, large) = (slow.uuid(), "x".repeat(MIB));
    for id in 0..WHISPERS {
        alice.send(&json!({"do": "whisper", "peer": peer, "content": [large], "id": id}));
    }
    alice.send(&json!({"do": "peers", "id": "after"}));
    // The queue takes 8 MiB, and the sockets a little.
    alice.wait_for("a reply", PATIENCE, |line| line["id"] == 6);
    alice.expect_none("a reply after one that waits", SECOND, is_after);
}

/// More MiB than fit anywhere.
const WHISPERS: usize = 64;

fn is_after(line: &Value) -> bool {
    line["id"] == "after"
}

#[test]
fn a_whisper_waits_for_room_while_events_go_on() {
    zre::program();
    namespace::run("a_whisper_waits_for_room_while_events_go_on", || {
        let (mut alice, mut slow) = pair();
        let own = alice.uuid().to_owned();
        let mut carol = pipe("carol", &["--group", "tea"]);
        carol.expect_event("ENTER", |event| event["name"] == "alice");
        alice.expect_event("ENTER", |event| event["name"] == "carol");

        fill(&mut alice, &slow);
        for number in 0..20 {
            let content = json!([format!("meanwhile {number}")]);
            carol.whisper(&own, &content);
            alice.expect_event("WHISPER", |event| event["content"] == content);
        }
        assert!(!alice.seen().any(is_after), "it still waits");

        slow.signal("CONT");
        alice.wait_for("the reply after all", 3 * PATIENCE, is_after);
        let ids: Vec<Value> = alice.seen().filter_map(|line| line.get("id").cloned()).collect();
        let all: Vec<Value> = (0..WHISPERS).map(Value::from).chain([json!("after")]).collect();
        assert_eq!(ids, all);
        assert!(!alice.seen().any(|line| line.get("error").is_some()));
        for _ in 0..WHISPERS {
            slow.expect_event("WHISPER", |event| event["content"][0].as_str().is_some_and(|text| text.len() == MIB));
        }
    });
}

#[test]
fn a_whisper_that_waits_fails_when_its_peer_is_gone() {
    zre::program();
    namespace::run("a_whisper_that_waits_fails_when_its_peer_is_gone", || {
        let (mut alice, slow) = pair();
        fill(&mut alice, &slow);
        let peer = slow.uuid().to_owned();
        slow.kill9();
        alice.expect_event("EXIT", |event| event["reason"] == "lost" && event["unsent"].as_u64() > Some(0));
        alice.wait_for("the reply after all", PATIENCE, is_after);
        let errors: Vec<&Value> = alice.seen().filter(|line| line.get("error").is_some()).collect();
        let about_it = |line: &&Value| line["error"].as_str().is_some_and(|why| why.contains(&peer));
        assert!(!errors.is_empty() && errors.iter().all(about_it), "{errors:?}");
    });
}

/// It has left: it says STOP last, ends with 0, and its peer heard it at once.
#[track_caller]
fn leaves(mut alice: JsonLines, bob: &mut JsonLines, leave: impl FnOnce(&mut JsonLines)) {
    let own = alice.uuid().to_owned();
    leave(&mut alice);
    bob.wait_for("EXIT", SECOND, |line| line["event"] == "EXIT" && line["peer"] == *own && line["reason"] == "left");
    alice.expect_event("STOP", |_| true);
    assert_eq!(alice.end().code(), Some(0));
    assert_eq!(alice.seen().last().map(|line| line["event"].clone()), Some(json!("STOP")));
}

#[test]
fn each_way_to_end_is_a_polite_one() {
    zre::program();
    namespace::run("each_way_to_end_is_a_polite_one", || {
        let mut bob = pipe("bob", &["--group", "tea"]);
        let mut another = || {
            let mut alice = pipe("alice", &[]);
            meet(&mut alice, &mut bob);
            alice
        };
        let (stopped, ended, interrupted, terminated) = (another(), another(), another(), another());
        leaves(stopped, &mut bob, |alice| alice.send(&json!({"do": "stop"})));
        leaves(ended, &mut bob, |alice| assert!(alice.end().success()));
        leaves(interrupted, &mut bob, |alice| alice.signal("INT"));
        leaves(terminated, &mut bob, |alice| alice.signal("TERM"));
    });
}

#[test]
fn a_signal_gets_through_to_a_whisper_that_waits() {
    zre::program();
    namespace::run("a_signal_gets_through_to_a_whisper_that_waits", || {
        let (mut alice, slow) = pair();
        let mut carol = pipe("carol", &[]);
        carol.expect_event("ENTER", |event| event["name"] == "alice");
        fill(&mut alice, &slow);
        alice.signal("TERM");
        carol.wait_for("EXIT", 3 * SECOND, |line| line["event"] == "EXIT" && line["name"] == "alice");
        let stopped = |line: &Value| line["error"] == "the node has stopped" && line["do"] == "whisper";
        alice.wait_for("the answer of the whisper", PATIENCE, stopped);
        alice.expect_event("EXIT", |event| event["name"] == "bob" && event["reason"] == "stopped");
        alice.expect_event("STOP", |_| true);
        assert_eq!(alice.end().code(), Some(0));
        assert_eq!(alice.seen().last().map(|line| line["event"].clone()), Some(json!("STOP")));
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    zre::program();
    namespace::run("a_second_signal_ends_it_at_once", || {
        let (mut alice, slow) = pair();
        // For its answer the node would wait a second.
        slow.signal("STOP");
        alice.whisper(slow.uuid(), &json!(["you there?"]));
        alice.signal("TERM");
        alice.signal("INT");
        assert_eq!(alice.end().code(), Some(130));
        assert!(!alice.seen().any(|line| line["event"] == "STOP"));
    });
}
