//! The `zre` program as a newcomer meets it: the README's command in two terminals, and what it says when it cannot.

use serde_json::{Value, json};
use std::{
    net::{TcpListener, UdpSocket},
    time::Duration,
};
use zre_tests::{
    children::JsonLines,
    namespace::{self, Finished},
    zre::{self, chat},
};

const SECOND: Duration = Duration::from_secs(1);

fn shout(text: &str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == "SHOUT" && event["content"] == json!([text])
}

fn talk(alice: &mut JsonLines, bob: &mut JsonLines) {
    alice.expect_event("ENTER", |event| event["name"] == "bob");
    bob.expect_event("ENTER", |event| event["name"] == "alice");
    alice.expect_event("JOIN", |event| event["group"] == "chat");
    bob.expect_event("JOIN", |event| event["group"] == "chat");
    alice.type_line("hello, everybody");
    bob.wait_for("the line", 2 * SECOND, shout("hello, everybody"));
    bob.type_line("hello, alice");
    alice.wait_for("the answer", 2 * SECOND, shout("hello, alice"));
    bob.type_line("/w alice between us");
    alice.expect_event("WHISPER", |event| event["content"] == json!(["between us"]));
}

#[test]
fn two_terminals_on_lo_talk() {
    zre::program();
    namespace::run("two_terminals_on_lo_talk", || {
        let mut alice = chat("alice", &["--interface", "lo"]);
        let mut bob = chat("bob", &["--interface", "lo"]);
        assert!(alice.endpoint().starts_with("tcp://127.0.0.1:"));
        talk(&mut alice, &mut bob);
        bob.type_line("/quit");
        alice.wait_for("EXIT", SECOND, |event| event["event"] == "EXIT" && event["reason"] == "left");
    });
}

#[test]
fn without_an_interface_the_one_that_reaches_others_is_chosen() {
    zre::program();
    namespace::run("without_an_interface_the_one_that_reaches_others_is_chosen", || {
        let mut alice = chat("alice", &[]);
        let mut bob = chat("bob", &["--interface", "10.66.0.1"]);
        assert!(alice.endpoint().starts_with("tcp://10.66.0.1:"), "{}", alice.endpoint());
        talk(&mut alice, &mut bob);
        alice.signal("TERM");
        bob.wait_for("EXIT", SECOND, |event| event["event"] == "EXIT" && event["reason"] == "left");
        assert!(alice.end().success());
    });
}

#[test]
fn another_udp_port_is_another_cluster() {
    zre::program();
    namespace::run("another_udp_port_is_another_cluster", || {
        let mut alice = chat("alice", &["--interface", "lo", "--port", "5999"]);
        let _bob = chat("bob", &["--interface", "lo"]);
        let mut carol = chat("carol", &["--interface", "lo", "--port", "5999"]);
        alice.expect_event("ENTER", |event| event["name"] == "carol");
        carol.expect_event("ENTER", |event| event["name"] == "alice");
        alice.expect_none("bob", SECOND, |event| event["name"] == "bob");
    });
}

/// Runs to the end, which must come by itself.
fn run(arguments: &[&str]) -> Finished {
    let finished = namespace::finish(zre::zre(arguments), 20 * SECOND).expect("it starts");
    assert!(!finished.overran, "zre {arguments:?} does not end:\n{}", finished.output);
    finished
}

/// One line that names the trouble and says what to try, and an exit code that is not 0.
#[track_caller]
fn fails(arguments: &[&str], words: &[&str]) {
    let Finished { status, output, .. } = run(arguments);
    assert!(!status.success(), "{output}");
    assert_eq!(output.trim_end().lines().count(), 1, "one line: {output}");
    for word in words {
        assert!(output.contains(word), "{word:?} is not in: {output}");
    }
}

#[test]
fn what_cannot_work_is_one_clear_line() {
    zre::program();
    namespace::run("what_cannot_work_is_one_clear_line", || {
        fails(&["chat", "--interface", "nowhere7"], &["nowhere7", "lo", "v0"]);
        fails(&["chat", "--interface", "10.9.9.9"], &["10.9.9.9", "v0"]);

        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port().to_string();
        fails(&["chat", "--interface", "lo", "--mailbox-port", &port], &["in use", &port, "--mailbox-port"]);

        let _greedy = UdpSocket::bind("0.0.0.0:5998").expect("a port that is not shared");
        fails(&["chat", "--interface", "lo", "--port", "5998"], &["does not share it", "5998", "--port"]);

        let long = "n".repeat(256);
        fails(&["chat", "--interface", "lo", "--name", &long], &["256", "255"]);
        fails(&["chat", "--interface", "lo", "--group", &long], &["256", "255"]);

        namespace::ip("link set v0 down");
        fails(&["chat"], &["--interface", "lo"]);
    });
}

#[test]
fn help_shows_a_newcomer_what_to_type() {
    let help = run(&["chat", "--help"]);
    assert!(help.status.success());
    for words in ["zre chat --interface lo", "--group", "--name", "/quit"] {
        assert!(help.output.contains(words), "{words} is not in:\n{}", help.output);
    }
    let usage = run(&["chat", "--no-such-option"]);
    assert_eq!(usage.status.code(), Some(2));
}
