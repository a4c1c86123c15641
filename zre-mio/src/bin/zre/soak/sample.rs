//! What the process holds, as the system tells it.

use std::fs;

/// None of these where the system does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// KiB of memory.
    pub(super) memory: Option<u64>,
    /// Open descriptors.
    pub(super) descriptors: Option<u64>,
    pub(super) threads: Option<u64>,
}

impl Sample {
    pub(super) fn take() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).and_then(number);
        Self { memory: field("VmRSS:"), descriptors: descriptors(), threads: field("Threads:") }
    }

    /// The larger of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
        }
    }
}

/// How many descriptors are open.
pub(super) fn descriptors() -> Option<u64> {
    // One of them is that of the directory itself.
    fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as u64).saturating_sub(1))
}

fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_each_is_the_peak() {
        let one = Sample { memory: Some(5), descriptors: Some(9), threads: None };
        let other = Sample { memory: Some(7), descriptors: Some(3), threads: Some(2) };
        assert_eq!(one.max(other), Sample { memory: Some(7), descriptors: Some(9), threads: Some(2) });
        assert_eq!([" 12 kB", "\t3", "x"].map(number), [Some(12), Some(3), None]);
    }
}
