//! What a node logs: readable at the default level, complete at `trace`.

use mio::{Events, Poll, Token};
use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter, util::SubscriberInitExt as _};
use zre_mio::{Driver, Event, Node};
use zre_tests::{children::PATIENCE, solo::Solo};

/// Where the lines of one test go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics here").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// What is logged at a level while `act` runs in this thread.
    fn of(level: LevelFilter, act: impl FnOnce()) -> Vec<String> {
        let lines = Self::default();
        // The engine reads no clock, and its lines need none.
        let lines_of = tracing_subscriber::fmt().with_max_level(level).with_ansi(false).without_time();
        let guard = lines_of.with_writer(lines.clone()).set_default();
        act();
        drop(guard);
        let octets = lines.0.lock().expect("nobody panics here").clone();
        String::from_utf8(octets).expect("text").lines().map(str::to_owned).collect()
    }
}

/// 1,000 connections that talk nonsense and 1,000 datagrams that are no beacons, in ten seconds.
fn rubbish() {
    let mut solo = Solo::default();
    for number in 0..1000 {
        let conn = solo.accept(&format!("10.0.0.{}:{}", number % 200 + 2, 30_000 + number));
        solo.feed(conn, b"GET / HTTP/1.1\r\n\r\n");
        solo.datagram("10.0.0.66:5670", b"no beacon");
        solo.pass(Duration::from_millis(10));
    }
}

#[test]
fn rubbish_by_the_thousand_is_a_few_lines_at_the_default_level_and_all_of_it_at_trace() {
    let about = |lines: &[String]| {
        let lines = lines.iter().filter(|line| line.contains("closing connection") || line.contains("is no beacon"));
        lines.cloned().collect::<Vec<_>>()
    };
    let few = about(&Lines::of(LevelFilter::INFO, rubbish));
    assert!((10..=30).contains(&few.len()), "{few:#?}");
    assert!(few[0].contains("WARN") && few[0].contains("10.0.0.2:30000"), "{few:#?}");
    let last = few.last().expect("some");
    assert!(last.contains("more such lines were left out)"), "{last}");

    let all = about(&Lines::of(LevelFilter::TRACE, rubbish));
    assert_eq!(all.len(), 2000);
}

#[expect(clippy::disallowed_methods, reason = "how long something over real sockets takes is asked of a real clock")]
fn now() -> Instant {
    Instant::now()
}

/// Two nodes of one machine meet, on sockets.
fn neighbours() {
    let mut poll = Poll::new().expect("a poll");
    let mut events = Events::with_capacity(64);
    let at_lo = |name| Node::builder(name).endpoint("tcp://127.0.0.1:*");
    let ann = at_lo("ann").driver(poll.registry(), Token(0)).expect("a node");
    let place = ann.engine().endpoint().expect("a mailbox");
    let ben = at_lo("ben").peer(place).driver(poll.registry(), Token(Driver::TOKENS)).expect("a node");
    let (mut drivers, mut met) = ([ann, ben], 0);
    let start = now();
    while met < 2 {
        assert!(now() - start < PATIENCE, "{met} of 2 have met");
        match poll.poll(&mut events, drivers.iter().filter_map(Driver::timeout).min()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled.expect("it polls"),
        }
        for driver in &mut drivers {
            driver.turn(&events);
            while let Some(event) = driver.poll_event() {
                assert!(!matches!(event, Event::Exit { .. }), "{event:?}");
                met += usize::from(matches!(event, Event::Enter { .. }));
            }
        }
    }
}

/// Each write costs both sides more than what is in it. So what belongs together goes together: greeting and READY of whoever
/// was called, then READY and HELLO of the caller.
#[test]
fn neighbours_meet_with_three_writes_on_each_connection() {
    // A connection on loopback stands at once, unless the system is busy.
    let mut tries = (0..5).map(|_| {
        let lines = Lines::of(LevelFilter::TRACE, neighbours);
        let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
        (count("connected from"), count("octets written"))
    });
    let found: Vec<_> = tries.by_ref().take_while(|found| *found != (2, 6)).collect();
    assert!(found.len() < 5, "{found:?}");
}
