//! The connection itself: greeting, handshake, traffic, heartbeats.

use super::{
    encoder::Encoder,
    mechanism::{Handshake, Step},
    queue::SendQueue,
};
use crate::{
    content::Content,
    error::{CloseReason, Violation},
    time::Instant,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use bytes::{BufMut, Bytes, BytesMut};
use core::time::Duration;
use zre_proto::{
    limits::{FRAME_HEADER_MAX, MESSAGE_HEADER_LEN},
    message::ContentHead,
    zmtp::{Command, FrameDecoder, FrameHeader, Greeting, GreetingDecoder, Metadata},
};

/// How many PONGs may wait: a peer that asks without reading gets no more.
const PONGS_WAITING: u32 = 64;

/// A payload under this length is never a slice of what was received, for that may be a part of a larger buffer of the driver's
/// which it would keep in memory.
const SLICED: usize = 64 << 10;

/// The most octets of a WHISPER before its content: a short frame, and a header.
const WHISPER_HEAD: usize = 2 + MESSAGE_HEADER_LEN + FRAME_HEADER_MAX;
/// The same where the content is short as well.
const SHORT_WHISPER_HEAD: usize = 2 + MESSAGE_HEADER_LEN + 2;

/// The longest time to live that a PING may carry, in tenths of a second: libzmq overflows beyond it and closes.
const TTL_MAX: u128 = 655;

/// What a connection is, and what it takes from its peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// What we are.
    pub socket_type: SocketType,
    /// Our identity (routing id), at most 255 octets.
    pub identity: Bytes,
    /// Further properties of our READY. Names of applications start with `X-`.
    pub properties: Vec<(&'static str, Bytes)>,
    /// How long greeting and handshake may take.
    pub handshake: Duration,
    /// Send a PING after this much silence, and give up after as much again. Never towards a peer of ZMTP 3.0.
    pub heartbeat: Option<Duration>,
    /// The longest command of the handshake, in octets.
    pub command_limit: usize,
    /// The longest first frame of a message, in octets.
    pub first_frame_limit: usize,
    /// The most octets in the further frames of a message, all together.
    pub content_limit: usize,
    /// The most further frames in a message.
    pub frames_limit: usize,
}

impl ConnectionConfig {
    /// Limits as ZRE has them, for a socket of this type.
    pub fn new(socket_type: SocketType, identity: Bytes) -> Self {
        Self {
            socket_type,
            identity,
            properties: Vec::new(),
            handshake: Duration::from_secs(5),
            heartbeat: None,
            command_limit: 512,
            first_frame_limit: 64 << 10,
            content_limit: 16 << 20,
            frames_limit: 64,
        }
    }
}

/// The socket types that this implementation plays or meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketType {
    /// Sends to, and receives from, many.
    Router,
    /// Sends to, and receives from, one.
    Dealer,
    /// Any other, as far as it goes with ours.
    Other,
}

impl SocketType {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Router => "ROUTER",
            Self::Dealer => "DEALER",
            Self::Other => "",
        }
    }

    pub(super) fn from_name(name: &[u8]) -> Self {
        match name {
            b"ROUTER" => Self::Router,
            b"DEALER" => Self::Dealer,
            _ => Self::Other,
        }
    }

    /// Which types may connect to this one (RFC 23, "The Socket-Type Property").
    pub(super) fn accepts(self, name: &[u8]) -> bool {
        match self {
            Self::Router => matches!(name, b"DEALER" | b"ROUTER" | b"REQ"),
            Self::Dealer => matches!(name, b"ROUTER" | b"DEALER" | b"REP"),
            Self::Other => false,
        }
    }
}

/// What the handshake told about the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its socket type.
    pub socket_type: SocketType,
    /// Its identity; empty where it has none.
    pub identity: Bytes,
    /// All its properties.
    pub metadata: Metadata,
}

/// What a connection has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The handshake is done.
    Ready(Peer),
    /// A whole message; at least one frame.
    Message(Content),
}

#[derive(Debug)]
enum Stage {
    /// With what has come and was not looked at yet. Boxed: it is large, and soon over.
    Greeting(Box<(GreetingDecoder, Bytes)>),
    Handshake(Handshake),
    Ready,
    Failed,
}

/// A ZMTP connection over any stream of octets.
#[derive(Debug)]
pub struct Connection {
    config: Arc<ConnectionConfig>,
    stage: Stage,
    /// Greeting and handshake: goes out before everything else.
    opening: SendQueue,
    traffic: SendQueue,
    decoder: FrameDecoder,
    /// A message that is not complete. Boxed, for there is hardly ever any.
    partial: Option<Box<Partial>>,
    pongs: u32,
    peer_minor: u8,
    deadline: Option<Instant>,
    heard: Instant,
    pinged: bool,
}

/// A message whose last frame has not come.
#[derive(Debug)]
struct Partial {
    first: Bytes,
    rest: Content,
    /// In all frames but the first.
    octets: usize,
    /// So many frames keep nothing but themselves in memory.
    settled: usize,
}

/// As [`Progress`], with the first frame of a message by itself.
#[derive(Debug)]
pub(crate) enum Incoming {
    Ready(Peer),
    Message(Bytes, Content),
}

impl Connection {
    /// A connection over a stream that stands now. Many connections can share one configuration (`Arc`).
    pub fn new(config: impl Into<Arc<ConnectionConfig>>, now: Instant) -> Self {
        let config = config.into();
        let mut opening = SendQueue::default();
        opening.push_octets(&Greeting::NULL.encode());
        Self {
            deadline: Some(now + config.handshake),
            decoder: FrameDecoder::new(config.command_limit),
            config,
            stage: Stage::Greeting(Box::default()),
            opening,
            traffic: SendQueue::default(),
            partial: None,
            pongs: 0,
            peer_minor: 0,
            heard: now,
            pinged: false,
        }
    }

    /// Takes octets from the peer. Follow with [`Connection::poll`] until it has no more.
    pub fn receive(&mut self, now: Instant, data: Bytes) {
        self.heard = now;
        match &mut self.stage {
            Stage::Greeting(greeting) => {
                let (_, waiting) = &mut **greeting;
                if waiting.is_empty() {
                    *waiting = data;
                    return;
                }
                let mut joined = BytesMut::with_capacity(waiting.len() + data.len());
                joined.extend_from_slice(waiting);
                joined.extend_from_slice(&data);
                *waiting = joined.freeze();
            }
            Stage::Handshake(_) | Stage::Ready => self.decoder.push(data),
            Stage::Failed => {}
        }
    }

    /// The next thing that the octets so far amount to; `None` when more are needed.
    ///
    /// The frames of a message are slices of what was given to [`Connection::receive`], as far as they lie within one chunk,
    /// and keep it in memory: copy what is to be kept for long. An error ends the connection: close it.
    ///
    /// # Errors
    ///
    /// [`CloseReason`], with the rule that the peer broke: close the connection. Nothing comes after that.
    pub fn poll(&mut self, now: Instant) -> Result<Option<Progress>, CloseReason> {
        Ok(self.poll_parts(now)?.map(|incoming| match incoming {
            Incoming::Ready(peer) => Progress::Ready(peer),
            Incoming::Message(first, rest) if rest.is_empty() => Progress::Message(first.into()),
            Incoming::Message(first, rest) => Progress::Message(core::iter::once(first).chain(rest).collect()),
        }))
    }

    pub(crate) fn poll_parts(&mut self, now: Instant) -> Result<Option<Incoming>, CloseReason> {
        self.try_poll(now).map_err(|violation| self.break_off(violation))
    }

    #[cold]
    fn break_off(&mut self, violation: Violation) -> CloseReason {
        self.stage = Stage::Failed;
        self.deadline = None;
        violation.into()
    }

    fn try_poll(&mut self, now: Instant) -> Result<Option<Incoming>, Violation> {
        match self.stage {
            Stage::Ready => self.next_message(),
            Stage::Greeting(_) | Stage::Handshake(_) => self.shake_hands(now),
            Stage::Failed => Ok(None),
        }
    }

    fn shake_hands(&mut self, now: Instant) -> Result<Option<Incoming>, Violation> {
        if let Stage::Greeting(greeting) = &mut self.stage {
            let (decoder, waiting) = &mut **greeting;
            let (taken, greeting) = decoder.decode(waiting)?;
            let rest = waiting.split_off(taken);
            waiting.clear();
            let Some(greeting) = greeting else { return Ok(None) };
            let handshake = Handshake::start(&greeting)?;
            push_command(&mut self.opening, &handshake.opening(&self.config));
            self.peer_minor = if greeting.version.0 > 3 { 1 } else { greeting.version.1 };
            self.stage = Stage::Handshake(handshake);
            if !rest.is_empty() {
                self.decoder.push(rest);
            }
        }
        let Stage::Handshake(handshake) = &mut self.stage else { return Ok(None) };
        let Some(frame) = self.decoder.next_frame()? else { return Ok(None) };
        if !frame.command {
            return Err(Violation::Handshake);
        }
        let Step::Done(peer) = handshake.command(&self.config, Command::decode(&frame.body)?)?;
        self.stage = Stage::Ready;
        self.decoder.set_limit(self.config.first_frame_limit);
        self.deadline = self.heartbeat_deadline(now);
        Ok(Some(Incoming::Ready(peer)))
    }

    fn next_message(&mut self) -> Result<Option<Incoming>, Violation> {
        let mut message = self.partial.take().map(|partial| *partial);
        loop {
            let Some(frame) = self.decoder.next_frame()? else {
                if let Some(message) = message {
                    self.keep(message);
                }
                return Ok(None);
            };
            if frame.command {
                self.command(Command::decode(&frame.body)?)?;
                continue;
            }
            let Some(Partial { rest, octets, .. }) = &mut message else {
                if !frame.more {
                    return Ok(Some(Incoming::Message(frame.body, Content::new())));
                }
                self.decoder.set_limit(self.config.content_limit);
                message = Some(Partial { first: frame.body, rest: Content::new(), octets: 0, settled: 0 });
                continue;
            };
            if rest.len() >= self.config.frames_limit {
                return Err(Violation::MessageTooLarge);
            }
            // The size was checked against what was left of the limit before the body was read.
            *octets += frame.body.len();
            rest.push(frame.body);
            if frame.more {
                self.decoder.set_limit(self.config.content_limit - *octets);
                continue;
            }
            self.decoder.set_limit(self.config.first_frame_limit);
            return Ok(message.map(|message| Incoming::Message(message.first, message.rest)));
        }
    }

    /// The next message, if it has two frames, of up to so many octets, that both lie in what was received last: where they
    /// lie, and how many octets they take there. It is taken by [`Connection::skip`].
    #[inline]
    pub(crate) fn peek_short(&self, most: usize) -> Option<(&[u8], &[u8], usize)> {
        if !self.is_ready() || self.partial.is_some() {
            return None;
        }
        let fits = |(first, content, _): &(&[u8], &[u8], usize)| {
            first.len() <= self.config.first_frame_limit && content.len() <= self.config.content_limit.min(most)
        };
        self.decoder.peek_pair().filter(fits)
    }

    #[inline]
    pub(crate) fn skip(&mut self, octets: usize) {
        self.decoder.skip(octets);
    }

    /// Whether all that came was taken, and was whole messages.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.partial.is_none() && self.decoder.is_empty()
    }

    /// The length from which on a payload is as good as the chunk that it is a slice of.
    pub(crate) fn least_slice(&self) -> usize {
        SLICED.max(self.decoder.chunk_len() / 8)
    }

    /// It is not read on for a while: what was not looked at keeps nothing but itself in memory until then.
    pub(crate) fn pause(&mut self) {
        self.decoder.copy_out();
    }

    /// Keeps a message until more of it has come, and nothing else of the chunks that it came in.
    fn keep(&mut self, mut message: Partial) {
        if message.settled == 0 {
            message.first = Bytes::copy_from_slice(&message.first);
        }
        message.rest.copy_out(message.settled.saturating_sub(1), 0..usize::MAX);
        message.settled = 1 + message.rest.len();
        self.partial = Some(Box::new(message));
    }

    fn command(&mut self, command: Command) -> Result<(), Violation> {
        match command {
            Command::Ready(_) => Err(Violation::SecondReady),
            Command::Error { reason } => Err(Violation::Refused(reason.to_string_lossy().into_owned())),
            Command::Ping { context, .. } => {
                if self.traffic.is_empty() {
                    self.pongs = 0;
                }
                if self.pongs < PONGS_WAITING {
                    self.pongs += 1;
                    push_command(&mut self.traffic, &Command::Pong { context });
                }
                Ok(())
            }
            // A PONG has done its work by having been heard; unknown commands are the future's.
            _ => Ok(()),
        }
    }

    /// Queues a message. Before the handshake is done it waits.
    ///
    /// The queue has no limit of its own: look at [`Connection::load`] first.
    pub fn send(&mut self, message: &Content) {
        let mut encoder = Encoder::default();
        let Some((first, rest)) = message.split_first() else { return };
        encoder.start(first, rest.len());
        encoder.content(rest);
        self.traffic.push(&encoder, true);
    }

    pub(crate) fn push(&mut self, message: &Encoder, counts: bool) {
        self.traffic.push(message, counts);
    }

    /// The same for a WHISPER of one frame that is to be copied.
    #[inline]
    pub(crate) fn push_whisper(&mut self, sequence: u16, content: &[u8]) {
        let mut head = [0; WHISPER_HEAD];
        let mut rest = &mut head[..];
        let first = ContentHead::whisper(sequence);
        FrameHeader::message(first.len(), true).encode(&mut rest);
        rest.put_slice(&first);
        FrameHeader::message(content.len(), false).encode(&mut rest);
        let left = rest.len();
        let head = &head[..WHISPER_HEAD - left];
        // Nearly always it is so long, and what has a length that is known here is copied without a call.
        match <&[u8; SHORT_WHISPER_HEAD]>::try_from(head) {
            Ok(short) => self.traffic.push_short(short, content),
            Err(_) => self.traffic.push_short(head, content),
        }
    }

    /// Octets that wait to be written, with 64 more for each message.
    pub fn load(&self) -> usize {
        self.traffic.load()
    }

    /// Messages that are not wholly written.
    pub fn unsent(&self) -> usize {
        self.traffic.messages()
    }

    /// Forgets what waits to be written; how many messages that were.
    pub fn clear(&mut self) -> usize {
        self.opening.clear();
        self.traffic.clear()
    }

    /// Whether [`Connection::transmit`] has anything to write.
    pub fn has_output(&self) -> bool {
        !self.opening.is_empty() || (self.is_ready() && !self.traffic.is_empty())
    }

    /// Fills `chunks` with octets for one vectored write; how many chunks it filled, 0 when there is nothing to write.
    pub fn transmit<'a>(&'a self, chunks: &mut [&'a [u8]]) -> usize {
        let opening = self.opening.transmit(chunks);
        let traffic = if self.is_ready() { self.traffic.transmit(&mut chunks[opening..]) } else { 0 };
        opening + traffic
    }

    /// The first `written` octets of what `transmit` gave are written. How many of them there were is returned.
    pub fn advance(&mut self, written: usize) -> usize {
        let rest = self.opening.advance(written);
        let excess = if self.is_ready() { self.traffic.advance(rest) } else { rest };
        written - excess
    }

    /// Whether the handshake is done (and nothing went wrong since).
    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready)
    }

    /// Whether octets of a message are there whose end has not come.
    pub(crate) fn is_in_message(&self) -> bool {
        self.partial.is_some() || self.decoder.is_in_message()
    }

    /// Octets that came and are no whole message yet, or were not looked at.
    pub fn incomplete(&self) -> usize {
        self.decoder.held() + self.partial.as_ref().map_or(0, |message| message.first.len() + message.octets)
    }

    /// How many octets the greeting or frame in progress still wants, as far as that is known.
    pub fn wanted(&self) -> usize {
        match &self.stage {
            Stage::Greeting(greeting) => greeting.0.missing(),
            Stage::Handshake(_) | Stage::Ready => self.decoder.wanted(),
            Stage::Failed => 0,
        }
    }

    /// When [`Connection::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Greeting and handshake may take until then.
    pub(crate) fn extend(&mut self, until: Instant) {
        if !self.is_ready() {
            self.deadline = Some(until);
        }
    }

    /// Looks at the clocks. An error ends the connection: close it.
    ///
    /// # Errors
    ///
    /// [`CloseReason::HandshakeTimeout`] or [`CloseReason::HeartbeatTimeout`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), CloseReason> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if !self.is_ready() {
            self.stage = Stage::Failed;
            self.deadline = None;
            return Err(CloseReason::HandshakeTimeout);
        }
        // What was heard since the deadline was set moved it.
        let due = self.heartbeat_deadline(self.heard);
        if due.is_none_or(|due| now < due) {
            self.pinged = false;
            self.deadline = due;
            return Ok(());
        }
        if self.pinged
            && self.config.heartbeat.is_some_and(|interval| now.since(self.heard) >= interval.saturating_mul(2))
        {
            self.stage = Stage::Failed;
            self.deadline = None;
            return Err(CloseReason::HeartbeatTimeout);
        }
        let interval = self.config.heartbeat.unwrap_or_default();
        let ttl = (interval.as_millis() / 100).saturating_mul(3).min(TTL_MAX) as u16;
        push_command(&mut self.traffic, &Command::Ping { ttl, context: Bytes::new() });
        self.pinged = true;
        self.deadline = Some(now + interval);
        Ok(())
    }

    fn heartbeat_deadline(&self, heard: Instant) -> Option<Instant> {
        self.config.heartbeat.filter(|_| self.peer_minor >= 1).map(|interval| heard + interval)
    }
}

fn push_command(queue: &mut SendQueue, command: &Command) {
    let mut octets = Vec::with_capacity(64);
    FrameHeader::command(command.encoded_len()).encode(&mut octets);
    // Our own commands fit their fields; an identity that does not is refused where it is configured.
    if command.encode(&mut octets).is_ok() {
        queue.push_octets(&octets);
    }
}
