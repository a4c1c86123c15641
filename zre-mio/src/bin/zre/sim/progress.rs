//! How far a run is, for a person who waits.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::Duration,
};
use zre_engine::sim::Scenario;

/// What a healed cluster is watched for, if all goes well: that is seldom known to the second.
const HEALING: Duration = Duration::from_secs(120);

/// A line on standard error that is gone in the end. Where standard error is no terminal there is none.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    end: Duration,
}

impl Progress {
    /// Of a run that ends at this time.
    pub(super) fn of(end: Duration) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(millis(end)), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}, {elapsed} real") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message("starting");
            // Many nodes take seconds for a step, in which the clock should not stand still.
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar, end }
    }

    pub(super) fn of_scenario(scenario: &Scenario) -> Self {
        Self::of(scenario.heals_at() + HEALING)
    }

    /// Shows the simulated time, and how many of all pairs see each other.
    pub(super) fn show(&mut self, now: Duration, (pairs, seen): (u64, u64)) {
        if let Some(bar) = &self.bar {
            bar.set_position(millis(now.min(self.end)));
            bar.set_message(format!("{:.1} s simulated, {seen} of {pairs} pairs", now.as_secs_f64()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
