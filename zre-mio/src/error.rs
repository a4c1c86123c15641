//! What can go wrong here: a start, an application's run, and waiting for events.

use crate::{bind::BindError, interface::InterfaceError, ipc};
use std::io;
use zre_engine::{Address, ConfigError, DiscoveryError, InputError, ListenerKind, SendError};
use zre_proto::endpoint::EndpointError;

/// Why a node did not start. Nothing is left behind: no socket, no thread.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A group that cannot be joined.
    #[error(transparent)]
    Group(#[from] SendError),
    /// A setting whose text is no endpoint, or none that can be used.
    #[error("{option} {text:?}: {why}")]
    Endpoint {
        /// The setting: the name of the method that took it.
        option: &'static str,
        /// What was given.
        text: String,
        /// What is wrong with it, and what to write instead.
        why: EndpointProblem,
    },
    /// Beacons tell the port of a mailbox over TCP, and this one is none.
    #[error("beacons cannot tell of the endpoint {0}, which has no TCP port; give tcp://, or leave out beacons")]
    BeaconsWithoutPort(Address),
    /// A setting for peers, in a hub that is to be no peer.
    #[error("{option} is for nodes that have peers, and a hub by itself has none; leave out one of the two")]
    HubAlone {
        /// The setting: the name of the method that took it.
        option: &'static str,
    },
    /// A hub by itself that listens nowhere.
    #[error("a hub needs an endpoint to listen at, as in gossip_bind(\"tcp://*:5671\")")]
    HubNowhere,
    /// No interface to send beacons on.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// UDP port 0 was asked for.
    #[error("beacons need a UDP port from 1 to 65535 that all nodes of a cluster share; ZRE's own is 5670")]
    PortZero,
    /// Another program holds the UDP port and does not share it.
    #[error(
        "UDP port {port} on interface {interface} is held by a program that does not share it; stop that program, or \
         give every node of the cluster another UDP port"
    )]
    PortHeld {
        /// The UDP port.
        port: u16,
        /// The interface's name.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// The socket for beacons could not be made.
    #[error("no beacons on interface {interface}, UDP port {port}: {source}; try another interface or UDP port")]
    Beacon {
        /// The UDP port.
        port: u16,
        /// The interface's name.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else listens where the mailbox or a hub was to listen.
    #[error("no {} at {at}, for it is in use; {}", name(.kind), instead(.at))]
    Held {
        /// What was to listen.
        kind: ListenerKind,
        /// Where.
        at: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The mailbox or a hub could not listen.
    #[error("no {} at {at}: {source}; {}", name(.kind), try_else(.at, .source))]
    Listen {
        /// What was to listen.
        kind: ListenerKind,
        /// Where.
        at: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The node has stopped or is stopping.
    #[error("the node has stopped")]
    Stopped,
    /// The machine has no randomness to give.
    #[error("the machine gave no random numbers: {0}")]
    Random(io::Error),
    /// The machine ran out of something.
    #[error("could not set up {what}: {source}")]
    Machine {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The engine refused the order of the start: a bug of this crate.
    #[error("the engine refused to start: {0}")]
    Engine(#[from] InputError),
}

impl StartError {
    /// For `map_err`: names what the machine would not give.
    pub(crate) fn machine(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Machine { what, source }
    }

    /// For `map_err`: there is no randomness. The source of it is no part of the API.
    pub(crate) fn random(source: getrandom::Error) -> Self {
        Self::Random(io::Error::other(source))
    }

    /// What is wrong with a setting.
    pub(crate) fn endpoint(option: &'static str, text: &str, why: impl Into<EndpointProblem>) -> Self {
        Self::Endpoint { option, text: text.into(), why: why.into() }
    }

    /// Why nothing listens there.
    pub(crate) fn listen(kind: ListenerKind, at: Address, source: io::Error) -> Self {
        match (source.kind(), &at) {
            (io::ErrorKind::AddrInUse, Address::Ipc(path)) if ipc::is_other_file(path) => {
                let source = io::Error::new(source.kind(), "a file that is no socket is there");
                Self::Listen { kind, at, source }
            }
            (io::ErrorKind::AddrInUse, _) => Self::Held { kind, at, source },
            _ => Self::Listen { kind, at, source },
        }
    }
}

/// What is wrong with an endpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointProblem {
    /// It says nowhere to listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// It is none.
    #[error(transparent)]
    Text(#[from] EndpointError),
    /// Nobody can be sought there.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
}

fn name(kind: &ListenerKind) -> &'static str {
    match kind {
        ListenerKind::Mailbox => "mailbox",
        ListenerKind::Hub => "hub",
    }
}

/// What to do where somebody else listens.
fn instead(at: &Address) -> &'static str {
    match at {
        Address::Ipc(_) => "stop the program that listens there, or choose another path, or * for any that is free",
        Address::Inproc(_) => "choose another name in this program, or * for any that is free",
        _ => "stop the program that listens there, or choose another port, or any that is free (* in an endpoint)",
    }
}

/// What to try where nobody can listen.
fn try_else(at: &Address, source: &io::Error) -> &'static str {
    match (at, source.kind()) {
        (Address::Ipc(_), io::ErrorKind::NotFound) => "try a path in a directory that is there",
        (Address::Ipc(_), io::ErrorKind::InvalidInput) => "try a shorter path",
        (Address::Ipc(_), _) => "try another path",
        (Address::Inproc(_), _) => "try another name",
        (_, io::ErrorKind::AddrNotAvailable) => "it is no address of this machine: try one that is, or * for all",
        _ => "try another interface, address or port",
    }
}

/// Why an application did not run to the end of its node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The node did not start, and the application was not called.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system no longer tells what happens on the node's sockets. They are closed without a word to the peers, which
    /// see that the node is lost.
    #[error("the node could not go on, for its sockets cannot be watched any more: {source}; start it anew")]
    Poll {
        /// What the system said.
        source: io::Error,
    },
}

/// Why there is no event, and none will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The node has stopped, and its last event has been taken.
    #[error("the node has stopped")]
    Stopped,
}
