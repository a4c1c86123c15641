//! What came of a run, for people.

use super::outcome::{CUSTOM, Healing, Outcome};
use crate::{
    output::{Colour, Output},
    text::{clean, count},
};
use std::time::Duration;
use zre_engine::sim::Totals;

pub(super) fn print(outcome: &Outcome, output: &Output) {
    let Outcome { nodes, seed, .. } = outcome;
    let network = if outcome.network == CUSTOM { "a network of its own" } else { &outcome.network };
    let plural = if *nodes == 1 { "" } else { "s" };
    let among = match outcome.hostile {
        0 => String::new(),
        1 => ", and 1 hostile machine".into(),
        hostile => format!(", and {} hostile machines", count(hostile as u64)),
    };
    let over = match outcome.hubs {
        0 => String::new(),
        1 => ", by gossip over 1 hub".into(),
        hubs => format!(", by gossip over {hubs} hubs"),
    };
    let title = format!("{} node{plural} on {network}, seed {seed}{over}{among}", count(*nodes as u64));
    output.line(output.paint(Colour::Bold, &title));
    for (name, text) in rows(outcome) {
        output.line(format_args!("  {}  {text}", output.paint(Colour::Dim, &format!("{name:<10}"))));
    }
    if outcome.violations.is_empty() {
        output.line(output.paint(Colour::Green, "all invariants hold"));
        return;
    }
    let found = outcome.violations.len();
    let plural = if found == 1 { "" } else { "s" };
    output.line(output.paint(Colour::Red, &format!("{found} violation{plural}:")));
    for violation in &outcome.violations {
        output.line(format_args!("  {}", clean(&violation.to_string())));
    }
    output.line(format_args!("to see it again: {}", clean(&outcome.again)));
}

fn rows(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let Totals { events, messages, flaps, datagrams, connects, resets, segments, octets, .. } = &outcome.totals;
    let mesh = match outcome.full_mesh {
        Some(time) => format!("after {}", self::time(time)),
        None => "never".into(),
    };
    let node = |percent| outcome.mesh_percentile(percent).map_or_else(|| "never".into(), time);
    let mut rows = vec![
        ("full mesh", mesh),
        ("per node", format!("p50 {}, p99 {}, from its start to seeing all others", node(50), node(99))),
    ];
    match outcome.healing {
        Healing::None => {}
        Healing::Failed => rows.push(("healed", "never".into())),
        Healing::Took(took) => rows.push(("healed", format!("all views exact {} later", time(took)))),
    }
    let kinds: Vec<_> = events.iter().map(|(kind, number)| format!("{kind} {}", count(*number))).collect();
    let (real, simulated) = (outcome.real.as_secs_f64(), outcome.simulated.as_secs_f64());
    rows.extend([
        ("messages", format!("{} heard", count(*messages))),
        ("flaps", count(*flaps)),
        ("events", if kinds.is_empty() { "none".into() } else { kinds.join(", ") }),
        ("datagrams", count(*datagrams)),
        ("TCP", {
            let (connects, segments) = (count(*connects), count(*segments));
            format!("{connects} connects, {} resets, {segments} segments, {} octets", count(*resets), count(*octets))
        }),
        ("time", {
            let speed = simulated / real.max(1e-6);
            format!("{} simulated in {}, {} times as fast", time(outcome.simulated), time(outcome.real), factor(speed))
        }),
        ("digest", format!("{:016x}", outcome.digest)),
    ]);
    rows
}

/// Milliseconds below ten seconds, for that is where they matter.
fn time(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..10_000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

fn factor(factor: f64) -> String {
    if factor < 10.0 { format!("{factor:.1}") } else { count(factor as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(time(Duration::from_micros(1_043_900)), "1043 ms");
        assert_eq!(time(Duration::from_secs(200)), "200.0 s");
        assert_eq!([0.25, 9.94, 1234.5].map(factor), ["0.2", "9.9", "1,234"]);
    }
}
