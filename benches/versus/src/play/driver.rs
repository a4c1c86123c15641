//! `zre_mio::Driver`: nodes of ours in the loop of their caller.

use super::{Receive, Send, drivers::Drivers, zre};
use bytes::Bytes;
use std::time::Duration;
use zre_mio::{Content, Driver, Event, PeerId};

/// What is sent between two turns: so many messages, and so many octets.
const BATCH: usize = 256;
const BATCH_OCTETS: usize = 1 << 20;

/// A sender, or all receivers.
pub struct Player {
    drivers: Drivers,
    /// Whom the sender sends to.
    peers: Vec<PeerId>,
}

impl Player {
    /// So many receivers, once each has met all others and the sender.
    pub fn receivers(count: usize) -> Self {
        let mut drivers = Drivers::new();
        (0..count).for_each(|_| drivers.start(zre::receiver()));
        println!("at {count}");
        let mut met = 0;
        while met < count * count {
            drivers.turn(None, |_, _, event| met += usize::from(zre::is_enter(event)));
        }
        Self { drivers, peers: Vec::new() }.met()
    }

    /// The sender, once it has met so many receivers.
    pub fn sender(receivers: usize) -> Self {
        let mut drivers = Drivers::new();
        drivers.start(zre::sender());
        let mut peers = Vec::new();
        while peers.len() < receivers {
            drivers.turn(None, |_, _, event| {
                // JOIN comes after ENTER.
                if let Event::Join { peer, .. } = event {
                    peers.push(*peer);
                }
            });
        }
        Self { drivers, peers }.met()
    }

    fn met(mut self) -> Self {
        let endpoint = self.drivers.node(0).engine().endpoint().expect("a mailbox");
        println!("met {endpoint}");
        self
    }

    /// Sends so many messages of this size, by a call that says whether there was room for it.
    fn send(&mut self, count: usize, size: usize, mut send: impl FnMut(&mut Driver) -> bool) {
        let batch = (BATCH_OCTETS / size).clamp(1, BATCH);
        let mut sent = 0;
        while sent < count {
            let end = count.min(sent + batch);
            let driver = self.drivers.node(0);
            while sent < end && send(driver) {
                sent += 1;
            }
            let mut waits = sent < end;
            if waits {
                while waits {
                    self.drivers.turn(None, |_, _, event| waits &= !matches!(event, Event::Room { .. }));
                }
            } else {
                self.drivers.turn(Some(Duration::ZERO), |_, _, _| ());
            }
        }
    }
}

impl Receive for Player {
    fn listen(&mut self) -> String {
        self.drivers.listen()
    }

    fn echo(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            self.drivers.turn(None, |_, driver, event| {
                if let Event::Whisper { peer, content, .. } = event {
                    driver.whisper_content(*peer, content).expect("the sender is there");
                    left -= 1;
                }
            });
        }
    }

    fn sink(&mut self, count: usize, _: usize) {
        let mut left = count * self.drivers.len();
        while left > 0 {
            self.drivers.turn(None, |_, _, event| left -= usize::from(zre::is_message(event)));
        }
    }
}

impl Send for Player {
    fn listen(&mut self) -> String {
        self.drivers.listen()
    }

    fn ping(&mut self, message: &Bytes) {
        self.drivers.node(0).whisper(self.peers[0], message.clone()).expect("the receiver is there");
        let mut back = false;
        while !back {
            self.drivers.turn(None, |_, _, event| back |= zre::is_message(event));
        }
    }

    fn stream(&mut self, message: &Bytes, count: usize) {
        let peers = self.peers.clone();
        let content = Content::from(message.clone());
        let mut next = 0;
        self.send(count * peers.len(), message.len(), |driver| {
            let had_room = zre::had_room(driver.whisper_content(peers[next], &content));
            if had_room {
                next = if next + 1 == peers.len() { 0 } else { next + 1 };
            }
            had_room
        });
    }

    fn shout(&mut self, message: &Bytes, count: usize) {
        let octets = message.len() * self.peers.len();
        let content = Content::from(message.clone());
        self.send(count, octets, |driver| zre::had_room(driver.shout_content(zre::GROUP, &content)));
    }
}
