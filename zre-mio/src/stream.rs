//! Streams of octets, whatever carries them.

use crate::{ears::Ears, inproc};
use mio::{
    Interest, Token,
    net::{TcpStream, UnixStream},
};
use std::{
    io::{self, IoSlice, Read, Write},
    net::{IpAddr, Shutdown},
};

/// A connection's two ways, neither of which blocks.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Ipc(UnixStream),
    Inproc(inproc::End),
}

/// The machine at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    At(IpAddr),
    /// This one, reached without an address.
    This,
}

impl Stream {
    pub(crate) fn register(&mut self, ears: &mut Ears, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(socket) => ears.registry.register(socket, token, both),
            Self::Ipc(socket) => ears.registry.register(socket, token, both),
            Self::Inproc(end) => {
                end.register(ears.ringer(token)?);
                Ok(())
            }
        }
    }

    pub(crate) fn deregister(&mut self, ears: &Ears) {
        // It fails only where it was not registered.
        let _ = match self {
            Self::Tcp(socket) => ears.registry.deregister(socket),
            Self::Ipc(socket) => ears.registry.deregister(socket),
            Self::Inproc(end) => {
                end.deregister();
                Ok(())
            }
        };
    }

    /// As much as the stream takes.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(octets),
            Self::Ipc(socket) => socket.write(octets),
            Self::Inproc(end) => end.write_vectored(&[IoSlice::new(octets)]),
        }
    }

    /// As much as the stream takes of these slices, the first of them first.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write_vectored(slices),
            Self::Ipc(socket) => socket.write_vectored(slices),
            Self::Inproc(end) => end.write_vectored(slices),
        }
    }

    /// Nothing more will be written, and the other side is to know.
    pub(crate) fn finish(&mut self) {
        // It fails only where the connection is broken.
        let _ = match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Self::Ipc(socket) => socket.shutdown(Shutdown::Write),
            Self::Inproc(end) => {
                end.finish();
                Ok(())
            }
        };
    }

    /// Whether a read that does not fill its room tells that nothing is left, and whatever comes is told anew, but for an
    /// end that was told already.
    pub(crate) fn is_empty_after_a_short_read(&self) -> bool {
        // So it is with epoll.
        !matches!(self, Self::Inproc(_)) && cfg!(any(target_os = "linux", target_os = "android"))
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(room),
            Self::Ipc(socket) => socket.read(room),
            Self::Inproc(end) => end.read(room),
        }
    }
}
