//! Reading TCP without being held up by acknowledgements.

use mio::net::TcpStream;
use std::io::{self, Read};

/// What is shorter is no part of a flow, in octets: messages come one by one, and who sent them may wait for an answer.
const SHORT: usize = 2048;
/// Where it is known what the system does.
const KNOWN: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Short reads leave octets in the socket, to be taken out later.
///
/// A ZRE connection carries messages one way only, so no answer goes back on it that could bring the acknowledgement along.
/// Linux sends one for every second short message at least, and does it while the octets are read that leave the socket empty:
/// what comes in is held up until that has gone through the network stack, up to the other program's end. Here octets are
/// looked at first, and the application hears of them at once. They are taken out in the driver's next turn, when the next ones
/// are there as a rule, and one acknowledgement is for many. A round trip is shorter by about an eighth for that.
///
/// Where nothing comes next, the acknowledgement is left to the system's timer, 40 ms or more later; and a list of sockets shows
/// what is left as not received by the program, until its next beacon or PING at the latest.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// So many were looked at and are in the socket still.
    left: usize,
    /// What came last was short.
    short: bool,
}

impl Late {
    /// Reads what has not been looked at.
    pub(crate) fn read(&mut self, socket: &mut TcpStream, room: &mut [u8]) -> io::Result<usize> {
        self.take_out(socket, room)?;
        if KNOWN && self.short {
            let most = room.len().min(SHORT);
            let len = socket.peek(&mut room[..most])?;
            if len < most {
                self.left = len;
                return Ok(len);
            }
        }
        let len = socket.read(room)?;
        self.short = len < SHORT;
        Ok(len)
    }

    /// Whether there is something to take out.
    pub(crate) fn has_left(&self) -> bool {
        self.left > 0
    }

    /// Takes out what was looked at. The room is for what is thrown away.
    pub(crate) fn take_out(&mut self, socket: &mut TcpStream, room: &mut [u8]) -> io::Result<()> {
        while self.left > 0 {
            let most = room.len().min(self.left);
            match socket.read(&mut room[..most])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => self.left -= len,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Interest, Poll, Token};
    use proptest::prelude::*;
    use std::{
        io::Write,
        net::{Ipv4Addr, Shutdown, TcpListener},
        time::Duration,
    };

    /// A reader, and who writes to it.
    struct Pair {
        late: Late,
        socket: TcpStream,
        poll: Poll,
        writer: std::net::TcpStream,
    }

    impl Pair {
        fn new() -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let writer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            writer.set_nodelay(true).unwrap();
            let (socket, _) = listener.accept().unwrap();
            socket.set_nonblocking(true).unwrap();
            let mut socket = TcpStream::from_std(socket);
            let poll = Poll::new().unwrap();
            poll.registry().register(&mut socket, Token(0), Interest::READABLE).unwrap();
            Self { late: Late::default(), socket, poll, writer }
        }

        /// What the next read brings that brings anything.
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let mut events = Events::with_capacity(1);
            loop {
                match self.late.read(&mut self.socket, room) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
                self.poll.poll(&mut events, Some(crate::tests::LONG)).unwrap();
                assert!(!events.is_empty(), "nothing comes");
            }
        }

        /// Reads so many octets.
        fn read_all(&mut self, len: usize) -> Vec<u8> {
            let (mut room, mut all) = (vec![0; 64 << 10], Vec::new());
            while all.len() < len {
                let len = self.read(&mut room).unwrap();
                assert!(len > 0, "the end after {} octets", all.len());
                all.extend_from_slice(&room[..len]);
            }
            all
        }

        /// What lies in the socket.
        fn unread(&self) -> usize {
            self.socket.peek(&mut [0; 4 * SHORT]).unwrap_or(0)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn all_octets_come_once_and_in_order(
            writes in proptest::collection::vec((prop_oneof![1..60usize, SHORT - 2..SHORT + 3, 1..20_000usize], any::<bool>()), 1..20)
        ) {
            let mut pair = Pair::new();
            let mut number = 0u8;
            let mut octets = Vec::new();
            let mut heard = 0;
            for (len, is_read) in writes {
                let written: Vec<u8> = (0..len).map(|_| { number = number.wrapping_mul(5).wrapping_add(1); number }).collect();
                pair.writer.write_all(&written).unwrap();
                octets.extend(written);
                // As much as any system keeps for a socket: nobody reads while more is written.
                if is_read || octets.len() - heard > 20_000 {
                    prop_assert_eq!(&pair.read_all(octets.len() - heard), &octets[heard..]);
                    heard = octets.len();
                }
            }
            pair.writer.shutdown(Shutdown::Write).unwrap();
            prop_assert_eq!(&pair.read_all(octets.len() - heard), &octets[heard..]);
            prop_assert_eq!(pair.read(&mut [0; 10]).unwrap(), 0);
        }
    }

    #[test]
    fn short_messages_are_left_until_later_and_long_ones_are_not() {
        if !KNOWN {
            return;
        }
        let mut pair = Pair::new();
        let send = |pair: &mut Pair, len: usize, left: usize| {
            pair.writer.write_all(&vec![7; len]).unwrap();
            assert_eq!(pair.read_all(len), vec![7; len]);
            assert_eq!((pair.unread(), pair.late.has_left()), (left, left > 0), "after {len} octets");
        };
        send(&mut pair, 100, 0);
        send(&mut pair, 101, 101);
        send(&mut pair, 102, 102);
        send(&mut pair, 4 * SHORT, 0);
        send(&mut pair, 103, 0);
        send(&mut pair, 104, 104);
        pair.late.take_out(&mut pair.socket, &mut [0; 10]).unwrap();
        assert_eq!((pair.unread(), pair.late.has_left()), (0, false));
        send(&mut pair, 105, 105);
    }

    #[test]
    fn what_is_left_does_not_keep_a_reset_from_being_told() {
        let mut pair = Pair::new();
        for _ in 0..2 {
            pair.writer.write_all(b"hello").unwrap();
            assert_eq!(pair.read_all(5), b"hello");
        }
        assert_eq!(pair.late.has_left(), KNOWN);
        socket2::SockRef::from(&pair.writer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(std::mem::replace(&mut pair.writer, Pair::new().writer));
        let error = pair.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
