//! `zre soak` as a user meets it; and its checker, which must notice what is wrong in histories that are made up.

use serde_json::{Value, json};
use std::{process::Output, time::Duration};
use zre_tests::{
    namespace,
    perf::text,
    zre::{self, Run},
};

/// What tells right from wrong, with its own tests: those of the program are built with other features than these.
#[path = "../../zre-mio/src/bin/zre/soak/check/mod.rs"]
mod check;

/// A soak goes on until all is well, and says so if that is not within a minute.
const ENDS: Duration = Duration::from_secs(90);

/// The object that `zre soak --json` printed. Where something did not hold, all of it is shown.
#[track_caller]
fn outcome(output: &Output, code: i32) -> Value {
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{errors}");
    assert!(errors.is_empty(), "no progress where there is no terminal, and no log: {errors}");
    serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}"))
}

#[track_caller]
fn number(found: &Value, path: &str) -> u64 {
    found.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} is no number in {found}"))
}

/// 10 s and a little.
#[test]
fn a_short_soak_holds() {
    zre::program();
    namespace::run("a_short_soak_holds", || {
        let output = Run::start(&["soak", "--minutes", "0.15", "--nodes", "5", "--seed", "7", "--json"]).end(ENDS);
        let found = outcome(&output, 0);
        for (path, expected) in [("/violations", 0), ("/nodes", 5), ("/seed", 7)] {
            assert_eq!(number(&found, path), expected, "{path}");
        }
        assert_eq!((&found["interrupted"], &found["violated"]), (&Value::Bool(false), &Value::Array(Vec::new())));
        for kind in ["start", "stop", "join", "leave", "whisper", "shout"] {
            assert!(number(&found, &format!("/operations/{kind}")) > 0, "{kind}: {found}");
        }
        // It meets first, has at least one round, and meets for the end.
        assert!(number(&found, "/quiet") >= 3 && number(&found, "/seconds") >= 9, "{found}");
        // All meet at first, each way; and each has something to say to each every time.
        assert!(number(&found, "/events/ENTER") >= 20 && number(&found, "/received") > 100, "{found}");
        let heard = number(&found, "/events/WHISPER") + number(&found, "/events/SHOUT");
        assert_eq!(number(&found, "/received"), heard);
        assert_eq!(number(&found, "/descriptors/before"), number(&found, "/descriptors/after"));
        for what in ["memory_kib", "descriptors", "threads"] {
            let [first, peak, last] = ["first", "peak", "last"].map(|when| number(&found, &format!("/{what}/{when}")));
            assert!(0 < first && first <= peak && last <= peak, "{found}");
        }
    });
}

#[test]
fn ctrl_c_ends_it_politely_with_what_came_of_it_so_far() {
    zre::program();
    namespace::run("ctrl_c_ends_it_politely_with_what_came_of_it_so_far", || {
        let on = ["--interface", "lo", "--port", "5699"];
        let mut guest = zre::pipe("guest", &on);
        let soak = Run::start(&[&["soak", "--minutes", "60", "--nodes", "3"], &on[..]].concat());
        let enter = guest.expect_event("ENTER", |event| event["name"] == "0.1");
        guest.whisper(enter["peer"].as_str().expect("a UUID"), &json!(["hello"]));
        // It has been read when this is done, by a node that has met a stranger.
        guest.stop();
        soak.signal("INT");
        let output = soak.end(ENDS);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{told}");
        for words in ["3 nodes for", "UDP port 5699, interrupted", "violation", "ENTER of", "(guest)", "--port"] {
            assert!(told.contains(words), "{words:?} is not in:\n{told}");
        }

        let other = ["--interface", "lo", "--port", "5700"];
        let mut watcher = zre::pipe("watcher", &["--interface", "lo"]);
        let soak = Run::start(&[&["soak", "--minutes", "60", "--nodes", "2", "--json"], &other[..]].concat());
        watcher.expect_none("a soak on another port", Duration::from_secs(2), |event| event["event"] == "ENTER");
        soak.signal("INT");
        let found = outcome(&soak.end(ENDS), 130);
        assert_eq!((&found["interrupted"], number(&found, "/violations")), (&Value::Bool(true), 0));
        assert_eq!((number(&found, "/port"), number(&found, "/nodes")), (5700, 2));
        // All have stopped, each of itself.
        let started = number(&found, "/events/STOP") + found["operations"]["kill"].as_u64().unwrap_or(0);
        assert_eq!(started, found["operations"]["restart"].as_u64().unwrap_or(0) + number(&found, "/operations/start"));
        assert_eq!(number(&found, "/descriptors/before"), number(&found, "/descriptors/after"));
    });
}

#[test]
fn what_cannot_be_run_is_said_in_a_line() {
    let soak = |arguments: &[&str]| Run::start(&[&["soak"], arguments].concat()).end(ENDS);
    let help = text(&soak(&["--help"]).stdout);
    for words in [
        "--minutes <N>",
        "--nodes <N>",
        "--seed <S>",
        "--interface",
        "--port",
        "--json",
        "Exit codes",
        "the time is real",
    ] {
        assert!(help.contains(words), "{words} is not in:\n{help}");
    }
    for nonsense in [
        &["--minutes", "0"][..],
        &["--minutes", "1e9"],
        &["--minutes", "long"],
        &["--nodes", "1"],
        &["--nodes", "201"],
        &["--seed", "x"],
        &["--port", "0"],
        &["--duration", "5"],
    ] {
        let output = soak(nonsense);
        assert_eq!(output.status.code(), Some(2), "{nonsense:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(nonsense[0]), "{nonsense:?}");
    }
    let output = soak(&["--interface", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("nowhere"), "{}", text(&output.stderr));
}
