//! The crate zeromq: DEALER to ROUTER, without ZRE.

use super::{Commands, Receive, Send};
use crate::namespace::ADDRESS;
use bytes::Bytes;
use std::sync::{Arc, mpsc::TryRecvError};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};
use zeromq::{DealerSocket, RouterSocket, Socket as _, SocketRecv as _, SocketSend as _};

/// Everything on the caller's thread.
pub fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A thread for each processor.
pub fn threads() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
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

    async fn next(&self) -> Option<String> {
        loop {
            match self.commands.look() {
                Ok(line) => return Some(line),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.told.notified().await,
            }
        }
    }
}

pub struct Receiver {
    lines: Lines,
    runtime: Runtime,
    socket: RouterSocket,
}

impl Receiver {
    pub fn start(runtime: Runtime) -> Self {
        let socket = runtime.block_on(async {
            let mut socket = RouterSocket::new();
            let place = socket.bind(&format!("tcp://{ADDRESS}:0")).await.expect("a port");
            println!("at {place}");
            // The sender says one word when it has come.
            socket.recv().await.expect("the sender");
            println!("met");
            socket
        });
        Self { lines: Lines::new(), runtime, socket }
    }
}

impl Receive for Receiver {
    fn listen(&mut self) -> Option<String> {
        self.runtime.block_on(self.lines.next())
    }

    fn echo(&mut self, count: usize) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            for _ in 0..count {
                let message = socket.recv().await.expect("a message");
                socket.send(message).await.expect("it can be sent");
            }
        });
    }

    fn sink(&mut self, count: usize, _: usize) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            for _ in 0..count {
                socket.recv().await.expect("a message");
            }
        });
    }
}

pub struct Sender {
    lines: Lines,
    runtime: Runtime,
    socket: DealerSocket,
}

impl Sender {
    pub fn start(runtime: Runtime, place: &str) -> Self {
        let socket = runtime.block_on(async {
            let mut socket = DealerSocket::new();
            socket.connect(place).await.expect("the receiver");
            socket.send("met".into()).await.expect("it can be sent");
            socket
        });
        println!("met");
        Self { lines: Lines::new(), runtime, socket }
    }
}

impl Send for Sender {
    fn listen(&mut self) -> Option<String> {
        self.runtime.block_on(self.lines.next())
    }

    fn ping(&mut self, message: &Bytes) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            socket.send(message.clone().into()).await.expect("it can be sent");
            socket.recv().await.expect("it comes back");
        });
    }

    fn stream(&mut self, message: &Bytes, count: usize) {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            for _ in 0..count {
                socket.send(message.clone().into()).await.expect("it can be sent");
            }
        });
    }
}
