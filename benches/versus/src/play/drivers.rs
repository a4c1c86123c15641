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
    all: Vec<Driver>,
    /// What is known of each, apart from them, so that a thousand that have nothing to do cost hardly anything.
    seats: Vec<Seat>,
}

/// What is known of a driver.
#[derive(Clone, Copy)]
struct Seat {
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
        Self { poll, events: Events::with_capacity(256), commands, all: Vec::new(), seats: Vec::new() }
    }

    /// One node more.
    pub fn start(&mut self, builder: Builder) {
        let base = Token(self.all.len() * Driver::TOKENS);
        let driver = builder.driver(self.poll.registry(), base).expect("a node");
        self.all.push(driver);
        self.seats.push(Seat { deadline: None, touched: true });
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// One of the nodes, in the order in which they were started.
    pub fn node(&mut self, index: usize) -> &mut Driver {
        self.seats[index].touched = true;
        &mut self.all[index]
    }

    /// Stops all nodes and forgets them.
    pub fn stop(&mut self) {
        (0..self.len()).for_each(|index| self.node(index).stop());
        while !self.all.iter().all(Driver::is_stopped) {
            self.turn(None, |_, _, _| ());
        }
        self.all.clear();
        self.seats.clear();
    }

    /// Waits until there is something to do, for no longer than that where a limit is given, and does it.
    pub fn turn(&mut self, limit: Option<Duration>, mut heard: impl FnMut(usize, &mut Driver, &Event)) {
        for (seat, driver) in self.seats.iter_mut().zip(&self.all).filter(|(seat, _)| seat.touched) {
            seat.deadline = driver.next_deadline();
        }
        let next = self.seats.iter().filter_map(|seat| seat.deadline).min();
        let until = next.map(|next| next.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, until.into_iter().chain(limit).min()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            polled => polled.expect("a poll"),
        }
        let now = Instant::now();
        for seat in &mut self.seats {
            // What was done with it since the last turn may have left events.
            seat.touched |= seat.deadline.is_some_and(|at| at <= now);
        }
        for event in &self.events {
            if let Some(seat) = self.seats.get_mut(event.token().0 / Driver::TOKENS) {
                seat.touched = true;
            }
        }
        for (index, seat) in self.seats.iter_mut().enumerate().filter(|(_, seat)| seat.touched) {
            let driver = &mut self.all[index];
            driver.turn(&self.events);
            seat.touched = false;
            while let Some(event) = &driver.poll_event() {
                heard(index, driver, event);
            }
            seat.deadline = driver.next_deadline();
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
