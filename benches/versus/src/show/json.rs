//! Everything that was measured, for programs.

use super::targets::Target;
use crate::results::Results;
use serde_json::{Value, json};
use std::thread;

/// All figures with each of their values, and all targets.
pub fn json(results: &Results, targets: &[Target], repeats: u32, quick: bool) -> Value {
    let figures: Vec<_> = results
        .iter()
        .map(|figure| {
            json!({
                "work": figure.work.to_string(),
                "case": figure.case,
                "contestant": figure.contestant.to_string(),
                "metric": figure.metric,
                "values": figure.values,
            })
        })
        .collect();
    let targets: Vec<_> = targets
        .iter()
        .map(|target| {
            json!({
                "target": target.what,
                "wanted": target.bound.text(),
                "found": target.found,
                "verdict": target.verdict(),
            })
        })
        .collect();
    json!({
        "processors": thread::available_parallelism().map_or(0, usize::from),
        "repeats": repeats,
        "quick": quick,
        "figures": figures,
        "targets": targets,
    })
}
