//! Octets that wait to be written, packed so that a burst of small messages is one write.

use super::{
    encoder::{Encoder, Part},
    spliced::Spliced,
};
use alloc::{boxed::Box, collections::VecDeque};

/// What each message counts for beyond its octets: the bookkeeping it costs.
pub(crate) const MESSAGE_COST: usize = 64;

/// What waits to be written on one connection.
///
/// Its memory is kept for the next messages while content flows. A queue that is written to its end with nothing but
/// greetings, commands and control messages since it was last empty gives its memory back: of a thousand connections
/// most are quiet.
#[derive(Debug, Default)]
pub(crate) struct SendQueue(Option<Box<Backlog>>);

#[derive(Debug, Default)]
struct Backlog {
    waiting: Spliced,
    /// Octets not written yet.
    octets: usize,
    /// Octets written or queued since the beginning.
    position: u64,
    /// Where each message that counts and is not wholly written ends, as a position.
    ends: VecDeque<u64>,
    /// Whether there was a message that counts since the queue was last empty.
    flowing: bool,
    /// Where the queue was last empty, as a position.
    emptied: u64,
}

impl SendQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|backlog| backlog.octets == 0)
    }

    /// Messages that count and are not wholly written.
    pub(crate) fn messages(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.ends.len())
    }

    /// What the queue counts for in its limit.
    pub(crate) fn load(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.octets + MESSAGE_COST * backlog.ends.len())
    }

    /// Adds octets that are no message: greetings and commands.
    pub(crate) fn push_octets(&mut self, octets: &[u8]) {
        self.0.get_or_insert_default().push_octets(octets);
    }

    /// Adds a message; `counts` says whether somebody would miss it.
    pub(crate) fn push(&mut self, message: &Encoder, counts: bool) {
        let backlog = self.0.get_or_insert_default();
        match message.as_packed() {
            Some(octets) => backlog.push_octets(octets),
            None => backlog.push_parts(message),
        }
        if counts {
            backlog.end_message();
        }
    }

    /// Adds a message that counts, of two frames that lie apart: the first with the header of the second, and that.
    #[inline]
    pub(crate) fn push_short(&mut self, head: &[u8], content: &[u8]) {
        let backlog = self.0.get_or_insert_default();
        backlog.waiting.pack([head, content]);
        backlog.count(head.len() + content.len());
        backlog.end_message();
    }

    /// Fills `chunks` from the front of the queue; how many it filled.
    pub(crate) fn transmit<'a>(&'a self, chunks: &mut [&'a [u8]]) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.waiting.transmit(chunks))
    }

    /// Forgets `written` octets from the front; how many of them the queue did not have.
    pub(crate) fn advance(&mut self, written: usize) -> usize {
        let Some(backlog) = &mut self.0 else { return written };
        let excess = backlog.advance(written);
        if backlog.octets == 0 && !core::mem::take(&mut backlog.flowing) {
            self.0 = None;
        } else if backlog.octets == 0 {
            let octets = backlog.position - core::mem::replace(&mut backlog.emptied, backlog.position);
            backlog.waiting.rest(usize::try_from(octets).unwrap_or(usize::MAX));
        }
        excess
    }

    /// Forgets everything; how many messages were not wholly written.
    pub(crate) fn clear(&mut self) -> usize {
        self.0.take().map_or(0, |backlog| backlog.ends.len())
    }
}

impl Backlog {
    fn end_message(&mut self) {
        self.ends.push_back(self.position);
        self.flowing = true;
    }

    fn push_octets(&mut self, octets: &[u8]) {
        self.waiting.pack([octets]);
        self.count(octets.len());
    }

    fn push_parts(&mut self, message: &Encoder) {
        for part in message.parts() {
            match part {
                Part::Packed(octets) => self.push_octets(octets),
                Part::Shared(payload) => {
                    self.waiting.share(payload);
                    self.count(payload.len());
                }
            }
        }
    }

    fn advance(&mut self, written: usize) -> usize {
        let there = written.min(self.octets);
        self.octets -= there;
        self.waiting.advance(there);
        let written_until = self.position - self.octets as u64;
        while self.ends.front().is_some_and(|end| *end <= written_until) {
            self.ends.pop_front();
        }
        written - there
    }

    fn count(&mut self, octets: usize) {
        self.octets += octets;
        self.position += octets as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn message(encoder: &mut Encoder, size: usize, fill: u8) {
        encoder.start_numbered(b"head..", 1);
        encoder.content(&[Bytes::from(vec![fill; size])]);
        encoder.set_sequence(u16::from(fill));
    }

    proptest! {
        #[test]
        fn any_split_of_the_writes_gives_the_same_octets(
            sizes in proptest::collection::vec(prop_oneof![0usize..40, 4000..5000usize, 60_000..70_000usize], 1..12),
            writes in proptest::collection::vec(1usize..30_000, 1..20),
        ) {
            let mut encoder = Encoder::default();
            let (mut whole, mut queue) = (SendQueue::default(), SendQueue::default());
            let mut octets = Vec::new();
            let mut writes = writes.into_iter().cycle();
            let write = |queue: &mut SendQueue, octets: &mut Vec<u8>, most: usize| {
                let mut chunks = [&[][..]; 3];
                let filled = queue.transmit(&mut chunks);
                let gathered = chunks[..filled].concat();
                let written = most.min(gathered.len());
                octets.extend_from_slice(&gathered[..written]);
                prop_assert_eq!(queue.advance(written), 0);
                Ok(())
            };
            for (index, size) in sizes.iter().enumerate() {
                message(&mut encoder, *size, index as u8);
                whole.push(&encoder, true);
                queue.push(&encoder, true);
                write(&mut queue, &mut octets, writes.next().unwrap())?;
            }
            while !queue.is_empty() {
                write(&mut queue, &mut octets, writes.next().unwrap())?;
            }
            let mut expected = [&[][..]; 100];
            let filled = whole.transmit(&mut expected);
            prop_assert_eq!(&expected[..filled].concat(), &octets);
            prop_assert_eq!((queue.messages(), queue.load()), (0, 0));
            prop_assert_eq!(whole.messages(), sizes.len());
        }
    }

    #[test]
    fn large_payloads_are_shared_and_small_ones_packed() {
        let mut encoder = Encoder::default();
        let mut queue = SendQueue::default();
        let payload = Bytes::from(vec![7; 10_000]);
        encoder.start(b"head", 2);
        encoder.content(&[Bytes::from_static(b"small"), payload.clone()]);
        queue.push(&encoder, true);
        queue.push(&encoder, true);
        let mut chunks = [&[][..]; 8];
        assert_eq!(queue.transmit(&mut chunks), 4);
        assert_eq!(chunks[1].as_ptr(), payload.as_ptr());
        assert_eq!(chunks[3].as_ptr(), payload.as_ptr());
        assert_eq!(queue.clear(), 2);
    }

    #[test]
    fn memory_stays_while_content_flows_and_goes_when_it_is_quiet() {
        let mut encoder = Encoder::default();
        let mut queue = SendQueue::default();
        queue.push_octets(b"a greeting");
        assert_eq!(queue.advance(10), 0);
        assert!(queue.0.is_none());
        message(&mut encoder, 10, 0);
        queue.push(&encoder, true);
        assert_eq!(queue.advance(encoder.octets()), 0);
        assert!(queue.0.is_some());
        queue.push(&encoder, false);
        assert_eq!(queue.advance(encoder.octets() + 1), 1);
        assert!(queue.0.is_none());
        assert_eq!(queue.advance(2), 2);
    }
}
