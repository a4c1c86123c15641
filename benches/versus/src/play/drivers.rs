//! Any number of `Driver`s in one poll, and lines on standard input.

use super::Commands;
use mio::{Events, Poll, Token, Waker};
use std::{io::ErrorKind, sync::mpsc::TryRecvError, time::Duration};
use zre_mio::{Builder, Driver, Event};

/// The token of the lines; those of the drivers come one after the other from 0 on.
const LINES: Token = Token(usize::MAX);

/// A caller's loop.
pub struct Drivers {
    poll: Poll,
    events: Events,
    commands: Commands,
    all: Vec<Driver>,
    /// Which of them the poll has told something.
    told: Vec<bool>,
}

impl Drivers {
    pub fn new() -> Self {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), LINES).expect("a waker");
        let commands = Commands::telling(move || waker.wake().expect("the poll is there"));
        Self { poll, events: Events::with_capacity(256), commands, all: Vec::new(), told: Vec::new() }
    }

    /// One node more.
    pub fn start(&mut self, builder: Builder) {
        let base = Token(self.all.len() * Driver::TOKENS);
        self.all.push(builder.driver(self.poll.registry(), base).expect("a node"));
        self.told.push(false);
    }

    /// All nodes, in the order in which they were started.
    pub fn all(&mut self) -> &mut [Driver] {
        &mut self.all
    }

    /// Forgets all nodes, which have stopped.
    pub fn clear(&mut self) {
        self.all.clear();
        self.told.clear();
    }

    /// Waits until there is something to do, for no longer than that where a limit is given, and does it.
    pub fn turn(&mut self, limit: Option<Duration>, mut heard: impl FnMut(usize, &mut Driver, Event)) {
        let timeout = self.all.iter().filter_map(Driver::timeout).chain(limit).min();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            polled => polled.expect("a poll"),
        }
        self.told.fill(false);
        for event in &self.events {
            if let Some(told) = self.told.get_mut(event.token().0 / Driver::TOKENS) {
                *told = true;
            }
        }
        for (index, driver) in self.all.iter_mut().enumerate() {
            if self.told[index] || driver.timeout() == Some(Duration::ZERO) {
                driver.turn(&self.events);
            }
            while let Some(event) = driver.poll_event() {
                heard(index, driver, event);
            }
        }
    }

    /// The next line, if there is one.
    pub fn look(&self) -> Result<String, TryRecvError> {
        self.commands.look()
    }

    /// The next line; the nodes live on until it comes.
    pub fn listen(&mut self) -> Option<String> {
        loop {
            match self.look() {
                Ok(line) => return Some(line),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.turn(None, |_, _, _| ()),
            }
        }
    }
}
