//! What the nodes do when no scenario says it.

use std::time::Duration;
use zre_engine::{
    Event, PeerId,
    app::{App, Cx},
};

/// The group that all nodes are in.
pub(super) const GROUP: &str = "sim";

/// The one timer: time to say something.
const TALK: u64 = 0;

/// Talks with the others. Each node whispers about once a second and all of them together shout about once a second, so
/// that what there is to do grows as the nodes do, and not as their pairs do.
#[derive(Debug)]
pub(super) struct Chatter {
    /// One in so many times it shouts, too.
    nodes: u64,
    /// Kept here, for to ask for a list of a thousand each time would take longer than to whisper.
    peers: Vec<PeerId>,
    said: u64,
}

impl Chatter {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes: nodes as u64, peers: Vec::new(), said: 0 }
    }

    /// Words that this node has not said before.
    fn words(&mut self) -> String {
        self.said += 1;
        format!("words {}", self.said)
    }
}

/// Half a second to one and a half.
fn wait(cx: &mut Cx<'_>) {
    let wait = 500_000 + cx.random_below(1_000_000);
    cx.set_timer(TALK, Duration::from_micros(wait));
}

impl App for Chatter {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        // The name of the group is short enough.
        let _ = cx.join(GROUP);
        wait(cx);
    }

    fn on_event(&mut self, _: &mut Cx<'_>, event: Event) {
        match event {
            Event::Enter { peer, .. } => self.peers.push(peer),
            Event::Exit { peer, .. } => self.peers.retain(|other| *other != peer),
            _ => {}
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>, _: u64) {
        let choice = cx.random_below(self.peers.len() as u64) as usize;
        // Where too much waits for a peer, that is its bad luck: the next time another is chosen.
        if let Some(peer) = self.peers.get(choice).copied() {
            let _ = cx.whisper(peer, self.words());
        }
        if cx.random_below(self.nodes) == 0 {
            let _ = cx.shout(GROUP, self.words());
        }
        wait(cx);
    }
}
