//! `tcp://`: listening, and connecting.

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};
use zre_engine::IoCause;

/// A hundred nodes that start together overflow the usual 128 (protocol.md, section 2).
const BACKLOG: i32 = 4096;

/// Listens there.
pub(crate) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    // A node that is started again at once finds its old connections in TIME_WAIT; on Unix this overlooks them, and
    // does not let two programs listen at once. With any free port it would invite a race between two of us, until the
    // socket listens; but whoever takes the place later, by its number, is to overlook what is left of these connections.
    let reuse = |socket: &Socket| if cfg!(unix) { socket.set_reuse_address(true) } else { Ok(()) };
    if at.port() != 0 {
        reuse(&socket)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    if at.port() == 0 {
        reuse(&socket)?;
    }
    Ok(TcpListener::from_std(socket.into()))
}

/// Begins to connect, from this address of ours where the system would take another one: peers know a node by the address
/// that its beacons come from. Whether that was so is returned.
pub(crate) fn connect(to: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<(TcpStream, bool)> {
    // To an address of this machine the system connects from that very address.
    let other = |from: &Ipv4Addr| to.ip() != *from && source_towards(to).is_some_and(|source| source != *from);
    let from = from.filter(|from| to.is_ipv4() && to.ip().is_loopback() == from.is_loopback()).filter(other);
    match from.and_then(|from| connect_from(from, to).ok()) {
        Some(socket) => Ok((socket, true)),
        // The system then chooses the port together with the way, so that many connections can share one.
        None => TcpStream::connect(to).map(|socket| (socket, false)),
    }
}

/// The address that the system would connect from. Nothing is sent.
fn source_towards(to: SocketAddr) -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(to).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    match socket.connect(&to.into()) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock && error.raw_os_error() != Some(libc::EINPROGRESS) => {
            Err(error)
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Whether the machine has run out of descriptors or memory: it will not help to try again at once.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// The engine's word for what became of a connection.
pub(crate) fn cause(error: &io::Error) -> IoCause {
    use io::ErrorKind as Kind;
    match error.kind() {
        _ if is_exhausted(error) => IoCause::Exhausted,
        Kind::ConnectionRefused => IoCause::Refused,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::NotConnected => IoCause::Reset,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => IoCause::Unreachable,
        Kind::TimedOut => IoCause::TimedOut,
        // Only where no port is left to connect from.
        Kind::AddrNotAvailable | Kind::AddrInUse => IoCause::Exhausted,
        _ => IoCause::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_place_is_free_again_at_once_whatever_is_left_of_its_connections() {
        let first = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let at = first.local_addr().unwrap();
        let caller = std::net::TcpStream::connect(at).unwrap();
        let accepted = loop {
            match first.accept() {
                Ok((accepted, _)) => break accepted,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        };
        assert_eq!(listen(at).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // Who closes first keeps the trace of it.
        drop((accepted, first));
        listen(at).unwrap();
        drop(caller);
        listen(at).unwrap();
    }

    #[test]
    fn what_the_system_says_has_its_word() {
        let told = |number| cause(&io::Error::from_raw_os_error(number));
        assert_eq!(told(libc::ECONNREFUSED), IoCause::Refused);
        assert_eq!(told(libc::EPIPE), IoCause::Reset);
        assert_eq!(told(libc::EMFILE), IoCause::Exhausted);
        assert_eq!(told(libc::EHOSTUNREACH), IoCause::Unreachable);
        assert_eq!(told(libc::EACCES), IoCause::Other);
    }
}
