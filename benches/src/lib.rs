//! What the benchmarks measure with: one value of each kind that goes over the wire, as a small cluster has them.
#![forbid(unsafe_code)]

pub mod memory;

use bytes::{BufMut as _, Bytes, BytesMut};
use uuid::Uuid;
use zre_proto::{
    Beacon, Message, Text,
    message::{Body, Hello, Membership},
    zmtp::{Command, FrameHeader, Metadata},
};

/// The UUID of whoever sends in these benchmarks.
pub const UUID: Uuid = Uuid::from_u128(0x898982b4_3d67_4eb6_bbaa_cfbba7478086);

/// Beacons of both versions, named.
pub fn beacons() -> Vec<(&'static str, Beacon)> {
    vec![
        ("v1", Beacon { uuid: UUID, port: 49152, public_key: None }),
        ("v3", Beacon { uuid: UUID, port: 49152, public_key: Some([7; 32]) }),
    ]
}

/// One message of each kind, named.
pub fn messages() -> Vec<(&'static str, Message)> {
    let group = || Text::from("telemetry");
    let uuid = || Text::from(format!("{:X}", UUID.as_simple()));
    let change = || Membership { group: group(), status: 2 };
    let bodies = [
        ("HELLO", hello(3, 3)),
        ("HELLO-large", hello(64, 32)),
        ("WHISPER", Body::Whisper),
        ("SHOUT", Body::Shout { group: group() }),
        ("JOIN", Body::Join(change())),
        ("LEAVE", Body::Leave(change())),
        ("PING", Body::Ping),
        ("PING-OK", Body::PingOk),
        ("ELECT", Body::Elect { group: group(), challenger: uuid() }),
        ("LEADER", Body::Leader { group: group(), leader: uuid() }),
        ("GOODBYE", Body::Goodbye),
    ];
    bodies.map(|(name, body)| (name, Message { sequence: 7, body })).into()
}

fn hello(groups: usize, headers: usize) -> Body {
    Body::Hello(Hello {
        endpoint: "tcp://192.168.1.5:49152".into(),
        groups: (0..groups).map(|at| Text::from(format!("group-{at}"))).collect(),
        status: groups as u8,
        name: "alice".into(),
        headers: (0..headers).map(|at| (Text::from(format!("X-HEADER-{at}")), Text::from("some value"))).collect(),
    })
}

/// The commands of a connection, named.
pub fn commands() -> Vec<(&'static str, Command)> {
    let mut ready = Metadata::default();
    ready.push("Socket-Type".into(), Bytes::from_static(b"DEALER"));
    ready.push("Identity".into(), [&[1], &UUID.as_bytes()[..]].concat().into());
    ready.push("X-ZRE".into(), Bytes::from_static(b"1"));
    vec![
        ("READY", Command::Ready(ready)),
        ("PING", Command::Ping { ttl: 10, context: Bytes::new() }),
        ("PONG", Command::Pong { context: Bytes::new() }),
    ]
}

/// A stream of `count` frames with `size` octets each.
pub fn stream(count: usize, size: usize) -> Bytes {
    let mut out = BytesMut::new();
    for _ in 0..count {
        FrameHeader::message(size, false).encode(&mut out);
        out.put_bytes(b'x', size);
    }
    out.freeze()
}
