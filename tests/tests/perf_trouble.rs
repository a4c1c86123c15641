//! `zre perf` among those who are slow, dead, or of another mind: nothing is lost, nothing hangs, nothing grows.

use bytes::Bytes;
use serde_json::{Value, json};
use std::{fs, sync::mpsc, thread, time::Duration};
use zre_mio::{Builder, Content, Event, Node, PeerId};
use zre_tests::{
    namespace,
    ours::Ours,
    perf::{LO, MEASURED, check_rates, fails, rates, rtt, serve, text},
    zre::{self, Run},
};

const SECOND: Duration = Duration::from_secs(1);

const KIB_64: usize = 64 << 10;

/// Whispers that are told apart by their beginning.
fn numbered(number: usize) -> Bytes {
    let mut octets = vec![b'x'; KIB_64];
    octets[..8].copy_from_slice(&(number as u64).to_be_bytes());
    octets.into()
}

fn is_begin(event: &Event) -> bool {
    event.content().is_some_and(|content| content.text().contains(" begin "))
}

fn is_whisper(text: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Whisper { content, .. } if content.text() == text)
}

fn node(name: &str) -> Builder {
    Node::builder(name).interface("lo")
}

/// A sink that a test plays itself. It has answered the asker that begins a run.
#[track_caller]
fn sink_by_hand(ours: &mut Ours) -> (PeerId, String) {
    let begin = ours.expect("begin", is_begin);
    let (asker, content) = (begin.peer().expect("somebody"), begin.content().cloned().expect("a whisper"));
    let run = content.text().split(' ').nth(3).expect("a run").to_owned();
    ours.node.whisper(asker, format!("zre-perf 1 ready {run}")).expect("a whisper");
    (asker, run)
}

#[test]
fn an_echo_loses_nothing_to_who_listens_late() {
    zre::program();
    namespace::run("an_echo_loses_nothing_to_who_listens_late", || {
        let echo = serve("echo", "eddy", &LO);
        let peer: PeerId = echo.uuid().parse().expect("a UUID");
        let mut ours = Ours::start(node("ours"));
        ours.expect_enter(peer);
        // Our events and the echo's queue take 24 MiB, and the sockets a few: the first time the echo has to keep some, and
        // the second time so much that it takes no more.
        for (mib, answers_others) in [(32, true), (56, false)] {
            let many = (mib << 20) / KIB_64;
            for number in 0..many {
                ours.node.whisper(peer, numbered(number)).expect("it is there");
            }
            if answers_others {
                rtt(&["--interface", "lo", "--to", "eddy"], 10, 32);
            }
            for number in 0..many {
                let Event::Whisper { content, .. } = ours.expect("the next", |event| event.kind() == "WHISPER") else {
                    unreachable!("it is a WHISPER")
                };
                assert!(content == Content::from(numbered(number)), "{number} is next");
            }
            rtt(&["--interface", "lo", "--to", "eddy"], 10, 32);
        }
        assert!(ours.seen("EXIT").iter().all(|event| event.peer() != Some(peer)));
    });
}

#[test]
fn who_never_listens_costs_an_echo_a_bounded_amount_of_memory() {
    zre::program();
    namespace::run("who_never_listens_costs_an_echo_a_bounded_amount_of_memory", || {
        let mut echo = serve("echo", "eddy", &["--interface", "lo", "--send-timeout", "3000"]);
        let peer: PeerId = echo.uuid().parse().expect("a UUID");
        let mut ours = Ours::start(node("ours"));
        ours.expect_enter(peer);
        let (whispering, (tell, told)) = (ours.node.clone(), mpsc::channel());
        let thread = thread::spawn(move || {
            let went = |number: &usize| whispering.whisper(peer, numbered(*number)).is_ok();
            (0..1 << 14).take_while(went).for_each(|_| tell.send(()).expect("somebody listens"));
        });
        let sent = (0..).take_while(|_| told.recv_timeout(SECOND).is_ok()).count();
        assert!((1 << 8..1 << 14).contains(&sent), "{sent}");
        let status = fs::read_to_string(format!("/proc/{}/status", echo.pid())).expect("it runs");
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line of its memory");
        let kib: usize = most.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(kib < 100 << 10, "{kib} KiB after {sent} whispers of 64 KiB");
        // It gives us up, and goes on.
        rtt(&["--interface", "lo", "--to", "eddy", "--timeout", "10000"], 10, 32);
        ours.node.stop();
        thread.join().expect("it ends");
        echo.signal("INT");
        assert!(echo.end().success());
    });
}

#[test]
fn a_sink_can_be_asked_by_any_program() {
    zre::program();
    namespace::run("a_sink_can_be_asked_by_any_program", || {
        let mut sink = serve("sink", "sally", &["--interface", "lo", "--group", "tea time"]);
        let peer: PeerId = sink.uuid().parse().expect("a UUID");
        let mut ours = Ours::start(node("ours").group("tea time"));
        ours.expect_enter(peer);
        ours.expect("JOIN", |event| event.group() == Some("tea time"));
        let uuid = ours.uuid();
        let say = |ours: &Ours, text: &str| ours.node.whisper(peer, text).expect("it is there");
        say(&ours, "zre-perf 1 begin a shout 3 4 tea time");
        ours.expect("ready", is_whisper("zre-perf 1 ready a"));
        // None of these is of the run: it has not started, it is no shout, and it has another size.
        assert_eq!(ours.node.shout("tea time", "four"), Ok(1));
        say(&ours, "zre-perf 1 start a");
        say(&ours, "four");
        assert_eq!(ours.node.shout("tea time", "fives"), Ok(1));
        for content in [Content::from("four"), ["fo", "ur"].into()] {
            assert_eq!(ours.node.shout("tea time", content), Ok(1));
        }
        say(&ours, "zre-perf 1 end b");
        ours.expect("no", |event| {
            event.content().is_some_and(|content| content.text().starts_with("zre-perf 1 refused b "))
        });
        say(&ours, "zre-perf 1 end a");
        let told = |event: &Event| {
            event.content().is_some_and(|content| content.text().starts_with("zre-perf 1 report a 2 8 "))
        };
        let report = ours.expect("a report", told);
        let report = report.content().expect("it is a whisper").text().into_owned();
        let numbers: Vec<u64> = report.split(' ').skip(4).map(|number| number.parse().expect("a number")).collect();
        assert!(matches!(numbers[..], [2, 8, nanos, 1] if nanos > 0), "{report}");
        let run = sink.expect_event("RUN", |event| event["peer"] == *uuid);
        assert_eq!((&run["lost"], &run["complete"], &run["group"]), (&json!(1), &json!(true), &json!("tea time")));

        for (text, run) in [("start x", "x"), ("end x", "x"), ("dance x", "x"), ("begin x whisper 1", "x"), ("", "-")] {
            say(&ours, &format!("zre-perf 1 {text}"));
            let refused = format!("zre-perf 1 refused {run} ");
            ours.expect("no", |event| event.content().is_some_and(|content| content.text().starts_with(&refused)));
        }
        say(&ours, "zre-perf 2 end a");
        ours.expect("no", is_whisper("zre-perf 1 refused - this is version 1"));

        // Whoever begins anew, or vanishes, leaves no run behind.
        say(&ours, "zre-perf 1 begin c whisper 10 1");
        say(&ours, "zre-perf 1 start c");
        (0..3).for_each(|_| say(&ours, "!"));
        say(&ours, "zre-perf 1 begin d whisper 10 1");
        ours.expect("ready", is_whisper("zre-perf 1 ready d"));
        let run = sink.expect_event("RUN", |event| event["complete"] == false);
        assert_eq!((&run["received"], &run["lost"]), (&json!(3), &json!(7)));
        ours.node.stop();
        let run = sink.expect_event("RUN", |event| event["complete"] == false);
        assert_eq!(run["received"], 0);
        rates(&["whisper", "--interface", "lo"], 100, 32, 1, json!(0));
    });
}

#[test]
fn who_dies_in_the_middle_ends_the_measurement() {
    zre::program();
    namespace::run("who_dies_in_the_middle_ends_the_measurement", || {
        const FOR_EVER: &str = "1000000000";
        let whisper = |event: &Value| event["event"] == "WHISPER";
        let long = ["--interface", "lo", "--count", FOR_EVER, "--to", "ann"];
        for (command, words) in [("rtt", "is gone: lost"), ("whisper", "is gone: lost, after ")] {
            let mut ann = zre::pipe("ann", &LO);
            let asker = Run::start(&[&["perf", command], &long[..]].concat());
            ann.wait_for("the first", MEASURED, whisper);
            ann.kill9();
            let output = asker.end(10 * SECOND);
            let errors = text(&output.stderr);
            assert!(errors.contains("ann (") && errors.contains(words), "{errors}");
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        }
        // There, but dead to the world: of those who are not sinks, only the socket tells.
        for command in ["rtt", "whisper"] {
            let mut ann = zre::pipe("ann", &LO);
            let asker = Run::start(&[&["perf", command, "--timeout", "1000"], &long[..]].concat());
            ann.wait_for("the first", MEASURED, whisper);
            ann.signal("STOP");
            let output = asker.end(20 * SECOND);
            let errors = text(&output.stderr);
            assert!(errors.contains("ann (") && errors.contains("1 s") && errors.contains("--timeout"), "{errors}");
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
            ann.kill9();
        }
    });
}

#[test]
fn a_sink_that_dies_in_the_middle_ends_the_measurement() {
    zre::program();
    namespace::run("a_sink_that_dies_in_the_middle_ends_the_measurement", || {
        let sink = serve("sink", "sally", &LO);
        let mut ours = Ours::start(node("ours").group("perf").header("X-ZRE-PERF", "sink"));
        let asker = Run::start(&[
            "perf",
            "shout",
            "--interface",
            "lo",
            "--receivers",
            "2",
            "--count",
            "1000000",
            "--size",
            "1024",
            "--timeout",
            "20000",
        ]);
        sink_by_hand(&mut ours);
        // We take no more than one, so it comes to no end.
        ours.expect("the first", |event| event.kind() == "SHOUT");
        sink.kill9();
        fails(&asker.end(10 * SECOND), 1, &["sally", "is gone: lost, after ", "of 1,000,000 shouts"]);
    });
}

#[test]
fn a_sink_that_does_not_report_ends_the_measurement() {
    zre::program();
    namespace::run("a_sink_that_does_not_report_ends_the_measurement", || {
        let mut ours = Ours::start(node("ours").header("X-ZRE-PERF", "sink"));
        let quick = ["perf", "whisper", "--interface", "lo", "--timeout", "1000", "--count", "10"];
        let asker = Run::start(&quick);
        ours.expect("begin", is_begin);
        fails(&asker.end(10 * SECOND), 1, &["ours", "1 s", "answered", "--timeout"]);
        let asker = Run::start(&quick);
        sink_by_hand(&mut ours);
        fails(&asker.end(10 * SECOND), 1, &["ours", "1 s", "reported", "after "]);
        let asker = Run::start(&quick);
        let from = ours.expect("begin", is_begin).peer().expect("somebody");
        ours.node.whisper(from, "zre-perf 1 refused - not now").expect("it is there");
        fails(&asker.end(10 * SECOND), 1, &["ours", "refuses: not now"]);
    });
}

#[test]
fn a_sink_that_is_slow_is_waited_for_and_what_it_lacks_is_told() {
    zre::program();
    namespace::run("a_sink_that_is_slow_is_waited_for_and_what_it_lacks_is_told", || {
        let mut ours = Ours::start(node("ours").header("X-ZRE-PERF", "sink"));
        let asker =
            Run::start(&["perf", "whisper", "--interface", "lo", "--timeout", "600", "--count", "10", "--json"]);
        let (from, run) = sink_by_hand(&mut ours);
        ours.expect("end", is_whisper(&format!("zre-perf 1 end {run}")));
        for _ in 0..4 {
            // As long as it says now and then how far it is.
            ours.expect_none("an end", Duration::from_millis(400), |event| event.kind() == "EXIT");
            ours.node.whisper(from, format!("zre-perf 1 progress {run} 7")).expect("it is there");
        }
        ours.node.whisper(from, "zre-perf 1 report other 10 320 1000000000 0").expect("it is there");
        ours.node.whisper(from, format!("zre-perf 1 report {run} 8 256 2000000000 2")).expect("it is there");
        let output = asker.end(10 * SECOND);
        // Something was lost, which is no success.
        assert_eq!(output.status.code(), Some(1));
        let told = r#"{"messages_per_s":4.0,"mb_per_s":0.000,"seconds":2.000000000,"count":10,"size":32,"receivers":1,"lost":2}"#;
        assert_eq!(text(&output.stdout).trim_end(), told);
    });
}

#[test]
fn who_joins_in_the_middle_is_not_counted() {
    zre::program();
    namespace::run("who_joins_in_the_middle_is_not_counted", || {
        const COUNT: u64 = 150_000;
        let mut ours = Ours::start(node("ours").group("perf").header("X-ZRE-PERF", "sink"));
        let count = COUNT.to_string();
        let asker = Run::start(&["perf", "shout", "--interface", "lo", "--json", "--count", &count, "--size", "1024"]);
        let (from, run) = sink_by_hand(&mut ours);
        ours.expect("the first", |event| event.kind() == "SHOUT");
        // It is in the middle until we take all.
        let mut late = serve("sink", "late", &LO);
        ours.expect("JOIN", |event| event.kind() == "JOIN" && event.name() == Some("late"));
        let mut received = ours.seen("SHOUT").len() as u64;
        for event in ours.node.events() {
            match event {
                Event::Shout { .. } => received += 1,
                Event::Whisper { content, .. } if content.text() == format!("zre-perf 1 end {run}") => break,
                _ => {}
            }
        }
        assert_eq!(received, COUNT);
        let report = format!("zre-perf 1 report {run} {received} {} 1000000000 0", received * 1024);
        ours.node.whisper(from, report).expect("it is there");
        check_rates(&asker.end(MEASURED), COUNT, 1024, 1, json!(0));
        late.signal("TERM");
        assert!(late.expect_event("STOP", |_| true)["messages"].as_u64() > Some(0));
        assert!(late.end().success());
    });
}
