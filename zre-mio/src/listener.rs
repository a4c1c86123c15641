//! What others connect to: the mailbox, for peers, and hubs, for those who gossip.

use crate::{
    bind::Bind,
    ears::Ears,
    error::StartError,
    inproc, ipc,
    stream::{Host, Stream},
    tcp,
};
use mio::{
    Interest, Token,
    net::{TcpListener, TcpStream},
};
use std::{io, net::Ipv4Addr};
use zre_engine::{Address, Instant, ListenerId, ListenerKind};

/// A place that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) kind: ListenerKind,
    /// Where it listens, with the real port.
    pub(crate) at: Address,
    socket: Socket,
    /// Somebody may be waiting to be let in.
    pub(crate) readable: bool,
    /// The machine ran out of descriptors: not again before this time. Stays set until all who waited are in.
    pub(crate) retry_at: Option<Instant>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Ipc(ipc::Listener),
    Inproc(inproc::Listener),
}

/// Somebody who was let in.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) stream: Stream,
    pub(crate) host: Host,
    /// The other end's address, and ours.
    pub(crate) from: Address,
    pub(crate) local: Address,
}

impl Listener {
    /// Listens at that place (looked up already), where `any` is what `*` stands for, and tells of callers by the token.
    pub(crate) fn open(
        id: ListenerId,
        kind: ListenerKind,
        place: &Bind,
        any: Ipv4Addr,
        ears: &mut Ears,
        token: Token,
    ) -> Result<Self, StartError> {
        let (socket, at) = match place {
            Bind::Tcp { .. } => tcp(kind, place, any)?,
            Bind::Ipc(path) => {
                let failed = |source| StartError::listen(kind, wanted_ipc(path.as_deref()), source);
                let socket = ipc::Listener::bind(path.as_deref()).map_err(failed)?;
                let at = Address::Ipc(socket.path().to_owned());
                (Socket::Ipc(socket), at)
            }
            Bind::Inproc(name) => {
                let failed = |source| StartError::listen(kind, wanted_inproc(name.as_deref()), source);
                let bind = |ringer| inproc::Listener::bind(name.as_deref(), ringer);
                let socket = ears.ringer(token).and_then(bind).map_err(failed)?;
                let at = Address::Inproc(socket.name().to_owned());
                (Socket::Inproc(socket), at)
            }
        };
        let mut listener = Self { id, kind, at, socket, readable: true, retry_at: None };
        listener.register(ears, token).map_err(StartError::machine("a socket to listen at"))?;
        Ok(listener)
    }

    fn register(&mut self, ears: &Ears, token: Token) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => ears.registry.register(socket, token, Interest::READABLE),
            Socket::Ipc(listener) => ears.registry.register(listener.socket(), token, Interest::READABLE),
            Socket::Inproc(_) => Ok(()),
        }
    }

    /// Nobody is let in any more, and the place is free for others.
    pub(crate) fn close(mut self, ears: &Ears) {
        // It fails only where it was not registered.
        let _ = match &mut self.socket {
            Socket::Tcp(socket) => ears.registry.deregister(socket),
            Socket::Ipc(listener) => ears.registry.deregister(listener.socket()),
            Socket::Inproc(_) => Ok(()),
        };
    }

    /// The next who waits to be let in; `WouldBlock` where nobody does.
    pub(crate) fn accept(&self) -> io::Result<Caller> {
        let here = |stream| {
            let (from, local) = (self.at.clone(), self.at.clone());
            Caller { stream, host: Host::This, from, local }
        };
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, from) = socket.accept()?;
                // Both fail only where the connection has broken already.
                let ready = stream.set_nodelay(true).and_then(|()| self.local(&stream));
                let local = ready.map_err(|_| io::ErrorKind::ConnectionAborted)?;
                let host = Host::At(from.ip());
                Ok(Caller { stream: Stream::Tcp(stream), host, from: from.into(), local })
            }
            Socket::Ipc(listener) => listener.accept().map(Stream::Ipc).map(here),
            Socket::Inproc(listener) => listener.accept().map(Stream::Inproc).map(here),
        }
    }

    /// At which address somebody has arrived: where we listen at one, there.
    fn local(&self, stream: &TcpStream) -> io::Result<Address> {
        match &self.at {
            Address::Tcp(at) if !at.ip().is_unspecified() => Ok(self.at.clone()),
            _ => stream.local_addr().map(Address::from),
        }
    }
}

fn tcp(kind: ListenerKind, place: &Bind, any: Ipv4Addr) -> Result<(Socket, Address), StartError> {
    let mut failed = None;
    for address in place.addresses(any) {
        match tcp::listen(address).and_then(|socket| Ok((socket.local_addr()?, socket))) {
            Ok((at, socket)) => return Ok((Socket::Tcp(socket), at.into())),
            // What is wrong with the first is the likeliest to help.
            Err(source) => failed = failed.or_else(|| Some(StartError::listen(kind, address.into(), source))),
        }
    }
    // Names without an address are not known, and were found out before.
    Err(failed.unwrap_or_else(|| StartError::machine("a socket to listen at")(io::ErrorKind::AddrNotAvailable.into())))
}

/// For errors: what was asked for.
fn wanted_ipc(path: Option<&str>) -> Address {
    Address::Ipc(path.unwrap_or("*").to_owned())
}

fn wanted_inproc(name: Option<&str>) -> Address {
    Address::Inproc(name.unwrap_or("*").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Poll;

    fn open(text: &str) -> Result<Listener, StartError> {
        let poll = Poll::new().unwrap();
        let mut ears = Ears::new(poll.registry().try_clone().unwrap(), Token(0));
        let place = text.parse::<Bind>().unwrap().look_up().unwrap();
        Listener::open(ListenerId(0), ListenerKind::Hub, &place, Ipv4Addr::LOCALHOST, &mut ears, Token(1))
    }

    #[test]
    fn a_place_in_use_is_said_so_and_a_free_one_is_told() {
        for text in ["tcp://127.0.0.1:*", "tcp://*:*", "tcp://lo:!", "ipc://*", "inproc://*"] {
            let first = open(text).unwrap();
            assert!(!first.at.to_string().contains('*') && first.at.port() != Some(0), "{}", first.at);
            assert_eq!(first.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let error = open(&first.at.to_string()).unwrap_err();
            let StartError::Held { kind, at, .. } = &error else { panic!("{error}") };
            assert_eq!((*kind, at), (ListenerKind::Hub, &first.at));
            let said = error.to_string();
            assert!(said.contains(&first.at.to_string()) && said.contains("in use"), "{said}");
        }
    }

    #[test]
    fn whoever_is_let_in_has_arrived_at_one_address() {
        for place in ["tcp://0.0.0.0:*", "tcp://127.0.0.1:*"] {
            let listener = open(place).unwrap();
            let Address::Tcp(at) = listener.at else { panic!("{}", listener.at) };
            let called = (Ipv4Addr::LOCALHOST, at.port()).into();
            let caller = std::net::TcpStream::connect(called).unwrap();
            let arrived = loop {
                match listener.accept() {
                    Ok(arrived) => break arrived,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            };
            assert_eq!(arrived.local, Address::Tcp(called), "{place}");
            assert_eq!(arrived.from, caller.local_addr().unwrap().into());
        }
    }

    #[test]
    fn a_place_that_cannot_be_had_is_said_so() {
        for (text, words) in [
            ("tcp://192.0.2.1:*", "no address of this machine"),
            ("ipc:///no/such/directory/x", "a directory that is there"),
            ("ipc:///proc", "a file that is no socket"),
            (&format!("ipc:///tmp/{}", "x".repeat(200)), "a shorter path"),
        ] {
            let error = open(text).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("hub"), "{error}");
        }
    }
}
