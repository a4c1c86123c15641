//! Plain TCP, blocking: what the machine can do without a protocol. A message has the octets that a whisper of its size
//! has on the wire.

use super::{Commands, Receive, Send};
use crate::namespace::ADDRESS;
use bytes::Bytes;
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
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
    stream: TcpStream,
}

impl Receiver {
    pub fn start() -> Self {
        let commands = Commands::new();
        let listener = TcpListener::bind((ADDRESS, 0)).expect("a port");
        println!("at {}", listener.local_addr().expect("it is bound"));
        let (stream, _) = listener.accept().expect("the sender");
        stream.set_nodelay(true).expect("an option of TCP");
        println!("met");
        Self { commands, stream }
    }
}

impl Receive for Receiver {
    fn listen(&mut self) -> String {
        self.commands.wait()
    }

    fn echo(&mut self, count: usize) {
        let mut message = vec![0; on_the_wire(32)];
        for _ in 0..count {
            self.stream.read_exact(&mut message).expect("a message");
            self.stream.write_all(&message).expect("it can be written");
        }
    }

    fn sink(&mut self, count: usize, size: usize) {
        let mut buffer = vec![0; READ];
        let mut left = count * on_the_wire(size);
        while left > 0 {
            let room = left.min(READ);
            let taken = self.stream.read(&mut buffer[..room]).expect("the sender is there");
            assert!(taken > 0, "the sender has left");
            left -= taken;
        }
    }
}

pub struct Sender {
    commands: Commands,
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Sender {
    pub fn start(place: &str) -> Self {
        let commands = Commands::new();
        let stream = TcpStream::connect(place).expect("the receiver");
        stream.set_nodelay(true).expect("an option of TCP");
        println!("met");
        Self { commands, stream, answer: vec![0; on_the_wire(32)] }
    }
}

impl Send for Sender {
    fn listen(&mut self) -> String {
        self.commands.wait()
    }

    fn ping(&mut self, _: &Bytes) {
        self.stream.write_all(&self.answer).expect("it can be written");
        self.stream.read_exact(&mut self.answer).expect("it comes back");
    }

    fn stream(&mut self, message: &Bytes, count: usize) {
        let message = on_the_wire(message.len());
        // A block for each large message; small ones are packed.
        let block = vec![b'x'; message.max(BLOCK / message * message)];
        let mut left = count * message;
        while left > 0 {
            let some = left.min(block.len());
            self.stream.write_all(&block[..some]).expect("it can be written");
            left -= some;
        }
    }
}
