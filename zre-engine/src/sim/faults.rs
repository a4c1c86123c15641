//! What can go wrong at the user's word: machines that die, sleep or move, ways that are cut.

use super::{
    Network, Sim,
    builder::{address, port},
    cuts::Kind,
    dice::nanos,
    discovery::HUB,
    host::State,
    life::Call,
    trace::What,
    wire::{Packet, Phase, Socket},
};
use crate::{IoCause, app::App};
use std::{
    net::IpAddr,
    ops::{Range, RangeInclusive},
};

/// Which UUID a node has that starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// A new one, as the protocol wants it.
    New,
    /// The one that it had.
    Same,
}

/// Some nodes, by their indices: `3`, `0..10`, `[0..10]`, `[1, 4, 9]`, `vec![…]`.
pub trait Nodes {
    /// Their indices.
    fn indices(self) -> Vec<usize>;
}

impl Nodes for usize {
    fn indices(self) -> Vec<usize> {
        vec![self]
    }
}

impl Nodes for Range<usize> {
    fn indices(self) -> Vec<usize> {
        self.collect()
    }
}

impl Nodes for RangeInclusive<usize> {
    fn indices(self) -> Vec<usize> {
        self.collect()
    }
}

impl<T: Nodes, const N: usize> Nodes for [T; N] {
    fn indices(self) -> Vec<usize> {
        self.into_iter().flat_map(Nodes::indices).collect()
    }
}

impl Nodes for Vec<usize> {
    fn indices(self) -> Vec<usize> {
        self
    }
}

impl Nodes for &[usize] {
    fn indices(self) -> Vec<usize> {
        self.to_vec()
    }
}

/// Faults. Indices are those of [`Builder::nodes`](super::Builder::nodes), and after them those of the
/// [hubs](super::Builder::hubs); one that no machine has panics.
impl<A: App> Sim<A> {
    /// The power goes: the machine is gone without a word, and nobody's connection is closed.
    pub fn crash(&mut self, node: usize) {
        self.fault(node, "crash");
        self.go_down(node, State::Down { machine: false }, |_, _| {});
    }

    /// The process ends as by `kill -9`: nothing is said, but its system closes its connections.
    pub fn kill(&mut self, node: usize) {
        self.fault(node, "kill");
        if self.hosts[node].state == (State::Down { machine: false }) {
            // There is no process on a machine that is off.
            return;
        }
        self.go_down(node, State::Down { machine: true }, |sim, socket| sim.leave_wire(socket, IoCause::Finished));
    }

    /// The node stops politely ([`Node::stop`](crate::Node::stop)). It takes a moment; a sleeper does not hear of it.
    pub fn stop(&mut self, node: usize) {
        self.fault(node, "stop");
        if self.is_awake(node) {
            self.watch.stops(node);
            self.tell(node, Call::Stop);
            self.settle(node);
        }
    }

    /// A new process starts on the machine, with a new application; one that still ran is killed first. Its mailbox has
    /// another port, unless others were told of it ([`Discovery::peers`](super::Discovery::peers)).
    pub fn restart(&mut self, node: usize, identity: Identity) {
        self.restart_at(node, identity, false);
    }

    /// As [`restart`](Self::restart), and the new process gets the mailbox port that the old one had.
    pub fn restart_on_same_port(&mut self, node: usize, identity: Identity) {
        self.restart_at(node, identity, true);
    }

    fn restart_at(&mut self, node: usize, identity: Identity, same_port: bool) {
        if self.hosts[node].lives() {
            self.kill(node);
        }
        self.fault(node, "restart");
        let host = &mut self.hosts[node];
        host.incarnation += 1;
        let incarnation = host.incarnation;
        let uuid = (identity == Identity::Same).then(|| host.node.uuid().into());
        let record = host.life.is_some();
        let (engine, runner, life) = self.conceive(node, incarnation, uuid, record);
        let new_port = port(self.seed, node, incarnation);
        let host = &mut self.hosts[node];
        (host.node, host.runner, host.life) = (engine, runner, life);
        host.stopped = false;
        host.slow = false;
        if !same_port && !host.told_of {
            host.port = new_port;
        }
        // What came while nobody was there is gone; what belongs to connections is still answered.
        if host.state == (State::Down { machine: false }) {
            host.inbox.clear();
        }
        host.state = State::Down { machine: true };
        self.boot(node);
        self.settle(node);
    }

    /// The machine sleeps: its process does nothing, datagrams pass by, TCP waits. Its clock goes on.
    pub fn pause(&mut self, node: usize) {
        if self.hosts[node].state == State::Up {
            self.fault(node, "pause");
            self.hosts[node].state = State::Paused;
            self.watch.disturb_node(u64::MAX, node);
            self.agenda.set(node, u64::MAX);
        }
    }

    /// The machine wakes.
    pub fn resume(&mut self, node: usize) {
        if self.hosts[node].state != State::Paused {
            return;
        }
        self.fault(node, "resume");
        let now = self.now;
        self.watch.disturb_node(now, node);
        let host = &mut self.hosts[node];
        host.state = State::Up;
        host.inbox.retain(|arrival| arrival.at > now || !matches!(arrival.packet, Packet::Datagram { .. }));
        self.settle(node);
    }

    /// From now on the node's clock is wrong by so many millionths: too fast, or too slow if negative.
    pub fn set_clock_rate(&mut self, node: usize, ppm: i32) {
        self.fault(node, "clock");
        let now = self.now;
        let host = &mut self.hosts[node];
        host.clock.set_rate(now, ppm);
        // Who thinks that a second is half as long gives up on others too early, and they on him.
        self.watch.disturb_node(if ppm.unsigned_abs() > 10_000 { u64::MAX } else { now }, node);
        let due = self.hosts[node].due();
        if self.hosts[node].state != State::Paused {
            self.agenda.set(node, due);
        }
    }

    /// The application lets its events lie, or (again) takes them: a slow reader. Its timers wait too.
    pub fn set_slow(&mut self, node: usize, slow: bool) {
        if self.hosts[node].slow == slow || !self.hosts[node].lives() {
            return;
        }
        self.fault(node, if slow { "slow" } else { "quick" });
        self.hosts[node].slow = slow;
        self.watch.disturb_node(if slow { u64::MAX } else { self.now }, node);
        if self.hosts[node].state == State::Up {
            self.settle(node);
        }
    }

    /// The machine's interface goes down or comes up. Nothing passes while it is down.
    pub fn set_link(&mut self, node: usize, up: bool) {
        if self.hosts[node].linked == up {
            return;
        }
        self.fault(node, if up { "link up" } else { "link down" });
        self.hosts[node].linked = up;
        if up {
            // Before the node writes anything: TCP keeps the order.
            self.release();
        }
        self.watch.disturb_node(if up { self.now } else { u64::MAX }, node);
        if self.hosts[node].lives() && !self.hosts[node].stopped && self.hosts[node].discovery.beacons {
            let call = if up { Call::LinkUp(IpAddr::V4(self.hosts[node].address)) } else { Call::LinkDown };
            self.tell(node, call);
            if self.hosts[node].state == State::Up {
                self.settle(node);
            }
        }
    }

    /// The machine gets another address. Its connections are dead from then on, and no end is told.
    pub fn change_address(&mut self, node: usize) {
        self.fault(node, "address");
        let now = self.now;
        self.watch.disturb_node(now, node);
        let host = &mut self.hosts[node];
        self.addresses.remove(&host.address);
        host.moves = host.moves.wrapping_add(1) % 250;
        host.address = address(node, host.moves);
        self.addresses.insert(host.address, node);
        for socket in self.wires_of(node) {
            if let Some(wire) = self.wires.get_mut(socket) {
                wire.dead = true;
            }
        }
        let host = &self.hosts[node];
        if host.lives() && !host.stopped {
            let address = IpAddr::V4(host.address);
            // As a driver does that sees another address: the old link goes, the mailbox opens anew, a link comes.
            let linked = host.linked && host.discovery.beacons;
            if linked {
                self.tell(node, Call::LinkDown);
            }
            self.listen(node);
            if linked {
                self.tell(node, Call::LinkUp(address));
            }
            if self.hosts[node].state == State::Up {
                self.settle(node);
            }
        }
    }

    /// Nothing passes between the two sides any more: datagrams are lost, TCP waits.
    pub fn partition(&mut self, one: impl Nodes, other: impl Nodes) {
        let (one, other) = (one.indices(), other.indices());
        self.cut(&one, &other, &[Kind::Udp, Kind::Tcp]);
        self.cut(&other, &one, &[Kind::Udp, Kind::Tcp]);
    }

    /// Nothing passes from the one side to the other; the other way it does.
    pub fn partition_one_way(&mut self, from: impl Nodes, to: impl Nodes) {
        self.cut(&from.indices(), &to.indices(), &[Kind::Udp, Kind::Tcp]);
    }

    /// No datagrams pass between the two sides; TCP does.
    pub fn partition_udp(&mut self, one: impl Nodes, other: impl Nodes) {
        let (one, other) = (one.indices(), other.indices());
        self.cut(&one, &other, &[Kind::Udp]);
        self.cut(&other, &one, &[Kind::Udp]);
    }

    fn cut(&mut self, from: &[usize], to: &[usize], kinds: &[Kind]) {
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            let most = self.hosts.len();
            assert!(from < most && to < most, "there is no machine {}", from.max(to));
            for kind in kinds {
                self.cuts.cut(from, to, *kind);
                if *kind == Kind::Tcp {
                    self.watch.disturb(u64::MAX, from, to);
                }
            }
            let cut_off = format!("cut off from {}", self.in_words(to));
            if let Some(trace) = &mut self.trace {
                trace.push(self.now, from, What::Fault(cut_off.clone()));
            }
        }
    }

    /// All connections between two nodes are torn down in the middle.
    pub fn reset(&mut self, one: usize, other: usize) {
        self.fault(one, "reset");
        for socket in self.wires_between(one, other) {
            self.tear(socket, 0);
        }
    }

    /// All connections between two nodes die without a word to either, as behind a firewall that forgets them.
    pub fn forget_connections(&mut self, one: usize, other: usize) {
        self.fault(one, "forget");
        for socket in self.wires_between(one, other) {
            if let Some(wire) = self.wires.get_mut(socket) {
                wire.dead = true;
            }
        }
        self.watch.disturb(self.now, one, other);
    }

    /// All that these methods did to ways, interfaces, clocks, sleepers and slow readers is over. The dead stay dead, and
    /// the network's own faults go on ([`set_network`](Self::set_network)).
    pub fn heal(&mut self) {
        self.cuts.heal();
        self.watch.healed(self.now);
        // Before any node writes anything.
        self.release();
        for node in 0..self.hosts.len() {
            self.set_link(node, true);
            if !self.hosts[node].clock.is_right() {
                self.set_clock_rate(node, 0);
            }
            self.resume(node);
            self.set_slow(node, false);
        }
    }

    /// As [`heal`](Self::heal), and from now on nothing goes wrong on the network either. Hostile machines fall silent.
    pub fn calm(&mut self) {
        self.silence_hostiles();
        let calm: Network = self.network.calmed();
        self.set_network(calm);
        self.heal();
    }

    /// Packets that waited for a way and have one now are sent when TCP tries again.
    fn release(&mut self) {
        let now = self.now;
        for parked in std::mem::take(&mut self.parked) {
            if !self.is_open(parked.from, parked.to, Kind::Tcp) {
                self.parked.push(parked);
                continue;
            }
            let at = parked.again(now) + nanos(self.network.tcp.latency.0);
            let to = match &parked.packet {
                Packet::Syn { to }
                | Packet::Opened { to }
                | Packet::Failed { to, .. }
                | Packet::Octets { to, .. }
                | Packet::Room { to }
                | Packet::Ended { to, .. } => *to,
                Packet::Boot | Packet::Datagram { .. } => continue,
            };
            // What died meanwhile is not brought back: nobody sends from an address that is gone.
            if self.wires.get(to).is_some_and(|wire| !wire.dead) {
                self.line_up(to.other(), parked.to, at, parked.packet);
            }
        }
    }

    fn go_down(&mut self, node: usize, state: State, mut leave: impl FnMut(&mut Self, Socket)) {
        let host = &mut self.hosts[node];
        let lived = host.lives();
        // One that was yet to start does not.
        if std::mem::take(&mut host.unborn) {
            self.watch.started();
        }
        host.state = state;
        host.closing.clear();
        host.readable.clear();
        match state {
            State::Down { machine: false } => {
                host.inbox.clear();
                // Nobody is left to send it again.
                self.parked.retain(|parked| parked.from != node);
            }
            _ => host.inbox.retain(|arrival| !matches!(arrival.packet, Packet::Boot)),
        }
        for socket in self.hosts[node].take_sockets() {
            leave(self, socket);
            self.wires.leave(socket);
        }
        if lived {
            self.watch.gone(self.now, node);
        }
        let due = self.hosts[node].due();
        self.agenda.set(node, due);
    }

    /// The process has said STOP and ends.
    pub(super) fn process_ends(&mut self, node: usize) {
        self.go_down(node, State::Down { machine: true }, |sim, socket| sim.leave_wire(socket, IoCause::Finished));
    }

    /// A process starts.
    pub(super) fn boot(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        if host.lives() {
            return;
        }
        if std::mem::take(&mut host.unborn) {
            self.watch.started();
        }
        host.state = State::Up;
        let (address, linked) = (host.address, host.linked && host.discovery.beacons);
        let port = if node < self.nodes { host.port } else { HUB };
        let (id, name) = (host.node.uuid(), host.node.name().to_owned());
        if let Some(trace) = &mut self.trace {
            let at = (address, port).into();
            trace.push(self.now, node, What::Start { id, name, at });
        }
        self.digest.word(self.now);
        self.digest.octets(id.as_octets());
        if !self.is_hub(node) {
            self.watch.born(self.now, node, id);
        }
        self.listen(node);
        if linked {
            self.tell(node, Call::LinkUp(IpAddr::V4(address)));
        }
        self.tell_whom_to_find(node);
        self.tell(node, Call::Start);
        let groups = if self.is_hub(node) { Vec::new() } else { self.contest.clone() };
        let host = &mut self.hosts[node];
        let own = host.clock.own(self.now);
        for group in groups {
            host.runner.call(&mut host.node, own, |_, cx| {
                // A name that is too long is refused, and nobody is in the group.
                let _ = cx.join(&group);
                let _ = cx.set_contest_in_group(&group);
            });
        }
        host.runner.start(&mut host.node, own);
        self.after_app(node);
    }

    fn wires_between(&self, one: usize, other: usize) -> Vec<Socket> {
        let pair = |wire: &super::wire::Wire| {
            let [a, b] = [&wire.ends[0], &wire.ends[1]].map(|end| end.host as usize);
            one != other && ((a, b) == (one, other) || (b, a) == (one, other))
        };
        self.wires.iter().filter(|(_, wire)| pair(wire)).map(|(socket, _)| socket).collect()
    }

    fn wires_of(&self, node: usize) -> Vec<Socket> {
        let of = |wire: &super::wire::Wire| {
            wire.ends.iter().any(|end| end.host as usize == node && end.phase != Phase::Gone)
        };
        self.wires.iter().filter(|(_, wire)| of(wire)).map(|(socket, _)| socket).collect()
    }

    pub(super) fn fault(&mut self, node: usize, what: &str) {
        let (nodes, hubs) = (self.nodes, self.hosts.len() - self.nodes);
        assert!(node < nodes + hubs, "there is no machine {node}; there are {nodes} nodes and {hubs} hubs");
        self.digest.word(self.now);
        self.digest.word(node as u64);
        self.digest.octets(what.as_bytes());
        if let Some(trace) = &mut self.trace {
            trace.push(self.now, node, What::Fault(what.to_owned()));
        }
    }
}
