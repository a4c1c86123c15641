//! Drivers in one poll, on `lo` alone.

use super::*;
use crate::{Node, driver::cork::SHARED};
use mio::{Events, Poll};

#[test]
fn a_stop_by_an_application_has_the_same_end_as_one_by_the_driver() {
    let poll = Poll::new().unwrap();
    let start = |base| {
        let builder = Node::builder("ann").interface("lo").port(crate::tests::udp_port());
        builder.driver(poll.registry(), Token(base)).unwrap()
    };
    let (mut by_app, mut by_driver) = (start(0), start(Driver::TOKENS));
    by_app.with_engine(|_, _| ());
    assert_eq!(by_app.stop_by, None);
    let mut runner = zre_engine::app::Runner::new((), [0; 32]);
    by_app.call_app(&mut runner, |(), cx| cx.stop());
    by_driver.stop();
    assert!(by_app.stop_by.is_some() && by_driver.stop_by.is_some());
    // With nobody there to take leave of, it has come already.
    assert!(by_app.is_stopped());
    assert_eq!((by_driver.poll_event(), by_driver.is_stopped()), (Some(Event::Stop), true));
}

#[test]
fn two_drivers_in_one_poll_meet_and_part() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(64);
    let port = crate::tests::udp_port();
    let start =
        |name, base| Node::builder(name).interface("lo").port(port).driver(poll.registry(), Token(base)).unwrap();
    let mut drivers = [start("ann", 0), start("ben", Driver::TOKENS)];
    assert!(drivers[0].owns(Token(Driver::TOKENS - 1)) && !drivers[0].owns(Token(Driver::TOKENS)));
    let [ann, ben] = [drivers[0].engine().uuid(), drivers[1].engine().uuid()];
    let mut told = Vec::new();
    while !drivers.iter().all(Driver::is_stopped) {
        let timeout = drivers.iter().filter_map(Driver::timeout).min();
        poll.poll(&mut events, timeout).unwrap();
        for driver in &mut drivers {
            driver.turn(&events);
            while let Some(event) = driver.poll_event() {
                told.push((driver.engine().uuid(), event.kind(), event.peer()));
                match event {
                    Event::Enter { peer, .. } if peer == ben => driver.whisper(peer, "hello").unwrap(),
                    Event::Whisper { .. } | Event::Exit { .. } => driver.stop(),
                    _ => {}
                }
            }
        }
    }
    let of = |who| told.iter().filter(|one| one.0 == who).map(|one| (one.1, one.2)).collect::<Vec<_>>();
    assert_eq!(of(ann), [("ENTER", Some(ben)), ("EXIT", Some(ben)), ("STOP", None)]);
    assert_eq!(of(ben), [("ENTER", Some(ann)), ("WHISPER", Some(ann)), ("EXIT", Some(ann)), ("STOP", None)]);
}

#[test]
fn an_event_that_a_call_brings_is_not_slept_over() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(64);
    let port = crate::tests::udp_port();
    let mut limits = zre_engine::Limits::default();
    limits.send_queue = 4 << 10;
    let builder = |name| Node::builder(name).interface("lo").port(port);
    let mut ann = builder("ann").limits(limits).driver(poll.registry(), Token(0)).unwrap();
    let mut ben = builder("ben").driver(poll.registry(), Token(Driver::TOKENS)).unwrap();
    let start = crate::clock::Age::default();
    let mut met = None;
    while met.is_none() {
        assert!(start.is_below(crate::tests::LONG), "they have not met");
        let timeout = [ann.timeout(), ben.timeout()].into_iter().flatten().min();
        crate::tests::poll(&mut poll, &mut events, timeout);
        ben.turn(&events);
        ann.turn(&events);
        while let Some(event) = ann.poll_event() {
            met = met.or(event.peer().filter(|_| event.kind() == "ENTER"));
        }
    }
    let peer = met.unwrap();
    // No queue is full of what the socket has room for.
    let content = Content::from(vec![0; 100]);
    assert_eq!((0..200).find_map(|_| ann.whisper_content(peer, &content).err()), None);
    while ann.timeout() == Some(Duration::ZERO) {
        assert!(start.is_below(crate::tests::LONG), "something is due for ever");
        ann.turn(&Events::with_capacity(1));
    }
    assert_eq!((ann.poll_event(), ann.disconnect(peer)), (None, Ok(())));
    assert_eq!(ann.timeout(), Some(Duration::ZERO));
    assert!(ann.next_deadline().is_some_and(|at| !crate::clock::is_ahead(at)));
    // Once: whoever leaves events lie is not kept awake by them.
    for _ in 0..3 {
        ann.turn(&Events::with_capacity(1));
    }
    assert_ne!(ann.timeout(), Some(Duration::ZERO));
    assert!(matches!(ann.poll_event(), Some(Event::Exit { .. })));
}

#[test]
fn who_takes_one_event_a_turn_holds_nobody_back_for_good() {
    const MESSAGES: usize = 500;
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(64);
    let port = crate::tests::udp_port();
    let builder = |name| Node::builder(name).interface("lo").port(port);
    let mut small = zre_engine::Limits::default();
    small.events = 4 << 10;
    let mut ann = builder("ann").driver(poll.registry(), Token(0)).unwrap();
    let mut ben = builder("ben").limits(small).driver(poll.registry(), Token(Driver::TOKENS)).unwrap();
    let content = Content::from("the same each time");
    let (mut heard, mut held_back) = (0, false);
    let start = crate::clock::Age::default();
    while heard < MESSAGES {
        assert!(start.is_below(crate::tests::LONG), "{heard} of {MESSAGES} have come");
        let timeout = match ben.engine().event_queue().len() {
            0 => [ann.timeout(), ben.timeout()].into_iter().flatten().min(),
            _ => Some(Duration::ZERO),
        };
        crate::tests::poll(&mut poll, &mut events, timeout);
        ann.turn(&events);
        while let Some(event) = ann.poll_event() {
            if let Event::Enter { peer, .. } = event {
                (0..MESSAGES).for_each(|_| ann.whisper_content(peer, &content).unwrap());
            }
        }
        ben.turn(&events);
        held_back |= ben.holds_back();
        if let Some(event) = ben.poll_event() {
            heard += usize::from(matches!(&event, Event::Whisper { content: found, .. } if *found == content));
        }
        ben.turn(&events);
        assert_eq!(ben.engine().events_waiting(), ben.engine().event_queue().octets());
    }
    assert!(held_back);
}

#[test]
fn beacons_that_bring_nothing_new_do_not_wake_a_node_each_and_news_among_them_is_heard() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(64);
    let port = crate::tests::udp_port();
    // Ann says once that she is there: whoever comes later is found by his beacon, or not at all.
    let builder = |name| Node::builder(name).interface("lo").port(port).interval(Duration::from_secs(3600));
    let mut ann = builder("ann").driver(poll.registry(), Token(0)).unwrap();
    let others = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    others.set_broadcast(true).unwrap();
    // Of somebody who leaves, and was never met.
    let beacon = || others.send_to(b"ZRE\x01................\0\0", ("127.255.255.255", port)).unwrap();
    let start = crate::clock::Age::default();
    let naps = |driver: &Driver| driver.links[0].nap_until().is_some();
    while !naps(&ann) {
        assert!(start.is_below(crate::tests::LONG), "no nap");
        // Not so many that it would have to listen: each time a millisecond has passed, as a rule.
        if poll.poll(&mut events, Some(Duration::from_millis(1))).is_ok() && events.is_empty() {
            beacon();
        }
        ann.turn(&events);
    }
    beacon();
    crate::tests::poll(&mut poll, &mut events, Some(Duration::ZERO));
    assert!(events.is_empty(), "{events:?}");
    assert!(ann.timeout().is_some_and(|timeout| timeout <= Duration::from_millis(100)), "{:?}", ann.timeout());

    let mut ben = builder("ben").driver(poll.registry(), Token(Driver::TOKENS)).unwrap();
    let mut met = 0;
    while met < 2 {
        assert!(start.is_below(crate::tests::LONG), "they have not met");
        let timeout = [ann.timeout(), ben.timeout()].into_iter().flatten().min();
        crate::tests::poll(&mut poll, &mut events, timeout);
        ann.turn(&events);
        ben.turn(&events);
        met += [&mut ann, &mut ben].into_iter().filter_map(Driver::poll_event).count();
    }
    assert!(!naps(&ann), "more may come");
    beacon();
    while !events.iter().any(|event| event.token() == Token(LINKS)) {
        assert!(start.is_below(crate::tests::LONG), "ann is not woken");
        crate::tests::poll(&mut poll, &mut events, Some(crate::tests::LONG));
    }
    ann.stop();
    while ann.poll_event() != Some(Event::Stop) {
        assert!(start.is_below(crate::tests::LONG), "no end");
        crate::tests::poll(&mut poll, &mut events, Some(Duration::ZERO));
        ann.turn(&events);
        ben.turn(&events);
    }
    assert!(ann.links.is_empty(), "nothing is heard any more");
}

#[test]
fn how_far_a_caller_is_ahead_of_the_sockets() {
    /// A driver in a poll of its own: what happens to it while it is left alone is not lost.
    struct Alone(Poll, Events, Driver);
    impl Alone {
        fn new(builder: crate::Builder) -> Self {
            let poll = Poll::new().unwrap();
            let driver = builder.driver(poll.registry(), Token(0)).unwrap();
            Self(poll, Events::with_capacity(64), driver)
        }

        fn turn(&mut self, longest: Duration) {
            let Self(poll, events, driver) = self;
            let timeout = driver.timeout().unwrap_or(longest).min(longest);
            crate::tests::poll(poll, events, Some(timeout));
            driver.turn(events);
            while driver.poll_event().is_some() {}
        }
    }

    let port = crate::tests::udp_port();
    let mut limits = zre_engine::Limits::default();
    limits.send_queue = 256 << 20;
    let builder = |name| Node::builder(name).interface("lo").port(port);
    let [mut ann, mut ben] = [builder("ann").limits(limits), builder("ben")].map(Alone::new);
    let peer = ben.2.engine().uuid();
    let start = crate::clock::Age::default();
    let both = |ann: &mut Alone, ben: &mut Alone| {
        assert!(start.is_below(crate::tests::LONG), "it takes too long");
        [ann, ben].into_iter().for_each(|one| one.turn(Duration::from_millis(1)));
    };
    while ann.2.engine().peer(peer).is_none() {
        both(&mut ann, &mut ben);
    }
    // Not at all, where each message goes at once.
    for _ in 0..100 {
        ann.2.whisper(peer, vec![0; 1000]).unwrap();
        assert_eq!(ann.2.debt(), 0);
        both(&mut ann, &mut ben);
    }
    // Nor by what the sockets take, however much that is in one go. But by all that comes after that, unless it is not
    // copied. The system may make a socket larger that is full: then they are not behind.
    let (mut sent, mut most) = (0, 0);
    let (mut before, mut messages) = (0, 0);
    while messages < 1000 {
        ann.2.whisper(peer, vec![0; 1000]).expect("room");
        ann.2.whisper(peer, vec![0; SHARED]).expect("room");
        sent += 1000 + SHARED;
        if ann.2.debt() == before + 1016 {
            messages += 1;
        } else {
            messages = 0;
        }
        most = most.max(ann.2.debt());
        ann.turn(Duration::ZERO);
        before = ann.2.debt();
    }
    assert!(sent > 100_000 && most > 1_000_000, "{sent}, {most}");
    // Until there is room again.
    while ann.2.debt() > 0 {
        both(&mut ann, &mut ben);
    }
}
