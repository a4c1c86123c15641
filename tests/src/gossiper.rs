//! One node that gossips, and those that it gossips with, played by hand: as a hub with its clients, as a client of hubs.

use crate::solo::{Solo, opening, opening_of_ours};
use bytes::Bytes;
use std::time::Duration;
use zre_engine::{Address, Config, ConnId, IoCause, PeerId};
use zre_proto::gossip::{Gossip, Tuple};

/// A node's UUID.
pub fn id(number: u128) -> PeerId {
    uuid::Uuid::from_u128(number).into()
}

/// A tuple as stock programs tell it.
pub fn tuple(number: u128, value: &str) -> Gossip {
    tuple_for(number, value, 0)
}

/// One with a time to live.
pub fn tuple_for(number: u128, value: &str, ttl: u32) -> Gossip {
    Gossip::Publish(Tuple { key: id(number).to_string().into(), value: value.into(), ttl })
}

/// A place that is no node's.
pub fn place(number: u128) -> String {
    format!("tcp://10.0.1.{number}:7000")
}

/// What a node at 10.0.0.1:49152 tells of itself.
pub fn own(solo: &Solo) -> Gossip {
    let (key, value) = (solo.node.uuid().to_string().into(), "tcp://10.0.0.1:49152".into());
    Gossip::Publish(Tuple { key, value, ttl: 0 })
}

/// A node that is a hub.
pub fn hub() -> Solo {
    hub_for(Config::default().limits.tuples)
}

/// A hub that remembers so many tuples.
pub fn hub_for(tuples: usize) -> Solo {
    let mut config = Config::default();
    config.limits.tuples = tuples;
    let mut solo = Solo::new(config);
    solo.be_hub();
    solo
}

/// A hub's client of a stock program, after its handshake.
pub fn stranger(solo: &mut Solo) -> ConnId {
    let conn = solo.accept_client("10.0.0.9:40000");
    solo.feed(conn, &opening("DEALER", Bytes::new()));
    solo.output(conn);
    conn
}

/// One that has said HELLO; what it was answered is read.
pub fn client(solo: &mut Solo) -> ConnId {
    let conn = stranger(solo);
    solo.feed_gossip(conn, &Gossip::Hello);
    solo.gossip(conn);
    conn
}

/// A hub's client of this implementation that has said HELLO.
pub fn client_of_ours(solo: &mut Solo) -> ConnId {
    let conn = solo.accept_client("10.0.0.8:40000");
    solo.feed(conn, &opening_of_ours("DEALER"));
    solo.feed_gossip(conn, &Gossip::Hello);
    solo.gossip(conn);
    conn
}

/// A node that gossips with hubs at 10.0.0.5:9001 and so on, and its connections to them, with the handshake done.
pub fn client_of(hubs: u8, opening: &[u8]) -> (Solo, Vec<ConnId>) {
    let mut solo = Solo::default();
    let conns = (0..hubs).map(|number| {
        let at: Address = format!("tcp://10.0.0.{}:9001", 5 + number).parse().unwrap();
        assert_eq!(solo.node.gossip_connect(solo.now, at.clone()), Ok(true));
        assert_eq!(solo.node.gossip_connect(solo.now, at), Ok(false));
        let conn = solo.connects()[0].0;
        solo.connected(conn);
        solo.feed(conn, opening);
        conn
    });
    let conns = conns.collect();
    (solo, conns)
}

/// Lets seconds pass in which nobody takes a connection. How many were asked for.
pub fn refuse(solo: &mut Solo, seconds: u64) -> usize {
    let mut attempts = 0;
    for _ in 0..10 * seconds {
        solo.pass(Duration::from_millis(100));
        for (conn, _) in solo.connects() {
            attempts += 1;
            solo.broken(conn, IoCause::Refused);
        }
    }
    attempts
}
