//! Nodes over real sockets, on `lo` alone. More of this is in the workspace's `tests`.

use crate::{Event, ExitReason, Limits, Node, PeerId, RecvError, SendError};
use mio::{Events, Poll};
use std::{
    io::ErrorKind,
    process,
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

/// Longer than anything here takes on the slowest of machines.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A UDP port that no other test has, in this process or (likely) another.
pub(crate) fn udp_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    20_000 + (process::id() % 500) as u16 * 20 + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Polls; a signal is nothing to fail for.
pub(crate) fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
        polled => polled.unwrap(),
    }
}

pub(crate) fn pair() -> (Node, Node) {
    let port = udp_port();
    let start = |name| Node::builder(name).header("of", name).interface("lo").port(port).start().unwrap();
    let (ann, ben) = (start("ann"), start("ben"));
    assert_eq!(entered(&ann), ben.uuid());
    assert_eq!(entered(&ben), ann.uuid());
    (ann, ben)
}

pub(crate) fn next(node: &Node) -> Event {
    node.recv_timeout(LONG).unwrap().expect("an event in time")
}

fn entered(node: &Node) -> PeerId {
    match next(node) {
        Event::Enter { peer, .. } => peer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_known_of_a_peer() {
    let (ann, ben) = pair();
    assert_eq!((ann.name(), ann.peers()), ("ann", vec![ben.uuid()]));
    assert_eq!(ann.peer_name(ben.uuid()).as_deref(), Some("ben"));
    assert_eq!(ann.peer_address(ben.uuid()), ben.endpoint());
    assert_eq!(ann.peer_header_value(ben.uuid(), "of").as_deref(), Some("ben"));
    assert_eq!(ann.peer_header_value(ben.uuid(), "none"), None);
    assert_eq!(ann.peer_headers(ann.uuid()), None);
    assert_eq!(ann.whisper(ann.uuid(), "me"), Err(SendError::UnknownPeer(ann.uuid())));

    assert_eq!(ben.join("tea"), Ok(true));
    assert_eq!(ben.join("tea"), Ok(false));
    assert_eq!(ben.own_groups(), ["tea"]);
    assert!(matches!(next(&ann), Event::Join { group, .. } if &*group == "tea"));
    assert_eq!(ann.peers_by_group("tea"), [ben.uuid()]);
    assert_eq!(ann.peer_groups().len(), 1);
    assert_eq!(ann.shout("tea", ["a", "b"]), Ok(1));
    assert!(matches!(next(&ben), Event::Shout { content, .. } if content.len() == 2));
    assert_eq!(ann.recent_events().count(), 0);
}

#[test]
fn clones_share_one_queue_and_the_end_of_it() {
    let (ann, ben) = pair();
    let (other, uuid) = (ann.clone(), ann.uuid());
    let counting = thread::spawn(move || other.events().count());
    for _ in 0..100 {
        ben.whisper(uuid, "x").unwrap();
    }
    ben.stop();
    ben.stop();
    // The peer has answered that it read everything before `stop` returned, so that all is in the queue.
    ann.stop();
    let here = ann.events().count();
    assert_eq!(here + counting.join().unwrap(), 102, "messages, EXIT and STOP");
    assert_eq!(ann.recv(), Err(RecvError::Stopped));
    assert_eq!(ann.try_recv(), Err(RecvError::Stopped));
    assert_eq!(ann.join("late"), Err(SendError::Stopped));
}

#[test]
fn dropping_the_last_handle_leaves_politely() {
    let (ann, ben) = pair();
    let second = ben.clone();
    drop(ben);
    second.whisper(ann.uuid(), "still here").unwrap();
    drop(second);
    assert!(matches!(next(&ann), Event::Whisper { .. }));
    assert!(matches!(next(&ann), Event::Exit { reason: ExitReason::Left, .. }));
}

#[test]
fn a_sender_waits_for_a_receiver_and_nothing_is_lost() {
    const SIZE: usize = 256 << 10;
    const COUNT: usize = 400;
    let (ann, ben) = pair();
    let (sender, to) = (ann.clone(), ben.uuid());
    let sending = thread::spawn(move || {
        for number in 0..COUNT {
            let mut octets = vec![0; SIZE];
            octets[..8].copy_from_slice(&number.to_be_bytes());
            sender.whisper(to, octets).unwrap();
        }
    });
    // Four times what the queues of both nodes and the sockets between them hold: it cannot have been sent.
    while ann.try_whisper(to, vec![0xff; SIZE]) != Err(SendError::Full { peer: to }) {
        thread::yield_now();
    }
    assert!(!sending.is_finished());
    assert!(ben.statistics().events_waiting <= Limits::default().events + (17 << 20));

    let mut expected = 0;
    while expected < COUNT {
        if let Event::Whisper { content, .. } = next(&ben)
            && content[0][0] == 0
        {
            assert_eq!(content[0][..8], expected.to_be_bytes());
            expected += 1;
        }
    }
    sending.join().unwrap();
    // It was asked for by the call that found no room, and comes once.
    assert_eq!(next(&ann), Event::Room { peer: to });
    assert_eq!(ann.try_recv(), Ok(None));
}
