//! Octets that mean ill: recorded sessions cut and changed at every place, lengths that nobody has, messages without end,
//! and nonsense for a hub.

use bytes::{Bytes, BytesMut};
use std::{
    collections::VecDeque,
    io::{self, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    time::Duration,
};
use uuid::Uuid;
use zre_proto::{
    Gossip, Message,
    gossip::Tuple,
    message::Body,
    zmtp::{FrameHeader, Greeting},
};
use zre_tests::{
    hostile::{
        Bounds, Siege, arena,
        attacker::{connect, introduction, is_gone, nowhere, repeat, source, until_closed},
        by_length, counter, long, now,
        settings::Settings,
    },
    recording::Recording,
    solo::{dealer_opening, message, opening},
};

const NODE: &str = env!("CARGO_BIN_EXE_hostile-node");
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

/// Connections that are under way at a time.
const AT_ONCE: usize = 32;
/// As much of a long frame as is worth cutting at every octet.
const CUT_UP_TO: usize = 120;
const GREETING: usize = 64;

/// What each side that connects has said in the recordings, the same only once.
fn sessions(gossip: bool) -> Vec<Bytes> {
    let mut sessions = Vec::new();
    for recording in Recording::all() {
        for stream in recording.connections().filter(|stream| stream.opener) {
            let octets = stream.octets();
            let is_gossip = octets.windows(2).any(|two| two == [0xAA, 0xA0]);
            if is_gossip == gossip && !sessions.contains(&octets) {
                sessions.push(octets);
            }
        }
    }
    sessions
}

/// Where a session is worth cutting or changing: everywhere but in the middle of long frames.
fn places(octets: &[u8]) -> Vec<usize> {
    let mut places: Vec<_> = (0..octets.len().min(GREETING)).collect();
    let mut at = GREETING;
    while let Some(Ok(Some((header, len)))) = octets.get(at..).map(FrameHeader::decode) {
        let end = octets.len().min(at + len + usize::try_from(header.size).expect("a recorded length"));
        let few = |place: &usize| *place < at + len + CUT_UP_TO || *place + 8 > end || place.is_multiple_of(5_000);
        places.extend((at..end).filter(few));
        at = end;
    }
    places.extend(at..octets.len());
    places
}

/// The session of another peer: its UUID has this number.
fn renamed(octets: &[u8], number: u64) -> Vec<u8> {
    let mut octets = octets.to_vec();
    let identity = b"Identity\0\0\0\x11\x01";
    if let Some(at) = octets.windows(identity.len()).position(|found| found == identity) {
        let at = at + identity.len();
        octets[at..at + 16].copy_from_slice(Uuid::from_u64_pair(0x5E55, number).as_bytes());
    }
    octets
}

/// Plays sessions to a place, some at a time, each until the node has closed the connection.
struct Player {
    to: SocketAddr,
    playing: VecDeque<TcpStream>,
    played: u64,
}

impl Player {
    fn new(to: SocketAddr) -> Self {
        Self { to, playing: VecDeque::new(), played: 0 }
    }

    /// Says this, and that no more comes.
    #[track_caller]
    fn play(&mut self, octets: &[u8]) {
        self.begin(octets, |stream| stream.shutdown(Shutdown::Write));
    }

    /// Says this, and could go on: that the connection ends is up to the node.
    #[track_caller]
    fn play_on(&mut self, octets: &[u8]) {
        self.begin(octets, |_| Ok(()));
    }

    #[track_caller]
    fn begin(&mut self, octets: &[u8], then: impl FnOnce(&TcpStream) -> io::Result<()>) {
        if self.playing.len() == AT_ONCE {
            self.end_one();
        }
        // From many addresses: of one there are not so many ports.
        let from = source(self.played as usize / 1_000);
        let mut stream = connect(from, self.to).expect("the node still listens");
        // It may have closed the connection before all is written.
        if let Err(error) = stream.write_all(octets).and_then(|()| then(&stream)) {
            assert!(is_gone(&error) || error.kind() == io::ErrorKind::NotConnected, "{error}");
        }
        self.playing.push_back(stream);
        self.played += 1;
    }

    #[track_caller]
    fn end_one(&mut self) {
        if let Some(mut stream) = self.playing.pop_front() {
            until_closed(&mut stream);
        }
    }

    #[track_caller]
    fn end(mut self) -> u64 {
        while !self.playing.is_empty() {
            self.end_one();
        }
        self.played
    }
}

/// Plays every session cut at every place, and with every place changed: to each other value, or to some by default.
#[track_caller]
fn cut_and_change(sessions: &[Bytes], to: SocketAddr) -> (u64, u64) {
    let mut cuts = Player::new(to);
    for session in sessions {
        for place in places(session) {
            let octets = renamed(session, cuts.played);
            cuts.play(&octets[..place]);
        }
    }
    let cuts = cuts.end();
    let mut changes = Player::new(to);
    for session in sessions {
        for place in places(session) {
            let some = [0x01, 0xFF, 1 << (place % 8)];
            let all: Vec<_> = (1..=0xFF).collect();
            for with in if long() { &all[..] } else { &some[..] } {
                let mut octets = renamed(session, cuts + changes.played);
                octets[place] ^= with;
                changes.play(&octets);
            }
        }
    }
    (cuts, changes.end())
}

#[test]
fn recorded_sessions_cut_and_changed_at_every_octet() {
    arena("recorded_sessions_cut_and_changed_at_every_octet", || {
        // So many that each is heard to its end: none has to wait for a place.
        let settings = Settings { peers: Some(100_000), ..Settings::named("bytes") };
        let bounds = Bounds { memory: 48 * MIB, descriptors: 1_024 };
        Siege::run(NODE, "sessions", &settings, bounds, |siege| {
            let sessions = sessions(false);
            let (cuts, changes) = cut_and_change(&sessions, siege.node.mailbox);
            println!("{} sessions: {cuts} cut short, {changes} with an octet changed", sessions.len());
            assert!(sessions.len() > 30 && cuts > 10_000 && changes > 3 * 10_000);
            let closed = siege.node.ask("counters")["closed"].clone();
            for reason in ["malformed", "socket type", "identity", "protocol"] {
                assert!(closed[reason].as_u64() > Some(0), "{reason} is not among {closed:#}");
            }
        });
    });
}

/// A frame header by itself.
fn header(command: bool, more: bool, size: u64) -> Vec<u8> {
    let flags = 0x02 | if command { 0x04 } else { 0 } | u8::from(more);
    [&[flags][..], &size.to_be_bytes()].concat()
}

#[test]
fn frames_of_two_to_the_46() {
    arena("frames_of_two_to_the_46", || {
        // None has to wait for a place, or gives way to another.
        let settings = Settings { peers: Some(100_000), ..Settings::named("huge") };
        let bounds = Bounds { memory: 8 * MIB, descriptors: 256 + 128 };
        Siege::run(NODE, "2^46 octets", &settings, bounds, |siege| {
            let mut player = Player::new(siege.node.mailbox);
            let body = vec![0x2E; 64 << 10];
            for round in 0..by_length(50, 2_000) {
                for (command, more) in [(true, false), (false, false), (false, true)] {
                    let uuid = Uuid::from_u64_pair(0x2E46, player.played);
                    let whisper = message(&Message { sequence: 2, body: Body::Whisper }, &[b"and more"]);
                    let introduction = introduction(uuid, "huge", nowhere(9));
                    for begin in [
                        Greeting::NULL.encode().to_vec(),
                        dealer_opening(uuid),
                        introduction.clone(),
                        // The first frame of a WHISPER, and then one without end.
                        [&introduction[..], &whisper[..whisper.len() - 10]].concat(),
                    ] {
                        let size = (1 << 46) + round;
                        // The header is enough; some go on.
                        let body = if round % 2 == 0 { &[][..] } else { &body };
                        player.play_on(&[&begin, &header(command, more, size)[..], body].concat());
                    }
                }
            }
            let played = player.end();
            // For its header, and not because a time was over in which nothing else came.
            let closed = siege.node.ask("counters")["closed"].clone();
            assert_eq!(counter(&closed, "malformed"), played, "{closed:#}");
            println!("{played} connections");
        });
    });
}

#[test]
fn messages_without_end() {
    arena("messages_without_end", || {
        // `Limits::message` for each of them, twice where a frame grows, and what the sockets hold.
        const AT_ONCE: u64 = 6;
        let bounds = Bounds { memory: AT_ONCE * 2 * 16 * MIB + 16 * MIB, descriptors: 64 };
        Siege::run(NODE, "messages without end", &Settings::named("endless"), bounds, |siege| {
            let (to, until) = (siege.node.mailbox, now() + by_length(3, 60) * SECOND);
            let first = message(&Message { sequence: 2, body: Body::Whisper }, &[b""]);
            let threads = (0..AT_ONCE).map(|which| {
                let body = vec![0xE7; [0, 1, 1_000, 64 << 10, 1 << 20, 16 << 20][which as usize % 6]];
                let mut frame = BytesMut::new();
                FrameHeader::message(body.len(), true).encode(&mut frame);
                frame.extend_from_slice(&body);
                let first = first[..first.len() - 2].to_vec();
                std::thread::spawn(move || {
                    let mut said = 0u64;
                    while now() < until {
                        let uuid = Uuid::from_u64_pair(0xE7D1E55 + which, said);
                        let mut stream = connect(Ipv4Addr::LOCALHOST, to).expect("somebody listens");
                        let introduction = introduction(uuid, "endless", nowhere(9));
                        let _ = stream.write_all(&[&introduction[..], &first[..]].concat());
                        // It is closed long before this: nobody may go on until the end.
                        let frames = repeat(&mut stream, &frame, now() + 20 * SECOND);
                        assert!(frames * (1 + body.len() as u64) < 64 * MIB, "{frames} frames of {}", body.len());
                        until_closed(&mut stream);
                        said += 1;
                    }
                    said
                })
            });
            let threads: Vec<_> = threads.collect();
            let said: Vec<_> =
                threads.into_iter().map(|thread| thread.join().expect("it is closed each time")).collect();
            println!("{said:?} messages without end");
            assert!(said.iter().all(|said| *said > 0));
        });
    });
}

/// A gossip message as it stands on the wire.
fn gossip(said: &Gossip) -> Vec<u8> {
    let (mut frame, mut octets) = (BytesMut::new(), Vec::new());
    said.encode(&mut frame).expect("it fits");
    FrameHeader::message(frame.len(), false).encode(&mut octets);
    octets.extend_from_slice(&frame);
    octets
}

#[test]
fn nonsense_for_a_hub() {
    arena("nonsense_for_a_hub", || {
        let settings = Settings { hub: Some("tcp://127.0.0.1:*".into()), ..Settings::named("hub") };
        let bounds = Bounds { memory: 24 * MIB, descriptors: 1_024 };
        Siege::run(NODE, "nonsense for a hub", &settings, bounds, |siege| {
            let hub = siege.node.hub();
            // Among what it is told are names to look up: the first makes a pipe for the answers.
            siege.stays = 2;
            let sessions = sessions(true);
            let (cuts, changes) = cut_and_change(&sessions, hub);
            assert!(sessions.len() >= 3 && cuts > 500);
            let mut player = Player::new(hub);
            let hello = [opening("DEALER", Bytes::new()), gossip(&Gossip::Hello)].concat();
            // Garbage, which is the same each time.
            let mut state = 0x9E37_79B9_7F4A_7C15_u64;
            let mut octet = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            for length in 0..by_length(1_000, 50_000) {
                let garbage: Vec<_> = (0..length % 2_000).map(|_| octet()).collect();
                let bare: &[u8] = if length % 3 == 0 { &[] } else { &hello };
                let mut framed = Vec::new();
                FrameHeader::message(garbage.len(), length % 2 == 0).encode(&mut framed);
                let framed = if length % 5 == 0 { Vec::new() } else { framed };
                player.play(&[bare, &framed, &garbage].concat());
            }
            let tell = |key: String, value: String| {
                gossip(&Gossip::Publish(Tuple { key: key.as_str().into(), value: value.as_str().into(), ttl: 0 }))
            };
            for number in 0..by_length(200, 10_000) {
                let bad = match number % 2 {
                    0 => tell(format!("key {number}"), format!("tcp://127.0.0.1:{number}")),
                    _ => tell(format!("{number:032X}"), "no endpoint".into()),
                };
                player.play(&[&hello[..], &bad].concat());
            }
            let garbage = player.end();
            // Nodes that are none, more than are remembered: some at closed ports, some at this one's mailbox.
            let mut stream = connect(Ipv4Addr::LOCALHOST, hub).expect("the hub listens");
            stream.write_all(&hello).expect("it is let in");
            let mut answers = stream.try_clone().expect("a descriptor");
            let reads = std::thread::spawn(move || until_closed(&mut answers));
            let tuples = by_length(10_000, 1_000_000);
            let before = counter(&siege.node.ask("counters"), "gossip_received");
            for number in 0..tuples {
                let port = if number % 4 == 0 { siege.node.mailbox.port() } else { (number % 60_000 + 1) as u16 };
                let said = tell(format!("{number:032X}"), format!("tcp://127.0.0.1:{port}"));
                stream.write_all(&said).expect("it is read");
            }
            let heard = |counters: &serde_json::Value| counter(counters, "gossip_received") >= before + tuples;
            let counters = siege.node.until("heard", 30 * SECOND, heard);
            assert!(counter(&counters, "tuples") <= 4_096, "{counters:#}");
            stream.shutdown(Shutdown::Both).expect("it stands");
            reads.join().expect("it ends");
            println!("{cuts} cut short, {changes} changed, {garbage} of garbage, {tuples} nodes that are none");
        });
    });
}
