//! The nodes of a soak, in one loop, and what can be done with them.

use super::{
    check::{Answers, Check, HEADER, Life, Message, Whom},
    host::Host,
    sample::Sample,
};
use crate::{
    cli::{complain, not_started},
    clock::now,
};
use mio::{Events, Poll, Token, Waker};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use zre_mio::{Driver, Event, Node, PeerId, SendError};

/// The groups that there are.
pub(super) const GROUPS: [&str; 4] = ["red", "green", "blue", "grey"];

const WAKER: Token = Token(0);
/// The first token of the first node.
const NODES: usize = 1;

/// How long peers have to take what was sent to them by one that stops.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// How often memory and descriptors are looked at.
const SAMPLE: Duration = Duration::from_millis(500);

/// A place in the cluster, where one node lives after the other.
#[derive(Debug, Default)]
pub(super) struct Slot {
    host: Option<Host>,
    life: Option<Life>,
    /// It was asked to stop, and its STOP has not come.
    stopping: bool,
    /// The last UUID here, and when it has started of late.
    uuid: Option<PeerId>,
    starts: Vec<Instant>,
    /// How many nodes have lived here.
    lives: u64,
    /// Messages of the one that lives here.
    said: u64,
}

impl Slot {
    /// A node runs here and means to stay.
    pub(super) fn runs(&self) -> bool {
        self.host.is_some() && !self.stopping
    }

    pub(super) fn is_free(&self) -> bool {
        self.host.is_none()
    }

    /// It can be gone without a word.
    pub(super) fn is_mortal(&self) -> bool {
        self.runs() && matches!(self.host, Some(Host::Driver(_)))
    }
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

    pub(super) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) slots: Vec<Slot>,
    pub(super) check: Check,
    pub(super) bell: Bell,
    pub(super) peak: Sample,
    pub(super) port: u16,
    /// What was done, by kind.
    pub(super) done: BTreeMap<&'static str, u64>,
    /// Whom nodes have met just now: places and peers.
    met: Vec<(usize, PeerId)>,
    interface: String,
    poll: Poll,
    events: Events,
    begin: Instant,
    next_sample: Instant,
}

impl Cluster {
    /// Places for so many nodes, with nobody there.
    pub(super) fn new(nodes: usize, interface: &str, port: u16) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let begin = now();
        Ok(Self {
            slots: (0..nodes).map(|_| Slot::default()).collect(),
            check: Check::default(),
            bell: Bell { rung: Arc::default(), waker },
            peak: Sample::default(),
            port,
            done: BTreeMap::new(),
            met: Vec::new(),
            interface: interface.into(),
            poll,
            events: Events::with_capacity(1024),
            begin,
            next_sample: begin,
        })
    }

    /// The time since the beginning.
    pub(super) fn at(&self) -> Duration {
        now().saturating_duration_since(self.begin)
    }

    /// The places that are like this.
    pub(super) fn places(&self, fits: impl Fn(&Slot) -> bool) -> Vec<usize> {
        (0..self.slots.len()).filter(|place| fits(&self.slots[*place])).collect()
    }

    fn did(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Starts a node in a free place.
    pub(super) fn start(
        &mut self,
        place: usize,
        uuid: Option<PeerId>,
        driver: bool,
        groups: &[&'static str],
    ) -> Result<(), ExitCode> {
        let life = self.check.next_life();
        let slot = &mut self.slots[place];
        slot.lives += 1;
        let name = format!("{place}.{}", slot.lives);
        let mut builder = Node::builder(&name).header(HEADER, life.0.to_string()).linger(LINGER);
        builder = builder.interface(&self.interface).port(self.port);
        builder = groups.iter().fold(builder, |builder, group| builder.group(*group));
        if let Some(uuid) = uuid {
            builder = builder.uuid(uuid);
        }
        let base = Token(NODES + place * Driver::TOKENS);
        let host = Host::start(builder, driver, self.poll.registry(), base).map_err(|error| not_started(&error))?;
        if uuid.is_none() {
            slot.starts.clear();
        }
        slot.starts.push(now());
        (slot.uuid, slot.stopping, slot.said) = (Some(host.uuid()), false, 0);
        let at = self.at();
        self.slots[place].life = Some(self.check.born(at, &name, host.uuid(), groups));
        self.slots[place].host = Some(host);
        self.did(if uuid.is_some() { "restart" } else { "start" });
        Ok(())
    }

    /// The UUID that last lived in a place, if it has not started so often within that time that its peers take it for one
    /// that comes and goes.
    pub(super) fn known_uuid(&self, place: usize, often: usize, within: Duration) -> Option<PeerId> {
        let (slot, time) = (&self.slots[place], now());
        let of_late = slot.starts.iter().filter(|start| time.saturating_duration_since(**start) < within).count();
        slot.uuid.filter(|_| of_late < often)
    }

    pub(super) fn join(&mut self, place: usize, group: &'static str) {
        let Some((host, life)) = self.running(place) else { return };
        let joined = host.join(group);
        let at = self.at();
        match joined {
            Ok(_) => self.check.joins(at, life, group),
            Err(error) => self.check.violated(at, life, None, format!("it cannot join {group:?}: {error}")),
        }
        self.drain(place);
        self.did("join");
    }

    pub(super) fn leave(&mut self, place: usize, group: &'static str) {
        let Some((host, life)) = self.running(place) else { return };
        let left = host.leave(group);
        // What had come until then.
        self.drain(place);
        let at = self.at();
        match left {
            Ok(_) => self.check.leaves(at, life, group),
            Err(error) => self.check.violated(at, life, None, format!("it cannot leave {group:?}: {error}")),
        }
        self.did("leave");
    }

    /// Sends a message of so many octets. Returns to how many, or why not.
    pub(super) fn send(&mut self, place: usize, whom: &Whom, octets: usize) -> Option<Result<usize, SendError>> {
        let life = self.life(place)?;
        let number = self.slots[place].said;
        self.slots[place].said += 1;
        let before = self.check.about_to_send(life, whom);
        let content = Message { from: life, number, octets }.content();
        let (host, _) = self.running(place)?;
        let sent = host.send(whom, content);
        if let Err(SendError::Full { peer }) = sent {
            self.check.refused(life, peer);
        }
        self.drain(place);
        if sent.is_ok() {
            self.check.sent(life, &before, whom, number);
        }
        self.did(match (whom, &sent) {
            (Whom::Peer(_), Ok(_)) => "whisper",
            (Whom::Group(_), Ok(_)) => "shout",
            (_, Err(SendError::Full { .. })) => "no room",
            (_, Err(_)) => "peer was gone",
        });
        Some(sent)
    }

    /// Has a node leave politely.
    pub(super) fn stop(&mut self, place: usize) -> Result<(), ExitCode> {
        let at = self.at();
        let Some((host, life)) = self.running(place) else { return Ok(()) };
        let asked = host.stop();
        self.check.stops(at, life);
        self.slots[place].stopping = true;
        self.did("stop");
        asked.map_err(|error| {
            complain(&format!("no thread can be had to stop a node: {error}"));
            ExitCode::FAILURE
        })
    }

    /// A node is gone from one moment to the next: its sockets are closed, and nothing is said.
    pub(super) fn kill(&mut self, place: usize) {
        // What it had heard before is judged.
        self.drain(place);
        let at = self.at();
        let slot = &mut self.slots[place];
        let (Some(host), Some(life)) = (slot.host.take(), slot.life.take()) else { return };
        drop(host);
        self.check.gone(at, life);
        self.did("kill");
    }

    /// Waits until something happens, for at most so long, and has all nodes do what is due.
    pub(super) fn turn(&mut self, at_most: Duration) -> Result<(), ExitCode> {
        let hosts = self.slots.iter().filter_map(|slot| slot.host.as_ref());
        let timeout = hosts.filter_map(Host::timeout).chain([at_most]).min();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                complain(&format!("the nodes' sockets cannot be watched any more: {error}"));
                return Err(ExitCode::FAILURE);
            }
            // A signal, or the debugger, makes it a turn in which nothing has happened.
            _ => {}
        }
        for place in 0..self.slots.len() {
            if let Some(host) = &mut self.slots[place].host {
                host.turn(&self.events);
            }
            self.drain(place);
        }
        // Whoever comes is greeted at once, before there is a connection to it.
        while let Some((place, peer)) = self.met.pop() {
            self.send(place, &Whom::Peer(peer), 1);
        }
        let time = now();
        if time >= self.next_sample {
            self.next_sample = time + SAMPLE;
            self.peak = self.peak.max(Sample::take());
        }
        Ok(())
    }

    /// Turns for so long, or until it is over.
    pub(super) fn run_for(&mut self, time: Duration) -> Result<(), ExitCode> {
        let end = now() + time;
        loop {
            let left = end.saturating_duration_since(now());
            if left.is_zero() || self.bell.is_rung() {
                return Ok(());
            }
            self.turn(left)?;
        }
    }

    /// All that a node has heard is judged.
    fn drain(&mut self, place: usize) {
        let at = self.at();
        let slot = &mut self.slots[place];
        let (Some(host), Some(life)) = (&mut slot.host, slot.life) else { return };
        let mut stopped = false;
        while let Some(event) = host.next_event() {
            stopped |= event == Event::Stop;
            if let Event::Enter { peer, .. } = event
                && !slot.stopping
            {
                self.met.push((place, peer));
            }
            self.check.event(at, life, &event);
        }
        if stopped {
            if !slot.stopping {
                self.check.violated(at, life, None, "it has stopped, and nobody has asked it to".into());
            }
            if let Some(host) = slot.host.take() {
                host.bury(self.poll.registry());
            }
            (slot.life, slot.stopping) = (None, false);
            self.check.gone(at, life);
        }
    }

    fn running(&mut self, place: usize) -> Option<(&mut Host, Life)> {
        let slot = self.slots.get_mut(place).filter(|slot| slot.runs())?;
        Some((slot.host.as_mut()?, slot.life?))
    }

    /// The life in a place, if it means to stay.
    pub(super) fn life(&self, place: usize) -> Option<Life> {
        self.slots.get(place).filter(|slot| slot.runs())?.life
    }

    /// The first thing that is not as it should be at each node, now that nothing happens any more.
    pub(super) fn wrong(&self) -> Vec<(Life, String)> {
        let wrong = |slot: &Slot| {
            let (host, life) = (slot.host.as_ref()?, slot.life?);
            if slot.stopping {
                return Some((life, "it should have stopped, and has not".into()));
            }
            let answers = host.answers(&GROUPS);
            let found = self.check.wrong(life, &answers).or_else(|| self.check.missing(life));
            found.map(|what| (life, what))
        };
        self.slots.iter().filter_map(wrong).collect()
    }

    /// How many of its peers a node knows to be in a group.
    pub(super) fn members(&self, place: usize, group: &'static str) -> usize {
        self.answers(place, &[group]).members.values().map(BTreeSet::len).sum()
    }

    /// The peers of a node, as it knows them.
    pub(super) fn peers(&self, place: usize) -> Vec<PeerId> {
        self.answers(place, &[]).peers.into_keys().collect()
    }

    fn answers(&self, place: usize, groups: &[&'static str]) -> Answers {
        let host = self.slots.get(place).filter(|slot| slot.runs()).and_then(|slot| slot.host.as_ref());
        host.map(|host| host.answers(groups)).unwrap_or_default()
    }
}
