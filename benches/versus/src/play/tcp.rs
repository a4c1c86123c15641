//! Plain TCP, blocking: what the machine can do without a protocol. A message has the octets that a whisper of its size
//! has on the wire.

use super::{Commands, Receive, Send};
use crate::namespace::ADDRESS;
use bytes::Bytes;
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

/// What the receiver of a stream reads at a time, and what small messages are packed into.
const READ: usize = 256 << 10;
const BLOCK: usize = 64 << 10;

/// The octets that a whisper of this size has on the wire: a message of ZRE, and a frame, each with its header.
fn on_the_wire(size: usize) -> usize {
    let header = if size > 255 { 9 } else { 2 };
    2 + 6 + header + size
}

pub struct Receiver {
    commands: Commands,
    streams: Vec<TcpStream>,
}

impl Receiver {
    /// So many receivers, once the sender has called each.
    pub fn start(count: usize) -> Self {
        let commands = Commands::new();
        let listener = TcpListener::bind((ADDRESS, 0)).expect("a port");
        println!("at {count}@{}", listener.local_addr().expect("it is bound"));
        let stream = |_| {
            let (stream, _) = listener.accept().expect("the sender");
            stream.set_nodelay(true).expect("an option of TCP");
            stream
        };
        let streams = (0..count).map(stream).collect();
        println!("met");
        Self { commands, streams }
    }
}

impl Receive for Receiver {
    fn listen(&mut self) -> String {
        self.commands.wait()
    }

    fn echo(&mut self, count: usize) {
        let mut message = vec![0; on_the_wire(32)];
        let stream = &mut self.streams[0];
        for _ in 0..count {
            stream.read_exact(&mut message).expect("a message");
            stream.write_all(&message).expect("it can be written");
        }
    }

    fn sink(&mut self, count: usize, size: usize) {
        let take = |stream: &mut TcpStream| {
            let mut buffer = vec![0; READ];
            let mut left = count * on_the_wire(size);
            while left > 0 {
                let room = left.min(READ);
                let taken = stream.read(&mut buffer[..room]).expect("the sender is there");
                assert!(taken > 0, "the sender has left");
                left -= taken;
            }
        };
        match &mut self.streams[..] {
            [one] => take(one),
            all => thread::scope(|scope| all.iter_mut().for_each(|stream| drop(scope.spawn(|| take(stream))))),
        }
    }
}

pub struct Sender {
    commands: Commands,
    streams: Vec<TcpStream>,
    answer: Vec<u8>,
}

impl Sender {
    /// The place says how many receivers there are, and where: COUNT@ADDRESS.
    pub fn start(place: &str) -> Self {
        let commands = Commands::new();
        let (count, place) = place.split_once('@').expect("a place of plain TCP");
        let stream = |_| {
            let stream = TcpStream::connect(place).expect("the receiver");
            stream.set_nodelay(true).expect("an option of TCP");
            stream
        };
        let streams = (0..super::how_many(count)).map(stream).collect();
        println!("met");
        Self { commands, streams, answer: vec![0; on_the_wire(32)] }
    }
}

impl Send for Sender {
    fn listen(&mut self) -> String {
        self.commands.wait()
    }

    fn ping(&mut self, _: &Bytes) {
        self.streams[0].write_all(&self.answer).expect("it can be written");
        self.streams[0].read_exact(&mut self.answer).expect("it comes back");
    }

    /// A block goes to each receiver in turn; there is no difference between messages to each and messages to all.
    fn stream(&mut self, message: &Bytes, count: usize) {
        let message = on_the_wire(message.len());
        // A block for each large message; small ones are packed.
        let block = vec![b'x'; message.max(BLOCK / message * message)];
        let mut left = count * message;
        while left > 0 {
            let some = left.min(block.len());
            for stream in &mut self.streams {
                stream.write_all(&block[..some]).expect("it can be written");
            }
            left -= some;
        }
    }

    fn shout(&mut self, message: &Bytes, count: usize) {
        self.stream(message, count);
    }
}
