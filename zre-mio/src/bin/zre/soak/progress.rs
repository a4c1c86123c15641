//! How far a soak is, for a person who waits.

use super::cluster::{Cluster, Slot};
use crate::{clock::now, text::count};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// How often it is shown.
const EVERY: Duration = Duration::from_millis(250);

/// A line on standard error that is gone in the end. Where standard error is no terminal there is none.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<(ProgressBar, Instant)>,
}

impl Progress {
    pub(super) fn of(end: Duration) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(end.as_secs()), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {elapsed}, {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            (bar, now())
        });
        Self { bar }
    }

    pub(super) fn show(&mut self, cluster: &Cluster) {
        if let Some((bar, next)) = &mut self.bar {
            let time = now();
            if time >= *next {
                *next = time + EVERY;
                let (received, found) = (cluster.check.totals().received, cluster.check.found());
                let running = cluster.places(Slot::runs).len();
                bar.set_position(cluster.at().as_secs());
                bar.set_message(format!("{running} nodes, {} messages, {found} violations", count(received)));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((bar, _)) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
