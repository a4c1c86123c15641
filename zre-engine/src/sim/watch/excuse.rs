//! What may have cost two nodes their relation.

use std::collections::BTreeMap;

/// How long after a disturbance an EXIT can still come of it: a silence is noticed after 30 s; a peer that comes back
/// finds the other in the middle of that, and may be given up once more. Time-outs that are set longer need longer.
const GRACE: u64 = 75_000_000_000;

#[derive(Debug)]
pub(super) struct Excuses {
    /// Until when, by pair; `u64::MAX`: until further notice.
    pairs: BTreeMap<(usize, usize), u64>,
    /// Until when, by node.
    nodes: Vec<u64>,
}

impl Excuses {
    pub(super) fn of(nodes: usize) -> Self {
        Self { pairs: BTreeMap::new(), nodes: vec![0; nodes] }
    }

    /// The pair is disturbed at `until`.
    pub(super) fn disturb(&mut self, until: u64, one: usize, other: usize) {
        let pair = self.pairs.entry((one.min(other), one.max(other))).or_default();
        *pair = (*pair).max(until.saturating_add(GRACE));
    }

    /// As `disturb`, with all others. What is disturbed until further notice ends when it is disturbed until some time.
    pub(super) fn disturb_node(&mut self, until: u64, node: usize) {
        let old = &mut self.nodes[node];
        let until = until.saturating_add(GRACE);
        *old = if *old == u64::MAX { until } else { (*old).max(until) };
    }

    pub(super) fn healed(&mut self, now: u64) {
        let end = now.saturating_add(GRACE);
        for until in self.pairs.values_mut().chain(&mut self.nodes) {
            if *until == u64::MAX {
                *until = end;
            }
        }
    }

    pub(super) fn excused(&self, now: u64, one: usize, other: usize) -> bool {
        let pair = self.pairs.get(&(one.min(other), one.max(other))).copied().unwrap_or(0);
        now <= pair.max(self.nodes[one]).max(self.nodes[other])
    }
}
