//! What others say to the node: well-formed, so that it reaches deep, but for what is wrong on purpose.

use bytes::{Bytes, BytesMut};
use std::net::SocketAddr;
use uuid::Uuid;
use zre_proto::{
    Gossip, Message, Text,
    gossip::Tuple,
    message::{Body, Hello, Membership},
    zmtp::{Command, FrameHeader},
};
use zre_tests::solo::{command, dealer_opening, message, opening, opening_of_ours, router_opening};

/// The node's own UUID.
pub(super) const OWN: Uuid = Uuid::from_u128(0x2000 << 112);

/// The groups that everybody speaks of.
pub(super) const GROUPS: [&str; 4] = ["chat", "news", "", "g"];

/// The UUID of one of eight peers; some come before the node in the order of UUIDs, some behind it, and one is the node.
pub(super) fn uuid(peer: u8) -> Uuid {
    match peer % 8 {
        5 => OWN,
        peer if peer % 2 == 0 => Uuid::from_u128((0x1000 + u128::from(peer)) << 112),
        peer => Uuid::from_u128((0x3000 + u128::from(peer)) << 112),
    }
}

/// Where a peer is: some are on one host, one on the node's own, one where addresses are longer.
pub(super) fn place(peer: u8) -> SocketAddr {
    match peer % 8 {
        4 => ([10, 0, 0, 1], 7004).into(),
        6 => ([0xFD00, 0, 0, 0, 0, 0, 0, 6], 7000).into(),
        7 => ([10, 0, 0, 2], 7007).into(),
        peer => ([10, 0, 0, peer + 2], 7000).into(),
    }
}

/// The opening of whoever is at the other end: `ours` says who connected, `hub` whether they gossip.
pub(super) fn handshake(peer: u8, ours: bool, hub: bool, variant: u8) -> Vec<u8> {
    match variant % 16 {
        0..8 if ours => router_opening(),
        0..4 if hub => opening("DEALER", Bytes::new()),
        0..8 => dealer_opening(uuid(peer)),
        8 | 9 => opening_of_ours(if ours { "ROUTER" } else { "DEALER" }),
        10 => opening("PUB", Bytes::new()),
        11 => opening("DEALER", vec![variant; usize::from(variant)].into()),
        12 => [router_opening(), command(&Command::Error { reason: "no".into() })].concat(),
        13 => [router_opening(), router_opening().split_off(64)].concat(),
        14 => router_opening()[..usize::from(variant) % 64].to_vec(),
        _ => dealer_opening(uuid(peer))[64..].to_vec(),
    }
}

/// A message of a peer, with this number; `what` chooses which, `detail` what is in it.
pub(super) fn say(peer: u8, what: u8, detail: u8, sequence: u16) -> Vec<u8> {
    let body = body(peer, what, detail);
    let frame: &[u8] = &vec![what; usize::from(detail)];
    let content: &[&[u8]] = match (&body, detail % 8) {
        (body, 0..5) if body.has_content() => &[frame],
        (body, 5) if body.has_content() => &[frame, b"", frame],
        (body, 6) if body.has_content() => &[],
        // More than it should have.
        (_, 7) if detail > 240 => &[frame, frame, frame, frame, frame],
        _ => &[],
    };
    message(&Message { sequence, body }, content)
}

fn body(peer: u8, what: u8, detail: u8) -> Body {
    let group = || Text::from(GROUPS[usize::from(detail) % 4]);
    let other = || Text::from(&*uuid(detail >> 2).simple().to_string().to_uppercase());
    match what % 24 {
        0..5 => Body::Whisper,
        5..9 => Body::Shout { group: group() },
        9 | 10 => Body::Join(Membership { group: group(), status: detail }),
        11 | 12 => Body::Leave(Membership { group: group(), status: detail }),
        13 | 14 => Body::Ping,
        15 => Body::PingOk,
        16 | 17 => Body::Elect { group: group(), challenger: other() },
        18 | 19 => Body::Leader { group: group(), leader: other() },
        20 => Body::Goodbye,
        21 => Body::Unknown { id: detail | 16, fields: vec![what; 3].into() },
        _ => Body::Hello(hello(peer, detail)),
    }
}

/// A peer's HELLO, with what `detail` says in it.
pub(super) fn hello(peer: u8, detail: u8) -> Hello {
    let groups = &GROUPS[..[0, 1, 2, 4][usize::from(detail) % 4]];
    let endpoint = match detail / 4 % 8 {
        6 => "ipc:///tmp/zre".to_owned(),
        7 => format!("tcp://nowhere:{detail}"),
        5 => format!("tcp://{}", place(peer.wrapping_add(1))),
        _ => format!("tcp://{}", place(peer)),
    };
    let headers = (0..detail / 32).map(|number| (format!("X-{}", number % 5).as_str().into(), "v".into()));
    Hello {
        endpoint: endpoint.as_str().into(),
        groups: groups.iter().map(|group| (*group).into()).collect(),
        status: groups.len() as u8,
        name: format!("peer {peer}").as_str().into(),
        headers: headers.collect(),
    }
}

/// Gossip about a peer.
pub(super) fn gossip(peer: u8, what: u8, detail: u8) -> Vec<u8> {
    let key = Text::from(&*uuid(peer).simple().to_string().to_uppercase());
    let value = match detail % 8 {
        5 => "tcp://hub:7000".to_owned(),
        6 => "inproc://peer".to_owned(),
        7 => String::from_utf8_lossy(&vec![detail; usize::from(detail)]).into_owned(),
        _ => format!("tcp://{}", place(peer)),
    };
    let tuple = Tuple { key, value: value.as_str().into(), ttl: [0, 0, 1, 5000][usize::from(detail / 8) % 4] };
    let gossip = match what % 12 {
        0..6 => Gossip::Publish(tuple),
        6 | 7 => Gossip::Hello,
        8 => Gossip::Ping,
        9 => Gossip::Pong,
        10 => Gossip::Invalid,
        _ => Gossip::Unknown { id: detail | 8, fields: Bytes::new() },
    };
    let mut frame = BytesMut::new();
    gossip.encode(&mut frame).expect("it fits");
    let mut octets = Vec::new();
    FrameHeader::message(frame.len(), false).encode(&mut octets);
    octets.extend_from_slice(&frame);
    octets
}
