//! Where to listen, as text: `tcp://*:5555`, `tcp://eth0:*`, `ipc:///tmp/mailbox`, `inproc://*`.

use crate::interface;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

/// Text that says nowhere to listen, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No transport that is known.
    #[error("it must start with tcp://, ipc:// or inproc://, as in tcp://*:5670")]
    Transport,
    /// Nothing after the transport.
    #[error("it names no host, path or name; write * for any that is free, as in tcp://*:* or ipc://*")]
    Empty,
    /// `tcp://` without a port.
    #[error(
        "it must end with a port from 1 to 65535, or with * for any that is free, as in tcp://*:5670 or tcp://eth0:*"
    )]
    Port,
    /// A host with characters that no host has.
    #[error(
        "its host must be *, an address as in 192.168.1.5 or [::1], an interface as in eth0, or a name of this host"
    )]
    Host,
    /// A host that is neither an interface nor a name that is known.
    #[error(
        "there is no interface {host:?}, and as a host's name it is not known: {source}; write * for all addresses, or \
         one of this machine"
    )]
    UnknownHost {
        /// What was given.
        host: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bind {
    /// At the first of these addresses that can be had; port 0 stands for any.
    Tcp { hosts: Hosts, port: u16 },
    /// At this path, or any.
    Ipc(Option<String>),
    /// At this name, or any.
    Inproc(Option<String>),
}

/// Addresses of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// `*`: the chosen interface's address, or all.
    Any,
    These(Vec<IpAddr>),
    /// An interface, or a name, that is yet to be looked up.
    Named(String),
}

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        let here = |rest: &str| match rest {
            "" => Err(BindError::Empty),
            "*" => Ok(None),
            given => Ok(Some(given.to_owned())),
        };
        if let Some(path) = text.strip_prefix("ipc://") {
            return here(path).map(Self::Ipc);
        }
        if let Some(name) = text.strip_prefix("inproc://") {
            return here(name).map(Self::Inproc);
        }
        let rest = text.strip_prefix("tcp://").ok_or(BindError::Transport)?;
        if rest.is_empty() {
            return Err(BindError::Empty);
        }
        let (host, port) = rest.rsplit_once(':').ok_or(BindError::Port)?;
        let port = match port {
            // The last is czmq's, for one by chance.
            "*" | "0" | "!" => 0,
            port if port.bytes().all(|digit| digit.is_ascii_digit()) => port.parse().map_err(|_| BindError::Port)?,
            _ => return Err(BindError::Port),
        };
        Ok(Self::Tcp { hosts: hosts(host)?, port })
    }
}

fn hosts(host: &str) -> Result<Hosts, BindError> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    match host {
        "" => Err(BindError::Empty),
        "*" => Ok(Hosts::Any),
        _ => match host.strip_prefix('[') {
            Some(bracketed) => {
                let ip = bracketed.strip_suffix(']').and_then(|ip| ip.parse().ok()).ok_or(BindError::Host)?;
                Ok(Hosts::These(vec![IpAddr::V6(ip)]))
            }
            None => match host.parse::<Ipv4Addr>() {
                Ok(ip) => Ok(Hosts::These(vec![ip.into()])),
                Err(_) if host.chars().all(is_name) => Ok(Hosts::Named(host.into())),
                Err(_) => Err(BindError::Host),
            },
        },
    }
}

impl Bind {
    /// At this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::Tcp { hosts: Hosts::These(vec![address.ip()]), port: address.port() }
    }

    /// The same with the addresses that its interface or its name has. It may take as long as the system needs to look up
    /// a name.
    pub(crate) fn look_up(self) -> Result<Self, BindError> {
        let Self::Tcp { hosts: Hosts::Named(host), port } = self else { return Ok(self) };
        let mut found: Vec<IpAddr> = match interface::list() {
            Ok(all) => all.into_iter().filter(|one| one.name == host).map(|one| one.address.into()).collect(),
            // Then it may be a name.
            Err(_) => Vec::new(),
        };
        // An interface has one endpoint: its first address is its own.
        found.truncate(1);
        if found.is_empty() {
            match (host.as_str(), port).to_socket_addrs() {
                Ok(addresses) => found.extend(addresses.map(|address| address.ip())),
                Err(source) => return Err(BindError::UnknownHost { host, source }),
            }
            if found.is_empty() {
                return Err(BindError::UnknownHost { host, source: io::ErrorKind::NotFound.into() });
            }
            // What most have comes first: others are to connect there.
            found.sort_by_key(IpAddr::is_ipv6);
        }
        Ok(Self::Tcp { hosts: Hosts::These(found), port })
    }

    /// The addresses to try where it is `tcp://`, `any` being what `*` stands for. For what was looked up.
    pub(crate) fn addresses(&self, any: Ipv4Addr) -> Vec<SocketAddr> {
        match self {
            Self::Tcp { hosts: Hosts::Any, port } => vec![(any, *port).into()],
            Self::Tcp { hosts: Hosts::These(these), port } => these.iter().map(|ip| (*ip, *port).into()).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(text: &str) -> Bind {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn all_forms_of_tcp() {
        let lo = Ipv4Addr::LOCALHOST;
        for (text, address) in [
            ("tcp://127.0.0.1:5555", "127.0.0.1:5555"),
            ("tcp://*:5555", "10.0.0.7:5555"),
            ("tcp://*:*", "10.0.0.7:0"),
            ("tcp://*:0", "10.0.0.7:0"),
            ("tcp://127.0.0.1:*", "127.0.0.1:0"),
            ("tcp://127.0.0.1:!", "127.0.0.1:0"),
            ("tcp://0.0.0.0:1", "0.0.0.0:1"),
            ("tcp://[::1]:*", "[::1]:0"),
            ("tcp://lo:77", "127.0.0.1:77"),
        ] {
            let found = bind(text).look_up().unwrap().addresses(Ipv4Addr::new(10, 0, 0, 7));
            assert_eq!(found, [address.parse().unwrap()], "{text}");
        }
        let local = bind("tcp://localhost:9").look_up().unwrap().addresses(lo);
        assert_eq!(local[0], (lo, 9).into());
    }

    #[test]
    fn paths_and_names() {
        assert_eq!(bind("ipc:///tmp/a:b"), Bind::Ipc(Some("/tmp/a:b".into())));
        assert_eq!(bind("ipc://@abstract"), Bind::Ipc(Some("@abstract".into())));
        assert_eq!(bind("inproc://alice"), Bind::Inproc(Some("alice".into())));
        assert_eq!((bind("ipc://*"), bind("inproc://*")), (Bind::Ipc(None), Bind::Inproc(None)));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write_instead() {
        for (text, words) in [
            ("", "start with tcp://"),
            ("localhost:5555", "start with tcp://"),
            ("udp://*:5555", "start with tcp://"),
            ("tcp://", "names no host"),
            ("tcp://:5555", "names no host"),
            ("ipc://", "ipc://*"),
            ("inproc://", "names no host"),
            ("tcp://127.0.0.1", "tcp://*:5670"),
            ("tcp://*", "must end with a port"),
            ("tcp://*:65536", "must end with a port"),
            ("tcp://*:-1", "must end with a port"),
            ("tcp://*:", "must end with a port"),
            ("tcp://[::1:5", "its host must be"),
            ("tcp://::1:5", "its host must be"),
            ("tcp://a b:5", "its host must be"),
        ] {
            let error = text.parse::<Bind>().unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        let error = bind("tcp://no-such-host.invalid:5").look_up().unwrap_err().to_string();
        assert!(error.contains("\"no-such-host.invalid\""), "{error}");
    }
}
