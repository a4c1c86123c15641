//! What a node knows of its peers.

use super::{
    orphaned::Orphaned,
    timers::Clock,
    wrap::{Guess, Wrap},
};
use crate::{
    Address,
    content::Content,
    event::{ExitReason, Headers},
    id::{ConnId, PeerId},
    time::Instant,
};
use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::{net::IpAddr, time::Duration};
use smallvec::SmallVec;
use zre_proto::message::Body;

/// Another node, from the first sign of it to its EXIT.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: Arc<str>,
    pub(super) headers: Arc<Headers>,
    pub(super) groups: Groups,
    /// The peer's status as it last said it.
    pub(super) status: u8,
    /// Where we connect to. Changed by `Peers::relocate` only, which keeps the index.
    endpoint: Address,
    /// It has said HELLO, and the application has seen ENTER.
    pub(super) ready: bool,
    /// Where another beacon said that it is, while it has not said HELLO where the first did.
    pub(super) elsewhere: Option<Box<Address>>,
    /// It was ready before, and its connection broke.
    pub(super) met: bool,
    /// When it was first heard of or, once ready, when it entered.
    pub(super) since: Instant,
    pub(super) out: Out,
    /// When it last took octets of ours, or our connection to it was opened.
    pub(super) took: Instant,
    /// Attempts to connect that failed in a row.
    pub(super) attempts: u32,
    /// The connection that it sends on.
    pub(super) inbound: Option<ConnId>,
    /// The host that it was last heard from.
    pub(super) home: Option<IpAddr>,
    /// The host that it named in its HELLO, which may be another.
    pub(super) named: Option<IpAddr>,
    /// A connection from elsewhere that claims its identity and waits for the outcome of a PING.
    pub(super) contender: Option<ConnId>,
    /// When it last had to prove itself for that, and whether it did not.
    pub(super) contested: Option<Instant>,
    pub(super) contest_lost: bool,
    /// When it was last asked because another was said to be in its place.
    pub(super) suspected: Option<Instant>,
    /// Its newer connection, while the older one, which we do not read for the moment, is still to be read to its end;
    /// and when it takes over if that has none.
    pub(super) successor: Option<(ConnId, Instant)>,
    /// The sequence number that its next message must have.
    pub(super) next_in: u16,
    /// The sequence number of our next message.
    pub(super) next_out: u16,
    /// What it wants after 65534, as far as that is known.
    pub(super) wrap: Option<Wrap>,
    /// A guess about that, while messages wait for its outcome.
    pub(super) guess: Option<Guess>,
    /// We introduce ourselves anew, unseen by the application; messages wait for the peer's HELLO.
    pub(super) reintroducing: bool,
    /// When we said the HELLO that it has not answered yet.
    pub(super) hello_at: Option<Instant>,
    /// It is a node of this implementation.
    pub(super) ours: bool,
    /// It understands GOODBYE, ELECT and LEADER: it is one of ours, or has said one of these itself.
    pub(super) extended: bool,
    /// When it was told of an election, of which it may not understand anything.
    pub(super) told_of_election: Option<Instant>,
    /// Messages that wait for our HELLO to go out first.
    pub(super) held: HeldBack,
    /// PINGs so far, and PING-OKs.
    pub(super) pings: u64,
    pub(super) pongs: u64,
    /// How many PING-OKs it takes to prove that all content so far has arrived.
    pub(super) confirmed_by: u64,
    pub(super) quiet: Quiet,
    pub(super) probe: Option<Probe>,
    /// A beacon in its name said that it leaves, and it has not contradicted.
    pub(super) leaving: bool,
    /// Our connection broke: the relation ends as soon as what the peer has sent is read.
    pub(super) ending: Option<Box<Ending>>,
    /// Its connection broke, and it has not come back on another.
    pub(super) orphaned: Option<Orphaned>,
    /// When that was the last time, whether it has come back since or not.
    pub(super) broke: Option<Instant>,
    pub(super) clock: Clock,
}

/// Groups in their order: a list takes less room than a tree, and they are few.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<Arc<str>>);

impl Groups {
    /// Whether it was not there.
    pub(super) fn insert(&mut self, group: Arc<str>) -> bool {
        let place = self.0.binary_search(&group);
        if let Err(at) = place {
            self.0.insert(at, group);
        }
        place.is_err()
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, group: &Arc<str>) -> bool {
        let place = self.0.binary_search(group);
        if let Ok(at) = place {
            self.0.remove(at);
        }
        place.is_ok()
    }

    pub(super) fn contains(&self, group: &Arc<str>) -> bool {
        self.0.binary_search(group).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> core::slice::Iter<'_, Arc<str>> {
        self.0.iter()
    }

    pub(super) fn as_slice(&self) -> &[Arc<str>] {
        &self.0
    }
}

/// The peers in a group, in the order of their UUIDs: a list, for most groups of a stranger's have one member.
#[derive(Debug, Default)]
pub(super) struct Members(SmallVec<[PeerId; 1]>);

impl Members {
    pub(super) fn insert(&mut self, peer: PeerId) {
        if let Err(at) = self.0.binary_search(&peer) {
            self.0.insert(at, peer);
        }
    }

    pub(super) fn remove(&mut self, peer: PeerId) {
        if let Ok(at) = self.0.binary_search(&peer) {
            self.0.remove(at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, peer: PeerId) -> bool {
        self.0.binary_search(&peer).is_ok()
    }

    pub(super) fn as_slice(&self) -> &[PeerId] {
        &self.0
    }
}

/// Our connection to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Out {
    /// None; the next attempt is due then.
    Waiting { until: Instant },
    /// Asked for.
    Connecting { conn: ConnId, since: Instant },
    /// It stands and HELLO is queued; `greeted` once the handshake is done.
    Open { conn: ConnId, greeted: bool },
}

impl Out {
    pub(super) fn conn(self) -> Option<ConnId> {
        match self {
            Self::Waiting { .. } => None,
            Self::Connecting { conn, .. } | Self::Open { conn, .. } => Some(conn),
        }
    }
}

/// A message without its number yet.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) body: Body,
    pub(super) content: Content,
    pub(super) load: usize,
}

/// Messages in their order. Boxed, for there are hardly ever any.
#[derive(Debug, Default)]
pub(super) struct HeldBack(Option<Box<(VecDeque<Held>, usize)>>);

impl HeldBack {
    pub(super) fn push(&mut self, message: Held) {
        let (messages, load) = &mut **self.0.get_or_insert_default();
        *load += message.load;
        messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Held> {
        let (messages, load) = &mut **self.0.as_mut()?;
        let message = messages.pop_front();
        *load -= message.as_ref().map_or(0, |message| message.load);
        if messages.is_empty() {
            self.0 = None;
        }
        message
    }

    /// Puts others behind these.
    pub(super) fn append(&mut self, mut others: Self) {
        while let Some(message) = others.pop() {
            self.push(message);
        }
    }

    /// Drops what a HELLO says as well, and questions that are not asked any more.
    pub(super) fn keep_news(&mut self) {
        let Some(held) = &mut self.0 else { return };
        let (messages, load) = &mut **held;
        let news = |body: &Body| body.has_content() || matches!(body, Body::Elect { .. } | Body::Leader { .. });
        messages.retain(|held| news(&held.body));
        *load = messages.iter().map(|held| held.load).sum();
        if messages.is_empty() {
            self.0 = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What they count for in the limit of the queue that they wait for.
    pub(super) fn load(&self) -> usize {
        self.0.as_ref().map_or(0, |held| held.1)
    }

    /// How many have content.
    pub(super) fn content(&self) -> usize {
        self.0.as_ref().map_or(0, |held| held.0.iter().filter(|held| held.body.has_content()).count())
    }
}

/// The clocks of silence (see `quiet`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    /// The last octet of a message.
    pub(super) heard: Instant,
    /// The last beacon.
    pub(super) beacon: Option<Instant>,
    /// The first PING of this silence, and the last.
    pub(super) asked: Option<(Instant, Instant)>,
    /// For how long it could not be heard since it was asked, or heard.
    pub(super) deaf: Duration,
    /// When EVASIVE was told.
    pub(super) evasive: Option<Instant>,
    /// Whether SILENT was told.
    pub(super) silent: bool,
    /// A factor around 1000 that spreads PINGs ([`Node::draw_jitter`](super::Node::draw_jitter)).
    pub(super) jitter: u32,
}

impl Quiet {
    pub(super) fn new(now: Instant, jitter: u32) -> Self {
        Self { heard: now, beacon: None, asked: None, deaf: Duration::ZERO, evasive: None, silent: false, jitter }
    }
}

/// The end of a relation, while the peer's own connection is read to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) reason: ExitReason,
    /// Messages that were lost with our connection.
    pub(super) unsent: usize,
    /// When it is over, if nothing more comes; and when in any case.
    pub(super) until: Instant,
    pub(super) at_last: Instant,
}

/// A question to a peer (a PING) whose outcome decides something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) why: ProbeWhy,
    pub(super) until: Instant,
    /// The PING is queued, or was. Before, no answer can come.
    pub(super) asked: bool,
    /// It was still on its way when its time was over.
    pub(super) late: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeWhy {
    /// A beacon in its name said that it leaves.
    Leaving,
    /// Another node said HELLO from its endpoint.
    Replaced,
    /// Another connection claims its identity.
    Contended,
}

impl Peer {
    pub(super) fn new(endpoint: Address, stranger: &Stranger, now: Instant, jitter: u32) -> Self {
        Self {
            name: stranger.name.clone(),
            headers: stranger.headers.clone(),
            groups: Groups::default(),
            status: 0,
            endpoint,
            ready: false,
            elsewhere: None,
            met: false,
            since: now,
            out: Out::Waiting { until: now },
            took: now,
            attempts: 0,
            inbound: None,
            home: None,
            named: None,
            contender: None,
            contested: None,
            contest_lost: false,
            suspected: None,
            successor: None,
            next_in: 1,
            next_out: 1,
            wrap: None,
            guess: None,
            reintroducing: false,
            hello_at: None,
            ours: false,
            extended: false,
            told_of_election: None,
            held: HeldBack::default(),
            pings: 0,
            pongs: 0,
            confirmed_by: 0,
            quiet: Quiet::new(now, jitter),
            probe: None,
            leaving: false,
            ending: None,
            orphaned: None,
            broke: None,
            clock: Clock::default(),
        }
    }

    /// What a handshake has told: a node of this implementation.
    pub(super) fn is_ours(&mut self, ours: bool) {
        self.ours |= ours;
        self.extended |= ours;
    }

    /// Where we connect to.
    pub(super) fn endpoint(&self) -> &Address {
        &self.endpoint
    }

    /// For [`Peers::relocate`](super::peers::Peers::relocate) only.
    pub(super) fn move_to(&mut self, endpoint: Address) {
        self.endpoint = endpoint;
    }

    /// Answers to PINGs may have been lost with a connection of the peer's: none is waited for any more.
    pub(super) fn forget_pings(&mut self) {
        if self.is_unconfirmed() {
            self.confirmed_by = self.pings + 1;
        }
        self.pongs = self.pings;
    }

    /// All connections that are this peer's, or claim to be.
    pub(super) fn conns(&self) -> impl Iterator<Item = ConnId> {
        let successor = self.successor.map(|(conn, _)| conn);
        [self.out.conn(), self.inbound, self.contender, successor].into_iter().flatten()
    }

    /// Whether content went out that may not have arrived.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.pongs < self.confirmed_by
    }

    /// Whether a PING would reach it: our connection is through.
    pub(super) fn can_be_asked(&self) -> bool {
        self.ready && matches!(self.out, Out::Open { greeted: true, .. })
    }

    /// The connection to send on now: its handshake is done, our HELLO goes before, the peer has said its own, and its
    /// next number is known. What went into an earlier one could be lost unseen.
    pub(super) fn open(&self) -> Option<ConnId> {
        match self.out {
            Out::Open { conn, greeted: true } if self.ready && self.guess.is_none() && !self.reintroducing => {
                Some(conn)
            }
            _ => None,
        }
    }
}

/// What is told of somebody who has not said anything: shared, for there may be many.
#[derive(Debug, Default)]
pub(super) struct Stranger {
    pub(super) name: Arc<str>,
    pub(super) headers: Arc<Headers>,
}

/// A peer that has entered, as the application sees it.
#[derive(Debug, Clone, Copy)]
pub struct PeerInfo<'a> {
    pub(super) id: PeerId,
    pub(super) peer: &'a Peer,
}

impl<'a> PeerInfo<'a> {
    /// Its UUID.
    pub fn uuid(&self) -> PeerId {
        self.id
    }

    /// Its name, which need not be unique.
    pub fn name(&self) -> &'a Arc<str> {
        &self.peer.name
    }

    /// Its headers.
    pub fn headers(&self) -> &'a Arc<Headers> {
        &self.peer.headers
    }

    /// Where we connect to it.
    pub fn endpoint(&self) -> &'a Address {
        &self.peer.endpoint
    }

    /// The groups that it is in.
    pub fn groups(&self) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
        self.peer.groups.iter()
    }
}
