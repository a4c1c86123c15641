//! `zre perf`: how fast a live cluster is. Two commands that answer, three that ask.

mod backlog;
mod echo;
mod end;
mod find;
mod histogram;
mod outcome;
mod payload;
mod progress;
mod protocol;
mod rates;
mod role;
mod rtt;
mod shout;
mod sink;
mod source;
mod station;
mod whisper;

use clap::{Args, Subcommand, builder::RangedU64ValueParser};
use std::{process::ExitCode, time::Duration};
use zre_mio::Config;

/// Measure a live cluster: round trips, whispers and shouts
///
/// One program answers, another asks: rtt asks an echo, whisper and shout ask sinks. The other side may be any ZRE program: an
/// rtt is content with whatever sends its whispers back, and echo answers whoever whispers.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Echo(echo::Options),
    Sink(sink::Options),
    Rtt(rtt::Options),
    Whisper(whisper::Options),
    Shout(shout::Options),
}

const EXAMPLES: &str = "\
On one machine, in two terminals; leave --interface lo out between two machines:
  zre perf echo --interface lo      and    zre perf rtt --interface lo
  zre perf sink --interface lo      and    zre perf whisper --interface lo
  zre perf sink --interface lo      and    zre perf shout --interface lo

Exit codes: 0 it was measured and nothing was lost, or an echo or sink was told to end; 1 it was not, or something was
lost; 2 the command line makes no sense; 130 a measurement was interrupted.";

pub(crate) fn run(options: &Options) -> ExitCode {
    match &options.command {
        Command::Echo(options) => echo::run(options),
        Command::Sink(options) => sink::run(options),
        Command::Rtt(options) => rtt::run(options),
        Command::Whisper(options) => whisper::run(options),
        Command::Shout(options) => shout::run(options),
    }
}

/// What all that ask are told.
#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// Milliseconds to wait until those who are asked are there
    #[arg(long, value_name = "MS", default_value = "10000", value_parser = crate::cli::milliseconds)]
    pub(crate) wait: Duration,
    /// Milliseconds that the other side may take for an answer, or for taking anything of what is sent
    #[arg(long, value_name = "MS", default_value = "5000", value_parser = crate::cli::milliseconds)]
    pub(crate) timeout: Duration,
}

/// How many messages: at least one.
fn count() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

/// How large a message: as large as nodes take.
fn size(text: &str) -> Result<usize, String> {
    let most = Config::default().limits.message;
    match text.parse() {
        Ok(size) if size <= most => Ok(size),
        _ => Err(format!("a size is a number of octets, at most {most}")),
    }
}
