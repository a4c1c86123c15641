//! `zre pipe`: a node for scripts, and for languages without a binding.

mod command;
mod input;

use crate::{
    cli::{NodeOptions, complain},
    json::{self, Object},
    output::{self, Output},
    signals,
};
use clap::Args;
use command::{Command, Line};
use input::Input;
use parking_lot::Mutex;
use std::{
    fmt::Display,
    io,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use zre_mio::{Event, Node, PeerId};

/// A node on standard input and output, for programs
///
/// One JSON object a line both ways: commands in, events and replies out.
#[derive(Debug, Args)]
#[command(after_help = COMMANDS)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) node: NodeOptions,
}

const COMMANDS: &str = r#"Commands, each of which may have an "id", which comes back with the reply:
  {"do":"join","group":"G"}                             and leave
  {"do":"whisper","peer":"UUID","content":["text"]}     a frame is a text or {"hex":"00ff"}
  {"do":"shout","group":"G","content":["one","two"]}
  {"do":"set_header","name":"k","value":"v"}
  {"do":"gossip_connect","endpoint":"URL"}              the reply to gossip_bind is the real endpoint
  {"do":"gossip_bind","endpoint":"URL"}
  {"do":"gossip_unpublish","peer":"UUID"}
  {"do":"require_peer","endpoint":"URL","peer":"UUID"}  for whoever is there without the peer
  {"do":"set_contest_in_group","group":"G"}
  {"do":"stop"}                                         so does the end of the input
Questions:
  {"do":"uuid"}, name, endpoint, peers, own_groups, peer_groups, stats
  {"do":"peers_by_group","group":"G"}                   and leader
  {"do":"peer_address","peer":"UUID"}                   and peer_name, peer_headers
  {"do":"peer_header_value","peer":"UUID","name":"k"}

Replies, with the "id" of the command:
  {"reply":"peers","id":7,"value":["UUID"]}             true where a command has nothing to say
  {"error":"why","do":"whisper","id":7}

Events: START, ENTER, EVASIVE, SILENT, EXIT, JOIN, LEAVE, LEADER, WHISPER, SHOUT, STOP; and IDENTITY-CONFLICT, where
somebody at another address claims to be a peer. Each has "event", "peer" (a UUID) and "name", and further
  START         "endpoint", "gossip"                    where it has them
  ENTER         "headers", "endpoint"
  EXIT          "reason", "unsent"
  JOIN, LEAVE, LEADER, SHOUT                            "group"
  WHISPER, SHOUT                                        "content", a list of frames

Try it on this machine alone, in two terminals:
  zre pipe --interface lo --group tea
  zre chat --interface lo --group tea"#;

/// Runs until `stop`, the end of the input, a signal, or until nobody reads the output.
pub(crate) fn run(options: &Options) -> ExitCode {
    let node = match options.node.start(None, &options.node.group) {
        Ok(node) => node,
        Err(code) => return code,
    };
    signals::stop_the_node(node.clone());
    let pipe = Arc::new(Pipe { node, output: Output::new(), busy: Mutex::new(()), over: AtomicBool::new(false) });
    pipe.output.line(json::start(&pipe.node));
    output::stop_when_broken(pipe.node.clone());

    // Commands have a thread of their own, so that events go on while a whisper waits for room.
    let obeying = pipe.clone();
    if let Err(error) = thread::Builder::new().name("input".into()).spawn(move || obeying.obey_all()) {
        complain(&format!("no commands can be read: {error}"));
        pipe.node.stop();
        return ExitCode::FAILURE;
    }
    pipe.tell_all()
}

#[derive(Debug)]
struct Pipe {
    node: Node,
    output: Output,
    /// Held from the reading of a command to its answer.
    busy: Mutex<()>,
    /// The node has stopped: no further command is taken.
    over: AtomicBool,
}

impl Pipe {
    /// Prints events until the node has stopped.
    fn tell_all(&self) -> ExitCode {
        loop {
            if self.output.is_broken() {
                self.node.stop();
            }
            let event = match self.node.recv() {
                Ok(event) => event,
                Err(_) => {
                    complain("the node broke off without a farewell; with --verbose it says more");
                    return ExitCode::FAILURE;
                }
            };
            let Some(line) = json::event(&event, &self.node) else { continue };
            if event == Event::Stop {
                self.over.store(true, Ordering::Relaxed);
                // The command in progress gets its answer first; a whisper that waited fails now.
                let _answered = self.busy.lock();
                self.output.last_line(line);
                return ExitCode::SUCCESS;
            }
            self.output.line(line);
        }
    }

    /// Obeys one command after the other until one of them, or their end, means to stop.
    fn obey_all(&self) {
        let mut input = Input::new(io::stdin().lock());
        while let Some(line) = input.next_line() {
            let busy = self.busy.lock();
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let stop = self.obey(Line::read(line));
            drop(busy);
            if stop || self.output.is_broken() {
                break;
            }
        }
        self.node.stop();
    }

    /// Obeys a command and answers it. Returns whether the node is to stop.
    fn obey(&self, line: Line) -> bool {
        let Line { name, id, command } = line;
        let with_id = |object: Object| match &id {
            Some(id) => object.raw("id", id),
            None => object,
        };
        // The reply to it must come before STOP does.
        let stop = command == Ok(Command::Stop);
        let answer = match command.and_then(|command| self.carry_out(command)) {
            Ok(value) => with_id(Object::reply(name.as_deref().unwrap_or_default())).raw("value", &value),
            Err(why) => {
                let error = Object::error(&why);
                with_id(match &name {
                    Some(name) => error.text("do", name),
                    None => error,
                })
            }
        };
        self.output.line(answer.end());
        stop
    }

    /// The value of the reply, as JSON, or what is wrong.
    fn carry_out(&self, command: Command) -> Result<String, String> {
        let node = &self.node;
        let peers = |peers: Vec<PeerId>| json::strings(peers.iter().map(ToString::to_string));
        Ok(match command {
            Command::Join { group } => return taken(node.join(&group)),
            Command::Leave { group } => return taken(node.leave(&group)),
            Command::Whisper { peer, content } => return taken(node.whisper(peer, content)),
            Command::Shout { group, content } => return taken(node.shout(&group, content)),
            Command::SetHeader { name, value } => return taken(node.set_header(&name, &value)),
            Command::GossipConnect { endpoint } => return taken(node.gossip_connect(endpoint)),
            Command::GossipBind { endpoint } => {
                let at = node.gossip_bind(endpoint).map_err(|error| error.to_string())?;
                json::string(&at.to_string())
            }
            Command::GossipUnpublish { peer } => node.gossip_unpublish(peer).to_string(),
            Command::RequirePeer { peer, endpoint } => return taken(node.require_peer(peer, endpoint)),
            Command::SetContestInGroup { group } => return taken(node.set_contest_in_group(&group)),
            Command::Leader { group } => json::string_or_null(node.leader(&group).map(|peer| peer.to_string())),
            Command::Stop => "true".into(),
            Command::Uuid => json::string(&node.uuid().to_string()),
            Command::Name => json::string(node.name()),
            Command::Endpoint => json::string_or_null(node.endpoint().map(|at| at.to_string())),
            Command::Peers => peers(node.peers()),
            Command::OwnGroups => json::strings(node.own_groups()),
            Command::PeerGroups => json::strings(node.peer_groups()),
            Command::PeersByGroup { group } => peers(node.peers_by_group(&group)),
            Command::PeerAddress { peer } => json::string_or_null(node.peer_address(peer).map(|at| at.to_string())),
            Command::PeerName { peer } => json::string_or_null(node.peer_name(peer)),
            Command::PeerHeaders { peer } => {
                node.peer_headers(peer).map_or_else(|| "null".into(), |headers| json::headers(&headers))
            }
            Command::PeerHeaderValue { peer, name } => json::string_or_null(node.peer_header_value(peer, &name)),
            Command::Stats => json::statistics(&node.statistics()),
        })
    }
}

/// What a command gets once the node has taken it.
fn taken<T>(result: Result<T, impl Display>) -> Result<String, String> {
    result.map(|_| "true".into()).map_err(|error| error.to_string())
}
