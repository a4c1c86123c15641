//! Ways that are cut, and what waits for them.

use super::wire::Packet;

/// What is cut on a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Udp = 1,
    Tcp = 2,
}

/// Which machine cannot reach which.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    nodes: usize,
    /// By `from * nodes + to`; empty until the first cut.
    ways: Vec<u8>,
}

impl Cuts {
    pub(super) fn of(nodes: usize) -> Self {
        Self { nodes, ways: Vec::new() }
    }

    pub(super) fn is_open(&self, from: usize, to: usize, kind: Kind) -> bool {
        self.ways.get(from * self.nodes + to).is_none_or(|way| way & kind as u8 == 0)
    }

    pub(super) fn cut(&mut self, from: usize, to: usize, kind: Kind) {
        if self.ways.is_empty() {
            self.ways = vec![0; self.nodes * self.nodes];
        }
        self.ways[from * self.nodes + to] |= kind as u8;
    }

    pub(super) fn heal(&mut self) {
        self.ways.clear();
    }
}

/// A packet that TCP sends again and again, until there is a way for it.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) from: usize,
    pub(super) to: usize,
    /// When it was first sent.
    pub(super) sent: u64,
    pub(super) packet: Packet,
}

impl Parked {
    /// When it is sent next, at `now` or after it: TCP waits twice as long each time, an attempt to connect begins with
    /// 1 s, anything else with 200 ms.
    pub(super) fn again(&self, now: u64) -> u64 {
        const LONGEST: u64 = 120_000_000_000;
        let mut wait: u64 = if matches!(self.packet, Packet::Syn { .. }) { 1_000_000_000 } else { 200_000_000 };
        let mut at = self.sent + wait;
        while at < now {
            wait = (2 * wait).min(LONGEST);
            at += wait;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnId, sim::wire::Wires};
    use std::net::SocketAddrV4;

    #[test]
    fn what_waits_is_sent_again_at_growing_distances() {
        let nowhere = SocketAddrV4::new([10, 0, 0, 1].into(), 1);
        let to = Wires::default().open((0, Some(ConnId::new(0, 0))), 1, 0, [nowhere; 2]);
        let at = |packet, now: u64| Parked { from: 0, to: 1, sent: 0, packet }.again(now * 1_000_000) / 1_000_000;
        for (now, again) in [(0, 200), (200, 200), (201, 600), (700, 1400), (60_000, 102_200)] {
            assert_eq!(at(Packet::Room { to }, now), again);
        }
        assert_eq!([0, 1001, 3001].map(|now| at(Packet::Syn { to }, now)), [1000, 3000, 7000]);
    }
}
