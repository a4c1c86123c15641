//! Octets in a row: short ones packed into blocks, with long ones that are shared in between.

use crate::blocks::Blocks;
use alloc::collections::VecDeque;
use bytes::{Buf, Bytes};

/// Packed octets are in blocks of this length, which come back as they are written; and how many are kept: what a driver that
/// gathers well has waiting.
const BLOCK: usize = 64 << 10;
const SPARE_BLOCKS: usize = 4;

/// Something shared does not end the block of what is packed before it: what is packed goes on behind it in the same block. So the
/// short heads of many shared payloads lie side by side, and none of them needs a count of who uses it.
#[derive(Debug)]
pub(super) struct Spliced {
    /// Blocks that are full, and the one that grows behind them.
    full: VecDeque<Bytes>,
    tail: Blocks,
    /// How many packed octets there were until now, and how many of them are gone.
    packed: u64,
    gone: u64,
    /// Each stands before the octet that is packed as this one, counted from the first ever.
    shared: VecDeque<(u64, Bytes)>,
}

impl Default for Spliced {
    fn default() -> Self {
        let tail = Blocks::new(BLOCK, SPARE_BLOCKS);
        Self { full: VecDeque::new(), tail, packed: 0, gone: 0, shared: VecDeque::new() }
    }
}

impl Spliced {
    /// Adds a copy of them, of which the pieces stay together.
    #[inline]
    pub(super) fn pack<const N: usize>(&mut self, pieces: [&[u8]; N]) {
        let octets = pieces.iter().map(|piece| piece.len()).sum();
        if let Some(full) = self.tail.room_for(octets) {
            self.full.push_back(full);
        }
        for piece in pieces {
            self.tail.extend(piece);
        }
        self.packed += octets as u64;
    }

    /// Adds a share of them; they are not empty.
    pub(super) fn share(&mut self, payload: &Bytes) {
        self.shared.push_back((self.packed, payload.clone()));
    }

    /// Fills `chunks` from the front; how many it filled.
    pub(super) fn transmit<'a>(&'a self, chunks: &mut [&'a [u8]]) -> usize {
        let mut chunks = Filling { chunks, filled: 0 };
        if self.full.is_empty() && self.shared.is_empty() {
            // As a rule, where messages come one by one.
            chunks.put(self.tail.open());
            return chunks.filled;
        }
        let mut at = self.gone;
        let mut shared = self.shared.iter().peekable();
        for mut block in self.full.iter().map(|full| &full[..]).chain([&self.tail.open()[..]]) {
            let end = at + block.len() as u64;
            while let Some((before, payload)) = shared.next_if(|(before, _)| *before <= end) {
                // Less than a block.
                let (packed, rest) = block.split_at((before - at) as usize);
                if !chunks.put(packed) || !chunks.put(payload) {
                    return chunks.filled;
                }
                (at, block) = (*before, rest);
            }
            if !chunks.put(block) {
                return chunks.filled;
            }
            at = end;
        }
        chunks.filled
    }

    /// Forgets so many from the front, which are there.
    #[inline]
    pub(super) fn advance(&mut self, octets: usize) {
        if self.shared.is_empty() { self.unpack(octets) } else { self.advance_both(octets) }
    }

    fn advance_both(&mut self, octets: usize) {
        let mut left = octets;
        while left > 0 {
            let packed = match self.shared.front_mut() {
                Some((before, payload)) if *before == self.gone => {
                    if left < payload.len() {
                        payload.advance(left);
                        return;
                    }
                    left -= payload.len();
                    self.shared.pop_front();
                    continue;
                }
                Some((before, _)) => *before - self.gone,
                None => self.packed - self.gone,
            };
            let packed = left.min(usize::try_from(packed).unwrap_or(usize::MAX));
            if packed == 0 {
                debug_assert!(false, "{left} of {octets} octets are not there");
                return;
            }
            left -= packed;
            self.unpack(packed);
        }
    }

    /// Forgets so many packed octets from the front.
    fn unpack(&mut self, octets: usize) {
        self.gone += octets as u64;
        let mut left = octets;
        while let Some(front) = self.full.front_mut() {
            if left < front.len() {
                front.advance(left);
                return;
            }
            left -= front.len();
            if let Some(written) = self.full.pop_front() {
                self.tail.give_back(written);
            }
        }
        self.tail.open_mut().advance(left);
    }

    /// Nothing is left, and since that was so before there were so many octets.
    pub(super) fn rest(&mut self, octets: usize) {
        self.tail.rest(octets);
    }
}

/// Chunks that are filled one after the other.
struct Filling<'a, 'c> {
    chunks: &'c mut [&'a [u8]],
    filled: usize,
}

impl<'a> Filling<'a, '_> {
    /// Puts octets into the next one, if there are any. Whether there was one.
    fn put(&mut self, octets: &'a [u8]) -> bool {
        if octets.is_empty() {
            return true;
        }
        let Some(chunk) = self.chunks.get_mut(self.filled) else { return false };
        *chunk = octets;
        self.filled += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    #[derive(Debug, Clone)]
    enum Step {
        Pack(Vec<u8>),
        Share(Vec<u8>),
        Write(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let octets = |len| proptest::collection::vec(any::<u8>(), len);
        prop_oneof![
            4 => octets(0..30).prop_map(Step::Pack),
            1 => octets(30_000..80_000).prop_map(Step::Pack),
            3 => octets(1..3000).prop_map(Step::Share),
            2 => (0usize..5000).prop_map(Step::Write),
            1 => (0usize..200_000).prop_map(Step::Write),
        ]
    }

    proptest! {
        #[test]
        fn octets_come_in_the_order_in_which_they_were_added(steps in proptest::collection::vec(step(), 0..60)) {
            let mut spliced = Spliced::default();
            let mut model = Vec::new();
            for step in steps {
                match step {
                    Step::Pack(octets) => {
                        spliced.pack([&octets, &octets[..octets.len() / 2]]);
                        model.extend_from_slice(&octets);
                        model.extend_from_slice(&octets[..octets.len() / 2]);
                    }
                    Step::Share(octets) => {
                        model.extend_from_slice(&octets);
                        spliced.share(&octets.into());
                    }
                    Step::Write(octets) => {
                        let octets = octets.min(model.len());
                        model.drain(..octets);
                        spliced.advance(octets);
                    }
                }
                let mut chunks = [&[][..]; 200];
                let filled = spliced.transmit(&mut chunks);
                prop_assert_eq!(&chunks[..filled].concat(), &model);
                prop_assert!(chunks[..filled].iter().all(|chunk| !chunk.is_empty()));
                let mut few = [&[][..]; 3];
                prop_assert_eq!(spliced.transmit(&mut few), filled.min(3));
                prop_assert_eq!(&few, &chunks[..3]);
            }
        }
    }

    #[test]
    fn heads_of_shared_payloads_lie_side_by_side() {
        let mut spliced = Spliced::default();
        let payload = Bytes::from(vec![7; 10_000]);
        for _ in 0..10 {
            spliced.pack([b"head"]);
            spliced.share(&payload);
        }
        let mut chunks = [&[][..]; 20];
        assert_eq!(spliced.transmit(&mut chunks), 20);
        assert!(chunks.chunks(2).all(|pair| pair[0] == b"head" && pair[1].as_ptr() == payload.as_ptr()));
        assert!(chunks[0].as_ptr_range().end == chunks[2].as_ptr());
    }
}
