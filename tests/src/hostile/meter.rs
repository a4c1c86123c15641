//! What a process costs while it is attacked: memory and descriptors, at their highest.

use std::{
    fs,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often descriptors are counted. Of memory the system keeps the peak itself.
const OFTEN: Duration = Duration::from_millis(10);

/// Memory in octets, and descriptors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Octets of memory that the process has in use.
    pub memory: u64,
    /// Descriptors that it has open.
    pub descriptors: usize,
}

impl Cost {
    /// What a process costs now.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        Self { memory: memory(pid, "VmRSS:"), descriptors: descriptors(pid).expect("the process runs") }
    }
}

/// Watches a process from its start on.
#[derive(Debug)]
pub struct Meter {
    pid: u32,
    stop: Sender<()>,
    counts: JoinHandle<usize>,
}

impl Meter {
    /// Forgets the peak of a process's memory and watches it from now on.
    #[track_caller]
    pub fn start(pid: u32) -> Self {
        // The peak is what is in use now.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak can be forgotten");
        let (stop, stopped) = mpsc::channel();
        let counts = thread::spawn(move || {
            let mut most = 0;
            loop {
                most = most.max(descriptors(pid).unwrap_or_default());
                if stopped.recv_timeout(OFTEN) != Err(RecvTimeoutError::Timeout) {
                    return most;
                }
            }
        });
        Self { pid, stop, counts }
    }

    /// The peaks so far; it watches no longer.
    #[track_caller]
    pub fn peak(self) -> Cost {
        let _ = self.stop.send(());
        let descriptors = self.counts.join().expect("counting ends");
        Cost { memory: memory(self.pid, "VmHWM:"), descriptors }
    }
}

/// A line of what the system says of a process, in octets.
#[track_caller]
fn memory(pid: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let found = status.lines().find_map(|found| found.strip_prefix(line));
    let kibibytes = found.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_else(|| panic!("{line} is not in:\n{status}")) << 10
}

fn descriptors(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}
