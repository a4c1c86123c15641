//! How long it takes from the start of a node until it and one that is there already have met.

use super::{Settings, Work, cluster::Cluster};
use crate::{contestant::Contestant, results::Results, stats::percentile};

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let starts = if settings.quick { 3 } else { 20 };
    let process = || Cluster::new(contestant, &settings.installed, 1, 1);
    let there = &mut process()?.processes[0];
    there.say("start 1")?;
    there.hear("begun")?;
    let mut took = Vec::new();
    for _ in 0..starts {
        // A process of its own each time: what it has to do once is a part of its start.
        let comes = &mut process()?.processes[0];
        comes.say("start 1")?;
        let begin = comes.hear_number("begun")?;
        let mut end = begin;
        for one in [&mut *comes, there] {
            one.say("await 1")?;
            end = one.hear_number("whole")?.max(end);
        }
        took.push((end - begin) / 1e6);
        // It says that it leaves before anything else; what comes then is its own affair. zyre.js may crash.
        comes.say("stop")?;
        there.say("await 0")?;
        there.hear("whole")?;
    }
    took.sort_by(f64::total_cmp);
    let mut add = |metric, value| results.add(Work::Discovery, "2 nodes", contestant, metric, value);
    add("p50", percentile(&took, 0.5).ok_or("no starts")?);
    add("max", percentile(&took, 1.0).ok_or("no starts")?);
    add("starts", took.len() as f64);
    Ok(())
}
