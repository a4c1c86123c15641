//! A node of ours over real sockets, whose events are waited for with a deadline.

use std::time::{Duration, Instant};
use zre_mio::{Builder, Event, Node, PeerId, Statistics};

/// How long what must come may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How often counters are looked at.
const LOOK: Duration = Duration::from_millis(20);

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

    /// Where the node's mailbox is.
    #[track_caller]
    pub fn endpoint(&self) -> String {
        self.node.endpoint().expect("an endpoint").to_string()
    }

    /// Waits for the ENTER of this node.
    #[track_caller]
    pub fn expect_enter(&mut self, of: PeerId) {
        self.expect("ENTER", |event| matches!(event, Event::Enter { peer, .. } if *peer == of));
    }

    /// Waits for a WHISPER of this text, and for who says so.
    #[track_caller]
    pub fn expect_whisper(&mut self, text: &str) -> PeerId {
        let whisper = self.expect(
            &format!("WHISPER of {text:?}"),
            |event| matches!(event, Event::Whisper { content, .. } if content.text() == text),
        );
        whisper.peer().expect("somebody whispers")
    }

    /// Waits until the counters are so. They tell of what has no event.
    #[track_caller]
    pub fn expect_counters(&mut self, what: &str, fits: impl Fn(&Statistics) -> bool) {
        let deadline = now() + PATIENCE;
        while !fits(&self.node.statistics()) {
            let late = now() >= deadline;
            assert!(!late, "not {what} within {PATIENCE:?}: {:#?}", self.node.statistics());
            if let Ok(Some(event)) = self.node.recv_timeout(LOOK) {
                self.seen.push(event.clone());
                self.waiting.push(event);
            }
        }
    }

    /// All events of this kind so far, those taken too.
    pub fn seen(&mut self, kind: &str) -> Vec<&Event> {
        while let Ok(Some(event)) = self.node.try_recv() {
            self.seen.push(event.clone());
            self.waiting.push(event);
        }
        self.seen.iter().filter(|event| event.kind() == kind).collect()
    }

    /// That until now nobody was gone, and nobody entered twice.
    #[track_caller]
    pub fn assert_steady(&mut self) {
        let gone = self.seen("EXIT");
        assert!(gone.is_empty(), "{gone:#?}");
        let mut entered: Vec<_> = self.seen("ENTER").iter().filter_map(|event| event.peer()).collect();
        entered.sort_unstable();
        assert!(entered.is_sorted_by(|one, next| one < next), "twice: {entered:?}");
    }

    /// The next event that fits and has not been taken yet, if it comes in time.
    pub fn wait_for(&mut self, within: Duration, fits: impl Fn(&Event) -> bool) -> Option<Event> {
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

/// Waits until each of these nodes has met all others.
#[track_caller]
pub fn all_meet(nodes: &mut [Ours]) {
    let everybody: Vec<_> = nodes.iter().map(|ours| ours.node.uuid()).collect();
    for ours in nodes {
        let own = ours.node.uuid();
        everybody.iter().filter(|peer| **peer != own).for_each(|peer| ours.expect_enter(*peer));
    }
}

/// Each of these nodes, which have met, whispers to each other, and shouts to all: they are in this group.
#[track_caller]
pub fn all_talk(nodes: &mut [Ours], group: &str) {
    let everybody: Vec<_> = nodes.iter().map(|ours| ours.node.uuid()).collect();
    for ours in nodes.iter() {
        let own = ours.node.uuid();
        for peer in everybody.iter().filter(|peer| **peer != own) {
            ours.node.whisper(*peer, format!("{own} to {peer}")).expect("a whisper");
        }
        assert_eq!(ours.node.shout(group, format!("{own} to all")), Ok(everybody.len() - 1));
    }
    for ours in nodes {
        let own = ours.node.uuid();
        for peer in everybody.iter().filter(|peer| **peer != own) {
            assert_eq!(ours.expect_whisper(&format!("{peer} to {own}")), *peer);
            ours.expect(
                "SHOUT",
                |event| matches!(event, Event::Shout { content, .. } if content.text() == format!("{peer} to all")),
            );
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline over real sockets needs a real clock")]
fn now() -> Instant {
    Instant::now()
}
