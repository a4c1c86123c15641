//! One TCP connection, as far as the driver knows it.

use crate::tcp::{self, cause};
use mio::{Interest, Registry, Token, net::TcpStream};
use std::{
    io::{self, IoSlice, Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr},
};
use zre_engine::{ConnId, Instant, IoCause, Node};

/// Slices of one write.
const SLICES: usize = 64;

/// A socket, and what is known about its readiness. Readiness is told by the poll once and remembered here until the
/// socket says otherwise.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    /// The peer opened it.
    pub(crate) inbound: bool,
    /// None while the host's name is being looked up.
    socket: Option<TcpStream>,
    /// Whom it leads to.
    pub(crate) remote: Option<IpAddr>,
    /// Further addresses to try.
    untried: Vec<SocketAddr>,
    /// The address that it is to come from.
    from: Option<Ipv4Addr>,
    /// Where the attempt goes that is under way, if it comes from there though the system would have chosen otherwise.
    bound: Option<SocketAddr>,
    connected: bool,
    readable: bool,
    writable: bool,
    /// The poll told that nothing comes after what is there.
    finished: bool,
    /// The engine wants to have its octets.
    pub(crate) reading: bool,
    /// It stands in the ready list.
    pub(crate) queued: bool,
    /// It broke; the engine hears of it at the end of the turn.
    pub(crate) ended: bool,
    /// The engine is done with it: gone by then, whatever is left to write.
    pub(crate) closing: Option<Instant>,
}

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Reading {
    Octets(usize),
    Blocked,
    Ended(IoCause),
}

/// What a write did.
#[derive(Debug)]
pub(crate) enum Writing {
    /// The socket took this many octets.
    Octets(usize),
    /// There is nothing to write.
    Nothing,
    Blocked,
    Ended(IoCause),
}

/// What became of an attempt to connect.
#[derive(Debug)]
pub(crate) enum Attempt {
    Waits,
    Stands(SocketAddr),
    Failed(io::Error),
}

impl Connection {
    fn new(id: ConnId, inbound: bool) -> Self {
        Self {
            id,
            inbound,
            socket: None,
            remote: None,
            untried: Vec::new(),
            from: None,
            bound: None,
            connected: false,
            readable: false,
            writable: false,
            finished: false,
            reading: true,
            queued: false,
            ended: false,
            closing: None,
        }
    }

    /// One that a peer opened.
    pub(crate) fn accepted(
        id: ConnId,
        mut socket: TcpStream,
        from: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let remote = Some(from.ip());
        Ok(Self { socket: Some(socket), remote, connected: true, writable: true, ..Self::new(id, true) })
    }

    /// One that is to lead to the first of the addresses (given in `connect_to`, last first) that takes it, and to come from
    /// this address of ours.
    pub(crate) fn outgoing(id: ConnId, from: Option<Ipv4Addr>) -> Self {
        Self { from, ..Self::new(id, false) }
    }

    /// Begins an attempt; where one cannot even begin, the next.
    pub(crate) fn connect(&mut self, mut to: Vec<SocketAddr>, registry: &Registry, token: Token) -> io::Result<()> {
        to.reverse();
        self.untried = to;
        self.connect_next(io::ErrorKind::AddrNotAvailable.into(), registry, token)
    }

    /// Begins an attempt at the next address; without any left, that is the error.
    pub(crate) fn connect_next(&mut self, mut error: io::Error, registry: &Registry, token: Token) -> io::Result<()> {
        self.drop_socket(registry);
        if let Some(address) = self.bound.take() {
            // Perhaps no way leads there from that address.
            self.from = None;
            self.untried.push(address);
        }
        while let Some(address) = self.untried.pop() {
            let begun = tcp::connect(address, self.from).and_then(|(mut socket, bound)| {
                registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
                Ok((socket, bound))
            });
            match begun {
                Ok((socket, bound)) => {
                    self.bound = bound.then_some(address);
                    self.remote = Some(address.ip());
                    self.socket = Some(socket);
                    return Ok(());
                }
                Err(found) => error = found,
            }
        }
        Err(error)
    }

    /// Whether it stands, so that what is left can still be written.
    pub(crate) fn is_open(&self) -> bool {
        self.connected && !self.ended
    }

    /// Whether it stood at some time: something may have come of it.
    pub(crate) fn was_connected(&self) -> bool {
        self.connected
    }

    pub(crate) fn is_resolving(&self) -> bool {
        self.socket.is_none() && !self.ended
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.socket.is_some() && !self.connected
    }

    /// Whether the attempt has come to an end.
    pub(crate) fn attempt(&mut self) -> Attempt {
        let Some(socket) = &self.socket else { return Attempt::Waits };
        match socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Attempt::Failed(error),
        }
        let ends = socket.peer_addr().and_then(|remote| Ok((remote, socket.local_addr()?)));
        match ends {
            // TCP can connect a port to itself where nobody listens and chance chose that port for our end.
            Ok((remote, local)) if remote == local => Attempt::Failed(io::ErrorKind::ConnectionRefused.into()),
            Ok((_, local)) => match socket.set_nodelay(true) {
                Ok(()) => {
                    self.connected = true;
                    Attempt::Stands(local)
                }
                Err(error) => Attempt::Failed(error),
            },
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Attempt::Waits,
            Err(error) => Attempt::Failed(error),
        }
    }

    /// Remembers what the poll told.
    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        // An error shows at the next read or write.
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        self.finished |= event.is_read_closed() || event.is_error();
    }

    pub(crate) fn may_read(&self) -> bool {
        self.is_open() && self.readable && self.reading && self.closing.is_none()
    }

    pub(crate) fn may_write(&self) -> bool {
        self.is_open() && self.writable
    }

    /// Looks again, though the poll told nothing: something may have come since.
    pub(crate) fn look_again(&mut self) {
        self.readable = true;
    }

    pub(crate) fn read(&mut self, room: &mut [u8]) -> Reading {
        let Some(socket) = &mut self.socket else { return Reading::Blocked };
        loop {
            match socket.read(room) {
                Ok(0) => return Reading::Ended(IoCause::Finished),
                Ok(len) => {
                    // With epoll a short read tells that the socket is empty, and the next octet is told anew; but the
                    // end of the stream may have been told already.
                    let knows = cfg!(any(target_os = "linux", target_os = "android"));
                    self.readable = !knows || len == room.len() || self.finished;
                    return Reading::Octets(len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Reading::Blocked;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Reading::Ended(cause(&error)),
            }
        }
    }

    /// Writes some of what the engine has for it; the caller tells the engine how much.
    pub(crate) fn write(&mut self, node: &Node) -> Writing {
        let mut chunks: [&[u8]; SLICES] = [&[]; SLICES];
        let filled = node.transmit(self.id, &mut chunks);
        if filled == 0 {
            return Writing::Nothing;
        }
        let Some(socket) = &mut self.socket else { return Writing::Blocked };
        let slices = chunks.map(IoSlice::new);
        loop {
            match socket.write_vectored(&slices[..filled.min(SLICES)]) {
                Ok(0) => return Writing::Ended(IoCause::Reset),
                Ok(len) => return Writing::Octets(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    return Writing::Blocked;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Writing::Ended(cause(&error)),
            }
        }
    }

    /// Closes it so that the other side gets all that was written: octets that lie here unread would make the system
    /// tear the connection down instead.
    pub(crate) fn close(&mut self, registry: &Registry, room: &mut [u8]) {
        if self.is_open()
            && let Some(socket) = &mut self.socket
        {
            let _ = socket.shutdown(Shutdown::Write);
            for _ in 0..4 {
                if !matches!(socket.read(room), Ok(1..)) {
                    break;
                }
            }
        }
        self.drop_socket(registry);
    }

    fn drop_socket(&mut self, registry: &Registry) {
        if let Some(mut socket) = self.socket.take() {
            let _ = registry.deregister(&mut socket);
        }
        self.connected = false;
    }
}

/// All connections, by the index of their id.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Vec<Option<Connection>>,
    len: usize,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.slots.get_mut(id.index())?.as_mut().filter(|connection| connection.id == id)
    }

    pub(crate) fn at(&mut self, index: usize) -> Option<&mut Connection> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// Takes a new one in. Gives back one that had its place, which the engine must have forgotten.
    pub(crate) fn insert(&mut self, connection: Connection) -> Option<Connection> {
        let index = connection.id.index();
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        let old = self.slots[index].replace(connection);
        self.len += usize::from(old.is_none());
        old
    }

    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Connection> {
        let slot = self.slots.get_mut(id.index())?;
        let removed = slot.take_if(|connection| connection.id == id);
        self.len -= usize::from(removed.is_some());
        removed
    }

    pub(crate) fn iter(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slots.iter_mut().flatten()
    }
}
