//! Messages made ready for any number of send queues.

use alloc::vec::Vec;
use bytes::{BufMut, Bytes};
use smallvec::SmallVec;
use zre_proto::{limits::MESSAGE_HEADER_LEN, message::Body, zmtp::FrameHeader};

/// Where the sequence number stands in a message.
const SEQUENCE_AT: usize = MESSAGE_HEADER_LEN - 2;

/// From this length on a frame is shared between queues, not copied into them.
pub(crate) const SHARED_FROM: usize = 4096;
/// The same for a frame that goes into many queues: with copies in all of them, none would be at hand when it is written.
const SHARED_BY_MANY_FROM: usize = 512;

/// A message as it will stand on the wire, but for its sequence number. Encoded once, however many receivers it has;
/// the memory is used again for the next message.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// What is copied into each queue.
    packed: Vec<u8>,
    /// Where in `packed` the two octets of the sequence number stand, if it has any.
    sequence_at: Option<usize>,
    /// Payloads that are shared: each with the place in `packed` that it comes before.
    shared: SmallVec<[(usize, Bytes); 1]>,
    octets: usize,
}

/// A run of octets to send.
pub(crate) enum Part<'a> {
    /// To be copied.
    Packed(&'a [u8]),
    /// To be shared.
    Shared(&'a Bytes),
}

impl Encoder {
    /// Starts a message that begins with `head`; `frames` more frames follow.
    pub(crate) fn start(&mut self, head: &[u8], frames: usize) {
        self.header(head.len(), frames);
        self.sequence_at = None;
        self.packed.put_slice(head);
        self.octets = self.packed.len();
    }

    /// The same for a message that has a number for each receiver, and whose head is in octets already.
    pub(crate) fn start_numbered(&mut self, head: &[u8], frames: usize) {
        self.start(head, frames);
        self.sequence_at = Some(self.packed.len() - head.len() + SEQUENCE_AT);
    }

    /// The same for one that is not.
    pub(crate) fn start_message(&mut self, body: &Body, frames: usize) {
        self.header(body.encoded_len(), frames);
        self.sequence_at = Some(self.packed.len() + SEQUENCE_AT);
        // Every field was checked where the application gave it.
        let encoded = body.encode(0, &mut self.packed);
        debug_assert_eq!(encoded, Ok(()));
        self.octets = self.packed.len();
    }

    fn header(&mut self, size: usize, frames: usize) {
        self.packed.clear();
        self.shared.clear();
        FrameHeader::message(size, frames > 0).encode(&mut self.packed);
    }

    /// Adds the content frames, for one receiver or a few.
    pub(crate) fn content(&mut self, frames: &[Bytes]) {
        self.put_content(frames, SHARED_FROM);
    }

    /// Adds the content frames, for many receivers.
    pub(crate) fn content_for_many(&mut self, frames: &[Bytes]) {
        self.put_content(frames, SHARED_BY_MANY_FROM);
    }

    fn put_content(&mut self, frames: &[Bytes], shared_from: usize) {
        for (index, frame) in frames.iter().enumerate() {
            let header = FrameHeader::message(frame.len(), index + 1 < frames.len());
            header.encode(&mut self.packed);
            if frame.len() < shared_from {
                self.packed.put_slice(frame);
            } else {
                self.shared.push((self.packed.len(), frame.clone()));
            }
            self.octets += header.encoded_len() + frame.len();
        }
    }

    /// Lets go of payloads, so that they are not kept until the next message.
    pub(crate) fn finish(&mut self) {
        self.shared.clear();
    }

    /// How many octets the message has on the wire.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Writes the sequence number for the next receiver.
    pub(crate) fn set_sequence(&mut self, sequence: u16) {
        if let Some(at) = self.sequence_at {
            self.packed[at..at + 2].copy_from_slice(&sequence.to_be_bytes());
        }
    }

    /// The whole message, if none of it is to be shared.
    pub(crate) fn as_packed(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.packed)
    }

    /// The message in the order it stands on the wire.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut from = 0;
        let between = self.shared.iter().flat_map(move |(at, payload)| {
            let packed = &self.packed[from..*at];
            from = *at;
            [Part::Packed(packed), Part::Shared(payload)]
        });
        let last = self.shared.last().map_or(0, |(at, _)| *at);
        between.chain(core::iter::once(Part::Packed(&self.packed[last..])))
    }
}
