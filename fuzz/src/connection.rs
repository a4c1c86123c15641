//! Two ends of a ZMTP connection, joined in memory.
//!
//! What is written goes onto the wire when the input says so, and is read in pieces of any size, later. Time passes. Octets on
//! the wire may be spoilt, lost or made up; from there on only the weaker properties hold.

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use zre_engine::{
    CloseReason, Content, Instant, Violation,
    zmtp::{Connection, ConnectionConfig, Peer, Progress, SocketType},
};
use zre_proto::zmtp::{Command, FrameHeader};

/// So many things happen at most.
const STEPS: usize = 300;
/// What the commands may come to that wait to be written: 64 PONGs, and a PING each time that the clock is looked at.
const PONGS: usize = 64 * 26;
const PING: usize = 16;

/// The lengths that frames have: at the edges of the short form, of blocks and of the limits.
const LENGTHS: [usize; 16] = [0, 1, 2, 17, 40, 100, 254, 255, 256, 257, 300, 301, 1000, 1500, 5000, 70_000];

/// Without spoilt octets all messages arrive, whole and in their order, both ways, or an end is closed by its clocks, or for a
/// message beyond its limits; with them, nothing panics, an error is the end, and nothing comes out of nothing.
pub fn connection(data: &[u8]) {
    // An input that ends early is a short story.
    let _ = Pair::play(&mut Unstructured::new(data));
}

/// One end, and the wire that leads from it to the other.
struct End {
    config: ConnectionConfig,
    connection: Connection,
    /// All that it was given to send; and how many of the other's messages it has told of.
    sent: Vec<Content>,
    got: usize,
    /// The first of its messages that the other does not take.
    excess: Option<usize>,
    wire: BytesMut,
    /// So many octets were taken from it.
    delivered: usize,
    /// Where the first octet was spoilt.
    spoilt: Option<usize>,
    /// What it has told of, in octets, with two for each frame.
    told: usize,
    ready: bool,
    failed: Option<CloseReason>,
    heard: Instant,
    /// What its messages come to on the wire; and how often it was asked about its clocks.
    queued: usize,
    asked: usize,
}

struct Pair {
    ends: [End; 2],
    now: Instant,
    since: Instant,
}

impl Pair {
    fn play(source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let mut pair = Self::new(source)?;
        for _ in 0..STEPS {
            if source.is_empty() {
                break;
            }
            pair.step(source)?;
            pair.look();
        }
        pair.finish();
        Ok(())
    }

    fn new(source: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        use SocketType::{Dealer, Router};
        let now = Instant::from_nanos(1_000_000_000);
        let types: u8 = source.arbitrary()?;
        let types = [[Dealer, Router], [Router, Dealer], [Dealer, Dealer], [Router, Router]][usize::from(types) % 4];
        let mut end = |socket_type| {
            let [identity, traits]: [u8; 2] = source.arbitrary()?;
            let mut config = ConnectionConfig::new(socket_type, vec![1; usize::from(identity)].into());
            config.heartbeat = [None, Some(1), Some(2)][usize::from(traits) % 3].map(Duration::from_secs);
            if traits & 0x10 != 0 {
                config.properties.push(("X-ZRE", Bytes::from_static(b"1")));
            }
            if traits & 0x20 != 0 {
                (config.first_frame_limit, config.content_limit, config.frames_limit) = (300, 1500, 3);
            }
            Ok(End::new(config, now))
        };
        Ok(Self { ends: [end(types[0])?, end(types[1])?], now, since: now })
    }

    fn step(&mut self, source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let what: u8 = source.arbitrary()?;
        // The upper half of the octet says which end.
        let side = usize::from(what >> 7);
        match what % 16 {
            0..3 => self.send(side, source)?,
            3..6 => {
                let [octets, chunks] = source.arbitrary()?;
                self.ends[side].write(size(octets), 1 + usize::from(chunks) % 8);
            }
            6..10 => {
                let octets = source.arbitrary()?;
                self.read(side, size(octets), what % 16 != 9);
            }
            10 => {
                let [unit, count]: [u8; 2] = source.arbitrary()?;
                let unit = Duration::from_millis([1, 100, 1000, 5000][usize::from(unit) % 4]);
                self.pass(unit * u32::from(count % 16));
            }
            11 => {
                let [at, mask]: [u8; 2] = source.arbitrary()?;
                self.ends[side].spoil(at.into(), |octet| *octet ^= mask.max(1));
            }
            12 => {
                let [at, count]: [u8; 2] = source.arbitrary()?;
                self.ends[side].lose(at.into(), count.into());
            }
            13 => {
                let count = source.int_in_range(0u8..=64)?;
                let octets = source.bytes(source.len().min(count.into()))?;
                self.ends[side].make_up(octets);
            }
            14 => {
                let kind = source.arbitrary()?;
                self.ends[side].interpose(kind);
            }
            _ => {
                let octets = source.arbitrary()?;
                self.settle(size(octets));
            }
        }
        Ok(())
    }

    fn send(&mut self, side: usize, source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let [count, fill]: [u8; 2] = source.arbitrary()?;
        let mut frames = Content::new();
        for _ in 0..=count % 5 {
            let length: u8 = source.arbitrary()?;
            frames.push(vec![fill; LENGTHS[usize::from(length) % LENGTHS.len()]]);
        }
        let fits = self.ends[1 - side].takes(&frames);
        let end = &mut self.ends[side];
        if !fits {
            end.excess.get_or_insert(end.sent.len());
        }
        end.queued += frames.iter().map(|frame| FrameHeader::message(frame.len(), false).encoded_len()).sum::<usize>();
        end.queued += frames.octets();
        end.connection.send(&frames);
        end.sent.push(frames);
        Ok(())
    }

    /// An end reads so many octets from the wire, and looks what they amount to; or it does so later.
    fn read(&mut self, side: usize, octets: usize, look: bool) {
        let now = self.now;
        let (end, other) = self.both(side);
        let octets = octets.min(other.wire.len());
        let data = other.wire.split_to(octets).freeze();
        other.delivered += octets;
        end.connection.receive(now, data);
        if end.failed.is_none() {
            end.heard = now;
        }
        if look {
            self.poll(side);
        }
    }

    fn poll(&mut self, side: usize) {
        loop {
            let now = self.now;
            let (end, other) = self.both(side);
            match end.connection.poll(now) {
                Ok(None) => break,
                Ok(Some(progress)) => {
                    assert!(end.failed.is_none(), "{progress:?} after the end");
                    match progress {
                        Progress::Ready(peer) => end.is_ready(&peer, other),
                        Progress::Message(message) => end.hears(message, other),
                        _ => {}
                    }
                }
                Err(why) => {
                    assert!(end.failed.is_none(), "a second end: {why}");
                    let limits =
                        matches!(why, CloseReason::Violation(Violation::MessageTooLarge | Violation::Malformed(_)));
                    let excess = other.excess.is_some_and(|excess| excess == end.got);
                    assert!(other.is_spoilt() || (limits && excess), "{why}, of octets that were as they should be");
                    end.fails(why);
                }
            }
        }
    }

    fn both(&mut self, side: usize) -> (&mut End, &mut End) {
        let [first, second] = &mut self.ends;
        if side == 0 { (first, second) } else { (second, first) }
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        for end in &mut self.ends {
            end.look_at_clock(self.now, self.since);
        }
    }

    /// Both ends write and read in pieces of this size until nothing is left; larger ones where there is much.
    fn settle(&mut self, size: usize) {
        loop {
            let mut moved = 0;
            for side in [0, 1] {
                moved += self.ends[side].write(usize::MAX, 8);
                let least = 1 + self.ends[1 - side].wire.len() / 200;
                while !self.ends[1 - side].wire.is_empty() {
                    self.read(side, size.max(least), true);
                    moved += 1;
                }
                self.poll(side);
                // What was read long ago and looked at only now may have been a question.
                moved += self.ends[side].write(usize::MAX, 8);
            }
            if moved == 0 {
                return;
            }
        }
    }

    /// What holds at any time.
    fn look(&self) {
        for (side, end) in self.ends.iter().enumerate() {
            let other = &self.ends[1 - side];
            assert!(end.connection.incomplete() <= other.delivered, "what has not come is not held");
            let most = end.queued + 64 * end.connection.unsent() + PONGS + PING * end.asked;
            assert!(end.connection.load() <= most, "{} octets wait of at most {most}", end.connection.load());
            assert!(end.connection.unsent() <= end.sent.len());
            assert!(end.told <= other.delivered, "messages out of nothing");
        }
    }

    fn finish(&mut self) {
        self.settle(1000);
        self.look();
        for (end, other) in [(&self.ends[0], &self.ends[1]), (&self.ends[1], &self.ends[0])] {
            let quiet = end.failed.is_none() && other.failed.is_none();
            // Where the last octets were lost, none has come in their place.
            if !quiet || end.spoilt.is_some() || other.spoilt.is_some() {
                continue;
            }
            assert!(end.ready);
            assert_eq!(other.excess, None, "a message beyond the limits was borne");
            assert_eq!(end.got, other.sent.len(), "all have arrived");
            assert_eq!((end.connection.incomplete(), end.connection.load(), end.connection.unsent()), (0, 0, 0));
            assert!(!end.connection.has_output());
        }
    }
}

impl End {
    fn new(config: ConnectionConfig, now: Instant) -> Self {
        Self {
            connection: Connection::new(config.clone(), now),
            config,
            sent: Vec::new(),
            got: 0,
            excess: None,
            wire: BytesMut::new(),
            delivered: 0,
            spoilt: None,
            told: 0,
            ready: false,
            failed: None,
            heard: now,
            queued: 0,
            asked: 0,
        }
    }

    fn takes(&self, message: &Content) -> bool {
        let Some((first, rest)) = message.split_first() else { return true };
        first.len() <= self.config.first_frame_limit
            && rest.len() <= self.config.frames_limit
            && rest.iter().map(Bytes::len).sum::<usize>() <= self.config.content_limit
    }

    /// Whether an octet that was taken from its wire was not the one that it wrote.
    fn is_spoilt(&self) -> bool {
        self.spoilt.is_some_and(|at| at < self.delivered)
    }

    /// Writes up to so many octets, from so many slices; how many it wrote.
    fn write(&mut self, most: usize, slices: usize) -> usize {
        let mut written = 0;
        while written < most {
            let octets = self.first_octets(slices, most - written);
            assert!(self.first_octets(8, octets.len()) == octets, "transmit changes nothing until advance");
            if octets.is_empty() {
                assert!(!self.connection.has_output());
                break;
            }
            assert!(self.connection.has_output());
            assert_eq!(self.connection.advance(octets.len()), octets.len());
            self.wire.extend_from_slice(&octets);
            written += octets.len();
        }
        written
    }

    fn first_octets(&self, slices: usize, most: usize) -> Vec<u8> {
        let mut chunks = [&[][..]; 8];
        let filled = self.connection.transmit(&mut chunks[..slices]);
        let mut octets = Vec::new();
        for chunk in &chunks[..filled] {
            octets.extend_from_slice(&chunk[..chunk.len().min(most - octets.len())]);
        }
        octets
    }

    fn is_ready(&mut self, peer: &Peer, other: &Self) {
        assert!(!self.ready, "ready for a second time");
        self.ready = true;
        if !other.is_spoilt() {
            assert_eq!(peer.socket_type, other.config.socket_type);
            assert_eq!(peer.identity, other.config.identity);
            assert_eq!(peer.metadata.get("x-zre").is_some(), !other.config.properties.is_empty());
        }
    }

    fn hears(&mut self, message: Content, other: &Self) {
        assert!(self.ready, "a message before the handshake is done");
        assert!(self.takes(&message), "a message beyond the limits");
        assert!(!message.is_empty());
        self.told += message.octets() + 2 * message.len();
        if !other.is_spoilt() {
            assert_eq!(other.sent.get(self.got), Some(&message), "in their order, and whole");
        }
        self.got += 1;
    }

    fn fails(&mut self, why: CloseReason) {
        assert!(!why.to_string().is_empty());
        self.failed = Some(why);
        assert!(!self.connection.is_ready());
        assert_eq!((self.connection.poll_timeout(), self.connection.wanted()), (None, 0), "nothing is waited for");
    }

    fn look_at_clock(&mut self, now: Instant, since: Instant) {
        self.asked += 1;
        let due = self.connection.poll_timeout().is_some_and(|deadline| deadline <= now);
        let before = self.connection.load();
        match self.connection.handle_timeout(now) {
            Ok(()) => {
                assert!(self.connection.poll_timeout().is_none_or(|next| next > now), "the next deadline is later");
                assert!(due || self.connection.load() == before, "nothing is said before it is due");
            }
            Err(why) => {
                assert!(due && self.failed.is_none());
                let silence = now.since(self.heard);
                let right = match why {
                    CloseReason::HandshakeTimeout => !self.ready && now >= since + self.config.handshake,
                    CloseReason::HeartbeatTimeout => {
                        self.config.heartbeat.is_some_and(|interval| self.ready && silence >= 2 * interval)
                    }
                    _ => false,
                };
                assert!(right, "{why} after {silence:?}");
                self.fails(why);
            }
        }
    }

    /// Something other than was written is on the wire from so many octets on.
    fn spoil_from(&mut self, at: usize) {
        let at = self.delivered + at;
        self.spoilt = Some(self.spoilt.map_or(at, |first| first.min(at)));
    }

    fn spoil(&mut self, at: usize, how: impl FnOnce(&mut u8)) {
        if let Some(octet) = self.wire.get_mut(at) {
            how(octet);
            self.spoil_from(at);
        }
    }

    fn lose(&mut self, at: usize, count: usize) {
        if count > 0 && at < self.wire.len() {
            let rest = self.wire.split_off(at);
            self.wire.extend_from_slice(&rest[count.min(rest.len())..]);
            self.spoil_from(at);
        }
    }

    /// Octets that nobody wrote, behind those that are on the wire.
    fn make_up(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            self.spoil_from(self.wire.len());
            self.wire.extend_from_slice(octets);
        }
    }

    /// A command that nobody gave, where the last frame has ended: it does no harm.
    fn interpose(&mut self, kind: u8) {
        if !self.ready || self.failed.is_some() || self.connection.has_output() {
            return;
        }
        let context = Bytes::from(vec![kind; usize::from(kind) % 17]);
        let command = match kind % 3 {
            0 => Command::Ping { ttl: kind.into(), context },
            1 => Command::Pong { context },
            _ => Command::Unknown { name: "SUBSCRIBE".into(), data: context },
        };
        FrameHeader::command(command.encoded_len()).encode(&mut self.wire);
        command.encode(&mut self.wire).expect("it fits");
    }
}

/// How many octets are moved at once: few, some, or all.
fn size(octet: u8) -> usize {
    match octet {
        0..200 => octet.into(),
        200..255 => 100 * usize::from(octet - 199),
        255 => usize::MAX,
    }
}
