//! The engine with nothing but the standard library: sockets, a clock, and a loop that looks at all of them.
//!
//! ```text
//! $ cargo run -p zre-engine --example blocking
//! ```
//!
//! Two nodes in one loop meet through beacons on loopback. std leaves two things to be wished for:
//!
//! - Two programs of one machine cannot share a UDP port, for std binds a socket before anybody can say so. Therefore the
//!   nodes of this example hear through the same socket. A real program makes its own by the crate `socket2`, and calls
//!   `set_reuse_address(true)` before `bind`, as all ZRE programs do.
//! - Nothing waits for several sockets at a time. This loop waits for beacons only, and looks at the others every two
//!   milliseconds. That is how late it may be, and what it costs when nobody says anything. mio, tokio or poll do better.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::{Duration, Instant as StdInstant},
};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, InputError, Instant, IoCause, LinkId, ListenerId, ListenerKind,
    Node, bytes::Bytes,
};

/// The UDP port of beacons: ZRE's own is 5670; with another one the example is a cluster by itself.
const PORT: u16 = 15672;
/// The address of the network interface, and where its broadcasts go.
const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

const LINK: LinkId = LinkId(0);
const MAILBOX: ListenerId = ListenerId(0);

/// How often the sockets are looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How many datagrams are taken at a time, and how many callers are let in, before others have their turn.
const DATAGRAMS: usize = 64;
const CALLERS: usize = 16;
/// What one connection may bring before the others have their turn, in octets.
const SHARE: usize = 64 << 10;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let clock = Clock::start();
    // Bound to the broadcast address, a socket hears (on Linux) beacons of that interface alone; elsewhere it is 0.0.0.0.
    let ear = UdpSocket::bind((BROADCAST, PORT))?;
    let mut alice = Host::start("alice", clock.now())?;
    let mut bob = Host::start("bob", clock.now())?;
    while !(alice.is_gone() && bob.is_gone()) {
        if clock.now() > Instant::ZERO + Duration::from_secs(30) {
            return Err("they have not met".into());
        }
        let beacons = hear(&ear)?;
        let now = clock.now();
        alice.turn(now, &beacons)?;
        bob.turn(now, &beacons)?;

        // The application: each takes what its node has to tell, and says something.
        while let Some(event) = alice.node.poll_event() {
            alice.node.consumed(now, event.octets());
            match event {
                Event::Enter { peer, name, .. } => {
                    println!("alice: {name} is here");
                    alice.node.whisper(now, peer, "hello, bob")?;
                }
                Event::Whisper { name, content, .. } => {
                    println!("alice: {name} says {:?}", content.text());
                    alice.node.stop(now);
                }
                Event::Stop => alice.stopped = true,
                _ => {}
            }
        }
        while let Some(event) = bob.node.poll_event() {
            bob.node.consumed(now, event.octets());
            match event {
                Event::Whisper { peer, name, content, .. } => {
                    println!("bob: {name} says {:?}", content.text());
                    bob.node.whisper(now, peer, "hello yourself")?;
                }
                Event::Exit { name, reason, .. } => {
                    println!("bob: {name} is gone: {reason}");
                    bob.node.stop(now);
                }
                Event::Stop => bob.stopped = true,
                _ => {}
            }
        }
    }
    Ok(())
}

/// The machine's clock, for the engine, which counts from a zero of our choice.
struct Clock(StdInstant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the engine reads no clock; this is the program around it")]
    fn start() -> Self {
        Self(StdInstant::now())
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }
}

/// Waits for a beacon, and takes those that are there.
fn hear(ear: &UdpSocket) -> Result<Vec<(SocketAddr, Vec<u8>)>, Failure> {
    let mut beacons = Vec::new();
    // A beacon is much shorter. What is longer is cut, and is none.
    let mut octets = [0; 256];
    ear.set_nonblocking(false)?;
    ear.set_read_timeout(Some(LOOK))?;
    // An error is the end of the time, or of what is there; or it passes, as one does from an interface that was down.
    while let Ok((len, from)) = ear.recv_from(&mut octets) {
        beacons.push((from, octets[..len].to_vec()));
        if beacons.len() == DATAGRAMS {
            break;
        }
        ear.set_nonblocking(true)?;
    }
    Ok(beacons)
}

/// A node and its sockets. None of them makes anybody wait.
struct Host {
    node: Node,
    speaks: UdpSocket,
    listener: TcpListener,
    connections: BTreeMap<ConnId, Connection>,
    buffer: Vec<u8>,
    /// The node has said STOP.
    stopped: bool,
}

struct Connection {
    stream: TcpStream,
    /// A peer has opened it.
    inbound: bool,
    /// The engine wants to have its octets. At first it does.
    reading: bool,
    /// The engine is done with it once all is written.
    closing: bool,
    /// A write has failed, and nothing more is written: what came before may still be read.
    broken: Option<IoCause>,
    /// Nothing more comes, and the engine has not been told.
    ended: Option<IoCause>,
}

impl Host {
    fn start(name: &str, now: Instant) -> Result<Self, Failure> {
        let mut config = Config::default();
        config.name = Some(name.into());
        // From the system's random source; std has no other way to it. Two nodes with one seed never meet.
        let mut seed = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        let mut node = Node::new(config, seed, now)?;

        // Beacons leave from the interface's own address: that is where peers will connect to.
        let speaks = UdpSocket::bind((HOST, 0))?;
        speaks.set_broadcast(true)?;
        speaks.set_nonblocking(true)?;
        let listener = TcpListener::bind((HOST, 0))?;
        listener.set_nonblocking(true)?;

        let (kind, at) = (ListenerKind::Mailbox, Address::Tcp(listener.local_addr()?));
        node.handle(now, Input::Listening { listener: MAILBOX, kind, at, advertise: None })?;
        node.handle(now, Input::LinkUp { link: LINK, address: HOST.into(), mailbox: MAILBOX })?;
        node.start(now)?;
        Ok(Self { node, speaks, listener, connections: BTreeMap::new(), buffer: vec![0; SHARE], stopped: false })
    }

    /// One look at everything.
    fn turn(&mut self, now: Instant, beacons: &[(SocketAddr, Vec<u8>)]) -> Result<(), Failure> {
        let ended = self.ended();
        // Beacons first: that a peer leaves is told by its last beacon, and only then does it close its connections.
        for (from, data) in beacons {
            self.tell(now, Input::Datagram { link: LINK, from: *from, data })?;
        }
        self.let_in(now);
        // Of a peer's two connections the inbound one first: what it has said on it comes before the end of the other.
        self.read_all(now, true)?;
        // What had ended before all of this was heard can be told now.
        for conn in ended {
            // Unless the node has closed it meanwhile.
            let ended = self.connections.get(&conn).and_then(|connection| connection.ended);
            if let Some(cause) = ended {
                self.connections.remove(&conn);
                self.tell(now, Input::Closed { conn, cause })?;
            }
        }
        self.read_all(now, false)?;
        if self.node.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            self.tell(now, Input::Timeout)?;
        }
        self.carry_out(now)?;
        self.write_all(now)
    }

    /// Whether it has stopped, and all is written that was said last. The engine gives each connection the linger for that,
    /// and has nothing more to be written then.
    fn is_gone(&self) -> bool {
        self.stopped && self.connections.is_empty()
    }

    /// Tells the node what has happened.
    fn tell(&mut self, now: Instant, input: Input<'_>) -> Result<(), Failure> {
        match self.node.handle(now, input) {
            // The node has closed that connection, and the action that says so still waits to be taken.
            Err(InputError::UnknownConnection) => Ok(()),
            // Any other is a mistake in this file.
            told => Ok(told?),
        }
    }

    fn let_in(&mut self, now: Instant) {
        for _ in 0..CALLERS {
            // An error says that nobody is there, or it passes: a caller that no descriptor is left for waits in the backlog.
            // The next turn tries again, which comes late enough: a loop that a poll wakes has to wait for 250 ms here.
            let Ok((stream, from)) = self.listener.accept() else { return };
            let Ok(local) = prepare(&stream).and_then(|()| stream.local_addr()) else { continue };
            // Who is turned away is closed, as the socket is dropped.
            if let Ok(conn) = self.node.accept(now, MAILBOX, from.into(), local.into()) {
                self.keep(conn, stream, true);
            }
        }
    }

    fn keep(&mut self, conn: ConnId, stream: TcpStream, inbound: bool) {
        let connection = Connection { stream, inbound, reading: true, closing: false, broken: None, ended: None };
        self.connections.insert(conn, connection);
    }

    /// Reads all connections of one kind.
    fn read_all(&mut self, now: Instant, inbound: bool) -> Result<(), Failure> {
        let of_kind = self.connections.iter().filter(|(_, connection)| connection.inbound == inbound);
        let ids: Vec<ConnId> = of_kind.map(|(conn, _)| *conn).collect();
        ids.into_iter().try_for_each(|conn| self.read(now, conn))
    }

    /// Reads what is there, up to a share.
    fn read(&mut self, now: Instant, conn: ConnId) -> Result<(), Failure> {
        let mut left = SHARE;
        while let Some(connection) = self.connections.get_mut(&conn) {
            // What the node does not want to have stays in the socket, and TCP makes the peer wait. Nothing is heard of the
            // connection's end meanwhile, for that comes after what lies there.
            if !connection.reading || connection.closing || connection.ended.is_some() || left == 0 {
                break;
            }
            match connection.stream.read(&mut self.buffer[..left]) {
                Ok(0) => connection.ended = Some(IoCause::Finished),
                Ok(len) => {
                    left -= len;
                    let data = Bytes::copy_from_slice(&self.buffer[..len]);
                    self.tell(now, Input::Received { conn, data })?;
                    // Perhaps the node wants no more now, or has closed the connection.
                    self.carry_out(now)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => connection.ended = Some(cause(&error)),
            }
        }
        Ok(())
    }

    /// The connections that have ended and that the node has not been told of, inbound ones first.
    fn ended(&self) -> Vec<ConnId> {
        let ended = self.connections.iter().filter(|(_, connection)| connection.ended.is_some());
        let mut ended: Vec<_> = ended.map(|(conn, connection)| (!connection.inbound, *conn)).collect();
        ended.sort();
        ended.into_iter().map(|(_, conn)| conn).collect()
    }

    /// Does what the node wants to be done.
    fn carry_out(&mut self, now: Instant) -> Result<(), Failure> {
        while let Some(action) = self.node.poll_action() {
            match action {
                Action::Broadcast { data, .. } => {
                    // If it cannot go out now: another one is due soon.
                    let _ = self.speaks.send_to(&data, (BROADCAST, PORT));
                }
                // std can connect only while everything else waits. On loopback that takes no time; over a network it does, and
                // belongs on a thread, or to `socket2`, which also lets a connection leave from the link's own address.
                Action::Connect { conn, to: Address::Tcp(to) } => {
                    let connected = TcpStream::connect_timeout(&to, Duration::from_secs(1)).and_then(|stream| {
                        prepare(&stream)?;
                        Ok((stream.local_addr()?, stream))
                    });
                    match connected {
                        Ok((local, stream)) => {
                            self.keep(conn, stream, false);
                            self.tell(now, Input::Connected { conn, local: local.into() })?;
                        }
                        Err(error) => self.tell(now, Input::Closed { conn, cause: cause(&error) })?,
                    }
                }
                // Names and sockets with a path, which only gossip and `require_peer` bring.
                Action::Connect { conn, to } => {
                    let cause = if let Address::Name { .. } = to { IoCause::Unresolved } else { IoCause::Other };
                    self.tell(now, Input::Closed { conn, cause })?;
                }
                // All connections are asked in each turn, so there is nothing to remember.
                Action::Writable { .. } => {}
                Action::Reading { conn, on } => {
                    if let Some(connection) = self.connections.get_mut(&conn) {
                        connection.reading = on;
                    }
                }
                Action::Close { conn, .. } => {
                    if let Some(connection) = self.connections.get_mut(&conn) {
                        connection.closing = true;
                        // Its end is not to be told any more, if it has come.
                        connection.ended = None;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what the node has to say, as far as the sockets take it.
    fn write_all(&mut self, now: Instant) -> Result<(), Failure> {
        let mut done = Vec::new();
        for (conn, connection) in &mut self.connections {
            loop {
                // One slice at a time is easy to read. Many messages at once are faster by a vectored write of several.
                let mut chunk: [&[u8]; 1] = [&[]];
                if connection.broken.is_some() || self.node.transmit(*conn, &mut chunk) == 0 {
                    if connection.closing {
                        done.push(*conn);
                    }
                    break;
                }
                match connection.stream.write(chunk[0]) {
                    Ok(0) => connection.broken = Some(cause(&ErrorKind::WriteZero.into())),
                    Ok(written) => self.node.advance(now, *conn, written),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => connection.broken = Some(cause(&error)),
                }
            }
            // What it brought can still be read, and its end comes after that; but not while nothing is to be read.
            if !connection.reading && !connection.closing && connection.ended.is_none() {
                connection.ended = connection.broken;
            }
        }
        done.into_iter().try_for_each(|conn| self.close(now, conn))
    }

    /// Closes a connection so that the other side gets all that was written: octets that lie here unread would make the
    /// system tear it down instead.
    fn close(&mut self, now: Instant, conn: ConnId) -> Result<(), Failure> {
        let Some(mut connection) = self.connections.remove(&conn) else { return Ok(()) };
        let _ = connection.stream.shutdown(Shutdown::Write);
        for _ in 0..4 {
            if !matches!(connection.stream.read(&mut self.buffer), Ok(1..)) {
                break;
            }
        }
        // Not all was written, if it broke.
        connection.broken.map_or(Ok(()), |cause| self.tell(now, Input::Closed { conn, cause }))
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    // The engine gathers what it has to say into large writes: nothing is won if TCP waits for more.
    stream.set_nodelay(true)
}

/// The engine's word for what became of a connection.
fn cause(error: &io::Error) -> IoCause {
    match error.kind() {
        ErrorKind::ConnectionRefused => IoCause::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => IoCause::Reset,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => IoCause::Unreachable,
        ErrorKind::TimedOut => IoCause::TimedOut,
        // The ports are used up, or the memory.
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse | ErrorKind::OutOfMemory => IoCause::Exhausted,
        // The descriptors are: ENFILE of the machine, EMFILE of the process. std has no name for that.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => IoCause::Exhausted,
        _ => IoCause::Other,
    }
}
