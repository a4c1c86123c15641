//! The codecs of one datagram, message, command or endpoint.

use bytes::{Bytes, BytesMut};
use std::str;
use zre_proto::{
    Beacon, DecodeError, EncodeError, Endpoint, Gossip, Message, Text,
    message::{Body, ContentHead},
    zmtp::{Command, Greeting, GreetingDecoder, Metadata},
};

/// A datagram that is a beacon is written again as it was.
pub fn beacon(data: &[u8]) {
    match Beacon::decode(data) {
        Ok(beacon) => assert_eq!(beacon.encode(), data),
        Err(error) => points_into(data, error),
    }
}

/// A frame that is a message is written again as it was, in as many octets as it said it would take. Where it lies it is
/// the head of content if it is that when it is decoded, and says the same.
pub fn message(data: &[u8]) {
    let head = match Message::decode(&Bytes::copy_from_slice(data)) {
        Ok(Message { sequence, body: Body::Whisper }) => Some((sequence, None)),
        Ok(Message { sequence, body: Body::Shout { group } }) => Some((sequence, Some(group))),
        _ => None,
    };
    let head = head.as_ref().map(|(sequence, group)| (*sequence, group.as_ref().map(Text::as_octets)));
    assert_eq!(ContentHead::read(data).map(|head| (head.sequence, head.group)), head);
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

/// The properties of a READY are those that a plain reading of RFC 23 finds; each is found by its name, in any case; put
/// together again they are the same, and so are their octets.
pub fn metadata(data: &[u8]) {
    const READY: &[u8] = b"\x05READY";
    let body = Bytes::from([READY, data].concat());
    let metadata = match Command::decode(&body) {
        Ok(Command::Ready(metadata)) => metadata,
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            assert!(error.offset >= READY.len(), "{error} is not about the properties");
            points_into(&body, error);
            assert_eq!(plain_properties(data), None, "a plain reading finds no fault");
            return;
        }
    };
    assert_eq!(metadata.encoded_len(), data.len());
    let mut again = Metadata::default();
    let found: Vec<_> = metadata.iter().map(|(name, value)| (name.as_octets(), &value[..])).collect();
    assert_eq!(plain_properties(data), Some(found));
    for (name, value) in metadata.iter() {
        again.push(name.clone(), value.clone());
        if let Ok(name) = str::from_utf8(name.as_octets()) {
            let same = |(other, _): &(&Text, &Bytes)| other.as_octets().eq_ignore_ascii_case(name.as_bytes());
            let first = metadata.iter().find(same).map(|(_, value)| value);
            assert_eq!(metadata.get(&name.to_ascii_uppercase()), first);
            assert_eq!(metadata.get(&name.to_ascii_lowercase()), first);
        }
    }
    assert_eq!(again, metadata);
    let mut out = BytesMut::new();
    Command::Ready(again).encode(&mut out).expect("what was decoded can be encoded");
    assert_eq!(out, body);
}

/// Names and values, if they are well-formed.
fn plain_properties(mut data: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut properties = Vec::new();
    while let [length, rest @ ..] = data {
        let (name, rest) = rest.split_at_checked((*length).into()).filter(|(name, _)| !name.is_empty())?;
        let (length, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        properties.push((name, value));
        data = rest;
    }
    Some(properties)
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
pub(crate) fn points_into(data: &[u8], error: DecodeError) {
    assert!(error.offset <= data.len(), "{error}, but there are {} octets", data.len());
}
