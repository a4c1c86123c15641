//! Tables for people.

use super::number;
use crate::{
    contestant::Contestant,
    results::{Metric, Results},
    work::Work,
};

/// What others are compared with.
const YARDSTICKS: [(&str, &[Contestant]); 3] = [
    ("tcp", &[Contestant::Tcp]),
    ("libzmq", &[Contestant::Libzmq]),
    // The faster of the two.
    ("zeromq", &[Contestant::Zeromq, Contestant::ZeromqThreads]),
];

/// How a work is shown.
pub struct Layout {
    pub title: &'static str,
    /// What counts: with its spread, and beside the yardsticks.
    pub main: Metric,
    pub note: &'static str,
    others: &'static [Metric],
}

impl Layout {
    pub fn of(work: Work) -> Self {
        let (title, main, others): (_, _, &[_]) = match work {
            Work::Rtt => ("round trip, µs", "p50", &["p99", "p99.9", "CPU µs each", "sender's CPU", "receiver's CPU"]),
            Work::OneWay => ("one way, messages/s", "rate", &["MB/s", "CPU µs each", "sender's CPU", "receiver's CPU"]),
            Work::Shout => (
                "to a group, deliveries/s",
                "rate",
                &["sender's µs", "whisperer's µs", "shout/whisper µs", "whispered", "sender's CPU", "receivers' CPU"],
            ),
            Work::Discovery => ("from a start until both have met, ms", "p50", &["max", "starts"]),
            Work::Mesh => ("from the start until all have met, ms", "ms", &["processes", "CPU s", "MB"]),
            Work::Idle => ("all together, % of a core", "CPU %", &["KiB a peer", "descriptors a peer", "MB in all"]),
            Work::Peers => (
                "memory, KiB a peer",
                "KiB a peer",
                &["descriptors a peer", "rate", "rate alone", "rate x", "rtt p50", "rtt alone", "rtt x"],
            ),
        };
        let note = match work {
            Work::Rtt => "CPU: processor time; in µs of both processes for each, in seconds for all that were measured",
            Work::OneWay => {
                "from before the first is sent until the last has come; tcp packs small messages into blocks of 64 KiB; \
                 x zeromq: the faster of the two"
            }
            Work::Shout => {
                "tcp: blocks of 64 KiB to each in turn; libzmq: one way to one receiver; µs: the sender's processor time for \
                 each delivery, by shouts and by whispers to each receiver in turn"
            }
            Work::Discovery => "each start in a process of its own",
            Work::Mesh => "ours in a few processes, others one for each node; MB: resident, in all processes",
            Work::Idle => "a peer: one node's relation with one other",
            Work::Peers => "rate, rtt: 32 B between two nodes, one of which has the idle peers; alone: without them",
        };
        Self { title, main, note, others }
    }
}

/// A table of a work: a block of lines for each case.
pub fn table(work: Work, results: &Results) -> String {
    let layout = Layout::of(work);
    let mut head = vec![format!("{work}: {}", layout.title), layout.main.into(), "(min..max)".into()];
    let cases = results.cases(work);
    let is_there = |one: &Contestant| cases.iter().any(|case| results.spread(work, case, *one, layout.main).is_some());
    let yardsticks = YARDSTICKS.iter().filter(|(_, yardstick)| yardstick.iter().any(is_there));
    head.extend(yardsticks.clone().map(|(name, _)| format!("x {name}")));
    head.extend(layout.others.iter().map(|metric| (*metric).into()));
    let mut lines = vec![head];
    for case in &cases {
        for contestant in results.contestants(work, case) {
            let spread = |metric| results.spread(work, case, contestant, metric);
            let Some(main) = spread(layout.main) else { continue };
            let mut line = vec![format!("{case}  {contestant}"), number(main.median)];
            line.push(format!("({}..{})", number(main.min), number(main.max)));
            for (_, yardstick) in yardsticks.clone() {
                let best = results.best(work, case, yardstick, layout.main);
                line.push(best.map_or_else(String::new, |best| format!("{:.2}", main.median / best)));
            }
            line.extend(
                layout
                    .others
                    .iter()
                    .map(|metric| spread(metric).map_or_else(String::new, |found| number(found.median))),
            );
            lines.push(line);
        }
    }
    format!("{}({})\n", align(&lines), layout.note)
}

/// Columns of one width each: the first to the left, the others to the right.
pub fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let width = widths[column];
            out += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}
