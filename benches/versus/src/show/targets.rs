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

/// All targets of these works.
pub fn targets(works: &[Work], results: &Results) -> Vec<Target> {
    let median = |work, case: &str, contestant, metric| Some(results.spread(work, case, contestant, metric)?.median);
    let mut all = Vec::new();
    let mut add = |what: String, bound, found| all.push(Target { what, bound, found });
    // One of ours beside the best of others, in what counts of a work.
    let mut beside = |work: Work, case: &str, ours: Contestant, others: &[Contestant], bound: Bound| {
        let metric = super::table::Layout::of(work).main;
        let others_have = others.iter().filter_map(|one| median(work, case, *one, metric));
        let best =
            if work == Work::Rtt { others_have.min_by(f64::total_cmp) } else { others_have.max_by(f64::total_cmp) };
        let found = median(work, case, ours, metric).zip(best).map(|(ours, best)| ours / best);
        add(format!("{work}, {case}: {ours} / {}", others[0]), bound, found);
    };
    for work in works {
        match work {
            Work::Rtt => {
                beside(*work, "32 B", Driver, &[Tcp], AtMost(1.3));
                beside(*work, "32 B", Driver, &[Zeromq], Below(1.0));
                beside(*work, "32 B", Node, &[Libzmq], AtMost(0.8));
            }
            Work::OneWay => {
                beside(*work, "32 B", Driver, &[Libzmq], AtLeast(3.0));
                beside(*work, "32 B", Node, &[Libzmq], AtLeast(1.5));
                for ours in [Driver, Node] {
                    beside(*work, "1 KiB", ours, &[Zeromq, ZeromqThreads], AtLeast(1.5));
                    beside(*work, "64 KiB", ours, &[Tcp], AtLeast(0.85));
                }
            }
            Work::Shout => {
                for ours in [Driver, Node] {
                    beside(*work, "32 B to 32", ours, &[Libzmq], AtLeast(0.6));
                }
            }
            Work::Discovery | Work::Mesh | Work::Idle | Work::Peers => {}
        }
    }
    let mut value = |work: Work, case: &str, metric: Metric, bound: Bound| {
        for ours in [Driver, Node] {
            add(format!("{work}, {case}: {ours}, {metric}"), bound, median(work, case, ours, metric));
        }
    };
    for work in works {
        match work {
            Work::Rtt | Work::OneWay => {}
            Work::Shout => value(*work, "1 KiB to 32", "shout/whisper µs", AtMost(0.5)),
            Work::Discovery => value(*work, "2 nodes", "p50", AtMost(2.0)),
            Work::Mesh => value(*work, "100 nodes", "ms", AtMost(1000.0)),
            Work::Idle => value(*work, "100 nodes", "CPU %", AtMost(12.0)),
            Work::Peers => {
                value(*work, "1000 idle", "KiB a peer", AtMost(4.0));
                value(*work, "1000 idle", "rate x", AtLeast(0.95));
                value(*work, "1000 idle", "rtt x", AtMost(1.05));
            }
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
        assert_eq!(found("rtt, 32 B: driver / tcp", &results), (None, "not measured"));
        results.add(Work::Rtt, "32 B", Tcp, "p50", 10.0);
        assert_eq!(found("rtt, 32 B: driver / tcp", &results), (Some(1.3), "met"));
        results.add(Work::Rtt, "32 B", Zeromq, "p50", 13.0);
        assert_eq!(found("rtt, 32 B: driver / zeromq", &results), (Some(1.0), "MISSED"));
        results.add(Work::Mesh, "100 nodes", Node, "ms", 999.0);
        assert_eq!(found("mesh, 100 nodes: node, ms", &results), (Some(999.0), "met"));
    }

    #[test]
    fn beside_several_the_best_of_them_counts() {
        let mut results = Results::default();
        results.add(Work::OneWay, "1 KiB", Node, "rate", 300.0);
        results.add(Work::OneWay, "1 KiB", Zeromq, "rate", 100.0);
        results.add(Work::OneWay, "1 KiB", ZeromqThreads, "rate", 200.0);
        assert_eq!(found("one-way, 1 KiB: node / zeromq", &results), (Some(1.5), "met"));
    }
}
