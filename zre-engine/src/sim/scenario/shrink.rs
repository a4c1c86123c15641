//! A scenario that fails is made smaller, for as long as it still fails: fewer operations, fewer nodes, fewer faults.

use super::{Report, Scenario};
use crate::sim::{Plan, Rule, Share, Tcp, Udp, millis};
use std::collections::BTreeSet;

/// What became of a scenario that failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shrunk {
    /// The smallest that was found, and what came of it.
    pub report: Report,
    /// How many runs it took.
    pub runs: u32,
}

/// The most runs that are spent on one scenario.
const RUNS: u32 = 1500;

/// Makes a scenario smaller as long as it violates one of the rules that it violates now. `run` must be the same each time;
/// `None` if it violates none.
pub fn shrink(scenario: &Scenario, run: impl Fn(&Scenario) -> Report) -> Option<Shrunk> {
    let report = run(scenario);
    let rules = violated(&report);
    if rules.is_empty() {
        return None;
    }
    let mut search = Search { run, rules, best: report, runs: 1 };
    loop {
        let before = search.best.scenario.clone();
        search.operations();
        search.nodes();
        search.hostile();
        search.discovery();
        search.attempt(|scenario| scenario.contest.clear());
        search.network();
        search.times();
        if search.best.scenario == before || search.runs >= RUNS {
            return Some(Shrunk { report: search.best, runs: search.runs });
        }
    }
}

fn violated(report: &Report) -> BTreeSet<Rule> {
    report.violations.iter().map(|violation| violation.rule.clone()).collect()
}

struct Search<F> {
    run: F,
    rules: BTreeSet<Rule>,
    best: Report,
    runs: u32,
}

impl<F: Fn(&Scenario) -> Report> Search<F> {
    /// Takes a smaller scenario if it still fails in one of the ways of the first.
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.scenario.clone();
        change(&mut candidate);
        if candidate == self.best.scenario || self.runs >= RUNS {
            return false;
        }
        self.runs += 1;
        let report = (self.run)(&candidate);
        let fails = !violated(&report).is_disjoint(&self.rules);
        if fails {
            self.best = report;
        }
        fails
    }

    /// Runs of operations: half of them, a quarter, … one.
    fn operations(&mut self) {
        let mut length = self.best.scenario.operations.len();
        while length > 0 {
            let mut start = 0;
            while start < self.best.scenario.operations.len() {
                let end = (start + length).min(self.best.scenario.operations.len());
                if !self.attempt(|scenario| drop(scenario.operations.drain(start..end))) {
                    start = end;
                }
            }
            length /= 2;
        }
    }

    /// Nodes, from the last to the first; who comes after one that is taken away moves up.
    fn nodes(&mut self) {
        for node in (0..self.best.scenario.nodes).rev() {
            if self.best.scenario.nodes > 1 {
                self.attempt(|scenario| scenario.take_away(node));
            }
        }
    }

    /// Hostile machines: none, or half of them, or one less.
    fn hostile(&mut self) {
        while self.best.scenario.hostile > 0 {
            let hostile = self.best.scenario.hostile;
            if ![0, hostile / 2, hostile - 1].into_iter().any(|fewer| self.attempt(|one| one.hostile = fewer)) {
                break;
            }
        }
    }

    /// How nodes find each other: by beacons, or over fewer hubs.
    fn discovery(&mut self) {
        self.attempt(|scenario| scenario.discovery = Plan::Beacons);
        for hubs in 1..self.best.scenario.discovery.hubs() {
            let fewer = |scenario: &mut Scenario| {
                if let Plan::Gossip { hubs: most } | Plan::Mixed { hubs: most } = &mut scenario.discovery {
                    *most = hubs;
                }
            };
            if self.attempt(fewer) {
                break;
            }
        }
    }

    /// The faults of the network, and then what it is like.
    fn network(&mut self) {
        type Pick = fn(&mut Scenario) -> &mut Share;
        let shares: [Pick; 8] = [
            |scenario| &mut scenario.network.udp.loss,
            |scenario| &mut scenario.network.udp.duplicate,
            |scenario| &mut scenario.network.udp.late,
            |scenario| &mut scenario.network.tcp.pieces,
            |scenario| &mut scenario.network.tcp.stall,
            |scenario| &mut scenario.network.tcp.reset,
            |scenario| &mut scenario.network.tcp.half_open,
            |scenario| &mut scenario.network.tcp.refuse,
        ];
        for pick in shares {
            self.attempt(|scenario| *pick(scenario) = Share::NEVER);
        }
        self.attempt(|scenario| scenario.network.tcp = Tcp::default());
        self.attempt(|scenario| scenario.network.udp = Udp::default());
    }

    /// Operations at round times, and no longer than needed.
    fn times(&mut self) {
        self.attempt(|scenario| scenario.duration = std::time::Duration::ZERO);
        for step in [10_000, 1_000] {
            self.attempt(|scenario| {
                for operation in &mut scenario.operations {
                    operation.at = millis(operation.at.as_millis() as u64 / step * step);
                }
            });
        }
    }
}

impl Scenario {
    /// Without one of the nodes, and without the operations that are about it.
    fn take_away(&mut self, node: usize) {
        self.nodes -= 1;
        self.operations.retain(|operation| !operation.what.nodes().contains(&node));
        for operation in &mut self.operations {
            operation.what.renumber(node);
        }
    }
}
