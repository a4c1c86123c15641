//! Seed after seed, until one fails; then the smallest scenario that still does.

use super::{Report, Scenario, shrink};

/// A scenario in this variable of the environment, as JSON, is run instead of all seeds.
const VARIABLE: &str = "ZRE_SIM_SCENARIO";

/// Runs the scenario of each seed. When one violates an invariant it is made smaller, and what is left is told, with a line
/// that runs it again. How many scenarios were run is returned.
///
/// ```
/// use zre_engine::sim::{Scenario, Trial, explore};
///
/// explore((0..5).map(Scenario::swarm), |scenario| Trial::of_nodes().run(scenario));
/// ```
///
/// # Panics
///
/// When a scenario violates an invariant: in a test, that is the failure.
pub fn explore(scenarios: impl IntoIterator<Item = Scenario>, run: impl Fn(&Scenario) -> Report) -> usize {
    if let Ok(json) = std::env::var(VARIABLE) {
        match Scenario::from_json(&json) {
            Ok(scenario) => {
                let report = run(&scenario);
                assert!(report.violations.is_empty(), "{report}");
                return 1;
            }
            Err(error) => panic!("{VARIABLE}: {error}"),
        }
    }
    let mut count = 0;
    for scenario in scenarios {
        count += 1;
        let report = run(&scenario);
        if report.violations.is_empty() {
            continue;
        }
        match shrink(&scenario, &run) {
            Some(shrunk) => panic!("{}", told(&report, &shrunk.report, shrunk.runs)),
            None => panic!("{report}\nand not again: the run depends on something else than the scenario"),
        }
    }
    count
}

fn told(first: &Report, smallest: &Report, runs: u32) -> String {
    let what = smallest.violations.first().map(ToString::to_string).unwrap_or_default();
    let scenario = &smallest.scenario;
    format!(
        "{what}\n\nfound with seed {} ({} nodes, {} operations), made smaller in {runs} runs:\n{scenario}\n\
         to see it again, the same command with this before it:\n{VARIABLE}='{}'\n",
        first.scenario.seed,
        first.scenario.nodes,
        first.scenario.operations.len(),
        scenario.to_json(),
    )
}
