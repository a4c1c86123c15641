//! Our engine in the place of one node of a recorded session: it is fed what came to that node, at its times, and does what
//! its application did.
//!
//! These are helpers of tests: a session that cannot be played is a panic.

use crate::recording::{Peer, Proto, Recording, Said, Seen, Session, Stream, written};
use bytes::Bytes;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, Instant, IoCause, LinkId, ListenerId, ListenerKind, Node,
};
use zre_proto::{
    message::{Body, Hello},
    zmtp::FrameDecoder,
};

const LINK: LinkId = LinkId(0);
const LISTENER: ListenerId = ListenerId(0);
const HUB: ListenerId = ListenerId(1);

/// How the nodes of a recording find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// By beacons.
    Beacons,
    /// By gossip: the node is the hub at this address.
    Hub(SocketAddr),
    /// By gossip: this is the hub's address.
    Client(SocketAddr),
}

/// What happens to our node, in the order of its time.
enum Step {
    Datagram(SocketAddr, Bytes),
    /// The other node opens its connection.
    Opens(usize),
    /// Octets on a connection: one that it opened, or one of ours.
    Octets(usize, Bytes),
    Ends(usize),
    /// Our application does what the recorded one did.
    Acts(Said),
}

/// One node of a recording, to be played by ours, against the others.
pub struct Part<'a> {
    recording: &'a Recording,
    me: &'a str,
    discovery: Discovery,
    contests: Vec<&'a str>,
    /// One of the sessions in which it speaks: that with the first that it met.
    pub session: Session<'a>,
    steps: BTreeMap<(Instant, usize), Step>,
}

fn at(seconds: f64) -> Instant {
    Instant::ZERO + Duration::from_secs_f64(seconds + 1.0)
}

impl<'a> Part<'a> {
    /// The part of the node with this letter.
    pub fn new(recording: &'a Recording, me: &'a str) -> Self {
        let session = recording.sessions().into_iter().find(|session| session.stream.from == me).expect("a session");
        let (discovery, contests) = (Discovery::Beacons, Vec::new());
        let mut part = Self { recording, me, discovery, contests, session, steps: BTreeMap::new() };
        for (index, stream) in recording.streams.iter().enumerate() {
            let udp = stream.proto == Proto::Udp;
            if stream.from == me || !(udp || stream.to == me) || stream.chunks.is_empty() {
                continue;
            }
            if stream.opener {
                part.add(stream.times[0], Step::Opens(index));
            }
            for (chunk, time) in stream.chunks.iter().zip(&stream.times) {
                let chunk = chunk.clone();
                part.add(*time, if udp { Step::Datagram(stream.src, chunk) } else { Step::Octets(index, chunk) });
            }
            if let Some((_, time)) = stream.end {
                part.add(time, Step::Ends(index));
            }
        }
        for (time, said) in said_at(part.session.stream) {
            part.add(time, Step::Acts(said));
        }
        part
    }

    /// The node discovers others like that.
    pub fn discovers(mut self, discovery: Discovery) -> Self {
        self.discovery = discovery;
        self
    }

    /// The node contests for the leadership of a group.
    pub fn contests(mut self, group: &'a str) -> Self {
        self.contests.push(group);
        self
    }

    fn add(&mut self, seconds: f64, step: Step) {
        let order = self.steps.len();
        self.steps.insert((at(seconds), order), step);
    }

    fn config(&self) -> (Config, Vec<String>) {
        let Body::Hello(hello) = &self.session.said[0].message.body else { panic!("a session starts with HELLO") };
        let Hello { groups, name, headers, .. } = hello;
        let mut config = Config::default();
        config.uuid = Some(self.session.speaker.uuid);
        config.name = Some(name.to_string());
        config.headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        (config, groups.iter().map(ToString::to_string).collect())
    }

    /// Plays the part to its end: what our application was told, and what we said on each of our connections.
    pub fn play(self, chunk: usize) -> (Vec<Event>, Vec<Vec<u8>>) {
        let (config, groups) = self.config();
        let mailbox = self.recording.mailbox(self.session.speaker);
        let mut now = Instant::ZERO;
        let mut node = Node::new(config, [1; 32], now).expect("a good configuration");
        let listening = Input::Listening {
            listener: LISTENER,
            kind: ListenerKind::Mailbox,
            at: Address::Tcp(mailbox),
            advertise: None,
        };
        node.handle(now, listening).expect("listens");
        match self.discovery {
            Discovery::Beacons => {
                let link = Input::LinkUp { link: LINK, address: mailbox.ip(), mailbox: LISTENER };
                node.handle(now, link).expect("a link");
            }
            Discovery::Hub(at) => {
                let kind = ListenerKind::Hub;
                let hub = Input::Listening { listener: HUB, kind, at: at.into(), advertise: None };
                node.handle(now, hub).expect("a hub");
            }
            Discovery::Client(hub) => assert_eq!(node.gossip_connect(now, hub.into()), Ok(true)),
        }
        for group in &self.contests {
            node.set_contest_in_group(now, group).expect("a group");
        }
        for group in groups {
            node.join(now, &group).expect("a group");
        }
        node.start(now).expect("starts");
        let mut conns: BTreeMap<usize, ConnId> = BTreeMap::new();
        let mut early: BTreeMap<usize, Vec<Bytes>> = BTreeMap::new();
        let (mut events, mut spoken) = (Vec::new(), BTreeMap::<ConnId, Vec<u8>>::new());
        let peer = self.session.listener;
        for ((time, _), step) in self.steps {
            while let Some(deadline) = node.poll_timeout().filter(|deadline| deadline.at < time) {
                now = deadline.at;
                node.handle(now, Input::Timeout).expect("time");
                settle(&mut node, now, &mut spoken);
            }
            now = time;
            match step {
                Step::Datagram(from, data) => {
                    node.handle(now, Input::Datagram { link: LINK, from, data: &data }).expect("a datagram");
                }
                Step::Opens(index) => {
                    let src = self.recording.streams[index].src;
                    let dst = self.recording.streams[index].dst;
                    let listener = if dst == mailbox { LISTENER } else { HUB };
                    let conn = node.accept(now, listener, Address::Tcp(src), Address::Tcp(dst));
                    conns.insert(index, conn.expect("accepted"));
                }
                Step::Octets(index, data) => match conns.get(&index) {
                    Some(conn) => feed(&mut node, now, *conn, &data, chunk),
                    None => early.entry(index).or_default().push(data),
                },
                Step::Ends(index) => {
                    if let Some(conn) = conns.get(&index) {
                        // A connection that we have closed ourselves is gone already.
                        let _ = node.handle(now, Input::Closed { conn: *conn, cause: IoCause::Finished });
                    }
                }
                Step::Acts(said) => act(&mut node, now, peer, said),
            }
            for (conn, to) in settle(&mut node, now, &mut spoken) {
                let answers =
                    |stream: &&Stream| !stream.opener && stream.to == self.me && Address::Tcp(stream.src) == to;
                let Some(index) = self.recording.streams.iter().position(|stream| answers(&stream)) else { continue };
                if conns.insert(index, conn).is_some() {
                    continue;
                }
                let local = Address::Tcp(self.recording.streams[index].dst);
                node.handle(now, Input::Connected { conn, local }).expect("connected");
                for data in early.remove(&index).unwrap_or_default() {
                    feed(&mut node, now, conn, &data, chunk);
                }
            }
            settle(&mut node, now, &mut spoken);
            events.extend(std::iter::from_fn(|| node.poll_event()));
        }
        // What was said last is answered, or not.
        let end = now + Duration::from_secs(1);
        while let Some(deadline) = node.poll_timeout().filter(|deadline| deadline.at < end) {
            now = deadline.at;
            node.handle(now, Input::Timeout).expect("time");
            settle(&mut node, now, &mut spoken);
            events.extend(std::iter::from_fn(|| node.poll_event()));
        }
        (events, spoken.into_values().collect())
    }
}

/// Messages of a stream, each with the time at which its last octet came.
fn said_at(stream: &Stream) -> Vec<(f64, Said)> {
    let said = stream.transcript().said().expect("it decodes");
    let mut decoder = FrameDecoder::new(usize::MAX);
    let mut ends = Vec::new();
    let mut greeting = 64;
    for (chunk, time) in stream.chunks.iter().zip(&stream.times) {
        let skip = greeting.min(chunk.len());
        greeting -= skip;
        if skip == chunk.len() {
            continue;
        }
        decoder.push(chunk.slice(skip..));
        while let Some(frame) = decoder.next_frame().expect("it decodes") {
            if !frame.command && !frame.more {
                ends.push(*time);
            }
        }
    }
    assert_eq!(ends.len(), said.len());
    ends.into_iter().zip(said).collect()
}

fn act(node: &mut Node, now: Instant, peer: &Peer, said: Said) {
    match said.message.body {
        Body::Whisper => node.whisper(now, peer.uuid.into(), said.content).expect("a whisper"),
        Body::Shout { group } => {
            assert!(
                node.shout(now, &group.to_string_lossy(), said.content).is_ok_and(|peers| peers > 0),
                "others are in the group"
            );
        }
        Body::Join(change) => assert_eq!(node.join(now, &change.group.to_string_lossy()), Ok(true)),
        Body::Leave(change) => assert_eq!(node.leave(now, &change.group.to_string_lossy()), Ok(true)),
        // These a node says by itself.
        Body::Hello(_) | Body::Ping | Body::PingOk | Body::Elect { .. } | Body::Leader { .. } | Body::Goodbye => {}
        other => panic!("{other:?} is not in these sessions"),
    }
}

fn feed(node: &mut Node, now: Instant, conn: ConnId, data: &Bytes, chunk: usize) {
    for piece in data.chunks(chunk) {
        // What comes after the node has closed the connection is nobody's.
        let _ = node.handle(now, Input::Received { conn, data: Bytes::copy_from_slice(piece) });
    }
}

fn settle(node: &mut Node, now: Instant, spoken: &mut BTreeMap<ConnId, Vec<u8>>) -> Vec<(ConnId, Address)> {
    let mut connects = Vec::new();
    while let Some(action) = node.poll_action() {
        match action {
            Action::Connect { conn, to } => connects.push((conn, to)),
            Action::Writable { conn } | Action::Close { conn, .. } => loop {
                let mut chunks = [&[][..]; 8];
                let filled = node.transmit(conn, &mut chunks);
                let octets = chunks[..filled].concat();
                if octets.is_empty() {
                    break;
                }
                node.advance(now, conn, octets.len());
                spoken.entry(conn).or_default().extend(octets);
            },
            Action::Broadcast { .. } | Action::Reading { .. } => {}
        }
    }
    connects
}

/// An event as the recordings write it; what stock programs do not tell is left out.
pub fn seen(event: &Event) -> Option<Seen> {
    let frames = |content: &zre_engine::Content| content.iter().map(|frame| written(frame)).collect();
    Some(match event {
        Event::Enter { peer, name, headers, endpoint } => Seen::Enter {
            peer: (*peer).into(),
            name: name.to_string(),
            headers: headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            addr: endpoint.to_string(),
        },
        Event::Join { peer, group, .. } => Seen::Join { peer: (*peer).into(), group: group.to_string() },
        Event::Leave { peer, group, .. } => Seen::Leave { peer: (*peer).into(), group: group.to_string() },
        Event::Whisper { peer, content, .. } => Seen::Whisper { peer: (*peer).into(), frames: frames(content) },
        Event::Shout { peer, group, content, .. } => {
            Seen::Shout { peer: (*peer).into(), group: group.to_string(), frames: frames(content) }
        }
        Event::Leader { peer, group, .. } => Seen::Leader { peer: (*peer).into(), group: group.to_string() },
        Event::Exit { peer, .. } => Seen::Exit { peer: (*peer).into() },
        _ => return None,
    })
}
