//! Reading TCP without being held up by acknowledgements.

use mio::net::TcpStream;
use std::io::{self, Read};

/// What is shorter is no part of a flow, in octets: messages come one by one, and who sent them may wait for an answer.
const SHORT: usize = 2048;
/// Where it is known what the system does.
const KNOWN: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// How one connection is read, so that an acknowledgement goes after the answer and not before it.
///
/// A ZRE connection carries messages one way only, so no answer goes back on it that could bring the acknowledgement along.
/// Linux sends one for every second short message at least, and does it within the read that leaves the socket empty: what
/// comes in is held up until that has gone through the network stack, up to the other program's end. Where the last message
/// was answered, the next one may be as well: it is only looked at, the application hears of it, and once something was
/// written, the octets are taken out of the socket. That takes a seventh off a round trip.
///
/// Without an answer they are to be taken out soon all the same, and what comes after them is read in the usual way: a sender
/// has only so many segments on their way, ten at first, and the system would keep it waiting for 40 ms.
#[derive(Debug, Default)]
pub(crate) struct LateAck {
    /// So many octets were looked at and are in the socket still.
    left: usize,
    /// What came last was short.
    short: bool,
    /// It was answered.
    answered: bool,
}

impl LateAck {
    /// Reads what has not been looked at. With `may_leave` it may be left in the socket.
    pub(crate) fn read(&mut self, socket: &mut TcpStream, room: &mut [u8], may_leave: bool) -> io::Result<usize> {
        self.take_out(socket, room)?;
        if KNOWN && may_leave && self.short && self.answered {
            let most = room.len().min(SHORT);
            let len = socket.peek(&mut room[..most])?;
            if len < most {
                self.left = len;
                return Ok(len);
            }
        }
        let len = socket.read(room)?;
        self.short = len < SHORT;
        self.answered = false;
        Ok(len)
    }

    /// Whether it is of interest if what came last [is answered](Self::note_answered).
    pub(crate) fn may_be_answered(&self) -> bool {
        KNOWN && self.short
    }

    /// Since the last read something was written, or there was another turn without that. Then what is left is to be taken
    /// out.
    pub(crate) fn note_answered(&mut self, answered: bool) {
        self.answered = answered;
    }

    /// Whether there is something to [take out](Self::take_out).
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
        late: LateAck,
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
            Self { late: LateAck::default(), socket, poll, writer }
        }

        /// What the next read brings that brings anything.
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            loop {
                match self.late.read(&mut self.socket, room, true) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
                self.wait();
            }
        }

        /// Until something comes.
        fn wait(&mut self) {
            let mut events = Events::with_capacity(1);
            while events.is_empty() {
                match self.poll.poll(&mut events, Some(crate::tests::LONG)) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    polled => {
                        polled.unwrap();
                        assert!(!events.is_empty(), "nothing comes");
                    }
                }
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

        fn note_answered(&mut self, answered: bool) {
            self.late.note_answered(answered);
            self.late.take_out(&mut self.socket, &mut [0; 100]).unwrap();
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
            writes in proptest::collection::vec((prop_oneof![1..60usize, SHORT - 2..SHORT + 3, 1..20_000usize], any::<bool>(), any::<Option<bool>>()), 1..20)
        ) {
            let mut pair = Pair::new();
            let mut number = 0u8;
            let mut octets = Vec::new();
            let mut heard = 0;
            for (len, is_read, answered) in writes {
                let written: Vec<u8> = (0..len).map(|_| { number = number.wrapping_mul(5).wrapping_add(1); number }).collect();
                pair.writer.write_all(&written).unwrap();
                octets.extend(written);
                // As much as any system keeps for a socket: nobody reads while more is written.
                if is_read || octets.len() - heard > 20_000 {
                    prop_assert_eq!(&pair.read_all(octets.len() - heard), &octets[heard..]);
                    heard = octets.len();
                }
                // In a driver it is always told in the end; that nothing depends on it is all the better.
                if let Some(answered) = answered {
                    pair.note_answered(answered);
                }
            }
            pair.writer.shutdown(Shutdown::Write).unwrap();
            prop_assert_eq!(&pair.read_all(octets.len() - heard), &octets[heard..]);
            prop_assert_eq!(pair.read(&mut [0; 10]).unwrap(), 0);
        }
    }

    #[test]
    fn what_follows_an_answer_is_left_until_it_is_answered_too() {
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
        send(&mut pair, 101, 0);
        for len in 102..110 {
            pair.note_answered(true);
            assert_eq!((pair.unread(), pair.late.has_left()), (0, false));
            send(&mut pair, len, len);
        }
        pair.note_answered(false);
        assert_eq!((pair.unread(), pair.late.has_left()), (0, false));
        send(&mut pair, 110, 0);
        // Not where another connection has something left.
        pair.note_answered(true);
        pair.writer.write_all(b"hello").unwrap();
        pair.wait();
        assert_eq!(pair.late.read(&mut pair.socket, &mut [0; 100], false).unwrap(), 5);
        assert_eq!((pair.unread(), pair.late.has_left()), (0, false));
        // What is long is no message that somebody waits with.
        pair.note_answered(true);
        send(&mut pair, 4 * SHORT, 0);
        assert!(!pair.late.may_be_answered());
        send(&mut pair, 111, 0);
        assert!(pair.late.may_be_answered());
    }

    #[test]
    fn what_is_left_does_not_keep_a_reset_from_being_told() {
        let mut pair = Pair::new();
        for _ in 0..2 {
            pair.note_answered(true);
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
