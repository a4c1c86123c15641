//! Endpoints: where a mailbox can be reached, as text (`tcp://192.168.1.5:49152`).

use alloc::string::String;
use core::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// Where a mailbox can be reached. Not `non_exhaustive`: who connects should overlook none of these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `tcp://` with a numeric address.
    Tcp(SocketAddr),
    /// `tcp://` with a host name, which whoever connects must resolve.
    Name {
        /// The host's name.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// `ipc://`: a Unix socket's path.
    Ipc(String),
    /// `inproc://`: a name within one process.
    Inproc(String),
}

impl Endpoint {
    /// The TCP port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Name { port, .. } => Some(*port),
            Self::Ipc(_) | Self::Inproc(_) => None,
        }
    }

    /// The numeric address, where there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Name { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Ipc(path) => write!(f, "ipc://{path}"),
            Self::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

/// Text that is not an endpoint, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// No transport that is known.
    #[error("an endpoint starts with tcp://, ipc:// or inproc://")]
    Transport,
    /// Nothing between the transport and the port.
    #[error("the endpoint names no host, path or name")]
    Empty,
    /// `tcp://` without a port from 1 to 65535.
    #[error("a tcp:// endpoint ends with a port from 1 to 65535, as in tcp://192.168.1.5:49152")]
    Port,
    /// A host with characters that no host name has.
    #[error("the host is neither an address nor a name")]
    Host,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(path) = text.strip_prefix("ipc://") {
            return if path.is_empty() { Err(EndpointError::Empty) } else { Ok(Self::Ipc(path.into())) };
        }
        if let Some(name) = text.strip_prefix("inproc://") {
            return if name.is_empty() { Err(EndpointError::Empty) } else { Ok(Self::Inproc(name.into())) };
        }
        let rest = text.strip_prefix("tcp://").ok_or(EndpointError::Transport)?;
        let (host, port) = rest.rsplit_once(':').ok_or(EndpointError::Port)?;
        if !port.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(EndpointError::Port);
        }
        let port: u16 = port.parse().ok().filter(|port| *port != 0).ok_or(EndpointError::Port)?;
        if host.is_empty() {
            return Err(EndpointError::Empty);
        }
        if let Some(bracketed) = host.strip_prefix('[') {
            // With a zone (`[fe80::1%2]:80`) it is `SocketAddrV6` that knows the form.
            let ip = bracketed.strip_suffix(']').ok_or(EndpointError::Host)?;
            return match ip.parse::<Ipv6Addr>() {
                Ok(ip) => Ok(Self::Tcp(SocketAddr::new(IpAddr::V6(ip), port))),
                Err(_) => rest.parse().map(Self::Tcp).map_err(|_| EndpointError::Host),
            };
        }
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Self::Tcp(SocketAddr::new(ip, port)));
        }
        let name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.chars().all(name) { Ok(Self::Name { host: host.into(), port }) } else { Err(EndpointError::Host) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn each_transport_reads_and_prints_the_same() {
        for text in [
            "tcp://10.77.0.1:38647",
            "tcp://[::1]:5670",
            "tcp://[fe80::1%2]:80",
            "tcp://printer.local:9",
            "ipc:///tmp/mailbox",
            "inproc://alice",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (text, error) in [
            ("", EndpointError::Transport),
            ("udp://1.2.3.4:5", EndpointError::Transport),
            ("tcp://1.2.3.4", EndpointError::Port),
            ("tcp://1.2.3.4:0", EndpointError::Port),
            ("tcp://1.2.3.4:+5", EndpointError::Port),
            ("tcp://1.2.3.4:65536", EndpointError::Port),
            ("tcp://:80", EndpointError::Empty),
            ("tcp://[::1:80", EndpointError::Host),
            ("tcp://a b:80", EndpointError::Host),
            ("ipc://", EndpointError::Empty),
            ("inproc://", EndpointError::Empty),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_and_parses_again(text in "(tcp|ipc|inproc)://\\PC{0,30}(:[0-9]{1,6})?") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
            }
        }

        #[test]
        fn numeric_addresses_survive(ip: IpAddr, port in 1u16..) {
            let endpoint = Endpoint::Tcp(SocketAddr::new(ip, port));
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }
}
