//! `zre perf whisper`: how much goes to one peer.

use super::{
    Patience, find, outcome,
    protocol::{Plan, Way},
    role::Role,
    source::{CONFIRM, Source},
    station::Station,
};
use crate::cli::NodeOptions;
use clap::Args;
use std::process::ExitCode;

/// Measure how many whispers a peer takes in a second
///
/// They go out as fast as the peer takes them. Where it is a zre perf sink, it measures from just before the first to the last
/// that arrives, and reports that and what was lost. Any other program is measured from here, until its node says that it has
/// read all, for which it has 20 seconds; what is lost is not known then. Without --to it is the first zre perf sink that is found.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The peer to whisper to, by name or UUID
    #[arg(long, value_name = "NAME|UUID")]
    pub(crate) to: Option<String>,
    /// How many whispers
    #[arg(long, value_name = "N", default_value = "100000", value_parser = super::count())]
    pub(crate) count: u64,
    /// How many octets each has
    #[arg(long, value_name = "OCTETS", default_value = "32", value_parser = super::size)]
    pub(crate) size: usize,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) node: NodeOptions,
}

const EXAMPLES: &str = r#"Examples:
  zre perf whisper                          to the first zre perf sink that is found
  zre perf whisper --to bob --size 65536    to bob, which may be any program
  zre perf whisper --interface lo --json    on this machine alone

With --json the last line is, an MB being a million octets of content:
  {"messages_per_s":812345.6,"mb_per_s":25.995,"seconds":0.123100000,"count":100000,"size":32,"receivers":1,"lost":0}
lost is null where the peer is no sink.

It fails where the peer leaves, or takes nothing for as long as --timeout."#;

pub(super) fn run(options: &Options) -> ExitCode {
    let plan = Plan { way: Way::Whispers, count: options.count, size: options.size };
    let mut station = match Station::start(&options.node, Role::Asker, &options.node.group, Some(CONFIRM)) {
        Ok(station) => station,
        Err(code) => return code,
    };
    let Patience { wait, timeout } = options.patience;
    let measured = find::one(&mut station, options.to.as_deref(), Role::Sink, wait)
        .and_then(|peer| Source::new(&mut station, vec![peer], plan.clone(), timeout).measure());
    let code = measured.map_or_else(|end| end.tell(), |outcome| outcome::print(&outcome, &plan, options.json));
    station.leave();
    code
}
