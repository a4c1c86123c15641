//! The options that every command with a node shares.

use clap::Args;
use std::{
    env, fs,
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};
use tracing_subscriber::EnvFilter;
use zre_mio::{Builder, ListenerKind, Node, PeerId, StartError};

/// The exit code of a command line that cannot be obeyed, as clap has it.
pub(crate) const USAGE: u8 = 2;

/// How to set up the node.
#[derive(Debug, Args)]
pub(crate) struct NodeOptions {
    /// The node's name; peers see it, and it need not be unique [default: in a chat your own]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A header that peers see when the node enters; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = header)]
    pub(crate) header: Vec<(String, String)>,
    /// A group to be in from the start; may be given several times [default: in a chat the group chat]
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Vec<String>,
    /// The network interface to use, by name or IPv4 address, as in eth0 or 192.168.1.5; lo stays on this machine
    /// [default: the best that is up]; with an --endpoint, what * means as its host [default: all]
    #[arg(long, value_name = "NAME|ADDRESS")]
    pub(crate) interface: Option<String>,
    /// The UDP port for beacons, the same for all nodes that are to meet
    #[arg(long, value_name = "UDP", default_value_t = 5670, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// The TCP port that peers connect to [default: any that is free]
    #[arg(long, value_name = "TCP", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) mailbox_port: Option<u16>,
    /// Milliseconds between beacons [default: 1000]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) interval: Option<Duration>,
    /// Be at this endpoint, as in tcp://*:5670, tcp://eth0:*, ipc:///tmp/mailbox, and send no beacons
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Send beacons although there is an --endpoint
    #[arg(long)]
    pub(crate) beacons: bool,
    /// Be a hub that others gossip with, at this endpoint; may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) gossip_bind: Vec<String>,
    /// Find peers by gossip with the hub at this endpoint; may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) gossip_connect: Vec<String>,
    /// The endpoint to tell others, where it is not the one listened at
    #[arg(long, value_name = "URL")]
    pub(crate) advertise: Option<String>,
    /// Look for a peer at this endpoint, as in tcp://192.168.1.7:5670: for whoever is there, or until that UUID is; may be
    /// given several times
    #[arg(long, value_name = "[UUID=]URL", value_parser = peer)]
    pub(crate) peer: Vec<(Option<PeerId>, String)>,
    /// A group to be in from the start, and in whose election of a leader to take part; may be given several times
    #[arg(long, value_name = "GROUP")]
    pub(crate) contest: Vec<String>,
    /// Milliseconds of silence, beacons included, after which a peer is asked for a sign of life; while its beacons come it is
    /// half of --expired [default: 5000]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) evasive: Option<Duration>,
    /// Milliseconds from EVASIVE (it was asked a second before, and has not answered) to SILENT [default: 5000]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) silent: Option<Duration>,
    /// Milliseconds of silence after which it is given up [default: 30000]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) expired: Option<Duration>,
    /// Milliseconds in which a peer whose queue is full must take something of it [default: 10000]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) send_timeout: Option<Duration>,
    /// Milliseconds that peers have at the end to take what was sent to them [default: 1000]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) linger: Option<Duration>,
    /// Log everything, all traffic included, on standard error; where RUST_LOG is set, what that says
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

impl NodeOptions {
    /// Starts the node in these groups, or says on standard error why it does not. Without a name it has the one given
    /// here.
    pub(crate) fn start(&self, name: Option<String>, groups: &[String]) -> Result<Node, ExitCode> {
        start(self.prepare(name, groups))
    }

    /// The node, ready to start, in these groups.
    pub(crate) fn prepare(&self, name: Option<String>, groups: &[String]) -> Builder {
        log(self.verbose);
        groups.iter().chain(&self.contest).fold(self.builder(name), Builder::group)
    }

    fn builder(&self, name: Option<String>) -> Builder {
        let mut builder = Node::anonymous().port(self.port).mailbox_port(self.mailbox_port.unwrap_or(0));
        for (key, value) in &self.header {
            builder = builder.header(key, value);
        }
        if let Some(interface) = &self.interface {
            builder = builder.interface(interface);
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if self.beacons {
            builder = builder.beacons();
        }
        if let Some(endpoint) = &self.advertise {
            builder = builder.advertise(endpoint);
        }
        builder = self.gossip_bind.iter().fold(builder, Builder::gossip_bind);
        builder = self.gossip_connect.iter().fold(builder, Builder::gossip_connect);
        builder = self.contest.iter().fold(builder, Builder::contest);
        for (peer, endpoint) in &self.peer {
            builder = match peer {
                Some(peer) => builder.required_peer(*peer, endpoint),
                None => builder.peer(endpoint),
            };
        }
        let config = builder.config();
        config.send_timeout = self.send_timeout.unwrap_or(config.send_timeout);
        config.name = self.name.clone().or(name);
        config.interval = self.interval.unwrap_or(config.interval);
        config.evasive = self.evasive.unwrap_or(config.evasive);
        config.silent = self.silent.unwrap_or(config.silent);
        config.expired = self.expired.unwrap_or(config.expired);
        config.linger = self.linger.unwrap_or(config.linger);
        builder
    }
}

/// Starts the node, or says on standard error why it does not.
pub(crate) fn start(builder: Builder) -> Result<Node, ExitCode> {
    builder.start().map_err(|error| not_started(&error))
}

/// Says on standard error why a node did not start.
pub(crate) fn not_started(error: &StartError) -> ExitCode {
    complain(&format!("{error}{}", option_for(error)));
    ExitCode::FAILURE
}

/// Log lines on standard error; `RUST_LOG` says which, where it is set.
pub(crate) fn log(verbose: bool) {
    // What peers do is the command's own to tell.
    let usual = if verbose { "trace,mio=info" } else { "warn,zre_mio=info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && colours_are_welcome())
        .with_target(verbose)
        .log_internal_errors(false);
    // Without a time it reads like a message of the program itself, which it is.
    let _ = if verbose { log.try_init() } else { log.without_time().try_init() };
}

/// Which option helps against an error, where one does.
fn option_for(error: &StartError) -> &'static str {
    match error {
        StartError::Held { kind: ListenerKind::Hub, .. } | StartError::Listen { kind: ListenerKind::Hub, .. } => {
            " (--gossip-bind)"
        }
        StartError::BeaconsWithoutPort(_) => " (--endpoint, --beacons)",
        StartError::Interface(_) => " (--interface)",
        StartError::PortHeld { .. } | StartError::Beacon { .. } => " (--port)",
        StartError::Held { kind: ListenerKind::Mailbox, .. }
        | StartError::Listen { kind: ListenerKind::Mailbox, .. } => " (--endpoint or --mailbox-port)",
        _ => "",
    }
}

/// One line on standard error, which may be closed.
pub(crate) fn complain(text: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "zre: {text}");
}

/// See <https://no-color.org>.
pub(crate) fn colours_are_welcome() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A name for a person's node: that of the user, or of the machine.
pub(crate) fn personal_name() -> Option<String> {
    let variable = |name| env::var(name).ok();
    let host = || fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| variable("HOSTNAME"));
    let names = [variable("USER"), variable("LOGNAME"), host()];
    names.into_iter().flatten().map(|name| name.trim().to_owned()).find(|name| (1..=255).contains(&name.len()))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a header has the form KEY=VALUE")?;
    Ok((key.into(), value.into()))
}

fn peer(text: &str) -> Result<(Option<PeerId>, String), String> {
    // The path of an endpoint may have = in it, but a UUID has no colon.
    match text.split_once('=') {
        Some((uuid, endpoint)) if !uuid.contains(':') => {
            let peer = uuid.parse().map_err(|error| format!("{error}"))?;
            Ok((Some(peer), endpoint.into()))
        }
        _ => Ok((None, text.into())),
    }
}

pub(crate) fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(1..) => Ok(Duration::from_millis(text.parse().unwrap_or_default())),
        _ => Err("a time is a number of milliseconds, 1 or more".into()),
    }
}
