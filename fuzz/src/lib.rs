//! What must hold for any octets that a stranger may send, and for whatever happens to a cluster.
//!
//! One function per fuzz target: it feeds `data` to a decoder of `zre-proto`, or makes a cluster of it, and panics where a
//! property does not hold. `fuzz_targets/` hands them to libFuzzer, `tests/corpus.rs` replays the corpora on stable Rust.
//!
//! What the decoders have in common: no input panics; what decodes encodes to the same octets, or, where the wire has two
//! forms of one value, to octets that decode to the same value; whole or in pieces, the outcome is the same; an error
//! points into the input.
#![forbid(unsafe_code)]

use arbitrary::Unstructured;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::str;
use zre_engine::sim::{Scenario, Trial};
use zre_proto::{
    Beacon, DecodeError, EncodeError, Endpoint, Gossip, Message,
    zmtp::{Command, Frame, FrameDecoder, FrameHeader, Greeting, GreetingDecoder},
};
use zre_tests::{
    lives::{Manner, Player, cluster},
    trouble::{Trouble, troubled},
};

/// A target: its name, which is also that of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("beacon", beacon),
    ("command", command),
    ("endpoint", endpoint),
    ("frames", frames),
    ("gossip", gossip),
    ("greeting", greeting),
    ("life", life),
    ("message", message),
    ("scenario", scenario),
];

/// The limit for frames: so small that inputs of the usual size reach it.
const FRAME_LIMIT: usize = 300;

/// A datagram that is a beacon is written again as it was.
pub fn beacon(data: &[u8]) {
    match Beacon::decode(data) {
        Ok(beacon) => assert_eq!(beacon.encode(), data),
        Err(error) => points_into(data, error),
    }
}

/// A frame that is a message is written again as it was, in as many octets as it said it would take.
pub fn message(data: &[u8]) {
    let encode = |message: &Message, out: &mut BytesMut| message.encode(out).map(|()| message.encoded_len());
    is_written_again(data, Message::decode, encode);
}

/// So is one that is a gossip message.
pub fn gossip(data: &[u8]) {
    let encode = |message: &Gossip, out: &mut BytesMut| message.encode(out).map(|()| message.encoded_len());
    is_written_again(data, Gossip::decode, encode);
}

fn is_written_again<T>(
    data: &[u8],
    decode: impl Fn(&Bytes) -> Result<T, DecodeError>,
    encode: impl Fn(&T, &mut BytesMut) -> Result<usize, EncodeError>,
) {
    match decode(&Bytes::copy_from_slice(data)) {
        Ok(message) => {
            let mut out = BytesMut::new();
            let length = encode(&message, &mut out).expect("what was decoded can be encoded");
            assert_eq!(out, data);
            assert_eq!(length, data.len());
        }
        Err(error) => points_into(data, error),
    }
}

/// A greeting is the same in pieces as whole, and what it says survives.
pub fn greeting(data: &[u8]) {
    let outcome = greeting_in(data, data.len().max(1));
    for size in [1, 7, 10, 63] {
        assert_eq!(greeting_in(data, size), outcome, "in pieces of {size}");
    }
    match outcome {
        Ok(Some(greeting)) => assert_eq!(Greeting::decode(&greeting.encode()), Ok(greeting)),
        Ok(None) => assert!(data.len() < 64),
        Err(error) => points_into(data, error),
    }
}

/// Reads a greeting that comes in pieces of this size.
fn greeting_in(data: &[u8], size: usize) -> Result<Option<Greeting>, DecodeError> {
    let mut decoder = GreetingDecoder::default();
    for piece in data.chunks(size) {
        let missing = decoder.missing();
        let (taken, greeting) = decoder.decode(piece)?;
        assert_eq!(taken, piece.len().min(missing));
        assert_eq!(decoder.missing(), missing - taken);
        if greeting.is_some() {
            return Ok(greeting);
        }
    }
    Ok(None)
}

/// Octets in pieces of any size give the same frames and the same error as whole; the frames are those that a plain
/// reading of RFC 23 finds, and written again they are the same.
pub fn frames(data: &[u8]) {
    let whole = frames_in(data, [data.len().max(1)].into_iter());
    assert_eq!(frames_in(data, [1].into_iter()), whole, "octet by octet");
    assert_eq!(frames_in(data, [1, 2, 3, 5, 8, 13, 21, 34, 55, 89].into_iter()), whole, "in odd pieces");

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
    assert_eq!(frames_in(&out, [out.len().max(1)].into_iter()), (frames, None));
}

/// The frames of octets that come in pieces of these sizes, over and over, and the error that ends them.
fn frames_in(data: &[u8], sizes: impl Iterator<Item = usize> + Clone) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = FrameDecoder::new(FRAME_LIMIT);
    let mut frames = Vec::new();
    let mut rest = Bytes::copy_from_slice(data);
    for size in sizes.cycle() {
        if rest.is_empty() {
            break;
        }
        decoder.push(rest.split_to(size.min(rest.len())));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(decoder.wanted() <= FRAME_LIMIT);
    }
    (frames, None)
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

/// A command is written again as it was, but for the ERROR that libzmq misspells; either way it says the same.
pub fn command(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    match Command::decode(&body) {
        Ok(command) => {
            let mut out = BytesMut::new();
            command.encode(&mut out).expect("what was decoded can be encoded");
            assert_eq!(command.encoded_len(), out.len());
            match data.strip_prefix(b"\x5ERROR") {
                Some(reason) => assert_eq!(out, [b"\x05ERROR", reason].concat()),
                None => assert_eq!(out, data),
            }
            assert_eq!(Command::decode(&out.freeze()), Ok(command));
        }
        Err(error) => points_into(data, error),
    }
}

/// An endpoint reads the same after it was printed.
pub fn endpoint(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            assert_ne!(endpoint.port(), Some(0));
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// An error names a place in what was read, or right behind it, and can be printed.
fn points_into(data: &[u8], error: DecodeError) {
    assert!(error.offset <= data.len(), "{error}, but there are {} octets", data.len());
}

/// Whatever happens to a cluster: the invariants of the simulator hold, and when all is healed everything becomes right.
pub fn scenario(data: &[u8]) {
    let Ok(scenario) = Unstructured::new(data).arbitrary::<Scenario>() else { return };
    let report = Trial::of_nodes().run(&scenario);
    assert!(report.violations.is_empty(), "{report}");
}

/// The most troubles in a life.
const TROUBLES: u8 = 40;

/// What no driver does and no honest peer sends, in the life of a node of any cluster: it does not panic, a peer's fault is
/// no error, ENTER and EXIT come in turns, and no deadline is met twice.
pub fn life(data: &[u8]) {
    if let Ok((node, troubles, scenario)) = life_of(&mut Unstructured::new(data)) {
        let mut lives = cluster(&scenario);
        let (life, _) = lives.swap_remove(usize::from(node) % lives.len());
        Player::live(&troubled(life, &troubles), &Manner::default());
    }
}

/// Whose life it is, its troubles, and the cluster.
fn life_of(source: &mut Unstructured<'_>) -> arbitrary::Result<(u8, Vec<Trouble>, Scenario)> {
    let (node, count) = (source.arbitrary()?, source.int_in_range(0..=TROUBLES)?);
    let mut troubles = Vec::new();
    for _ in 0..count {
        let (when, kind, choice) = source.arbitrary()?;
        // Not all octets in one: some are left for those that follow.
        let length = source.int_in_range(0u8..=64)?;
        let octets = source.bytes(source.len().min(length.into()))?.to_vec();
        troubles.push(Trouble { when, kind, choice, octets });
    }
    Ok((node, troubles, source.arbitrary()?))
}
