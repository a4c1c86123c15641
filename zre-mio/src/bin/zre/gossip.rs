//! `zre gossip`: a hub by itself, for nodes that no beacon reaches.

use crate::{
    cli::{USAGE, complain, log, start},
    json,
    output::{self, Output},
    signals,
};
use clap::Args;
use std::process::ExitCode;
use zre_mio::{Builder, Event, Node};

/// Be a hub by which nodes find each other where no beacon reaches them
///
/// The nodes gossip with it by --gossip-connect, and meet each other; the hub itself is nobody's peer.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Where to listen, as in tcp://*:5671, tcp://eth0:*, ipc:///tmp/hub; may be given several times
    #[arg(value_name = "URL")]
    at: Vec<String>,
    /// The same as an option
    #[arg(long, value_name = "URL")]
    gossip_bind: Vec<String>,
    /// Gossip with another hub, at this endpoint, so that its nodes meet those of this one; may be given several times
    #[arg(long, value_name = "URL")]
    gossip_connect: Vec<String>,
    /// The network interface that a host * means, by name or IPv4 address [default: all]
    #[arg(long, value_name = "NAME|ADDRESS")]
    interface: Option<String>,
    /// Print events as JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Log everything, all traffic included, on standard error
    #[arg(long, short)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  zre gossip 'tcp://*:5671'                                          on a machine that all can reach
  zre chat --endpoint 'tcp://*:*' --gossip-connect tcp://HOST:5671   on the others, HOST being that machine

End with Ctrl-C.";

/// Runs until a signal comes, or nobody reads the output.
pub(crate) fn run(options: &Options) -> ExitCode {
    let places = || options.at.iter().chain(&options.gossip_bind);
    if places().next().is_none() {
        complain("a hub needs an endpoint to listen at, as in: zre gossip 'tcp://*:5671'");
        return ExitCode::from(USAGE);
    }
    log(options.verbose);
    let mut builder = places().fold(Node::anonymous().hub(), Builder::gossip_bind);
    builder = options.gossip_connect.iter().fold(builder, Builder::gossip_connect);
    if let Some(interface) = &options.interface {
        builder = builder.interface(interface);
    }
    let node = match start(builder) {
        Ok(node) => node,
        Err(code) => return code,
    };
    signals::stop_the_node(node.clone());
    let output = Output::new();
    if options.json {
        output.line(json::start(&node));
    } else {
        node.gossip_endpoints().iter().for_each(|at| output.line(format_args!("gossip hub at {at}")));
    }
    output::stop_when_broken(node.clone());
    loop {
        if output.is_broken() {
            node.stop();
        }
        match node.recv() {
            Ok(event) => {
                let line = json::event(&event, &node).filter(|_| options.json);
                line.into_iter().for_each(|line| output.line(line));
                if event == Event::Stop {
                    return ExitCode::SUCCESS;
                }
            }
            Err(_) => {
                complain("the hub broke off; with --verbose it says more");
                return ExitCode::FAILURE;
            }
        }
    }
}
