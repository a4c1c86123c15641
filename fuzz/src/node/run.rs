//! A node that is called, in some manner, and all that comes of it.

use super::step::{Answer, Step};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};
use zre_engine::{
    Action, Address, Config, ConnId, Deadline, Event, EventQueue, InputError, Instant, Node, PeerId,
    sim::{Call, CallError},
};

/// When the node was made. No call but a wrong one comes earlier.
pub(super) const SINCE: Instant = Instant::from_nanos(1_000_000_000);

/// How often a call comes with a time that is over: looking whether that changed anything takes long.
const STALE: usize = 4;

/// How a node is called. It makes no difference to what comes of it.
#[derive(Debug, Default)]
pub(super) struct Manner {
    /// What is taken after each call, over and over; if there are none, everything.
    pub(super) polls: Vec<u8>,
    /// How many octets are read, and written, at once, over and over; if there are none, all.
    pub(super) sizes: Vec<usize>,
    /// Calls come with a time that is over before each of so many calls; if it is 0, never.
    pub(super) stale: usize,
}

/// What a call gave: its answer, what was written by it as one number, and when the node wanted to be called next.
type Outcome = (Answer, u64, Option<Deadline>);

/// A node, and all that came of it so far. Whatever it is told, what must always be so is looked at.
pub(super) struct Run {
    pub(super) node: Node,
    pub(super) actions: Vec<Action>,
    pub(super) events: Vec<Event>,
    outcomes: Vec<Outcome>,
    /// Connections of which the driver was told that they have something to write, or that end when it is written.
    pub(super) writable: BTreeSet<ConnId>,
    here: BTreeSet<PeerId>,
    taken: EventQueue,
    sizes: usize,
    stale: usize,
}

impl Run {
    pub(super) fn new(config: Config) -> Option<Self> {
        Some(Self {
            node: Node::new(config, [5; 32], SINCE).ok()?,
            actions: Vec::new(),
            events: Vec::new(),
            outcomes: Vec::new(),
            writable: BTreeSet::new(),
            here: BTreeSet::new(),
            taken: EventQueue::default(),
            sizes: 0,
            stale: 0,
        })
    }

    /// Tells a node all of it in some manner.
    pub(super) fn again(config: Config, steps: &[(Instant, Step)], manner: &Manner) -> Option<Self> {
        let mut run = Self::new(config)?;
        for (index, (at, step)) in steps.iter().enumerate() {
            if manner.stale > 0 && index % manner.stale == 0 && run.stale < STALE {
                run.call_late(step);
            }
            run.call(*at, step, manner);
            match manner.polls.get(index % manner.polls.len().max(1)) {
                Some(poll) => run.poll(*poll),
                None => run.poll_all(),
            }
        }
        run.poll_all();
        run.look();
        Some(run)
    }

    /// Makes a call. The id of an accepted connection is returned.
    pub(super) fn call(&mut self, at: Instant, step: &Step, manner: &Manner) -> Option<ConnId> {
        let due = self.node.poll_timeout().is_some_and(|deadline| deadline.at <= at);
        let mut written = DefaultHasher::new();
        let answer = match step {
            Step::Write(conn, octets) => {
                self.write(at, *conn, *octets, manner).hash(&mut written);
                Ok(None)
            }
            Step::Call(Call::Received(conn, data)) if !manner.sizes.is_empty() && !data.is_empty() => {
                let mut rest = data.clone();
                let mut first = None;
                while !rest.is_empty() {
                    let piece = rest.split_to(self.size(manner).min(rest.len()));
                    let answer = Call::Received(*conn, piece).make(&mut self.node, at);
                    first.get_or_insert(answer);
                }
                first.unwrap_or(Ok(None))
            }
            step => step.make(&mut self.node, at),
        };
        assert!(step.is_fair(&answer), "{answer:?} for {step:?}");
        let deadline = self.node.poll_timeout();
        if due && matches!(step, Step::Call(Call::Timeout)) {
            assert!(deadline.is_none_or(|next| next.at > at), "at {at}, and then {deadline:?}");
        }
        let accepted = answer.as_ref().ok().copied().flatten();
        self.outcomes.push((answer, written.finish(), deadline));
        accepted
    }

    fn size(&mut self, manner: &Manner) -> usize {
        self.sizes += 1;
        *manner.sizes.get(self.sizes % manner.sizes.len().max(1)).unwrap_or(&usize::MAX)
    }

    /// Writes as many of the octets as there are.
    fn write(&mut self, at: Instant, conn: ConnId, octets: usize, manner: &Manner) -> Vec<u8> {
        let mut written = Vec::new();
        while written.len() < octets {
            let size = self.size(manner).min(octets - written.len());
            let data = self.first_octets(conn, 1 + size % 8, size);
            assert!(
                self.first_octets(conn, 16, usize::MAX).starts_with(&data),
                "transmit changes nothing until advance"
            );
            if data.is_empty() {
                break;
            }
            self.node.advance(at, conn, data.len());
            written.extend(data);
        }
        if self.first_octets(conn, 1, 1).is_empty() {
            self.writable.remove(&conn);
        }
        written
    }

    fn first_octets(&self, conn: ConnId, slices: usize, most: usize) -> Vec<u8> {
        let mut chunks = [&[][..]; 16];
        let filled = self.node.transmit(conn, &mut chunks[..slices]);
        let mut octets = Vec::new();
        for chunk in &chunks[..filled] {
            octets.extend_from_slice(&chunk[..chunk.len().min(most - octets.len())]);
        }
        octets
    }

    /// How many octets a driver can write to a connection now.
    pub(super) fn output(&self, conn: ConnId) -> usize {
        let mut chunks = [&[][..]; 16];
        let filled = self.node.transmit(conn, &mut chunks);
        chunks[..filled].iter().map(|chunk| chunk.len()).sum()
    }

    /// A call with a time that is over is an error, and nothing has changed.
    fn call_late(&mut self, step: &Step) {
        if !step.tells_time() {
            return;
        }
        self.stale += 1;
        let before = format!("{:?}", self.node);
        let error = step.make(&mut self.node, Instant::ZERO).expect_err("time went backwards");
        // The application's calls may be wrong in another way as well.
        let is_input = matches!(error, CallError::Input(_) | CallError::Accept(_));
        assert!(!is_input || error.to_string() == InputError::TimeWentBackwards.to_string(), "{error} for {step:?}");
        assert_eq!(format!("{:?}", self.node), before, "nothing has changed");
    }

    fn poll(&mut self, poll: u8) {
        let (actions, events) = match poll % 6 {
            0 => (usize::MAX, usize::MAX),
            1 => (usize::MAX, 0),
            2 => (0, usize::MAX),
            3 => (1, 1),
            4 => {
                self.node.take_events(&mut self.taken);
                (0, 0)
            }
            _ => (0, 0),
        };
        self.take(actions, events);
    }

    /// Takes everything.
    pub(super) fn poll_all(&mut self) {
        self.take(usize::MAX, usize::MAX);
    }

    fn take(&mut self, actions: usize, events: usize) {
        for action in std::iter::from_fn(|| self.node.poll_action()).take(actions) {
            match &action {
                Action::Writable { conn } => drop(self.writable.insert(*conn)),
                Action::Close { conn, why } => {
                    assert!(!why.to_string().is_empty());
                    self.writable.insert(*conn);
                }
                Action::Connect { to, .. } => assert!(can_lead_to(to), "a connection to {to}"),
                _ => {}
            }
            self.actions.push(action);
        }
        for _ in 0..events {
            let Some(event) = self.taken.pop().or_else(|| self.node.poll_event()) else { break };
            self.hear(&event);
            self.events.push(event);
        }
    }

    /// ENTER and EXIT come in turns, everything else of a peer between them, and nothing about the node itself.
    fn hear(&mut self, event: &Event) {
        assert_ne!(self.events.last(), Some(&Event::Stop), "nothing follows");
        let leader = matches!(event, Event::Leader { .. });
        assert!(leader || event.peer() != Some(self.node.uuid()), "{event:?} is about the node itself");
        match event {
            Event::Enter { peer, .. } => assert!(self.here.insert(*peer), "a second ENTER of {peer}"),
            Event::Exit { peer, .. } => assert!(self.here.remove(peer), "an EXIT of {peer}, which had not entered"),
            Event::Room { .. } | Event::IdentityConflict { .. } | Event::Leader { .. } | Event::Stop => {}
            event => assert!(event.peer().is_some_and(|peer| self.here.contains(&peer)), "{event:?} of an absent one"),
        }
    }

    /// What must be so when everything has been taken.
    pub(super) fn look(&self) {
        assert!(self.node.peers().eq(self.here.iter().copied()), "who is gone has had an EXIT, who is there an ENTER");
        for peer in self.node.peers() {
            let info = self.node.peer(peer).expect("who is there is known");
            assert_eq!(info.uuid(), peer);
            for group in info.groups() {
                assert!(self.node.peers_by_group(group).contains(&peer));
            }
        }
    }

    /// The kinds of events, and why connections were closed.
    pub(super) fn reached(&self) -> BTreeSet<String> {
        let events = self.events.iter().map(|event| match event {
            Event::Exit { reason, .. } => format!("EXIT {reason}"),
            event => event.kind().to_owned(),
        });
        let closes = self.actions.iter().filter_map(|action| match action {
            Action::Close { why, .. } => Some(format!("close {why:?}")),
            _ => None,
        });
        // The names of a reason's variants, without what is in them.
        let short = |text: String| text.split([' ', '{', '"']).take(2).collect::<Vec<_>>().join(" ");
        events.chain(closes.map(short)).collect()
    }

    /// That everything that came out is the same, in the same order. Where octets came in other pieces, Writables may be
    /// others: what one piece gives to write, a fault in the next takes back.
    pub(super) fn assert_same(&self, other: &Self, pieces: bool) {
        let acts = |run: &Self| -> Vec<Action> {
            let acts = run.actions.iter().filter(|action| !pieces || !matches!(action, Action::Writable { .. }));
            acts.cloned().collect()
        };
        first_difference("call", &self.outcomes, &other.outcomes);
        first_difference("action", &acts(self), &acts(other));
        first_difference("event", &self.events, &other.events);
        if !pieces {
            assert_eq!(format!("{:?}", self.node), format!("{:?}", other.node));
        }
    }
}

fn first_difference<T: std::fmt::Debug + PartialEq>(what: &str, one: &[T], other: &[T]) {
    for (index, (one, other)) in one.iter().zip(other).enumerate() {
        assert_eq!(one, other, "{what} {index}");
    }
    assert_eq!(one.len(), other.len(), "one has another {what}");
}

/// Whether a connection can lead to an address at all.
fn can_lead_to(to: &Address) -> bool {
    match to {
        Address::Tcp(to) => to.port() != 0 && !to.ip().is_multicast() && !to.ip().is_unspecified(),
        _ => true,
    }
}
