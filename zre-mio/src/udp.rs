//! The beacon's sockets, one pair for each link.

use crate::{
    error::StartError,
    interface::Interface,
    log::{debug, trace, warn},
    nap::Nap,
};
use mio::{Interest, Registry, Token, net::UdpSocket};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use zre_engine::{Instant, LinkId};

/// More than any beacon has. A longer datagram is cut, and stays one that is no beacon.
pub(crate) const DATAGRAM: usize = 256;

/// What may wait to be heard, with all that the system counts for it: several times 128 beacons.
const RECEIVED: usize = 512 << 10;

/// One interface's beacons.
///
/// Two sockets, for two reasons. The one that listens is bound (on Linux) to the broadcast address, so that it hears
/// nothing of other interfaces; the one that sends is bound to the interface's own address and device, so that this is
/// what receivers see as the source, for that is where they connect to.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    name: String,
    listening: UdpSocket,
    sending: std::net::UdpSocket,
    to: SocketAddr,
    /// Something may be there to read.
    pub(crate) readable: bool,
    nap: Nap,
    /// Sending failed, and that was logged.
    troubled: bool,
}

impl Link {
    pub(crate) fn open(id: LinkId, interface: &Interface, port: u16, interval: Duration) -> Result<Self, StartError> {
        let broadcast = interface.broadcast.unwrap_or(Ipv4Addr::BROADCAST);
        let to = SocketAddr::from((broadcast, port));
        let heard =
            if cfg!(any(target_os = "linux", target_os = "android")) { broadcast } else { Ipv4Addr::UNSPECIFIED };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortHeld { port, interface: interface.name.clone(), source },
            _ => StartError::Beacon { port, interface: interface.name.clone(), source },
        };
        let listening = listen((heard, port).into()).map_err(failed)?;
        let sending = sender(interface).map_err(failed)?;
        debug!("{id:?}: hears {heard}:{port}, sends from {} to {to}", interface.address);
        Ok(Self {
            id,
            name: interface.name.clone(),
            listening,
            sending,
            to,
            readable: true,
            nap: Nap::new(interval),
            troubled: false,
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listening, token, Interest::READABLE)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) {
        let _ = registry.deregister(&mut self.listening);
    }

    /// Whether it is time to hear what is there.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.readable || self.nap_until().is_some_and(|until| until <= now)
    }

    /// The end of its nap, if it naps: until then the poll tells nothing of it.
    pub(crate) fn nap_until(&self) -> Option<Instant> {
        self.nap.until()
    }

    /// So many datagrams were heard, which brought news or not: whether the link naps from now on.
    pub(crate) fn note_heard(&mut self, now: Instant, datagrams: usize, news: bool, ears: &Registry, token: Token) {
        let napped = self.nap_until().is_some();
        self.nap.heard(now, datagrams, news);
        let naps = self.nap_until().is_some();
        if naps == napped {
            return;
        }
        trace!("{:?}: beacons are heard {}", self.id, if naps { "now and then" } else { "as they come" });
        if naps {
            self.deregister(ears);
        } else if let Err(error) = self.register(ears, token) {
            debug!("interface {}: beacons are not heard as they come: {error}", self.name);
            self.nap.go_on(now);
        }
    }

    /// Sends a beacon. Where that fails it is logged once; the next beacon is due soon in any case.
    pub(crate) fn send(&mut self, data: &[u8]) {
        match self.sending.send_to(data, self.to) {
            Ok(_) => {
                trace!("{:?}: beacon of {} octets to {}", self.id, data.len(), self.to);
                if std::mem::take(&mut self.troubled) {
                    warn!("interface {}: beacons go out again", self.name);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => debug!("{}: a beacon found no room", self.name),
            Err(error) => {
                if !std::mem::replace(&mut self.troubled, true) {
                    warn!("interface {}: beacons do not go out: {error}", self.name);
                }
            }
        }
    }

    /// The next datagram, if one is there.
    pub(crate) fn receive(&mut self, buffer: &mut [u8; DATAGRAM]) -> Option<(usize, SocketAddr)> {
        // An interface that goes down leaves an error in the socket, once.
        for _ in 0..3 {
            match self.listening.recv_from(buffer) {
                Ok(found) => return Some(found),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => debug!("interface {}: {error}", self.name),
            }
        }
        self.readable = false;
        None
    }
}

fn listen(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // All nodes of a machine share the port, those of other makers too.
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    // What comes during a nap is to have room: as much as the system gives, where that is less.
    if socket.recv_buffer_size().is_ok_and(|has| has < RECEIVED) {
        let _ = socket.set_recv_buffer_size(RECEIVED);
    }
    socket.bind(&at.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn sender(interface: &Interface) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    // Where two interfaces are in one network, routing alone would always take the first.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = socket.bind_device(Some(interface.name.split(':').next().unwrap_or_default().as_bytes())) {
        debug!("interface {}: beacons go where routing sends them: {error}", interface.name);
    }
    socket.bind(&SocketAddr::from((interface.address, 0)).into())?;
    Ok(socket.into())
}
