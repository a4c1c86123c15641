//! One turn: what came in, in the order in which the engine should hear of it, and none of it without a bound.

use super::{CONNECTIONS, Driver, LINKS, MAILBOX, RESOLVER};
use crate::{
    connection::{Attempt, Connection, Reading},
    log::{debug, trace, warn},
    tcp::cause,
    udp::DATAGRAM,
};
use mio::{Events, event::Event};
use std::{io, mem, net::IpAddr, time::Duration};
use zre_engine::{Address, ConnId, Input, Instant, IoCause};

/// What one connection may bring before others have their turn, in octets.
const READ: usize = 256 << 10;
/// What all of them may bring and take in one turn: the clocks of peers must not wait for long.
const ALL: usize = 8 << 20;
/// Connections let in in one turn.
const ACCEPT: usize = 64;
/// Datagrams of one link heard in one turn.
const HEAR: usize = 256;
/// When to try again to let somebody in after the machine ran out of descriptors.
const RETRY: Duration = Duration::from_millis(250);

impl Driver {
    /// Does all that is due: what the poll told, and what time has brought. Events of other sources are overlooked.
    pub fn turn(&mut self, events: &Events) {
        for event in events {
            self.note(event);
        }
        // Beacons first: that a peer leaves is told by its last beacon, before it closes its connections.
        if self.links.iter().any(|link| link.readable) {
            self.hear();
        }
        self.resolved();
        self.let_in();
        self.serve();
        self.tick();
        self.bury();
    }

    fn note(&mut self, event: &Event) {
        let Some(own) = event.token().0.checked_sub(self.base) else { return };
        match own {
            // Its answers are looked for in any case.
            RESOLVER => {}
            MAILBOX => self.mailbox.readable = true,
            LINKS..CONNECTIONS => {
                if let Some(link) = self.links.get_mut(own - LINKS) {
                    link.readable = true;
                }
            }
            _ => {
                if let Some(connection) = self.connections.at(own - CONNECTIONS) {
                    connection.note(event);
                    let id = connection.id;
                    self.enqueue(id);
                }
            }
        }
    }

    fn hear(&mut self) {
        let mut buffer = [0; DATAGRAM];
        for index in 0..self.links.len() {
            for _ in 0..HEAR {
                let link = &mut self.links[index];
                let Some((len, from)) = link.receive(&mut buffer) else { break };
                let (link, data) = (link.id, &buffer[..len]);
                trace!("{link:?}: {len} octets from {from}");
                self.input(Input::Datagram { link, from, data });
            }
        }
    }

    fn resolved(&mut self) {
        for (conn, answer) in self.resolver.answers() {
            // The engine may have given it up in the meantime.
            if !self.connections.get(conn).is_some_and(|found| found.is_resolving()) {
                continue;
            }
            match answer {
                Ok(addresses) if !addresses.is_empty() => self.connect_to(conn, addresses),
                _ => self.end(conn, IoCause::Unresolved),
            }
        }
    }

    fn let_in(&mut self) {
        let now = self.clock.now();
        if !self.mailbox.readable || self.mailbox.retry_at.is_some_and(|at| at > now) {
            return;
        }
        for _ in 0..ACCEPT {
            match self.mailbox.accept() {
                Ok((socket, from)) => self.welcome(socket, from),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.mailbox.readable = false;
                    if self.mailbox.retry_at.take().is_some() {
                        warn!("connections are let in again");
                    }
                    break;
                }
                // Whoever it was has gone again.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Err(error) => {
                    if self.mailbox.retry_at.replace(now + RETRY).is_none() {
                        warn!("no connections are let in: {error}");
                    }
                    break;
                }
            }
        }
    }

    fn welcome(&mut self, socket: mio::net::TcpStream, from: std::net::SocketAddr) {
        // It fails only where the connection has broken already.
        let Ok(local) = socket.local_addr() else { return };
        let now = self.clock.now();
        match self.engine.accept(now, self.mailbox.id, from.into(), local.into()) {
            Ok(conn) => {
                debug!("{conn}: from {from}");
                let token = self.token(conn);
                match Connection::accepted(conn, socket, from, &self.registry, token) {
                    Ok(connection) => self.keep(connection),
                    Err(error) => return self.input(Input::Closed { conn, cause: cause(&error) }),
                }
            }
            Err(error) => debug!("connection from {from} turned away: {error}"),
        }
        self.carry_out();
    }

    /// Serves the connections that have something to do. Those of peers first: what came in on them should be heard
    /// before it is heard that our own has broken.
    fn serve(&mut self) {
        let mut left = ALL;
        for queue in 0..self.ready.len() {
            for _ in 0..self.ready[queue].len() {
                if left == 0 {
                    return;
                }
                let Some(conn) = self.ready[queue].pop_front() else { break };
                let Some(connection) = self.connections.get(conn) else { continue };
                connection.queued = false;
                if connection.is_connecting() {
                    self.attempt(conn);
                }
                let moved = self.read(conn) + self.flush(conn);
                self.carry_out();
                left = left.saturating_sub(moved);
            }
        }
    }

    fn attempt(&mut self, conn: ConnId) {
        let token = self.token(conn);
        let Some(connection) = self.connections.get(conn).filter(|found| !found.ended) else { return };
        match connection.attempt() {
            Attempt::Waits => {}
            Attempt::Stands(local) => {
                debug!("{conn}: connected from {local}");
                self.input(Input::Connected { conn, local: Address::Tcp(local) });
            }
            Attempt::Failed(error) => {
                if let Err(error) = connection.connect_next(error, &self.registry, token) {
                    self.failed(conn, &error);
                }
            }
        }
    }

    /// Reads until the socket is empty or has had its share. Returns how much that was.
    fn read(&mut self, conn: ConnId) -> usize {
        let mut octets = 0;
        // Each chunk may make the engine pause or close this very connection.
        while let Some(connection) = self.connections.get(conn).filter(|found| found.may_read()) {
            if octets >= READ {
                self.enqueue(conn);
                break;
            }
            match connection.read(self.buffers.room()) {
                Reading::Octets(len) => {
                    trace!("{conn}: {len} octets came");
                    octets += len;
                    let data = self.buffers.take(len);
                    self.input(Input::Received { conn, data });
                }
                Reading::Blocked => break,
                Reading::Ended(cause) => self.end(conn, cause),
            }
        }
        octets
    }

    /// What time has brought.
    fn tick(&mut self) {
        let now = self.clock.now();
        if self.engine.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            self.input(Input::Timeout);
        }
        while let Some((_, conn)) = self.closing.front().copied().filter(|(at, _)| *at <= now) {
            self.closing.pop_front();
            if self.connections.get(conn).is_some() {
                self.give_up(conn, IoCause::TimedOut);
            }
        }
        if self.stop_by.is_some_and(|at| at <= now) {
            self.leave_at_once(now);
        }
        if self.stop_by.is_none() && !self.silent {
            self.watch_interfaces(now);
        }
        self.carry_out();
    }

    /// The time for an orderly end is over.
    fn leave_at_once(&mut self, now: Instant) {
        debug!("{now}: {} connections are cut off", self.connections.len());
        self.stop_by = None;
        let left: Vec<ConnId> = self.connections.iter().map(|connection| connection.id).collect();
        for conn in left {
            self.give_up(conn, IoCause::TimedOut);
        }
    }

    /// Tells the engine of connections that broke, after all that came before: beacons, and what lies in the other
    /// connections of the same hosts, for a peer that goes breaks both of a pair.
    fn bury(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        self.hear();
        let hosts: Vec<IpAddr> = self
            .ended
            .iter()
            .filter_map(|(conn, _)| {
                self.connections.get(*conn).filter(|ours| !ours.inbound && ours.was_connected())?.remote
            })
            .collect();
        if !hosts.is_empty() {
            let theirs =
                |one: &&mut Connection| one.inbound && one.remote.is_some_and(|remote| hosts.contains(&remote));
            let look: Vec<ConnId> = self.connections.iter().filter(theirs).map(|one| one.id).collect();
            for conn in look {
                if let Some(connection) = self.connections.get(conn) {
                    connection.look_again();
                }
                self.read(conn);
            }
        }
        let mut ended = mem::take(&mut self.ended);
        ended.sort_by_key(|(conn, _)| self.connections.get(*conn).is_some_and(|found| !found.inbound));
        for (conn, cause) in ended {
            if let Some(connection) = self.connections.remove(conn) {
                self.forget(connection);
                self.input(Input::Closed { conn, cause });
            }
        }
    }
}
