//! What the engine wants done: its actions, writing, closing.

use super::{CONNECTIONS, Driver, RESOLVER, watch::Watch};
use crate::{
    connection::{Connection, Writing},
    inproc, ipc,
    log::{debug, trace},
    stream::Stream,
    tcp::cause,
};
use mio::Token;
use std::{io, net::SocketAddr};
use zre_engine::{Action, Address, CloseReason, ConnId, Input, IoCause};

/// What one connection may write before others have their turn, in octets.
const WRITE: usize = 1 << 20;

impl Driver {
    /// Tells the engine something, and does what it wants done about it.
    pub(super) fn input(&mut self, input: Input<'_>) {
        self.tell(input);
        self.carry_out();
    }

    pub(super) fn tell(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        if let Err(error) = self.engine.handle(now, input) {
            // Harmless by contract; a mistake of this crate all the same.
            debug!("the engine refused an input: {error}");
        }
    }

    /// Does what the engine wants done; whether there was anything.
    #[inline]
    pub(super) fn carry_out(&mut self) -> bool {
        let mut any = false;
        while let Some(action) = self.engine.poll_action() {
            self.act(action);
            any = true;
        }
        any
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Broadcast { link, data } => {
                if let Some(link) = self.links.iter_mut().find(|found| found.id == link) {
                    link.send(&data);
                }
            }
            Action::Connect { conn, to } => self.connect(conn, to),
            Action::Writable { conn } => self.writable(conn),
            Action::Reading { conn, on } => self.reading(conn, on),
            Action::Close { conn, why } => self.begin_to_close(conn, &why),
        }
    }

    pub(super) fn token(&self, conn: ConnId) -> Token {
        Token(self.base + CONNECTIONS + conn.index())
    }

    /// Takes a connection in.
    pub(super) fn keep(&mut self, connection: Connection) {
        if let Some(old) = self.connections.insert(connection) {
            debug!("{}: its place was taken", old.id);
            self.forget(old);
        }
    }

    /// The connection is in no table any more.
    pub(super) fn forget(&mut self, mut connection: Connection) {
        connection.close(&self.ears, self.buffers.room());
    }

    fn connect(&mut self, conn: ConnId, to: Address) {
        debug!("{conn}: connecting to {to}");
        let from = self.watch.as_ref().and_then(Watch::address);
        self.keep(Connection::outgoing(conn, &to, from));
        match to {
            Address::Tcp(address) => self.connect_to(conn, vec![address]),
            Address::Name { host, port } => {
                let token = Token(self.base + RESOLVER);
                if let Err(error) = self.resolver.ask(&self.ears.registry, token, conn, host, port) {
                    debug!("{conn}: no thread to look up the name: {error}");
                    self.end(conn, IoCause::Exhausted);
                }
            }
            Address::Ipc(path) => {
                let stream = ipc::connect(&path).map(Stream::Ipc);
                self.connect_here(conn, stream, Address::Ipc(path));
            }
            Address::Inproc(name) => {
                let stream = inproc::connect(&name).map(Stream::Inproc);
                self.connect_here(conn, stream, Address::Inproc(name));
            }
        }
        if self.connections.get(conn).is_some_and(|found| found.is_near()) {
            self.attempt(conn);
        }
    }

    fn connect_here(&mut self, conn: ConnId, stream: io::Result<Stream>, to: Address) {
        let token = self.token(conn);
        let Some(connection) = self.connections.get(conn) else { return };
        if let Err(error) = stream.and_then(|stream| connection.connect_here(stream, to, &mut self.ears, token)) {
            self.failed(conn, &error);
        }
    }

    pub(super) fn connect_to(&mut self, conn: ConnId, addresses: Vec<SocketAddr>) {
        let token = self.token(conn);
        let Some(connection) = self.connections.get(conn) else { return };
        if let Err(error) = connection.connect(addresses, &mut self.ears, token) {
            self.failed(conn, &error);
        }
    }

    /// Where a connection is to lead to a name, the engine hears which of the name's addresses is tried.
    pub(super) fn tell_where(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get(conn).filter(|found| found.is_connecting()) else { return };
        if let Some(Address::Tcp(at)) = connection.to().filter(|_| connection.named) {
            let at = *at;
            self.input(Input::Resolved { conn, at });
        }
    }

    pub(super) fn failed(&mut self, conn: ConnId, error: &io::Error) {
        debug!("{conn}: not connected: {error}");
        self.end(conn, cause(error));
    }

    fn reading(&mut self, conn: ConnId, on: bool) {
        let Some(connection) = self.connections.get(conn).filter(|found| found.reading != on) else { return };
        debug!("{conn}: reading {}", if on { "goes on" } else { "pauses" });
        connection.reading = on;
        if on {
            self.enqueue(conn);
        }
    }

    /// Writes what the engine has for a connection, as far as the socket and the others allow. Returns how much that
    /// was. The caller carries out what the engine makes of it.
    pub(super) fn write(&mut self, conn: ConnId) -> usize {
        let mut written = 0;
        while let Some(connection) = self.connections.get(conn).filter(|found| found.may_write()) {
            let writing = connection.write(&self.engine);
            if let Writing::Octets(len) | Writing::All(len) = writing {
                trace!("{conn}: {len} octets written");
                let now = self.clock.now();
                self.engine.advance(now, conn, len);
                written += len;
                self.wrote = true;
            }
            match writing {
                Writing::Octets(_) if written < WRITE => continue,
                Writing::Octets(_) => {
                    self.note_written(written, true);
                    self.enqueue(conn);
                }
                Writing::All(_) | Writing::Nothing => {
                    if written > 0 {
                        self.note_written(written, true);
                    }
                    if self.connections.get(conn).is_some_and(|found| found.closing.is_some()) {
                        self.close(conn);
                    }
                }
                Writing::Blocked => self.note_written(written, false),
                Writing::Ended(cause) => self.end(conn, cause),
            }
            break;
        }
        written
    }

    fn begin_to_close(&mut self, conn: ConnId, why: &CloseReason) {
        debug!("{conn}: closing: {why}");
        let by = self.clock.now() + self.linger;
        let by = self.stop_by.map_or(by, |stop| stop.min(by));
        let Some(connection) = self.connections.get(conn) else { return };
        connection.closing = Some(by);
        if !connection.is_open() {
            return self.give_up(conn, IoCause::Other);
        }
        self.write(conn);
        if self.connections.get(conn).is_some() {
            self.closing.push_back((by, conn));
        }
    }

    /// All is written.
    fn close(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.remove(conn) {
            self.forget(connection);
        }
    }

    /// Closes a connection that the engine is done with, written or not.
    pub(super) fn give_up(&mut self, conn: ConnId, cause: IoCause) {
        self.close(conn);
        let mut chunk: [&[u8]; 1] = [&[]];
        if self.engine.transmit(conn, &mut chunk) > 0 {
            debug!("{conn}: closed before all was written");
            self.tell(Input::Closed { conn, cause });
        }
    }

    /// The connection is broken. The engine hears of it when all that came before has been read.
    pub(super) fn end(&mut self, conn: ConnId, cause: IoCause) {
        let Some(connection) = self.connections.get(conn).filter(|found| !found.ended) else { return };
        debug!("{conn}: ended: {cause:?}");
        if connection.closing.is_some() {
            return self.give_up(conn, cause);
        }
        connection.ended = true;
        self.ended.push((conn, cause));
    }

    /// The connection has something to do in the next turn.
    pub(super) fn enqueue(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.get(conn).filter(|found| !found.queued) {
            connection.queued = true;
            self.ready[usize::from(!connection.inbound)].push_back(conn);
        }
    }
}
