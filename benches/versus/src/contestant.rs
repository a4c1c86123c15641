//! Who takes part, and how each is started.

use crate::{
    cli::Role,
    install::{self, Installed},
};
use clap::ValueEnum;
use std::{env, fmt, process::Command};

/// A program, or a way to use one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Contestant {
    /// Plain TCP, blocking; messages have the octets of a whisper on the wire.
    Tcp,
    /// libzmq, DEALER to ROUTER, in C.
    Libzmq,
    /// The crate zeromq, DEALER to ROUTER, on one thread.
    Zeromq,
    /// The same on several.
    ZeromqThreads,
    /// The crate omq-tokio, DEALER to ROUTER, on one thread.
    Omq,
    /// Pyre: ZRE in Python.
    Pyre,
    /// zyre.js: ZRE in Node.js.
    #[value(name = "zyre.js")]
    ZyreJs,
    /// `zre_mio::Driver`: ours in its caller's loop.
    Driver,
    /// `zre_mio::Node`: ours on a thread of its own.
    Node,
}

impl Contestant {
    /// Whether it is of this project.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Driver | Self::Node)
    }

    /// Whether its programs are ZRE nodes.
    pub fn is_zre(self) -> bool {
        self.is_ours() || matches!(self, Self::Pyre | Self::ZyreJs)
    }

    /// How many messages it may send to one peer: these two lose count at 65,536.
    pub fn most_messages(self) -> usize {
        if matches!(self, Self::Pyre | Self::ZyreJs) { 30_000 } else { usize::MAX }
    }

    /// What is to be installed so that it can take part.
    pub fn lacks(self, installed: &Installed) -> Option<&'static str> {
        match self {
            Self::Libzmq if installed.libzmq.is_none() => {
                Some("a C compiler and zmq.h (Debian: gcc libc6-dev libzmq3-dev)")
            }
            Self::Pyre if installed.pyre.is_none() => {
                Some("python3 with venv (Debian: python3-venv), and an index of packages the first time")
            }
            Self::ZyreJs if installed.zyrejs.is_none() => Some(
                "Node.js, npm with its registry the first time, a C++ compiler and zmq.h \
                     (Debian: nodejs npm libnode-dev libzmq3-dev g++)",
            ),
            _ => None,
        }
    }

    /// The command that plays it. For a receiver, `place` is how many there are to be; for a sender, where they are.
    pub fn command(self, installed: &Installed, role: Role, place: &str) -> Result<Command, String> {
        let here = |path: &Option<_>| path.clone().ok_or_else(|| format!("{self} is not here"));
        let mut command = match self {
            Self::Libzmq => Command::new(here(&installed.libzmq)?),
            Self::Pyre => {
                let mut command = Command::new(here(&installed.pyre)?);
                command.arg(install::peer("pyre_node.py"));
                command
            }
            Self::ZyreJs => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", here(&installed.zyrejs)?).arg(install::peer("zyrejs_node.js"));
                command
            }
            _ => {
                let mut command = Command::new(env::current_exe().map_err(|why| why.to_string())?);
                command.args(["play", &self.to_string()]);
                command
            }
        };
        let role = role.to_possible_value().expect("all have names");
        command.args([role.get_name(), place]);
        Ok(command)
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("all have names").get_name())
    }
}
