//! Every recorded octet of a stock program is read, and written again as it was.

use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use zre_proto::{
    Beacon, DecodeError, Endpoint, Fault, Gossip, Message,
    zmtp::{Command, Greeting},
};
use zre_tests::recording::{Recording, Stream, Transcript, assert_same_octets, put_command};

/// The octet of its greeting in which libzmq writes the length of its identity, plus one; RFC 23 calls it padding.
const PADDING_AT: usize = 8;

/// How libzmq 4.3 writes the name of an ERROR, and how it is meant.
const ERROR_WRITTEN: &[u8] = b"\x04\x09\x5ERROR\x03400";
const ERROR_MEANT: &[u8] = b"\x04\x0A\x05ERROR\x03400";

fn each_connection(mut check: impl FnMut(&Recording, &Stream, &str)) {
    for recording in Recording::all() {
        for stream in recording.connections() {
            check(&recording, stream, &format!("{}: {stream}", recording.name));
        }
    }
}

#[test]
fn every_stream_decodes_wholly_with_nothing_left_over() {
    let (mut streams, mut octets, mut commands, mut messages) = (0, 0, 0, 0);
    each_connection(|_, stream, what| {
        let transcript = stream.transcript();
        assert!(transcript.whole, "{what}");
        streams += 1;
        octets += stream.octets().len();
        commands += transcript.commands().count();
        messages += transcript.messages().count();
    });
    // Counted apart from our decoder, so that no recording can go missing.
    assert_eq!((streams, octets, commands, messages), (100, 513_413, 118, 235));
}

#[test]
fn a_stream_says_the_same_in_chunks_of_any_size() {
    each_connection(|_, stream, what| {
        let arrived = stream.transcript();
        let whole = Transcript::decode([stream.octets()]).unwrap();
        assert!(arrived == whole, "{what}: as one piece");
        for sizes in [&[1][..], &[2], &[3], &[63], &[64], &[65], &[1021], &[1, 2, 3, 5, 8, 13, 21, 34, 55, 89]] {
            let again = Transcript::decode(stream.rechunked(sizes)).unwrap();
            assert!(arrived == again, "{what}: in pieces of {sizes:?}");
        }
    });
}

#[test]
fn a_stream_that_is_cut_is_whole_only_after_the_greeting_and_after_each_command_or_message() {
    each_connection(|_, stream, what| {
        // Of a long stream the beginning is enough: it has every kind of frame but the longest.
        let octets = stream.octets();
        let octets = octets.slice(..octets.len().min(800));
        let parts = Transcript::decode([octets.clone()]).unwrap().parts;
        let mut ends = 0;
        for cut in 64..=octets.len() {
            let cut = Transcript::decode([octets.slice(..cut)]).unwrap();
            assert!(parts.starts_with(&cut.parts), "{what}");
            ends += usize::from(cut.whole);
        }
        assert_eq!(ends, 1 + parts.len(), "{what}");
    });
}

#[test]
fn a_greeting_is_written_as_libzmq_writes_it_but_for_the_padding() {
    each_connection(|_, stream, what| {
        let transcript = stream.transcript();
        let theirs = stream.octets().slice(..64);
        let mut ours = transcript.greeting.encode();
        assert_eq!(ours[PADDING_AT], 1, "{what}: to ZMTP 1 and 2 ours is an empty identity");
        if let Some(ready) = transcript.ready() {
            let identity = ready.get("Identity").map_or(0, Bytes::len);
            assert_eq!(usize::from(theirs[PADDING_AT]), identity + 1, "{what}: theirs is the identity they have");
        }
        ours[PADDING_AT] = theirs[PADDING_AT];
        assert_same_octets(&ours, &theirs, what);
    });
}

#[test]
fn a_greeting_comes_in_steps() {
    each_connection(|_, stream, what| {
        let first = stream.chunks[0].len();
        assert!(first == 10 || first == 11, "{what}: signature, perhaps the major version, but {first} octets");
        let before_the_rest: usize = stream.chunks.iter().map(Bytes::len).take_while(|length| *length < 43).sum();
        assert!(before_the_rest < 64, "{what}: the rest waits until it has seen the other's version");
    });
}

#[test]
fn everybody_speaks_zmtp_3_1_and_libzmq_leaves_as_server_at_0() {
    each_connection(|recording, stream, what| {
        let greeting = stream.transcript().greeting;
        let mechanism = match (recording.name.as_str(), stream.opener) {
            ("zmtp_plain_bad", _) => "PLAIN",
            ("zmtp_mechanism_mismatch", false) => "CURVE",
            _ => "NULL",
        };
        assert_eq!(greeting.mechanism.to_string(), mechanism, "{what}");
        assert_eq!(greeting.version, (3, 1), "{what}");
        assert!(!greeting.as_server, "{what}");
        assert_eq!(greeting == Greeting::NULL, mechanism == "NULL", "{what}");
    });
}

#[test]
fn every_frame_is_written_again_as_it_was() {
    let mut mangled = 0;
    each_connection(|_, stream, what| {
        let theirs = stream.octets().slice(64..);
        let ours = stream.transcript().encode().slice(64..);
        if theirs == ERROR_WRITTEN {
            // The one exception: where libzmq mangles the name of ERROR, we write it as RFC 23 has it.
            assert_same_octets(&ours, ERROR_MEANT, what);
            mangled += 1;
        } else {
            assert_same_octets(&ours, &theirs, what);
        }
    });
    assert_eq!(mangled, 1);
}

#[test]
fn every_command_knows_its_length() {
    each_connection(|_, stream, what| {
        for command in stream.transcript().commands() {
            let mut out = BytesMut::new();
            put_command(&mut out, command);
            assert_eq!(out.len(), 2 + command.encoded_len(), "{what}: {command:?}");
            assert_eq!(Command::decode(&out.freeze().slice(2..)), Ok(command.clone()), "{what}");
        }
    });
}

#[test]
fn every_message_is_written_again_as_it_was() {
    let (mut sessions, mut messages) = (0, 0);
    for recording in Recording::all() {
        for session in recording.sessions() {
            sessions += 1;
            for (said, frames) in session.said.iter().zip(session.transcript.messages()) {
                let mut out = BytesMut::new();
                said.message.encode(&mut out).unwrap();
                let what = format!("{}: {}: {}", recording.name, session.stream, said.message.body.name());
                assert_same_octets(&out, &frames[0], &what);
                assert_eq!(said.message.encoded_len(), out.len(), "{what}");
                assert_eq!(said.message.body.has_content(), !said.content.is_empty(), "{what}");
                messages += 1;
            }
        }
    }
    assert_eq!((sessions, messages), (38, 177), "counted apart from our decoder");
}

#[test]
fn a_message_that_is_cut_is_refused_where_it_was_cut() {
    for recording in Recording::all() {
        for session in recording.sessions() {
            for frames in session.transcript.messages() {
                for cut in 0..frames[0].len() {
                    let DecodeError { offset, fault, .. } = Message::decode(&frames[0].slice(..cut)).unwrap_err();
                    let Fault::Truncated { missing } = fault else { panic!("{}: {fault} at {cut}", recording.name) };
                    assert!(offset <= cut && cut + missing <= frames[0].len(), "{}: {cut}", recording.name);
                }
            }
        }
    }
}

#[test]
fn gossip_is_no_zre() {
    let recording = Recording::load("gossip_ping_probe");
    let stream = recording.connections().next().unwrap();
    let error = stream.transcript().said().unwrap_err();
    assert_eq!((error.field, error.offset, error.fault), ("message signature", 0, Fault::Signature));
}

#[test]
fn every_gossip_message_is_written_again_as_it_was() {
    let mut names = BTreeMap::new();
    let mut tuples = BTreeSet::new();
    for name in ["gossip_zyre", "gossip_ping_probe"] {
        let recording = Recording::load(name);
        for stream in recording.connections() {
            let transcript = stream.transcript();
            let frames = transcript.messages().filter(|frames| frames[0].starts_with(&[0xAA, 0xA0]));
            for frame in frames.inspect(|frames| assert_eq!(frames.len(), 1, "{name}")).map(|frames| &frames[0]) {
                let message = Gossip::decode(frame).unwrap_or_else(|error| panic!("{name}: {error}"));
                let mut again = BytesMut::new();
                message.encode(&mut again).expect("what was decoded can be encoded");
                assert_same_octets(&again, frame, name);
                *names.entry(message.name()).or_insert(0) += 1;
                if let Gossip::Publish(tuple) = message {
                    assert_eq!(tuple.ttl, 0, "stock programs know no other");
                    tuples.insert((
                        name,
                        tuple.key.to_string_lossy().into_owned(),
                        tuple.value.to_string_lossy().into_owned(),
                    ));
                }
                for cut in 0..frame.len() {
                    assert!(Gossip::decode(&frame.slice(..cut)).is_err(), "{name}: {cut}");
                }
            }
        }
    }
    println!("{names:?}, {tuples:#?}");
    for kind in ["HELLO", "PUBLISH", "PING", "PONG", "INVALID"] {
        assert!(names.contains_key(kind), "{kind} is not among {names:?}");
    }
    let of_nodes = tuples.iter().filter(|(name, ..)| *name == "gossip_zyre");
    for (_, key, value) in of_nodes {
        assert!(key.len() == 32 && key.parse::<uuid::Uuid>().is_ok(), "{key}");
        assert!(value.parse::<Endpoint>().is_ok(), "{value}");
    }
}

#[test]
fn every_beacon_is_written_again_as_it_was() {
    let mut beacons = 0;
    for recording in Recording::all() {
        for datagram in recording.datagrams().flat_map(|stream| &stream.chunks) {
            let beacon = Beacon::decode(datagram).unwrap();
            assert_same_octets(&beacon.encode(), datagram, &recording.name);
            beacons += 1;
        }
    }
    assert_eq!(beacons, 115, "counted apart from our decoder");
}
