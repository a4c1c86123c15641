//! Packets that arrive at a machine: what its system does with them, and what its node hears.

use super::{
    Sim,
    dice::{Dice, Topic},
    discovery::HUB,
    host::State,
    life::Call,
    trace::Flag,
    wire::{Packet, Phase, Socket, Waiting},
};
use crate::{Address, IoCause, app::App};
use bytes::Bytes;
use std::net::{SocketAddr, SocketAddrV4};

/// The UDP port of beacons.
pub(super) const BEACONS: u16 = 5670;

/// How long a system tries to connect to a machine that does not answer.
pub(super) const CONNECT_TIMEOUT: u64 = 127_000_000_000;

impl<A: App> Sim<A> {
    pub(super) fn arrive(&mut self, node: usize, packet: Packet) {
        if matches!(packet, Packet::Boot) {
            return self.boot(node);
        }
        if self.hosts[node].state == (State::Down { machine: false }) {
            if let Packet::Syn { to } = packet {
                self.no_answer(to);
            }
            return;
        }
        if let Some(trace) = &mut self.trace {
            trace.arrived(&packet);
        }
        match packet {
            Packet::Boot => {}
            Packet::Datagram { from, data } => {
                if self.hosts[node].state == State::Up && self.hosts[node].linked && self.hosts[node].discovery.beacons
                {
                    let from = SocketAddr::V4(SocketAddrV4::new(from, BEACONS));
                    self.tell(node, Call::Datagram(from, data));
                }
            }
            Packet::Syn { to } => self.asked_for(node, to),
            Packet::Opened { to } => self.opened(node, to),
            Packet::Failed { to, cause } => {
                if self.wires.end(to).is_some_and(|end| end.phase != Phase::Gone) {
                    self.finish(node, to, cause);
                }
            }
            Packet::Octets { to, data } => self.octets(node, to, data),
            Packet::Room { to } => {
                if let Some(end) = self.wires.end_mut(to).filter(|end| end.phase == Phase::Open) {
                    end.blocked = false;
                    self.write(node, to);
                }
            }
            Packet::Ended { to, cause } => self.ended(node, to, cause),
        }
    }

    /// Nobody hears the attempt: it fails after a long time.
    pub(super) fn no_answer(&mut self, to: Socket) {
        let asker = to.other();
        if let Some(host) = self.wires.host(asker) {
            self.wires.leave(to);
            self.post(host, self.now + CONNECT_TIMEOUT, Packet::Failed { to: asker, cause: IoCause::TimedOut });
        }
    }

    fn asked_for(&mut self, node: usize, to: Socket) {
        let Some(wire) = self.wires.get(to) else { return };
        let [from, at] = wire.addresses;
        let about = [u64::from(wire.ends[0].host) << 32 | u64::from(wire.ends[1].host), u64::from(wire.count), 0];
        if wire.ends[0].phase == Phase::Gone {
            // The asker has thought better of it.
            return self.wires.leave(to);
        }
        let host = &self.hosts[node];
        if *at.ip() != host.address {
            return self.no_answer(to);
        }
        let mut dice = Dice::new(self.seed, Topic::Connection, about);
        let refused = dice.happens(self.network.tcp.refuse);
        let dies_after = dice.happens(self.network.tcp.half_open).then(|| dice.below(40) as u32);
        if refused {
            self.disturb_wire(to);
        }
        let host = &self.hosts[node];
        let as_client = at.port() == HUB && (self.is_hub(node) || host.discovery.hub);
        let listens = as_client || (at.port() == host.port && !self.is_hub(node));
        if refused || !host.lives() || host.stopped || !listens {
            self.ship(to, Packet::Failed { to: to.other(), cause: IoCause::Refused }, None);
            return self.wires.leave(to);
        }
        let accept = if as_client { Call::AcceptClient } else { Call::Accept };
        let conn = self.tell(node, accept(Address::Tcp(from.into()), Address::Tcp(at.into()), None));
        if let Some(wire) = self.wires.get_mut(to) {
            let end = &mut wire.ends[usize::from(to.side)];
            end.phase = Phase::Open;
            end.conn = conn;
            wire.dies_after = dies_after;
        }
        self.ship(to, Packet::Opened { to: to.other() }, Some(Flag::SynAck));
        match conn {
            Some(conn) => self.hosts[node].set_socket(conn, Some(to)),
            // The system has taken it; the process closes it at once.
            None => self.leave_wire(to, IoCause::Finished),
        }
    }

    fn opened(&mut self, node: usize, to: Socket) {
        let Some(wire) = self.wires.get_mut(to) else { return };
        let local = wire.addresses[usize::from(to.side)];
        let end = &mut wire.ends[usize::from(to.side)];
        if end.phase == Phase::Gone {
            return self.reply_reset(to);
        }
        end.phase = Phase::Open;
        let conn = end.conn;
        self.note_flag(to, Flag::Ack);
        if let Some(conn) = conn {
            self.tell(node, Call::Connected(conn, Address::Tcp(local.into())));
        }
    }

    fn octets(&mut self, node: usize, to: Socket, data: Bytes) {
        let Some(end) = self.wires.end_mut(to) else { return };
        if end.phase == Phase::Gone {
            return self.reply_reset(to);
        }
        if end.unread || !end.waiting.is_empty() {
            end.waiting.push_back(Waiting::Octets(data));
        } else {
            self.take(node, to, data);
        }
    }

    /// The node reads octets; who sent them has room for more.
    fn take(&mut self, node: usize, to: Socket, data: Bytes) {
        self.make_room(to, data.len());
        if let Some(conn) = self.wires.end(to).and_then(|end| end.conn) {
            self.tell(node, Call::Received(conn, data));
        }
    }

    /// So many octets were taken at an end: the other has room for more.
    pub(super) fn make_room(&mut self, to: Socket, octets: usize) {
        if let Some(sender) = self.wires.end_mut(to.other()) {
            sender.under_way = sender.under_way.saturating_sub(octets as u32);
            if sender.blocked && sender.phase == Phase::Open {
                self.ship(to, Packet::Room { to: to.other() }, None);
            }
        }
    }

    fn ended(&mut self, node: usize, to: Socket, cause: IoCause) {
        let Some(end) = self.wires.end_mut(to).filter(|end| end.phase != Phase::Gone) else { return };
        if cause == IoCause::Finished && (end.unread || !end.waiting.is_empty()) {
            // The octets before it come first. A reset waits for nothing, and what was not read is gone.
            end.waiting.push_back(Waiting::Ended(cause));
        } else {
            self.finish(node, to, cause);
        }
    }

    /// The node hears that a connection is gone.
    pub(super) fn finish(&mut self, node: usize, to: Socket, cause: IoCause) {
        let conn = self.wires.end(to).and_then(|end| end.conn);
        if cause == IoCause::Finished {
            // Its system closes too, and nobody is there any more to hear of it.
            self.note_flag(to, Flag::Fin);
        }
        self.wires.leave(to);
        if let Some(conn) = conn {
            let host = &mut self.hosts[node];
            host.forget_socket(conn, to);
            host.closing.retain(|(.., closing)| *closing != to);
            self.tell(node, Call::Closed(conn, cause));
        }
    }

    /// Reading goes on: one piece of what waits.
    pub(super) fn read(&mut self, node: usize, to: Socket) {
        let Some(end) = self.wires.end_mut(to).filter(|end| end.phase != Phase::Gone && !end.unread) else { return };
        match end.waiting.pop_front() {
            Some(Waiting::Octets(data)) => {
                self.take(node, to, data);
                self.hosts[node].readable.push_back(to);
            }
            Some(Waiting::Ended(cause)) => self.finish(node, to, cause),
            None => {}
        }
    }

    /// A machine that does not know a connection says so.
    fn reply_reset(&mut self, to: Socket) {
        self.ship(to, Packet::Ended { to: to.other(), cause: IoCause::Reset }, Some(Flag::Rst));
    }
}
