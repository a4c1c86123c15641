//! The lines of `zre pipe` to the octet, its input and output as pipes and files, its command line.

use serde_json::{Value, json};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    process::{self, Child, ChildStdin, Command, ExitStatus, Stdio},
    time::Duration,
};
use zre_tests::{
    children::JsonLines,
    namespace::{self, Finished},
    zre::{self, pipe},
};

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1 << 20;

/// The fields of a line, in their order.
fn fields(line: &str) -> Vec<&str> {
    let strings = line.split('"').skip(1).step_by(2);
    let after = line.split('"').skip(2).step_by(2);
    strings.zip(after).filter(|(_, after)| after.starts_with(':')).map(|(name, _)| name).collect()
}

/// `zre pipe` with its input and output in the hands of the test. What the test waits for has the test's own deadline.
struct Raw {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<Box<dyn Read>>,
}

impl Raw {
    fn start(name: &str) -> Self {
        Self::spawn(zre::zre(&["pipe", "--interface", "lo", "--name", name]))
    }

    /// With its output in this file.
    fn into_file(name: &str, file: File) -> Self {
        let mut command = zre::zre(&["pipe", "--interface", "lo", "--name", name]);
        command.stdout(Stdio::from(file));
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let output: Box<dyn Read> = match child.stdout.take() {
            Some(stdout) => Box::new(stdout),
            None => Box::new(io::empty()),
        };
        Self { input: child.stdin.take(), output: BufReader::new(output), child }
    }

    fn write(&mut self, octets: &[u8]) {
        self.input.as_mut().expect("the input is open").write_all(octets).expect("it reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line of UTF-8");
        line.trim_end().to_owned()
    }

    fn end_input(mut self) -> (Vec<String>, String, ExitStatus) {
        self.input = None;
        self.end()
    }

    /// All lines that are left, what went to standard error, and the end.
    fn end(mut self) -> (Vec<String>, String, ExitStatus) {
        let lines = self.output.by_ref().lines().collect::<Result<_, _>>().expect("lines of UTF-8");
        let mut complaints = String::new();
        let mut stderr = self.child.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut complaints).expect("text");
        (lines, complaints, self.child.wait().expect("its end"))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn answers_are_lines_of_a_fixed_form() {
    zre::program();
    namespace::run("answers_are_lines_of_a_fixed_form", || {
        let mut raw = Raw::start("alice");
        let start = raw.line();
        assert_eq!(fields(&start), ["event", "peer", "name", "endpoint"]);
        raw.write(b"{\"do\":\"join\",\"group\":\"G\"}\n");
        assert_eq!(raw.line(), r#"{"reply":"join","value":true}"#);
        raw.write(b"{\"do\":\"own_groups\",\"id\":338958331222012082418099330867817086977}\r\n");
        assert_eq!(raw.line(), r#"{"reply":"own_groups","id":338958331222012082418099330867817086977,"value":["G"]}"#);
        raw.write(b"{\"id\":{\"a\": [1.50, null]},\"do\":\"peers\"}\n");
        assert_eq!(raw.line(), r#"{"reply":"peers","id":{"a": [1.50, null]},"value":[]}"#);
        raw.write(b"{\"do\":\"name\",\"id\":null}\n");
        assert_eq!(raw.line(), r#"{"reply":"name","id":null,"value":"alice"}"#);
        let nobody = "AB".repeat(16);
        raw.write(format!("{{\"do\":\"whisper\",\"peer\":\"{nobody}\",\"content\":[\"x\"],\"id\":7}}\n").as_bytes());
        let error = format!("unknown peer {nobody}: it has not entered, or has left");
        assert_eq!(raw.line(), format!(r#"{{"error":"{error}","do":"whisper","id":7}}"#));
        raw.write(b"{\"do\":\"stop\",\"id\":\"last\"}\n");
        assert_eq!(raw.line(), r#"{"reply":"stop","id":"last","value":true}"#);
        assert_eq!(fields(&raw.line()), ["event", "peer", "name"]);
        let (lines, _, end) = raw.end();
        assert!(lines.is_empty() && end.success(), "{lines:?} {end}");
    });
}

#[test]
fn a_line_that_is_no_command_gets_an_error() {
    zre::program();
    namespace::run("a_line_that_is_no_command_gets_an_error", || {
        let mut raw = Raw::start("alice");
        raw.line();
        let deep = "[".repeat(100_000);
        let mut garbage: Vec<&[u8]> = vec![b"", b"   ", b"hello", b"{\"do\":\"peers\"", b"[\"peers\"]", b"7", b"null"];
        garbage.extend([&b"{\"do\":\"peers\"} x"[..], b"\xff\xfe", b"{\"do\":\"join\",\"group\":\"\xc3\"}", b"\0"]);
        garbage.extend([&b"{\"do\":\"join\",\"group\":\"\\ud800\"}"[..], deep.as_bytes(), b"\xef\xbb\xbf{}"]);
        for line in garbage {
            raw.write(line);
            raw.write(b"\n");
            let answer: Value = serde_json::from_str(&raw.line()).expect("JSON");
            let shown = String::from_utf8_lossy(&line[..line.len().min(40)]);
            assert!(answer["error"].is_string() && answer["reply"].is_null(), "{shown}: {answer}");
        }
        // Long is not wrong by itself.
        raw.write(format!("{{\"do\":\"peers\",\"pad\":\"{}\"}}\n", "x".repeat(10 * MIB)).as_bytes());
        assert_eq!(raw.line(), r#"{"reply":"peers","value":[]}"#);
        // But there is an end to it, and the rest of such a line is no command.
        let megabyte = vec![b'x'; MIB];
        (0..129).for_each(|_| raw.write(&megabyte));
        raw.write(b"{\"do\":\"stop\"}\n");
        assert!(raw.line().contains("longer than 134217728 octets"));
        // The last line needs no end.
        raw.write(b"{\"do\":\"name\",\"id\":1}");
        raw.input = None;
        assert_eq!(fields(&raw.line()), ["reply", "id", "value"]);
        let (lines, _, end) = raw.end_input();
        assert!(matches!(&lines[..], [stop] if stop.contains("\"STOP\"")), "{lines:?}");
        assert!(end.success());
    });
}

#[test]
fn commands_before_the_end_of_the_input_are_obeyed() {
    zre::program();
    namespace::run("commands_before_the_end_of_the_input_are_obeyed", || {
        let mut bob = pipe("bob", &["--interface", "lo", "--group", "tea"]);
        let mut alice = Raw::start("alice");
        bob.expect_event("ENTER", |_| true);
        for number in 0..1000 {
            alice.write(format!("{{\"do\":\"shout\",\"group\":\"tea\",\"content\":[\"{number}\"]}}\n").as_bytes());
        }
        let (lines, _, end) = alice.end_input();
        assert!(end.success());
        let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
        assert_eq!(count(r#"{"reply":"shout","value":true}"#), 1000);
        assert!(lines.last().is_some_and(|line| line.starts_with(r#"{"event":"STOP""#)));
        for number in 0..1000 {
            bob.expect_event("SHOUT", |event| event["content"] == json!([number.to_string()]));
        }
        bob.wait_for("EXIT", SECOND, |line| line["event"] == "EXIT");
    });
}

#[test]
fn a_broken_output_ends_it() {
    zre::program();
    namespace::run("a_broken_output_ends_it", || {
        let mut bob = pipe("bob", &["--interface", "lo"]);
        let mut raw = Raw::start("alice");
        bob.expect_event("ENTER", |event| event["name"] == "alice");
        assert!(raw.line().contains("START") && raw.line().contains("ENTER"));
        // Nothing more is printed, and the input stays open.
        raw.output = BufReader::new(Box::new(io::empty()));
        bob.wait_for("EXIT", SECOND, |line| line["event"] == "EXIT" && line["reason"] == "left");
        assert_eq!(raw.end().2.code(), Some(0));

        // Where the output takes nothing from the beginning, it ends by itself too.
        let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let raw = Raw::into_file("carol", full);
        assert_eq!(raw.end().2.code(), Some(0));

        // A file has nobody who could stop to read it.
        let path = std::env::temp_dir().join(format!("zre-pipe-{}", process::id()));
        let mut raw = Raw::into_file("dave", File::create(&path).expect("a file"));
        bob.expect_event("ENTER", |event| event["name"] == "dave");
        raw.write(b"{\"do\":\"name\"}\n");
        assert_eq!(raw.end_input().2.code(), Some(0));
        let text = fs::read_to_string(&path).expect("the output");
        let _ = fs::remove_file(&path);
        let kinds = text.lines().map(|line| fields(line)[0]).collect::<Vec<_>>();
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("event", "event"), "{text}");
        assert!(kinds.contains(&"reply") && text.contains("STOP"), "{text}");
    });
}

/// Runs to the end, which must come by itself.
fn run(arguments: &[&str]) -> Finished {
    let finished = namespace::finish(zre::zre(arguments), 20 * SECOND).expect("it starts");
    assert!(!finished.overran, "zre {arguments:?} does not end:\n{}", finished.output);
    finished
}

#[test]
fn it_starts_or_says_why_not_in_one_line() {
    zre::program();
    namespace::run("it_starts_or_says_why_not_in_one_line", || {
        let long = "n".repeat(256);
        for (arguments, code, words) in [
            (&["--interface", "nowhere7"][..], 1, "nowhere7"),
            (&["--interface", "lo", "--name", &long], 1, "255"),
            (&["--interface", "lo", "--group", &long], 1, "255"),
            (&["--interface", "lo", "--header", "=v"], 1, "header"),
            (&["--endpoint", "tcp://127.0.0.1"], 1, "endpoint \"tcp://127.0.0.1\": it must end with a port"),
            (&["--endpoint", "ipc:///no/such/directory/x"], 1, "try a path in a directory that is there"),
            (&["--interface", "lo", "--gossip-bind", "hub"], 1, "gossip_bind \"hub\": it must start with tcp://"),
            (&["--interface", "lo", "--gossip-connect", "tcp://h"], 1, "gossip_connect \"tcp://h\""),
            (&["--endpoint", "tcp://lo:*", "--advertise", "x"], 1, "advertise \"x\""),
            (&["--interface", "lo", "--peer", "tcp://127.0.0.1:0"], 1, "peer \"tcp://127.0.0.1:0\""),
            (&["--interface", "lo", "--contest", &long], 1, "255"),
            (&["--endpoint", "ipc://*", "--beacons", "--interface", "lo"], 1, "(--endpoint, --beacons)"),
        ] {
            let Finished { status, output, .. } = run(&[&["pipe"], arguments].concat());
            assert_eq!(status.code(), Some(code), "{output}");
            assert_eq!(output.trim_end().lines().count(), 1, "one line: {output}");
            assert!(output.contains(words), "{words:?} is not in: {output}");
        }
        // The same goes for a chat, which has the same options.
        let Finished { status, output, .. } = run(&["chat", "--endpoint", "tcp://*"]);
        assert_eq!(status.code(), Some(1), "{output}");
        // And for a hub.
        for (arguments, code, words) in [
            (&["gossip"][..], 2, "needs an endpoint"),
            (&["gossip", "tcp://*"], 1, "must end with a port"),
            (&["gossip", "tcp://192.0.2.1:*"], 1, "(--gossip-bind)"),
        ] {
            let Finished { status, output, .. } = run(arguments);
            assert_eq!(status.code(), Some(code), "{output}");
            assert!(output.contains(words), "{words:?} is not in: {output}");
        }
    });
}

#[test]
fn nodes_find_each_other_by_a_hub_and_by_name_and_have_a_leader() {
    zre::program();
    namespace::run("nodes_find_each_other_by_a_hub_and_by_name_and_have_a_leader", || {
        let mut hub = JsonLines::start("hub", zre::zre(&["gossip", "--json", "tcp://127.0.0.1:*"]));
        let at_hub = hub.hubs()[0].to_owned();
        assert!(hub.endpoint().is_empty() && at_hub.starts_with("tcp://127.0.0.1:"), "{at_hub}");
        let mailbox = ["--endpoint", "tcp://127.0.0.1:*", "--contest", "tea"];
        let mut alice = pipe("alice", &[&mailbox[..], &["--gossip-connect", &at_hub, "--linger", "500"]].concat());
        let mut bob = pipe("bob", &mailbox);
        assert_eq!(bob.ask(json!({"do": "gossip_connect", "endpoint": at_hub})), true);
        alice.expect_event("ENTER", |event| event["name"] == "bob");
        bob.expect_event("ENTER", |event| event["name"] == "alice");
        let least = alice.uuid().min(bob.uuid()).to_owned();
        for ours in [&mut alice, &mut bob] {
            ours.expect_event("LEADER", |event| event["peer"] == least && event["group"] == "tea");
            assert_eq!(ours.ask(json!({"do": "leader", "group": "tea"})), least);
        }
        assert_eq!(bob.ask(json!({"do": "leader", "group": "coffee"})), Value::Null);

        // By name, without the hub.
        let named = format!("{}={}", alice.uuid(), alice.endpoint());
        let mut carol = pipe("carol", &["--endpoint", "tcp://127.0.0.1:*", "--peer", &named]);
        carol.expect_event("ENTER", |event| event["name"] == "alice");
        let (peer, endpoint) = (bob.uuid().to_owned(), bob.endpoint().to_owned());
        assert_eq!(carol.ask(json!({"do": "require_peer", "endpoint": endpoint, "peer": peer})), true);
        carol.expect_event("ENTER", |event| event["name"] == "bob");
        let hub_of_carol = carol.ask(json!({"do": "gossip_bind", "endpoint": "tcp://127.0.0.1:*"}));
        assert!(hub_of_carol.as_str().is_some_and(|at| at.starts_with("tcp://127.0.0.1:") && !at.ends_with('*')));
        let wrong = carol.try_ask(json!({"do": "require_peer", "endpoint": "here"}));
        assert!(wrong.is_err_and(|why| why.contains("tcp://")));
        for ours in [alice, bob, carol] {
            ours.stop();
        }
        hub.signal("TERM");
        hub.expect_event("STOP", |_| true);
        assert!(hub.end().success());
    });
}

#[test]
fn all_options_are_taken_and_only_events_are_on_the_output() {
    zre::program();
    namespace::run("all_options_are_taken_and_only_events_are_on_the_output", || {
        let times = ["--interval", "100", "--evasive", "300", "--silent", "300", "--expired", "4000", "--verbose"];
        let place = ["--interface", "127.0.0.1", "--port", "5999", "--mailbox-port", "5998"];
        let mut alice =
            JsonLines::start("alice", zre::zre(&[&["pipe", "--name", "alice"], &times[..], &place].concat()));
        assert_eq!(alice.endpoint(), "tcp://127.0.0.1:5998");
        let bob = pipe("bob", &["--interface", "lo", "--port", "5999"]);
        alice.expect_event("ENTER", |event| event["name"] == "bob");
        // Quiet, silent, given up.
        bob.signal("STOP");
        for kind in ["EVASIVE", "SILENT"] {
            let event = alice.expect_event(kind, |_| true);
            assert_eq!(event, json!({"event": kind, "peer": bob.uuid(), "name": "bob"}));
        }
        alice.expect_event("EXIT", |event| event["reason"] == "expired");
        assert!(alice.seen().all(Value::is_object), "all the log goes elsewhere");
        alice.stop();
    });
}

#[test]
fn help_shows_what_to_write() {
    let help = run(&["pipe", "--help"]);
    assert!(help.status.success());
    for words in ["--interface", "--gossip-bind", "--contest", "peer_header_value", r#"{"do":"stop"}"#, "hex"] {
        assert!(help.output.contains(words), "{words} is not in:\n{}", help.output);
    }
    assert_eq!(run(&["pipe", "--port", "0"]).status.code(), Some(2));
}
