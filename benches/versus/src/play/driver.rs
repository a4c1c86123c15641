//! `zre_mio::Driver`: nodes of ours in the loop of their caller.

use super::{Receive, Send, drivers::Drivers, zre};
use bytes::Bytes;
use std::time::Duration;
use zre_mio::{Event, PeerId};

/// What is sent between two turns: so many messages, and so many octets.
const BATCH: usize = 256;
const BATCH_OCTETS: usize = 1 << 20;

/// A sender, or all receivers.
pub struct Player {
    drivers: Drivers,
    peers: Vec<PeerId>,
}

impl Player {
    /// So many receivers, once the sender has met them.
    pub fn receivers(count: usize) -> Self {
        let mut drivers = Drivers::new();
        (0..count).for_each(|_| drivers.start(zre::receiver()));
        println!("at {count}");
        let mut met = 0;
        while met < count {
            drivers.turn(None, |_, _, event| met += usize::from(zre::is_sender(&event)));
        }
        println!("met");
        Self { drivers, peers: Vec::new() }
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
                    peers.push(peer);
                }
            });
        }
        println!("met");
        Self { drivers, peers }
    }
}

impl Receive for Player {
    fn listen(&mut self) -> Option<String> {
        self.drivers.listen()
    }

    fn echo(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            self.drivers.turn(None, |_, driver, event| {
                if let Event::Whisper { peer, content, .. } = event {
                    driver.whisper(peer, content).expect("the sender is there");
                    left -= 1;
                }
            });
        }
    }

    fn sink(&mut self, count: usize, _: usize) {
        let mut left = count;
        while left > 0 {
            self.drivers.turn(None, |_, _, event| left -= usize::from(zre::is_message(&event)));
        }
    }
}

impl Send for Player {
    fn listen(&mut self) -> Option<String> {
        self.drivers.listen()
    }

    fn ping(&mut self, message: &Bytes) {
        self.drivers.all()[0].whisper(self.peers[0], message.clone()).expect("the receiver is there");
        let mut back = false;
        while !back {
            self.drivers.turn(None, |_, _, event| back |= zre::is_message(&event));
        }
    }

    fn stream(&mut self, message: &Bytes, count: usize) {
        let batch = (BATCH_OCTETS / message.len()).clamp(1, BATCH);
        let mut left = count;
        while left > 0 {
            let some = left.min(batch);
            let driver = &mut self.drivers.all()[0];
            let peer = self.peers[0];
            let sent = (0..some).take_while(|_| zre::had_room(driver.whisper(peer, message.clone()))).count();
            left -= sent;
            if sent == some {
                self.drivers.turn(Some(Duration::ZERO), |_, _, _| ());
            } else {
                self.wait_for_room();
            }
        }
    }
}

impl Player {
    fn wait_for_room(&mut self) {
        let mut room = false;
        while !room {
            self.drivers.turn(None, |_, _, event| room |= matches!(event, Event::Room { .. }));
        }
    }
}
