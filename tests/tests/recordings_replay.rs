//! Our engine takes the place of one node in a recorded session: fed the other node's octets at their times, it tells
//! its application what the recorded one was told, and says what the recorded one said, octet for octet.

use bytes::Bytes;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, Instant, IoCause, LinkId, ListenerId, ListenerKind, Node,
};
use zre_proto::{
    message::{Body, Hello},
    zmtp::FrameDecoder,
};
use zre_tests::recording::{Peer, Recording, Said, Seen, Session, Stream, Transcript, assert_same_octets, written};

const LINK: LinkId = LinkId(0);
const LISTENER: ListenerId = ListenerId(0);

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

/// One node of a recording, to be played by ours, against the other.
struct Part<'a> {
    recording: &'a Recording,
    me: &'a str,
    session: Session<'a>,
    steps: BTreeMap<(Instant, usize), Step>,
}

fn at(seconds: f64) -> Instant {
    Instant::ZERO + Duration::from_secs_f64(seconds + 1.0)
}

impl<'a> Part<'a> {
    fn new(recording: &'a Recording, me: &'a str) -> Self {
        let session = recording.sessions().into_iter().find(|session| session.stream.from == me).expect("a session");
        let mut part = Self { recording, me, session, steps: BTreeMap::new() };
        for (index, stream) in recording.streams.iter().enumerate() {
            if stream.from == me || stream.chunks.is_empty() {
                continue;
            }
            let udp = recording.datagrams().any(|other| std::ptr::eq(other, stream));
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
    fn play(self, chunk: usize) -> (Vec<Event>, Vec<Vec<u8>>) {
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
        node.handle(now, Input::LinkUp { link: LINK, address: mailbox.ip(), mailbox: LISTENER }).expect("a link");
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
                    let conn = node.accept(now, LISTENER, Address::Tcp(src), Address::Tcp(mailbox));
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
                    |stream: &&Stream| !stream.opener && stream.from != self.me && Address::Tcp(stream.src) == to;
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
            assert_eq!(node.shout(now, &group.to_str(), said.content), Ok(1), "the other is in the group");
        }
        Body::Join(change) => assert_eq!(node.join(now, &change.group.to_str()), Ok(true)),
        Body::Leave(change) => assert_eq!(node.leave(now, &change.group.to_str()), Ok(true)),
        // These a node says by itself.
        Body::Hello(_) | Body::Ping | Body::PingOk => {}
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
fn seen(event: &Event) -> Option<Seen> {
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
        Event::Exit { peer, .. } => Seen::Exit { peer: (*peer).into() },
        _ => return None,
    })
}

/// What the recorded application was told of the other node, as far as all programs tell it.
fn recorded(events: &[Seen], stopped_first: bool) -> Vec<Seen> {
    let mut events: Vec<_> =
        events.iter().filter(|event| !matches!(event, Seen::Other | Seen::Stop)).cloned().collect();
    // zyre.js may tell a JOIN before its ENTER.
    if let Some(enter) = events.iter().position(|event| matches!(event, Seen::Enter { .. })) {
        let enter = events.remove(enter);
        events.insert(0, enter);
    }
    // The node that stopped first has not seen the other go.
    assert!(stopped_first || events.iter().any(|event| matches!(event, Seen::Exit { .. })));
    events
}

fn replays(name: &str) {
    let recording = Recording::load(name);
    for (me, stopped_first) in [("A", true), ("B", false)] {
        for chunk in [usize::MAX, 7, 1] {
            let part = Part::new(&recording, me);
            let (events, spoken) = part.play(chunk);
            let ours: Vec<_> = events.iter().filter_map(seen).collect();
            let theirs = recorded(&recording.peers[me].events, stopped_first);
            assert_eq!(ours[..theirs.len().min(ours.len())], theirs, "{name}, {me}");
            // After its own stop the recorded node was told nothing; ours lived on to see the other's connections end.
            let more = &ours[theirs.len()..];
            let allowed = if stopped_first { 1 } else { 0 };
            assert!(more.len() <= allowed && more.iter().all(|seen| matches!(seen, Seen::Exit { .. })), "{more:?}");
            said_the_same(&Part::new(&recording, me).session, &spoken);
        }
    }
}

/// Our DEALER's octets: the greeting, READY (ours has one property more) and, message by message, the recorded ones,
/// up to the PINGs, which each program says at times of its own.
fn said_the_same(session: &Session<'_>, spoken: &[Vec<u8>]) {
    let dealers = spoken.iter().map(|octets| Transcript::decode([Bytes::copy_from_slice(octets)]).expect("it decodes"));
    let dealer =
        dealers.into_iter().find(|transcript| transcript.messages().next().is_some()).expect("we said something");
    let theirs = &session.transcript;
    assert_eq!(dealer.greeting.mechanism, theirs.greeting.mechanism);
    let (our_ready, their_ready) = (dealer.ready().expect("READY"), theirs.ready().expect("READY"));
    for (name, value) in their_ready.iter() {
        assert_eq!(our_ready.get(&name.to_str()), Some(value), "{name}");
    }
    let ping = |said: &Said| matches!(said.message.body, Body::Ping | Body::PingOk);
    let before_pings = session.said.iter().take_while(|said| !ping(said)).count();
    assert!(before_pings >= 4, "the recording is worth a comparison");
    for (index, theirs) in theirs.messages().take(before_pings).enumerate() {
        let ours = dealer.messages().nth(index).unwrap_or_else(|| panic!("message {index} is missing"));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_same_octets(ours, theirs, format_args!("message {index}"));
        }
    }
}

#[test]
fn in_the_place_of_a_pyre() {
    replays("zre_pyre_pyre");
}

#[test]
fn in_the_place_of_a_zyre() {
    replays("zre_zyre_zyre");
}

#[test]
fn in_the_place_of_a_zyre_js() {
    replays("zre_zyrejs_zyrejs");
}

#[test]
fn in_mixed_company() {
    for name in ["mixed_zyre_pyre", "mixed_zyre_zyrejs", "mixed_pyre_zyrejs"] {
        replays(name);
    }
}
