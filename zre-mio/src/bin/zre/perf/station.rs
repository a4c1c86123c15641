//! A node in a loop of its own: no thread stands between the sockets and what is measured.

use super::{
    end::End,
    role::{HEADER, Role},
};
use crate::{
    cli::{NodeOptions, complain, not_started},
    clock::now,
    signals,
};
use mio::{Events, Poll, Token, Waker};
use std::{
    io,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use zre_mio::{Driver, Event};

const WAKER: Token = Token(0);
const DRIVER: Token = Token(1);

/// What an orderly end may take beyond the linger.
const GRACE: Duration = Duration::from_millis(100);

pub(super) struct Station {
    pub(super) driver: Driver,
    poll: Poll,
    events: Events,
    over: Bell,
    /// How long peers have at the end to take what was sent to them.
    linger: Duration,
}

/// Says from another thread that it is over.
#[derive(Debug, Clone)]
pub(super) struct Bell {
    rung: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.rung.store(true, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            complain(&format!("the end has to wait until something happens: {error}"));
        }
    }
}

impl Station {
    /// Starts the node in these groups, or says on standard error why it does not. `confirm` is how long peers may take to
    /// say that they have read all, where somebody wants to know that; without it, as long as the options say.
    pub(super) fn start(
        options: &NodeOptions,
        role: Role,
        groups: &[String],
        confirm: Option<Duration>,
    ) -> Result<Self, ExitCode> {
        let mut builder = options.prepare(None, groups).header(HEADER, role.as_str());
        let linger = builder.config().linger;
        builder = builder.linger(confirm.unwrap_or(linger));
        let poll = Poll::new().map_err(|error| no("poll", &error))?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(|error| no("waker", &error))?);
        let driver = builder.driver(poll.registry(), DRIVER).map_err(|error| not_started(&error))?;
        let over = Bell { rung: Arc::default(), waker };
        let bell = over.clone();
        signals::on_first(move || bell.ring());
        Ok(Self { driver, poll, events: Events::with_capacity(256), over, linger })
    }

    /// What ends it from outside.
    pub(super) fn bell(&self) -> Bell {
        self.over.clone()
    }

    /// Whether it is to end.
    pub(super) fn is_over(&self) -> bool {
        self.over.rung.load(Ordering::Relaxed)
    }

    /// Waits until something happens, for at most so long, and has the node do what is due. Then take its events.
    pub(super) fn turn(&mut self, at_most: Option<Duration>) -> Result<(), End> {
        let timeout = [self.driver.timeout(), at_most].into_iter().flatten().min();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(End::Failed(format!("the node's sockets cannot be watched any more: {error}")))
            }
            // A signal, or the debugger, makes it a turn in which nothing has happened.
            _ => {
                self.driver.turn(&self.events);
                Ok(())
            }
        }
    }

    /// Leaves politely. Who does not take what was sent to it holds that up no longer than the linger.
    pub(super) fn leave(mut self) {
        self.driver.stop();
        let end = now() + self.linger + GRACE;
        while !self.driver.is_stopped() {
            while self.driver.poll_event().is_some_and(|event| event != Event::Stop) {}
            let left = end.saturating_duration_since(now());
            if self.driver.is_stopped() || left.is_zero() || self.turn(Some(left)).is_err() {
                break;
            }
        }
    }
}

fn no(what: &str, error: &io::Error) -> ExitCode {
    complain(&format!("could not set up a {what}: {error}"));
    ExitCode::FAILURE
}
