//! How long it takes from the start of a node until it and one that is there already have met.

use super::{Settings, Work, cluster::Cluster};
use crate::{contestant::Contestant, results::Results, stats::percentile};

pub fn measure(contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
    let starts = if settings.quick { 3 } else { 20 };
    let mut both = Cluster::new(contestant, &settings.installed, 2, 2)?;
    let [there, comes] = &mut both.processes[..] else { return Err("two processes were asked for".into()) };
    there.say("start 1")?;
    there.hear("begun")?;
    let mut took = Vec::new();
    for _ in 0..starts {
        comes.say("start 1")?;
        let begin = comes.hear_number("begun")?;
        let mut end = begin;
        for one in [&mut *comes, there] {
            one.say("await 1")?;
            end = one.hear_number("whole")?.max(end);
        }
        took.push((end - begin) / 1e6);
        comes.say("stop")?;
        comes.hear("stopped")?;
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
