//! What this implementation is to reach, as ratios within one run where that is possible.

use super::{number, table::align};
use crate::{
    contestant::Contestant::{self, Driver, Libzmq, Node, Tcp, Zeromq, ZeromqThreads},
    results::{Metric, Results},
    work::Work,
};

/// One aim, and whether it was reached.
#[derive(Debug, PartialEq)]
pub struct Target {
    pub what: String,
    /// At most this, or at least.
    pub bound: Bound,
    /// What was found; none where something was not measured.
    pub found: Option<f64>,
}

/// What is good enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost, Below};

impl Bound {
    fn holds(self, found: f64) -> bool {
        match self {
            Self::AtMost(bound) => found <= bound,
            Self::Below(bound) => found < bound,
            Self::AtLeast(bound) => found >= bound,
        }
    }

    /// As people write it.
    pub fn text(self) -> String {
        match self {
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::Below(bound) => format!("< {bound}"),
            Self::AtLeast(bound) => format!(">= {bound}"),
        }
    }
}

impl Target {
    /// In a word.
    pub fn verdict(&self) -> &'static str {
        match self.found {
            None => "not measured",
            Some(found) if self.bound.holds(found) => "met",
            Some(_) => "MISSED",
        }
    }
}

/// A row: the figure, and how it is to be. With others, it is the ratio to the best of these that counts.
type Aim = (Work, &'static str, Metric, &'static [Contestant], &'static [Contestant], Bound);

const OURS: &[Contestant] = &[Driver, Node];
const ALONE: &[Contestant] = &[];

const AIMS: &[Aim] = &[
    (Work::Rtt, "32 B", "p50", &[Driver], &[Tcp], AtMost(1.3)),
    // So that no median hides a wait.
    (Work::Rtt, "32 B", "p99", &[Driver], &[Tcp], AtMost(2.0)),
    (Work::Rtt, "32 B", "p50", &[Driver], &[Zeromq], Below(1.0)),
    (Work::Rtt, "32 B", "p50", &[Node], &[Libzmq], AtMost(0.8)),
    (Work::OneWay, "32 B", "rate", &[Driver], &[Libzmq], AtLeast(3.0)),
    (Work::OneWay, "32 B", "rate", &[Node], &[Libzmq], AtLeast(1.5)),
    (Work::OneWay, "1 KiB", "rate", OURS, &[Zeromq, ZeromqThreads], AtLeast(1.5)),
    (Work::OneWay, "64 KiB", "rate", OURS, &[Tcp], AtLeast(0.85)),
    // What libzmq has there is one way to one.
    (Work::Shout, "32 B to 32", "rate", OURS, &[Libzmq], AtLeast(0.6)),
    (Work::Shout, "1 KiB to 32", "shout/whisper µs", OURS, ALONE, AtMost(0.5)),
    (Work::Discovery, "2 nodes", "p50", OURS, ALONE, AtMost(2.0)),
    (Work::Mesh, "100 nodes", "ms", OURS, ALONE, AtMost(1000.0)),
    (Work::Idle, "100 nodes", "CPU %", OURS, ALONE, AtMost(12.0)),
    (Work::Peers, "1000 idle", "KiB a peer", OURS, ALONE, AtMost(4.0)),
    (Work::Peers, "1000 idle", "rate x", OURS, ALONE, AtLeast(0.95)),
    (Work::Peers, "1000 idle", "rtt x", OURS, ALONE, AtMost(1.05)),
];

/// All targets of these works.
pub fn targets(works: &[Work], results: &Results) -> Vec<Target> {
    let mut all = Vec::new();
    for &(work, case, metric, ours, others, bound) in AIMS.iter().filter(|(work, ..)| works.contains(work)) {
        for contestant in ours {
            let found = results.median(work, case, *contestant, metric);
            let figure = format!("{work}, {case}: {contestant}, {metric}");
            all.push(match others.first() {
                None => Target { what: figure, bound, found },
                Some(first) => {
                    let best = results.best(work, case, others, metric);
                    let found = found.zip(best).map(|(ours, best)| ours / best);
                    Target { what: format!("{figure} / {first}"), bound, found }
                }
            });
        }
    }
    all
}

/// A table of them.
pub fn show(targets: &[Target]) -> String {
    let mut lines = vec![["target", "wanted", "found", ""].map(String::from).to_vec()];
    for target in targets {
        let found = target.found.map_or_else(String::new, number);
        lines.push(vec![target.what.clone(), target.bound.text(), found, target.verdict().into()]);
    }
    align(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(what: &str, results: &Results) -> (Option<f64>, &'static str) {
        let all = targets(&[Work::Rtt, Work::OneWay, Work::Mesh], results);
        let target = all.iter().find(|target| target.what == what).expect("a target of this name");
        (target.found, target.verdict())
    }

    #[test]
    fn a_target_is_met_missed_or_not_measured() {
        let mut results = Results::default();
        results.add(Work::Rtt, "32 B", Driver, "p50", 13.0);
        assert_eq!(found("rtt, 32 B: driver, p50 / tcp", &results), (None, "not measured"));
        results.add(Work::Rtt, "32 B", Tcp, "p50", 10.0);
        assert_eq!(found("rtt, 32 B: driver, p50 / tcp", &results), (Some(1.3), "met"));
        results.add(Work::Rtt, "32 B", Zeromq, "p50", 13.0);
        assert_eq!(found("rtt, 32 B: driver, p50 / zeromq", &results), (Some(1.0), "MISSED"));
        results.add(Work::Mesh, "100 nodes", Node, "ms", 999.0);
        assert_eq!(found("mesh, 100 nodes: node, ms", &results), (Some(999.0), "met"));
    }

    #[test]
    fn beside_several_the_best_of_them_counts() {
        let mut results = Results::default();
        results.add(Work::OneWay, "1 KiB", Node, "rate", 300.0);
        results.add(Work::OneWay, "1 KiB", Zeromq, "rate", 100.0);
        results.add(Work::OneWay, "1 KiB", ZeromqThreads, "rate", 200.0);
        assert_eq!(found("one-way, 1 KiB: node, rate / zeromq", &results), (Some(1.5), "met"));
    }
}
