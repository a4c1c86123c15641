//! Our node and Pyre in one cluster, in a network of their own.

use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use zre_mio::{Content, Event, ExitReason, Node, PeerId};
use zre_tests::{
    namespace,
    ours::Ours,
    pyre::{Pyre, PyreNode, PyreOptions},
    zre,
};

const MIB: usize = 1 << 20;

fn ours() -> Ours {
    let node = Node::builder("ours").header("role", "sensor").header("empty", "").interface(namespace::INTERFACE);
    Ours::start(node.group("chat"))
}

fn theirs() -> PyreNode {
    PyreNode::start(&PyreOptions::named("theirs").header("X-HELLO", "world").group("chat").group("more"))
}

fn is_enter(event: &Event) -> bool {
    matches!(event, Event::Enter { .. })
}

/// Both have met: ENTER with names, headers, endpoints, and the groups of the HELLO.
fn meet(ours: &mut Ours, theirs: &mut PyreNode) -> PeerId {
    let within = Duration::from_secs(2);
    let Event::Enter { peer, name, headers, endpoint } = ours.expect_within("ENTER", within, is_enter) else {
        unreachable!("it is an ENTER")
    };
    assert_eq!((peer.to_string().as_str(), &*name), (theirs.uuid(), "theirs"));
    assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-HELLO", "world")]);
    assert_eq!(endpoint.to_string(), theirs.endpoint());
    for group in ["chat", "more"] {
        ours.expect("JOIN", |event| matches!(event, Event::Join { group: joined, .. } if &**joined == group));
    }
    let uuid = ours.uuid();
    let enter = theirs.wait_for("ENTER", within, |event| event["event"] == "ENTER");
    assert_eq!((&enter["peer"], &enter["name"]), (&json!(uuid), &json!("ours")));
    assert_eq!(enter["headers"], json!({"role": "sensor", "empty": ""}));
    assert_eq!(enter["endpoint"], ours.node.endpoint().expect("an endpoint").to_string());
    theirs.expect_event("JOIN", |event| event["peer"] == *uuid && event["group"] == "chat");
    peer
}

#[test]
fn we_start_first_and_pyre_meets_us() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("we_start_first_and_pyre_meets_us", || {
        let mut ours = ours();
        let mut theirs = theirs();
        meet(&mut ours, &mut theirs);
    });
}

#[test]
fn pyre_starts_first_and_we_meet_it() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("pyre_starts_first_and_we_meet_it", || {
        let mut theirs = theirs();
        let mut ours = ours();
        meet(&mut ours, &mut theirs);
    });
}

#[test]
fn joins_and_leaves_are_seen_both_ways() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("joins_and_leaves_are_seen_both_ways", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        for _ in 0..3 {
            ours.node.join("late").expect("a group");
            theirs.expect_event("JOIN", |event| event["group"] == "late");
            theirs.join("late");
            ours.expect("JOIN", |event| matches!(event, Event::Join { group, .. } if &**group == "late"));
            assert_eq!(ours.node.peers_by_group("late"), [peer]);
            ours.node.leave("late").expect("a group");
            theirs.expect_event("LEAVE", |event| event["group"] == "late");
            theirs.leave("late");
            ours.expect("LEAVE", |event| matches!(event, Event::Leave { group, .. } if &**group == "late"));
            assert!(ours.node.peers_by_group("late").is_empty());
        }
    });
}

/// Each content as we have it and as a line of JSON has it.
fn contents() -> Vec<(Content, Value)> {
    let binary: Vec<u8> = (0..=255).collect();
    let hex: String = binary.iter().map(|octet| format!("{octet:02x}")).collect();
    vec![
        ("one frame".into(), json!(["one frame"])),
        (["one", "two", "three"].into(), json!(["one", "two", "three"])),
        ("".into(), json!([""])),
        (["with", "", "an empty one"].into(), json!(["with", "", "an empty one"])),
        (Bytes::from(binary).into(), json!([{"hex": hex}])),
        ("grüße, 世界".into(), json!(["grüße, 世界"])),
        ("x".repeat(MIB).into(), json!(["x".repeat(MIB)])),
        (
            [Bytes::from_static(b"a"), Bytes::from("y".repeat(MIB)), Bytes::from_static(b"c")].into(),
            json!(["a", "y".repeat(MIB), "c"]),
        ),
    ]
}

#[test]
fn whispers_and_shouts_go_both_ways_in_every_shape() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("whispers_and_shouts_go_both_ways_in_every_shape", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        let uuid = ours.uuid();
        for (content, lines) in contents() {
            ours.node.whisper(peer, content.clone()).expect("a whisper");
            let whisper = theirs.expect_event("WHISPER", |event| event["peer"] == *uuid);
            assert!(whisper["content"] == lines, "a whisper of {} octets", content.octets());
            assert_eq!(ours.node.shout("chat", content.clone()), Ok(1));
            let shout = theirs.expect_event("SHOUT", |event| event["group"] == "chat");
            assert!(shout["content"] == lines, "a shout of {} octets", content.octets());

            theirs.whisper(&uuid, &lines);
            let Event::Whisper { peer: from, name, content: heard } =
                ours.expect("WHISPER", |event| matches!(event, Event::Whisper { .. }))
            else {
                unreachable!("it is a WHISPER")
            };
            assert_eq!((from, &*name), (peer, "theirs"));
            assert!(heard == content, "a whisper of {} octets", content.octets());
            theirs.shout("chat", &lines);
            let Event::Shout { group, content: heard, .. } =
                ours.expect("SHOUT", |event| matches!(event, Event::Shout { .. }))
            else {
                unreachable!("it is a SHOUT")
            };
            assert_eq!(&*group, "chat");
            assert!(heard == content, "a shout of {} octets", content.octets());
        }
    });
}

#[test]
fn a_stop_is_an_exit_at_once_either_way() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("a_stop_is_an_exit_at_once_either_way", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        theirs.stop();
        let exit = ours.expect_within("EXIT", Duration::from_secs(1), |event| matches!(event, Event::Exit { .. }));
        assert!(matches!(&exit, Event::Exit { peer: left, reason: ExitReason::Left, .. } if *left == peer), "{exit:?}");

        let mut theirs = self::theirs();
        let peer = meet(&mut ours, &mut theirs);
        let uuid = ours.uuid();
        ours.node.whisper(peer, "last words").expect("a whisper");
        ours.node.stop();
        theirs.wait_for("EXIT", Duration::from_secs(1), |event| event["event"] == "EXIT" && event["peer"] == *uuid);
        assert!(theirs.seen().any(|event| event["content"] == json!(["last words"])), "and nothing was lost");
    });
}

#[test]
fn a_kill_of_pyre_is_noticed_within_a_second() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("a_kill_of_pyre_is_noticed_within_a_second", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        theirs.kill9();
        let exit = ours.expect_within("EXIT", Duration::from_secs(1), |event| matches!(event, Event::Exit { .. }));
        assert!(matches!(&exit, Event::Exit { peer: lost, reason: ExitReason::Lost, .. } if *lost == peer), "{exit:?}");
        ours.expect_none("ENTER", Duration::from_secs(2), is_enter);
    });
}

#[test]
fn a_kill_of_ours_is_noticed_by_ours_within_a_second() {
    zre::program();
    namespace::run("a_kill_of_ours_is_noticed_by_ours_within_a_second", || {
        let mut ours = ours();
        let victim = zre::chat("victim", &["--interface", namespace::INTERFACE]);
        let uuid = victim.uuid().to_owned();
        ours.expect("ENTER", is_enter);
        victim.kill9();
        let exit = ours.expect_within("EXIT", Duration::from_secs(1), |event| matches!(event, Event::Exit { .. }));
        assert!(
            matches!(&exit, Event::Exit { peer, reason: ExitReason::Lost, .. } if peer.to_string() == uuid),
            "{exit:?}"
        );
    });
}

#[test]
fn two_of_ours_and_two_pyres_make_one_cluster() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("two_of_ours_and_two_pyres_make_one_cluster", || {
        let node = |name| Ours::start(Node::builder(name).interface(namespace::INTERFACE));
        let (mut one, mut two) = (node("one"), node("two"));
        let mut pyres = ["three", "four"].map(|name| PyreNode::start(&PyreOptions::named(name).group("all")));
        for ours in [&mut one, &mut two] {
            for _ in 0..3 {
                ours.expect("ENTER", is_enter);
            }
            assert_eq!(ours.node.peers().len(), 3);
        }
        for pyre in &mut pyres {
            for _ in 0..3 {
                pyre.expect_event("ENTER", |_| true);
            }
        }
        for ours in [&mut one, &mut two] {
            for _ in 0..2 {
                ours.expect("JOIN", |event| matches!(event, Event::Join { .. }));
            }
            assert_eq!(ours.node.shout("all", "to both"), Ok(2));
        }
        for pyre in &mut pyres {
            for _ in 0..2 {
                pyre.expect_event("SHOUT", |event| event["content"] == json!(["to both"]));
            }
        }
        two.node.stop();
        one.expect("EXIT", |event| matches!(event, Event::Exit { name, .. } if &**name == "two"));
        for pyre in &mut pyres {
            pyre.expect_event("EXIT", |event| event["name"] == "two");
            pyre.expect_none("another EXIT", Duration::from_millis(300), |event| event["event"] == "EXIT");
        }
    });
}

#[test]
fn seventy_thousand_whispers_each_way_and_six_hundred_changes_of_ours() {
    const MANY: usize = 70_000;
    if Pyre::install().is_none() {
        return;
    }
    let test = "seventy_thousand_whispers_each_way_and_six_hundred_changes_of_ours";
    namespace::Namespace::new(test).deadline(Duration::from_secs(300)).run(|| {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        let uuid = ours.uuid();
        // Pyre loses what waits for a peer beyond 3,000 messages, so that neither may run ahead too far.
        for start in (0..MANY).step_by(1_000) {
            for number in start..start + 1_000 {
                ours.node.whisper(peer, number.to_string()).expect("a whisper");
                theirs.send(&json!({"do": "whisper", "peer": uuid, "content": [number.to_string()]}));
            }
            for number in start..start + 1_000 {
                let whisper = theirs.expect_event("WHISPER", |_| true);
                assert_eq!(whisper["content"], json!([number.to_string()]));
                let Event::Whisper { content, .. } =
                    ours.expect("WHISPER", |event| matches!(event, Event::Whisper { .. }))
                else {
                    unreachable!("it is a WHISPER")
                };
                assert_eq!(content.text(), number.to_string());
            }
        }
        for change in 0..600 {
            let group = format!("group {}", change / 2);
            let changed = if change % 2 == 0 { ours.node.join(&group) } else { ours.node.leave(&group) };
            assert_eq!(changed, Ok(true));
        }
        theirs.expect_event("LEAVE", |event| event["group"] == "group 299");
        ours.node.whisper(peer, "still there").expect("a whisper");
        theirs.expect_event("WHISPER", |event| event["content"] == json!(["still there"]));
        ours.expect_none("EXIT", Duration::ZERO, |event| matches!(event, Event::Exit { .. }));
        theirs.expect_none("EXIT", Duration::ZERO, |event| event["event"] == "EXIT");
        assert_eq!(ours.node.peers(), [peer]);
    });
}
