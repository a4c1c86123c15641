//! `zre_mio::Node`: nodes of ours, each on a thread of its own.

use super::{Commands, Receive, Send, zre};
use bytes::Bytes;
use std::thread;
use zre_mio::{Content, Event, Node, PeerId};

/// A sender, or all receivers.
pub struct Player {
    commands: Commands,
    nodes: Vec<Node>,
    /// Whom the sender sends to.
    peers: Vec<PeerId>,
}

impl Player {
    /// So many receivers, once each has met all others and the sender.
    pub fn receivers(count: usize) -> Self {
        let commands = Commands::new();
        let nodes: Vec<Node> = (0..count).map(|_| zre::receiver().start().expect("a node")).collect();
        println!("at {count}");
        for node in &nodes {
            let mut met = 0;
            while met < count {
                met += usize::from(zre::is_enter(&node.recv().expect("it runs")));
            }
        }
        Self { commands, nodes, peers: Vec::new() }.met()
    }

    /// The sender, once it has met so many receivers.
    pub fn sender(receivers: usize) -> Self {
        let commands = Commands::new();
        let node = zre::sender().start().expect("a node");
        let mut peers = Vec::new();
        while peers.len() < receivers {
            // JOIN comes after ENTER.
            if let Event::Join { peer, .. } = node.recv().expect("it runs") {
                peers.push(peer);
            }
        }
        Self { commands, nodes: vec![node], peers }.met()
    }

    fn met(self) -> Self {
        println!("met {}", self.nodes[0].endpoint().expect("a mailbox"));
        self
    }
}

impl Receive for Player {
    fn listen(&mut self) -> String {
        self.commands.wait()
    }

    fn echo(&mut self, count: usize) {
        let node = &self.nodes[0];
        let mut left = count;
        while left > 0 {
            if let Event::Whisper { peer, content, .. } = node.recv().expect("it runs") {
                node.whisper(peer, content).expect("the sender is there");
                left -= 1;
            }
        }
    }

    fn sink(&mut self, count: usize, _: usize) {
        let take = |node: &Node| {
            let mut left = count;
            while left > 0 {
                left -= usize::from(zre::is_message(&node.recv().expect("it runs")));
            }
        };
        match &self.nodes[..] {
            [one] => take(one),
            all => thread::scope(|scope| all.iter().for_each(|node| drop(scope.spawn(|| take(node))))),
        }
    }
}

impl Send for Player {
    fn listen(&mut self) -> String {
        self.commands.wait()
    }

    fn ping(&mut self, message: &Bytes) {
        self.nodes[0].whisper(self.peers[0], message.clone()).expect("the receiver is there");
        while !zre::is_message(&self.nodes[0].recv().expect("it runs")) {}
    }

    fn stream(&mut self, message: &Bytes, count: usize) {
        let content = Content::from(message.clone());
        for _ in 0..count {
            for peer in &self.peers {
                self.nodes[0].whisper_content(*peer, &content).expect("the receiver is there");
            }
        }
    }

    fn shout(&mut self, message: &Bytes, count: usize) {
        let content = Content::from(message.clone());
        for _ in 0..count {
            self.nodes[0].shout_content(zre::GROUP, &content).expect("the receivers are there");
        }
    }
}
