//! Frames: flags, a size, a body (RFC 23, "Framing").
//!
//! Flags: bit 0 MORE (another frame of the message follows), bit 1 LONG (eight octets of size instead of one), bit 2
//! COMMAND; the others are zero. A long size for a short body is legal.

use crate::{
    error::{DecodeError, Fault},
    limits::FRAME_HEADER_MAX,
};
use alloc::boxed::Box;
use bytes::{Buf, BufMut, Bytes, BytesMut};

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// A frame's flags and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Another frame of the same message follows.
    pub more: bool,
    /// The body is a command, not part of a message.
    pub command: bool,
    /// The body's length in octets.
    pub size: u64,
}

impl FrameHeader {
    /// The header of a message's frame.
    pub const fn message(size: usize, more: bool) -> Self {
        Self { more, command: false, size: size as u64 }
    }

    /// The header of a command.
    pub const fn command(size: usize) -> Self {
        Self { more: false, command: true, size: size as u64 }
    }

    /// How many octets [`FrameHeader::encode`] writes: 2 or 9.
    pub const fn encoded_len(&self) -> usize {
        if self.size > 255 { FRAME_HEADER_MAX } else { 2 }
    }

    /// Appends the shortest form of the header.
    #[inline]
    pub fn encode(&self, out: &mut impl BufMut) {
        let flags = if self.more { MORE } else { 0 } | if self.command { COMMAND } else { 0 };
        match u8::try_from(self.size) {
            Ok(size) => out.put_slice(&[flags, size]),
            Err(_) => {
                out.put_u8(flags | LONG);
                out.put_u64(self.size);
            }
        }
    }

    /// Reads a header from the front of `octets`, with the number of octets it took; `None` while some are missing.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for flag bits that are reserved or contradict each other.
    #[inline]
    pub fn decode(octets: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(&flags) = octets.first() else { return Ok(None) };
        if flags & !(MORE | LONG | COMMAND) != 0 || flags & (MORE | COMMAND) == MORE | COMMAND {
            return Err(DecodeError::new("frame flags", 0, Fault::Flags { found: flags }));
        }
        let (size, length) = if flags & LONG == 0 {
            match octets.get(1) {
                Some(size) => (u64::from(*size), 2),
                None => return Ok(None),
            }
        } else {
            match octets.get(1..).and_then(<[u8]>::first_chunk) {
                Some(size) => (u64::from_be_bytes(*size), FRAME_HEADER_MAX),
                None => return Ok(None),
            }
        };
        Ok(Some((Self { more: flags & MORE != 0, command: flags & COMMAND != 0, size }, length)))
    }
}

/// A whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Another frame of the same message follows.
    pub more: bool,
    /// The body is a command, not part of a message.
    pub command: bool,
    /// The body: a slice of a chunk that was pushed, or its own memory where the frame spanned chunks.
    pub body: Bytes,
}

/// Cuts a stream of octets, in chunks of any size, into frames.
///
/// A body that lies within one chunk is a slice of it. One that spans chunks is copied once, into memory that grows
/// with what has arrived, never with the size that the sender declared.
#[derive(Debug)]
pub struct FrameDecoder {
    chunk: Bytes,
    /// What was pushed while `chunk` was not used up. Boxed, for there is hardly ever any.
    tail: Option<Box<BytesMut>>,
    /// The length of the chunk before anything was taken from it.
    chunk_len: usize,
    limit: usize,
    /// The frame in progress. Boxed, so that the many connections that are between frames stay small.
    partial: Option<Box<Partial>>,
    /// Octets taken since the beginning, for errors.
    position: usize,
}

/// A frame that spans chunks.
#[derive(Debug)]
enum Partial {
    /// So many octets of its header.
    Header([u8; FRAME_HEADER_MAX], usize),
    /// Its header, and what there is of its body.
    Body(FrameHeader, BytesMut),
}

impl FrameDecoder {
    /// A decoder that refuses frames of more than `limit` octets.
    pub const fn new(limit: usize) -> Self {
        Self { chunk: Bytes::new(), tail: None, chunk_len: 0, limit, partial: None, position: 0 }
    }

    /// Sets the limit for frames whose header has not been read yet.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Adds octets. Call [`FrameDecoder::next_frame`] until it has no more before the next chunk, else what comes meanwhile
    /// is copied once.
    pub fn push(&mut self, chunk: Bytes) {
        if let Some(tail) = &mut self.tail {
            tail.put_slice(&chunk);
        } else if self.chunk.is_empty() {
            self.chunk_len = chunk.len();
            self.chunk = chunk;
        } else {
            self.tail = Some(Box::new(BytesMut::from(chunk)));
        }
    }

    /// Goes on with what was pushed meanwhile, once the chunk is used up.
    fn next_chunk(&mut self) -> bool {
        match self.tail.take_if(|_| self.chunk.is_empty()) {
            Some(tail) => {
                self.chunk = tail.freeze();
                self.chunk_len = self.chunk.len();
                true
            }
            None => false,
        }
    }

    /// The length of the chunk that frames are being cut from: what a slice of it keeps in memory.
    pub fn chunk_len(&self) -> usize {
        self.chunk_len
    }

    /// Whether nothing is held: all that came was whole frames, and they were taken.
    pub fn is_empty(&self) -> bool {
        self.partial.is_none() && self.chunk.is_empty() && self.tail.is_none()
    }

    /// How many octets are held that are no whole frame yet, or were not looked at.
    pub fn held(&self) -> usize {
        let partial = match self.partial.as_deref() {
            Some(Partial::Body(_, body)) => body.len(),
            Some(Partial::Header(_, filled)) => *filled,
            None => 0,
        };
        partial + self.chunk.len() + self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    /// How many octets the frame in progress still wants, as far as that is known; 0 between frames.
    pub fn wanted(&self) -> usize {
        match self.partial.as_deref() {
            Some(Partial::Body(header, body)) => clamp(header.size).saturating_sub(body.len()),
            Some(Partial::Header(octets, filled)) if octets[0] & LONG != 0 => FRAME_HEADER_MAX - filled,
            Some(Partial::Header(_, filled)) => 2 - filled,
            None => 0,
        }
    }

    /// Whether the frame in progress, of which some octets have come, is part of a message rather than a command.
    pub fn is_in_message(&self) -> bool {
        match self.partial.as_deref() {
            Some(Partial::Body(header, _)) => !header.command,
            Some(Partial::Header(octets, _)) => octets[0] & COMMAND == 0,
            None => false,
        }
    }

    /// The next whole frame; `None` when more octets are needed.
    ///
    /// After an error the stream cannot be read further.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for bad flags and for a frame beyond the limit.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        match self.short_frame() {
            None => self.any_frame(),
            frame => Ok(frame),
        }
    }

    /// The next frame, if it is a short one, as most are, and lies within the chunk; any other case, and every fault, is left
    /// to [`FrameDecoder::any_frame`].
    #[inline]
    fn short_frame(&mut self) -> Option<Frame> {
        if self.partial.is_some() {
            return None;
        }
        let (&[flags, size], rest) = self.chunk.split_first_chunk()?;
        let size = usize::from(size);
        if !matches!(flags, 0 | MORE | COMMAND) || size > self.limit || size > rest.len() {
            return None;
        }
        self.position += 2;
        self.chunk.advance(2);
        Some(Frame { more: flags == MORE, command: flags == COMMAND, body: self.take(size) })
    }

    /// Looks at the next two frames, if they are a whole message of two frames, the first of them short, and lie within the
    /// chunk: where they lie, and how many octets they take there. Take them by [`FrameDecoder::skip`], or by
    /// [`FrameDecoder::next_frame`].
    ///
    /// This is what most messages are, and costs no share in the chunk's memory. Limits are for the caller to look after.
    #[inline]
    pub fn peek_pair(&self) -> Option<(&[u8], &[u8], usize)> {
        if self.partial.is_some() {
            return None;
        }
        let (&[flags, size], rest) = self.chunk.split_first_chunk()?;
        let (first, rest) = rest.split_at_checked(usize::from(size))?;
        let (size, rest) = match rest {
            [0, size, rest @ ..] => (usize::from(*size), rest),
            [LONG, rest @ ..] => {
                let (size, rest) = rest.split_first_chunk()?;
                (clamp(u64::from_be_bytes(*size)), rest)
            }
            _ => return None,
        };
        let (second, rest) = rest.split_at_checked(size)?;
        (flags == MORE).then_some((first, second, self.chunk.len() - rest.len()))
    }

    /// Drops so many octets of the chunk, which were looked at.
    #[inline]
    pub fn skip(&mut self, octets: usize) {
        let octets = octets.min(self.chunk.len());
        self.position += octets;
        self.chunk.advance(octets);
        self.let_go();
    }

    /// Copies what was not looked at yet, so that it keeps nothing but itself in memory: for a connection that is not read on
    /// for a while.
    pub fn copy_out(&mut self) {
        self.chunk = Bytes::copy_from_slice(&self.chunk);
        self.chunk_len = self.chunk.len();
    }

    /// Of a chunk that is used up nothing is kept, or its memory could not be used again.
    #[inline]
    fn let_go(&mut self) {
        if self.chunk.is_empty() {
            self.chunk = Bytes::new();
        }
    }

    fn any_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        loop {
            let frame = self.next_in_chunk()?;
            self.let_go();
            if frame.is_some() || !self.next_chunk() {
                return Ok(frame);
            }
        }
    }

    fn next_in_chunk(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(Partial::Body(header, body)) = self.partial.as_deref_mut() {
            let missing = clamp(header.size) - body.len();
            let arrived = self.chunk.split_to(missing.min(self.chunk.len()));
            self.position += arrived.len();
            if body.capacity() - body.len() < arrived.len() {
                body.reserve(missing.min(body.len().max(arrived.len())));
            }
            body.put_slice(&arrived);
            if arrived.len() < missing {
                return Ok(None);
            }
            let body = core::mem::take(body).freeze();
            let frame = Frame { more: header.more, command: header.command, body };
            self.partial = None;
            return Ok(Some(frame));
        }
        let Some(header) = self.next_header()? else { return Ok(None) };
        let size = clamp(header.size);
        if self.chunk.len() >= size {
            return Ok(Some(Frame { more: header.more, command: header.command, body: self.take(size) }));
        }
        let mut body = BytesMut::with_capacity(size.min(2 * self.chunk.len()));
        body.put_slice(&self.take(self.chunk.len()));
        self.partial = Some(Box::new(Partial::Body(header, body)));
        Ok(None)
    }

    #[inline]
    fn take(&mut self, count: usize) -> Bytes {
        self.position += count;
        self.chunk.split_to(count)
    }

    fn next_header(&mut self) -> Result<Option<FrameHeader>, DecodeError> {
        let place = |error: DecodeError| DecodeError { offset: self.position + error.offset, ..error };
        // The usual case reads the header where it lies; only one that spans chunks is collected.
        let Some(Partial::Header(octets, filled)) = self.partial.as_deref_mut() else {
            if let Some((header, length)) = FrameHeader::decode(&self.chunk).map_err(place)? {
                self.chunk.advance(length);
                return self.accept(header, length);
            }
            if !self.chunk.is_empty() {
                let mut octets = [0; FRAME_HEADER_MAX];
                octets[..self.chunk.len()].copy_from_slice(&self.chunk);
                self.partial = Some(Box::new(Partial::Header(octets, self.chunk.len())));
                self.chunk.clear();
            }
            return Ok(None);
        };
        while self.chunk.has_remaining() {
            octets[*filled] = self.chunk.get_u8();
            *filled += 1;
            if let Some((header, length)) = FrameHeader::decode(&octets[..*filled]).map_err(place)? {
                self.partial = None;
                return self.accept(header, length);
            }
        }
        Ok(None)
    }

    fn accept(&mut self, header: FrameHeader, length: usize) -> Result<Option<FrameHeader>, DecodeError> {
        if header.size > self.limit as u64 {
            let fault = Fault::TooLarge { declared: header.size, limit: self.limit as u64 };
            return Err(DecodeError::new("frame size", self.position + 1, fault));
        }
        self.position += length;
        Ok(Some(header))
    }
}

/// A size as memory counts; the limit was checked, so nothing is lost where a `usize` is small.
fn clamp(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::vec::Vec;

    fn frame() -> impl Strategy<Value = Frame> {
        let body = prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 250..260), vec(any::<u8>(), 1000..3000)];
        (0..3u8, body).prop_map(|(kind, body)| Frame { more: kind == 1, command: kind == 2, body: Bytes::from(body) })
    }

    fn encode(frames: &[Frame]) -> Bytes {
        let mut out = BytesMut::new();
        for frame in frames {
            let header = FrameHeader { more: frame.more, command: frame.command, size: frame.body.len() as u64 };
            let before = out.len();
            header.encode(&mut out);
            assert_eq!(out.len() - before, header.encoded_len());
            out.put_slice(&frame.body);
        }
        out.freeze()
    }

    fn decode_chunks(chunks: impl Iterator<Item = Bytes>) -> Result<Vec<Frame>, DecodeError> {
        let mut decoder = FrameDecoder::new(5000);
        let mut frames = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
            assert_eq!(decoder.is_empty(), decoder.held() == 0 && decoder.wanted() == 0);
        }
        Ok(frames)
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(frames in vec(frame(), 0..8), cuts in vec(1usize..700, 1..50)) {
            let octets = encode(&frames);
            let mut rest = octets.clone();
            let mut cuts = cuts.into_iter().cycle();
            let chunks = core::iter::from_fn(|| {
                (!rest.is_empty()).then(|| rest.split_to(cuts.next().unwrap().min(rest.len())))
            });
            prop_assert_eq!(decode_chunks(chunks), Ok(frames.clone()));
            prop_assert_eq!(decode_chunks(octets.chunks(1).map(Bytes::copy_from_slice)), Ok(frames));
            prop_assert_eq!(encode(&decode_chunks(core::iter::once(octets.clone())).unwrap()), octets.clone());
            // And where nobody looks until all has come.
            let mut decoder = FrameDecoder::new(5000);
            octets.chunks(cuts.next().unwrap()).for_each(|chunk| decoder.push(Bytes::copy_from_slice(chunk)));
            let all: Vec<_> = core::iter::from_fn(|| decoder.next_frame().unwrap()).collect();
            prop_assert_eq!(encode(&all), octets);
        }

        #[test]
        fn garbage_gives_the_same_whole_or_octet_by_octet(octets in vec(any::<u8>(), 0..60)) {
            let whole = decode_chunks(core::iter::once(Bytes::from(octets.clone())));
            let single = decode_chunks(octets.chunks(1).map(Bytes::copy_from_slice));
            prop_assert_eq!(whole, single);
        }
    }

    #[test]
    fn a_body_within_a_chunk_is_a_slice_of_it() {
        let chunk = encode(&[Frame { more: false, command: false, body: Bytes::from_static(b"payload") }]);
        let mut decoder = FrameDecoder::new(100);
        decoder.push(chunk.clone());
        let body = decoder.next_frame().unwrap().unwrap().body;
        assert_eq!(body.as_ptr(), chunk[2..].as_ptr());
    }

    #[test]
    fn a_declared_size_is_refused_beyond_the_limit_and_never_allocated() {
        let mut decoder = FrameDecoder::new(usize::MAX);
        decoder.push(Bytes::from_static(b"\x02\x00\x00\x40\x00\x00\x00\x00\x00abc"));
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(matches!(decoder.partial.as_deref(), Some(Partial::Body(_, body)) if body.capacity() < 64));
        assert_eq!(decoder.wanted(), (1 << 46) - 3);
        for (start, wanted) in [(&b"\x00"[..], 1), (b"\x02", 8), (b"\x02\x00\x00", 6), (b"", 0)] {
            let mut decoder = FrameDecoder::new(100);
            decoder.push(Bytes::copy_from_slice(start));
            assert_eq!((decoder.next_frame(), decoder.wanted()), (Ok(None), wanted));
        }

        let mut decoder = FrameDecoder::new(100);
        decoder.push(Bytes::from_static(b"\x02\x00\x00\x40\x00\x00\x00\x00\x00"));
        let fault = Fault::TooLarge { declared: 1 << 46, limit: 100 };
        assert_eq!(decoder.next_frame(), Err(DecodeError::new("frame size", 1, fault)));
    }

    #[test]
    fn a_message_of_two_frames_is_seen_where_it_lies_and_nothing_else_is() {
        let seen = |octets: &'static [u8]| {
            let mut decoder = FrameDecoder::new(100);
            decoder.push(Bytes::from_static(octets));
            decoder.peek_pair().map(|(first, second, octets)| (first.to_vec(), second.to_vec(), octets))
        };
        assert_eq!(seen(b"\x01\x01a\x00\x02bcd"), Some((b"a".to_vec(), b"bc".to_vec(), 7)));
        let long = b"\x01\x01a\x02\x00\x00\x00\x00\x00\x00\x00\x02bcd";
        assert_eq!(seen(long), Some((b"a".to_vec(), b"bc".to_vec(), 14)));
        assert_eq!(seen(b"\x01\x00\x00\x00"), Some((b"".to_vec(), b"".to_vec(), 4)));
        for other in [
            &b""[..],
            b"\x01\x01a\x00\x02b",
            b"\x01\x01a\x00",
            b"\x01\x05a\x00\x01b",
            b"\x00\x01a\x00\x02bc",
            b"\x01\x01a\x01\x02bc",
            b"\x01\x01a\x04\x02bc",
            b"\x03\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x01b",
            b"\x01\x01a\x02\x00\x00\x00\x00\x00\x00\x00\x02b",
            b"\x01\x01a\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFb",
            b"\x01\x01a\x02\x00\x00\x00\x00",
        ] {
            assert_eq!(seen(other), None, "{other:?}");
        }
        let mut decoder = FrameDecoder::new(100);
        decoder.push(Bytes::from_static(b"\x01\x01a\x00\x01b\x00\x01c"));
        let (.., octets) = decoder.peek_pair().unwrap();
        decoder.skip(octets);
        assert_eq!(decoder.next_frame().unwrap().unwrap().body, "c");
        decoder.skip(1);
        assert_eq!(decoder.next_frame(), Ok(None));
    }

    #[test]
    fn of_a_chunk_that_is_used_up_nothing_is_kept() {
        for octets in [&b"\x01\x01a\x00\x01b"[..], b"\x01\x01a", b"\x00\x03a", b"\x00", b"\x00\x00"] {
            let chunk = Bytes::copy_from_slice(octets);
            let mut decoder = FrameDecoder::new(100);
            decoder.push(chunk.clone());
            if let Some((.., length)) = decoder.peek_pair() {
                decoder.skip(length);
            }
            while decoder.next_frame().unwrap().is_some() {}
            assert!(chunk.is_unique(), "{octets:?}");
        }
    }

    #[test]
    fn a_long_size_for_a_short_body_is_legal_and_reserved_bits_are_not() {
        let long = b"\x02\x00\x00\x00\x00\x00\x00\x00\x01x";
        let frames = decode_chunks(core::iter::once(Bytes::from_static(long))).unwrap();
        assert_eq!(frames, [Frame { more: false, command: false, body: Bytes::from_static(b"x") }]);
        for flags in [0x08u8, 0x80, 0x05] {
            assert!(FrameHeader::decode(&[flags, 0]).is_err(), "{flags:#x}");
        }
    }
}
