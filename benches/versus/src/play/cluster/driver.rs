//! Nodes that meet, as `Driver`s in one poll.

use super::{Order, Present};
use crate::{machine, play::drivers::Drivers, play::zre};
use std::sync::mpsc::TryRecvError;
use zre_mio::Driver;

/// Plays until the end of the input.
pub fn play() {
    let mut drivers = Drivers::new();
    let mut present = Present::default();
    let mut awaited = None;
    println!("ready");
    loop {
        match drivers.look().map(|line| Order::parse(&line)) {
            Ok(Order::Start(nodes)) => {
                println!("begun {}", machine::now());
                for _ in 0..nodes {
                    drivers.start(zre::peer());
                    present.add();
                }
            }
            Ok(Order::Await(peers)) => awaited = Some(peers),
            Ok(Order::Stop) => {
                drivers.all().iter_mut().for_each(Driver::stop);
                while !drivers.all().iter().all(Driver::is_stopped) {
                    drivers.turn(None, |_, _, _| ());
                }
                drivers.clear();
                present = Present::default();
                println!("stopped");
            }
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => drivers.turn(None, |index, _, event| present.note(index, &event)),
        }
        if let Some(since) = awaited.and_then(|peers| present.whole(peers)) {
            println!("whole {since}");
            awaited = None;
        }
    }
}
