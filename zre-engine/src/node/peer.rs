//! What a node knows of a peer.

use super::wrap::{Guess, Wrap};
use crate::{
    Address,
    content::Content,
    event::{ExitReason, Headers},
    id::{ConnId, PeerId},
    time::Instant,
};
use alloc::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};
use zre_proto::message::Body;

/// Another node, from the first sign of it to its EXIT.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: Arc<str>,
    pub(super) headers: Arc<Headers>,
    pub(super) groups: BTreeSet<Arc<str>>,
    /// The peer's status as it last said it.
    pub(super) status: u8,
    /// Where we connect to.
    pub(super) endpoint: Address,
    /// It has said HELLO, and the application has seen ENTER.
    pub(super) ready: bool,
    /// When it was first heard of or, once ready, when it entered.
    pub(super) since: Instant,
    pub(super) out: Out,
    /// Attempts to connect that failed in a row.
    pub(super) attempts: u32,
    /// The connection that it sends on.
    pub(super) inbound: Option<ConnId>,
    /// A connection from elsewhere that claims its identity and waits for the outcome of a PING.
    pub(super) contender: Option<ConnId>,
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
    /// It is a node of this implementation, and understands GOODBYE.
    pub(super) ours: bool,
    /// Messages that wait for our HELLO to go out first.
    pub(super) held: VecDeque<Held>,
    pub(super) held_load: usize,
    /// Since when its queue, which refused a message for want of room, has not moved. The application will be told
    /// when there is room.
    pub(super) full: Option<Instant>,
    /// PINGs so far, and PING-OKs.
    pub(super) pings: u64,
    pub(super) pongs: u64,
    /// How many PING-OKs it takes to prove that all content so far has arrived.
    pub(super) confirmed_by: u64,
    pub(super) quiet: Quiet,
    pub(super) probe: Option<Probe>,
    /// Our connection broke: the relation ends as soon as what the peer has sent is read.
    pub(super) ending: Option<Ending>,
    /// When its connection broke, if it has not come back on another.
    pub(super) orphaned: Option<Instant>,
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

/// The clocks of silence (see `quiet`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    /// The last octet of a message.
    pub(super) heard: Instant,
    /// The last beacon.
    pub(super) beacon: Option<Instant>,
    /// The first PING of this silence, and the last.
    pub(super) asked: Option<(Instant, Instant)>,
    /// When EVASIVE was told.
    pub(super) evasive: Option<Instant>,
    /// Whether SILENT was told.
    pub(super) silent: bool,
    /// A factor around 1000 that spreads PINGs of many nodes: ±10 %.
    pub(super) jitter: u32,
}

impl Quiet {
    pub(super) fn new(now: Instant, jitter: u32) -> Self {
        Self { heard: now, beacon: None, asked: None, evasive: None, silent: false, jitter }
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
    pub(super) fn new(endpoint: Address, now: Instant, jitter: u32) -> Self {
        Self {
            name: Arc::from(""),
            headers: Arc::default(),
            groups: BTreeSet::new(),
            status: 0,
            endpoint,
            ready: false,
            since: now,
            out: Out::Waiting { until: now },
            attempts: 0,
            inbound: None,
            contender: None,
            successor: None,
            next_in: 1,
            next_out: 1,
            wrap: None,
            guess: None,
            reintroducing: false,
            hello_at: None,
            ours: false,
            held: VecDeque::new(),
            held_load: 0,
            full: None,
            pings: 0,
            pongs: 0,
            confirmed_by: 0,
            quiet: Quiet::new(now, jitter),
            probe: None,
            ending: None,
            orphaned: None,
        }
    }

    /// Content that waits for our HELLO to go out first.
    pub(super) fn held_content(&self) -> usize {
        self.held.iter().filter(|held| held.body.has_content()).count()
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
