//! Our node and zyre.js in one cluster, in a network of their own.

use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use zre_mio::{Content, Event, ExitReason, Node, PeerId};
use zre_tests::{
    children::JsonLines,
    namespace::{self, Namespace},
    ours::Ours,
    pyre::{Pyre, PyreNode, PyreOptions},
    zyrejs::{ZyreJs, ZyreJsNode, ZyreJsOptions},
};

const MIB: usize = 1 << 20;

const SECOND: Duration = Duration::from_secs(1);

fn ours() -> Ours {
    let node = Node::builder("ours").header("role", "sensor").header("empty", "").interface(namespace::INTERFACE);
    Ours::start(node.group("chat"))
}

fn theirs() -> ZyreJsNode {
    ZyreJsNode::start(&ZyreJsOptions::named("theirs").header("X-HELLO", "world").group("chat").group("more"))
}

fn is_enter(event: &Event) -> bool {
    matches!(event, Event::Enter { .. })
}

fn is_exit(event: &Event) -> bool {
    matches!(event, Event::Exit { .. })
}

fn is_whisper(event: &Event) -> bool {
    matches!(event, Event::Whisper { .. })
}

/// Both have met: ENTER with names, headers, endpoints, and the groups of the HELLO.
#[track_caller]
fn meet(ours: &mut Ours, theirs: &mut ZyreJsNode) -> PeerId {
    let Event::Enter { peer, name, headers, endpoint } = ours.expect_within("ENTER", 2 * SECOND, is_enter) else {
        unreachable!("it is an ENTER")
    };
    assert_eq!((peer.to_string().as_str(), &*name), (theirs.uuid(), "theirs"));
    assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-HELLO", "world")]);
    assert_eq!(endpoint.to_string(), theirs.endpoint());
    for group in ["chat", "more"] {
        ours.expect("JOIN", |event| matches!(event, Event::Join { group: joined, .. } if &**joined == group));
    }
    let uuid = ours.uuid();
    let enter = theirs.wait_for("ENTER", 2 * SECOND, |event| event["event"] == "ENTER");
    assert_eq!((&enter["peer"], &enter["name"]), (&json!(uuid), &json!("ours")));
    assert_eq!(enter["headers"], json!({"role": "sensor", "empty": ""}));
    assert_eq!(enter["endpoint"], ours.node.endpoint().expect("an endpoint").to_string());
    theirs.expect_event("JOIN", |event| event["peer"] == *uuid && event["group"] == "chat");
    peer
}

#[test]
fn we_start_first_and_zyrejs_meets_us() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("we_start_first_and_zyrejs_meets_us", || {
        let mut ours = ours();
        let mut theirs = theirs();
        meet(&mut ours, &mut theirs);
    });
}

#[test]
fn zyrejs_starts_first_and_we_meet_it() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("zyrejs_starts_first_and_we_meet_it", || {
        let mut theirs = theirs();
        let mut ours = ours();
        meet(&mut ours, &mut theirs);
    });
}

#[test]
fn joins_and_leaves_are_seen_both_ways() {
    if ZyreJs::install().is_none() {
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

/// zyre.js counts its status modulo 255 and we ours modulo 256: nobody minds.
#[test]
fn a_status_past_255_harms_nobody() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("a_status_past_255_harms_nobody", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        for _ in 0..150 {
            ours.node.join("often").expect("a group");
            ours.node.leave("often").expect("a group");
            theirs.send(&json!({"do": "join", "group": "often"}));
            theirs.send(&json!({"do": "leave", "group": "often"}));
        }
        for _ in 0..150 {
            ours.expect("LEAVE", |event| matches!(event, Event::Leave { group, .. } if &**group == "often"));
            theirs.expect_event("LEAVE", |event| event["group"] == "often");
        }
        ours.node.whisper(peer, "still there").expect("a whisper");
        theirs.expect_event("WHISPER", |event| event["content"] == json!(["still there"]));
        let uuid = ours.uuid();
        theirs.whisper(&uuid, &json!(["here too"]));
        ours.expect("WHISPER", is_whisper);
        assert_no_exit(&mut ours, &mut theirs);
    });
}

#[track_caller]
fn assert_no_exit(ours: &mut Ours, theirs: &mut JsonLines) {
    ours.expect_none("EXIT", Duration::ZERO, is_exit);
    assert!(!theirs.seen().any(|event| event["event"] == "EXIT"), "an EXIT came to zyre.js");
}

/// Each content as we have it and as a line of JSON has it.
fn contents() -> Vec<(Content, Value)> {
    let binary: Vec<u8> = (0..=255).collect();
    let hex: String = binary.iter().map(|octet| format!("{octet:02x}")).collect();
    vec![
        ("one frame".into(), json!(["one frame"])),
        ("".into(), json!([""])),
        (Bytes::from(binary).into(), json!([{"hex": hex}])),
        ("grüße, 世界".into(), json!(["grüße, 世界"])),
        ("x".repeat(MIB).into(), json!(["x".repeat(MIB)])),
    ]
}

#[test]
fn whispers_and_shouts_go_both_ways() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("whispers_and_shouts_go_both_ways", || {
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
            let Event::Whisper { peer: from, name, content: heard } = ours.expect("WHISPER", is_whisper) else {
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
        assert_no_exit(&mut ours, &mut theirs);
    });
}

#[test]
fn of_several_frames_zyrejs_keeps_the_first() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("of_several_frames_zyrejs_keeps_the_first", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        for frames in [vec!["one", "two", "three"], vec!["", "not empty"], vec![]] {
            let first = frames.first().copied().unwrap_or_default();
            let content: Content = frames.iter().map(|frame| Bytes::copy_from_slice(frame.as_bytes())).collect();
            ours.node.whisper(peer, content.clone()).expect("a whisper");
            theirs.expect_event("WHISPER", |event| event["content"] == json!([first]));
            assert_eq!(ours.node.shout("chat", content), Ok(1));
            theirs.expect_event("SHOUT", |event| event["content"] == json!([first]));
        }
        ours.node.whisper(peer, "and goes on").expect("a whisper");
        theirs.expect_event("WHISPER", |event| event["content"] == json!(["and goes on"]));
        let refused = json!({"do": "whisper", "peer": ours.uuid(), "content": ["one", "two"]});
        assert!(theirs.try_ask(refused).is_err(), "it cannot send more");
        assert_no_exit(&mut ours, &mut theirs);
    });
}

/// After 65,534 comes 0 in zyre.js, whose messages we take and to whom we count the same way. Nothing is lost and
/// nobody sees an EXIT.
#[test]
fn sequence_numbers_wrap_both_ways_as_zyrejs_has_them() {
    const MANY: usize = 70_000;
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("sequence_numbers_wrap_both_ways_as_zyrejs_has_them", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        for number in 0..MANY {
            ours.node.whisper(peer, number.to_string()).expect("a whisper");
        }
        for number in 0..MANY {
            let whisper = theirs.expect_event("WHISPER", |_| true);
            assert_eq!(whisper["content"], json!([number.to_string()]));
        }
        let uuid = ours.uuid();
        theirs.send(&json!({"do": "whisper", "peer": uuid, "content": ["x"], "times": MANY}));
        for number in 0..MANY {
            ours.expect(&format!("WHISPER {number}"), is_whisper);
        }
        theirs.whisper(&uuid, &json!(["the last"]));
        ours.expect(
            "the last",
            |event| matches!(event, Event::Whisper { content, .. } if *content == Content::from("the last")),
        );
        assert_no_exit(&mut ours, &mut theirs);
    });
}

#[test]
fn a_stop_is_an_exit_at_once_either_way() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("a_stop_is_an_exit_at_once_either_way", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        theirs.stop();
        let exit = ours.expect_within("EXIT", SECOND, is_exit);
        assert!(matches!(&exit, Event::Exit { peer: left, reason: ExitReason::Left, .. } if *left == peer), "{exit:?}");

        // It takes the same port again.
        let mut theirs = self::theirs();
        let peer = meet(&mut ours, &mut theirs);
        let uuid = ours.uuid();
        ours.node.whisper(peer, "last words").expect("a whisper");
        ours.node.stop();
        theirs.wait_for("EXIT", SECOND, |event| event["event"] == "EXIT" && event["peer"] == *uuid);
        assert!(theirs.seen().any(|event| event["content"] == json!(["last words"])), "and nothing was lost");
    });
}

#[test]
fn a_kill_of_zyrejs_is_noticed_within_a_second() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("a_kill_of_zyrejs_is_noticed_within_a_second", || {
        let (mut ours, mut theirs) = (ours(), theirs());
        let peer = meet(&mut ours, &mut theirs);
        theirs.kill9();
        let exit = ours.expect_within("EXIT", SECOND, is_exit);
        assert!(matches!(&exit, Event::Exit { peer: lost, reason: ExitReason::Lost, .. } if *lost == peer), "{exit:?}");
        ours.expect_none("ENTER", 2 * SECOND, is_enter);

        // Another at the same port is another peer.
        let mut theirs = self::theirs();
        assert_ne!(meet(&mut ours, &mut theirs), peer);
    });
}

#[test]
fn a_quiet_cluster_stays_together_by_pings() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("a_quiet_cluster_stays_together_by_pings", || {
        let quick = Duration::from_millis(300);
        let node = Node::builder("ours").interface(namespace::INTERFACE).group("chat");
        // Beacons are so rare that only PINGs tell one from the other.
        let node = node.interval(60 * SECOND).evasive(quick).silent(quick).expired(8 * quick);
        let mut ours = Ours::start(node);
        let options = ZyreJsOptions::named("theirs").interval(60 * SECOND).evasive(quick).expired(8 * quick);
        let mut theirs = ZyreJsNode::start(&options);
        ours.expect("ENTER", is_enter);
        theirs.expect_event("ENTER", |_| true);
        let bad = |event: &Event| matches!(event, Event::Evasive { .. } | Event::Silent { .. } | Event::Exit { .. });
        ours.expect_none("a complaint", 4 * SECOND, bad);
        assert_no_exit(&mut ours, &mut theirs);

        // And a peer that is there but does not answer goes through all of it.
        theirs.signal("STOP");
        for kind in ["EVASIVE", "SILENT", "EXIT"] {
            ours.expect_within(kind, 2 * SECOND, |event| event.kind() == kind);
        }
        theirs.signal("CONT");
    });
}

#[test]
fn ours_pyre_and_zyrejs_make_one_cluster() {
    if ZyreJs::install().is_none() || Pyre::install().is_none() {
        return;
    }
    Namespace::new("ours_pyre_and_zyrejs_make_one_cluster").run(|| {
        let node = |name| Ours::start(Node::builder(name).interface(namespace::INTERFACE).group("all"));
        let mut one = node("one");
        let mut js = ZyreJsNode::start(&ZyreJsOptions::named("js").group("all"));
        let mut py = PyreNode::start(&PyreOptions::named("py").group("all"));
        let mut two = node("two");
        for ours in [&mut one, &mut two] {
            for _ in 0..3 {
                ours.expect("ENTER", is_enter);
            }
            for _ in 0..3 {
                ours.expect("JOIN", |event| matches!(event, Event::Join { .. }));
            }
            assert_eq!(ours.node.peers_by_group("all").len(), 3);
        }
        for stock in [&mut *js, &mut *py] {
            for _ in 0..3 {
                stock.expect_event("ENTER", |_| true);
            }
            for _ in 0..3 {
                stock.expect_event("JOIN", |event| event["group"] == "all");
            }
        }
        assert_eq!(one.node.shout("all", "from one"), Ok(3));
        js.shout("all", &json!(["from js"]));
        py.shout("all", &json!(["from py"]));
        let shouted = |text: &'static str| {
            move |event: &Event| matches!(event, Event::Shout { content, .. } if *content == Content::from(text))
        };
        one.expect("SHOUT", shouted("from js"));
        one.expect("SHOUT", shouted("from py"));
        for text in ["from one", "from js", "from py"] {
            two.expect("SHOUT", shouted(text));
        }
        for (stock, texts) in [(&mut *js, ["from one", "from py"]), (&mut *py, ["from one", "from js"])] {
            for text in texts {
                stock.expect_event("SHOUT", |event| event["content"] == json!([text]));
            }
        }
        two.node.stop();
        one.expect("EXIT", |event| matches!(event, Event::Exit { name, .. } if &**name == "two"));
        for stock in [&mut *js, &mut *py] {
            stock.expect_event("EXIT", |event| event["name"] == "two");
        }
        js.stop();
        one.expect("EXIT", |event| matches!(event, Event::Exit { name, .. } if &**name == "js"));
        py.expect_event("EXIT", |event| event["name"] == "js");
        one.expect_none("another EXIT", Duration::from_millis(300), is_exit);
        assert_eq!(one.node.peers().len(), 1);
    });
}
