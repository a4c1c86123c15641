//! What the machine tells and grants: time, processor time, memory, descriptors.

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};
use std::{fs, time::Duration};

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

/// The octets of memory that a process holds: its resident set.
pub fn memory(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024.0 * kib)
}

/// How many descriptors a process has.
pub fn descriptors(pid: u32) -> Option<f64> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as f64)
}

/// Raises the number of descriptors to what a process may give itself, and returns it.
pub fn all_descriptors() -> u64 {
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft),
    }
}
