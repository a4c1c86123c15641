//! The command line.

use crate::{contestant::Contestant, work::Work};
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// How fast this implementation is beside plain TCP, libzmq and other programs, on this machine in one run.
///
/// Each contestant is two processes that do the same work, in a network namespace that this program makes itself: nothing
/// leaves the machine. What is not installed is left out, and the output says so.
#[derive(Debug, Parser)]
#[command(name = "versus", version)]
pub struct Cli {
    /// What to measure. Default: everything.
    #[arg(long, value_delimiter = ',', value_name = "WORK,…")]
    pub work: Vec<Work>,

    /// Who takes part. Default: everybody who is installed.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub contestants: Vec<Contestant>,

    /// How often each figure is taken; all contestants take turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..1000))]
    pub repeats: u32,

    /// Runs everything, but shortly: figures mean little then. Once, whatever `--repeats` says.
    #[arg(long)]
    pub quick: bool,

    /// Writes everything that was measured into this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draws it into this file.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,

    /// Clusters of other programs of up to 100 nodes, not 10: a process for each, and up to 6 GB.
    #[arg(long)]
    pub full: bool,

    #[command(subcommand)]
    pub hidden: Option<Hidden>,
}

impl Cli {
    /// What is measured.
    pub fn works(&self) -> &[Work] {
        if self.work.is_empty() { Work::value_variants() } else { &self.work }
    }

    /// Who is to take part.
    pub fn contestants(&self) -> &[Contestant] {
        if self.contestants.is_empty() { Contestant::value_variants() } else { &self.contestants }
    }
}

/// What the program calls itself for.
#[derive(Debug, Subcommand)]
pub enum Hidden {
    /// Plays a contestant, told what to do by lines.
    #[command(hide = true)]
    Play { contestant: Contestant, role: Role, place: String },
}

/// One of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Takes messages.
    Receiver,
    /// Sends them.
    Sender,
    /// Has nodes that only meet.
    Cluster,
    /// Has nodes that look for one node and say nothing to it.
    Idle,
}
