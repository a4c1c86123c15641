//! Recordings of stock programs (`tests/recordings`, see the README there), read back as test data.
//!
//! A [`Recording`] is what a file holds: who took part, what their applications saw, and the octets of every stream.
//! A [`Transcript`] is one direction of a TCP connection, decoded by `zre-proto`: a greeting, then commands and
//! messages. [`Recording::sessions`] gives those that carry ZRE, with who speaks and who listens.
//!
//! These are helpers of tests: a file that is missing or malformed is a panic that names it.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{collections::BTreeMap, fmt::Write as _, fs, net::SocketAddr, path::PathBuf};
use uuid::Uuid;
use zre_proto::{
    DecodeError, Message,
    zmtp::{Command, Frame, FrameDecoder, FrameHeader, Greeting, GreetingDecoder, Metadata},
};

/// How a ZRE message starts. Gossip, which flows over ZMTP just so, starts with `AA A0`.
const ZRE_SIGNATURE: &[u8] = b"\xAA\xA1";

/// One file of `tests/recordings`.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// The file's name without its extension.
    #[serde(skip)]
    pub name: String,
    /// What was recorded.
    pub description: String,
    /// Who took part, by letter. Empty in recordings of bare ZMTP.
    #[serde(default)]
    pub peers: BTreeMap<String, Peer>,
    /// What was done, and when, in seconds.
    #[serde(default)]
    pub steps: Vec<(f64, String)>,
    /// Every direction of every TCP connection, and every sender of datagrams.
    pub streams: Vec<Stream>,
}

/// A node that took part.
#[derive(Debug, Deserialize)]
pub struct Peer {
    /// The name it says in HELLO.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// The program: `pyre`, `zyre` or `zyrejs`.
    pub kind: String,
    /// What its application saw.
    #[serde(deserialize_with = "events")]
    pub events: Vec<Seen>,
}

/// Something that an application saw.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "UPPERCASE")]
pub enum Seen {
    /// A peer is there.
    Enter {
        /// Who.
        peer: Uuid,
        /// Its name.
        name: String,
        /// Its headers.
        headers: BTreeMap<String, String>,
        /// Its mailbox.
        addr: String,
    },
    /// A peer joined a group.
    Join {
        /// Who.
        peer: Uuid,
        /// The group.
        group: String,
    },
    /// A peer left a group.
    Leave {
        /// Who.
        peer: Uuid,
        /// The group.
        group: String,
    },
    /// Content for this node.
    Whisper {
        /// From whom.
        peer: Uuid,
        /// The content, each frame as [`written`] writes it.
        frames: Vec<String>,
    },
    /// Content for a group.
    Shout {
        /// From whom.
        peer: Uuid,
        /// For which group.
        group: String,
        /// The content, each frame as [`written`] writes it.
        frames: Vec<String>,
    },
    /// A group has a leader.
    Leader {
        /// Who it is.
        peer: Uuid,
        /// The group.
        group: String,
    },
    /// A peer is gone.
    Exit {
        /// Who.
        peer: Uuid,
    },
    /// The node itself was stopped, in order.
    Stop,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// One direction of a TCP connection, or all datagrams of one sender.
#[derive(Debug, Clone, Deserialize)]
pub struct Stream {
    /// Who sent it.
    pub from: String,
    /// Who received it.
    pub to: String,
    /// What carried it.
    pub proto: Proto,
    /// The sender's address.
    pub src: SocketAddr,
    /// The receiver's address.
    pub dst: SocketAddr,
    /// Whether the sender opened the connection.
    #[serde(default)]
    pub opener: bool,
    /// The octets, in the pieces in which they arrived.
    #[serde(deserialize_with = "chunks")]
    pub chunks: Vec<Bytes>,
    /// When each piece arrived, in seconds from the first packet.
    pub times: Vec<f64>,
    /// How the direction ended and when; none when the recording was over first.
    #[serde(default)]
    pub end: Option<(End, f64)>,
}

/// What carries a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

/// How a direction of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum End {
    /// In order.
    Fin,
    /// By a reset.
    Rst,
}

/// A direction of a connection that carries ZRE, and who stands at its ends.
#[derive(Debug)]
pub struct Session<'a> {
    /// Who speaks.
    pub speaker: &'a Peer,
    /// Who listens.
    pub listener: &'a Peer,
    /// The octets.
    pub stream: &'a Stream,
    /// The octets, decoded.
    pub transcript: Transcript,
    /// The messages, decoded.
    pub said: Vec<Said>,
}

/// A ZRE message with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The first frame.
    pub message: Message,
    /// The frames after it.
    pub content: Vec<Bytes>,
}

impl Recording {
    /// The recording of this name.
    pub fn load(name: &str) -> Self {
        let path = directory().join(name).with_extension("json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut recording: Self = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}.json: {error}"));
        recording.name = name.into();
        recording
    }

    /// Every recording, by name.
    pub fn all() -> Vec<Self> {
        let files = fs::read_dir(directory()).expect("tests/recordings is a directory");
        let names = files.map(|file| file.expect("tests/recordings can be listed").file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().expect("file names are UTF-8")).collect();
        names.sort();
        names.iter().filter_map(|name| name.strip_suffix(".json")).map(Self::load).collect()
    }

    /// The directions of TCP connections that carried anything: a refused connection has none.
    pub fn connections(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|stream| stream.proto == Proto::Tcp && !stream.chunks.is_empty())
    }

    /// The datagrams, by sender.
    pub fn datagrams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|stream| stream.proto == Proto::Udp)
    }

    /// The other direction of a connection.
    pub fn answer(&self, stream: &Stream) -> &Stream {
        let back = |other: &&Stream| (other.src, other.dst) == (stream.dst, stream.src);
        self.connections().find(back).expect("both directions of a connection are recorded")
    }

    /// The directions that carry ZRE messages, decoded.
    pub fn sessions(&self) -> Vec<Session<'_>> {
        let mut sessions = Vec::new();
        for stream in self.connections() {
            let (Some(speaker), Some(listener)) = (self.peers.get(&stream.from), self.peers.get(&stream.to)) else {
                continue;
            };
            let transcript = stream.transcript();
            if transcript.messages().next().is_some_and(|frames| frames[0].starts_with(ZRE_SIGNATURE)) {
                let said = transcript.said().unwrap_or_else(|error| panic!("{}: {stream}: {error}", self.name));
                sessions.push(Session { speaker, listener, stream, transcript, said });
            }
        }
        sessions
    }

    /// Where the mailbox of a peer is: where the others connect to and speak ZRE.
    pub fn mailbox(&self, peer: &Peer) -> SocketAddr {
        let to_it = |session: &&Session<'_>| session.listener.uuid == peer.uuid;
        let sessions = self.sessions();
        sessions.iter().find(to_it).expect("somebody speaks to each peer").stream.dst
    }
}

impl Stream {
    /// All octets in one piece.
    pub fn octets(&self) -> Bytes {
        Bytes::from(self.chunks.concat())
    }

    /// The same octets in pieces of these sizes, over and over.
    pub fn rechunked(&self, sizes: &[usize]) -> impl Iterator<Item = Bytes> {
        let mut rest = self.octets();
        let mut sizes = sizes.iter().cycle();
        std::iter::from_fn(move || {
            let size = rest.len().min(*sizes.next()?);
            (size > 0).then(|| rest.split_to(size))
        })
    }

    /// The octets decoded, in the pieces in which they arrived.
    #[track_caller]
    pub fn transcript(&self) -> Transcript {
        Transcript::decode(self.chunks.iter().cloned()).unwrap_or_else(|error| panic!("{self}: {error}"))
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}) to {} ({})", self.from, self.src, self.to, self.dst)
    }
}

/// One direction of a TCP connection, decoded.
#[derive(Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The first 64 octets.
    pub greeting: Greeting,
    /// What came after them.
    pub parts: Vec<Part>,
    /// Whether the last octet ended a command or a message, so that nothing is left over.
    pub whole: bool,
}

/// What a connection carries.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// A command.
    Command(Command),
    /// The frames of a message.
    Message(Vec<Bytes>),
}

impl Transcript {
    /// Decodes a direction that comes in these pieces. Less than a greeting is a panic.
    pub fn decode(chunks: impl IntoIterator<Item = Bytes>) -> Result<Self, DecodeError> {
        let mut collected = GreetingDecoder::default();
        let mut greeting = None;
        let mut decoder = FrameDecoder::new(1 << 20);
        let mut frames = Vec::new();
        let mut parts = Vec::new();
        for mut chunk in chunks {
            if greeting.is_none() {
                let (taken, whole) = collected.decode(&chunk)?;
                let _ = chunk.split_to(taken);
                greeting = whole;
            }
            decoder.push(chunk);
            while let Some(Frame { more, command, body }) = decoder.next_frame()? {
                if command {
                    parts.push(Part::Command(Command::decode(&body)?));
                    continue;
                }
                frames.push(body);
                if !more {
                    parts.push(Part::Message(std::mem::take(&mut frames)));
                }
            }
        }
        let greeting = greeting.expect("a greeting has 64 octets");
        Ok(Self { greeting, parts, whole: frames.is_empty() && decoder.wanted() == 0 })
    }

    /// The octets that we would write for it.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::from(&self.greeting.encode()[..]);
        for part in &self.parts {
            match part {
                Part::Command(command) => put_command(&mut out, command),
                Part::Message(frames) => put_message(&mut out, frames),
            }
        }
        out.freeze()
    }

    /// The commands, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.parts.iter().filter_map(|part| match part {
            Part::Command(command) => Some(command),
            Part::Message(_) => None,
        })
    }

    /// The messages, in order, each with its frames.
    pub fn messages(&self) -> impl Iterator<Item = &[Bytes]> {
        self.parts.iter().filter_map(|part| match part {
            Part::Message(frames) => Some(&frames[..]),
            Part::Command(_) => None,
        })
    }

    /// What the sender's READY says of it; none where the handshake did not come to that.
    pub fn ready(&self) -> Option<&Metadata> {
        self.commands().find_map(|command| if let Command::Ready(metadata) = command { Some(metadata) } else { None })
    }

    /// The messages as ZRE.
    pub fn said(&self) -> Result<Vec<Said>, DecodeError> {
        let said = |frames: &[Bytes]| Ok(Said { message: Message::decode(&frames[0])?, content: frames[1..].into() });
        self.messages().map(said).collect()
    }
}

/// Writes a command with its frame.
pub fn put_command(out: &mut BytesMut, command: &Command) {
    FrameHeader::command(command.encoded_len()).encode(out);
    command.encode(out).expect("what was decoded can be encoded");
}

/// Writes the frames of a message.
pub fn put_message(out: &mut BytesMut, frames: &[Bytes]) {
    for (at, frame) in frames.iter().enumerate() {
        FrameHeader::message(frame.len(), at + 1 < frames.len()).encode(out);
        out.put_slice(frame);
    }
}

/// A content frame as the recorder wrote it: its octets in hex, or the length of a long one.
pub fn written(frame: &[u8]) -> String {
    if frame.len() > 4096 { format!("len:{}", frame.len()) } else { hex(frame) }
}

/// Octets as hex digits.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// That two runs of octets are the same; shows where they part, not all of both.
#[track_caller]
pub fn assert_same_octets(ours: &[u8], theirs: &[u8], what: impl std::fmt::Display) {
    if ours != theirs {
        let at = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        let from = at.saturating_sub(8);
        let near = |octets: &[u8]| hex(&octets[from..octets.len().min(at + 24)]);
        panic!(
            "{what}: octet {at} differs ({} octets, {} recorded), from octet {from}:\n    ours: {}\nrecorded: {}",
            ours.len(),
            theirs.len(),
            near(ours),
            near(theirs),
        );
    }
}

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "recordings"].iter().collect()
}

fn unhex(text: &str) -> Option<Bytes> {
    let octet = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(octet).collect()
}

fn chunks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
    let chunks = Vec::<String>::deserialize(deserializer)?;
    chunks.iter().map(|text| unhex(text).ok_or_else(|| D::Error::custom("a chunk that is not hex"))).collect()
}

/// The lines of an application: its events, and its replies to commands, which say nothing of the wire.
fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Seen>, D::Error> {
    let lines = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let events = lines.into_iter().filter(|line| line.get("event").is_some());
    events.map(|event| Seen::deserialize(event).map_err(D::Error::custom)).collect()
}
