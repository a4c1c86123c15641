//! What is measured, one file each.

mod cluster;
mod discovery;
mod idle;
mod mesh;
mod one_way;
mod peers;
mod rtt;
mod shout;

use crate::{contestant::Contestant, install::Installed, results::Results};
use clap::ValueEnum;
use std::{fmt, time::Duration};

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Round trip of 32 octets.
    Rtt,
    /// Messages one way, of several sizes.
    OneWay,
    /// Messages to several at once.
    Shout,
    /// From the start of a node until it has met another.
    Discovery,
    /// From the start of many nodes until all have met.
    Mesh,
    /// What nodes cost that say nothing.
    Idle,
    /// What peers cost a node that say nothing to it.
    Peers,
}

/// How a run is to be.
#[derive(Debug)]
pub struct Settings {
    pub installed: Installed,
    /// How long one figure is measured, about.
    pub time: Duration,
    /// Shortly, that everything is run once.
    pub quick: bool,
    /// Large clusters of all.
    pub full: bool,
}

impl Work {
    /// Whether a contestant can do it.
    pub fn is_for(self, contestant: Contestant) -> bool {
        match self {
            Self::Rtt | Self::OneWay => true,
            Self::Discovery | Self::Mesh => contestant.is_zre(),
            Self::Shout => contestant.is_zre() || matches!(contestant, Contestant::Tcp | Contestant::Libzmq),
            Self::Idle | Self::Peers => contestant.is_ours(),
        }
    }

    /// Of its times and costs it is, of its rates not.
    pub fn less_is_better(self) -> bool {
        !matches!(self, Self::OneWay | Self::Shout)
    }

    /// Lets a contestant do it once.
    pub fn measure(self, contestant: Contestant, settings: &Settings, results: &mut Results) -> Result<(), String> {
        match self {
            Self::Rtt => rtt::measure(contestant, settings, results),
            Self::OneWay => one_way::measure(contestant, settings, results),
            Self::Shout => shout::measure(contestant, settings, results),
            Self::Discovery => discovery::measure(contestant, settings, results),
            Self::Mesh => mesh::measure(contestant, settings, results),
            Self::Idle => idle::measure(contestant, settings, results),
            Self::Peers => peers::measure(contestant, settings, results),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("all have names").get_name())
    }
}
