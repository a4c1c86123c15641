//! The one place of the program that reads a clock.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "what runs for real is measured in the time of the machine")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
