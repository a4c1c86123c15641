//! The stream of frames.

use crate::codecs::points_into;
use bytes::{BufMut as _, Bytes, BytesMut};
use zre_proto::{
    DecodeError,
    zmtp::{Frame, FrameDecoder, FrameHeader},
};

/// The limit for frames: so small that inputs of the usual size reach it.
const FRAME_LIMIT: usize = 300;

/// Octets in pieces of any size give the same frames and the same error as whole, also where messages are looked at before
/// they are taken, where what is left of a piece is copied, and where nobody looks until all have come; the frames are those
/// that a plain reading of RFC 23 finds, and written again they are the same.
pub fn frames(data: &[u8]) {
    let whole = frames_in(data, &[data.len().max(1)], Manner::Plain);
    for sizes in [&[data.len().max(1)][..], &[1, 2, 3, 5, 8, 13, 21, 34, 55, 89], &[300, 7]] {
        for manner in [Manner::Plain, Manner::Peek, Manner::PeekAndTake, Manner::CopyOut, Manner::Late] {
            assert_eq!(frames_in(data, sizes, manner), whole, "in pieces of {sizes:?}, {manner:?}");
        }
    }
    assert_eq!(frames_in(data, &[1], Manner::Plain), whole, "octet by octet");

    let (frames, error) = whole;
    assert_eq!(frames, plain_reading(data));
    if let Some(error) = error {
        points_into(data, error);
    }
    let mut out = BytesMut::new();
    for frame in &frames {
        let header = FrameHeader { more: frame.more, command: frame.command, size: frame.body.len() as u64 };
        let before = out.len();
        header.encode(&mut out);
        assert_eq!(out.len() - before, header.encoded_len());
        out.put_slice(&frame.body);
    }
    // Not always the same octets: a long size for a short body is legal, and we never write one.
    assert!(out.len() <= data.len());
    assert_eq!(frames_in(&out, &[out.len().max(1)], Manner::Plain), (frames, None));
}

/// How a decoder is used. It makes no difference to what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// All frames of a piece are taken before the next comes.
    Plain,
    /// Messages of two frames are looked at where they lie, and skipped.
    Peek,
    /// They are looked at, and then taken as any other.
    PeekAndTake,
    /// What is left is copied after each frame.
    CopyOut,
    /// All pieces are there before the first frame is taken.
    Late,
}

/// The frames of octets that come in pieces of these sizes, over and over, and the error that ends them.
fn frames_in(data: &[u8], sizes: &[usize], manner: Manner) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = FrameDecoder::new(FRAME_LIMIT);
    let mut frames = Vec::new();
    let mut rest = Bytes::copy_from_slice(data);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        decoder.push(rest.split_to((*size).min(rest.len())));
        if manner == Manner::Late && !rest.is_empty() {
            continue;
        }
        loop {
            match next(&mut decoder, manner, &mut frames) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(decoder.wanted() <= FRAME_LIMIT);
        // Of what was taken nothing is held: at most one frame, and the octet that is missing from it.
        assert!(decoder.held() <= FRAME_LIMIT.min(data.len()));
        assert!(decoder.wanted() > 0 || (decoder.held() == 0 && !decoder.is_in_message()));
    }
    (frames, None)
}

/// Takes the next frame, or two if they were looked at; whether there was any.
fn next(decoder: &mut FrameDecoder, manner: Manner, frames: &mut Vec<Frame>) -> Result<bool, DecodeError> {
    if matches!(manner, Manner::Peek | Manner::PeekAndTake)
        && let Some((first, second, octets)) = decoder.peek_pair()
        // Limits are for who looks.
        && second.len() <= FRAME_LIMIT
    {
        let frame = |more, body| Frame { more, command: false, body: Bytes::copy_from_slice(body) };
        let pair = [frame(true, first), frame(false, second)];
        if manner == Manner::Peek {
            decoder.skip(octets);
        } else {
            for frame in &pair {
                assert_eq!(decoder.next_frame()?.as_ref(), Some(frame), "what was seen is taken");
            }
        }
        frames.extend(pair);
        return Ok(true);
    }
    let frame = decoder.next_frame()?;
    if manner == Manner::CopyOut {
        decoder.copy_out();
    }
    let found = frame.is_some();
    frames.extend(frame);
    Ok(found)
}

/// The frames at the start of `data`, read in the plainest way.
fn plain_reading(mut data: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [flags @ (0 | 1 | 2 | 3 | 4 | 6), rest @ ..] = data {
        let (size, rest) = match (flags & 2, rest) {
            (0, [size, rest @ ..]) => (u64::from(*size), rest),
            (2, [a, b, c, d, e, f, g, h, rest @ ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest),
            _ => break,
        };
        if size > FRAME_LIMIT as u64 || size > rest.len() as u64 {
            break;
        }
        let (body, rest) = rest.split_at(size as usize);
        frames.push(Frame { more: flags & 1 != 0, command: flags & 4 != 0, body: Bytes::copy_from_slice(body) });
        data = rest;
    }
    frames
}
