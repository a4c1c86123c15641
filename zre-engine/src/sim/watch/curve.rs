//! How a cluster comes together: when who saw whom.

use serde::Serialize;
use std::time::Duration;

/// How far a cluster was at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// When, since the beginning.
    #[serde(with = "crate::sim::network::millis")]
    pub at: Duration,
    /// Pairs of nodes that are there, each way.
    pub pairs: u64,
    /// Those of them that see each other.
    pub seen: u64,
}

/// The least time between two samples.
const RESOLUTION: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct Curve {
    samples: Vec<Sample>,
    /// When all first saw all.
    full: Option<Duration>,
    /// When each node was first born.
    born: Vec<Option<Duration>>,
    /// When each node first saw all others, since it was born.
    nodes: Vec<Option<Duration>>,
}

impl Curve {
    pub(super) fn of(nodes: usize) -> Self {
        Self { samples: Vec::new(), full: None, born: vec![None; nodes], nodes: vec![None; nodes] }
    }

    pub(super) fn born(&mut self, now: u64, node: usize) {
        self.born[node].get_or_insert(Duration::from_nanos(now));
    }

    /// A node sees all others that there will be.
    pub(super) fn sees_all(&mut self, now: u64, node: usize) {
        let born = self.born[node].unwrap_or_default();
        self.nodes[node].get_or_insert(Duration::from_nanos(now).saturating_sub(born));
    }

    pub(super) fn sample(&mut self, now: u64, (pairs, seen): (u64, u64), complete: bool) {
        let at = Duration::from_nanos(now);
        if complete && pairs == seen {
            self.full.get_or_insert(at);
        }
        match self.samples.last_mut() {
            Some(last) if at < last.at + RESOLUTION => (last.pairs, last.seen) = (pairs, seen),
            _ => self.samples.push(Sample { at, pairs, seen }),
        }
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub(super) fn full(&self) -> Option<Duration> {
        self.full
    }

    pub(super) fn nodes(&self) -> &[Option<Duration>] {
        &self.nodes
    }
}
