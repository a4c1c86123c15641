//! ZRE without an operating system: the engine on smoltcp, a TCP/IP stack that is a library. Two nodes, each with a stack of
//! its own, are joined by a cable in memory; they meet by UDP broadcast and talk over TCP.
//!
//! ```text
//! $ cargo run -p zre-engine --example smoltcp
//! ```
//!
//! Both the engine and the stack are told the time and say when they want to be called next. So nothing waits here: where a
//! board would sleep until an interrupt, this clock jumps. What a board needs besides is an allocator, a device for its
//! network interface instead of [`Cable`], a clock, and a random source.

use smoltcp::{
    iface::{self, Interface, SocketHandle, SocketSet},
    phy::{self, Device, DeviceCapabilities, Medium},
    socket::{tcp, udp},
    time::Instant as StackInstant,
    wire::{HardwareAddress, IpAddress, IpCidr},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    error::Error,
    mem,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use zre_engine::{
    Action, Address, Config, ConnId, Event, Input, InputError, Instant, IoCause, LinkId, ListenerId, ListenerKind,
    Node, bytes::Bytes,
};

const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);
const BEACONS: u16 = 5670;
const MAILBOX_PORT: u16 = 49152;

const LINK: LinkId = LinkId(0);
const MAILBOX: ListenerId = ListenerId(0);

/// A listening socket of smoltcp becomes the connection that comes in. So many can come in at a time.
const BACKLOG: usize = 2;
/// What each socket may hold, one way.
const BUFFER: usize = 4096;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let [one, other] = Cable::pair();
    let mut now = Instant::ZERO;
    let mut alice = Host::start("alice", Ipv4Addr::new(10, 0, 0, 1), one, [1; 32], now)?;
    let mut bob = Host::start("bob", Ipv4Addr::new(10, 0, 0, 2), other, [2; 32], now)?;
    while !(alice.is_gone() && bob.is_gone()) {
        alice.turn(now)?;
        bob.turn(now)?;

        // The application: each takes what its node has to tell, and says something.
        while let Some(event) = alice.node.poll_event() {
            alice.node.consumed(now, event.octets());
            match event {
                Event::Enter { peer, name, endpoint, .. } => {
                    println!("alice: {name} is here, at {endpoint}");
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

        // Here a board sleeps.
        now = match [alice.deadline(now), bob.deadline(now)].into_iter().flatten().min() {
            Some(deadline) => now.max(deadline),
            None if alice.is_gone() && bob.is_gone() => now,
            None => return Err("nothing would ever happen again".into()),
        };
        if now > Instant::ZERO + Duration::from_secs(60) {
            return Err("they have not met".into());
        }
    }
    Ok(())
}

/// A node, and the stack that carries what it says.
struct Host {
    node: Node,
    address: Ipv4Addr,
    cable: Cable,
    interface: Interface,
    sockets: SocketSet<'static>,
    beacons: SocketHandle,
    listening: Vec<SocketHandle>,
    connections: BTreeMap<ConnId, Connection>,
    /// Sockets that the node is done with, and that still have to say good-bye to the other side.
    parting: Vec<SocketHandle>,
    next_port: u16,
    /// The node has said STOP.
    stopped: bool,
}

struct Connection {
    socket: SocketHandle,
    /// A peer has opened it.
    inbound: bool,
    connected: bool,
    /// The engine wants to have its octets. At first it does.
    reading: bool,
    /// The engine is done with it once all is written.
    closing: bool,
    /// Nothing more comes, and the engine has not been told.
    ended: Option<IoCause>,
}

impl Host {
    fn start(name: &str, address: Ipv4Addr, mut cable: Cable, seed: [u8; 32], now: Instant) -> Result<Self, Failure> {
        let mut config = Config::default();
        config.name = Some(name.into());
        // Of the board's random source. Two nodes with one seed have one UUID, and never meet.
        let mut node = Node::new(config, seed, now)?;
        let (kind, at) = (ListenerKind::Mailbox, Address::Tcp((address, MAILBOX_PORT).into()));
        node.handle(now, Input::Listening { listener: MAILBOX, kind, at, advertise: None })?;
        node.handle(now, Input::LinkUp { link: LINK, address: address.into(), mailbox: MAILBOX })?;
        node.start(now)?;

        let mut interface = Interface::new(iface::Config::new(HardwareAddress::Ip), &mut cable, stack_time(now));
        let mut fits = Ok(());
        interface.update_ip_addrs(|addresses| fits = addresses.push(IpCidr::new(address.into(), 24)));
        fits.map_err(|_| "the stack has no room for an address")?;

        let mut sockets = SocketSet::new(Vec::new());
        let packets = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 1024]);
        let mut beacons = udp::Socket::new(packets(), packets());
        beacons.bind(BEACONS).map_err(|error| error.to_string())?;
        let beacons = sockets.add(beacons);
        let mut host = Self {
            node,
            address,
            cable,
            interface,
            sockets,
            beacons,
            listening: Vec::new(),
            connections: BTreeMap::new(),
            parting: Vec::new(),
            next_port: 50000,
            stopped: false,
        };
        for _ in 0..BACKLOG {
            host.listen()?;
        }
        Ok(host)
    }

    /// Does all that there is to do now.
    fn turn(&mut self, now: Instant) -> Result<(), Failure> {
        let ended = self.ended();
        self.interface.poll(stack_time(now), &mut self.cable, &mut self.sockets);
        // Beacons first: that a peer leaves is told by its last beacon, and only then does it close its connections.
        self.hear(now)?;
        self.let_in(now)?;
        // Of a peer's two connections the inbound one first: what it has said on it comes before the end of the other.
        self.read_all(now, true)?;
        // What had ended before all of this was heard can be told now.
        for conn in ended {
            // Unless the node has closed it meanwhile.
            let ended = self.connections.get(&conn).and_then(|found| found.ended.map(|cause| (found.socket, cause)));
            if let Some((socket, cause)) = ended {
                self.connections.remove(&conn);
                self.part(socket);
                self.tell(now, Input::Closed { conn, cause })?;
            }
        }
        self.read_all(now, false)?;
        if self.node.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            self.tell(now, Input::Timeout)?;
        }
        self.carry_out(now)?;
        self.write_all(now)?;
        // Sockets that have said all, and heard all, make room.
        let sockets = &mut self.sockets;
        self.parting.retain(|handle| {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(*handle);
            // What still comes is of no interest, but must not keep the other side from its own good-bye.
            while socket.can_recv() && socket.recv(|octets| (octets.len(), ())).is_ok() {}
            let open = socket.is_open();
            if !open {
                sockets.remove(*handle);
            }
            open
        });
        // What was said now goes out.
        self.interface.poll(stack_time(now), &mut self.cable, &mut self.sockets);
        Ok(())
    }

    /// When it wants its next turn.
    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.cable.brings_something() || !self.ended().is_empty() {
            return Some(now);
        }
        let stack = self.interface.poll_at(stack_time(now), &self.sockets);
        let stack = stack.map(|at| Instant::from_nanos(at.total_micros().max(0) as u64 * 1000));
        // Rounded up, for the stack counts in microseconds, and a turn that comes too early does nothing.
        let node =
            self.node.poll_timeout().map(|deadline| Instant::from_nanos(deadline.at.as_nanos().next_multiple_of(1000)));
        [stack, node].into_iter().flatten().min()
    }

    /// Whether it has stopped, and all is on its way that was said last.
    fn is_gone(&self) -> bool {
        self.stopped && self.connections.is_empty() && self.parting.is_empty()
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

    fn hear(&mut self, now: Instant) -> Result<(), Failure> {
        while let Ok((data, from)) = self.sockets.get_mut::<udp::Socket<'_>>(self.beacons).recv() {
            let from = SocketAddr::new(from.endpoint.addr.into(), from.endpoint.port);
            self.node.handle(now, Input::Datagram { link: LINK, from, data })?;
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), Failure> {
        let mut socket = stream();
        socket.listen(MAILBOX_PORT).map_err(|error| error.to_string())?;
        self.listening.push(self.sockets.add(socket));
        Ok(())
    }

    fn let_in(&mut self, now: Instant) -> Result<(), Failure> {
        for handle in mem::take(&mut self.listening) {
            let socket = self.sockets.get::<tcp::Socket<'_>>(handle);
            if matches!(socket.state(), tcp::State::Listen | tcp::State::SynReceived) {
                self.listening.push(handle);
                continue;
            }
            let ends = socket.remote_endpoint().zip(socket.local_endpoint());
            // Another one listens in its place.
            self.listen()?;
            let accepted = ends.and_then(|(from, local)| {
                let [from, local] = [from, local].map(|end| Address::Tcp(SocketAddr::new(end.addr.into(), end.port)));
                self.node.accept(now, MAILBOX, from, local).ok()
            });
            match accepted {
                Some(conn) => self.keep(conn, handle, true),
                // It has gone again, or was turned away.
                None => self.part(handle),
            }
        }
        Ok(())
    }

    fn keep(&mut self, conn: ConnId, socket: SocketHandle, inbound: bool) {
        let connection = Connection { socket, inbound, connected: inbound, reading: true, closing: false, ended: None };
        self.connections.insert(conn, connection);
    }

    /// Says good-bye: what was written is still carried.
    fn part(&mut self, socket: SocketHandle) {
        self.sockets.get_mut::<tcp::Socket<'_>>(socket).close();
        self.parting.push(socket);
    }

    /// Reads all connections of one kind.
    fn read_all(&mut self, now: Instant, inbound: bool) -> Result<(), Failure> {
        let of_kind = self.connections.iter().filter(|(_, connection)| connection.inbound == inbound);
        let ids: Vec<ConnId> = of_kind.map(|(conn, _)| *conn).collect();
        ids.into_iter().try_for_each(|conn| self.read(now, conn))
    }

    fn read(&mut self, now: Instant, conn: ConnId) -> Result<(), Failure> {
        while let Some(connection) = self.connections.get_mut(&conn) {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
            // What the node does not want to have stays in the socket, and TCP makes the peer wait. Nothing is heard of the
            // connection's end meanwhile, for that comes after what lies there.
            if !connection.reading || connection.closing || connection.ended.is_some() {
                break;
            }
            if !connection.connected {
                if socket.may_send()
                    && let Some(local) = socket.local_endpoint()
                {
                    connection.connected = true;
                    let local = Address::Tcp(SocketAddr::new(local.addr.into(), local.port));
                    self.tell(now, Input::Connected { conn, local })?;
                } else {
                    // Nobody listens there; or the attempt goes on, and if that takes too long the node closes it.
                    connection.ended = (!socket.is_open()).then_some(IoCause::Refused);
                    break;
                }
            } else if socket.can_recv() {
                let data = socket.recv(|octets| (octets.len(), Bytes::copy_from_slice(octets)));
                let data = data.map_err(|error| error.to_string())?;
                self.tell(now, Input::Received { conn, data })?;
                // Perhaps the node wants no more now, or has closed the connection.
                self.carry_out(now)?;
            } else {
                if !socket.may_recv() {
                    let finished = socket.state() == tcp::State::CloseWait;
                    connection.ended = Some(if finished { IoCause::Finished } else { IoCause::Reset });
                }
                break;
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
                    let to = (IpAddress::from(BROADCAST), BEACONS);
                    // If there is no room for it now: another one is due soon.
                    let _ = self.sockets.get_mut::<udp::Socket<'_>>(self.beacons).send_slice(&data, to);
                }
                Action::Connect { conn, to: Address::Tcp(SocketAddr::V4(to)) } => {
                    let mut socket = stream();
                    let from = (IpAddress::from(self.address), self.next_port);
                    self.next_port = self.next_port.checked_add(1).unwrap_or(50000);
                    match socket.connect(self.interface.context(), to, from) {
                        Ok(()) => {
                            let socket = self.sockets.add(socket);
                            self.keep(conn, socket, false);
                        }
                        Err(_) => self.tell(now, Input::Closed { conn, cause: IoCause::Unreachable })?,
                    }
                }
                Action::Connect { conn, to } => {
                    let cause = match to {
                        // This stack has no addresses of that kind.
                        Address::Tcp(_) => IoCause::Unreachable,
                        // And here is nobody who would look up a name.
                        Address::Name { .. } => IoCause::Unresolved,
                        _ => IoCause::Other,
                    };
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

    /// Gives the stack what the node has to say, as far as it takes it.
    fn write_all(&mut self, now: Instant) -> Result<(), Failure> {
        let mut done = Vec::new();
        for (conn, connection) in &mut self.connections {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
            let mut left = true;
            while left && socket.can_send() {
                let mut chunk: [&[u8]; 1] = [&[]];
                left = self.node.transmit(*conn, &mut chunk) > 0;
                // An error says that it has ended, which the next read finds.
                let Ok(written @ 1..) = socket.send_slice(chunk[0]) else { break };
                self.node.advance(now, *conn, written);
            }
            // It has broken. What lies in it could still be read, but not while the node does not want it.
            if connection.connected && !connection.reading && !connection.closing && !socket.may_send() {
                connection.ended.get_or_insert(IoCause::Reset);
            }
            if connection.closing && (!left || !socket.may_send()) {
                done.push(*conn);
            }
        }
        for conn in done {
            let Some(connection) = self.connections.remove(&conn) else { continue };
            self.part(connection.socket);
            // If all was written, the node knows nothing of the connection any more, and this says nothing to it.
            self.tell(now, Input::Closed { conn, cause: IoCause::Reset })?;
        }
        Ok(())
    }
}

fn stream() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // The engine gathers what it has to say: nothing is won if TCP waits for more.
    socket.set_nagle_enabled(false);
    socket
}

fn stack_time(now: Instant) -> StackInstant {
    StackInstant::from_micros((now.as_nanos() / 1000) as i64)
}

/// Packets on their way to somebody.
type Lane = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a cable: the device that the stack is given. On a board this is the driver of the network interface.
struct Cable {
    from_there: Lane,
    to_there: Lane,
}

impl Cable {
    fn pair() -> [Self; 2] {
        let [one, other] = [Lane::default(), Lane::default()];
        [Self { from_there: one.clone(), to_there: other.clone() }, Self { from_there: other, to_there: one }]
    }

    fn brings_something(&self) -> bool {
        !self.from_there.borrow().is_empty()
    }
}

impl Device for Cable {
    type RxToken<'a> = Packet;
    type TxToken<'a> = Room;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }

    fn receive(&mut self, _: StackInstant) -> Option<(Packet, Room)> {
        let packet = self.from_there.borrow_mut().pop_front()?;
        Some((Packet(packet), Room(self.to_there.clone())))
    }

    fn transmit(&mut self, _: StackInstant) -> Option<Room> {
        Some(Room(self.to_there.clone()))
    }
}

/// A packet that has come.
struct Packet(Vec<u8>);

impl phy::RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a packet that is to go.
struct Room(Lane);

impl phy::TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut packet = vec![0; len];
        let result = write(&mut packet);
        self.0.borrow_mut().push_back(packet);
        result
    }
}
