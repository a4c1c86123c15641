//! Any number of `Driver`s in one poll, and lines on standard input.

use super::Commands;
use mio::{Events, Poll, Token, Waker};
use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};
use zre_mio::{Builder, Driver, Event};

/// The token of the lines; those of the drivers come one after the other from 0 on.
const LINES: Token = Token(usize::MAX);

/// A caller's loop.
pub struct Drivers {
    poll: Poll,
    events: Events,
    commands: Commands,
    all: Vec<Seat>,
}

/// A driver, and what is known of it, so that those that have nothing to do cost nothing.
struct Seat {
    driver: Driver,
    /// When it wants its next turn.
    deadline: Option<Instant>,
    /// Something was done with it: it may have events, and another deadline.
    touched: bool,
}

impl Drivers {
    pub fn new() -> Self {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), LINES).expect("a waker");
        let commands = Commands::telling(move || waker.wake().expect("the poll is there"));
        Self { poll, events: Events::with_capacity(256), commands, all: Vec::new() }
    }

    /// One node more.
    pub fn start(&mut self, builder: Builder) {
        let base = Token(self.all.len() * Driver::TOKENS);
        let driver = builder.driver(self.poll.registry(), base).expect("a node");
        self.all.push(Seat { driver, deadline: None, touched: true });
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// One of the nodes, in the order in which they were started.
    pub fn node(&mut self, index: usize) -> &mut Driver {
        let seat = &mut self.all[index];
        seat.touched = true;
        &mut seat.driver
    }

    /// Stops all nodes and forgets them.
    pub fn stop(&mut self) {
        (0..self.len()).for_each(|index| self.node(index).stop());
        while !self.all.iter().all(|seat| seat.driver.is_stopped()) {
            self.turn(None, |_, _, _| ());
        }
        self.all.clear();
    }

    /// Waits until there is something to do, for no longer than that where a limit is given, and does it.
    pub fn turn(&mut self, limit: Option<Duration>, mut heard: impl FnMut(usize, &mut Driver, Event)) {
        for seat in self.all.iter_mut().filter(|seat| seat.touched) {
            seat.deadline = seat.driver.next_deadline();
        }
        let next = self.all.iter().filter_map(|seat| seat.deadline).min();
        let until = next.map(|next| next.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, until.into_iter().chain(limit).min()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            polled => polled.expect("a poll"),
        }
        let now = Instant::now();
        for seat in &mut self.all {
            // What was done with it since the last turn may have left events.
            seat.touched |= seat.deadline.is_some_and(|at| at <= now);
        }
        for event in &self.events {
            if let Some(seat) = self.all.get_mut(event.token().0 / Driver::TOKENS) {
                seat.touched = true;
            }
        }
        for (index, seat) in self.all.iter_mut().enumerate().filter(|(_, seat)| seat.touched) {
            seat.driver.turn(&self.events);
            seat.touched = false;
            while let Some(event) = seat.driver.poll_event() {
                heard(index, &mut seat.driver, event);
            }
            seat.deadline = seat.driver.next_deadline();
        }
    }

    /// The next line, if there is one.
    pub fn look(&self) -> Option<String> {
        self.commands.look()
    }

    /// The next line; the nodes live on until it comes.
    pub fn listen(&mut self) -> String {
        loop {
            match self.look() {
                Some(line) => return line,
                None => self.turn(None, |_, _, _| ()),
            }
        }
    }
}
