//! One connection, as far as the driver knows it.

use crate::{
    ears::Ears,
    late_ack::LateAck,
    stream::{Host, Stream},
    tcp::{self, cause},
};
use mio::Token;
use std::{
    io::{self, IoSlice, Read},
    net::{Ipv4Addr, SocketAddr},
};
use zre_engine::{Address, ConnId, Instant, IoCause, Node};

/// Slices of one write. As a rule there are few: to make room for all each time was an eighth of what a message by itself
/// costs its node.
const SLICES: usize = 64;
const FEW: usize = 4;

/// A stream, and what is known about its readiness. Readiness is told once and remembered here until the stream says
/// otherwise.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    /// The peer opened it.
    pub(crate) inbound: bool,
    /// None while the host's name is being looked up.
    stream: Option<Stream>,
    late: LateAck,
    /// Whom it leads to.
    pub(crate) remote: Option<Host>,
    /// Where it leads, as far as it is ours.
    to: Option<Address>,
    /// It is to lead to a name.
    pub(crate) named: bool,
    /// Further addresses to try, and what came of those before.
    untried: Vec<SocketAddr>,
    failure: Option<io::Error>,
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
    /// The breath of the driver in which something was last written at once.
    pub(crate) wrote_in: u64,
    /// It stands in the cork.
    pub(crate) corked: bool,
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
    /// The socket took this many octets; there may be more.
    Octets(usize),
    /// It took this many, and they were all that there is.
    All(usize),
    /// There is nothing to write.
    Nothing,
    Blocked,
    Ended(IoCause),
}

/// What became of an attempt to connect.
#[derive(Debug)]
pub(crate) enum Attempt {
    Waits,
    /// With our end's address.
    Stands(Address),
    Failed(io::Error),
}

impl Connection {
    fn new(id: ConnId, inbound: bool) -> Self {
        Self {
            id,
            inbound,
            stream: None,
            late: LateAck::default(),
            remote: None,
            to: None,
            named: false,
            untried: Vec::new(),
            failure: None,
            from: None,
            bound: None,
            connected: false,
            readable: false,
            writable: false,
            finished: false,
            reading: true,
            wrote_in: 0,
            corked: false,
            queued: false,
            ended: false,
            closing: None,
        }
    }

    /// One that a peer opened. Something may have come on it already; what comes later is told by the poll once it is
    /// [registered](Self::register).
    pub(crate) fn accepted(id: ConnId, stream: Stream, from: Host) -> Self {
        let (stream, remote) = (Some(stream), Some(from));
        let (connected, readable, writable) = (true, true, true);
        Self { stream, remote, connected, readable, writable, ..Self::new(id, true) }
    }

    /// Has the poll tell of it by the token.
    pub(crate) fn register(&mut self, ears: &mut Ears, token: Token) -> io::Result<()> {
        self.stream.as_mut().map_or(Ok(()), |stream| stream.register(ears, token))
    }

    /// One that is to lead there, and to come from this address of ours: by [`connect`](Self::connect) to the first of the
    /// addresses that takes it, or by [`connect_here`](Self::connect_here).
    pub(crate) fn outgoing(id: ConnId, to: &Address, from: Option<Ipv4Addr>) -> Self {
        Self { from, named: matches!(to, Address::Name { .. }), ..Self::new(id, false) }
    }

    /// Begins an attempt; where one cannot even begin, the next.
    pub(crate) fn connect(&mut self, mut to: Vec<SocketAddr>, ears: &mut Ears, token: Token) -> io::Result<()> {
        to.reverse();
        self.untried = to;
        self.try_next(ears, token)
    }

    /// Goes on with a stream that leads there, within this machine.
    pub(crate) fn connect_here(
        &mut self,
        mut stream: Stream,
        to: Address,
        ears: &mut Ears,
        token: Token,
    ) -> io::Result<()> {
        stream.register(ears, token)?;
        (self.stream, self.remote, self.to) = (Some(stream), Some(Host::This), Some(to));
        Ok(())
    }

    /// After an attempt has failed for that, begins one at the next address.
    pub(crate) fn connect_next(&mut self, error: io::Error, ears: &mut Ears, token: Token) -> io::Result<()> {
        self.drop_stream(ears);
        self.note_failure(error);
        if let Some(address) = self.bound.take() {
            // Perhaps no way leads there from that address of ours.
            self.from = None;
            self.untried.push(address);
        }
        self.try_next(ears, token)
    }

    /// Of several attempts, that one says that nobody listens there says nothing where another came to no answer.
    fn note_failure(&mut self, error: io::Error) {
        let refused = |before: &io::Error| before.kind() == io::ErrorKind::ConnectionRefused;
        if self.failure.as_ref().is_none_or(refused) {
            self.failure = Some(error);
        }
    }

    fn try_next(&mut self, ears: &mut Ears, token: Token) -> io::Result<()> {
        while let Some(address) = self.untried.pop() {
            let begun = tcp::connect(address, self.from).and_then(|(socket, bound)| {
                let mut stream = Stream::Tcp(socket);
                stream.register(ears, token)?;
                Ok((stream, bound))
            });
            match begun {
                Ok((stream, bound)) => {
                    self.bound = bound.then_some(address);
                    self.remote = Some(Host::At(address.ip()));
                    self.to = Some(address.into());
                    self.stream = Some(stream);
                    return Ok(());
                }
                Err(error) => self.note_failure(error),
            }
        }
        Err(self.failure.take().unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
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
        self.stream.is_none() && !self.ended
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.stream.is_some() && !self.connected
    }

    /// Where it leads, or is tried.
    pub(crate) fn to(&self) -> Option<&Address> {
        self.to.as_ref()
    }

    /// Whether the attempt has come to an end.
    pub(crate) fn attempt(&mut self) -> Attempt {
        let socket = match (&self.stream, &self.to) {
            (Some(Stream::Tcp(socket)), _) => socket,
            // Within the machine it stands at once.
            (Some(_), Some(to)) => {
                (self.connected, self.writable) = (true, true);
                return Attempt::Stands(to.clone());
            }
            _ => return Attempt::Waits,
        };
        let ends = socket.peer_addr().and_then(|remote| Ok((remote, socket.local_addr()?)));
        match ends {
            // TCP can connect a port to itself where nobody listens and chance chose that port for our end.
            Ok((remote, local)) if remote == local => Attempt::Failed(io::ErrorKind::ConnectionRefused.into()),
            Ok((_, local)) => match socket.set_nodelay(true) {
                Ok(()) => {
                    (self.connected, self.writable) = (true, true);
                    Attempt::Stands(local.into())
                }
                Err(error) => Attempt::Failed(error),
            },
            Err(error) => match socket.take_error() {
                Ok(None) if error.kind() == io::ErrorKind::NotConnected => Attempt::Waits,
                Ok(None) => Attempt::Failed(error),
                Ok(Some(why)) | Err(why) => Attempt::Failed(why),
            },
        }
    }

    /// Whether it leads to this machine, as far as one can tell. Such a one stands at once, as a rule.
    pub(crate) fn is_near(&self) -> bool {
        match self.remote {
            Some(Host::At(ip)) => ip.is_loopback() || self.from.is_some_and(|from| ip == from),
            Some(Host::This) => true,
            None => false,
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

    /// The bell told that something has happened.
    pub(crate) fn note_all(&mut self) {
        (self.readable, self.writable) = (true, true);
    }

    /// Looks again, though the poll told nothing: something may have come since.
    pub(crate) fn look_again(&mut self) {
        self.readable = true;
    }

    /// Reads some of what has come. With `may_leave` it may be [left](Self::has_left) in the socket.
    pub(crate) fn read(&mut self, room: &mut [u8], may_leave: bool) -> Reading {
        let Some(stream) = &mut self.stream else { return Reading::Blocked };
        loop {
            let read = match &mut *stream {
                Stream::Tcp(socket) => self.late.read(socket, room, may_leave),
                other => other.read(room),
            };
            match read {
                Ok(0) => return Reading::Ended(IoCause::Finished),
                Ok(len) => {
                    let knows = stream.is_empty_after_a_short_read();
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

    /// Whether it is of interest if what was read last [is answered](Self::note_answered).
    pub(crate) fn may_be_answered(&self) -> bool {
        self.late.may_be_answered()
    }

    /// Since the last read something was written, or there was another turn without that.
    pub(crate) fn note_answered(&mut self, answered: bool) {
        self.late.note_answered(answered);
    }

    /// Whether something that was read lies in the socket still.
    pub(crate) fn has_left(&self) -> bool {
        self.late.has_left()
    }

    /// Takes that out.
    pub(crate) fn take_out(&mut self, room: &mut [u8]) {
        if let Some(Stream::Tcp(socket)) = &mut self.stream {
            // There is no error: what came before one is there to be read before that shows.
            let _ = self.late.take_out(socket, room);
        }
    }

    /// Writes some of what the engine has for it; the caller tells the engine how much.
    pub(crate) fn write(&mut self, node: &Node) -> Writing {
        let mut few: [&[u8]; FEW] = [&[]; FEW];
        match node.transmit(self.id, &mut few) {
            FEW => self.write_many(node),
            filled => self.write_slices::<FEW>(&few[..filled], true),
        }
    }

    #[inline(never)]
    fn write_many(&mut self, node: &Node) -> Writing {
        let mut many: [&[u8]; SLICES] = [&[]; SLICES];
        let filled = node.transmit(self.id, &mut many);
        self.write_slices::<SLICES>(&many[..filled], filled < SLICES)
    }

    /// Writes up to so many slices, which may be all that there is.
    fn write_slices<const MOST: usize>(&mut self, chunks: &[&[u8]], all: bool) -> Writing {
        if chunks.is_empty() {
            return Writing::Nothing;
        }
        let Some(stream) = &mut self.stream else { return Writing::Blocked };
        loop {
            let written = match chunks {
                [one] => stream.write(one),
                several => {
                    let mut slices = [IoSlice::new(&[]); MOST];
                    slices.iter_mut().zip(several).for_each(|(slice, chunk)| *slice = IoSlice::new(chunk));
                    stream.write_vectored(&slices[..several.len().min(MOST)])
                }
            };
            match written {
                Ok(0) => return Writing::Ended(IoCause::Reset),
                Ok(len) if all && len == chunks.iter().map(|chunk| chunk.len()).sum::<usize>() => {
                    return Writing::All(len);
                }
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
    pub(crate) fn close(&mut self, ears: &Ears, room: &mut [u8]) {
        if self.is_open()
            && let Some(stream) = &mut self.stream
        {
            stream.finish();
            for _ in 0..4 {
                if !matches!(stream.read(room), Ok(1..)) {
                    break;
                }
            }
        }
        self.drop_stream(ears);
    }

    fn drop_stream(&mut self, ears: &Ears) {
        if let Some(mut stream) = self.stream.take() {
            stream.deregister(ears);
        }
        self.late = LateAck::default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::net::{Ipv4Addr, TcpListener};
    use zre_engine::{Action, Config, Input, Instant, ListenerId, ListenerKind};

    /// The id of a connection that an engine asks for.
    fn some_id(to: Address) -> ConnId {
        let now = Instant::ZERO;
        let mut node = Node::new(Config::default(), [7; 32], now).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], 1)).into();
        let mailbox = Input::Listening { listener: ListenerId(0), kind: ListenerKind::Mailbox, at, advertise: None };
        node.handle(now, mailbox).unwrap();
        node.start(now).unwrap();
        node.require_peer(now, None, to).unwrap();
        loop {
            if let Action::Connect { conn, .. } = node.poll_action().expect("it connects") {
                return conn;
            }
        }
    }

    #[test]
    fn that_nobody_listens_is_said_where_that_is_so_at_all_addresses() {
        let mut poll = Poll::new().unwrap();
        let mut ears = Ears::new(poll.registry().try_clone().unwrap(), Token(0));
        let mut events = Events::with_capacity(4);
        let deserted = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        // Without a scope it leads nowhere.
        let astray: SocketAddr = "[fe80::1]:9".parse().unwrap();
        for to in [vec![deserted], vec![deserted; 2], vec![deserted, astray], vec![astray, deserted]] {
            let refused = !to.contains(&astray);
            let name: Address = "tcp://somebody:9".parse().unwrap();
            let mut connection = Connection::outgoing(some_id(name.clone()), &name, None);
            let mut tried = connection.connect(to, &mut ears, Token(1));
            let error = loop {
                if let Err(error) = tried {
                    break error;
                }
                tried = match connection.attempt() {
                    Attempt::Failed(error) => connection.connect_next(error, &mut ears, Token(1)),
                    Attempt::Stands(_) => panic!("nobody is there"),
                    Attempt::Waits => {
                        crate::tests::poll(&mut poll, &mut events, Some(crate::tests::LONG));
                        assert!(!events.is_empty(), "nothing comes of it");
                        Ok(())
                    }
                };
            };
            assert_eq!(cause(&error) == IoCause::Refused, refused, "{error}");
        }
    }
}
