//! Processes whose nodes only meet.

use crate::{child::Child, cli::Role, contestant::Contestant, install::Installed, machine};

/// Some processes of one contestant.
#[derive(Debug)]
pub struct Cluster {
    pub processes: Vec<Child>,
    /// How many nodes each has.
    shares: Vec<usize>,
}

impl Cluster {
    /// So many processes, which share so many nodes and have not started them.
    pub fn new(contestant: Contestant, installed: &Installed, processes: usize, nodes: usize) -> Result<Self, String> {
        let start = |number| {
            let command = contestant.command(installed, Role::Cluster, "")?;
            let mut child = Child::start(format!("{contestant}, process {number} of a cluster"), command)?;
            child.hear("ready")?;
            Ok(child)
        };
        let shares = (0..processes).map(|number| (nodes + number) / processes).collect();
        Ok(Self { processes: (0..processes).map(start).collect::<Result<_, String>>()?, shares })
    }

    /// Starts all nodes, and returns the milliseconds until each has entered at each other.
    pub fn meet(&mut self) -> Result<f64, String> {
        let begin = machine::now() as f64;
        for (process, nodes) in self.processes.iter_mut().zip(&self.shares) {
            process.say(&format!("start {nodes}"))?;
        }
        let others = self.shares.iter().sum::<usize>() - 1;
        for process in &mut self.processes {
            process.say(&format!("await {others}"))?;
        }
        let mut end = begin;
        for process in &mut self.processes {
            process.hear("begun")?;
            end = process.hear_number("whole")?.max(end);
        }
        Ok((end - begin) / 1e6)
    }

    /// What all processes together have of something.
    pub fn sum(&self, what: impl Fn(&Child) -> f64) -> f64 {
        self.processes.iter().map(what).sum()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // All at once: those that live on would be busy with those that are gone.
        self.processes.iter_mut().for_each(Child::kill);
    }
}
