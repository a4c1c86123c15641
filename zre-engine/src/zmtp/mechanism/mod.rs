//! Security mechanisms: what happens between the greeting and the first message. NULL today; CURVE has its seat here.

mod null;

use super::connection::{ConnectionConfig, Peer};
use crate::error::Violation;
use null::Null;
use zre_proto::zmtp::{Command, Greeting};

/// A handshake in progress.
#[derive(Debug)]
pub(super) enum Handshake {
    Null(Null),
}

/// What a handshake does next.
#[derive(Debug)]
pub(super) enum Step {
    /// It is done, and this is the peer.
    Done(Peer),
}

impl Handshake {
    /// The mechanism that `config` asks for. A peer with another one is refused.
    pub(super) fn start(greeting: &Greeting) -> Result<Self, Violation> {
        if greeting.mechanism == Greeting::NULL.mechanism {
            Ok(Self::Null(Null))
        } else {
            Err(Violation::Mechanism(greeting.mechanism))
        }
    }

    /// What is sent first.
    pub(super) fn opening(&self, config: &ConnectionConfig) -> Command {
        match self {
            Self::Null(null) => null.ready(config),
        }
    }

    /// Takes a command of the peer.
    pub(super) fn command(&mut self, config: &ConnectionConfig, command: Command) -> Result<Step, Violation> {
        match self {
            Self::Null(null) => null.command(config, command),
        }
    }
}
