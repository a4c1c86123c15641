//! One machine: a node, its application, its clock, and what is on its way to it.

use super::{
    discovery::Discovery,
    life::Life,
    wire::{Packet, Socket},
};
use crate::{
    ConnId, Instant, Node,
    app::{App, Cx, Runner},
    event::Event,
};
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
    net::Ipv4Addr,
};

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its process runs.
    Up,
    /// It sleeps: its process does nothing, datagrams pass by, TCP waits.
    Paused,
    /// Its process is gone. Where the machine itself runs, it refuses connections and resets those that it does not know.
    Down { machine: bool },
}

/// What runs beside a machine's node: an application; on a hub, nothing.
pub(super) struct Program<A>(pub(super) Option<A>);

impl<A> Program<A> {
    pub(super) fn there(&self) -> &A {
        self.0.as_ref().expect("a hub has no application")
    }

    pub(super) fn there_mut(&mut self) -> &mut A {
        self.0.as_mut().expect("a hub has no application")
    }
}

impl<A: App> App for Program<A> {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        self.0.iter_mut().for_each(|app| app.on_start(cx));
    }

    fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
        if let Some(app) = &mut self.0 {
            app.on_event(cx, event);
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
        self.0.iter_mut().for_each(|app| app.on_timer(cx, timer));
    }
}

pub(super) struct Host<A> {
    pub(super) node: Node,
    pub(super) runner: Runner<Program<A>>,
    pub(super) state: State,
    pub(super) clock: Clock,
    pub(super) address: Ipv4Addr,
    /// The mailbox's port.
    pub(super) port: u16,
    /// How it finds others.
    pub(super) discovery: Discovery,
    /// Others were told where its mailbox is.
    pub(super) told_of: bool,
    /// Its first process is yet to start.
    pub(super) unborn: bool,
    /// How many processes ran here before.
    pub(super) incarnation: u32,
    /// How many addresses the machine had before.
    pub(super) moves: u8,
    /// Whether its interface is up.
    pub(super) linked: bool,
    /// Whether its application lets its events lie.
    pub(super) slow: bool,
    pub(super) inbox: BinaryHeap<Arrival>,
    arrivals: u64,
    /// Datagrams that it has sent.
    pub(super) datagrams: u64,
    /// By the index of the connection.
    sockets: Vec<Option<Socket>>,
    /// Connections that reading goes on with.
    pub(super) readable: VecDeque<Socket>,
    /// Connections that the node is done with and that still have something to write; and until when.
    pub(super) closing: VecDeque<(u64, ConnId, Socket)>,
    /// How many Timeouts the node has got in which millisecond.
    pub(super) timeouts: (u64, usize),
    /// The node has said STOP.
    pub(super) stopped: bool,
    /// All calls that its node got, where somebody wants to know.
    pub(super) life: Option<Life>,
}

impl<A: App> Host<A> {
    pub(super) fn new(node: Node, runner: Runner<Program<A>>, clock: Clock, address: Ipv4Addr, port: u16) -> Self {
        Self {
            node,
            runner,
            state: State::Up,
            clock,
            address,
            port,
            discovery: Discovery::beacons(),
            told_of: false,
            unborn: true,
            incarnation: 0,
            moves: 0,
            linked: true,
            slow: false,
            inbox: BinaryHeap::new(),
            arrivals: 0,
            datagrams: 0,
            sockets: Vec::new(),
            readable: VecDeque::new(),
            closing: VecDeque::new(),
            timeouts: (0, 0),
            stopped: false,
            life: None,
        }
    }

    /// Whether a process is there, awake or asleep.
    pub(super) fn lives(&self) -> bool {
        !matches!(self.state, State::Down { .. })
    }

    pub(super) fn deliver(&mut self, at: u64, packet: Packet) {
        self.arrivals += 1;
        self.inbox.push(Arrival { at, order: self.arrivals, packet });
    }

    /// The first thing that has arrived.
    pub(super) fn pop(&mut self) -> Option<Arrival> {
        let (length, room) = (self.inbox.len(), self.inbox.capacity());
        // Full while all meet, and nearly empty ever after.
        if room > 128 && length < room / 8 {
            self.inbox.shrink_to(room / 4);
        }
        self.inbox.pop()
    }

    pub(super) fn socket(&self, conn: ConnId) -> Option<Socket> {
        self.sockets.get(conn.index()).copied().flatten()
    }

    pub(super) fn set_socket(&mut self, conn: ConnId, socket: Option<Socket>) {
        if self.sockets.len() <= conn.index() {
            self.sockets.resize(conn.index() + 1, None);
        }
        self.sockets[conn.index()] = socket;
    }

    /// A connection is gone; one that has its index by now is not.
    pub(super) fn forget_socket(&mut self, conn: ConnId, socket: Socket) {
        if self.socket(conn) == Some(socket) {
            self.sockets[conn.index()] = None;
        }
    }

    pub(super) fn take_sockets(&mut self) -> Vec<Socket> {
        std::mem::take(&mut self.sockets).into_iter().flatten().collect()
    }

    /// The time of the first thing that its process waits for, on the world's clock.
    fn process_due(&self) -> Option<u64> {
        let node = self.node.poll_timeout().map(|deadline| deadline.at);
        let app = self.runner_due();
        let own = node.into_iter().chain(app).min().map(|own| self.clock.world(own));
        own.into_iter().chain(self.closing.front().map(|(at, ..)| *at)).min()
    }

    /// The application's own timers stand still while it does not look at its events.
    pub(super) fn runner_due(&self) -> Option<Instant> {
        self.runner.poll_timeout().filter(|_| !self.slow && !self.stopped)
    }

    /// When something happens here next, on the world's clock.
    pub(super) fn due(&self) -> u64 {
        let arrival = self.inbox.peek().map(|arrival| arrival.at);
        let due = match self.state {
            State::Up => arrival.into_iter().chain(self.process_due()).min(),
            State::Paused => None,
            State::Down { .. } => arrival,
        };
        due.unwrap_or(u64::MAX)
    }
}

/// Something that arrives at a machine; first of all what comes first, and of that what was sent first.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) at: u64,
    pub(super) order: u64,
    pub(super) packet: Packet,
}

impl Ord for Arrival {
    /// The other way round, for the heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Arrival {}

/// A node's own clock, which may run faster or slower than the world's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    world: u64,
    own: u64,
    /// Millionths that it runs too fast; too slow, if negative.
    ppm: i32,
}

impl Clock {
    const MILLION: i128 = 1_000_000;

    pub(super) fn new(now: u64) -> Self {
        Self { world: now, own: now, ppm: 0 }
    }

    /// What it shows when the world's time is `world`.
    pub(super) fn own(&self, world: u64) -> Instant {
        let passed = world.saturating_sub(self.world);
        let passed = if self.ppm == 0 {
            passed
        } else {
            (i128::from(passed) * (Self::MILLION + i128::from(self.ppm)) / Self::MILLION) as u64
        };
        Instant::from_nanos(self.own.saturating_add(passed))
    }

    /// The first time of the world's at which it shows at least `own`.
    pub(super) fn world(&self, own: Instant) -> u64 {
        let wanted = own.as_nanos().saturating_sub(self.own);
        if self.ppm == 0 || wanted >= u64::MAX >> 1 {
            return self.world.saturating_add(wanted);
        }
        let rate = Self::MILLION + i128::from(self.ppm);
        let passed = (i128::from(wanted) * Self::MILLION + rate - 1) / rate;
        self.world.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Whether it runs neither too fast nor too slow.
    pub(super) fn is_right(&self) -> bool {
        self.ppm == 0
    }

    pub(super) fn set_rate(&mut self, now: u64, ppm: i32) {
        // A clock that stands still, or goes back, is none.
        *self = Self { world: now, own: self.own(now).as_nanos(), ppm: ppm.clamp(-900_000, 9_000_000) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_wrong_still_reaches_its_deadlines() {
        let mut clock = Clock::new(1000);
        for (now, ppm) in [(5_000, 300_000), (70_000, -700_000), (900_123, 17), (1_000_000, 0)] {
            clock.set_rate(now, ppm);
            let shown = clock.own(now);
            for ahead in [0, 1, 7, 1_000, 123_456_789] {
                let own = Instant::from_nanos(shown.as_nanos() + ahead);
                let world = clock.world(own);
                assert!(clock.own(world) >= own, "{ppm} {ahead}");
                assert!(world == now || clock.own(world - 1) < own, "{ppm} {ahead}");
            }
        }
    }
}
