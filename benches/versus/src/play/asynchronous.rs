//! Crates on tokio, DEALER to ROUTER, without ZRE: zeromq, and omq-tokio.

use super::{Commands, Receive, Send};
use crate::namespace::ADDRESS;
use bytes::Bytes;
use omq_tokio::{Options, SocketType};
use std::sync::Arc;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};
use zeromq::{Socket as _, SocketRecv, SocketSend, ZmqMessage};

/// Everything on the caller's thread.
pub fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A thread for each processor.
pub fn threads() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// A socket of either crate.
pub trait Socket {
    type Message: From<Bytes>;
    async fn take(&mut self) -> Self::Message;
    async fn give(&mut self, message: Self::Message);
}

impl<S: SocketRecv + SocketSend + std::marker::Send> Socket for S {
    type Message = ZmqMessage;

    async fn take(&mut self) -> ZmqMessage {
        self.recv().await.expect("a message")
    }

    async fn give(&mut self, message: ZmqMessage) {
        self.send(message).await.expect("it can be sent");
    }
}

/// A socket of omq-tokio.
pub struct Omq(omq_tokio::Socket);

impl Socket for Omq {
    type Message = omq_tokio::Message;

    async fn take(&mut self) -> omq_tokio::Message {
        self.0.recv().await.expect("a message")
    }

    async fn give(&mut self, message: omq_tokio::Message) {
        self.0.send(message).await.expect("it can be sent");
    }
}

/// Lines that are waited for while the runtime goes on: what was sent is written by a task of its own.
struct Lines {
    commands: Commands,
    told: Arc<Notify>,
}

impl Lines {
    fn new() -> Self {
        let told = Arc::new(Notify::new());
        let tell = told.clone();
        Self { commands: Commands::telling(move || tell.notify_one()), told }
    }

    async fn next(&self) -> String {
        loop {
            match self.commands.look() {
                Some(line) => return line,
                None => self.told.notified().await,
            }
        }
    }
}

/// A ROUTER.
pub struct Receiver<S> {
    lines: Lines,
    runtime: Runtime,
    socket: S,
}

/// One of zeromq.
pub fn zeromq_receiver(runtime: Runtime) -> Box<dyn Receive> {
    let (socket, place) = runtime.block_on(async {
        let mut socket = zeromq::RouterSocket::new();
        let place = socket.bind(&anywhere()).await.expect("a port");
        (socket, place)
    });
    Box::new(Receiver::start(runtime, socket, &place.to_string()))
}

/// One of omq-tokio.
pub fn omq_receiver(runtime: Runtime) -> Box<dyn Receive> {
    let (socket, place) = runtime.block_on(async {
        let socket = omq_tokio::Socket::new(SocketType::Router, Options::default());
        let place = socket.bind(&*anywhere()).await.expect("a port");
        (Omq(socket), place)
    });
    Box::new(Receiver::start(runtime, socket, &place.to_string()))
}

fn anywhere() -> String {
    format!("tcp://{ADDRESS}:0")
}

impl<S: Socket> Receiver<S> {
    fn start(runtime: Runtime, mut socket: S, place: &str) -> Self {
        let lines = Lines::new();
        println!("at {place}");
        // The sender says one word when it has come.
        runtime.block_on(socket.take());
        println!("met");
        Self { lines, runtime, socket }
    }
}

impl<S: Socket> Receive for Receiver<S> {
    fn listen(&mut self) -> String {
        self.runtime.block_on(self.lines.next())
    }

    fn echo(&mut self, count: usize) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            for _ in 0..count {
                let message = socket.take().await;
                socket.give(message).await;
            }
        });
    }

    fn sink(&mut self, count: usize, _: usize) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            for _ in 0..count {
                socket.take().await;
            }
        });
    }
}

/// A DEALER.
pub struct Sender<S> {
    lines: Lines,
    runtime: Runtime,
    socket: S,
}

/// One of zeromq.
pub fn zeromq_sender(runtime: Runtime, place: &str) -> Box<dyn Send> {
    let socket = runtime.block_on(async {
        let mut socket = zeromq::DealerSocket::new();
        socket.connect(place).await.expect("the receiver");
        socket
    });
    Box::new(Sender::start(runtime, socket))
}

/// One of omq-tokio.
pub fn omq_sender(runtime: Runtime, place: &str) -> Box<dyn Send> {
    let socket = runtime.block_on(async {
        let socket = omq_tokio::Socket::new(SocketType::Dealer, Options::default());
        socket.connect(place).await.expect("the receiver");
        Omq(socket)
    });
    Box::new(Sender::start(runtime, socket))
}

impl<S: Socket> Sender<S> {
    fn start(runtime: Runtime, mut socket: S) -> Self {
        let lines = Lines::new();
        runtime.block_on(socket.give(Bytes::from_static(b"met").into()));
        println!("met");
        Self { lines, runtime, socket }
    }
}

impl<S: Socket> Send for Sender<S> {
    fn listen(&mut self) -> String {
        self.runtime.block_on(self.lines.next())
    }

    fn ping(&mut self, message: &Bytes) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            socket.give(message.clone().into()).await;
            socket.take().await;
        });
    }

    fn stream(&mut self, message: &Bytes, count: usize) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            for _ in 0..count {
                socket.give(message.clone().into()).await;
            }
        });
    }
}
