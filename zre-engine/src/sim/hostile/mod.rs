//! Machines on which no node runs but somebody who means ill: he forges beacons and HELLOs, claims the names and places of
//! others, floods, stalls, and talks nonsense.
//!
//! A hostile machine hears all beacons, so it knows who is there. Datagrams can be sent in anybody's name, and it does so;
//! connections come from its own address, for TCP shows where they come from. Two things it leaves alone, for against them
//! the protocol has no means without CURVE: to say *in a node's own address* that it leaves, and to be a node before that
//! node has been met.

mod words;

use super::{
    Sim,
    arrive::BEACONS,
    dice::{Dice, Topic},
    host::Arrival,
    trace::{Flag, What},
    wire::{Packet, Phase, Socket},
};
use crate::{IoCause, PeerId, app::App};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BinaryHeap, VecDeque},
    net::{Ipv4Addr, SocketAddrV4},
};
use uuid::Uuid;
use words::{Guise, Script};
use zre_proto::Beacon;

/// Where hostile machines are: the first, and so many after it.
const FIRST: [u8; 4] = [10, 255, 0, 1];

/// Where a hostile machine lets others connect to.
const TRAP: u16 = 6666;

/// Between two things that it does, in nanoseconds: a moment, at least and at most.
const PACE: (u64, u64) = (5_000_000, 60_000_000);

/// The most connections that one holds; the oldest is given up for a new one.
const LINES: usize = 48;

/// A hostile machine. Its number among all machines comes after those of the nodes.
#[derive(Debug)]
pub(super) struct Hostile {
    pub(super) address: Ipv4Addr,
    dice: Dice,
    /// When it does something next; never once it has been silenced.
    next: u64,
    inbox: BinaryHeap<Arrival>,
    arrivals: u64,
    datagrams: u64,
    connects: u32,
    /// Whose beacons it has heard: where, and who.
    heard: BTreeMap<Ipv4Addr, (Uuid, u16)>,
    /// What it forged last: it may say that again and again.
    forged: Option<(Ipv4Addr, Bytes)>,
    lines: VecDeque<Line>,
}

/// A connection, and what is still to be said on it.
#[derive(Debug)]
struct Line {
    socket: Socket,
    open: bool,
    script: Script,
    /// It takes what comes; else it lets it lie.
    reads: bool,
    /// It is ended when all is said.
    hangs_up: bool,
}

impl Hostile {
    pub(super) fn new(seed: u64, number: usize) -> Self {
        let mut dice = Dice::new(seed, Topic::Hostile, [number as u64, 0, 0]);
        let [a, b, c, d] = FIRST;
        Self {
            address: Ipv4Addr::from(u32::from_be_bytes([a, b, c, d]) + number as u32),
            next: dice.between(PACE.0, PACE.1),
            dice,
            inbox: BinaryHeap::new(),
            arrivals: 0,
            datagrams: 0,
            connects: 0,
            heard: BTreeMap::new(),
            forged: None,
            lines: VecDeque::new(),
        }
    }

    pub(super) fn deliver(&mut self, at: u64, packet: Packet) {
        self.arrivals += 1;
        self.inbox.push(Arrival { at, order: self.arrivals, packet });
    }

    pub(super) fn due(&self) -> u64 {
        self.inbox.peek().map_or(self.next, |arrival| arrival.at.min(self.next))
    }

    fn line(&mut self, socket: Socket) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.socket == socket)
    }

    fn made_up(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.dice.next(), self.dice.next())
    }

    /// Somebody who is there.
    fn victim(&mut self) -> Option<(Ipv4Addr, Uuid, u16)> {
        let which = self.dice.below(self.heard.len() as u64) as usize;
        self.heard.iter().nth(which).map(|(at, (uuid, port))| (*at, *uuid, *port))
    }

    /// A beacon that says what is not so, and the address that it seems to come from.
    fn forge(&mut self) -> Option<(Ipv4Addr, Beacon)> {
        let (at, uuid, port) = self.victim()?;
        let other_port = self.dice.between(1, 65535) as u16;
        let own = self.address;
        let (from, uuid, port) = match self.dice.below(8) {
            // Somebody who is not.
            0 => (own, self.made_up(), TRAP),
            1 => (own, self.made_up(), other_port),
            2 => (at, self.made_up(), port),
            3 => (at, self.made_up(), other_port),
            // Somebody who is, elsewhere.
            4 => (own, uuid, TRAP),
            5 => (own, uuid, other_port),
            6 => (at, uuid, other_port),
            // Somebody who is, and does not leave.
            _ => (own, uuid, 0),
        };
        Some((from, Beacon { uuid, port, public_key: None }))
    }
}

impl<A: App> Sim<A> {
    /// The hostile machine of this number among all machines.
    fn hostile(&mut self, machine: usize) -> &mut Hostile {
        let nodes = self.hosts.len();
        &mut self.hostiles[machine - nodes]
    }

    /// One thing happens at a hostile machine.
    pub(super) fn hostile_turn(&mut self, machine: usize) {
        let now = self.now;
        let hostile = self.hostile(machine);
        if hostile.inbox.peek().is_some_and(|arrival| arrival.at <= now) {
            if let Some(arrival) = hostile.inbox.pop() {
                self.hostile_hears(machine, arrival.packet);
            }
        } else if hostile.next <= now {
            hostile.next = now + hostile.dice.between(PACE.0, PACE.1);
            self.hostile_acts(machine);
        }
        let due = self.hostile(machine).due();
        self.agenda.set(machine, due);
    }

    fn hostile_hears(&mut self, machine: usize, packet: Packet) {
        match packet {
            Packet::Datagram { from, data } => {
                if let Ok(Beacon { uuid, port: port @ 1.., .. }) = Beacon::decode(&data) {
                    self.hostile(machine).heard.insert(from, (uuid, port));
                }
            }
            Packet::Syn { to } => self.hostile_asked(machine, to),
            Packet::Opened { to } => {
                if let Some(end) = self.wires.end_mut(to).filter(|end| end.phase == Phase::Opening) {
                    end.phase = Phase::Open;
                    self.hostile(machine).line(to).into_iter().for_each(|line| line.open = true);
                }
            }
            Packet::Octets { to, data } => {
                if self.hostile(machine).line(to).is_some_and(|line| line.reads) {
                    self.make_room(to, data.len());
                }
            }
            Packet::Failed { to, .. } | Packet::Ended { to, .. } => {
                self.wires.leave(to);
                self.hostile(machine).lines.retain(|line| line.socket != to);
            }
            Packet::Boot | Packet::Room { .. } => {}
        }
    }

    /// Somebody was lured here.
    fn hostile_asked(&mut self, machine: usize, to: Socket) {
        let Some(wire) = self.wires.get(to) else { return };
        let gone = wire.ends[0].phase == Phase::Gone;
        let trapped = wire.addresses[1].port() == TRAP;
        let hostile = self.hostile(machine);
        let refuses = !trapped || hostile.next == u64::MAX || hostile.dice.below(4) == 0;
        if gone {
            return self.wires.leave(to);
        }
        if refuses {
            self.ship(to, Packet::Failed { to: to.other(), cause: IoCause::Refused }, None);
            return self.wires.leave(to);
        }
        if let Some(end) = self.wires.end_mut(to) {
            end.phase = Phase::Open;
        }
        self.ship(to, Packet::Opened { to: to.other() }, Some(Flag::SynAck));
        let hostile = self.hostile(machine);
        let (script, reads) = (words::answer(&mut hostile.dice), hostile.dice.below(3) > 0);
        let hangs_up = hostile.dice.below(4) == 0;
        self.hold(machine, Line { socket: to, open: true, script, reads, hangs_up });
    }

    fn hold(&mut self, machine: usize, line: Line) {
        let hostile = self.hostile(machine);
        hostile.lines.push_back(line);
        if hostile.lines.len() > LINES
            && let Some(oldest) = hostile.lines.pop_front()
        {
            self.leave_wire(oldest.socket, IoCause::Reset);
        }
    }

    fn hostile_acts(&mut self, machine: usize) {
        match self.hostile(machine).dice.below(10) {
            0 | 1 => {
                for _ in 0..=self.hostile(machine).dice.below(20) {
                    self.hostile_beacon(machine);
                }
            }
            2 | 3 => self.hostile_calls(machine),
            4 => {
                let hostile = self.hostile(machine);
                let which = hostile.dice.below(hostile.lines.len() as u64) as usize;
                let cause = [IoCause::Finished, IoCause::Reset][hostile.dice.below(2) as usize];
                if let Some(line) = hostile.lines.remove(which) {
                    self.leave_wire(line.socket, cause);
                }
            }
            _ => self.hostile_speaks(machine),
        }
    }

    fn hostile_beacon(&mut self, machine: usize) {
        let hostile = self.hostile(machine);
        let number = hostile.datagrams;
        hostile.datagrams += 1;
        let again = hostile.forged.clone().filter(|_| hostile.dice.below(3) == 0);
        let octets = match again.or_else(|| hostile.forge().map(|(from, beacon)| (from, beacon.encode()))) {
            Some(octets) if hostile.dice.below(20) > 0 => octets,
            Some((from, beacon)) => (from, beacon.slice(..hostile.dice.below(beacon.len() as u64) as usize)),
            None => return,
        };
        hostile.forged = Some(octets.clone());
        self.spread(machine, octets, number);
    }

    /// Sends a datagram to all, in the name of an address.
    fn spread(&mut self, machine: usize, (from, data): (Ipv4Addr, Bytes), number: u64) {
        for to in 0..self.hosts.len() {
            let mut dice = Dice::new(self.seed, Topic::Datagram, [(machine as u64) << 32 | to as u64, number, 0]);
            if dice.happens(self.network.udp.loss) {
                continue;
            }
            let latency = dice.duration(self.network.udp.latency.0, self.network.udp.latency.1);
            let at = self.now + super::dice::nanos(latency);
            self.post(to, at, Packet::Datagram { from, data: data.clone() });
        }
        if let Some(trace) = &mut self.trace {
            let from = SocketAddrV4::new(from, BEACONS);
            trace.push(self.now, machine, What::Datagram { from, data, lost: 0 });
        }
    }

    /// Connects to somebody.
    fn hostile_calls(&mut self, machine: usize) {
        let Some((at, _, port)) = self.hostile(machine).victim() else { return };
        let Some(victim) = self.addresses.get(&at).copied().filter(|victim| *victim < self.hosts.len()) else { return };
        let guise = self.guise(machine, victim);
        let hostile = self.hostile(machine);
        hostile.connects += 1;
        let (script, reads) = (words::call(&mut hostile.dice, &guise), hostile.dice.below(3) > 0);
        let count = hostile.connects;
        let own = SocketAddrV4::new(hostile.address, 10_000 + (count % 50_000) as u16);
        let socket = self.wires.open((machine, None), victim, count, [own, SocketAddrV4::new(at, port)]);
        self.ship(socket, Packet::Syn { to: socket.other() }, Some(Flag::Syn));
        let hangs_up = self.hostile(machine).dice.below(4) == 0;
        self.hold(machine, Line { socket, open: false, script, reads, hangs_up });
    }

    /// Who to be towards a node.
    fn guise(&mut self, machine: usize, victim: usize) -> Guise {
        let hostile = self.hostile(machine);
        let uuid = hostile.made_up();
        let trap = format!("tcp://{}:{TRAP}", hostile.address);
        let Some((at, other, port)) = hostile.victim() else { return Guise { uuid, endpoint: trap, stolen: false } };
        let other_port = hostile.dice.between(1, 65535);
        let endpoint = match hostile.dice.below(6) {
            0 => format!("tcp://{at}:{port}"),
            1 => format!("tcp://{}:{other_port}", hostile.address),
            2 => "tcp://127.0.0.1:22".into(),
            _ => trap,
        };
        let steals = hostile.dice.below(3) == 0 && self.is_known_to(victim, other.into());
        Guise { uuid: if steals { other } else { uuid }, endpoint, stolen: steals }
    }

    /// Whether a node has met another, and nothing has come between the two.
    fn is_known_to(&self, node: usize, id: PeerId) -> bool {
        let there = (0..self.hosts.len()).find(|there| self.lives(*there) && self.id(*there) == id);
        let met = self.lives(node) && self.node(node).peer(id).is_some();
        met && there.is_some_and(|there| there != node && !self.watch.is_disturbed(self.now, node, there))
    }

    /// Says the next pieces on some connection.
    fn hostile_speaks(&mut self, machine: usize) {
        let hostile = self.hostile(machine);
        let which = hostile.dice.below(hostile.lines.len() as u64) as usize;
        let pieces = 1 + hostile.dice.below(40);
        let window = self.network.tcp.window.max(1);
        for _ in 0..pieces {
            let Some(line) = self.hostile(machine).lines.get_mut(which).filter(|line| line.open) else { return };
            let (socket, hangs_up) = (line.socket, line.hangs_up);
            let Some(piece) = line.script.pop_front() else {
                if hangs_up {
                    self.hostile(machine).lines.remove(which);
                    self.leave_wire(socket, IoCause::Finished);
                }
                return;
            };
            let Some(end) = self.wires.end_mut(socket).filter(|end| end.phase == Phase::Open) else { return };
            if u64::from(end.under_way) + piece.len() as u64 > u64::from(window) {
                return;
            }
            end.under_way += piece.len() as u32;
            self.ship(socket, Packet::Octets { to: socket.other(), data: piece }, None);
        }
    }

    /// All hostile machines fall silent for good. Their connections end.
    pub(super) fn silence_hostiles(&mut self) {
        for machine in self.hosts.len()..self.hosts.len() + self.hostiles.len() {
            let hostile = self.hostile(machine);
            hostile.next = u64::MAX;
            for line in std::mem::take(&mut hostile.lines) {
                self.leave_wire(line.socket, IoCause::Finished);
            }
            let due = self.hostile(machine).due();
            self.agenda.set(machine, due);
        }
    }
}
