//! What can go wrong here: a start, an application's run, and waiting for events.

use crate::interface::InterfaceError;
use std::{io, net::SocketAddr};
use zre_engine::{Address, ConfigError, InputError, SendError};

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
    /// An endpoint of a kind that is not built yet.
    #[error("the endpoint {0} cannot be used in this version; give tcp:// with a numeric address and a port")]
    Endpoint(Address),
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
    /// The TCP port for the mailbox is taken.
    #[error(
        "{address} is in use by another program; stop it, choose another port for the mailbox, or none for any that is \
         free"
    )]
    MailboxHeld {
        /// Where the mailbox was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The mailbox could not listen.
    #[error("no mailbox at {address}: {source}; try another interface or port for the mailbox")]
    Mailbox {
        /// Where the mailbox was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The machine has no randomness to give.
    #[error("the machine gave no random numbers: {0}")]
    Random(getrandom::Error),
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
