//! TCP connections between machines, as data: what is under way, who waits, who is gone.

use crate::{ConnId, IoCause};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddrV4},
};

/// One end of a connection: a wire that is used again for another has a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Socket {
    wire: u32,
    generation: u32,
    /// 0: who connected; 1: who accepted.
    pub(super) side: u8,
}

impl Socket {
    /// A number that no other connection has.
    pub(super) fn stream(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.wire)
    }

    pub(super) fn other(self) -> Self {
        Self { side: 1 - self.side, ..self }
    }
}

/// What travels.
#[derive(Debug)]
pub(super) enum Packet {
    /// The machine's process starts.
    Boot,
    Datagram {
        from: Ipv4Addr,
        data: Bytes,
    },
    /// Somebody wants to connect; the socket is the end that is to be.
    Syn {
        to: Socket,
    },
    /// The other end is there.
    Opened {
        to: Socket,
    },
    /// It is not.
    Failed {
        to: Socket,
        cause: IoCause,
    },
    Octets {
        to: Socket,
        data: Bytes,
    },
    /// The other end has taken octets: there is room again.
    Room {
        to: Socket,
    },
    /// The other end is gone.
    Ended {
        to: Socket,
        cause: IoCause,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Opening,
    Open,
    Gone,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) host: u32,
    pub(super) conn: Option<ConnId>,
    pub(super) phase: Phase,
    /// The node does not want to read.
    pub(super) unread: bool,
    /// Its writer waits for room.
    pub(super) blocked: bool,
    /// When the last that it sent arrives.
    pub(super) last: u64,
    /// When its line is free for the next octet.
    pub(super) busy: u64,
    /// Octets that it has sent and the other end has not taken.
    pub(super) under_way: u32,
    /// Segments that it has sent.
    pub(super) segments: u32,
    /// What has come and was not read.
    pub(super) waiting: Queue,
}

/// What waits to be read.
#[derive(Debug)]
pub(super) enum Waiting {
    Octets(Bytes),
    Ended(IoCause),
}

/// A queue that takes no room while it is empty, as nearly all are.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "8 octets instead of 32, at both ends of a million connections")]
pub(super) struct Queue(Option<Box<VecDeque<Waiting>>>);

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn push_back(&mut self, waiting: Waiting) {
        self.0.get_or_insert_default().push_back(waiting);
    }

    pub(super) fn pop_front(&mut self) -> Option<Waiting> {
        let first = self.0.as_mut()?.pop_front();
        self.0.take_if(|queue| queue.is_empty());
        first
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    generation: u32,
    /// How many connections these two had before, counted by who connects.
    pub(super) count: u32,
    pub(super) ends: [End; 2],
    /// Nothing passes any more, and nobody is told.
    pub(super) dead: bool,
    /// How many segments pass before that is so.
    pub(super) dies_after: Option<u32>,
    /// Where its ends are, or were when it was made.
    pub(super) addresses: [SocketAddrV4; 2],
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Wires {
    wires: Vec<Wire>,
    free: Vec<u32>,
}

impl Wires {
    /// A connection that `conn` of the machine `from` asks `to` for; the end of `from`. A hostile machine has no `conn`.
    pub(super) fn open(
        &mut self,
        (from, conn): (usize, Option<ConnId>),
        to: usize,
        count: u32,
        addresses: [SocketAddrV4; 2],
    ) -> Socket {
        let end = |host: usize, conn, phase| End {
            host: host as u32,
            conn,
            phase,
            unread: false,
            blocked: false,
            last: 0,
            busy: 0,
            under_way: 0,
            segments: 0,
            waiting: Queue::default(),
        };
        let ends = [end(from, conn, Phase::Opening), end(to, None, Phase::Opening)];
        let wire = Wire { generation: 0, count, ends, dead: false, dies_after: None, addresses };
        match self.free.pop() {
            Some(index) => {
                let generation = self.wires[index as usize].generation;
                self.wires[index as usize] = Wire { generation, ..wire };
                Socket { wire: index, generation, side: 0 }
            }
            None => {
                // By a quarter, not by half: of a thousand nodes there are a million.
                if self.wires.len() == self.wires.capacity() {
                    self.wires.reserve_exact(self.wires.len() / 4 + 64);
                }
                self.wires.push(wire);
                Socket { wire: self.wires.len() as u32 - 1, generation: 0, side: 0 }
            }
        }
    }

    pub(super) fn get(&self, socket: Socket) -> Option<&Wire> {
        self.wires.get(socket.wire as usize).filter(|wire| wire.generation == socket.generation)
    }

    pub(super) fn get_mut(&mut self, socket: Socket) -> Option<&mut Wire> {
        self.wires.get_mut(socket.wire as usize).filter(|wire| wire.generation == socket.generation)
    }

    pub(super) fn end(&self, socket: Socket) -> Option<&End> {
        self.get(socket).map(|wire| &wire.ends[usize::from(socket.side)])
    }

    pub(super) fn end_mut(&mut self, socket: Socket) -> Option<&mut End> {
        self.get_mut(socket).map(|wire| &mut wire.ends[usize::from(socket.side)])
    }

    /// The machine at an end.
    pub(super) fn host(&self, socket: Socket) -> Option<usize> {
        self.end(socket).map(|end| end.host as usize)
    }

    /// An end is gone. With the other gone too, so is the wire.
    pub(super) fn leave(&mut self, socket: Socket) {
        let Some(wire) = self.get_mut(socket) else { return };
        let end = &mut wire.ends[usize::from(socket.side)];
        end.phase = Phase::Gone;
        end.waiting = Queue::default();
        if wire.ends.iter().all(|end| end.phase == Phase::Gone) {
            wire.generation = wire.generation.wrapping_add(1);
            self.free.push(socket.wire);
        }
    }

    /// All connections between machines, by an end of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Socket, &Wire)> {
        self.wires
            .iter()
            .enumerate()
            .filter(|(_, wire)| wire.ends.iter().any(|end| end.phase != Phase::Gone))
            .map(|(index, wire)| (Socket { wire: index as u32, generation: wire.generation, side: 0 }, wire))
    }
}
