//! What the machine tells and grants: time, processor time, descriptors.

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};
use std::time::Duration;

/// Nanoseconds of a clock that all processes of this machine share.
pub fn now() -> u64 {
    let now: Duration = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock").into();
    now.as_nanos() as u64
}

/// The seconds of processor time that all threads of a process have had, those that have ended too.
pub fn cpu(pid: u32) -> Option<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid as i32)).ok()?;
    let had: Duration = clock_gettime(clock).ok()?.into();
    Some(had.as_secs_f64())
}

/// Raises the number of descriptors to what a process may give itself, and returns it.
pub fn all_descriptors() -> u64 {
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft),
    }
}
