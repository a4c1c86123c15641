//! How many seeds a test of the simulator tries: few by default, more at the word of whoever has time.

use std::ops::Range;
use zre_engine::sim::{Report, Scenario, explore};

/// Runs the scenarios of so many seeds, or of those that `ZRE_SIM_SEEDS` asks for (`5000`, or `5000..10000`), with a line now
/// and then. How many there were.
///
/// # Panics
///
/// When one violates anything: then it was made small, and is printed.
pub fn explore_seeds(default: u64, scenario: impl Fn(u64) -> Scenario, run: impl Fn(&Scenario) -> Report) -> u64 {
    let seeds = asked().unwrap_or(0..default);
    let many = seeds.end.saturating_sub(seeds.start);
    let begin = seeds.start;
    let count = explore(seeds.map(scenario), move |scenario| {
        let done = scenario.seed.saturating_sub(begin);
        if done > 0 && done.is_multiple_of(500) {
            println!("{done} of {many} scenarios");
        }
        run(scenario)
    });
    println!("{count} scenarios, none violated anything");
    // One scenario may have been asked for instead.
    assert!(count as u64 == many || std::env::var_os("ZRE_SIM_SCENARIO").is_some());
    many
}

fn asked() -> Option<Range<u64>> {
    let asked = std::env::var("ZRE_SIM_SEEDS").ok()?;
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    let number = |text: &str| text.parse::<u64>().expect("ZRE_SIM_SEEDS is a number, or two as in 5000..10000");
    Some(number(from)..number(to))
}
