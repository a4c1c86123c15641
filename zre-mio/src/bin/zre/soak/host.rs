//! A node of the soak: a driver in the soak's own loop, which can be killed; or one on a thread of its own.

use super::check::{Answers, Whom};
use mio::{Events, Interest, Registry, Token};
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use zre_mio::{Builder, Content, Driver, Event, Headers, Node, PeerId, SendError, StartError};

#[derive(Debug)]
pub(super) enum Host {
    Driver(Box<Driver>),
    /// And the thread that stops it, which waits until that is done.
    Node(Node, Option<JoinHandle<()>>),
}

impl Host {
    /// Starts a driver in the poll, with the tokens from `base` on; or a node that rings there.
    pub(super) fn start(builder: Builder, driver: bool, registry: &Registry, base: Token) -> Result<Self, StartError> {
        if driver {
            return Ok(Self::Driver(Box::new(builder.driver(registry, base)?)));
        }
        let mut node = builder.start()?;
        // Where it cannot ring, its events are taken with those of the others, a little later.
        let _ = registry.register(&mut node, base, Interest::READABLE);
        Ok(Self::Node(node, None))
    }

    pub(super) fn uuid(&self) -> PeerId {
        match self {
            Self::Driver(driver) => driver.engine().uuid(),
            Self::Node(node, _) => node.uuid(),
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Driver(driver) => driver.timeout(),
            Self::Node(..) => None,
        }
    }

    /// Has it do what is due.
    pub(super) fn turn(&mut self, events: &Events) {
        if let Self::Driver(driver) = self {
            driver.turn(events);
        }
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        match self {
            Self::Driver(driver) => driver.poll_event(),
            Self::Node(node, _) => node.try_recv().ok().flatten(),
        }
    }

    pub(super) fn join(&mut self, group: &str) -> Result<bool, SendError> {
        match self {
            Self::Driver(driver) => driver.join(group),
            Self::Node(node, _) => node.join(group),
        }
    }

    pub(super) fn leave(&mut self, group: &str) -> Result<bool, SendError> {
        match self {
            Self::Driver(driver) => driver.leave(group),
            Self::Node(node, _) => node.leave(group),
        }
    }

    /// Sends without waiting for room, and returns to how many.
    pub(super) fn send(&mut self, whom: &Whom, content: Content) -> Result<usize, SendError> {
        match (self, *whom) {
            (Self::Driver(driver), Whom::Peer(peer)) => driver.whisper(peer, content).map(|()| 1),
            (Self::Driver(driver), Whom::Group(group)) => driver.shout(group, content),
            (Self::Node(node, _), Whom::Peer(peer)) => node.try_whisper(peer, content).map(|()| 1),
            (Self::Node(node, _), Whom::Group(group)) => node.try_shout(group, content),
        }
    }

    /// Asks it to leave politely. STOP comes when it has.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        match self {
            Self::Driver(driver) => driver.stop(),
            Self::Node(node, stopping) => {
                // That waits for its peers, which may be in this very loop.
                let node = node.clone();
                let thread = thread::Builder::new().name("stop".into()).spawn(move || node.stop())?;
                *stopping = Some(thread);
            }
        }
        Ok(())
    }

    /// Its STOP has come: nothing is left of it after this.
    pub(super) fn bury(self, registry: &Registry) {
        if let Self::Node(mut node, stopping) = self {
            let _ = registry.deregister(&mut node);
            // It is done, for STOP comes last.
            let _ = stopping.map(JoinHandle::join);
        }
    }

    /// What it answers when it is asked, about these groups.
    pub(super) fn answers(&self, groups: &[&'static str]) -> Answers {
        let headers = |headers: Option<Arc<Headers>>| headers.unwrap_or_default();
        match self {
            Self::Driver(driver) => {
                let engine = driver.engine();
                let told = |peer| headers(engine.peer(peer).map(|info| info.headers().clone()));
                Answers {
                    peers: engine.peers().map(|peer| (peer, told(peer))).collect(),
                    members: groups.iter().map(|g| (*g, engine.peers_by_group(g).into_iter().collect())).collect(),
                    own: engine.own_groups().map(Into::into).collect(),
                    connections: engine.statistics().connections,
                }
            }
            Self::Node(node, _) => Answers {
                peers: node.peers().into_iter().map(|peer| (peer, headers(node.peer_headers(peer)))).collect(),
                members: groups.iter().map(|g| (*g, node.peers_by_group(g).into_iter().collect())).collect(),
                own: node.own_groups().into_iter().collect(),
                connections: node.statistics().connections,
            },
        }
    }
}
