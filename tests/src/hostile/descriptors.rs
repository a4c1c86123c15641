//! How many descriptors a process may have.

use crate::namespace;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Makes room for so many descriptors in this process and those that it starts. Where that cannot be, the test is skipped
/// with a line that says so, or fails where it is required: see [`namespace::skip`]. Whether there is room.
#[track_caller]
pub fn make_room(descriptors: u64) -> bool {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= descriptors) {
        return true;
    }
    if limit.maximum.is_none_or(|most| most >= descriptors) {
        limit.current = Some(descriptors);
        if setrlimit(Resource::Nofile, limit).is_ok() {
            return true;
        }
    }
    namespace::skip(&format!("{descriptors} descriptors are needed; raise the hard limit (ulimit -Hn): {limit:?}"));
    false
}
