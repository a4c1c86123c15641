//! `zre soak`: real nodes over real sockets, to which all sorts of things happen for as long as one likes, while it is checked
//! that all they hear is right.

mod check;
mod cluster;
mod dice;
mod host;
mod outcome;
mod play;
mod progress;
mod sample;

use crate::{
    cli::{complain, log},
    signals::{self, INTERRUPTED},
};
use clap::Args;
use cluster::Cluster;
use outcome::Outcome;
use std::{env, ops::RangeInclusive, process, process::ExitCode, time::Duration};

/// How many nodes there may be.
const NODES: RangeInclusive<usize> = 2..=200;

/// Run real nodes for long: they talk, join, leave, stop, are killed and come back, and all they hear is checked
///
/// The nodes are in this process, half of them on threads of their own, and meet over real sockets. Rounds in which
/// operations are drawn at random take turns with quiet, in which each node must come to see exactly those that are there,
/// in the groups that they are in; then everybody whispers to everybody. All along, messages must come whole, in order, none
/// lost between ENTER and EXIT but what a killed node had under way; ENTER and EXIT alternate; JOIN, LEAVE and messages come
/// in between, shouts only to members; nobody goes who is there. The operations follow from the seed; but the time is real,
/// so that no two runs are the same.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// How many minutes to run, as in 60 or 0.5; the quiet at the end comes on top
    #[arg(long, value_name = "N", default_value = "1", value_parser = minutes)]
    minutes: Duration,
    /// How many nodes there are at most, from 2 to 200; at least half of them always run. Each pair has two connections, whose four ends are
    /// in this process: see `ulimit -n`
    #[arg(long, value_name = "N", default_value = "8", value_parser = nodes)]
    nodes: usize,
    /// Where the operations come from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The network interface to use, by name or IPv4 address; lo stays on this machine
    #[arg(long, value_name = "NAME|ADDRESS", default_value = "lo")]
    interface: String,
    /// The UDP port for beacons, which no other node may use [default: one of this process, from 20000 to 29999]
    #[arg(long, value_name = "UDP", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Print what came of it as one JSON object
    #[arg(long)]
    json: bool,
    /// Log everything, all traffic included, on standard error
    #[arg(long, short)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  zre soak                           8 nodes for a minute, on this machine alone
  zre soak --minutes 60 --nodes 20 --seed 7 --json

Memory and descriptors are shown three times: when all nodes had met for the first time, the highest value, and at the end
when all nodes are there again. Memory may grow for some minutes; descriptors must be as many after the last node has stopped as
before the first.

Ctrl-C ends it politely, and prints what came of it so far.

Exit codes: 0 everything held; 1 something did not, or it could not be run; 2 the command line makes no sense; 130 it was
interrupted, and everything had held so far.";

pub(crate) fn run(options: &Options) -> ExitCode {
    // That nodes start and stop is nothing to tell here.
    if options.verbose || env::var_os("RUST_LOG").is_some() {
        log(options.verbose);
    }
    // Of its own, so that two soaks, and the user's nodes, do not meet; and below those that the system gives away.
    let port = options.port.unwrap_or(20_000 + (process::id() % 10_000) as u16);
    let mut cluster = match Cluster::new(options.nodes, &options.interface, port) {
        Ok(cluster) => cluster,
        Err(error) => {
            complain(&format!("could not set up a poll: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let bell = cluster.bell.clone();
    signals::on_first(move || bell.ring());
    let story = match play::play(&mut cluster, options.seed, options.minutes) {
        Ok(story) => story,
        Err(code) => return code,
    };
    let outcome = Outcome { cluster: &cluster, story: &story, seed: options.seed };
    outcome.print(options.json);
    match (outcome.is_good(), story.interrupted) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::from(INTERRUPTED),
        (true, false) => ExitCode::SUCCESS,
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    // A year.
    const MOST: f64 = 525_600.0;
    match text.parse() {
        Ok(minutes) if (0.001..=MOST).contains(&minutes) => Ok(Duration::from_secs_f64(minutes * 60.0)),
        _ => Err(format!("a time is a number of minutes, from 0.001 to {MOST}")),
    }
}

fn nodes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(nodes) if NODES.contains(&nodes) => Ok(nodes),
        _ => Err(format!("there may be {} to {} nodes", NODES.start(), NODES.end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_minutes() {
        assert_eq!(minutes("0.5"), Ok(Duration::from_secs(30)));
        for nonsense in ["", "-1", "0", "NaN", "inf", "1e9", "5m"] {
            assert!(minutes(nonsense).is_err(), "{nonsense}");
        }
        assert!(nodes("1").is_err() && nodes("201").is_err() && nodes("2").is_ok());
    }
}
