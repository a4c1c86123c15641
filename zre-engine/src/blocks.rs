//! Memory for octets that wait.

use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// The first block is so long, and each further one twice as long as the one before, up to a limit: what is short takes
/// little.
const SMALLEST: usize = 512;
/// A block that is no longer is kept in any case.
const SMALL: usize = 2048;

/// Octets put together in blocks. What is in a block is never moved, and a few blocks are used again
/// once nobody has a share in them: memory that comes and goes costs more than what is done with it.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// The block that still grows.
    open: BytesMut,
    size: usize,
    largest: usize,
    spare: Vec<BytesMut>,
    most_spare: usize,
}

impl Blocks {
    /// Blocks of up to so many octets, of which so many may be kept to be used again.
    pub(crate) fn new(largest: usize, most_spare: usize) -> Self {
        Self { open: BytesMut::new(), size: 0, largest, spare: Vec::new(), most_spare }
    }

    /// Makes room for so many octets in the block that grows. If it has to be another for that, the one before is returned.
    #[must_use = "what is in it is to be kept"]
    #[inline]
    pub(crate) fn room_for(&mut self, octets: usize) -> Option<Bytes> {
        if self.has_room_for(octets) { None } else { self.next(octets) }
    }

    #[inline]
    pub(crate) fn has_room_for(&self, octets: usize) -> bool {
        self.open.capacity() - self.open.len() >= octets
    }

    #[cold]
    fn next(&mut self, octets: usize) -> Option<Bytes> {
        let full = self.close();
        if full.is_none() && self.open.try_reclaim(octets) {
            // All that was in it is done with: it is long enough.
            return None;
        }
        // Where less than half of a block waits when another is needed, it is long enough.
        let grows = full.as_ref().is_none_or(|full| full.len() >= self.size / 2);
        let size = if grows { 2 * self.size } else { self.size };
        self.size = size.max(SMALLEST).min(self.largest).max(octets);
        let kept = self.spare.pop_if(|spare| spare.capacity() >= octets);
        self.open = match kept {
            Some(spare) => spare,
            // Where nobody has a share in the old block any more, that is it.
            None if self.open.try_reclaim(self.size) => core::mem::take(&mut self.open),
            None => BytesMut::with_capacity(self.size),
        };
        full
    }

    /// Adds octets, for which there is room.
    #[inline]
    pub(crate) fn extend(&mut self, octets: &[u8]) {
        self.open.extend_from_slice(octets);
    }

    /// How much memory it keeps, about.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.open.capacity() + self.spare.iter().map(BytesMut::capacity).sum::<usize>()
    }

    /// What is in the block that grows.
    pub(crate) fn open(&self) -> &BytesMut {
        &self.open
    }

    pub(crate) fn open_mut(&mut self) -> &mut BytesMut {
        &mut self.open
    }

    /// Takes what is in the block that grows; what comes goes behind it.
    pub(crate) fn close(&mut self) -> Option<Bytes> {
        (!self.open.is_empty()).then(|| self.open.split().freeze())
    }

    /// A block is not needed any more.
    #[inline]
    pub(crate) fn give_back(&mut self, block: Bytes) {
        if self.spare.len() < self.most_spare
            && let Ok(mut block) = block.try_into_mut()
        {
            block.clear();
            // It may be something else that was as good as a block until now.
            if block.try_reclaim(self.size) && block.capacity() <= 2 * self.largest {
                self.spare.push(block);
            }
        }
    }

    /// Nothing waits any more. After little, for blocks of this size, they are given up one after the other: so a burst leaves
    /// nothing behind for good, and what flows on keeps its memory.
    pub(crate) fn rest(&mut self, octets: usize) {
        if self.size > SMALL && octets < self.size / 8 && self.spare.pop().is_none() && self.open.is_empty() {
            (self.open, self.size) = (BytesMut::new(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_and_are_used_again_once_nobody_has_a_share_in_them() {
        let mut blocks = Blocks::new(4096, 2);
        let mut full = Vec::new();
        for number in 0..200u8 {
            full.extend(blocks.room_for(100));
            blocks.extend(&[number; 100]);
        }
        full.extend(blocks.close());
        let lengths: Vec<_> = full.iter().map(Bytes::len).collect();
        assert_eq!(lengths[..4], [500, 1000, 2000, 4000]);
        let octets = full.concat();
        assert!((0..200u8).all(|number| octets[100 * usize::from(number)..][..100] == [number; 100]));

        let places: Vec<_> = full[3..5].iter().map(|block| block.as_ptr()).collect();
        full.drain(..).for_each(|block| blocks.give_back(block));
        assert_eq!(blocks.spare.len(), 2);
        let _ = blocks.room_for(100);
        blocks.extend(&[7; 100]);
        assert_eq!(blocks.room_for(4000).unwrap().len(), 100);
        assert!(places.contains(&blocks.open().as_ptr()));
        blocks.give_back(Bytes::from(std::vec![0; 1 << 20]));
        blocks.give_back(Bytes::from_static(&[0; 4096]));
        assert_eq!(blocks.spare.len(), 1);
        blocks.rest(1000);
        assert_eq!((blocks.spare.len(), blocks.size), (1, 4096));
        blocks.rest(100);
        blocks.rest(100);
        assert_eq!((blocks.spare.len(), blocks.size, blocks.open.capacity()), (0, 0, 0));
    }

    #[test]
    fn a_block_that_was_emptied_is_used_again_and_does_not_grow() {
        let mut blocks = Blocks::new(4096, 2);
        for _ in 0..100 {
            assert_eq!(blocks.room_for(100), None);
            blocks.extend(&[7; 100]);
            drop(blocks.close());
        }
        assert_eq!(blocks.size, SMALLEST);
    }
}
