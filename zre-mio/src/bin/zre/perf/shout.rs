//! `zre perf shout`: how much goes to a group.

use super::{
    Patience, find, outcome,
    protocol::{Plan, Way},
    role::Role,
    sink::GROUP,
    source::{CONFIRM, Source},
    station::Station,
};
use crate::cli::{NodeOptions, USAGE, complain};
use clap::Args;
use std::process::ExitCode;

/// Measure how many shouts the peers in a group take in a second
///
/// They go out as fast as the slowest takes them. Where all in the group are zre perf sinks, each measures from just before the
/// first to the last that arrives, and reports that and what was lost: messages count for each receiver that they reach, the
/// time is that of the slowest. Where one is another program, it is measured from here, until the nodes of all say that they have
/// read all, for which they have 20 seconds; what is lost is not known then. This node is not in the group itself. Who joins later is not waited for.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("group", |group| group.help("The group to shout to, one alone [default: perf]")),
)]
pub(crate) struct Options {
    /// How many peers must be in the group before it begins [default: at least one, and all who join before a second passes
    /// without another]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) receivers: Option<u32>,
    /// How many shouts
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
  zre perf shout                                to all zre perf sinks that are found
  zre perf shout --receivers 3                  as soon as there are three
  zre perf shout --group chat --size 1024       to a group of your own
  zre perf shout --interface lo --json          on this machine alone

With --json the last line is, to three receivers, an MB being a million octets of content:
  {"messages_per_s":1234567.8,"mb_per_s":39.506,"seconds":0.243000000,"count":100000,"size":32,"receivers":3,"lost":0}
lost is null where not all of them are sinks.

It fails where a receiver leaves, or takes nothing for as long as --timeout."#;

pub(super) fn run(options: &Options) -> ExitCode {
    let group = match &options.node.group[..] {
        [] => GROUP.to_owned(),
        [group] => group.clone(),
        _ => {
            complain("a shout goes to one group; give --group once");
            return ExitCode::from(USAGE);
        }
    };
    let mut station = match Station::start(&options.node, Role::Asker, &[], Some(CONFIRM)) {
        Ok(station) => station,
        Err(code) => return code,
    };
    let plan = Plan { way: Way::Shouts(group.clone()), count: options.count, size: options.size };
    let Patience { wait, timeout } = options.patience;
    let wanted = options.receivers.map(|many| many as usize);
    let measured = find::group(&mut station, &group, wanted, wait)
        .and_then(|receivers| Source::new(&mut station, receivers, plan.clone(), timeout).measure());
    let code = measured.map_or_else(|end| end.tell(), |outcome| outcome::print(&outcome, &plan, options.json));
    station.leave();
    code
}
