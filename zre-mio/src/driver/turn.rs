//! One turn: what came in, in the order in which the engine should hear of it, and none of it without a bound.

use super::{Asked, BELL, CONNECTIONS, Driver, LINKS, LISTENERS, RESOLVER};
use crate::{
    buffer,
    connection::{Attempt, Connection, Reading},
    listener::{Caller, Listener},
    log::{debug, trace, warn},
    stream::Host,
    tcp::cause,
    udp::DATAGRAM,
};
use mio::{Events, Token, event::Event};
use std::{io, mem, time::Duration};
use zre_engine::{ConnId, Input, Instant, IoCause, ListenerId};

/// What one connection may bring before others have their turn, in octets.
const READ: usize = buffer::SIZE;
/// What all of them may bring and take in one turn: the clocks of peers must not wait for long.
const ALL: usize = 8 << 20;
/// Connections let in in one turn.
const ACCEPT: usize = 64;
/// Datagrams of one link heard in one turn.
const HEAR: usize = 256;
/// When to try again to let somebody in after the machine ran out of descriptors.
const RETRY: Duration = Duration::from_millis(250);
/// So long may octets that were read lie in their socket: who sent them may wait for their acknowledgement. Less than the
/// ticks of most systems (4 ms) would make each wait for an answer set a timer of the processor.
const LEFT: Duration = Duration::from_millis(5);

impl Driver {
    /// Does all that is due: what the poll told, and what time has brought. Events of other sources are overlooked.
    pub fn turn(&mut self, events: &Events) {
        self.clock.forget();
        self.tell_taken();
        self.do_all(events);
    }

    /// The same where others keep the events, and tell what of them was taken. Whether anything was written, in it or since
    /// the last one.
    pub(crate) fn turn_for_others(&mut self, events: &Events) -> bool {
        self.clock.forget();
        self.do_all(events)
    }

    fn do_all(&mut self, events: &Events) -> bool {
        self.breaths += 1;
        self.drained = false;
        for event in events {
            self.note(event);
        }
        if self.ears.has_bell() {
            self.note_rung();
        }
        self.uncork_in_turn();
        self.note_answered(false);
        // Beacons first: that a peer leaves is told by its last beacon, before it closes its connections.
        self.hear_in_turn();
        self.resolved();
        let left = self.let_in();
        self.serve(left);
        self.tick();
        self.bury();
        self.buffers.end_turn();
        self.breaths += 1;
        if !self.cork.is_empty() {
            // Until the cork is drawn the clock is not read anew, and who knows how long the application takes now.
            self.clock.forget();
        }
        mem::take(&mut self.wrote)
    }

    fn note(&mut self, event: &Event) {
        let Some(own) = event.token().0.checked_sub(self.base) else { return };
        match own {
            // What they tell is looked for in any case.
            RESOLVER | BELL => {}
            LINKS..LISTENERS => {
                if let Some(link) = self.links.get_mut(own - LINKS) {
                    link.readable = true;
                }
            }
            LISTENERS..CONNECTIONS => self.note_caller(own),
            _ => {
                if let Some(connection) = self.connections.at(own - CONNECTIONS) {
                    connection.note(event);
                    let id = connection.id;
                    self.enqueue(id);
                }
            }
        }
    }

    /// The same for what came from within the process.
    fn note_rung(&mut self) {
        for token in self.ears.rung() {
            let Some(own) = token.0.checked_sub(self.base) else { continue };
            match own.checked_sub(CONNECTIONS) {
                None => self.note_caller(own),
                Some(index) => {
                    if let Some(connection) = self.connections.at(index) {
                        connection.note_all();
                        let id = connection.id;
                        self.enqueue(id);
                    }
                }
            }
        }
    }

    fn note_caller(&mut self, own: usize) {
        let is_its = |listener: &&mut Listener| LISTENERS + listener.id.0 as usize == own;
        self.listeners.iter_mut().filter(is_its).for_each(|listener| listener.readable = true);
    }

    /// Hears the links whose time it is.
    fn hear_in_turn(&mut self) {
        if !self.links.iter().any(|link| link.readable || link.nap_until().is_some()) {
            return;
        }
        let now = self.clock.now();
        for index in 0..self.links.len() {
            if self.links[index].is_due(now) {
                self.hear(index);
            }
        }
    }

    /// Hears what a link has.
    fn hear(&mut self, index: usize) {
        let mut buffer = [0; DATAGRAM];
        let (mut datagrams, mut news) = (0, false);
        while datagrams < HEAR
            && let Some(link) = self.links.get_mut(index)
            && let Some((len, from)) = link.receive(&mut buffer)
        {
            let (link, data) = (link.id, &buffer[..len]);
            trace!("{link:?}: {len} octets from {from}");
            self.tell(Input::Datagram { link, from, data });
            news |= self.carry_out();
            datagrams += 1;
        }
        let (now, token) = (self.clock.now(), Token(self.base + LINKS + index));
        if let Some(link) = self.links.get_mut(index) {
            link.note_heard(now, datagrams, news, &self.ears.registry, token);
        }
    }

    fn resolved(&mut self) {
        for (conn, answer) in self.resolver.answers() {
            // The engine may have given it up in the meantime.
            if !self.connections.get(conn).is_some_and(|found| found.is_resolving()) {
                continue;
            }
            match answer {
                Ok(addresses) if !addresses.is_empty() => {
                    self.connect_to(conn, addresses);
                    self.tell_where(conn);
                }
                _ => self.end(conn, IoCause::Unresolved),
            }
        }
    }

    /// Lets in who waits for it. Returns how much may still be brought and taken in this turn.
    fn let_in(&mut self) -> usize {
        let now = self.clock.now();
        let mut left = ALL;
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT {
                let Some(listener) = self.listeners.get_mut(index) else { break };
                if left == 0 || !listener.readable || listener.retry_at.is_some_and(|at| at > now) {
                    break;
                }
                let id = listener.id;
                match listener.accept() {
                    Ok(caller) => left = left.saturating_sub(self.welcome(id, caller)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.readable = false;
                        if listener.retry_at.take().is_some() {
                            warn!("connections to {} are let in again", listener.at);
                        }
                    }
                    // Whoever it was has gone again.
                    Err(error) if is_of_the_caller(&error) => {}
                    Err(error) => {
                        if listener.retry_at.replace(now + RETRY).is_none() {
                            warn!("no connections to {} are let in: {error}", listener.at);
                        }
                    }
                }
            }
        }
        left
    }

    /// Lets somebody in. Returns how much that brought and took.
    fn welcome(&mut self, listener: ListenerId, caller: Caller) -> usize {
        let Caller { stream, host, from, local } = caller;
        let now = self.clock.now();
        match self.engine.accept(now, listener, from.clone(), local) {
            Ok(conn) => {
                debug!("{conn}: from {from}");
                self.keep(Connection::accepted(conn, stream, host));
                // Whoever is near has sent something before it is let in. What was read by then the poll does not tell of.
                let moved = self.serve_one(conn);
                let token = self.token(conn);
                if let Some(connection) = self.connections.get(conn).filter(|found| !found.ended)
                    && let Err(error) = connection.register(&mut self.ears, token)
                {
                    self.end(conn, cause(&error));
                }
                moved
            }
            Err(error) => {
                debug!("connection from {from} turned away: {error}");
                self.carry_out();
                0
            }
        }
    }

    /// Serves the connections that have something to do. Those of peers first: what came in on them should be heard
    /// before it is heard that our own has broken.
    fn serve(&mut self, mut left: usize) {
        for queue in 0..self.ready.len() {
            for _ in 0..self.ready[queue].len() {
                if left == 0 {
                    return;
                }
                let Some(conn) = self.ready[queue].pop_front() else { break };
                let Some(connection) = self.connections.get(conn) else { continue };
                connection.queued = false;
                left = left.saturating_sub(self.serve_one(conn));
            }
        }
    }

    /// Reads, then writes what was there and what came of that, in one. Returns how much it was.
    fn serve_one(&mut self, conn: ConnId) -> usize {
        self.served = Some(conn);
        self.carry_out();
        if self.connections.get(conn).is_some_and(|found| found.is_connecting()) {
            self.attempt(conn);
            self.carry_out();
        }
        let read = self.read(conn);
        self.served = None;
        let moved = read + self.write(conn);
        self.carry_out();
        moved
    }

    pub(super) fn attempt(&mut self, conn: ConnId) {
        let token = self.token(conn);
        let Some(connection) = self.connections.get(conn).filter(|found| !found.ended) else { return };
        match connection.attempt() {
            Attempt::Waits => {}
            Attempt::Stands(local) => {
                debug!("{conn}: connected from {local}");
                // Whoever carries out goes on with what comes of it: of many that stand at once, none waits in another's call.
                self.tell(Input::Connected { conn, local });
            }
            Attempt::Failed(error) => match connection.connect_next(error, &mut self.ears, token) {
                Ok(()) => self.tell_where(conn),
                Err(error) => self.failed(conn, &error),
            },
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
            // One at a time: of several, the acknowledgements of all would go before the answers of all but one.
            let may_leave = self.asked.as_ref().is_none_or(|asked| asked.conn == conn);
            match connection.read(self.buffers.room(), may_leave) {
                Reading::Octets(len) => {
                    trace!("{conn}: {len} octets came");
                    octets += len;
                    if may_leave && connection.may_be_answered() {
                        let left_until = connection.has_left().then(|| self.clock.now() + LEFT);
                        self.asked = Some(Asked { conn, left_until });
                    }
                    let data = self.buffers.take(len);
                    self.input(Input::Received { conn, data });
                }
                Reading::Blocked => break,
                Reading::Ended(cause) => self.end(conn, cause),
            }
        }
        octets
    }

    /// Something was written since the last turn, or another turn has come without that.
    pub(super) fn note_answered(&mut self, answered: bool) {
        if let Some(asked) = self.asked.take()
            && let Some(connection) = self.connections.get(asked.conn)
        {
            connection.note_answered(answered);
            if connection.has_left() {
                connection.take_out(self.buffers.room());
            }
        }
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
        if !self.is_stopping() {
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
        for index in 0..self.links.len() {
            self.hear(index);
        }
        let hosts: Vec<Host> = self
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

fn is_of_the_caller(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::LEFT;
    use crate::{Address, Driver, Event, Node, PeerId, Runner};
    use mio::{Events, Poll, Token};
    use std::{
        cell::Cell,
        io::{Read, Write},
        net::TcpStream,
    };

    /// Two drivers in one poll that send a message to and fro.
    struct Two {
        poll: Poll,
        events: Events,
        drivers: [Driver; 2],
    }

    impl Two {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let port = crate::tests::udp_port();
            let start = |name, base| {
                Node::builder(name).interface("lo").port(port).driver(poll.registry(), Token(base)).unwrap()
            };
            let drivers = [start("ann", 0), start("ben", Driver::TOKENS)];
            Self { poll, events: Events::with_capacity(64), drivers }
        }

        /// Turns, until it has been heard so many times; whoever hears it is looked at before it answers and afterwards.
        /// Gives back who heard it last, without having answered, and where the answer goes.
        fn play(&mut self, times: usize, look: impl Fn(&mut Driver, usize, bool)) -> (usize, PeerId) {
            let mut heard = 0;
            let start = crate::clock::Age::default();
            loop {
                assert!(start.is_below(crate::tests::LONG), "{heard} messages have come");
                let timeout = self.drivers.iter().filter_map(Driver::timeout).min();
                match self.poll.poll(&mut self.events, timeout) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    polled => polled.unwrap(),
                }
                for (index, driver) in self.drivers.iter_mut().enumerate() {
                    driver.turn(&self.events);
                    while let Some(event) = driver.poll_event() {
                        match event {
                            Event::Enter { peer, .. } if index == 0 => driver.whisper(peer, "0").unwrap(),
                            Event::Whisper { peer, content, .. } => {
                                heard += 1;
                                look(driver, heard, false);
                                if heard == times {
                                    return (index, peer);
                                }
                                driver.whisper(peer, content).unwrap();
                                look(driver, heard, true);
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    fn has_left(driver: &mut Driver) -> bool {
        driver.connections.iter().any(|one| one.inbound && one.has_left())
    }

    #[test]
    fn a_message_is_left_in_the_socket_until_it_is_answered() {
        let mut two = Two::new();
        let left = Cell::new(0);
        let (last, peer) = two.play(20, |driver, heard, answered| {
            if answered {
                assert!(!has_left(driver), "message {heard}");
            } else if has_left(driver) {
                left.set(left.get() + 1);
            }
        });
        // A PING between two messages is not answered by the application, and neither is what comes after it left.
        assert!(left.get() > 10, "{left:?}");
        let driver = &mut two.drivers[last];
        assert!(!has_left(driver) || driver.timeout().is_some_and(|timeout| timeout <= LEFT), "no longer than that");
        // What sends nothing is no answer.
        let had_left = has_left(driver);
        driver.set_header("X", "1").unwrap();
        assert_eq!(has_left(driver), had_left);
        driver.turn(&Events::with_capacity(1));
        assert!(!has_left(driver), "no answer, and another turn");
        // Nor does an answer that is late bring trouble.
        driver.whisper(peer, "late").unwrap();
        // An `App` answers just as well.
        let (last, peer) = two.play(20, |_, _, _| ());
        let driver = &mut two.drivers[last];
        let mut runner = Runner::new((), [0; 32]);
        driver.call_app(&mut runner, |(), cx| cx.whisper(peer, "from an app")).unwrap();
        assert!(!has_left(driver), "answered");
    }

    #[test]
    fn of_several_messages_in_one_turn_one_is_left() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(64);
        let port = crate::tests::udp_port();
        let start = |index: usize| {
            let builder = Node::builder(format!("node {index}")).interface("lo").port(port);
            builder.driver(poll.registry(), Token(index * Driver::TOKENS)).unwrap()
        };
        let mut drivers = [start(0), start(1), start(2)];
        let hub = drivers[0].engine().uuid();
        let (mut met, mut rounds, mut waits, mut seen) = (0, 0, 0, 0);
        let start = crate::clock::Age::default();
        while rounds < 30 {
            assert!(start.is_below(crate::tests::LONG), "{met} have met, {rounds} rounds");
            if met == 4 && waits == 0 {
                // Each is answered by itself, so that it may be left the next time; then both are there in one turn.
                let who = [1..2, 2..3, 1..3][rounds % 3].clone();
                waits = who.len();
                drivers[who].iter_mut().for_each(|driver| driver.whisper(hub, "hello").unwrap());
            }
            let timeout = drivers.iter().filter_map(Driver::timeout).min();
            match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.unwrap(),
            }
            for (index, driver) in drivers.iter_mut().enumerate() {
                driver.turn(&events);
                let left = driver.connections.iter().filter(|one| one.has_left()).count();
                assert!(left <= 1, "{left} in round {rounds}");
                seen += left;
                while let Some(event) = driver.poll_event() {
                    match event {
                        Event::Enter { peer, .. } if index == 0 || peer == hub => met += 1,
                        Event::Whisper { peer, content, .. } if index == 0 => driver.whisper(peer, content).unwrap(),
                        Event::Whisper { .. } => {
                            waits -= 1;
                            rounds += usize::from(waits == 0);
                        }
                        _ => {}
                    }
                }
            }
        }
        assert!(seen > 0, "none was left at all");
        for driver in &mut drivers {
            driver.turn(&Events::with_capacity(1));
            assert!(!has_left(driver));
        }
    }

    #[test]
    fn a_driver_that_is_dropped_tears_no_connection_down() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(64);
        let builder = Node::builder("ann").interface("lo").port(crate::tests::udp_port());
        let mut ann = builder.driver(poll.registry(), Token(0)).unwrap();
        let Some(Address::Tcp(mailbox)) = ann.engine().endpoint() else { panic!("no mailbox") };
        let mut caller = TcpStream::connect(mailbox).unwrap();
        let mut greeting = [0; 64];
        (greeting[0], greeting[9], greeting[10]) = (0xFF, 0x7F, 3);
        greeting[12..16].copy_from_slice(b"NULL");
        caller.write_all(&greeting).unwrap();
        // A command that begins, octet by octet, as if each of them were answered.
        let mut command = b"\x04\x19\x05READY".iter();
        while !has_left(&mut ann) {
            match poll.poll(&mut events, Some(crate::tests::LONG)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.unwrap(),
            }
            ann.turn(&events);
            // One at a time: what is under way when the socket is closed is nobody's fault.
            if ann.asked.is_some() && !has_left(&mut ann) {
                ann.note_answered(true);
                caller.write_all(&[*command.next().expect("nothing is left")]).unwrap();
            }
        }
        drop(ann);
        caller.set_read_timeout(Some(crate::tests::LONG)).unwrap();
        let mut all = Vec::new();
        caller.read_to_end(&mut all).unwrap();
        assert_eq!(all[0], 0xFF, "a greeting, and the end");
    }
}
