//! What no driver does and no honest peer sends, put into a life: by the contract, a node bears it.

use crate::solo::{command, message, opening};
use bytes::Bytes;
use std::time::Duration;
use zre_engine::{
    Address, Config, ConnId, Content, Instant, IoCause, PeerId,
    sim::{Call, Life},
};
use zre_proto::{
    Message,
    message::{Body, Hello},
    zmtp::Command,
};

/// One trouble: when it comes, what it is, what it is about, and octets to do it with. Any values are one.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// So far into the life, in 65,536ths.
    pub when: u16,
    /// Which kind.
    pub kind: u8,
    /// Which of the life's connections, datagrams, calls.
    pub choice: u16,
    /// What is sent, or what spoils something that is sent.
    pub octets: Vec<u8>,
}

impl From<(u16, u8, u16, Vec<u8>)> for Trouble {
    fn from((when, kind, choice, octets): (u16, u8, u16, Vec<u8>)) -> Self {
        Self { when, kind, choice, octets }
    }
}

/// How many kinds of troubles there are.
const KINDS: u8 = 26;

/// A life with troubles in it.
pub fn troubled(mut life: Life, troubles: &[Trouble]) -> Life {
    for trouble in troubles {
        trouble.befall(&mut life);
    }
    life
}

impl Trouble {
    fn befall(&self, life: &mut Life) {
        let at = life.calls.len() * usize::from(self.when) / (1 << 16);
        let octets = Bytes::from(self.octets.clone());
        let choice = usize::from(self.choice);
        let first = self.octets.first().copied().unwrap_or(0);
        let call = match self.kind % KINDS {
            0 => Call::Datagram(([10, 0, 0, first], self.choice).into(), octets),
            1 => match self.pick(life, |call| matches!(call, Call::Datagram(..))) {
                Some(Call::Datagram(from, data)) => Call::Datagram(from, self.spoil(&data)),
                _ => return,
            },
            2 => Call::Received(self.conn(life), octets),
            3 => return change_next(life, at, false, |data| vec![self.spoil(&data)]),
            4 => {
                return change_next(life, at, false, |data| vec![data.slice(..choice % (data.len() + 1))]);
            }
            5 => return change_next(life, at, false, |data| vec![data.clone(), data]),
            6 => return change_next(life, at, false, |data| vec![octets.clone(), data]),
            7 => return change_next(life, at, false, |_| Vec::new()),
            8 => match self.pick(life, |call| matches!(call, Call::Received(..))) {
                // What came on one connection comes on another, too.
                Some(Call::Received(_, data)) => Call::Received(self.conn(life), data),
                _ => return,
            },
            9 => Call::Closed(
                self.conn(life),
                [IoCause::Finished, IoCause::Reset, IoCause::TimedOut][first as usize % 3],
            ),
            10 => Call::Connected(self.conn(life), address(first)),
            11 => Call::Advance(self.conn(life), [0, 1, 100, usize::MAX][first as usize % 4]),
            12 => Call::Accept(address(first), address(first.wrapping_add(1)), None),
            13 => [Call::LinkDown, Call::LinkUp([10, 0, 0, first].into()), Call::LinkUp([0; 16].into())]
                [first as usize % 3]
                .clone(),
            14 => Call::Listening(([10, 0, 0, first], self.choice).into()),
            15 => [Call::Timeout, Call::Start, Call::Stop][first as usize % 3].clone(),
            16 => Call::Consumed([usize::MAX, usize::from(self.choice)][first as usize % 2]),
            17 | 18 => match self.pick(life, |_| true) {
                Some(call) => call,
                None => return,
            },
            19 => return swap(life, at, choice),
            20 => return self.jump(life, at),
            21 | 22 => self.absurd(life),
            23 => Call::Received(invented(self.choice), octets),
            24 => return change_next(life, at, true, |_| vec![foul_opening(choice).into()]),
            _ => return change_next(life, at, false, |data| vec![foul_message(choice).into(), data]),
        };
        let now = life.calls.get(at).map_or(life.since, |(now, _)| *now);
        life.calls.insert(at, (now, call));
    }

    /// One of the life's calls of a sort.
    fn pick(&self, life: &Life, sort: impl Fn(&Call) -> bool) -> Option<Call> {
        let calls: Vec<_> = life.calls.iter().map(|(_, call)| call).filter(|call| sort(call)).collect();
        calls.get(usize::from(self.choice) % calls.len().max(1)).map(|call| (*call).clone())
    }

    /// A connection of the life: one that stands, or is gone, or is yet to come. Or one that never is.
    fn conn(&self, life: &Life) -> ConnId {
        let conn = self.pick(life, |call| {
            matches!(call, Call::Connected(..) | Call::Received(..) | Call::Closed(..) | Call::Accept(_, _, Some(_)))
        });
        match conn {
            Some(Call::Connected(conn, _) | Call::Received(conn, _) | Call::Closed(conn, _))
            | Some(Call::Accept(_, _, Some(conn))) => conn,
            _ => invented(self.choice),
        }
    }

    /// Some octets are others.
    fn spoil(&self, data: &Bytes) -> Bytes {
        let mut data = data.to_vec();
        let length = data.len().max(1);
        for (index, octet) in self.octets.iter().enumerate() {
            if let Some(spoilt) = data.get_mut((usize::from(self.choice) + index) % length) {
                *spoilt ^= octet;
            }
        }
        data.into()
    }

    /// All that follows comes later: by seconds, by days, or at the end of time.
    fn jump(&self, life: &mut Life, at: usize) {
        let by = match self.choice % 8 {
            0 => Duration::from_nanos(u64::MAX),
            1 => Duration::from_secs(86_400),
            2 => Duration::from_nanos(1),
            seconds => Duration::from_secs(u64::from(seconds) * 5),
        };
        for (now, _) in &mut life.calls[at..] {
            *now = *now + by;
        }
    }

    /// What an application may say at its worst.
    fn absurd(&self, life: &Life) -> Call {
        let text = "x".repeat(usize::from(self.choice) % 600);
        let peer = self.pick(life, |call| matches!(call, Call::Whisper(..) | Call::Disconnect(_)));
        let peer = match peer {
            Some(Call::Whisper(peer, _) | Call::Disconnect(peer)) => peer,
            _ => PeerId::from_octets([self.kind; 16]),
        };
        let frames: Content = self.octets.iter().map(|octet| Bytes::from(vec![*octet; usize::from(*octet)])).collect();
        match self.octets.len() % 8 {
            0 => Call::Join(text.into()),
            1 => Call::Leave(text.into()),
            2 => Call::SetHeader(text.into(), "".into()),
            3 => Call::SetHeader("x".into(), text.repeat(64).into()),
            4 => Call::Whisper(peer, frames),
            5 => Call::Shout("a".into(), frames),
            6 => Call::Shout(text.into(), frames),
            _ => Call::Disconnect(peer),
        }
    }
}

/// Other octets come in the place of those that come next, or next begin a connection.
fn change_next(life: &mut Life, at: usize, begins: bool, change: impl Fn(Bytes) -> Vec<Bytes>) {
    let sought = |call: &Call| matches!(call, Call::Received(_, data) if !begins || data.first() == Some(&0xFF));
    let next = life.calls[at..].iter().position(|(_, call)| sought(call));
    let Some(index) = next.map(|next| at + next) else { return };
    if let (now, Call::Received(conn, data)) = life.calls.remove(index) {
        let others = change(data).into_iter().map(|data| (now, Call::Received(conn, data)));
        life.calls.splice(index..index, others);
    }
}

/// A greeting as it should be, and after it what should not.
fn foul_opening(choice: usize) -> Vec<u8> {
    let mut octets = opening(["PUB", "DEALER", "ROUTER", ""][choice % 4], Bytes::from(vec![1; choice / 4 % 30]));
    if choice.is_multiple_of(5) {
        octets.truncate(64);
        octets.extend(command(&Command::Error { reason: "no".into() }));
    }
    octets
}

/// A message in good frames that breaks a rule.
fn foul_message(choice: usize) -> Vec<u8> {
    let names = |count: usize| (0..count).map(|number| number.to_string().into()).collect::<Vec<_>>();
    let hello = |groups: usize, headers: usize, twice: bool| {
        let headers = names(headers).into_iter().map(|name| (if twice { "k".into() } else { name }, "v".into()));
        Body::Hello(Hello {
            endpoint: "tcp://10.0.0.9:7000".into(),
            groups: names(groups),
            status: 1,
            name: "foul".into(),
            headers: headers.collect(),
        })
    };
    let many = vec![&b"x"[..]; 100];
    let (body, content): (_, &[&[u8]]) = match choice % 6 {
        0 => (Body::Ping, &[b"more"]),
        1 => (Body::Whisper, &many),
        2 => (hello(300, 0, false), &[]),
        3 => (hello(0, 200, false), &[]),
        4 => (hello(1, 2, true), &[]),
        // The greatest frame that can be declared, and nothing of it.
        _ => return vec![2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    };
    message(&Message { sequence: (choice / 6 % 3) as u16, body }, content)
}

/// Two calls change their places, but not their times.
fn swap(life: &mut Life, at: usize, by: usize) {
    let other = (at + by % 20).min(life.calls.len().saturating_sub(1));
    if at < other {
        let (head, tail) = life.calls.split_at_mut(other);
        std::mem::swap(&mut head[at].1, &mut tail[0].1);
    }
}

/// Addresses that sockets have, or hardly.
fn address(choice: u8) -> Address {
    match choice % 4 {
        0 => Address::Tcp(([10, 0, 0, choice], 40_000).into()),
        1 => Address::Tcp(([0, 0, 0, 0], 0).into()),
        2 => Address::Tcp(([0xFFFF; 8], u16::from(choice)).into()),
        _ => "ipc:///tmp/zre".parse().expect("an endpoint"),
    }
}

/// An id that some node has given to a connection.
fn invented(choice: u16) -> ConnId {
    let now = Instant::ZERO;
    let mut life = Life::new(Config::default(), [0; 32], now);
    life.calls.extend([Call::Listening(([10, 0, 0, 1], 1).into()), Call::Start].map(|call| (now, call)));
    let mut node = life.born();
    for (now, call) in &life.calls {
        call.make(&mut node, *now).expect("a good beginning");
    }
    let accept = Call::Accept(address(0), address(4), None);
    let mut taken = || accept.make(&mut node, now).ok().flatten().expect("there is room");
    let conns: Vec<_> = (0..=choice % 30).map(|_| taken()).collect();
    let conn = conns[conns.len() - 1];
    if choice < 1 << 15 {
        return conn;
    }
    // The same index once more.
    Call::Closed(conn, IoCause::Reset).make(&mut node, now).expect("it stands");
    accept.make(&mut node, now).ok().flatten().expect("there is room")
}
