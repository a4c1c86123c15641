//! One end of a stream within the process. It behaves as a socket that does not block.

use crate::ears::Ringer;
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::VecDeque,
    io::{self, IoSlice, Read},
    sync::Arc,
};

/// Octets that may be on their way in one direction, about what a socket and its other end hold.
const ROOM: usize = 256 << 10;
/// A writer that found no room is told when there is this much: not for each octet.
const ENOUGH: usize = ROOM / 2;

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    octets: VecDeque<u8>,
    /// The writer has said its last.
    finished: bool,
    /// Nobody will read any more.
    deserted: bool,
    /// The writer found no room.
    waits: bool,
    reader: Option<Ringer>,
    writer: Option<Ringer>,
}

impl Flow {
    fn tell_reader(&self) {
        self.reader.iter().for_each(Ringer::ring);
    }

    fn tell_writer(&self) {
        self.writer.iter().for_each(Ringer::ring);
    }
}

/// One end: what comes, and what goes.
#[derive(Debug)]
pub(crate) struct End {
    incoming: Arc<Mutex<Flow>>,
    outgoing: Arc<Mutex<Flow>>,
}

impl End {
    /// Both ends of a new stream.
    pub(crate) fn pair() -> (Self, Self) {
        let (one, other) = <(Arc<Mutex<Flow>>, Arc<Mutex<Flow>>)>::default();
        (Self { incoming: one.clone(), outgoing: other.clone() }, Self { incoming: other, outgoing: one })
    }

    /// Who is to be told when it can be read or written, or has ended. That is so for a start.
    pub(crate) fn register(&mut self, ringer: Ringer) {
        self.incoming.lock().reader = Some(ringer.clone());
        self.outgoing.lock().writer = Some(ringer.clone());
        ringer.ring();
    }

    pub(crate) fn deregister(&mut self) {
        self.incoming.lock().reader = None;
        self.outgoing.lock().writer = None;
    }

    /// As much of it as there is room for.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // Never two locks at a time.
        let unread = !self.incoming.lock().octets.is_empty();
        let mut flow = self.outgoing.lock();
        if flow.finished {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if flow.deserted {
            // What the other side said before it went is to be read first; the end comes after it.
            return Err(if unread { io::ErrorKind::WouldBlock } else { io::ErrorKind::BrokenPipe }.into());
        }
        let before = flow.octets.len();
        for slice in slices {
            let len = slice.len().min(ROOM - flow.octets.len());
            flow.octets.extend(&slice[..len]);
        }
        let written = flow.octets.len() - before;
        if written == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            flow.waits = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if before == 0 && written > 0 {
            flow.tell_reader();
        }
        Ok(written)
    }

    /// Nothing more will be written. The other end still gets what was.
    pub(crate) fn finish(&mut self) {
        finish(self.outgoing.lock());
    }
}

fn finish(mut flow: MutexGuard<'_, Flow>) {
    if !flow.finished {
        flow.finished = true;
        flow.tell_reader();
    }
}

impl Read for End {
    /// What is there, 0 at the end, `WouldBlock` where more is to come.
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut flow = self.incoming.lock();
        if flow.octets.is_empty() && !flow.finished {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // The queue goes around the end of its memory, so that it may be in two parts.
        let mut len = flow.octets.read(room)?;
        len += flow.octets.read(&mut room[len..])?;
        if flow.waits && flow.octets.len() <= ROOM - ENOUGH {
            flow.waits = false;
            flow.tell_writer();
        }
        Ok(len)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        finish(self.outgoing.lock());
        let mut flow = self.incoming.lock();
        flow.deserted = true;
        flow.octets = VecDeque::new();
        flow.tell_writer();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ears::Ears;
    use mio::{Events, Poll, Token};
    use std::{thread, time::Duration};

    fn write(end: &mut End, octets: &[u8]) -> io::Result<usize> {
        end.write_vectored(&[IoSlice::new(octets)])
    }

    fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn who_writes_too_much_waits_until_there_is_room_again() {
        let poll = Poll::new().unwrap();
        let mut ears = Ears::new(poll.registry().try_clone().unwrap(), Token(0));
        let (mut one, mut other) = End::pair();
        one.register(ears.ringer(Token(1)).unwrap());
        other.register(ears.ringer(Token(2)).unwrap());
        let mut rung = || ears.rung().into_iter().map(|token| token.0).collect::<Vec<_>>();
        assert_eq!(rung(), [1, 2]);

        let octets = vec![7; ROOM];
        assert_eq!(write(&mut one, &octets[..1]).unwrap(), 1);
        assert_eq!(rung(), [2]);
        assert_eq!(write(&mut one, &octets).unwrap(), ROOM - 1);
        assert!(rung().is_empty(), "it has been told already");
        assert_eq!(kind(write(&mut one, &octets)), io::ErrorKind::WouldBlock);
        let mut room = vec![0; ENOUGH - 1];
        assert_eq!(other.read(&mut room).unwrap(), ENOUGH - 1);
        assert!(rung().is_empty());
        assert_eq!(other.read(&mut room[..1]).unwrap(), 1);
        assert_eq!(rung(), [1]);
        assert_eq!(write(&mut one, &octets).unwrap(), ENOUGH);
        // Across the end of the queue's memory, all at once.
        let mut all = vec![0; ROOM + 1];
        assert_eq!(other.read(&mut all).unwrap(), ROOM);
        assert_eq!(kind(other.read(&mut all)), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_was_written_before_the_end_is_read_before_the_end() {
        let (mut one, mut other) = End::pair();
        assert_eq!(write(&mut one, b"last words").unwrap(), 10);
        one.finish();
        assert_eq!(kind(write(&mut one, b"x")), io::ErrorKind::BrokenPipe);
        assert_eq!(write(&mut other, b"answer").unwrap(), 6, "the other way is open");
        drop(one);
        assert_eq!(kind(write(&mut other, b"x")), io::ErrorKind::WouldBlock, "not before what there is was read");
        let mut room = [0; 16];
        assert_eq!((other.read(&mut room).unwrap(), &room[..10]), (10, &b"last words"[..]));
        assert_eq!(other.read(&mut room).unwrap(), 0);
        assert_eq!(kind(write(&mut other, b"x")), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn octets_come_in_order_between_two_threads() {
        const ALL: usize = 8 << 20;
        const SIZES: [usize; 5] = [1, 9, 70_000, 3, ROOM + 5];
        /// Waits by a poll for what a step says would block.
        fn drive(mut end: End, mut step: impl FnMut(&mut End) -> io::Result<bool>) {
            let mut poll = Poll::new().unwrap();
            let mut ears = Ears::new(poll.registry().try_clone().unwrap(), Token(0));
            end.register(ears.ringer(Token(1)).unwrap());
            let mut events = Events::with_capacity(8);
            loop {
                match step(&mut end) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        while ears.rung().is_empty() {
                            poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap();
                            assert!(!events.is_empty(), "not told in time");
                        }
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let octet = |at: usize| (at % 251) as u8;
        let (one, other) = End::pair();
        let writing = thread::spawn(move || {
            let (mut at, mut sizes) = (0, SIZES.iter().cycle());
            drive(one, |end| {
                let len = (*sizes.next().unwrap_or(&1)).min(ALL - at);
                let octets: Vec<u8> = (at..at + len).map(octet).collect();
                at += write(end, &octets)?;
                Ok(at < ALL)
            });
        });
        let (mut at, mut sizes) = (0, SIZES.iter().rev().cycle());
        drive(other, |end| {
            let mut room = vec![0; *sizes.next().unwrap_or(&1)];
            let len = end.read(&mut room)?;
            assert!(room[..len].iter().enumerate().all(|(index, found)| *found == octet(at + index)));
            at += len;
            Ok(len > 0)
        });
        assert_eq!(at, ALL);
        writing.join().unwrap();
    }
}
