//! `zre`: ZRE from the command line.
#![forbid(unsafe_code)]

mod chat;
mod cli;
mod clock;
mod gossip;
mod json;
mod output;
mod perf;
mod pipe;
mod signals;
mod sim;
mod soak;
mod text;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Programs on a network find each other, form groups, whisper and shout (ZRE, as spoken by Zyre and Pyre).
#[derive(Debug, Parser)]
#[command(name = "zre", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Chat(chat::Options),
    Gossip(gossip::Options),
    Perf(perf::Options),
    Pipe(pipe::Options),
    Sim(sim::Options),
    Soak(soak::Options),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Chat(options) => chat::run(&options),
        Command::Gossip(options) => gossip::run(&options),
        Command::Perf(options) => perf::run(&options),
        Command::Pipe(options) => pipe::run(&options),
        Command::Sim(options) => sim::run(&options),
        Command::Soak(options) => soak::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_reach_the_command() {
        let line =
            "zre chat --name bob --header a=b=c --header d= --group x --group y --interface lo --evasive 250 --json";
        let Command::Chat(chat) = Arguments::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("it is a chat");
        };
        assert_eq!(chat.node.group, ["x", "y"]);
        assert!(chat.json);
        assert_eq!(chat.node.name.as_deref(), Some("bob"));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(chat.node.header, [header("a", "b=c"), header("d", "")]);
        assert_eq!(chat.node.evasive, Some(std::time::Duration::from_millis(250)));
    }

    #[test]
    fn a_peer_is_a_place_or_somebody_at_a_place() {
        const UUID: &str = "898982B43D674EB6BBAACFBBA7478086";
        let line = format!("zre pipe --peer tcp://h:1 --peer {UUID}=tcp://h:2 --peer ipc:///a=b");
        let Command::Pipe(pipe) = Arguments::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("it is a pipe");
        };
        let place = |text: &str| text.to_owned();
        let peers = [(None, place("tcp://h:1")), (UUID.parse().ok(), place("tcp://h:2")), (None, place("ipc:///a=b"))];
        assert_eq!(pipe.node.peer, peers);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            "zre",
            "zre chat --header nothing",
            "zre chat --port 0",
            "zre chat --interval 0",
            "zre chat --port 65536",
            "zre chat --peer 12=tcp://127.0.0.1:5",
            "zre sim --nodes 0",
            "zre sim --duration -1",
            "zre sim --network moon",
        ] {
            assert_eq!(Arguments::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
