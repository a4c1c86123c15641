//! `zre perf` as a user meets it: what is measured among its own, and with programs of other makers.

use serde_json::{Value, json};
use std::time::Duration;
use zre_mio::{Event, ExitReason, Node};
use zre_tests::{
    children::JsonLines,
    namespace,
    ours::Ours,
    perf::{LO, MEASURED, RTT, ask, check_rates, fails, rates, result, rtt, serve, text},
    pyre::{Pyre, PyreNode, PyreOptions},
    zre::{self, Run},
    zyrejs::{ZyreJs, ZyreJsNode, ZyreJsOptions},
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn round_trips_of_every_size_are_measured() {
    zre::program();
    namespace::run("round_trips_of_every_size_are_measured", || {
        let _sink = serve("sink", "sally", &LO);
        let mut echo = serve("echo", "eddy", &LO);
        for size in [32, 0, 1, 7, 16, 17, 1 << 20] {
            // Without --to it is the echo, whoever else is there.
            rtt(&LO, if size > 1000 { 30 } else { 500 }, size);
        }
        rtt(&["--interface", "lo", "--to", "eddy"], 1, 32);
        let uuid = echo.uuid().to_lowercase();
        rtt(&["--interface", "lo", "--to", &uuid], 10, 3);

        let output = ask(&["rtt", "--interface", "lo", "--count", "50"]);
        assert!(output.status.success() && text(&output.stdout).contains("50 round trips of 32 octets with eddy"));
        assert!(["p50", "p99", "p99.9", "µs"].iter().all(|word| text(&output.stdout).contains(word)));
        assert!(!text(&output.stderr).contains('\r'), "no progress where there is no terminal");

        echo.signal("TERM");
        let stop = echo.expect_event("STOP", |_| true);
        // A tenth more of each, to warm up.
        assert_eq!(stop["answered"], 6 * 550 + 33 + 2 + 11 + 55);
        assert!(echo.end().success());
    });
}

#[test]
fn pyre_echoes() {
    if Pyre::install().is_none() {
        return;
    }
    zre::program();
    namespace::run("pyre_echoes", || {
        let _pyre = PyreNode::start(&PyreOptions::named("theirs").echo());
        for (count, size) in [(300, 32), (20, 0), (20, 1), (20, 7), (5, 1 << 20)] {
            rtt(&["--interface", namespace::INTERFACE, "--to", "theirs"], count, size);
        }
        // It is the only one who is there.
        let output = ask(&["rtt", "--interface", namespace::INTERFACE, "--json", "--count", "10"]);
        result(&output, &RTT);
        assert!(text(&output.stderr).contains("theirs"), "{}", text(&output.stderr));
    });
}

#[test]
fn zyrejs_echoes() {
    if ZyreJs::install().is_none() {
        return;
    }
    zre::program();
    namespace::run("zyrejs_echoes", || {
        let _theirs = ZyreJsNode::start(&ZyreJsOptions::named("theirs").echo());
        for (count, size) in [(300, 32), (20, 0), (20, 1), (20, 7), (5, 1 << 20)] {
            rtt(&["--interface", namespace::INTERFACE, "--to", "theirs"], count, size);
        }
    });
}

#[test]
fn pyre_is_answered_frame_by_frame() {
    if Pyre::install().is_none() {
        return;
    }
    zre::program();
    namespace::run("pyre_is_answered_frame_by_frame", || {
        let echo = serve("echo", "eddy", &["--interface", namespace::INTERFACE, "--header", "role=test"]);
        let mut theirs = PyreNode::start(&PyreOptions::named("theirs").group("chat"));
        let enter = theirs.expect_event("ENTER", |event| event["name"] == "eddy");
        assert_eq!(enter["headers"], json!({"role": "test", "X-ZRE-PERF": "echo"}));
        for content in [
            json!(["one frame"]),
            json!(["one", "", "three", {"hex": "00ff80"}]),
            json!([""]),
            json!(["zre-perf 1 begin r whisper 1 1"]),
            json!(["a", "y".repeat(1 << 20), "c"]),
        ] {
            theirs.whisper(echo.uuid(), &content);
            let answer = theirs.expect_event("WHISPER", |event| event["peer"] == echo.uuid());
            assert!(answer["content"] == content, "{:.200}", answer["content"].to_string());
        }
        theirs.shout("chat", &json!(["to all"]));
        theirs.expect_none("an answer to a shout", SECOND / 2, |event| event["event"] == "WHISPER");
    });
}

#[test]
fn zyrejs_is_answered() {
    if ZyreJs::install().is_none() {
        return;
    }
    zre::program();
    namespace::run("zyrejs_is_answered", || {
        let echo = serve("echo", "eddy", &["--interface", namespace::INTERFACE]);
        let mut theirs = ZyreJsNode::start(&ZyreJsOptions::named("theirs"));
        theirs.expect_event("ENTER", |event| event["name"] == "eddy");
        theirs.send(&json!({"do": "whisper", "peer": echo.uuid(), "content": ["again"], "times": 1000}));
        for _ in 0..1000 {
            theirs.expect_event("WHISPER", |event| event["content"] == json!(["again"]));
        }
    });
}

#[test]
fn whispers_are_measured_at_a_sink() {
    zre::program();
    namespace::run("whispers_are_measured_at_a_sink", || {
        let _echo = serve("echo", "eddy", &LO);
        let mut sink = serve("sink", "sally", &LO);
        let mut all = 0;
        // The last one is more than a queue takes.
        for (count, size) in [(50_000, 32), (1, 32), (2000, 0), (2000, 1), (2000, 7), (30, 1 << 20)] {
            let said = rates(&["whisper", "--interface", "lo"], count, size, 1, json!(0));
            // How long it took is the machine's business, but one message is too short on any.
            let short = "that was too short to mean much";
            assert!(said.contains(short) || count > 1, "{said}");
            assert!(!said.lines().any(|line| line.starts_with("zre: ") && !line.contains(short)), "{said}");
            let run = sink.expect_event("RUN", |_| true);
            assert_eq!((&run["kind"], &run["complete"], &run["lost"]), (&json!("whisper"), &json!(true), &json!(0)));
            let octets = count * size as u64;
            assert_eq!((&run["received"], &run["octets"]), (&json!(count), &json!(octets)));
            all += count;
        }
        rates(&["whisper", "--interface", "lo", "--to", "sally"], 10, 32, 1, json!(0));
        let output = ask(&["whisper", "--interface", "lo", "--count", "1000"]);
        let told = text(&output.stdout);
        assert!(output.status.success(), "{told}");
        for words in ["1,000 whispers of 32 octets to sally", "messages/s", "MB/s", "at the receiver", "nothing"] {
            assert!(told.contains(words), "{words:?} is not in {told}");
        }
        sink.signal("TERM");
        assert_eq!(sink.expect_event("STOP", |_| true)["messages"], all + 1010);
        assert!(sink.end().success());
    });
}

#[test]
fn shouts_are_measured_at_all_sinks() {
    zre::program();
    namespace::run("shouts_are_measured_at_all_sinks", || {
        let mut sinks = vec![serve("sink", "one", &LO)];
        rates(&["shout", "--interface", "lo"], 5000, 32, 1, json!(0));
        sinks.push(serve("sink", "two", &["--interface", "lo", "--group", "perf", "--group", "more"]));
        // It begins before the last one is there.
        let asker =
            Run::start(&["perf", "shout", "--interface", "lo", "--receivers", "3", "--count", "20000", "--json"]);
        sinks.push(serve("sink", "three", &LO));
        check_rates(&asker.end(MEASURED), 20_000, 32, 3, json!(0));
        // All who are there are found without their number.
        for (count, size) in [(20_000, 32), (1, 0), (20, 1 << 20)] {
            rates(&["shout", "--interface", "lo"], count, size, 3, json!(0));
        }
        rates(&["shout", "--interface", "lo", "--group", "more"], 100, 7, 1, json!(0));
        for sink in &mut sinks {
            let run = sink.expect_event("RUN", |event| event["size"] == 1 << 20);
            assert_eq!((&run["kind"], &run["group"], &run["received"]), (&json!("shout"), &json!("perf"), &json!(20)));
        }
    });
}

#[test]
fn two_who_ask_at_a_time_are_told_apart() {
    zre::program();
    namespace::run("two_who_ask_at_a_time_are_told_apart", || {
        let mut sink = serve("sink", "sally", &LO);
        let start = |name, command, size| {
            let size = format!("{size}");
            let node = ["--interface", "lo", "--name", name];
            Run::start(&[&["perf", command, "--json", "--count", "30000", "--size", &size], &node[..]].concat())
        };
        let askers = [start("ann", "whisper", 32), start("ben", "whisper", 100), start("cid", "shout", 100)];
        for (asker, size) in askers.into_iter().zip([32, 100, 100]) {
            check_rates(&asker.end(MEASURED), 30_000, size, 1, json!(0));
        }
        for name in ["ann", "ben", "cid"] {
            let run = sink.expect_event("RUN", |event| event["name"] == name);
            assert_eq!((&run["received"], &run["complete"]), (&json!(30_000), &json!(true)));
        }
    });
}

#[test]
fn who_is_no_sink_is_measured_at_the_sender() {
    if Pyre::install().is_none() {
        return;
    }
    zre::program();
    namespace::run("who_is_no_sink_is_measured_at_the_sender", || {
        let mut theirs = PyreNode::start(&PyreOptions::named("theirs").group("perf"));
        let on = ["--interface", namespace::INTERFACE];
        let said = rates(&[&["whisper", "--to", "theirs"], &on[..]].concat(), 3000, 32, 1, Value::Null);
        assert!(said.contains("no zre perf sink: theirs"), "{said}");
        // All of it has arrived when that is told, for Pyre has said so.
        let whispers = (0..3000).map(|_| theirs.expect_event("WHISPER", |_| true)).count();
        theirs.expect_none("more", Duration::ZERO, |event| event["event"] == "WHISPER");
        assert_eq!(whispers, 3000);
        rates(&[&["whisper", "--to", "theirs"], &on[..]].concat(), 3, 1 << 20, 1, Value::Null);
        // One who is none is enough.
        let _sink = serve("sink", "sally", &on);
        let said = rates(&[&["shout", "--receivers", "2"], &on[..]].concat(), 500, 32, 2, Value::Null);
        assert!(said.contains("no zre perf sink: theirs") && !said.contains("sally"), "{said}");
        let output = ask(&[&["whisper", "--to", "theirs", "--count", "10"], &on[..]].concat());
        let told = text(&output.stdout);
        assert!(told.contains("at the sender") && told.contains("not known"), "{told}");
    });
}

#[test]
fn where_nobody_is_found_an_error_says_what_to_try() {
    zre::program();
    namespace::run("where_nobody_is_found_an_error_says_what_to_try", || {
        let quick = ["--interface", "lo", "--wait", "1000"];
        let ask = |arguments: &[&str]| ask(&[arguments, &quick[..]].concat());
        fails(&ask(&["rtt", "--to", "nobody"]), 1, &["nobody", "1 s", "nobody else is here", "--interface", "--wait"]);
        fails(&ask(&["rtt"]), 1, &["no zre perf echo", "nobody else is here"]);
        fails(&ask(&["whisper"]), 1, &["no zre perf sink", "nobody else is here"]);
        fails(&ask(&["shout", "--group", "tea"]), 1, &["the group tea", "zre perf sink --group tea"]);
        let ann = [zre::pipe("ann", &LO), zre::pipe("ann", &LO)];
        let uuids = ann.each_ref().map(JsonLines::uuid);
        fails(&ask(&["rtt", "--to", "bob"]), 1, &["bob", "here are", "ann", uuids[0], uuids[1]]);
        fails(&ask(&["rtt", "--to", "ann"]), 1, &["several", "--to", uuids[0], uuids[1]]);
        // A flood is for those alone who ask for it.
        fails(&ask(&["whisper"]), 1, &["no zre perf sink", "start one", "--to", uuids[0]]);
        let _sink = serve("sink", "sally", &LO);
        fails(&ask(&["shout", "--receivers", "2"]), 1, &["1 of 2", "the group perf", "sally"]);
        fails(&ask(&["rtt", "--to", uuids[0], "--timeout", "300"]), 1, &["ann", "0.3 s", "echo", "--timeout"]);
        fails(&ask(&["rtt", "--to", "sally", "--timeout", "300"]), 1, &["sally", "is a zre perf sink"]);
    });
}

#[test]
fn signals_end_them_politely() {
    zre::program();
    namespace::run("signals_end_them_politely", || {
        let mut ours = Ours::start(Node::builder("ours").interface("lo"));
        for (what, signal) in [("echo", "TERM"), ("echo", "INT"), ("sink", "TERM"), ("sink", "INT")] {
            let mut served = serve(what, what, &LO);
            ours.expect_enter(served.uuid().parse().expect("a UUID"));
            served.signal(signal);
            ours.expect("EXIT", |event| matches!(event, Event::Exit { reason: ExitReason::Left, .. }));
            served.expect_event("STOP", |event| event["name"] == what);
            assert!(served.end().success());
        }
        let echo = serve("echo", "eddy", &LO);
        for (command, peer) in [("rtt", echo.uuid()), ("whisper", &ours.uuid())] {
            let long = ["perf", command, "--interface", "lo", "--to", peer, "--count", "1000000000", "--name", command];
            let asker = Run::start(&long);
            ours.expect("ENTER", |event| matches!(event, Event::Enter { name, .. } if &**name == command));
            asker.signal("INT");
            let output = asker.end(10 * SECOND);
            assert_eq!(output.status.code(), Some(130));
            assert!(text(&output.stderr).contains("interrupted") && output.stdout.is_empty(), "{output:?}");
        }
    });
}

#[test]
fn they_find_each_other_where_no_beacon_reaches() {
    zre::program();
    namespace::run("they_find_each_other_where_no_beacon_reaches", || {
        let mut hub = zre::zre(&["gossip", "tcp://127.0.0.1:*"]);
        hub.arg("--json");
        let hub = JsonLines::start("hub", hub);
        let gossip = ["--endpoint", "tcp://127.0.0.1:*", "--gossip-connect", hub.hubs()[0]];
        let echo = serve("echo", "eddy", &gossip);
        let _sinks = [serve("sink", "one", &gossip), serve("sink", "two", &gossip)];
        rtt(&gossip, 100, 32);
        rates(&[&["shout"], &gossip[..]].concat(), 100, 32, 2, json!(0));
        // By name alone.
        rtt(&["--endpoint", "tcp://127.0.0.1:*", "--peer", echo.endpoint()], 100, 32);
        let path = format!("ipc://@zre-perf-{}", std::process::id());
        let echo = serve("echo", "eddy", &["--endpoint", &path]);
        rtt(&["--endpoint", "ipc://*", "--peer", echo.endpoint()], 100, 32);
    });
}

#[test]
fn help_shows_what_to_type_and_nonsense_is_a_usage_error() {
    let told = |arguments: &[&str]| {
        let output = ask(&[arguments, &["--help"]].concat());
        assert!(output.status.success());
        text(&output.stdout)
    };
    for words in ["echo", "sink", "rtt", "whisper", "shout", "zre perf rtt --interface lo", "Exit codes"] {
        assert!(told(&[]).contains(words), "{words}");
    }
    for command in ["rtt", "whisper", "shout"] {
        let help = told(&[command]);
        let options = ["--count <N>", "--size <OCTETS>", "--json", "--interface", "--gossip-connect", "--timeout <MS>"];
        for words in options.into_iter().chain(["Examples:", "{\"", "default: "]) {
            assert!(help.contains(words), "{words} is not in:\n{help}");
        }
    }
    assert!(told(&["shout"]).contains("The group to shout to"));
    assert!(told(&["sink"]).contains("zre-perf 1 begin RUN whisper COUNT SIZE"));
    for nonsense in [
        &["rtt", "--count", "0"][..],
        &["rtt", "--size", "-1"],
        &["whisper", "--size", "16777217"],
        &["shout", "--receivers", "0"],
        &["shout", "--group", "a", "--group", "b"],
        &["rtt", "--timeout", "0"],
        &["dance"],
        &[],
    ] {
        assert_eq!(ask(nonsense).status.code(), Some(2), "{nonsense:?}");
    }
}
