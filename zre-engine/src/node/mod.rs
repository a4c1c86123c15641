//! A ZRE node (RFC 36) as a state machine.
//!
//! | file | its story |
//! |---|---|
//! | `mod` | the node's face: inputs, actions, events, time |
//! | `me` | what the node is itself: name, headers, groups, and the HELLO that tells them |
//! | `peer`, `peers`, `by_id`, `conns`, `timers`, `statistics` | what it keeps |
//! | `discovery` | beacons, sent and heard |
//! | `admission/` | who gets in, and how fast: strangers, callers, newcomers, those who come back too often |
//! | `connect` | connections: attempts, handshakes, breaks |
//! | `takeover` | whose connection a peer is heard on |
//! | `orphaned` | peers whose own connection is gone, and who may come back |
//! | `sought` | peers that are looked for because gossip or the user says where they are |
//! | `gossip/` | hubs, and being one |
//! | `whereabouts` | where peers are, and who holds a place that two claim |
//! | `receive` | messages that come |
//! | `short` | the same for the many that are short |
//! | `life` | ENTER to EXIT |
//! | `probe` | questions on which something depends |
//! | `quiet` | peers that say nothing |
//! | `send` | messages that go |
//! | `pressure` | an application that does not keep up |
//! | `election/` | who leads a group |
//! | `wrap` | the end of the sequence numbers |
//! | `stop` | the polite end |
//! | `grumble` | log lines about those who break rules |

mod admission;
mod by_id;
mod connect;
mod conns;
mod discovery;
mod election;
mod gossip;
mod grumble;
mod life;
mod me;
mod orphaned;
mod peer;
mod peers;
mod pressure;
mod probe;
mod quiet;
mod receive;
mod send;
mod short;
mod sought;
mod statistics;
mod stop;
mod takeover;
mod timers;
mod whereabouts;
mod wrap;

use crate::{
    Address,
    action::{Action, Deadline},
    config::Config,
    error::{AcceptError, ConfigError, InputError},
    event::Event,
    event_queue::EventQueue,
    id::{ConnId, LinkId, ListenerId, PeerId},
    input::{Input, ListenerKind},
    log::log,
    planted::{Planted, one_of},
    time::Instant,
    zmtp::{Connection, Encoder},
};
use admission::Admission;
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};
use connect::Profiles;
use conns::Conns;
use core::{net::IpAddr, time::Duration};
use election::Elections;
use gossip::Gossip;
use grumble::Grumble;
use me::Me;
pub use peer::PeerInfo;
use peer::{Members, Stranger};
use peers::Peers;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sought::Sought;
pub use statistics::Statistics;
use timers::{Clock, Timer, Timers};
use wrap::Wraps;
use zre_proto::Text;

/// A shorter stop of the clock is no sleep, however short the time-outs are.
const LEAST_SLEEP: Duration = Duration::from_secs(2);

/// A ZRE node: fed bytes and time, it says what to do and what has happened.
///
/// The order of its life: [`Node::new`], [`Input::Listening`] for each socket that listens, [`Input::LinkUp`] for each
/// interface, [`Node::start`]; then inputs as they come, with actions and events drained in between; [`Node::stop`].
/// The crate's documentation has the loop and the contract.
#[derive(Debug)]
pub struct Node {
    config: Config,
    me: Me,
    phase: Phase,
    now: Instant,
    rng: ChaCha8Rng,
    listeners: BTreeMap<ListenerId, Listener>,
    links: BTreeMap<LinkId, Link>,
    profiles: Profiles,
    conns: Conns,
    peers: Peers,
    stranger: Stranger,
    admission: Admission,
    sought: Sought,
    gossip: Gossip,
    elections: Elections,
    /// Peers whose queue refused a message for want of room, and since when it has not moved. The application will be
    /// told when there is room.
    full: BTreeMap<PeerId, Instant>,
    /// Who is in which group, of those that have entered.
    members: BTreeMap<Arc<str>, Members>,
    wraps: Wraps,
    timers: Timers,
    actions: VecDeque<Action>,
    events: EventQueue,
    /// What the application has not consumed, as `Event::octets` counts it.
    waiting: usize,
    /// Whether senders are made to wait because of it.
    throttled: bool,
    /// Since when.
    throttled_since: Instant,
    encoder: Encoder,
    /// The group that was shouted to last, and who was in it: kept for the memory.
    shouted: Text,
    receivers: Vec<PeerId>,
    statistics: Statistics,
    grumble: Grumble,
    /// While the node stops: a peer that was found to be waited for.
    waited_for: Option<PeerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    Stopping,
    Stopped,
}

#[derive(Debug)]
struct Listener {
    kind: ListenerKind,
    at: Address,
    advertise: Option<Address>,
}

#[derive(Debug)]
struct Link {
    address: IpAddr,
    mailbox: ListenerId,
    /// Of its next beacon.
    clock: Clock,
}

impl Node {
    /// A node that does nothing yet.
    ///
    /// All randomness (the UUID where the configuration has none, jitter) comes from `seed`: two nodes with one
    /// seed never meet. `now` is the first of the times that every later call gives; they may not go back.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], for the first setting that cannot work.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let me = Me::new(&config, &mut rng)?;
        Ok(Self {
            profiles: Profiles::new(&config, &me),
            admission: Admission::new(&config.limits, now),
            grumble: Grumble::new(now),
            config,
            me,
            phase: Phase::New,
            now,
            rng,
            listeners: BTreeMap::new(),
            links: BTreeMap::new(),
            conns: Conns::default(),
            peers: Peers::default(),
            stranger: Stranger::default(),
            sought: Sought::default(),
            gossip: Gossip::default(),
            elections: Elections::default(),
            full: BTreeMap::new(),
            members: BTreeMap::new(),
            wraps: Wraps::new(),
            timers: Timers::default(),
            actions: VecDeque::new(),
            events: EventQueue::default(),
            waiting: 0,
            throttled: false,
            throttled_since: now,
            encoder: Encoder::default(),
            shouted: Text::default(),
            receivers: Vec::new(),
            statistics: Statistics::default(),
            waited_for: None,
        })
    }

    /// Begins: beacons go out on every link, hubs are connected to, and peers are taken. A node with a listener for hubs' clients
    /// and no mailbox is a hub that stands alone: it has no peers.
    ///
    /// # Errors
    ///
    /// [`InputError::AlreadyStarted`], also after a stop; [`InputError::NoMailbox`] where nothing listens;
    /// [`InputError::TimeWentBackwards`].
    pub fn start(&mut self, now: Instant) -> Result<(), InputError> {
        self.tick(now)?;
        if self.phase != Phase::New {
            return Err(InputError::AlreadyStarted);
        }
        if self.listeners.is_empty() {
            return Err(InputError::NoMailbox);
        }
        self.phase = Phase::Running;
        log!(debug, "{} ({}) starts", self.me.name, self.me.id);
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            self.beacon(link);
        }
        self.connect_to_hubs();
        self.schedule_seeks();
        self.start_elections();
        Ok(())
    }

    /// Takes an input. An error means that the driver should not have given it; nothing has changed then.
    ///
    /// # Errors
    ///
    /// [`InputError::TimeWentBackwards`] for any input; [`InputError::UnknownConnection`] for a connection that the node has closed
    /// meanwhile, which is no mistake; [`InputError::UnknownLink`], [`InputError::UnknownListener`], [`InputError::BadListener`],
    /// [`InputError::AlreadyConnected`] and [`InputError::NotConnected`] for what they say.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Result<(), InputError> {
        self.tick(now)?;
        match input {
            Input::Listening { listener, kind, at, advertise } => {
                if matches!(at, Address::Name { .. }) || at.port() == Some(0) {
                    return Err(InputError::BadListener);
                }
                self.listeners.insert(listener, Listener { kind, at, advertise });
                Ok(())
            }
            Input::LinkUp { link, address, mailbox } => self.link_up(link, address, mailbox),
            Input::LinkDown { link } => self.link_down(link),
            Input::Datagram { link, from, data } => self.datagram(link, from, data),
            Input::Resolved { conn, at } => self.resolved(conn, at.into()),
            Input::Connected { conn, local } => self.connected(conn, &local),
            Input::Received { conn, data } => self.received(conn, data),
            Input::Closed { conn, cause } => self.closed(conn, cause),
            Input::Timeout => {
                self.fire_timers();
                Ok(())
            }
        }
    }

    /// A connection came in on a listener: `from` is the other end's address (it decides where we connect in return, and
    /// whether a newer connection is believed), `local` is ours. Where the other end has no address of its own, as with
    /// `ipc://` and `inproc://`, both are the listener's. On an error the driver closes its socket.
    ///
    /// # Errors
    ///
    /// [`AcceptError`]: the node is not running, a limit is reached, the listener is not known, or time went back.
    pub fn accept(
        &mut self,
        now: Instant,
        listener: ListenerId,
        from: Address,
        local: Address,
    ) -> Result<ConnId, AcceptError> {
        self.tick(now)?;
        let kind = self.listeners.get(&listener).ok_or(InputError::UnknownListener)?.kind;
        if self.phase != Phase::Running {
            return Err(AcceptError::NotRunning);
        }
        self.accepted(kind, from, local)
    }

    /// The next thing to do, until `None`.
    #[inline]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next thing that happened, until `None`. When the application is done with it, say so by
    /// [`Node::consumed`].
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Events that nobody has taken: looked at, not taken.
    #[inline]
    pub fn event_queue(&self) -> &EventQueue {
        &self.events
    }

    /// Moves all events to the end of a queue, for drivers that keep them for an application on another thread. Into an empty
    /// queue that is no work. They count as waiting wherever they are, until [`Node::consumed`].
    pub fn take_events(&mut self, into: &mut EventQueue) {
        into.append(&mut self.events);
    }

    /// When the node wants [`Input::Timeout`]. `None`: not before another input. O(1).
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }

    /// Octets for one vectored write to a connection: how many of `chunks` were filled, 0 when there is nothing to
    /// write. Nothing changes until [`Node::advance`].
    pub fn transmit<'a>(&'a self, conn: ConnId, chunks: &mut [&'a [u8]]) -> usize {
        self.conns.get(conn).and_then(|conn| conn.zmtp.as_ref()).map_or(0, |zmtp| zmtp.transmit(chunks))
    }

    /// How many octets the frame in progress on a connection still wants, at most 1 MiB: a good size for the next read.
    pub fn read_hint(&self, conn: ConnId) -> usize {
        const MOST: usize = 1 << 20;
        let wanted = self.conns.get(conn).and_then(|conn| conn.zmtp.as_ref()).map_or(0, Connection::wanted);
        wanted.min(MOST)
    }

    /// The limits that the node was given.
    pub fn limits(&self) -> &crate::Limits {
        &self.config.limits
    }

    /// How often it asks on its connections whether anybody is there.
    #[cfg(feature = "sim")]
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        self.config.heartbeat
    }

    /// The node's UUID.
    pub fn uuid(&self) -> PeerId {
        self.me.id
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.me.name
    }

    /// Where peers reach the node, as far as one answer fits all: its first link's address, or its first mailbox's.
    pub fn endpoint(&self) -> Option<Address> {
        let link = self.links.values().next();
        match link {
            Some(link) => self.endpoint_on(link.address, Some(link.mailbox)),
            None => self.mailboxes().next().map(|mailbox| mailbox.advertise.as_ref().unwrap_or(&mailbox.at).clone()),
        }
    }

    /// Peers that have entered.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.peers.iter().filter(|(_, peer)| peer.ready).map(|(id, _)| id)
    }

    /// Peers in a group.
    pub fn peers_by_group(&self, group: &str) -> Vec<PeerId> {
        self.members.get(group).map(|members| members.as_slice().to_vec()).unwrap_or_default()
    }

    /// Groups that this node is in.
    pub fn own_groups(&self) -> impl Iterator<Item = &str> {
        self.me.groups.iter().map(|group| &**group)
    }

    /// Groups that peers are in.
    pub fn peer_groups(&self) -> Vec<Arc<str>> {
        self.members.keys().cloned().collect()
    }

    /// What is known of a peer that has entered.
    pub fn peer(&self, id: PeerId) -> Option<PeerInfo<'_>> {
        self.peers.get(&id).filter(|peer| peer.ready).map(|peer| PeerInfo { id, peer })
    }

    /// What the node has counted.
    pub fn statistics(&self) -> Statistics {
        let peers = self.peers.iter().filter(|(_, peer)| peer.ready).count();
        let queued = self.conns.iter().filter_map(|(_, conn)| conn.zmtp.as_ref()).map(Connection::load);
        let (tuples, hub_clients, hubs) = self.gossip.counts();
        Statistics {
            peers,
            tuples,
            hub_clients,
            hubs,
            strangers: self.peers.len() - peers,
            connections: self.conns.len(),
            incomplete: self.conns.iter().filter_map(|(_, conn)| conn.zmtp.as_ref()).map(Connection::incomplete).sum(),
            events_waiting: self.waiting,
            send_queues: queued.sum::<usize>() + self.peers.iter().map(|(_, peer)| peer.held.load()).sum::<usize>(),
            ..self.statistics.clone()
        }
    }

    /// Time passes, or stands still.
    #[inline]
    fn tick(&mut self, now: Instant) -> Result<(), InputError> {
        if now == self.now { Ok(()) } else { self.pass(now) }
    }

    /// A jump that no running program would see (sleep) starts the clocks of all peers anew.
    fn pass(&mut self, now: Instant) -> Result<(), InputError> {
        if now < self.now {
            return Err(InputError::TimeWentBackwards);
        }
        // Most of all calls are told so by the first, which takes no arithmetic of durations.
        let jumped = now > self.now + LEAST_SLEEP && now.since(self.now) > self.config.expired;
        self.now = now;
        if jumped && self.phase == Phase::Running {
            self.wake_from_sleep();
        }
        Ok(())
    }

    fn fire_timers(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                Timer::Beacon(link) => self.beacon(link),
                Timer::Connection(conn) => self.connection_timeout(conn),
                Timer::Peer(peer) => self.serve_peer(peer),
                Timer::Door => self.serve_door(),
                Timer::Seek => self.serve_seeks(),
                Timer::Hub(index) => self.serve_hub(index as usize),
                Timer::Gossip => self.serve_gossip(),
                Timer::Election => self.serve_elections(),
                Timer::Linger => self.finish_stop(),
            }
            if self.planted(Planted::FireOneTimer) {
                break;
            }
        }
    }

    fn emit(&mut self, event: Event) {
        self.waiting += event.octets();
        self.events.push(event);
        self.check_pressure();
    }

    /// Whether this bug is planted in the node: never, but in tests (see `planted`).
    fn planted(&self, fault: Planted) -> bool {
        self.config.has(fault)
    }

    /// The same for a bug that shows only one time of so many.
    fn planted_now(&self, fault: Planted, many: u64) -> bool {
        let counts = &self.statistics;
        self.planted(fault) && one_of(many, [self.now.as_nanos(), counts.messages_sent, counts.messages_received])
    }

    /// A number from `low` to `high`.
    fn random(&mut self, low: u32, high: u32) -> u32 {
        low + self.rng.next_u32() % (high - low + 1)
    }
}
