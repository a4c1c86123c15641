//! Nodes that meet, as `Driver`s in one poll.

use super::{Order, Present};
use crate::{machine, play::drivers::Drivers};
use zre_mio::Builder;

/// Plays until the end of the input, with such nodes.
pub fn play(builder: impl Fn() -> Builder) {
    let mut drivers = Drivers::new();
    let mut present = Present::default();
    let mut awaited = None;
    println!("ready");
    loop {
        match drivers.look().map(|line| Order::parse(&line)) {
            Some(Order::Start(nodes)) => {
                let begin = machine::now();
                for _ in 0..nodes {
                    drivers.start(builder());
                    present.add();
                }
                println!("begun {begin} {}", drivers.node(0).engine().endpoint().expect("a mailbox"));
            }
            Some(Order::Await(peers)) => awaited = Some(peers),
            Some(Order::Stop) => {
                drivers.stop();
                present = Present::default();
                println!("stopped");
            }
            None => drivers.turn(None, |index, _, event| present.note(index, event)),
        }
        if let Some(since) = awaited.and_then(|peers| present.whole(peers)) {
            println!("whole {since}");
            awaited = None;
        }
    }
}
