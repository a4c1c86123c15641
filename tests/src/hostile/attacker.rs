//! Somebody who means ill, and speaks ZMTP and ZRE octet by octet through sockets of the system, without our engine.

use crate::{
    hostile::now,
    solo::{dealer_opening, message, router_opening},
};
use socket2::{Domain, Socket, Type};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    time::{Duration, Instant},
};
use uuid::Uuid;
use zre_proto::{
    Beacon, Message,
    message::{Body, Hello},
};

/// How long what the node is to do about it may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One of many addresses of this machine.
pub fn source(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, (number / 200 % 200) as u8, (number % 200 + 1) as u8)
}

/// A connection from an address of this machine.
pub fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddrV4::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_tcp_nodelay(true)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Greeting, READY and HELLO of a peer with a mailbox at this place, and the number of its next message.
pub fn introduction(uuid: Uuid, name: &str, mailbox: SocketAddr) -> Vec<u8> {
    let (endpoint, groups, headers) = (format!("tcp://{mailbox}").into(), Vec::new(), Vec::new());
    let hello = Hello { endpoint, groups, status: 0, name: name.into(), headers };
    [dealer_opening(uuid), message(&Message { sequence: 1, body: Body::Hello(hello) }, &[])].concat()
}

/// A place where nobody listens.
pub fn nowhere(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Reads until the other end closes the connection, in whatever way; what came until then.
#[track_caller]
pub fn until_closed(stream: &mut TcpStream) -> usize {
    let deadline = now() + PATIENCE;
    let mut octets = 0;
    let mut buffer = [0; 1 << 16];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return octets,
            Ok(read) => octets += read,
            Err(error) if is_gone(&error) => return octets,
            Err(error) => panic!("the connection stays open: {error}"),
        }
        assert!(now() < deadline, "the connection stays open, and more and more comes");
    }
}

/// Whether the other end has closed the connection: its octets so far are thrown away.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket can be that");
    let mut buffer = [0; 1 << 12];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// The other end has closed the connection, and does not read what is under way.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}

/// Says the same over and over until the connection is closed, or for so long. How often all of it was said.
pub fn repeat(stream: &mut TcpStream, octets: &[u8], until: Instant) -> u64 {
    let mut times = 0;
    while now() < until && stream.write_all(octets).is_ok() {
        times += 1;
    }
    times
}

/// A peer that is met in full, played by the test: it connects to the node, and the node to its mailbox.
#[derive(Debug)]
pub struct Raw {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its connection to the node, on which HELLO was said.
    pub out: TcpStream,
    /// The node's connection to it, after the handshake. What the node says lies unread.
    pub inbound: TcpStream,
    sequence: u16,
}

impl Raw {
    /// Meets the node at this place.
    #[track_caller]
    pub fn meet(node: SocketAddr, uuid: Uuid, name: &str) -> Self {
        let mailbox = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let at = mailbox.local_addr().expect("its address");
        let mut out = connect(Ipv4Addr::LOCALHOST, node).expect("the node lets in");
        out.write_all(&introduction(uuid, name, at)).expect("the node reads");
        let (mut inbound, _) = mailbox.accept().expect("the node connects");
        inbound.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        inbound.write_all(&router_opening()).expect("the node reads");
        inbound.read_exact(&mut [0; 64]).expect("the node greets");
        Self { uuid, out, inbound, sequence: 1 }
    }

    /// The next message, as it stands on the wire.
    pub fn next(&mut self, body: Body, content: &[&[u8]]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        message(&Message { sequence: self.sequence, body }, content)
    }
}

/// A socket that beacons come from.
pub fn beacons() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_broadcast(true).expect("broadcasts");
    socket
}

/// Says a beacon on `lo`.
pub fn say_beacon(socket: &UdpSocket, uuid: Uuid, port: u16) {
    let beacon = Beacon { uuid, port, public_key: None }.encode();
    // A full buffer loses one: that is what datagrams are like.
    let _ = socket.send_to(&beacon, "127.255.255.255:5670");
}

/// A clock for those who do something at a pace.
#[derive(Debug)]
pub struct Pace {
    next: Instant,
    every: Duration,
    silence: (mpsc::Sender<()>, mpsc::Receiver<()>),
}

impl Pace {
    /// Beats now, and then every so often.
    pub fn every(every: Duration) -> Self {
        Self { next: now(), every, silence: mpsc::channel() }
    }

    /// Waits for the next beat. Those that are past already come at once.
    pub fn beat(&mut self) {
        // Nobody ever says anything.
        let _ = self.silence.1.recv_timeout(self.next.saturating_duration_since(now()));
        self.next += self.every;
    }
}
