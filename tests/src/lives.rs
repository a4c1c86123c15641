//! Lives of nodes, lived again: what the property tests of the engine's contract are made of.
//!
//! A life comes from a script (stock peers, played by hand) or from a node of a simulated cluster; troubles may be added to
//! it. It is lived by a [`Player`] in some [`Manner`], which by the contract makes no difference to what comes of it.

use crate::{
    script::{self, Op},
    trouble::{Trouble, troubled},
};
use proptest::{collection::vec, prelude::*};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    fmt,
    hash::{Hash, Hasher},
    rc::Rc,
    time::Duration,
};
use zre_engine::{
    AcceptError, Action, ConnId, Deadline, Event, InputError, Instant, Node, PeerId,
    sim::{Call, CallError, Life, Scenario, Trial},
};

/// Where a life comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Who lived it first.
    pub source: Source,
    /// So much of it, in 65,536ths.
    pub part: u16,
    /// What else happens.
    pub troubles: Vec<Trouble>,
}

/// Who lived a life first.
#[derive(Clone)]
pub enum Source {
    /// A node among stock peers.
    Script(Vec<Op>),
    /// A node of a cluster, whose number is taken modulo how many there are.
    Cluster(Box<Scenario>, usize),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(ops) => write!(f, "Script({ops:?})"),
            // In one line, and ready to be run elsewhere.
            Self::Cluster(scenario, node) => write!(f, "Cluster({}, {node})", scenario.to_json()),
        }
    }
}

impl Origin {
    /// The life, made again.
    pub fn life(&self) -> Life {
        let mut life = match &self.source {
            Source::Script(ops) => script::live(ops),
            Source::Cluster(scenario, node) => {
                let mut lives = cluster(scenario);
                lives.swap_remove(node % lives.len()).0
            }
        };
        let until = life.calls.len() * (usize::from(self.part) + 1) / (1 << 16);
        life.calls.truncate(until);
        troubled(life, &self.troubles)
    }
}

/// A life of any source, with up to so many troubles; half of the lives have none.
pub fn origin(troubles: usize) -> impl Strategy<Value = Origin> {
    let source = prop_oneof![
        vec(script::op(), 0..120).prop_map(Source::Script),
        (any::<Scenario>(), 0usize..8).prop_map(|(scenario, node)| Source::Cluster(Box::new(scenario), node)),
    ];
    let part = prop_oneof![Just(u16::MAX), any::<u16>()];
    let troubles = prop_oneof![Just(Vec::new()), self::troubles(troubles)];
    (source, part, troubles).prop_map(|(source, part, troubles)| Origin { source, part, troubles })
}

/// Any troubles, up to so many.
pub fn troubles(most: usize) -> impl Strategy<Value = Vec<Trouble>> {
    vec(any::<(u16, u8, u16, Vec<u8>)>().prop_map(Trouble::from), 0..=most)
}

/// The lives of all nodes of a cluster, the last of each machine; and what came of each when it was lived again.
///
/// # Panics
///
/// If an invariant of the simulator does not hold; and if a node lived another life in the cluster than alone.
pub fn cluster(scenario: &Scenario) -> Vec<(Life, Player)> {
    let lives = Rc::new(RefCell::new(Vec::new()));
    let kept = lives.clone();
    let trial = Trial::of_nodes()
        .quiet(false)
        .record_lives(true)
        .config(|node, config| {
            (config.limits.send_queue, config.limits.events) = [(256 << 10, 256 << 10), (4 << 10, 2 << 10)][node % 2];
            config.send_timeout = Duration::from_secs([10, 2][node % 2]);
            config.heartbeat = (node % 3 == 1).then_some(Duration::from_secs(2));
        })
        .finish("a node's life is the same without the cluster", move |sim| {
            let mut lives = kept.borrow_mut();
            for node in 0..sim.len() {
                let Some(life) = sim.life(node) else { continue };
                let alone = Player::live(life, &Manner::default());
                // What the dead have not taken waits in them for ever.
                if sim.is_awake(node) && format!("{:?}", alone.node) != format!("{:?}", sim.node(node)) {
                    return Err(format!("not that of node {node}"));
                }
                lives.push((life.clone(), alone));
            }
            Ok(())
        });
    let report = trial.run(scenario);
    assert!(report.violations.is_empty(), "{report}");
    lives.take()
}

/// How a life is lived. All that differs here makes no difference to what comes of it.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// How many octets each read gives, over and over; if there are none, as many as it gave the first time.
    pub reads: Vec<usize>,
    /// Into how many slices, and how many octets, each write goes, over and over; if there are none, as the first time.
    pub writes: Vec<(usize, usize)>,
    /// What is taken after each call, over and over; if there are none, everything.
    pub polls: Vec<Poll>,
    /// Before every so many calls, the same calls come with a time that is over; if it is 0, they do not.
    pub stale: usize,
    /// By how many nanoseconds that is over.
    pub back: u64,
}

/// What is taken from a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// All actions, then all events.
    All,
    /// All actions.
    Actions,
    /// All events.
    Events,
    /// One action and one event.
    One,
    /// Nothing.
    Nothing,
}

/// Reads and writes of any sizes.
pub fn pieces() -> impl Strategy<Value = Manner> {
    let reads = prop_oneof![Just(vec![1]), vec(1usize..60, 1..8), vec(1usize..5000, 1..8)];
    let writes =
        prop_oneof![Just(vec![(1, 1)]), vec((1usize..4, 1usize..100), 1..8), vec((1usize..9, 1usize..5000), 1..8)];
    (reads, writes).prop_map(|(reads, writes)| Manner { reads, writes, ..Manner::default() })
}

/// Queues that are emptied at any times, or not before the end.
pub fn polls() -> impl Strategy<Value = Manner> {
    let poll = prop::sample::select(vec![Poll::All, Poll::Actions, Poll::Events, Poll::One, Poll::Nothing]);
    let polls = prop_oneof![Just(vec![Poll::Nothing]), vec(poll, 1..20)];
    polls.prop_map(|polls| Manner { polls, ..Manner::default() })
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its answer.
    pub answer: Result<Option<ConnId>, CallError>,
    /// What was written by it, as one number.
    pub written: u64,
    /// When the node wanted to be called next.
    pub deadline: Option<Deadline>,
}

/// A node that lives a life, and all that came of it. Whatever the life, it looks at what must always be so.
#[derive(Debug)]
pub struct Player {
    /// The node.
    pub node: Node,
    /// The time of the last call.
    pub now: Instant,
    /// All actions that were taken.
    pub actions: Vec<Action>,
    /// All events that were taken.
    pub events: Vec<Event>,
    /// What each call gave.
    pub steps: Vec<Step>,
    /// What the deadlines were for that a Timeout met.
    pub wakes: Vec<zre_engine::Wake>,
    /// Who is there, by the events.
    here: BTreeSet<PeerId>,
    /// The connections that stand, and whether the driver has been told that they have something to write.
    conns: BTreeMap<ConnId, bool>,
    /// The time that the node was told last.
    clock: Instant,
    reads: usize,
    writes: usize,
}

impl Player {
    /// A node before its first call.
    pub fn born(life: &Life) -> Self {
        Self {
            node: life.born(),
            now: life.since,
            actions: Vec::new(),
            events: Vec::new(),
            steps: Vec::new(),
            wakes: Vec::new(),
            here: BTreeSet::new(),
            conns: BTreeMap::new(),
            clock: life.since,
            reads: 0,
            writes: 0,
        }
    }

    /// Lives a life to its end, and takes everything there.
    pub fn live(life: &Life, manner: &Manner) -> Self {
        let mut player = Self::born(life);
        for (index, (at, call)) in life.calls.iter().enumerate() {
            if manner.stale > 0 && index % manner.stale == 0 {
                // Around this one: whatever the node would be told next, or has been told.
                for (_, stale) in &life.calls[index.saturating_sub(2)..life.calls.len().min(index + 3)] {
                    player.call_stale(stale, manner.back);
                }
            }
            player.call(*at, call, manner);
            match manner.polls.get(index % manner.polls.len().max(1)) {
                Some(poll) => player.poll(*poll),
                None => {
                    player.poll(Poll::All);
                    player.look_at_output();
                }
            }
        }
        player.poll(Poll::All);
        player.look();
        player
    }

    /// Makes a call, in some manner.
    pub fn call(&mut self, at: Instant, call: &Call, manner: &Manner) {
        self.now = at;
        let mut written = Vec::new();
        let due = self.node.poll_timeout().filter(|deadline| deadline.at <= at);
        let answer = match call {
            Call::Received(conn, data) if !manner.reads.is_empty() && !data.is_empty() => {
                let mut rest = data.clone();
                let mut first = None;
                while !rest.is_empty() {
                    let size = manner.reads[self.reads % manner.reads.len()].min(rest.len());
                    self.reads += 1;
                    let answer = Call::Received(*conn, rest.split_to(size)).make(&mut self.node, at);
                    first.get_or_insert(answer);
                }
                first.unwrap_or(Ok(None))
            }
            Call::Advance(conn, octets) => {
                written = self.write(*conn, *octets, manner);
                Ok(None)
            }
            call => call.make(&mut self.node, at),
        };
        assert!(is_fair(call, &answer), "{answer:?} for {call:?}");
        self.keep_account(call, &answer);
        let deadline = self.node.poll_timeout();
        if let (Call::Timeout, Some(due)) = (call, due) {
            self.wakes.push(due.why);
            assert!(deadline.is_none_or(|next| next.at > at), "at {at} for {due:?}, and then {deadline:?}");
        }
        let mut hasher = DefaultHasher::new();
        written.hash(&mut hasher);
        self.steps.push(Step { answer, written: hasher.finish(), deadline });
    }

    /// As many of the octets as there are: in a life with troubles it may be fewer than in the first.
    fn write(&mut self, conn: ConnId, octets: usize, manner: &Manner) -> Vec<u8> {
        let mut written = Vec::new();
        if octets == usize::MAX {
            // A driver that does not count.
            self.node.advance(self.now, conn, octets);
            return written;
        }
        let mut left = octets;
        loop {
            let (slices, size) = match manner.writes.len() {
                0 => (16, usize::MAX),
                some => manner.writes[self.writes % some],
            };
            let data = transmit(&self.node, conn, slices, size.min(left));
            assert!(transmit(&self.node, conn, 16, left).starts_with(&data), "transmit changes nothing until advance");
            if data.is_empty() && written.is_empty() {
                // The time is told all the same.
                self.node.advance(self.now, conn, 0);
            }
            if data.is_empty() {
                return written;
            }
            self.writes += 1;
            self.node.advance(self.now, conn, data.len());
            left -= data.len();
            written.extend(data);
            if transmit(&self.node, conn, 16, 1).is_empty() {
                self.conns.entry(conn).and_modify(|told| *told = false);
            }
        }
    }

    fn keep_account(&mut self, call: &Call, answer: &Result<Option<ConnId>, CallError>) {
        match (call, answer) {
            (Call::Accept(..) | Call::AcceptClient(..), Ok(Some(conn))) | (Call::Connected(conn, _), Ok(_)) => {
                self.conns.entry(*conn).or_insert(false);
            }
            (Call::Closed(conn, _), _) => drop(self.conns.remove(conn)),
            _ => {}
        }
        let told = match call {
            Call::SetHeader(..) => false,
            // A call that makes no sense does so at any time.
            Call::Join(_)
            | Call::Leave(_)
            | Call::Contest(_)
            | Call::Whisper(..)
            | Call::Shout(..)
            | Call::Disconnect(_) => answer.is_ok(),
            Call::GossipConnect(_) | Call::RequirePeer(..) => answer.is_ok(),
            _ => true,
        };
        if told {
            self.clock = self.now;
        }
    }

    /// A call with a time that is over: an error, where it has an answer, and nothing has changed.
    fn call_stale(&mut self, call: &Call, back: u64) {
        // These three, and a new header, say what is so whatever the clock says: they are no errors.
        if matches!(call, Call::Advance(..) | Call::Consumed(_) | Call::Stop | Call::SetHeader(..)) {
            return;
        }
        let earlier = Instant::from_nanos(self.clock.as_nanos().saturating_sub(back));
        if earlier == self.clock {
            return;
        }
        let before = format!("{:?}", self.node);
        let answer = call.make(&mut self.node, earlier);
        let error = answer.expect_err("time went backwards");
        assert_eq!(error.to_string(), InputError::TimeWentBackwards.to_string(), "{call:?}");
        assert_eq!(format!("{:?}", self.node), before, "nothing has changed");
    }

    /// Takes actions and events.
    pub fn poll(&mut self, poll: Poll) {
        let (actions, events) = match poll {
            Poll::All => (usize::MAX, usize::MAX),
            Poll::Actions => (usize::MAX, 0),
            Poll::Events => (0, usize::MAX),
            Poll::One => (1, 1),
            Poll::Nothing => (0, 0),
        };
        for action in std::iter::from_fn(|| self.node.poll_action()).take(actions) {
            match action {
                Action::Writable { conn } => drop(self.conns.insert(conn, true)),
                Action::Close { conn, .. } => drop(self.conns.remove(&conn)),
                _ => {}
            }
            self.actions.push(action);
        }
        for event in std::iter::from_fn(|| self.node.poll_event()).take(events) {
            hear(&mut self.here, &event, self.events.last());
            self.events.push(event);
        }
    }

    /// What must be so when everything has been taken.
    pub fn look(&self) {
        assert!(self.node.peers().eq(self.here.iter().copied()), "who is gone has had an EXIT, who is there an ENTER");
        for action in &self.actions {
            if let Action::Close { why, .. } = action {
                assert!(!why.to_string().is_empty());
            }
        }
    }

    /// Where there is something to write, a Writable has said so. Only for those who take all actions at once.
    fn look_at_output(&self) {
        for (conn, told) in &self.conns {
            assert!(*told || transmit(&self.node, *conn, 16, 1).is_empty(), "no Writable for what {conn} has to write");
        }
    }

    /// That everything that came out is the same, in the same order.
    pub fn assert_same(&self, other: &Self) {
        assert_same("call", &self.steps, &other.steps);
        assert_same("action", &self.actions, &other.actions);
        assert_same("event", &self.events, &other.events);
    }

    /// As [`assert_same`](Self::assert_same), but for the Writables: what one piece of a read gives to write, a fault in the
    /// next takes back, and where both come at once nobody is told.
    pub fn assert_same_but_writable(&self, other: &Self) {
        let acts = |player: &Self| {
            let actions = player.actions.iter().filter(|action| !matches!(action, Action::Writable { .. }));
            actions.cloned().collect::<Vec<_>>()
        };
        assert_same("call", &self.steps, &other.steps);
        assert_same("action", &acts(self), &acts(other));
        assert_same("event", &self.events, &other.events);
    }
}

/// Tells the first difference only: lives are long.
fn assert_same<T: fmt::Debug + PartialEq>(what: &str, one: &[T], other: &[T]) {
    for (index, (one, other)) in one.iter().zip(other).enumerate() {
        assert_eq!(one, other, "{what} {index}");
    }
    assert_eq!(one.len(), other.len(), "one has another {what}");
}

/// The first octets of what a node has for a connection.
fn transmit(node: &Node, conn: ConnId, slices: usize, most: usize) -> Vec<u8> {
    let mut chunks = [&[][..]; 16];
    let filled = node.transmit(conn, &mut chunks[..slices]);
    let mut octets = Vec::new();
    for chunk in &chunks[..filled] {
        let room = most - octets.len();
        octets.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    octets
}

/// Whether a call may be answered so: errors are the driver's mistakes, or calls that cross a close. What a peer does is
/// none.
fn is_fair(call: &Call, answer: &Result<Option<ConnId>, CallError>) -> bool {
    use InputError::{AlreadyConnected, AlreadyStarted, BadListener, NoMailbox, NotConnected};
    use InputError::{UnknownConnection, UnknownLink, UnknownListener};
    let Err(error) = answer else { return true };
    match (call, error) {
        (Call::Received(..), CallError::Input(error)) => matches!(error, UnknownConnection | NotConnected),
        (Call::Datagram(..) | Call::LinkDown, CallError::Input(error)) => *error == UnknownLink,
        (Call::Connected(..) | Call::Resolved(..), CallError::Input(error)) => {
            matches!(error, UnknownConnection | AlreadyConnected)
        }
        (Call::Closed(..), CallError::Input(error)) => *error == UnknownConnection,
        (Call::Listening(_) | Call::HubListening(_), CallError::Input(error)) => *error == BadListener,
        (Call::LinkUp(_), CallError::Input(error)) => *error == UnknownListener,
        (Call::Start, CallError::Input(error)) => matches!(error, AlreadyStarted | NoMailbox),
        (Call::Accept(..) | Call::AcceptClient(..), CallError::Accept(error)) => {
            matches!(
                error,
                AcceptError::NotRunning
                    | AcceptError::Full
                    | AcceptError::TooManyOfHost
                    | AcceptError::Input(UnknownListener)
            )
        }
        (Call::SetHeader(..), CallError::Config(_)) => true,
        (Call::GossipConnect(_) | Call::RequirePeer(..), CallError::Discovery(_)) => true,
        (
            Call::Join(_)
            | Call::Leave(_)
            | Call::Contest(_)
            | Call::Whisper(..)
            | Call::Shout(..)
            | Call::Disconnect(_),
            CallError::Send(error),
        ) => !matches!(error, zre_engine::SendError::Input(_)),
        _ => false,
    }
}

/// Keeps the list of those who are there, and sees to it that events come in their order.
fn hear(here: &mut BTreeSet<PeerId>, event: &Event, last: Option<&Event>) {
    assert_ne!(last, Some(&Event::Stop), "nothing follows");
    match event {
        Event::Enter { peer, .. } => assert!(here.insert(*peer), "a second ENTER of {peer}"),
        Event::Exit { peer, .. } => assert!(here.remove(peer), "an EXIT of {peer}, which had not entered"),
        Event::Room { .. } | Event::IdentityConflict { .. } | Event::Leader { .. } | Event::Stop => {}
        event => assert!(event.peer().is_some_and(|peer| here.contains(&peer)), "{event:?} of one who is not there"),
    }
}
