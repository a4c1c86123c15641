//! Who takes part, and how each is started.

use crate::{cli::Role, install::Installed};
use clap::ValueEnum;
use std::{env, fmt, process::Command};

/// A program, or a way to use one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Contestant {
    /// Plain TCP, blocking, 42 octets: what a whisper of 32 has on the wire.
    Tcp,
    /// libzmq, DEALER to ROUTER, in C.
    Libzmq,
    /// The crate zeromq, DEALER to ROUTER, on one thread.
    Zeromq,
    /// The same on several.
    ZeromqThreads,
    /// `zre_mio::Driver` in its caller's loop.
    Driver,
    /// `zre_mio::Node` on its thread.
    Node,
}

impl Contestant {
    /// Whether it is of this project.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Driver | Self::Node)
    }

    /// Whether its programs are ZRE nodes.
    pub fn is_zre(self) -> bool {
        self.is_ours()
    }

    /// Why it cannot take part, and what to do about it.
    pub fn is_missing(self, installed: &Installed) -> Option<&'static str> {
        match self {
            Self::Libzmq if installed.libzmq.is_none() => {
                Some("it needs a C compiler and zmq.h (Debian: gcc libc6-dev libzmq3-dev)")
            }
            _ => None,
        }
    }

    /// The command that plays it. For a receiver, `place` is how many there are to be; for a sender, where the receiver is.
    pub fn command(self, installed: &Installed, role: Role, place: &str) -> Result<Command, String> {
        let role_name = match role {
            Role::Receiver => "receiver",
            Role::Sender => "sender",
            Role::Cluster => "cluster",
            Role::Idle => "idle",
        };
        let mut command = match self {
            Self::Libzmq => Command::new(installed.libzmq.as_ref().ok_or("libzmq is not here")?),
            _ => {
                let mut command = Command::new(env::current_exe().map_err(|why| why.to_string())?);
                command.args(["play", &self.to_string()]);
                command
            }
        };
        command.args([role_name, place]);
        Ok(command)
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("all have names").get_name())
    }
}
