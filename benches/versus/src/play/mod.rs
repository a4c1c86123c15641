//! The half of the program that does the work: one process, one contestant, one role.
//!
//! All are told by lines what to do, and `peers/` has the same in other languages:
//!
//! | to one who receives, or several | it answers |
//! |---|---|
//! | (at its start) | `at PLACE`, where a sender finds it (of ZRE: how many it has to find; of plain TCP: COUNT@ADDRESS); `met` once the sender is there |
//! | `echo COUNT` | `ready`; sends so many messages back to whom they come from; `done` |
//! | `sink COUNT SIZE` | `ready`; takes so many messages at each receiver; `done NANOSECONDS`: when the last one came |
//!
//! | to a sender | it answers |
//! |---|---|
//! | (at its start, with the PLACE) | `met` once the receiver is there; of ZRE `met ENDPOINT`, its own |
//! | `ping COUNT SIZE` | sends one, waits until it is back, and so on; `took NANOSECONDS …` of each |
//! | `stream COUNT SIZE` | sends so many to each receiver by turns, as fast as it may; `sent NANOSECONDS`: when it began |
//! | `shout COUNT SIZE` | the same to all receivers at once, by their group |
//!
//! | to one with nodes that only meet | it answers |
//! |---|---|
//! | (at its start) | `ready` |
//! | `start COUNT` | starts so many nodes; `begun NANOSECONDS ENDPOINT`: since when, and where the first is |
//! | `await COUNT` | once each node has so many peers, `whole NANOSECONDS`: since when |
//! | `stop` | stops all nodes; `stopped` |
//!
//! The end of the input is the end of the process. Times are nanoseconds of the machine's clock.

mod asynchronous;
mod cluster;
mod commands;
mod driver;
mod drivers;
mod node;
mod tcp;
mod zre;

use crate::{cli::Role, contestant::Contestant, machine};
use bytes::Bytes;
use commands::Commands;

/// Who takes messages.
trait Receive {
    /// The next line.
    fn listen(&mut self) -> String;
    /// Sends so many messages back.
    fn echo(&mut self, count: usize);
    /// Takes so many messages, of this size each, at each receiver.
    fn sink(&mut self, count: usize, size: usize);
}

/// Who sends them.
trait Send {
    /// The next line.
    fn listen(&mut self) -> String;
    /// Sends a message and waits until it is back.
    fn ping(&mut self, message: &Bytes);
    /// Sends so many to each receiver, by turns.
    fn stream(&mut self, message: &Bytes, count: usize);
    /// Sends so many to all receivers at once.
    fn shout(&mut self, _: &Bytes, _: usize) {
        panic!("it knows no groups");
    }
}

/// Plays a role until the end of the input.
pub fn play(contestant: Contestant, role: Role, place: &str) {
    match role {
        Role::Receiver => receive(&mut *receiver(contestant, how_many(place))),
        Role::Sender => send(&mut *sender(contestant, place)),
        Role::Cluster => match contestant {
            Contestant::Driver => cluster::driver::play(zre::peer),
            Contestant::Node => cluster::node::play(),
            _ => unreachable!("it has no nodes here"),
        },
        Role::Idle => cluster::driver::play(|| zre::seeker(place)),
    }
}

fn receiver(contestant: Contestant, count: usize) -> Box<dyn Receive> {
    match contestant {
        Contestant::Tcp => Box::new(tcp::Receiver::start(count)),
        Contestant::Zeromq => asynchronous::zeromq_receiver(asynchronous::one_thread()),
        Contestant::ZeromqThreads => asynchronous::zeromq_receiver(asynchronous::threads()),
        Contestant::Omq => asynchronous::omq_receiver(asynchronous::one_thread()),
        Contestant::Driver => Box::new(driver::Player::receivers(count)),
        Contestant::Node => Box::new(node::Player::receivers(count)),
        Contestant::Libzmq | Contestant::Pyre | Contestant::ZyreJs => unreachable!("a program of its own"),
    }
}

fn sender(contestant: Contestant, place: &str) -> Box<dyn Send> {
    match contestant {
        Contestant::Tcp => Box::new(tcp::Sender::start(place)),
        Contestant::Zeromq => asynchronous::zeromq_sender(asynchronous::one_thread(), place),
        Contestant::ZeromqThreads => asynchronous::zeromq_sender(asynchronous::threads(), place),
        Contestant::Omq => asynchronous::omq_sender(asynchronous::one_thread(), place),
        Contestant::Driver => Box::new(driver::Player::sender(how_many(place))),
        Contestant::Node => Box::new(node::Player::sender(how_many(place))),
        Contestant::Libzmq | Contestant::Pyre | Contestant::ZyreJs => unreachable!("a program of its own"),
    }
}

fn receive(receiver: &mut dyn Receive) {
    loop {
        let line = receiver.listen();
        let mut words = line.split_whitespace();
        match (words.next(), number(words.next()), number(words.next())) {
            (Some("echo"), Some(count), _) => {
                println!("ready");
                receiver.echo(count);
                println!("done");
            }
            (Some("sink"), Some(count), Some(size)) => {
                println!("ready");
                receiver.sink(count, size);
                println!("done {}", machine::now());
            }
            _ => panic!("{line:?} is nothing that a receiver does"),
        }
    }
}

fn send(sender: &mut dyn Send) {
    loop {
        let line = sender.listen();
        let mut words = line.split_whitespace();
        match (words.next(), number(words.next()), number(words.next())) {
            (Some("ping"), Some(count), Some(size)) => {
                let message = Bytes::from(vec![b'x'; size]);
                let mut took = String::from("took");
                for _ in 0..count {
                    let begin = machine::now();
                    sender.ping(&message);
                    took.push_str(&format!(" {}", machine::now() - begin));
                }
                println!("{took}");
            }
            (Some(verb @ ("stream" | "shout")), Some(count), Some(size)) => {
                let message = Bytes::from(vec![b'x'; size]);
                let begin = machine::now();
                if verb == "stream" {
                    sender.stream(&message, count);
                } else {
                    sender.shout(&message, count);
                }
                println!("sent {begin}");
            }
            _ => panic!("{line:?} is nothing that a sender does"),
        }
    }
}

fn number(word: Option<&str>) -> Option<usize> {
    word?.parse().ok()
}

fn how_many(place: &str) -> usize {
    number(Some(place)).expect("how many receivers there are")
}
