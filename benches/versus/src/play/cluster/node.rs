//! Nodes that meet, as `Node`s, each with a thread of the caller's that takes its events.

use super::{Order, Present};
use crate::{
    machine,
    play::{Commands, zre},
};
use std::{
    mem,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};
use zre_mio::Node;

/// What the threads tell.
#[derive(Default)]
struct Told {
    present: Mutex<Present>,
    /// How many peers each is to have: whoever waits for that is woken then, and not for each of them.
    awaited: AtomicUsize,
    whole: Condvar,
}

/// Plays until the end of the input.
pub fn play() {
    let commands = Commands::new();
    let told = Arc::new(Told::default());
    let mut nodes: Vec<(Node, JoinHandle<()>)> = Vec::new();
    println!("ready");
    loop {
        match Order::parse(&commands.wait()) {
            Order::Start(count) => {
                let begin = machine::now();
                nodes.extend((0..count).map(|_| start(&told)));
                println!("begun {begin} {}", nodes[0].0.endpoint().expect("a mailbox"));
            }
            Order::Await(peers) => {
                let present = told.present.lock().expect("nobody panics");
                told.awaited.store(peers, Ordering::Relaxed);
                let is_not = |present: &mut Present| present.whole(peers).is_none();
                let present = told.whole.wait_while(present, is_not).expect("nobody panics");
                println!("whole {}", present.last);
            }
            Order::Stop => {
                for (node, takes) in mem::take(&mut nodes) {
                    node.stop();
                    takes.join().expect("it ends with its node");
                }
                *told.present.lock().expect("nobody panics") = Present::default();
                println!("stopped");
            }
        }
    }
}

fn start(told: &Arc<Told>) -> (Node, JoinHandle<()>) {
    let number = told.present.lock().expect("nobody panics").add();
    let node = zre::peer().start().expect("a node");
    let (taken, told) = (node.clone(), told.clone());
    let takes = thread::spawn(move || {
        for event in taken.events() {
            let mut present = told.present.lock().expect("nobody panics");
            present.note(number, &event);
            if present.whole(told.awaited.load(Ordering::Relaxed)).is_some() {
                told.whole.notify_one();
            }
        }
    });
    (node, takes)
}
