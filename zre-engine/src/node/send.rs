//! Messages that go: to one peer, to a group, to all.
//!
//! A message that got its number must arrive, or the relation is lost. So a full queue refuses before the number is
//! spent, and a message for a peer whose connection does not stand yet waits without one.

use super::{
    Node, Phase,
    conns::Conns,
    peer::{Held, HeldBack, Peer},
};
use crate::{
    Address,
    action::Action,
    content::Content,
    error::SendError,
    event::Event,
    id::{ConnId, PeerId},
    log::log,
    planted::Planted,
    time::Instant,
    zmtp::{Connection, Encoder},
};
use alloc::{borrow::Cow, collections::VecDeque, vec::Vec};
use bytes::Bytes;
use zre_proto::{limits::STRING_MAX, message::Body};

/// What a queue counts for each message beyond its octets.
const MESSAGE_COST: usize = 64;
/// From so many receivers on a SHOUT has many.
const MANY: usize = 8;
/// How far messages without content may overrun a queue, and the largest message in it, before they are refused as well.
const CONTROL_ROOM: usize = 64 << 10;

impl Node {
    /// Sends a message to one peer.
    ///
    /// `Full` means that nothing was sent and that an [`Event::Room`] will say when to try again.
    ///
    /// # Errors
    ///
    /// [`SendError::UnknownPeer`] where the peer has not entered, has left, or is the node itself; [`SendError::Full`];
    /// [`SendError::TooLarge`] and [`SendError::TooManyFrames`] beyond [`Limits`](crate::Limits); [`SendError::Stopped`]; and
    /// [`SendError::Input`] where time went back.
    pub fn whisper(&mut self, now: Instant, peer: PeerId, content: impl Into<Content>) -> Result<(), SendError> {
        self.whisper_content(now, peer, &content.into())
    }

    /// The same for a caller that keeps the content, to try again once there is room.
    ///
    /// # Errors
    ///
    /// As for [`whisper`](Self::whisper).
    pub fn whisper_content(&mut self, now: Instant, peer: PeerId, content: &Content) -> Result<(), SendError> {
        self.tick(now)?;
        if self.send_short(peer, content) {
            return Ok(());
        }
        let content = self.check_content(content)?;
        self.encode(&Body::Whisper, &content);
        let takes = self.takes_content(peer);
        if takes == Ok(true) {
            self.post(peer, &Body::Whisper, &content);
        }
        self.encoder.finish();
        if takes? { Ok(()) } else { Err(SendError::UnknownPeer(peer)) }
    }

    /// Sends a message to all peers in a group, whether or not this node is in it; how many there were.
    ///
    /// All or nothing: `Full` names one peer whose queue has no room, and nobody got anything.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`]; [`SendError::BadGroup`] for a name that is not 1 to 255 octets long; [`SendError::TooLarge`] and
    /// [`SendError::TooManyFrames`] beyond [`Limits`](crate::Limits); [`SendError::Stopped`]; and [`SendError::Input`] where time went
    /// back.
    pub fn shout(&mut self, now: Instant, group: &str, content: impl Into<Content>) -> Result<usize, SendError> {
        self.shout_content(now, group, &content.into())
    }

    /// The same for a caller that keeps the content, to try again once there is room.
    ///
    /// # Errors
    ///
    /// As for [`shout`](Self::shout).
    pub fn shout_content(&mut self, now: Instant, group: &str, content: &Content) -> Result<usize, SendError> {
        self.tick(now)?;
        let content = self.check_content(content)?;
        if group.is_empty() || group.len() > STRING_MAX {
            return Err(SendError::BadGroup { found: group.len() });
        }
        if self.shouted.as_octets() != group.as_bytes() {
            self.shouted = group.into();
        }
        let body = Body::Shout { group: self.shouted.clone() };
        let mut receivers = core::mem::take(&mut self.receivers);
        receivers.clear();
        match self.members.get(group) {
            _ if self.planted(Planted::ShoutToAnyGroup) => receivers.extend(self.peers()),
            Some(members) => receivers.extend_from_slice(members.as_slice()),
            None => {}
        }
        self.encoder.start_message(&body, content.len());
        match receivers.len() {
            0..MANY => self.encoder.content(&content),
            _ => self.encoder.content_for_many(&content),
        }
        let mut room = Ok(());
        receivers.retain(|peer| {
            // Of several that are full only the first is told, and only its ROOM will be.
            let takes = if room.is_ok() { self.takes_content(*peer) } else { Ok(false) };
            takes.unwrap_or_else(|error| {
                room = Err(error);
                false
            })
        });
        if room.is_ok() {
            receivers.iter().for_each(|peer| self.post(*peer, &body, &content));
        }
        self.encoder.finish();
        self.receivers = receivers;
        room.map(|()| self.receivers.len())
    }

    fn check_content<'a>(&self, content: &'a Content) -> Result<Cow<'a, Content>, SendError> {
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return Err(SendError::Stopped);
        }
        let limits = &self.config.limits;
        if content.len() > limits.frames {
            return Err(SendError::TooManyFrames { found: content.len(), limit: limits.frames });
        }
        if content.octets() > limits.message {
            return Err(SendError::TooLarge { found: content.octets(), limit: limits.message });
        }
        // Stock programs do not survive a message without content.
        Ok(if content.is_empty() { Cow::Owned(Bytes::new().into()) } else { Cow::Borrowed(content) })
    }

    /// Whether the peer is there and goes on to be. An error says that its queue has no room for the message in the encoder;
    /// an empty one always has.
    fn takes_content(&mut self, id: PeerId) -> Result<bool, SendError> {
        let limit = self.config.limits.send_queue;
        // Nothing more reaches one whose end has begun, though the application may not know of it for a while.
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.ready && peer.ending.is_none()) else {
            return Ok(false);
        };
        let load = self.load_of(peer);
        let fits = load == 0 || load + self.encoder.octets() + MESSAGE_COST <= limit;
        if fits || self.planted(Planted::UnboundedQueue) {
            return Ok(true);
        }
        self.set_full(id);
        Err(SendError::Full { peer: id })
    }

    /// Whether all queues take a JOIN or LEAVE.
    pub(super) fn check_room_for_control(&mut self) -> Result<(), SendError> {
        let limit = self.control_limit();
        let full = self.peers().find(|id| self.load(*id) > limit);
        let Some(id) = full else { return Ok(()) };
        self.set_full(id);
        Err(SendError::Full { peer: id })
    }

    fn control_limit(&self) -> usize {
        let limits = &self.config.limits;
        limits.send_queue.max(limits.message).saturating_add(CONTROL_ROOM)
    }

    /// What waits for a peer.
    pub(crate) fn load(&self, id: PeerId) -> usize {
        self.peers.get(&id).map_or(0, |peer| self.load_of(peer))
    }

    fn load_of(&self, peer: &Peer) -> usize {
        let queue = peer.out.conn().and_then(|conn| self.conns.get(conn)).and_then(|conn| conn.zmtp.as_ref());
        peer.held.load() + queue.map_or(0, Connection::load)
    }

    fn set_full(&mut self, id: PeerId) {
        let now = self.now;
        self.full.entry(id).or_insert(now);
        self.schedule_peer(id);
    }

    /// Octets were written to a peer: a full queue has moved, and may have room again.
    pub(super) fn check_room(&mut self, id: PeerId) {
        let now = self.now;
        let Some(full) = self.full.get_mut(&id) else { return };
        *full = now;
        if self.load(id) <= self.config.limits.send_queue / 2 {
            self.full.remove(&id);
            if self.planted(Planted::LoseRoom) {
                return;
            }
            self.emit(Event::Room { peer: id });
        }
    }

    /// Puts a message into the encoder, without its number.
    fn encode(&mut self, body: &Body, content: &[Bytes]) {
        self.encoder.start_message(body, content.len());
        self.encoder.content(content);
    }

    /// Sends the message in the encoder to a peer, or keeps it until our HELLO has gone before it.
    fn post(&mut self, id: PeerId, body: &Body, content: &Content) {
        let overtakes = self.planted(Planted::OvertakeHeld);
        let skips = self.planted_now(Planted::SkipSequence, 40);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if body.has_content() {
            peer.confirmed_by = peer.pings + 1;
        }
        match peer.open() {
            // What waits is said first: a peer that enters is about to get it.
            Some(conn) if !peer.must_guess() && (peer.held.is_empty() || overtakes) => {
                self.encoder.set_sequence(number(id, peer, skips, body.name()));
                let queued = queue(&mut self.conns, conn, &self.encoder, body.has_content(), &mut self.actions);
                self.statistics.messages_sent += u64::from(queued);
            }
            open => {
                if let Some(conn) = open.filter(|_| peer.must_guess()) {
                    self.guess_wrap(id, conn);
                }
                let Some(peer) = self.peers.get_mut(&id) else { return };
                let load = self.encoder.octets() + MESSAGE_COST;
                peer.held.push(Held { body: body.clone(), content: content.clone(), load });
            }
        }
    }

    /// Queues the message in the encoder on a connection, with the next number.
    fn put(&mut self, id: PeerId, conn: ConnId, name: &'static str, counts: bool) {
        let skips = self.planted_now(Planted::SkipSequence, 40);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.encoder.set_sequence(number(id, peer, skips, name));
        let queued = queue(&mut self.conns, conn, &self.encoder, counts, &mut self.actions);
        self.statistics.messages_sent += u64::from(queued);
    }

    pub(super) fn put_encoded(&mut self, conn: ConnId, message: &Encoder, counts: bool) {
        let queued = queue(&mut self.conns, conn, message, counts, &mut self.actions);
        self.statistics.messages_sent += u64::from(queued);
    }

    /// The first message on a new connection. What was held of JOIN and LEAVE is in it.
    pub(super) fn send_hello(&mut self, id: PeerId, conn: ConnId, endpoint: &Address) {
        let hello = self.me.hello(endpoint);
        self.encoder.start_numbered(&hello, 0);
        self.put(id, conn, "HELLO", false);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.held.keep_news();
            if self.config.has(Planted::DropHeld) {
                peer.held = HeldBack::default();
            }
        }
    }

    /// Sends what waited for our HELLO, and for the peer's.
    pub(super) fn flush_held(&mut self, id: PeerId) {
        while let Some((conn, held)) = self.peers.get_mut(&id).and_then(|peer| {
            let conn = peer.open().filter(|_| !peer.held.is_empty())?;
            if peer.must_guess() {
                return Some((conn, None));
            }
            peer.held.pop().map(|held| (conn, Some(held)))
        }) {
            let Some(held) = held else {
                self.guess_wrap(id, conn);
                break;
            };
            self.encode(&held.body, &held.content);
            self.put(id, conn, held.body.name(), held.body.has_content());
            if held.body.has_content()
                && let Some(peer) = self.peers.get_mut(&id)
            {
                peer.confirmed_by = peer.pings + 1;
            }
            if self.planted(Planted::OvertakeHeld) {
                break;
            }
        }
        self.encoder.finish();
        if self.phase == Phase::Stopping && self.peers.get(&id).is_some_and(Peer::is_unconfirmed) {
            self.ping(id);
        }
    }

    /// Tells a change of membership to all peers, those included whose HELLO we have not heard but who have ours.
    pub(super) fn tell_all(&mut self, body: &Body) {
        let ids: Vec<_> = self.peers.iter().map(|(id, _)| id).collect();
        self.encode(body, &[]);
        for id in ids {
            let told = self.peers.get(&id).is_some_and(|peer| matches!(peer.out, super::peer::Out::Open { .. }));
            if told {
                self.post(id, body, &Content::new());
            }
        }
    }

    /// Sends a message without content, such as PING.
    pub(super) fn send_control(&mut self, id: PeerId, body: &Body) {
        self.encode(body, &[]);
        self.post(id, body, &Content::new());
    }

    /// The same for a message that nobody misses: a peer that does not read gets no more of them.
    pub(super) fn send_unless_full(&mut self, id: PeerId, body: &Body) -> bool {
        let room = self.load(id) <= self.control_limit();
        if room {
            self.send_control(id, body);
        }
        room
    }
}

/// The number of the next message to a peer.
fn number(id: PeerId, peer: &mut Peer, skips: bool, name: &'static str) -> u16 {
    if skips {
        peer.take_number();
    }
    let number = peer.take_number();
    log!(trace, "peer {id}: sending {name} number {number}");
    number
}

/// Queues a message on a connection. Whether that is there.
fn queue(conns: &mut Conns, conn: ConnId, message: &Encoder, counts: bool, actions: &mut VecDeque<Action>) -> bool {
    let Some(zmtp) = conns.get_mut(conn).and_then(|conn| conn.zmtp.as_mut()) else { return false };
    let silent = !zmtp.has_output();
    zmtp.push(message, counts);
    if silent && zmtp.has_output() {
        actions.push_back(Action::Writable { conn });
    }
    true
}
