//! What came of a soak, for programs and for people.

use super::{check::Violation, cluster::Cluster, play::Story, sample::Sample};
use crate::{
    json::{Object, string},
    output::{Colour, Output},
    text::{clean, count},
};
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) story: &'a Story,
    pub(super) seed: u64,
}

impl Outcome<'_> {
    /// Descriptors that were there before the first node and those that are after the last, if they are not as many.
    pub(super) fn leaked(&self) -> Option<(u64, u64)> {
        let pair = self.story.before.zip(self.story.after);
        pair.filter(|(before, after)| before != after)
    }

    pub(super) fn is_good(&self) -> bool {
        self.cluster.check.found() == 0 && self.leaked().is_none()
    }

    pub(super) fn print(&self, json: bool) {
        let output = Output::new();
        if json { output.line(self.to_json()) } else { self.for_people(&output) }
    }

    fn to_json(&self) -> String {
        let Self { cluster, story, seed } = self;
        let totals = cluster.check.totals();
        let violated: Vec<_> = cluster.check.violations().iter().map(violation).collect();
        let of = |pick: fn(&Sample) -> Option<u64>| {
            let samples = [("first", story.first), ("peak", cluster.peak), ("last", story.last)];
            samples.iter().fold(Object::new(), |object, (name, sample)| object.raw(name, &or_null(pick(sample))))
        };
        let descriptors = of(|sample| sample.descriptors);
        let descriptors = descriptors.raw("before", &or_null(story.before)).raw("after", &or_null(story.after));
        let settled = self.settled();
        let quarters: Vec<_> = self.quarters().iter().map(ToString::to_string).collect();
        Object::new()
            .number("seconds", cluster.at().as_secs())
            .number("nodes", cluster.slots.len() as u64)
            .number("seed", *seed)
            .number("port", cluster.port)
            .raw("interrupted", &story.interrupted.to_string())
            .number("violations", cluster.check.found())
            .raw("violated", &format!("[{}]", violated.join(",")))
            .counts("operations", &cluster.done)
            .number("sent", totals.sent)
            .number("received", totals.received)
            .number("octets", totals.octets)
            .counts("events", &totals.events)
            .counts("exits", &totals.exits)
            .number("quiet", story.quiet.len() as u64)
            .raw(
                "settled_ms",
                &settled.map_or_else(
                    || "null".into(),
                    |(half, most)| Object::new().number("p50", half.as_millis()).number("most", most.as_millis()).end(),
                ),
            )
            .raw("memory_kib", &of(|sample| sample.memory).raw("quarters", &format!("[{}]", quarters.join(","))).end())
            .raw("descriptors", &descriptors.end())
            .raw("threads", &of(|sample| sample.threads).end())
            .end()
    }

    fn for_people(&self, output: &Output) {
        let Self { cluster, story, seed } = self;
        let nodes = cluster.slots.len();
        let title =
            format!("{nodes} nodes for {:.0} s, seed {seed}, UDP port {}", cluster.at().as_secs_f64(), cluster.port);
        let title = if story.interrupted { format!("{title}, interrupted") } else { title };
        output.line(output.paint(Colour::Bold, &title));
        for (name, text) in self.rows() {
            output.line(format_args!("  {}  {text}", output.paint(Colour::Dim, &format!("{name:<11}"))));
        }
        let (found, shown) = (cluster.check.found(), cluster.check.violations());
        if self.is_good() {
            return output.line(output.paint(Colour::Green, "everything held"));
        }
        if let Some((before, after)) = self.leaked() {
            let text = format!("descriptors: {before} before the first node, and {after} after the last has stopped");
            output.line(output.paint(Colour::Red, &text));
        }
        if found > 0 {
            let plural = if found == 1 { "" } else { "s" };
            output.line(output.paint(Colour::Red, &format!("{} violation{plural}:", count(found))));
        }
        for violation in shown {
            output.line(format_args!("  {}", clean(&violation.to_string())));
            violation.before.iter().for_each(|note| output.line(format_args!("      {}", clean(note))));
        }
        if found > shown.len() as u64 {
            output.line(format_args!("  and {} more", count(found - shown.len() as u64)));
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { cluster, story, .. } = self;
        let totals = cluster.check.totals();
        let list = |counts: &BTreeMap<&'static str, u64>| {
            let all: Vec<_> = counts.iter().map(|(name, number)| format!("{name} {}", count(*number))).collect();
            if all.is_empty() { "none".into() } else { all.join(", ") }
        };
        let settled = match self.settled() {
            None => "never".into(),
            Some((half, most)) => {
                let times = count(story.quiet.len() as u64);
                format!("{times} times; p50 {} ms, at most {} ms", half.as_millis(), most.as_millis())
            }
        };
        let three = |pick: fn(&Sample) -> Option<u64>, unit: &str| {
            let text = |sample: &Sample| pick(sample).map_or_else(|| "?".into(), count);
            let (first, peak, last) = (text(&story.first), text(&cluster.peak), text(&story.last));
            format!("{first}{unit} when all had met, {peak}{unit} at most, {last}{unit} at the end")
        };
        let number = |number: Option<u64>| number.map_or_else(|| "?".into(), count);
        let (before, after) = (number(story.before), number(story.after));
        vec![
            ("operations", list(&cluster.done)),
            ("messages", {
                let (sent, received) = (count(totals.sent), count(totals.received));
                format!("{sent} sent and {received} heard, once for each receiver; {} octets", count(totals.octets))
            }),
            ("events", list(&totals.events)),
            ("exits", list(&totals.exits)),
            ("all well", settled),
            ("memory", {
                let quarters: Vec<_> = self.quarters().into_iter().map(count).collect();
                let nodes = three(|sample| sample.memory, " KiB");
                format!("{nodes}; after each quarter of the time {}", quarters.join(", "))
            }),
            ("descriptors", {
                let nodes = three(|sample| sample.descriptors, "");
                format!("{nodes}; {before} before the first node, {after} after the last")
            }),
            ("threads", three(|sample| sample.threads, "")),
        ]
    }

    /// KiB of memory at the end of each quarter of the time, when all was quiet.
    fn quarters(&self) -> Vec<u64> {
        let (all, end) = (&self.story.quiet, self.cluster.at());
        let last_before = |quarter: u32| {
            let until = all.iter().rev().find(|quiet| quiet.at <= end * quarter / 4)?;
            until.memory
        };
        (1..=4).filter_map(last_before).collect()
    }

    /// Half of the times, and the longest, until all was well.
    fn settled(&self) -> Option<(Duration, Duration)> {
        let mut all: Vec<_> = self.story.quiet.iter().map(|quiet| quiet.took).collect();
        all.sort_unstable();
        Some((*all.get(all.len() / 2)?, *all.last()?))
    }
}

fn violation(violation: &Violation) -> String {
    Object::new()
        .number("at_ms", violation.at.as_millis())
        .text("node", &violation.node)
        .text("what", &violation.what)
        .raw("before", &format!("[{}]", violation.before.iter().map(|note| string(note)).collect::<Vec<_>>().join(",")))
        .end()
}

fn or_null(number: Option<u64>) -> String {
    number.map_or_else(|| "null".into(), |number| number.to_string())
}
