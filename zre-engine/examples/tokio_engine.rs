//! The engine on tokio's sockets: a small driver, for one interface and `tcp://`. Two nodes meet through beacons on
//! loopback; one sends more than the other takes, is made to wait, and nothing is lost.
//!
//! ```text
//! $ cargo run -p zre-engine --example tokio_engine
//! ```
//!
//! `TokioNode` is what you would take over into a program of yours: one value, polled by whoever awaits
//! [`TokioNode::next`], which can stand in a `select!` beside other things. The rules that it keeps are those of the crate's
//! documentation. What it lacks are names to look up, sockets with a path, interfaces that come and go, and lists of what
//! has something to do: it asks every socket in each turn, which is right for some dozens of peers. (If tokio is not a must:
//! `zre_mio::Node` does all of this on a thread.)

use socket2::{Domain, SockRef, Type};
use std::{
    collections::BTreeMap,
    error::Error,
    future::poll_fn,
    io::{self, IoSlice},
    net::{Ipv4Addr, Shutdown, SocketAddr},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::ReadBuf,
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    time::{self, Instant as TokioInstant, Sleep},
};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, InputError, Instant, IoCause, LinkId, ListenerId, ListenerKind,
    Node, SendError, bytes::Bytes,
};

/// The UDP port of beacons: ZRE's own is 5670; with another one the example is a cluster by itself.
const PORT: u16 = 15671;
/// The address of the network interface, and where its broadcasts go.
const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

const LINK: LinkId = LinkId(0);
const MAILBOX: ListenerId = ListenerId(0);

/// What one connection may bring before the others have their turn, in octets.
const SHARE: usize = 64 << 10;
/// How many datagrams it may hear and how many callers it lets in before others have theirs, and how often it goes round
/// before other tasks do.
const DATAGRAMS: usize = 64;
const CALLERS: usize = 16;
const ROUNDS: usize = 16;
/// How long nobody is let in after that has failed: without a descriptor left, it would fail again at once.
const PAUSE: Duration = Duration::from_millis(250);
/// How many slices a write gathers.
const SLICES: usize = 16;

type Failure = Box<dyn Error + Send + Sync>;
type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// A node and its sockets.
struct TokioNode {
    /// Join, whisper, ask: whatever it wants to be done about it is done when the node is polled next.
    engine: Node,
    /// The zero of the engine's time.
    epoch: TokioInstant,
    alarm: Pin<Box<Sleep>>,
    hears: UdpSocket,
    speaks: std::net::UdpSocket,
    listener: TcpListener,
    /// Nobody is let in before that.
    pause: Option<Pin<Box<Sleep>>>,
    connections: BTreeMap<ConnId, Connection>,
    buffer: Box<[u8]>,
    /// What the event that the application had last counts for.
    taken: usize,
}

struct Connection {
    socket: Socket,
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

enum Socket {
    Connecting(Attempt),
    Open(TcpStream),
}

impl TokioNode {
    fn start(config: Config) -> Result<Self, Failure> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let mut engine = Node::new(config, seed, Instant::ZERO)?;

        // All ZRE programs of a machine share the UDP port, which has to be said before the socket is bound; tokio and std
        // have no word for it. Bound to the broadcast address (on Linux) it hears beacons of this interface alone; elsewhere
        // bind it to 0.0.0.0.
        let hears = socket2::Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        hears.set_reuse_address(true)?;
        hears.set_nonblocking(true)?;
        hears.bind(&SocketAddr::from((BROADCAST, PORT)).into())?;
        // Beacons leave from the interface's own address: that is where peers will connect to.
        let speaks = std::net::UdpSocket::bind((HOST, 0))?;
        speaks.set_broadcast(true)?;
        speaks.set_nonblocking(true)?;
        let listener = std::net::TcpListener::bind((HOST, 0))?;
        listener.set_nonblocking(true)?;

        let (kind, at) = (ListenerKind::Mailbox, Address::Tcp(listener.local_addr()?));
        engine.handle(Instant::ZERO, Input::Listening { listener: MAILBOX, kind, at, advertise: None })?;
        engine.handle(Instant::ZERO, Input::LinkUp { link: LINK, address: HOST.into(), mailbox: MAILBOX })?;
        engine.start(Instant::ZERO)?;
        Ok(Self {
            engine,
            epoch: TokioInstant::now(),
            alarm: Box::pin(time::sleep(Duration::ZERO)),
            hears: UdpSocket::from_std(hears.into())?,
            speaks,
            listener: TcpListener::from_std(listener)?,
            pause: None,
            connections: BTreeMap::new(),
            buffer: vec![0; SHARE].into(),
            taken: 0,
        })
    }

    /// The next event. It can be dropped before it is ready, and nothing is lost.
    ///
    /// The node lives while this is awaited (or [`run_until`](Self::run_until)): what takes long is for other tasks.
    async fn next(&mut self) -> Result<Event, Failure> {
        // Whoever asks for another event is done with the last.
        let taken = std::mem::take(&mut self.taken);
        self.engine.consumed(self.now(), taken);
        let event = poll_fn(|cx| match self.turn(cx) {
            Err(error) => Poll::Ready(Err(error)),
            Ok(()) => self.engine.poll_event().map_or(Poll::Pending, |event| Poll::Ready(Ok(event))),
        });
        let event = event.await?;
        self.taken = event.octets();
        Ok(event)
    }

    /// Lives on without taking events.
    async fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        poll_fn(|cx| match self.turn(cx) {
            Err(error) => Poll::Ready(Err(error)),
            Ok(()) if done(self) => Poll::Ready(Ok(())),
            Ok(()) => Poll::Pending,
        })
        .await
    }

    /// The way out, after STOP: what was said last is still to be written. The engine gives each connection the linger for
    /// that, and has nothing more to be written then.
    async fn finish(mut self) -> Result<(), Failure> {
        self.run_until(|node| node.connections.is_empty()).await
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// Does what there is to do, until only the sockets or the clock can bring more: all of them wake the task then. Or
    /// until it was enough for one turn, for others want to run too.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let mut ended = self.ended();
        let mut busy = true;
        for _ in 0..ROUNDS {
            // Datagrams first: that a peer leaves is told by its last beacon, and only then does it close its connections.
            busy = self.hear(cx)?;
            busy |= self.let_in(cx);
            // Of a peer's two connections the inbound one first: what it has said on it comes before the end of the other.
            busy |= self.read_all(cx, true)?;
            // What had ended before all of this was read can be told now.
            self.bury(std::mem::take(&mut ended))?;
            busy |= self.read_all(cx, false)?;
            if self.engine.poll_timeout().is_some_and(|deadline| deadline.at <= self.now()) {
                self.tell(Input::Timeout)?;
            }
            busy |= self.carry_out()?;
            busy |= self.write_all(cx)?;
            if !busy {
                break;
            }
        }
        if let Some(deadline) = self.engine.poll_timeout() {
            self.alarm.as_mut().reset(self.epoch + deadline.at.since(Instant::ZERO));
            if self.alarm.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        if busy || !self.ended().is_empty() {
            // Polled once, this wakes the task as soon as tokio has asked the system what else has come.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        Ok(())
    }

    /// Tells the engine what has happened.
    fn tell(&mut self, input: Input<'_>) -> Result<(), Failure> {
        let now = self.now();
        match self.engine.handle(now, input) {
            // The engine has closed that connection, and the action that says so still waits to be taken.
            Err(InputError::UnknownConnection) => Ok(()),
            // Any other is a mistake in this file.
            told => Ok(told?),
        }
    }

    /// Whether there may be more.
    fn hear(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        // A beacon is much shorter. What is longer is cut, and is none.
        let mut octets = [0; 256];
        let mut datagram = ReadBuf::new(&mut octets);
        for _ in 0..DATAGRAMS {
            match self.hears.poll_recv_from(cx, &mut datagram) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(from)) => self.tell(Input::Datagram { link: LINK, from, data: datagram.filled() })?,
                // It passes: the interface was down.
                Poll::Ready(Err(_)) => {}
            }
            datagram.clear();
        }
        Ok(true)
    }

    /// Whether there may be more, or a pause begins.
    fn let_in(&mut self, cx: &mut Context<'_>) -> bool {
        if self.pause.as_mut().is_some_and(|pause| pause.as_mut().poll(cx).is_pending()) {
            return false;
        }
        self.pause = None;
        for _ in 0..CALLERS {
            let (stream, from) = match self.listener.poll_accept(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(caller)) => caller,
                // The caller has gone again, or waits in the backlog until there is a descriptor for it.
                Poll::Ready(Err(_)) => {
                    self.pause = Some(Box::pin(time::sleep(PAUSE)));
                    return true;
                }
            };
            // The engine gathers what it has to say into large writes: nothing is won if TCP waits for more.
            let Ok(local) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else { continue };
            let now = self.now();
            // Who is turned away is closed, as the socket is dropped.
            if let Ok(conn) = self.engine.accept(now, MAILBOX, from.into(), local.into()) {
                self.keep(conn, Socket::Open(stream), true);
            }
        }
        true
    }

    fn keep(&mut self, conn: ConnId, socket: Socket, inbound: bool) {
        let connection = Connection { socket, inbound, reading: true, closing: false, broken: None, ended: None };
        self.connections.insert(conn, connection);
    }

    /// Reads all connections of one kind. Whether some have more than their share.
    fn read_all(&mut self, cx: &mut Context<'_>, inbound: bool) -> Result<bool, Failure> {
        let of_kind = self.connections.iter().filter(|(_, connection)| connection.inbound == inbound);
        let ids: Vec<ConnId> = of_kind.map(|(conn, _)| *conn).collect();
        let mut more = false;
        for conn in ids {
            self.attempt(conn, cx)?;
            more |= self.read(conn, cx)?;
        }
        Ok(more)
    }

    /// Looks after an attempt to connect. One that takes too long is not our concern: the engine closes it.
    fn attempt(&mut self, conn: ConnId, cx: &mut Context<'_>) -> Result<(), Failure> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        let Socket::Connecting(attempt) = &mut connection.socket else { return Ok(()) };
        if connection.ended.is_some() {
            return Ok(());
        }
        let Poll::Ready(result) = attempt.as_mut().poll(cx) else { return Ok(()) };
        match result.and_then(|stream| Ok((stream.local_addr()?, stream))) {
            Ok((local, stream)) => {
                connection.socket = Socket::Open(stream);
                self.tell(Input::Connected { conn, local: local.into() })
            }
            Err(error) => {
                connection.ended = Some(cause(&error));
                Ok(())
            }
        }
    }

    /// Reads what is there, up to a share. Whether there may be more.
    fn read(&mut self, conn: ConnId, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let mut left = SHARE;
        while let Some(connection) = self.connections.get_mut(&conn) {
            let Socket::Open(stream) = &connection.socket else { return Ok(false) };
            // What the engine does not want to have stays in the socket, and TCP makes the peer wait. Nothing is heard of
            // the connection's end meanwhile, for that comes after what lies there.
            if !connection.reading || connection.closing || connection.ended.is_some() {
                return Ok(false);
            }
            if left == 0 {
                return Ok(true);
            }
            if stream.poll_read_ready(cx).is_pending() {
                return Ok(false);
            }
            match stream.try_read(&mut self.buffer[..left]) {
                Ok(0) => connection.ended = Some(IoCause::Finished),
                Ok(len) => {
                    left -= len;
                    let data = Bytes::copy_from_slice(&self.buffer[..len]);
                    self.tell(Input::Received { conn, data })?;
                    // Perhaps the engine wants no more now, or has closed the connection.
                    self.carry_out()?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => connection.ended = Some(cause(&error)),
            }
        }
        Ok(false)
    }

    /// The connections that have ended and that the engine has not been told of, inbound ones first.
    fn ended(&self) -> Vec<ConnId> {
        let ended = self.connections.iter().filter(|(_, connection)| connection.ended.is_some());
        let mut ended: Vec<_> = ended.map(|(conn, connection)| (!connection.inbound, *conn)).collect();
        ended.sort();
        ended.into_iter().map(|(_, conn)| conn).collect()
    }

    fn bury(&mut self, ended: Vec<ConnId>) -> Result<(), Failure> {
        for conn in ended {
            // Unless the engine has closed it meanwhile.
            let ended = self.connections.get(&conn).and_then(|connection| connection.ended);
            if let Some(cause) = ended {
                self.connections.remove(&conn);
                self.tell(Input::Closed { conn, cause })?;
            }
        }
        Ok(())
    }

    /// Does what the engine wants to be done. Whether that was anything.
    fn carry_out(&mut self) -> Result<bool, Failure> {
        let mut any = false;
        while let Some(action) = self.engine.poll_action() {
            any = true;
            match action {
                Action::Broadcast { data, .. } => {
                    // If it cannot go out now: another one is due soon.
                    let _ = self.speaks.send_to(&data, (BROADCAST, PORT));
                }
                Action::Connect { conn, to: Address::Tcp(to) } => {
                    let attempt = Box::pin(async move {
                        let socket = TcpSocket::new_v4()?;
                        socket.set_nodelay(true)?;
                        // From the address that our beacons come from: by that peers know us.
                        socket.bind((HOST, 0).into())?;
                        socket.connect(to).await
                    });
                    self.keep(conn, Socket::Connecting(attempt), false);
                }
                // Only gossip and `require_peer` bring names and sockets with a path. Whoever can look up a name tells
                // `Input::Resolved`, and goes on as with an address.
                Action::Connect { conn, to } => {
                    let cause = if let Address::Name { .. } = to { IoCause::Unresolved } else { IoCause::Other };
                    self.tell(Input::Closed { conn, cause })?;
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
                        // On an attempt nothing was said.
                        if matches!(connection.socket, Socket::Connecting(_)) {
                            self.connections.remove(&conn);
                        }
                    }
                }
            }
        }
        Ok(any)
    }

    /// Writes what the engine has to say, as far as the sockets take it. Whether that was anything.
    fn write_all(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let now = self.now();
        let mut any = false;
        let mut done = Vec::new();
        for (conn, connection) in &mut self.connections {
            let Socket::Open(stream) = &connection.socket else { continue };
            while connection.broken.is_none() {
                let mut chunks: [&[u8]; SLICES] = [&[]; SLICES];
                let filled = self.engine.transmit(*conn, &mut chunks);
                if filled == 0 {
                    break;
                }
                if stream.poll_write_ready(cx).is_pending() {
                    break;
                }
                match stream.try_write_vectored(&chunks.map(IoSlice::new)[..filled]) {
                    Ok(0) => connection.broken = Some(cause(&io::ErrorKind::WriteZero.into())),
                    Ok(written) => {
                        self.engine.advance(now, *conn, written);
                        any = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => connection.broken = Some(cause(&error)),
                }
            }
            // What it brought can still be read, and its end comes after that; but not while nothing is to be read.
            if !connection.reading && !connection.closing && connection.ended.is_none() {
                connection.ended = connection.broken;
            }
            if connection.closing && (connection.broken.is_some() || self.engine.transmit(*conn, &mut [&[]]) == 0) {
                done.push(*conn);
            }
        }
        for conn in done {
            self.close(conn)?;
            any = true;
        }
        Ok(any)
    }

    /// Closes a connection so that the other side gets all that was written: octets that lie here unread would make the
    /// system tear it down instead.
    fn close(&mut self, conn: ConnId) -> Result<(), Failure> {
        let Some(connection) = self.connections.remove(&conn) else { return Ok(()) };
        if let Socket::Open(stream) = &connection.socket {
            let _ = SockRef::from(stream).shutdown(Shutdown::Write);
            for _ in 0..4 {
                if !matches!(stream.try_read(&mut self.buffer), Ok(1..)) {
                    break;
                }
            }
        }
        if let Some(cause) = connection.broken {
            // Not all was written.
            self.tell(Input::Closed { conn, cause })?;
        }
        Ok(())
    }
}

/// The engine's word for what became of a connection.
fn cause(error: &io::Error) -> IoCause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => IoCause::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => IoCause::Reset,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => IoCause::Unreachable,
        io::ErrorKind::TimedOut => IoCause::TimedOut,
        // The ports are used up, or the memory.
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse | io::ErrorKind::OutOfMemory => IoCause::Exhausted,
        // The descriptors are: ENFILE of the machine, EMFILE of the process. std has no name for that.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => IoCause::Exhausted,
        _ => IoCause::Other,
    }
}

// What follows is the application: one that sends as fast as it can, and one that is slow.

/// So many whispers of so many octets, far more than the queues below take.
const WHISPERS: usize = 1000;
const SIZE: usize = 10 << 10;

async fn alice() -> Result<(), Failure> {
    let mut config = Config::default();
    config.name = Some("alice".into());
    config.limits.send_queue = 256 << 10;
    let mut node = TokioNode::start(config)?;
    let (mut sent, mut waited) = (0, false);
    loop {
        match node.next().await? {
            event @ (Event::Enter { peer, .. } | Event::Room { peer }) => {
                if let Some(name) = event.name() {
                    println!("alice: {name} is here");
                }
                let now = node.now();
                while sent < WHISPERS {
                    match node.engine.whisper(now, peer, vec![sent as u8; SIZE]) {
                        Ok(()) => sent += 1,
                        // Go on when the event ROOM comes.
                        Err(SendError::Full { .. }) => {
                            waited = true;
                            break;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Event::Whisper { name, content, .. } => {
                println!("alice: had to wait: {waited}");
                println!("alice: {name} says {:?}", content.text());
                let now = node.now();
                node.engine.stop(now);
            }
            Event::Stop => break,
            _ => {}
        }
    }
    node.finish().await
}

async fn bob() -> Result<(), Failure> {
    let mut config = Config::default();
    config.name = Some("bob".into());
    config.limits.events = 256 << 10;
    let mut node = TokioNode::start(config)?;
    let mut got = 0;
    loop {
        match node.next().await? {
            Event::Enter { name, .. } => {
                println!("bob: {name} is here");
                // Events are left alone, until so many wait that the engine stops the reading.
                node.run_until(|node| node.engine.is_holding_back()).await?;
                println!("bob: so much waits that nothing more is read");
            }
            Event::Whisper { peer, content, .. } => {
                if content.iter().flatten().any(|octet| *octet != got as u8) {
                    return Err("out of order".into());
                }
                got += 1;
                if got == WHISPERS {
                    println!("bob: {got} whispers, in order");
                    let now = node.now();
                    node.engine.whisper(now, peer, "that was all")?;
                }
            }
            Event::Exit { name, reason, .. } => {
                println!("bob: {name} is gone: {reason}");
                let now = node.now();
                node.engine.stop(now);
            }
            Event::Stop => break,
            _ => {}
        }
    }
    node.finish().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    time::timeout(Duration::from_secs(30), async { tokio::try_join!(alice(), bob()) }).await??;
    Ok(())
}
