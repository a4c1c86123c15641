//! Where the octets of TCP connections are read to.

use bytes::{Bytes, BytesMut};
use std::{collections::VecDeque, mem};

/// What one read can bring.
pub(crate) const SIZE: usize = 512 << 10;
/// Up to this length what was read is copied, to where many such chunks share their memory: to hand over a buffer and get it
/// back is more work than that.
const SMALL: usize = 4 << 10;
/// The memory that small reads share.
const SHARED: usize = 32 << 10;
/// How many buffers that were handed over are watched for their return, and how many that are back are kept for good.
const LENT: usize = 64;
const BACK: usize = 4;

/// One buffer for all connections, and a few that come back once nobody uses their octets any more: nearly always at once,
/// for the engine copies what it keeps of a chunk, but for large payloads ([`Input::Received`](zre_engine::Input::Received)).
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    current: BytesMut,
    small: BytesMut,
    lent: VecDeque<Bytes>,
    /// Some were lent in this turn.
    busy: bool,
}

impl Buffers {
    /// Room for the next read.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.current.is_empty() {
            self.current = self
                .back()
                .and_then(|buffer| buffer.try_into_mut().ok())
                .filter(|buffer| buffer.len() == SIZE)
                .unwrap_or_else(|| BytesMut::zeroed(SIZE));
        }
        &mut self.current
    }

    /// A buffer that has come back: the last that was lent, for it is the warmest.
    fn back(&mut self) -> Option<Bytes> {
        self.lent.iter().rposition(Bytes::is_unique).and_then(|index| self.lent.remove(index))
    }

    /// Lets go of buffers that are back, but for a few, if none was needed in this turn: where much is on its way to an
    /// application on another thread, many come and go.
    pub(crate) fn end_turn(&mut self) {
        if mem::take(&mut self.busy) {
            return;
        }
        let mut kept = 0;
        self.lent.retain(|buffer| {
            kept += usize::from(buffer.is_unique());
            !buffer.is_unique() || kept <= BACK
        });
    }

    /// The first `len` octets of the room, which were read just now.
    pub(crate) fn take(&mut self, len: usize) -> Bytes {
        if len <= SMALL {
            if self.small.capacity() < len && !self.small.try_reclaim(len) {
                self.small = BytesMut::with_capacity(SHARED);
            }
            self.small.extend_from_slice(&self.current[..len]);
            return self.small.split().freeze();
        }
        self.busy = true;
        let whole = mem::take(&mut self.current).freeze();
        let taken = whole.slice(..len);
        if self.lent.len() == LENT {
            self.lent.pop_front();
        }
        self.lent.push_back(whole);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_read_is_copied_and_a_large_one_handed_over() {
        let mut buffers = Buffers::default();
        let home = buffers.room().as_ptr();
        buffers.room()[..3].copy_from_slice(b"abc");
        let small = buffers.take(3);
        assert_eq!(small, "abc");
        assert_ne!(small.as_ptr(), home);

        let large = buffers.take(SMALL + 1);
        assert_eq!(large.as_ptr(), home);
        assert_ne!(buffers.room().as_ptr(), home, "it is still in use");
    }

    #[test]
    fn of_many_that_come_back_a_few_are_kept() {
        let mut buffers = Buffers::default();
        let lent: Vec<Bytes> = (0..2 * BACK)
            .map(|_| {
                buffers.room();
                buffers.take(SIZE)
            })
            .collect();
        assert_eq!(buffers.lent.len(), 2 * BACK);
        drop(lent);
        buffers.end_turn();
        assert_eq!(buffers.lent.len(), 2 * BACK);
        buffers.end_turn();
        assert_eq!(buffers.lent.len(), BACK);
    }

    #[test]
    fn small_reads_take_no_memory_anew() {
        let mut buffers = Buffers::default();
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..10 * SHARED / 100 {
            buffers.room();
            places.insert(buffers.take(100).as_ptr());
        }
        assert_eq!(places.len(), SHARED / 100);
    }

    #[test]
    fn a_buffer_that_nobody_uses_comes_back() {
        let mut buffers = Buffers::default();
        let home = buffers.room().as_ptr();
        drop(buffers.take(SIZE));
        assert_eq!(buffers.room().as_ptr(), home);
        assert_eq!(buffers.room().len(), SIZE);
    }
}
