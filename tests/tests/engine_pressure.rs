//! Queues that are full, applications that do not read, peers that do not either.

use std::time::Duration;
use zre_engine::{Config, Event, SendError};
use zre_proto::message::Body;
use zre_tests::solo::{Solo, Stock};

fn small() -> (Solo, Stock) {
    let mut config = Config::default();
    config.limits.send_queue = 10_000;
    config.limits.events = 5_000;
    let mut solo = Solo::new(config);
    let stock = Stock::meets(&mut solo, 0xB0B, "10.0.0.2");
    solo.node.join(solo.now, "chat").unwrap();
    solo.output(stock.from_node);
    solo.told();
    (solo, stock)
}

fn fill(solo: &mut Solo, stock: &Stock) -> usize {
    for sent in 0.. {
        match solo.node.whisper(solo.now, stock.id(), "x".repeat(1000)) {
            Ok(()) => {}
            Err(SendError::Full { peer }) => {
                assert_eq!(peer, stock.id());
                return sent;
            }
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("a queue has an end")
}

fn rooms(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Room { .. })).count()
}

#[test]
fn a_full_queue_refuses_and_tells_once_when_half_of_it_is_free() {
    let (mut solo, stock) = small();
    assert_eq!(fill(&mut solo, &stock), 9);
    assert!(fill(&mut solo, &stock) == 0);
    let mut taken = 0;
    loop {
        let mut chunks = [&[][..]; 8];
        let filled = solo.node.transmit(stock.from_node, &mut chunks);
        if filled == 0 {
            break;
        }
        let some = chunks[0].len().min(500);
        solo.node.advance(solo.now, stock.from_node, some);
        taken += some;
        let load = solo.node.statistics().send_queues;
        let rooms = rooms(&solo.events());
        assert_eq!(rooms == 1, load <= 5_000 && load + some + 64 > 5_000, "{load}");
        if rooms == 1 {
            assert_eq!(fill(&mut solo, &stock), 4);
            break;
        }
    }
    assert!(taken > 4000);
}

#[test]
fn a_queue_takes_short_messages_up_to_its_limit_and_not_one_more() {
    for length in [0, 10, 500, 4000] {
        let (mut solo, stock) = small();
        let mut load = 0;
        // Its octets on the wire, and 64 for each message.
        let each = 2 + 6 + if length < 256 { 2 } else { 9 } + length + 64;
        while solo.node.whisper(solo.now, stock.id(), vec![7; length]).is_ok() {
            load += each;
            assert_eq!(solo.node.statistics().send_queues, load);
        }
        assert!(load <= 10_000 && load + each > 10_000, "{load} with {length}");
    }
}

#[test]
fn a_message_within_the_limits_always_fits_an_empty_queue() {
    let (mut solo, stock) = small();
    assert_eq!(solo.node.whisper(solo.now, stock.id(), "x".repeat(100_000)), Ok(()));
    assert!(solo.node.whisper(solo.now, stock.id(), "x").is_err());
    let limit = 16 << 20;
    let found = limit + 1;
    solo.output(stock.from_node);
    let error = solo.node.whisper(solo.now, stock.id(), vec![0; found]);
    assert_eq!(error, Err(SendError::TooLarge { found, limit }));
    let frames: Vec<_> = (0..65).map(|_| bytes::Bytes::new()).collect();
    let error = solo.node.whisper(solo.now, stock.id(), frames);
    assert_eq!(error, Err(SendError::TooManyFrames { found: 65, limit: 64 }));
}

#[test]
fn a_shout_is_all_or_nothing() {
    let (mut solo, mut stock) = small();
    let mut other = Stock::meets(&mut solo, 0xCAFE, "10.0.0.3");
    for peer in [&mut stock, &mut other] {
        let join = zre_proto::message::Membership { group: "chat".into(), status: 1 };
        peer.say(&mut solo, Body::Join(join), &[]);
    }
    fill(&mut solo, &stock);
    solo.output(other.from_node);
    let error = solo.node.shout(solo.now, "chat", "x".repeat(1000));
    assert_eq!(error, Err(SendError::Full { peer: stock.id() }));
    assert_eq!(solo.messages(other.from_node), [], "nobody got anything");
    solo.output(stock.from_node);
    assert_eq!(solo.node.shout(solo.now, "chat", "x"), Ok(2));
}

#[test]
fn a_peer_that_takes_not_one_octet_is_slow_after_the_send_time_out_and_one_that_takes_some_is_not() {
    let (mut solo, mut stock) = small();
    let unsent = fill(&mut solo, &stock);
    for second in 0..30 {
        solo.pass(Duration::from_secs(1));
        solo.node.advance(solo.now, stock.from_node, 1);
        stock.say(&mut solo, Body::PingOk, &[]);
        assert_eq!(solo.told(), [""; 0], "after {second} s");
    }
    for _ in 0..9 {
        solo.pass(Duration::from_secs(1));
        stock.say(&mut solo, Body::PingOk, &[]);
    }
    assert_eq!(solo.told(), [""; 0]);
    solo.pass(Duration::from_millis(1100));
    let events = solo.events();
    let Some(Event::Exit { reason, unsent: lost, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((reason.as_str(), *lost), ("slow", unsent));
}

#[test]
fn a_stalled_peer_without_a_refused_message_is_not_slow() {
    let (mut solo, mut stock) = small();
    solo.node.whisper(solo.now, stock.id(), "x").unwrap();
    for _ in 0..60 {
        solo.pass(Duration::from_secs(1));
        stock.say(&mut solo, Body::PingOk, &[]);
    }
    assert_eq!(solo.told(), [""; 0]);
}

#[test]
fn a_node_that_only_sends_throws_content_away_and_counts_it() {
    let mut config = Config::default();
    config.send_only = true;
    config.limits.events = 1000;
    let mut solo = Solo::new(config);
    let mut stock = Stock::meets(&mut solo, 0xB0B, "10.0.0.2");
    solo.node.join(solo.now, "chat").unwrap();
    for _ in 0..500 {
        stock.say(&mut solo, Body::Whisper, &[b"nobody reads this"]);
        stock.say(&mut solo, Body::Shout { group: "chat".into() }, &[b"nor this"]);
    }
    assert!(solo.reads(stock.to_node), "it is never held back");
    assert_eq!(solo.told(), ["ENTER stock"]);
    assert_eq!(solo.node.statistics().discarded, 1000);
}

#[test]
fn while_the_application_does_not_read_clocks_stand_still_and_the_peer_is_pinged() {
    let (mut solo, mut stock) = small();
    while solo.reads(stock.to_node) {
        stock.say(&mut solo, Body::Whisper, &[&[7; 300]]);
    }
    let waiting = solo.node.statistics().events_waiting;
    assert!((5_000..5_500).contains(&waiting), "the limit and one message more: {waiting}");
    solo.output(stock.from_node);
    solo.pass(Duration::from_secs(60));
    let pings = solo.messages(stock.from_node);
    assert!((20..=26).contains(&pings.len()), "one every 2.5 s, so that it does not expire us: {}", pings.len());
    assert!(solo.told().iter().all(|told| told.starts_with("WHISPER")), "no EVASIVE, no EXIT");
    assert!(solo.reads(stock.to_node));
    solo.pass(Duration::from_secs(4));
    assert_eq!(solo.told(), [""; 0], "the clocks have started anew");
}

#[test]
fn a_takeover_while_the_application_does_not_read_loses_nothing() {
    let (mut solo, mut stock) = small();
    while solo.reads(stock.to_node) {
        stock.say(&mut solo, Body::Whisper, &[&[7; 300]]);
    }
    stock.say(&mut solo, Body::Whisper, &[b"read, but not taken"]);
    let older = stock.to_node;
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    let number = stock.sequence;
    stock.sequence += 1;
    stock.say(&mut solo, Body::Whisper, &[b"after"]);
    assert!(!solo.reads(stock.to_node));
    let mut told = solo.told();
    told.extend(solo.told());
    // Only now does the driver read on, and finds what lay in the system's hands.
    assert!(solo.reads(older));
    let late = zre_proto::Message { sequence: number, body: Body::Whisper };
    solo.feed(older, &zre_tests::solo::message(&late, &[b"unread"]));
    solo.broken(older, zre_engine::IoCause::Reset);
    told.extend(solo.told());
    let last: Vec<_> = told.iter().rev().take(3).collect();
    let expected =
        [r#"WHISPER stock [b"after"]"#, r#"WHISPER stock [b"unread"]"#, r#"WHISPER stock [b"read, but not taken"]"#];
    assert_eq!(last, expected);
}

#[test]
fn a_takeover_of_a_connection_that_never_ends_happens_all_the_same() {
    let (mut solo, mut stock) = small();
    while solo.reads(stock.to_node) {
        stock.say(&mut solo, Body::Whisper, &[&[7; 300]]);
    }
    let older = stock.to_node;
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.say(&mut solo, Body::Whisper, &[b"after"]);
    while !solo.told().is_empty() {}
    solo.pass(Duration::from_millis(300));
    assert_eq!(solo.told(), [r#"WHISPER stock [b"after"]"#]);
    assert!(solo.closed(older).is_some());
}

#[test]
fn a_peer_that_sends_more_than_the_application_takes_does_not_hide_the_silence_of_another() {
    let (mut solo, mut loud) = small();
    let silent = Stock::meets(&mut solo, 0x511E, "10.0.0.3");
    assert_eq!(solo.told(), ["ENTER stock"]);
    let begin = solo.now;
    let (mut told, mut pings) = (Vec::new(), 0);
    while !told.iter().any(|(told, _): &(String, _)| told.starts_with("EXIT")) {
        // The application takes all that there is, again and again, and is late each time.
        while solo.reads(loud.to_node) {
            loud.say(&mut solo, Body::Whisper, &[&[7; 300]]);
        }
        solo.pass(Duration::from_millis(90));
        let passed = solo.now.since(begin);
        assert!(passed < Duration::from_secs(40), "{told:?}");
        let events = solo.told();
        told.extend(events.into_iter().filter(|told| !told.starts_with("WHISPER")).map(|told| (told, passed)));
        solo.pass(Duration::from_millis(10));
        pings += solo.messages(silent.from_node).iter().filter(|message| message.body == Body::Ping).count();
    }
    // Of ten parts of the time it listens for one: for a quarter of a second after the PING.
    let due = [("EVASIVE stock", 5.5, 8.1), ("SILENT stock", 10.5, 13.2), ("EXIT stock expired", 30.0, 30.2)];
    assert_eq!(told.len(), due.len(), "{told:?}");
    for ((told, when), (what, from, to)) in told.iter().zip(due) {
        assert!(told == what && (from..to).contains(&when.as_secs_f64()), "{told} after {when:?}");
    }
    assert!((5..=7).contains(&pings), "{pings}");
}
