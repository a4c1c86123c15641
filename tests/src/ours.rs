//! A node of ours over real sockets, whose events are waited for with a deadline.

use std::time::{Duration, Instant};
use zre_mio::{Builder, Event, Node};

/// How long what must come may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running node and the events that nobody has asked for yet.
#[derive(Debug)]
pub struct Ours {
    /// The node.
    pub node: Node,
    waiting: Vec<Event>,
    seen: Vec<Event>,
}

impl Ours {
    /// Starts a node.
    pub fn start(builder: Builder) -> Self {
        let node = builder.start().unwrap_or_else(|error| panic!("it does not start: {error}"));
        Self { node, waiting: Vec::new(), seen: Vec::new() }
    }

    /// The node's UUID as other programs write it.
    pub fn uuid(&self) -> String {
        self.node.uuid().to_string()
    }

    /// The next event that fits and has not been taken yet. It must come within [`PATIENCE`].
    #[track_caller]
    pub fn expect(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        self.expect_within(what, PATIENCE, fits)
    }

    /// The same within another time.
    #[track_caller]
    pub fn expect_within(&mut self, what: &str, within: Duration, fits: impl Fn(&Event) -> bool) -> Event {
        self.wait_for(within, fits).unwrap_or_else(|| panic!("no {what} within {within:?}; events: {:#?}", self.seen))
    }

    /// That no such event comes for a while.
    #[track_caller]
    pub fn expect_none(&mut self, what: &str, within: Duration, fits: impl Fn(&Event) -> bool) {
        if let Some(event) = self.wait_for(within, fits) {
            panic!("{what} came: {event:?}");
        }
    }

    fn wait_for(&mut self, within: Duration, fits: impl Fn(&Event) -> bool) -> Option<Event> {
        if let Some(index) = self.waiting.iter().position(&fits) {
            return Some(self.waiting.remove(index));
        }
        let deadline = now() + within;
        loop {
            let event = self.node.recv_timeout(deadline.saturating_duration_since(now())).ok()??;
            self.seen.push(event.clone());
            if fits(&event) {
                return Some(event);
            }
            self.waiting.push(event);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline over real sockets needs a real clock")]
fn now() -> Instant {
    Instant::now()
}
