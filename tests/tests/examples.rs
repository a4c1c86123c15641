//! The examples run, end by themselves, and print what they are there to show.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};
use zre_tests::{
    children::{PATIENCE, START},
    examples::{build, example},
    namespace,
};

/// What an example may take, which takes a fraction of a second on a machine that does nothing else.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs an example to its end. Its lines must be these, up to the order in which several nodes speak.
#[track_caller]
fn prints(name: &str, lines: &[&str]) {
    let end = namespace::finish(example(name), DEADLINE).expect("it starts");
    assert!(end.status.success() && !end.overran, "{name}, {}:\n{}", end.status, end.output);
    // A stable sort: what each says stays in order.
    let by_speaker = |mut lines: Vec<String>| {
        lines.sort_by_key(|line| line.split(':').next().map(str::to_owned));
        lines
    };
    let printed = by_speaker(end.output.lines().map(str::to_owned).collect());
    assert_eq!(printed, by_speaker(lines.iter().map(ToString::to_string).collect()), "{name}");
}

/// The same in a network of its own, for the test of this name.
#[track_caller]
fn prints_in_a_network(test: &str, name: &str, lines: &[&str]) {
    build();
    namespace::run(test, || prints(name, lines));
}

#[test]
fn two_nodes_in_memory() {
    prints(
        "two_nodes",
        &[
            "alice: ENTER bob",
            "bob: ENTER alice",
            "bob: WHISPER alice hello, bob",
            "alice: WHISPER bob hello yourself",
            "alice: EXIT bob",
            "alice: STOP",
            "bob: EXIT alice",
            "bob: STOP",
        ],
    );
}

#[test]
fn smoltcp_carries_the_engine() {
    prints(
        "smoltcp",
        &[
            "alice: bob is here, at tcp://10.0.0.2:49152",
            "bob: alice says \"hello, bob\"",
            "alice: bob says \"hello yourself\"",
            "bob: alice is gone: left",
        ],
    );
}

#[test]
fn std_carries_the_engine() {
    prints_in_a_network(
        "std_carries_the_engine",
        "blocking",
        &[
            "alice: bob is here",
            "bob: alice says \"hello, bob\"",
            "alice: bob says \"hello yourself\"",
            "bob: alice is gone: left",
        ],
    );
}

#[test]
fn tokio_carries_the_engine() {
    prints_in_a_network(
        "tokio_carries_the_engine",
        "tokio_engine",
        &[
            "alice: bob is here",
            "bob: alice is here",
            "bob: so much waits that nothing more is read",
            "bob: 1000 whispers, in order",
            "alice: had to wait: true",
            "alice: bob says \"that was all\"",
            "bob: alice is gone: left",
        ],
    );
}

#[test]
fn a_node_in_tokio() {
    prints_in_a_network(
        "a_node_in_tokio",
        "tokio_node",
        &[
            "sleeper: clock says \"tick 1\"",
            "sleeper: clock says \"tick 2\"",
            "sleeper: clock says \"tick 3\"",
            "clock: sleeper says \"I am awake\"",
            "sleeper: clock is gone: left",
        ],
    );
}

#[test]
fn a_driver_in_mio() {
    prints_in_a_network(
        "a_driver_in_mio",
        "mio_loop",
        &[
            "gateway: listener wants to hear of it",
            "listener: gateway says reading 1",
            "listener: gateway says reading 2",
            "listener: gateway says reading 3",
            "listener: gateway is gone: left",
        ],
    );
}

#[test]
fn two_nodes_in_calloop() {
    prints_in_a_network(
        "two_nodes_in_calloop",
        "calloop_loop",
        &[
            "asks: answers is here",
            "answers: asks says \"what is the answer?\"",
            "asks: answers says \"42\"",
            "asked: true, answered: true",
        ],
    );
}

#[test]
fn a_chat() {
    build();
    namespace::run("a_chat", || {
        let mut alice = Talker::start("alice");
        let mut bob = Talker::start("bob");
        bob.expect("alice is here", START);
        alice.expect("bob is here", PATIENCE);
        alice.say("hello");
        bob.expect("alice: hello", PATIENCE);
        bob.say("hello yourself");
        alice.expect("bob: hello yourself", PATIENCE);
        alice.say("good-bye");
        alice.leave();
        bob.expect("alice: good-bye", PATIENCE);
        bob.expect("alice is gone: left", PATIENCE);
        bob.leave();
    });
}

/// A chat whose lines are waited for. It is killed when dropped.
struct Talker {
    name: &'static str,
    chat: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Talker {
    fn start(name: &'static str) -> Self {
        let mut chat = example("chat");
        let mut chat = chat.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = chat.stdin.take();
        let output = BufReader::new(chat.stdout.take().expect("a pipe was asked for"));
        let (say, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { name, chat, input, lines }
    }

    #[track_caller]
    fn expect(&self, line: &str, within: Duration) {
        let came = self.lines.recv_timeout(within);
        assert_eq!(came.as_deref(), Ok(line), "{} waits for {line:?}", self.name);
    }

    fn say(&mut self, line: &str) {
        let mut input = self.input.as_ref().expect("it has not left");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Its input ends, and then it does.
    #[track_caller]
    fn leave(&mut self) {
        self.input = None;
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        assert!(self.chat.wait().expect("it has ended").success(), "{}", self.name);
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.chat.kill();
        let _ = self.chat.wait();
    }
}
