//! Our engine takes the place of one node in a recorded session: fed the other node's octets at their times, it tells
//! its application what the recorded one was told, and says what the recorded one said, octet for octet.

use bytes::Bytes;
use zre_proto::message::Body;
use zre_tests::{
    recording::{Recording, Said, Seen, Session, Transcript, assert_same_octets},
    replay::{Part, seen},
};

/// What the recorded application was told of the other node, as far as all programs tell it.
fn recorded(events: &[Seen], stopped_first: bool) -> Vec<Seen> {
    let mut events: Vec<_> =
        events.iter().filter(|event| !matches!(event, Seen::Other | Seen::Stop)).cloned().collect();
    // zyre.js may tell a JOIN before its ENTER.
    if let Some(enter) = events.iter().position(|event| matches!(event, Seen::Enter { .. })) {
        let enter = events.remove(enter);
        events.insert(0, enter);
    }
    // The node that stopped first has not seen the other go.
    assert!(stopped_first || events.iter().any(|event| matches!(event, Seen::Exit { .. })));
    events
}

fn replays(name: &str) {
    let recording = Recording::load(name);
    for (me, stopped_first) in [("A", true), ("B", false)] {
        for chunk in [usize::MAX, 7, 1] {
            let part = Part::new(&recording, me);
            let (events, spoken) = part.play(chunk);
            let ours: Vec<_> = events.iter().filter_map(seen).collect();
            let theirs = recorded(&recording.peers[me].events, stopped_first);
            assert_eq!(ours[..theirs.len().min(ours.len())], theirs, "{name}, {me}");
            // After its own stop the recorded node was told nothing; ours lived on to see the other's connections end.
            let more = &ours[theirs.len()..];
            let allowed = if stopped_first { 1 } else { 0 };
            assert!(more.len() <= allowed && more.iter().all(|seen| matches!(seen, Seen::Exit { .. })), "{more:?}");
            said_the_same(&Part::new(&recording, me).session, &spoken);
        }
    }
}

/// Our DEALER's octets: the greeting, READY (ours has one property more) and, message by message, the recorded ones,
/// up to the PINGs, which each program says at times of its own.
fn said_the_same(session: &Session<'_>, spoken: &[Vec<u8>]) {
    let dealers = spoken.iter().map(|octets| Transcript::decode([Bytes::copy_from_slice(octets)]).expect("it decodes"));
    let dealer =
        dealers.into_iter().find(|transcript| transcript.messages().next().is_some()).expect("we said something");
    let theirs = &session.transcript;
    assert_eq!(dealer.greeting.mechanism, theirs.greeting.mechanism);
    let (our_ready, their_ready) = (dealer.ready().expect("READY"), theirs.ready().expect("READY"));
    for (name, value) in their_ready.iter() {
        assert_eq!(our_ready.get(&name.to_string_lossy()), Some(value), "{name}");
    }
    let ping = |said: &Said| matches!(said.message.body, Body::Ping | Body::PingOk);
    let before_pings = session.said.iter().take_while(|said| !ping(said)).count();
    assert!(before_pings >= 4, "the recording is worth a comparison");
    for (index, theirs) in theirs.messages().take(before_pings).enumerate() {
        let ours = dealer.messages().nth(index).unwrap_or_else(|| panic!("message {index} is missing"));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_same_octets(ours, theirs, format_args!("message {index}"));
        }
    }
}

#[test]
fn in_the_place_of_a_pyre() {
    replays("zre_pyre_pyre");
}

#[test]
fn in_the_place_of_a_zyre() {
    replays("zre_zyre_zyre");
}

#[test]
fn in_the_place_of_a_zyre_js() {
    replays("zre_zyrejs_zyrejs");
}

#[test]
fn in_mixed_company() {
    for name in ["mixed_zyre_pyre", "mixed_zyre_zyrejs", "mixed_pyre_zyrejs"] {
        replays(name);
    }
}
