//! The honest pair: a node whose whispers the other sends back, all along, numbered.

use crate::{
    hostile::{now, number_of, numbered},
    ours::Ours,
};
use std::{
    panic,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};
use zre_mio::{Event, Node, PeerId};

/// How long the other may take to send a message back. An attack may make it slower, but not deaf.
const ECHO: Duration = Duration::from_secs(15);
/// Messages under way at a time.
const BURST: u64 = 8;
/// Time between bursts.
const PAUSE: Duration = Duration::from_millis(2);
/// Octets of a message.
const SIZE: usize = 100;

/// One half of the pair, with a thread that talks to the other half.
#[derive(Debug)]
pub struct Honest {
    /// Its UUID.
    pub uuid: PeerId,
    stop: Sender<()>,
    talks: JoinHandle<Account>,
}

/// What the pair has said to each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Account {
    /// Messages, both ways.
    pub messages: u64,
    /// The longest that a burst took to be back.
    pub slowest: Duration,
}

impl Honest {
    /// Starts a node, which meets the other and begins to talk. Returns once they have.
    #[track_caller]
    pub fn start(other: PeerId) -> Self {
        let mut ours = Ours::start(Node::builder("honest").interface("lo"));
        let uuid = ours.node.uuid();
        ours.expect_enter(other);
        let (stop, stopped) = mpsc::channel();
        let (begun, begins) = mpsc::channel();
        let talks = thread::spawn(move || {
            let mut account = Account::default();
            let mut number = 0;
            loop {
                let begin = now();
                for next in number + 1..=number + BURST {
                    ours.node.whisper(other, numbered(next, SIZE)).expect("the other is there");
                }
                for next in number + 1..=number + BURST {
                    let heard = ours.expect_within("echo", ECHO, |event| event.peer() == Some(other));
                    let echo = matches!(&heard, Event::Whisper { content, .. } if number_of(content) == Some(next));
                    assert!(echo, "number {next} was to come back: {heard:?}");
                }
                number += BURST;
                account = Account { messages: 2 * number, slowest: account.slowest.max(begin.elapsed()) };
                if number == BURST {
                    let _ = begun.send(());
                }
                if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            // What was said of the other is taken: its ENTER, and every echo.
            ours.expect_none("word of the other", Duration::ZERO, |event| event.peer() == Some(other));
            account
        });
        let this = Self { uuid, stop, talks };
        if begins.recv().is_err() {
            this.finish();
            panic!("the honest pair does not talk");
        }
        this
    }

    /// Ends the talk, of which nothing may have been lost, and neither may have left the other.
    #[track_caller]
    pub fn finish(self) -> Account {
        let _ = self.stop.send(());
        self.talks.join().unwrap_or_else(|why| panic::resume_unwind(why))
    }
}
