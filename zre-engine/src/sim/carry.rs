//! What a node wants done: beacons sent, connections opened, octets written; and what the network makes of it.

use super::{
    Sim,
    arrive::BEACONS,
    cuts::{Kind, Parked},
    dice::{Dice, Topic, nanos},
    host::State,
    life::Call,
    network::Share,
    trace::{Flag, What},
    wire::{Packet, Phase, Socket},
};
use crate::{Action, Address, ConnId, IoCause, app::App};
use bytes::{Bytes, BytesMut};
use std::net::{IpAddr, SocketAddrV4};

/// The most octets in one write.
const WRITE: usize = 64 << 10;

/// The most pieces that one segment is torn into.
const PIECES: usize = 24;

/// A stall of this length may cost a relation, and is remembered for it; with heartbeats half of their interval.
const GRAVE_STALL: u64 = 3_000_000_000;

impl<A: App> Sim<A> {
    pub(super) fn carry_out(&mut self, node: usize, action: Action) {
        match action {
            Action::Broadcast { data, .. } => self.broadcast(node, &data),
            Action::Connect { conn, to } => self.connect(node, conn, &to),
            Action::Writable { conn } => {
                if let Some(socket) = self.hosts[node].socket(conn) {
                    self.write(node, socket);
                }
            }
            Action::Reading { conn, on } => {
                let Some(socket) = self.hosts[node].socket(conn) else { return };
                let Some(end) = self.wires.end_mut(socket) else { return };
                end.unread = !on;
                if on && !end.waiting.is_empty() {
                    self.hosts[node].readable.push_back(socket);
                }
            }
            Action::Close { conn, .. } => self.close(node, conn),
        }
    }

    fn broadcast(&mut self, from: usize, data: &Bytes) {
        let host = &mut self.hosts[from];
        let (address, number) = (host.address, host.datagrams);
        host.datagrams += 1;
        self.watch.totals_mut().datagrams += 1;
        self.digest.word(self.now);
        self.digest.word(from as u64);
        self.digest.octets(data);
        let mut lost = 0;
        let udp = self.network.udp.clone();
        for to in 0..self.hosts.len() {
            if !self.hosts[to].discovery.beacons {
                // It does not listen.
                continue;
            }
            if self.hosts[to].state != State::Up || !self.is_open(from, to, Kind::Udp) {
                lost += usize::from(to != from);
                continue;
            }
            let mut dice = Dice::new(self.seed, Topic::Datagram, [(from as u64) << 32 | to as u64, number, 0]);
            let copies = 1 + u32::from(dice.happens(udp.duplicate));
            for _ in 0..copies {
                if to != from && dice.happens(udp.loss) {
                    lost += 1;
                    continue;
                }
                let late = if dice.happens(udp.late) { dice.below(nanos(udp.late_by)) } else { 0 };
                let latency = nanos(dice.duration(udp.latency.0, udp.latency.1));
                let at = self.now + latency + late;
                self.post(to, at, Packet::Datagram { from: address, data: data.clone() });
            }
        }
        for hostile in self.hosts.len()..self.machines() {
            let latency = nanos(udp.latency.0);
            self.post(hostile, self.now + latency, Packet::Datagram { from: address, data: data.clone() });
        }
        if let Some(trace) = &mut self.trace {
            let from_address = SocketAddrV4::new(address, BEACONS);
            trace.push(self.now, from, What::Datagram { from: from_address, data: data.clone(), lost });
        }
    }

    fn connect(&mut self, from: usize, conn: ConnId, to: &Address) {
        self.watch.totals_mut().connects += 1;
        let target = match (to.ip(), to.port()) {
            (Some(IpAddr::V4(ip)), Some(port)) => Some(SocketAddrV4::new(ip, port)),
            _ => self.resolve(to),
        };
        let Some(target) = target else {
            self.tell(from, Call::Closed(conn, IoCause::Unresolved));
            return;
        };
        if matches!(to, Address::Name { .. }) {
            self.tell(from, Call::Resolved(conn, target.into()));
        }
        let found = self.addresses.get(target.ip()).copied();
        let machine = found.unwrap_or(from);
        let machines = self.machines();
        let count = &mut self.connects[from * machines + machine];
        *count += 1;
        // Ports from the range that systems choose from.
        let port = 10_000 + (*count % 30_000) as u16;
        let local = SocketAddrV4::new(self.hosts[from].address, port);
        let socket = self.wires.open((from, Some(conn)), machine, *count, [local, target]);
        self.hosts[from].set_socket(conn, Some(socket));
        if found.is_some() {
            self.ship(socket, Packet::Syn { to: socket.other() }, Some(Flag::Syn));
        } else {
            self.no_answer(socket.other());
        }
    }

    /// Where the machine is that has a name.
    fn resolve(&self, name: &Address) -> Option<SocketAddrV4> {
        let Address::Name { host, port } = name else { return None };
        let machine = self.called(host)?;
        Some(SocketAddrV4::new(self.hosts[machine].address, *port))
    }

    /// Writes what the node has for a connection, as far as the window goes.
    pub(super) fn write(&mut self, node: usize, socket: Socket) {
        let window = self.network.tcp.window.max(1);
        loop {
            let Some(end) = self.wires.end_mut(socket).filter(|end| end.phase == Phase::Open) else { return };
            let Some(conn) = end.conn else { return };
            let room = window.saturating_sub(end.under_way) as usize;
            let mut chunks = [&[][..]; 16];
            let filled = self.hosts[node].node.transmit(conn, &mut chunks);
            if filled == 0 {
                break;
            }
            if room == 0 {
                end.blocked = true;
                return;
            }
            let data = gather(&chunks[..filled], room.min(WRITE));
            end.under_way += data.len() as u32;
            self.tell(node, Call::Advance(conn, data.len()));
            let totals = self.watch.totals_mut();
            totals.segments += 1;
            totals.octets += data.len() as u64;
            self.digest.word(self.now);
            self.digest.word((node as u64) << 32 | conn.index() as u64);
            self.digest.octets(&data);
            self.ship(socket, Packet::Octets { to: socket.other(), data }, None);
        }
        if self.hosts[node].closing.iter().any(|(.., closing)| *closing == socket) {
            self.hosts[node].closing.retain(|(.., closing)| *closing != socket);
            self.shut(node, socket, IoCause::Finished);
        }
    }

    fn close(&mut self, node: usize, conn: ConnId) {
        let Some(socket) = self.hosts[node].socket(conn) else { return };
        if self.wires.end(socket).is_some_and(|end| end.phase == Phase::Opening) {
            // Nothing stands yet: the attempt is given up.
            self.wires.leave(socket);
            return self.hosts[node].set_socket(conn, None);
        }
        // As our own driver does: so long may the last octets take.
        let until = self.now + 1_000_000_000;
        self.hosts[node].closing.push_back((until, conn, socket));
        self.write(node, socket);
    }

    /// The time for the last octets of a connection is over.
    pub(super) fn give_up(&mut self, node: usize, conn: ConnId, socket: Socket) {
        self.shut(node, socket, IoCause::Reset);
        self.tell(node, Call::Closed(conn, IoCause::TimedOut));
    }

    /// Closes a socket whose node is done with it.
    fn shut(&mut self, node: usize, socket: Socket, cause: IoCause) {
        if let Some(conn) = self.wires.end(socket).and_then(|end| end.conn) {
            self.hosts[node].forget_socket(conn, socket);
        }
        self.leave_wire(socket, cause);
    }

    /// A socket is closed; the other end will hear of it. Octets that nobody has read make it a reset.
    pub(super) fn leave_wire(&mut self, socket: Socket, cause: IoCause) {
        let Some(end) = self.wires.end(socket) else { return };
        let cause = if end.waiting.is_empty() { cause } else { IoCause::Reset };
        let flag = if cause == IoCause::Reset { Flag::Rst } else { Flag::Fin };
        self.ship(socket, Packet::Ended { to: socket.other(), cause }, Some(flag));
        self.wires.leave(socket);
    }

    /// Sends something from an end of a connection to the other end.
    pub(super) fn ship(&mut self, from: Socket, packet: Packet, flag: Option<Flag>) {
        let (now, seed) = (self.now, self.seed);
        let Some(wire) = self.wires.get_mut(from) else { return };
        let side = usize::from(from.side);
        let (sender, receiver) = (wire.ends[side].host as usize, wire.ends[1 - side].host as usize);
        let (count, number) = (wire.count, wire.ends[side].segments);
        let [first, second] = [wire.ends[0].host, wire.ends[1].host];
        wire.ends[side].segments += 1;
        if let Some(trace) = &mut self.trace {
            trace.segment(now, from, sender, wire, &packet, flag);
        }
        // On a network that is well again, no connection dies of what it was once fated to.
        if let Some(left) = wire.dies_after.as_mut().filter(|_| self.network.tcp.half_open > Share::NEVER) {
            match left.checked_sub(1) {
                Some(rest) => *left = rest,
                None => {
                    wire.dies_after = None;
                    wire.dead = true;
                    self.watch.disturb(now, sender, receiver);
                }
            }
        }
        if self.wires.get(from).is_none_or(|wire| wire.dead) {
            return;
        }
        if !self.is_open(sender, receiver, Kind::Tcp) {
            return self.parked.push(Parked { from: sender, to: receiver, sent: now, packet });
        }
        let tcp = &self.network.tcp;
        let link = u64::from(first) << 32 | u64::from(second);
        let mut dice = Dice::new(seed, Topic::Segment, [link, u64::from(count), u64::from(number) << 1 | side as u64]);
        let latency = nanos(dice.duration(tcp.latency.0, tcp.latency.1));
        let Packet::Octets { to, data } = packet else {
            return self.line_up(from, receiver, now + latency, packet);
        };
        let stall = if dice.happens(tcp.stall) { dice.below(nanos(tcp.stall_for)) } else { 0 };
        let (reset, in_pieces, piece, bandwidth) =
            (dice.happens(tcp.reset), dice.happens(tcp.pieces), u64::from(tcp.piece.max(1)), tcp.bandwidth);
        if stall > self.grave_stall(sender).min(self.grave_stall(receiver)) {
            self.watch.disturb(now + stall, sender, receiver);
        }
        if reset {
            return self.tear(from, latency);
        }
        let mut at = now;
        if bandwidth > 0
            && let Some(end) = self.wires.end_mut(from)
        {
            end.busy = end.busy.max(now) + (data.len() as u64).saturating_mul(1_000_000_000) / bandwidth;
            at = end.busy;
        }
        at += latency + stall;
        let mut rest = data;
        if in_pieces {
            for _ in 0..PIECES {
                let length = dice.between(1, piece) as usize;
                if rest.len() <= length {
                    break;
                }
                self.line_up(from, receiver, at, Packet::Octets { to, data: rest.split_to(length) });
                // Not together, so that clocks can come in between.
                at += 1_000;
            }
        }
        self.line_up(from, receiver, at, Packet::Octets { to, data: rest });
    }

    fn grave_stall(&self, machine: usize) -> u64 {
        let heartbeat = self.hosts.get(machine).and_then(|host| host.node.heartbeat());
        heartbeat.map_or(GRAVE_STALL, |interval| GRAVE_STALL.min(nanos(interval / 2)))
    }

    /// Puts a packet behind those that went before it on the same connection.
    pub(super) fn line_up(&mut self, from: Socket, receiver: usize, at: u64, packet: Packet) {
        let mut at = at;
        if let Some(end) = self.wires.end_mut(from) {
            at = at.max(end.last);
            end.last = at;
        }
        self.post(receiver, at, packet);
    }

    /// Tears a connection down in the middle: both ends hear of a reset.
    pub(super) fn tear(&mut self, socket: Socket, latency: u64) {
        let Some(wire) = self.wires.get_mut(socket) else { return };
        wire.dead = true;
        let [a, b] = [wire.ends[0].host as usize, wire.ends[1].host as usize];
        let one = if socket.side == 0 { socket } else { socket.other() };
        self.watch.disturb(self.now, a, b);
        self.watch.totals_mut().resets += 1;
        for (end, host) in [(one, a), (one.other(), b)] {
            // As if the other end had sent it.
            self.note_flag(end.other(), Flag::Rst);
            self.post(host, self.now + latency, Packet::Ended { to: end, cause: IoCause::Reset });
        }
    }

    pub(super) fn disturb_wire(&mut self, socket: Socket) {
        if let (Some(a), Some(b)) = (self.wires.host(socket), self.wires.host(socket.other())) {
            self.watch.disturb(self.now, a, b);
        }
    }

    pub(super) fn post(&mut self, to: usize, at: u64, packet: Packet) {
        let nodes = self.hosts.len();
        let sleeps = match self.hosts.get_mut(to) {
            Some(host) => {
                host.deliver(at, packet);
                host.state == State::Paused
            }
            None => {
                self.hostiles[to - nodes].deliver(at, packet);
                false
            }
        };
        if at < self.agenda.due(to) && !sleeps {
            self.agenda.set(to, at);
        }
    }

    /// How many machines there are, hostile ones among them.
    pub(super) fn machines(&self) -> usize {
        self.hosts.len() + self.hostiles.len()
    }

    pub(super) fn is_open(&self, from: usize, to: usize, kind: Kind) -> bool {
        let linked = |machine: usize| self.hosts.get(machine).is_none_or(|host| host.linked);
        from == to || (linked(from) && linked(to) && self.cuts.is_open(from, to, kind))
    }
}

/// The first octets of the chunks, in one.
fn gather(chunks: &[&[u8]], most: usize) -> Bytes {
    let mut data = BytesMut::with_capacity(chunks.iter().map(|chunk| chunk.len()).sum::<usize>().min(most));
    for chunk in chunks {
        let room = most - data.len();
        data.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    data.freeze()
}
