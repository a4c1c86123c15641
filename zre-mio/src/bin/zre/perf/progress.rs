//! How far a measurement is, for a person who waits.

use crate::clock::now;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// How often it is shown: what is measured should not notice.
const EVERY: Duration = Duration::from_millis(100);

/// A line on standard error that is gone in the end. Where standard error is no terminal there is none.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<(ProgressBar, Instant)>,
}

impl Progress {
    pub(super) fn new(what: &'static str, total: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} {msg}, {elapsed}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(what);
            (bar, now())
        });
        Self { bar }
    }

    /// So many are done.
    pub(super) fn show(&mut self, done: u64) {
        if let Some((bar, next)) = &mut self.bar {
            let time = now();
            if time >= *next {
                bar.set_position(done);
                *next = time + EVERY;
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
