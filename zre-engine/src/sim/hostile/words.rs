//! What a hostile machine says: octets that are nearly right, far too many, or nothing of the kind.

use crate::sim::dice::Dice;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use uuid::Uuid;
use zre_proto::{
    Message, Text,
    limits::{IDENTITY_LEN, IDENTITY_PREFIX},
    message::{Body, Hello, Membership},
    zmtp::{Command, FrameHeader, Greeting, Metadata},
};

/// Pieces to say one after the other on a connection.
pub(super) type Script = VecDeque<Bytes>;

/// Who a caller says he is.
#[derive(Debug, Clone)]
pub(super) struct Guise {
    pub(super) uuid: Uuid,
    pub(super) endpoint: String,
    /// It belongs to an honest node: no message may come after HELLO, for it would be that node's.
    pub(super) stolen: bool,
}

/// What is said on a connection to somebody's mailbox.
pub(super) fn call(dice: &mut Dice, guise: &Guise) -> Script {
    let greeting = Bytes::copy_from_slice(&Greeting::NULL.encode());
    let mut script: Script = match dice.below(12) {
        // Nothing, or the beginning of something.
        0 => return Script::new(),
        1 => return [greeting.slice(..dice.below(64) as usize)].into(),
        2 => return [garbage(dice, 300)].into(),
        3 => return [greeting, frame(&[0x41; 2000], false, true)].into(),
        4 => return [greeting, Bytes::from_static(b"\x02\x00\x00\x40\x00\x00\x00\x00\x00")].into(),
        5 => return [greeting, ready("PUB", guise.uuid), hello(dice, guise)].into(),
        _ => [greeting, ready("DEALER", guise.uuid), hello(dice, guise)].into(),
    };
    if !guise.stolen {
        let sequence = 2;
        script.extend(after_hello(dice, guise, sequence));
    }
    if dice.below(3) == 0 {
        spoil(dice, &mut script);
    }
    if dice.below(4) == 0 {
        // Octet by octet.
        script = script.iter().flat_map(|piece| piece.chunks(1)).take(500).map(Bytes::copy_from_slice).collect();
    }
    script
}

/// What is answered to those who connect.
pub(super) fn answer(dice: &mut Dice) -> Script {
    let greeting = Bytes::copy_from_slice(&Greeting::NULL.encode());
    match dice.below(7) {
        0 => Script::new(),
        1 => [greeting].into(),
        2 => [garbage(dice, 200)].into(),
        3 => {
            let reason = "go away".into();
            [greeting, command(&Command::Error { reason })].into()
        }
        // A message where only we send.
        4 => [greeting, router_ready(), message(1, Body::Ping, &[])].into(),
        _ => [greeting, router_ready()].into(),
    }
}

fn after_hello(dice: &mut Dice, guise: &Guise, first: u16) -> Vec<Bytes> {
    let group = || Text::from("a");
    let count = dice.below(200) as u16;
    let numbered = |say: &dyn Fn(u16) -> Bytes| (0..count).map(|turn| say(first.wrapping_add(turn))).collect();
    match dice.below(9) {
        0 => numbered(&|number| message(number, Body::Whisper, &[b"noise"])),
        1 => numbered(&|number| message(number, Body::Shout { group: group() }, &[b"noise", b""])),
        2 => numbered(&|number| {
            let change = Membership { group: format!("g{number}").as_str().into(), status: number as u8 };
            message(number, Body::Join(change), &[])
        }),
        3 => numbered(&|number| message(number, Body::Ping, &[])),
        // HELLO after HELLO.
        4 => (0..count % 20).map(|_| hello(dice, guise)).collect(),
        5 => vec![message(first + 1, Body::Whisper, &[b"a gap"])],
        6 => vec![message(first, Body::Goodbye, &[])],
        // A message that never ends.
        7 => {
            (0..100).map(|turn| frame(if turn == 0 { b"\xAA\xA1\x02\x02\x00\x02" } else { b"" }, true, false)).collect()
        }
        _ => numbered(&|_| {
            let context = Bytes::from_static(b"ctx");
            command(&Command::Ping { ttl: 1, context })
        }),
    }
}

/// One octet is another, or the end is missing.
fn spoil(dice: &mut Dice, script: &mut Script) {
    let index = dice.below(script.len() as u64) as usize;
    let Some(piece) = script.get_mut(index).filter(|piece| !piece.is_empty()) else { return };
    let at = dice.below(piece.len() as u64) as usize;
    if dice.below(2) == 0 {
        *piece = piece.slice(..at);
        script.truncate(index + 1);
    } else {
        let mut octets = piece.to_vec();
        octets[at] ^= 1 << dice.below(8);
        *piece = octets.into();
    }
}

fn hello(dice: &mut Dice, guise: &Guise) -> Bytes {
    let count = dice.below(300);
    let groups = (0..count).map(|group| Text::from(format!("{group}").as_str()));
    let (many, noise) = (dice.below(4) == 0, garbage(dice, 255));
    let hello = Hello {
        endpoint: guise.endpoint.as_str().into(),
        groups: if many { groups.chain([Text::from_octets(noise)]).collect() } else { vec!["a".into()] },
        status: dice.next() as u8,
        name: if dice.below(4) == 0 { Text::from_octets(garbage(dice, 255)) } else { "mallory".into() },
        headers: if many { (0..150).map(|_| ("same".into(), "name".into())).collect() } else { Vec::new() },
    };
    message(1, Body::Hello(hello), &[])
}

fn ready(socket_type: &'static str, uuid: Uuid) -> Bytes {
    let mut identity = [IDENTITY_PREFIX; IDENTITY_LEN];
    identity[1..].copy_from_slice(uuid.as_bytes());
    let mut metadata = Metadata::default();
    metadata.push("Socket-Type".into(), Bytes::from_static(socket_type.as_bytes()));
    metadata.push("Identity".into(), Bytes::copy_from_slice(&identity));
    command(&Command::Ready(metadata))
}

fn router_ready() -> Bytes {
    let mut metadata = Metadata::default();
    metadata.push("Socket-Type".into(), Bytes::from_static(b"ROUTER"));
    command(&Command::Ready(metadata))
}

fn command(command: &Command) -> Bytes {
    let mut body = Vec::new();
    // All that is said here fits.
    let _ = command.encode(&mut body);
    frame(&body, false, true)
}

fn message(sequence: u16, body: Body, content: &[&[u8]]) -> Bytes {
    let mut first = BytesMut::new();
    let _ = Message { sequence, body }.encode(&mut first);
    let mut octets = BytesMut::from(frame(&first, !content.is_empty(), false));
    for (index, part) in content.iter().enumerate() {
        octets.put_slice(&frame(part, index + 1 < content.len(), false));
    }
    octets.freeze()
}

fn frame(body: &[u8], more: bool, command: bool) -> Bytes {
    let mut octets = BytesMut::new();
    FrameHeader { more, command, size: body.len() as u64 }.encode(&mut octets);
    octets.put_slice(body);
    octets.freeze()
}

fn garbage(dice: &mut Dice, most: u64) -> Bytes {
    (0..dice.below(most)).map(|_| dice.next() as u8).collect()
}
