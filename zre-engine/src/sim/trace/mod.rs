//! What happened, written down: packets, events, what applications did, faults.

mod jsonl;
mod pcap;
mod stream;

use super::{
    Sim,
    life::Call,
    wire::{Packet, Phase, Socket, Wire},
};
use crate::{Event, IoCause, PeerId};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, SocketAddrV4},
    time::Duration,
};

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// When, since the beginning.
    pub at: Duration,
    /// At which node.
    pub node: usize,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum What {
    /// A process started.
    Start {
        /// Its UUID.
        id: PeerId,
        /// Its name.
        name: String,
        /// Its mailbox.
        at: SocketAddr,
    },
    /// The application heard of something.
    Event(Event),
    /// The application did something.
    Call(Call),
    /// Something was made to go wrong, or to be well again.
    Fault(String),
    /// A datagram went out to all.
    Datagram {
        /// From where.
        from: SocketAddrV4,
        /// Its octets.
        data: Bytes,
        /// How many copies never arrived.
        lost: usize,
    },
    /// A TCP segment went out. Whether it arrived is not said; the other end's `ack` tells.
    #[non_exhaustive]
    Segment {
        /// A number that each connection has for itself.
        stream: u64,
        /// From where.
        from: SocketAddrV4,
        /// Where to.
        to: SocketAddrV4,
        /// What it did besides carrying octets.
        flag: Option<Flag>,
        /// Its place in what the sender says, as Wireshark counts: SYN is 0, the first octet 1, and FIN counts as one.
        seq: u64,
        /// The number that the sender waits for next, counted in the same way: all below has arrived; 0 if nothing has.
        ack: u64,
        /// Its octets.
        data: Bytes,
    },
}

/// What a TCP segment does besides carrying octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flag {
    /// It asks for a connection.
    Syn,
    /// It takes one.
    SynAck,
    /// It has heard that it was taken.
    Ack,
    /// It ends one.
    Fin,
    /// It tears one down, or refuses one.
    Rst,
}

impl Flag {
    /// How many numbers of the sequence it takes.
    const fn length(self) -> u64 {
        match self {
            Self::Syn | Self::SynAck | Self::Fin => 1,
            Self::Ack | Self::Rst => 0,
        }
    }
}

/// All that was written down of a run.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    records: Vec<Record>,
    /// By stream and side.
    ends: BTreeMap<(u64, u8), Numbers>,
}

/// Where one end of a connection is in TCP's sequences.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    /// The next that it sends.
    seq: u64,
    /// The next that it waits for.
    ack: u64,
}

impl Trace {
    /// What happened, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn push(&mut self, now: u64, node: usize, what: What) {
        self.records.push(Record { at: Duration::from_nanos(now), node, what });
    }

    pub(super) fn segment(
        &mut self,
        now: u64,
        socket: Socket,
        node: usize,
        wire: &Wire,
        packet: &Packet,
        flag: Option<Flag>,
    ) {
        match packet {
            Packet::Octets { data, .. } => self.write_down(now, socket, node, wire, flag, data.clone()),
            Packet::Failed { .. } => self.write_down(now, socket, node, wire, Some(Flag::Rst), Bytes::new()),
            _ if flag.is_some() => self.write_down(now, socket, node, wire, flag, Bytes::new()),
            _ => {}
        }
    }

    fn write_down(&mut self, now: u64, socket: Socket, node: usize, wire: &Wire, flag: Option<Flag>, data: Bytes) {
        let side = usize::from(socket.side);
        if flag == Some(Flag::Fin) && wire.ends[side].phase == Phase::Opening {
            // Who asked for a connection and does not have it gives it up without a word.
            return;
        }
        let (from, to) = (wire.addresses[side], wire.addresses[1 - side]);
        let end = self.ends.entry((socket.stream(), socket.side)).or_default();
        let Numbers { seq, ack } = *end;
        end.seq += data.len() as u64 + flag.map_or(0, Flag::length);
        self.push(now, node, What::Segment { stream: socket.stream(), from, to, flag, seq, ack, data });
    }

    /// A packet has come to a machine that runs: its system will acknowledge it.
    pub(super) fn arrived(&mut self, packet: &Packet) {
        let (to, length) = match packet {
            Packet::Syn { to } | Packet::Opened { to } => (to, 1),
            Packet::Octets { to, data } => (to, data.len() as u64),
            Packet::Ended { to, cause: IoCause::Finished } => (to, 1),
            _ => return,
        };
        self.ends.entry((to.stream(), to.side)).or_default().ack += length;
    }
}

impl<A> Sim<A> {
    /// Writes down a segment that TCP sends on its own, and that makes no difference to what is simulated.
    pub(super) fn note_flag(&mut self, from: Socket, flag: Flag) {
        if let (Some(trace), Some(wire)) = (&mut self.trace, self.wires.get(from)) {
            let node = wire.ends[usize::from(from.side)].host as usize;
            trace.write_down(self.now, from, node, wire, Some(flag), Bytes::new());
        }
    }
}
