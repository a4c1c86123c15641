//! Nodes of ours that only meet: for how long that takes, and what it costs to be there.

pub mod driver;
pub mod node;

use crate::machine;
use zre_mio::Event;

/// How many peers each node of this process has.
#[derive(Debug, Default)]
pub struct Present {
    peers: Vec<usize>,
    /// When that changed last.
    last: u64,
}

impl Present {
    /// One node more; its number.
    fn add(&mut self) -> usize {
        self.peers.push(0);
        self.peers.len() - 1
    }

    /// What a node heard.
    fn note(&mut self, node: usize, event: &Event) {
        match event {
            Event::Enter { .. } => self.peers[node] += 1,
            Event::Exit { .. } => self.peers[node] -= 1,
            _ => return,
        }
        self.last = machine::now();
    }

    /// Whether each node has so many peers, and since when.
    fn whole(&self, peers: usize) -> Option<u64> {
        self.peers.iter().all(|found| *found == peers).then_some(self.last)
    }
}

/// What such a process is told.
enum Order {
    /// Start so many nodes.
    Start(usize),
    /// Say when each has so many peers.
    Await(usize),
    /// Stop them.
    Stop,
}

impl Order {
    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        match (words.next(), super::number(words.next())) {
            (Some("start"), Some(nodes)) => Self::Start(nodes),
            (Some("await"), Some(peers)) => Self::Await(peers),
            (Some("stop"), _) => Self::Stop,
            _ => panic!("{line:?} is nothing that nodes that meet do"),
        }
    }
}
