//! Octets of the input, made into calls, with what the node answered in mind.

use super::{
    doing::Doing,
    run::{Manner, Run, SINCE},
    say::{GROUPS, OWN, gossip, handshake, hello, place, say, uuid},
    step::Step,
};
use arbitrary::Unstructured;
use bytes::Bytes;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use zre_engine::{
    Action, Address, Config, ConnId, Content, Event, Instant, IoCause, LinkId, ListenerId, ListenerKind, sim::Call,
};
use zre_proto::{Beacon, Message, message::Body};
use zre_tests::solo::message;

/// So many things happen at most, and so many deadlines are kept while time passes.
const DOINGS: usize = 200;
const DEADLINES: usize = 40;

/// Who connected, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
    Client,
}

/// Makes calls, and writes them down.
pub(super) struct Author {
    pub(super) run: Run,
    pub(super) steps: Vec<(Instant, Step)>,
    now: Instant,
    conns: Vec<(ConnId, Way)>,
    /// The number of the last message on each connection.
    numbers: BTreeMap<ConnId, u16>,
    /// The connection on which each peer last said HELLO.
    met: BTreeMap<u8, ConnId>,
    hubs: BTreeMap<ListenerId, bool>,
    /// So many actions and events were looked at.
    seen: (usize, usize),
    waiting: usize,
    stalled: bool,
    spoil: Option<(u8, u8)>,
    cut: Option<u8>,
}

/// The configuration that an octet stands for.
pub(super) fn config(traits: u8) -> Config {
    let mut config = Config::default();
    config.uuid = Some(OWN);
    if traits & 1 != 0 {
        (config.limits.events, config.limits.send_queue) = (2000, 1500);
    }
    config.heartbeat = (traits & 2 != 0).then_some(Duration::from_secs(2));
    config.send_only = traits & 4 != 0;
    config.trust_advertised = traits & 8 != 0;
    if traits & 16 != 0 {
        let limits = &mut config.limits;
        (limits.peers, limits.peers_of_host, limits.strangers, limits.strangers_of_host) = (3, 2, 2, 1);
        (limits.spare_connections, limits.callers_of_host, limits.callers_of_this_host) = (2, 2, 2);
        (limits.new_peers, limits.new_peers_per_second, limits.tuples, limits.hub_clients) = (8, 1, 3, 2);
    }
    if traits & 32 != 0 {
        let limits = &mut config.limits;
        (limits.message, limits.frames, limits.hello, limits.groups, limits.headers) = (600, 3, 1024, 3, 4);
    }
    config.name = (traits & 64 != 0).then(|| "node".into());
    config
}

impl Author {
    /// A node of a configuration, already listening and started unless the highest bit says otherwise.
    pub(super) fn new(traits: u8) -> Option<Self> {
        let mut author = Self {
            run: Run::new(config(traits))?,
            steps: Vec::new(),
            now: SINCE,
            conns: Vec::new(),
            numbers: BTreeMap::new(),
            met: BTreeMap::new(),
            hubs: BTreeMap::new(),
            seen: (0, 0),
            waiting: 0,
            stalled: false,
            spoil: None,
            cut: None,
        };
        if traits & 128 == 0 {
            author.listening(0, 0);
            author.listening(1, 1);
            author.link_up(0, 1, 0);
            author.call(Call::Start);
        }
        Some(author)
    }

    /// Does all that the input says.
    pub(super) fn write(&mut self, source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        for _ in 0..DOINGS {
            if source.is_empty() {
                break;
            }
            let doing: u8 = source.arbitrary()?;
            self.act(Doing::ALL[usize::from(doing) % Doing::ALL.len()], source)?;
        }
        Ok(())
    }

    fn step(&mut self, step: impl Into<Step>) -> Option<ConnId> {
        let step = step.into();
        let accepted = self.run.call(self.now, &step, &Manner::default());
        self.steps.push((self.now, step));
        self.drain();
        accepted
    }

    fn call(&mut self, call: Call) -> Option<ConnId> {
        self.step(call)
    }

    /// Takes what there is to do and to hear, and writes what the sockets take.
    fn drain(&mut self) {
        self.run.poll_all();
        for action in &self.run.actions[self.seen.0..] {
            if let Action::Connect { conn, .. } = action {
                self.conns.push((*conn, Way::Out));
            }
        }
        self.waiting += self.run.events[self.seen.1..].iter().map(Event::octets).sum::<usize>();
        self.seen = (self.run.actions.len(), self.run.events.len());
        for (conn, _) in &self.conns {
            let told = self.run.writable.contains(conn);
            assert!(told || self.run.output(*conn) == 0, "no Writable for what {conn} has to write");
        }
        if self.stalled {
            return;
        }
        // Each once: what that brings about is written after the next call.
        for conn in self.run.writable.clone() {
            let step = Step::Write(conn, self.run.output(conn));
            self.run.call(self.now, &step, &Manner::default());
            self.steps.push((self.now, step));
        }
    }

    fn pick(&self, index: u8) -> Option<(ConnId, Way)> {
        // The last ones have small numbers.
        let index = usize::from(index) % self.conns.len().max(1);
        self.conns.iter().rev().nth(index).copied()
    }

    fn next_number(&mut self, conn: ConnId) -> u16 {
        let number = self.numbers.entry(conn).or_insert(0);
        *number = number.wrapping_add(1);
        *number
    }

    fn receive(&mut self, conn: ConnId, mut octets: Vec<u8>) {
        if let Some((at, mask)) = self.spoil.take() {
            let at = usize::from(at) % octets.len().max(1);
            octets.get_mut(at).into_iter().for_each(|octet| *octet ^= mask);
        }
        if let Some(at) = self.cut.take() {
            octets.truncate(usize::from(at) % (octets.len() + 1));
        }
        self.call(Call::Received(conn, octets.into()));
    }

    fn listening(&mut self, listener: u8, variant: u8) {
        let hub = variant & 1 != 0;
        let number = listener % 3;
        let at: Address = match variant / 2 % 8 {
            6 => "ipc:///tmp/zre".parse().expect("an endpoint"),
            7 => Address::Tcp(([10, 0, 0, 1], 0).into()),
            _ => Address::Tcp(([10, 0, 0, 1], 9000 + u16::from(number)).into()),
        };
        let advertise = (variant & 64 != 0).then(|| Address::Tcp(([192, 0, 2, 1], 80).into()));
        let kind = if hub { ListenerKind::Hub } else { ListenerKind::Mailbox };
        let listener = ListenerId(number.into());
        self.hubs.insert(listener, hub);
        self.step(Step::Listening { listener, kind, at, advertise });
    }

    fn link_up(&mut self, link: u8, address: u8, mailbox: u8) {
        let address = match address % 8 {
            6 => [0xFD00, 0, 0, 0, 0, 0, 0, 1].into(),
            7 => [127, 0, 0, 1].into(),
            address => [10, 0, 0, address].into(),
        };
        let (link, mailbox) = (LinkId((link % 3).into()), ListenerId((mailbox % 4).into()));
        self.step(Step::LinkUp { link, address, mailbox });
    }

    fn beacon(&mut self, peer: u8, variant: u8) {
        let port = if variant & 1 != 0 { 0 } else { place(peer).port() };
        let public_key = (variant & 2 != 0).then_some([peer; 32]);
        let from = if variant & 4 != 0 { place(peer.wrapping_add(1)) } else { place(peer) };
        let data = Beacon { uuid: uuid(peer), port, public_key }.encode();
        self.step(Step::Datagram(LinkId((variant >> 6).into()), SocketAddr::new(from.ip(), 5670), data));
    }

    fn accept(&mut self, listener: u8, peer: u8, variant: u8) -> Option<ConnId> {
        let listener = ListenerId((listener % 4).into());
        let from = match variant % 8 {
            7 => "ipc:///tmp/zre".parse().expect("an endpoint"),
            variant => Address::Tcp(SocketAddr::new(place(peer).ip(), 40_000 + u16::from(variant))),
        };
        let local = Address::Tcp(([10, 0, 0, 1], 9000).into());
        let conn = self.step(Step::Accept(listener, from, local))?;
        let way = if self.hubs.get(&listener) == Some(&true) { Way::Client } else { Way::In };
        self.conns.push((conn, way));
        Some(conn)
    }

    fn meet(&mut self, peer: u8, detail: u8) {
        let before = self.conns.len();
        self.beacon(peer, 0);
        let reached: Vec<_> = self.conns[before..].iter().map(|(conn, _)| *conn).collect();
        for conn in reached {
            self.call(Call::Connected(conn, Address::Tcp(([10, 0, 0, 1], 50_000).into())));
            self.receive(conn, handshake(peer, true, false, 0));
        }
        let Some(conn) = self.accept(0, peer, 0) else { return };
        self.met.insert(peer % 8, conn);
        let number = self.next_number(conn);
        let hello = Message { sequence: number, body: Body::Hello(hello(peer, detail)) };
        let octets = [handshake(peer, false, false, 0), message(&hello, &[])].concat();
        self.receive(conn, octets);
    }

    fn burst(&mut self, peer: u8, count: u8, length: u8, odd: u8) {
        let Some(conn) = self.met.get(&(peer % 8)).copied() else { return };
        let mut octets = Vec::new();
        for index in 0..count % 64 {
            // Whispers and shouts in turns, and one that is anything.
            let what = if index == odd { odd } else { [0, 5][usize::from(index / 4) % 2] };
            let detail = if index == odd { length } else { length & !7 };
            octets.extend(say(peer, what, detail, self.next_number(conn)));
        }
        self.receive(conn, octets);
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..DEADLINES {
            let Some(deadline) = self.run.node.poll_timeout().filter(|deadline| deadline.at <= end) else { break };
            self.now = self.now.max(deadline.at);
            self.call(Call::Timeout);
        }
        self.now = end;
        self.call(Call::Timeout);
    }

    fn act(&mut self, doing: Doing, source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        match doing {
            Doing::Pass => {
                let [unit, count] = source.arbitrary()?;
                self.pass(time(unit, count));
            }
            Doing::Jump => {
                let [unit, count] = source.arbitrary()?;
                self.now = self.now + time(unit, count);
                self.call(Call::Timeout);
            }
            Doing::Meet => {
                let [peer, detail] = source.arbitrary()?;
                self.meet(peer, detail);
            }
            Doing::Tell => {
                let [peer, what, detail]: [u8; 3] = source.arbitrary()?;
                if let Some(conn) = self.met.get(&(peer % 8)).copied() {
                    let number = self.next_number(conn).wrapping_add(if peer >= 240 { 1 } else { 0 });
                    self.receive(conn, say(peer, what, detail, number));
                }
            }
            Doing::Burst => {
                let [peer, count, length, odd] = source.arbitrary()?;
                self.burst(peer, count, length, odd);
            }
            Doing::Say => {
                let [conn, peer, what, detail] = source.arbitrary()?;
                if let Some((conn, _)) = self.pick(conn) {
                    let number = self.next_number(conn);
                    self.receive(conn, say(peer, what, detail, number));
                }
            }
            Doing::Handshake => {
                let [conn, peer, variant] = source.arbitrary()?;
                if let Some((conn, way)) = self.pick(conn) {
                    self.receive(conn, handshake(peer, way == Way::Out, way == Way::Client, variant));
                }
            }
            Doing::Gossip => {
                let [conn, peer, what, detail] = source.arbitrary()?;
                if let Some((conn, _)) = self.pick(conn) {
                    self.receive(conn, gossip(peer, what, detail));
                }
            }
            Doing::Octets => {
                let conn = source.arbitrary()?;
                let octets = octets(source)?;
                if let Some((conn, _)) = self.pick(conn) {
                    self.receive(conn, octets);
                }
            }
            Doing::Spoil => self.spoil = Some(source.arbitrary()?),
            Doing::Cut => self.cut = Some(source.arbitrary()?),
            Doing::Beacon => {
                let [peer, variant] = source.arbitrary()?;
                self.beacon(peer, variant);
            }
            Doing::Datagram => {
                let [link, peer]: [u8; 2] = source.arbitrary()?;
                let from = place(peer);
                let data = octets(source)?.into();
                self.step(Step::Datagram(LinkId((link % 4).into()), from, data));
            }
            Doing::Accept => {
                let [listener, peer, variant] = source.arbitrary()?;
                self.accept(listener, peer, variant);
            }
            Doing::Connected | Doing::Closed | Doing::Resolved | Doing::Advance => {
                let [conn, detail] = source.arbitrary()?;
                if let Some((conn, _)) = self.pick(conn) {
                    self.call(about(doing, conn, detail));
                }
            }
            Doing::Listening => {
                let [listener, variant] = source.arbitrary()?;
                self.listening(listener, variant);
            }
            Doing::LinkUp => {
                let [link, address, mailbox] = source.arbitrary()?;
                self.link_up(link, address, mailbox);
            }
            Doing::LinkDown => {
                let link: u8 = source.arbitrary()?;
                self.step(Step::LinkDown(LinkId((link % 4).into())));
            }
            Doing::Flood => {
                let peer: u8 = source.arbitrary()?;
                let stalled = std::mem::replace(&mut self.stalled, true);
                for _ in 0..8 {
                    self.call(Call::Whisper(uuid(peer).into(), vec![peer; 400].into()));
                }
                self.stalled = stalled;
            }
            Doing::Stall => {
                self.stalled = !self.stalled;
                self.drain();
            }
            Doing::Consumed => {
                let octets = match source.arbitrary::<u8>()? {
                    255 => std::mem::take(&mut self.waiting),
                    254 => usize::MAX,
                    some => 8 * usize::from(some),
                };
                self.waiting = self.waiting.saturating_sub(octets);
                self.call(Call::Consumed(octets));
            }
            doing => {
                let call = application(doing, source)?;
                self.call(call);
            }
        }
        Ok(())
    }
}

/// What happens to a connection.
fn about(doing: Doing, conn: ConnId, detail: u8) -> Call {
    const CAUSES: [IoCause; 8] = [
        IoCause::Finished,
        IoCause::Reset,
        IoCause::Refused,
        IoCause::Unreachable,
        IoCause::TimedOut,
        IoCause::Unresolved,
        IoCause::Exhausted,
        IoCause::Other,
    ];
    match doing {
        Doing::Connected => Call::Connected(conn, address(detail)),
        Doing::Closed => Call::Closed(conn, CAUSES[usize::from(detail) % CAUSES.len()]),
        Doing::Resolved => Call::Resolved(conn, place(detail)),
        _ => Call::Advance(conn, if detail == 255 { usize::MAX } else { detail.into() }),
    }
}

/// What an application does.
fn application(doing: Doing, source: &mut Unstructured<'_>) -> arbitrary::Result<Call> {
    let text = |length: u8| -> std::sync::Arc<str> { "x".repeat(2 * usize::from(length)).into() };
    let mut octet = || source.arbitrary::<u8>();
    let group = |choice: u8| match choice {
        0..128 => GROUPS[usize::from(choice) % 4].into(),
        long => text(long),
    };
    Ok(match doing {
        Doing::Start => Call::Start,
        Doing::Stop => Call::Stop,
        Doing::Join => Call::Join(group(octet()?)),
        Doing::Leave => Call::Leave(group(octet()?)),
        Doing::Contest => Call::Contest(group(octet()?)),
        Doing::Whisper => Call::Whisper(uuid(octet()?).into(), content(octet()?, octet()?)),
        Doing::Shout => Call::Shout(group(octet()?), content(octet()?, octet()?)),
        Doing::SetHeader => Call::SetHeader(text(octet()?), text(octet()?)),
        Doing::Disconnect => Call::Disconnect(uuid(octet()?).into()),
        Doing::GossipConnect => Call::GossipConnect(address(octet()?)),
        Doing::RequirePeer => {
            let peer = octet()?;
            Call::RequirePeer((peer < 128).then(|| uuid(peer).into()), address(octet()?))
        }
        _ => Call::Timeout,
    })
}

/// Frames of an application's message: some long, some none.
fn content(count: u8, length: u8) -> Content {
    let length = if length < 240 { length.into() } else { 1000 * (usize::from(length) - 239) };
    (0..count % 5).map(|number| Bytes::from(vec![number; length])).collect()
}

/// Addresses that can be reached, and others.
fn address(choice: u8) -> Address {
    match choice % 16 {
        0..8 => Address::Tcp(place(choice)),
        8 => Address::Tcp(([10, 0, 0, 1], 9000).into()),
        9 => Address::Tcp(([10, 0, 0, 1], 9001).into()),
        10 => Address::Tcp(([0, 0, 0, 0], 7000).into()),
        11 => Address::Tcp(([224, 0, 0, 1], 7000).into()),
        12 => Address::Tcp(([10, 0, 0, 9], 0).into()),
        13 => Address::Name { host: "hub".into(), port: 7000 },
        14 => "ipc:///tmp/hub".parse().expect("an endpoint"),
        _ => "inproc://hub".parse().expect("an endpoint"),
    }
}

fn octets(source: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let length: u8 = source.arbitrary()?;
    Ok(source.bytes(source.len().min(usize::from(length % 80)))?.to_vec())
}

/// So much time: from nothing to more than there is.
fn time(unit: u8, count: u8) -> Duration {
    const SECOND: u64 = 1_000_000_000;
    const UNITS: [u64; 8] =
        [1, SECOND / 1000, SECOND / 10, SECOND, SECOND, 10 * SECOND, 86_400 * SECOND, u64::MAX / 100];
    Duration::from_nanos(UNITS[usize::from(unit) % 8].saturating_mul(count.into()))
}
