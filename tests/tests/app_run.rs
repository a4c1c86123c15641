//! Applications over real sockets, on `lo` alone: what they hear and do by `zre_mio::run`, and on a driver that the test
//! steps.

use std::{
    process,
    sync::{
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};
use zre_mio::{
    App, Builder, ConfigError, Cx, Driver, Event, ExitReason, Instant, Limits, Node, PeerId, RunError, Runner,
    SendError, StartError, mio,
};
use zre_tests::ours::PATIENCE;

const SOON: Duration = Duration::from_millis(5);
/// A timer of each application here: it must not come.
const TOO_LATE: u64 = 999;

/// A UDP port that no other test has, in this process or (likely) another.
fn udp_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    10_000 + (process::id() % 500) as u16 * 20 + NEXT.fetch_add(1, Ordering::Relaxed)
}

fn node(name: &str, port: u16) -> Builder {
    Node::builder(name).interface("lo").port(port)
}

/// Runs an application on a thread of its own. What it says at its end comes to whoever waits for it.
fn spawn<A: App + Send + 'static>(builder: Builder, app: A) -> mpsc::Receiver<Result<A, RunError>> {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(zre_mio::run(builder, app)));
    outcome
}

/// Waits for that, for a bounded time: an application whose timers never came would not end by itself.
#[track_caller]
fn end<A>(outcome: &mpsc::Receiver<Result<A, RunError>>) -> A {
    outcome.recv_timeout(2 * PATIENCE).expect("an end, and no panic").expect("a node that runs")
}

/// Plays a counter back and forth with its peer.
#[derive(Debug, Default)]
struct Player {
    /// It begins, and it ends; the other shouts now and then.
    leads: bool,
    counts: Vec<u32>,
    shouts: Vec<u32>,
    shouted: u32,
    kinds: Vec<&'static str>,
    reason: Option<ExitReason>,
}

impl Player {
    const ROUNDS: u32 = 100;
    const SHOUTS: usize = 5;

    fn stop_when_done(&self, cx: &mut Cx<'_>) {
        if self.leads && self.counts.last() == Some(&(2 * Self::ROUNDS)) && self.shouts.len() >= Self::SHOUTS {
            cx.stop();
        }
    }
}

impl App for Player {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        assert!(self.kinds.is_empty() && cx.peers().is_empty());
        cx.set_timer(TOO_LATE, PATIENCE);
        if self.leads {
            assert_eq!(cx.join("time"), Ok(true));
        } else {
            cx.set_timer(1, SOON);
        }
    }

    fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
        self.kinds.push(event.kind());
        match event {
            Event::Enter { peer, .. } => {
                assert_eq!(cx.peers(), [peer]);
                if self.leads {
                    assert_eq!(cx.whisper(peer, "1"), Ok(()));
                }
            }
            Event::Whisper { peer, content, .. } => {
                let count = content.text().parse().expect("a number");
                self.counts.push(count);
                if count < 2 * Self::ROUNDS {
                    assert_eq!(cx.whisper(peer, (count + 1).to_string()), Ok(()));
                }
                self.stop_when_done(cx);
            }
            Event::Shout { content, .. } => {
                self.shouts.push(content.text().parse().expect("a number"));
                self.stop_when_done(cx);
            }
            Event::Exit { reason, .. } => {
                self.reason = Some(reason);
                cx.stop();
            }
            Event::Stop => assert_eq!(cx.shout("time", "from beyond"), Err(SendError::Stopped)),
            _ => {}
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
        assert_ne!(timer, TOO_LATE, "{self:?}");
        // Nobody is there yet, or it has stopped meanwhile.
        if matches!(cx.shout("time", self.shouted.to_string()), Ok(1..)) {
            self.shouted += 1;
        }
        cx.set_timer(timer, SOON);
    }
}

#[test]
fn two_applications_meet_talk_and_part() {
    let port = udp_port();
    let ann = spawn(node("ann", port), Player { leads: true, ..Player::default() });
    let ben = spawn(node("ben", port), Player::default());
    let (ann, ben) = (end(&ann), end(&ben));

    let counts = |first| (first..=2 * Player::ROUNDS).step_by(2).collect::<Vec<_>>();
    assert_eq!((ann.counts, ben.counts), (counts(2), counts(1)));
    let heard = u32::try_from(ann.shouts.len()).expect("few");
    assert_eq!(ann.shouts, (0..heard).collect::<Vec<_>>());
    assert!(heard as usize >= Player::SHOUTS && ben.shouted >= heard && ben.shouts.is_empty());
    assert_eq!((ann.reason, ben.reason), (Some(ExitReason::Stopped), Some(ExitReason::Left)));
    for kinds in [&ann.kinds, &ben.kinds] {
        assert_eq!((kinds.first(), kinds.last()), (Some(&"ENTER"), Some(&"STOP")));
        assert_eq!(kinds.iter().filter(|kind| **kind == "STOP").count(), 1);
        assert_eq!(kinds[kinds.len() - 2], "EXIT");
    }
}

/// Does something every 30 ms, and now and then something with its other timers.
#[derive(Debug, Default)]
struct Clockwork {
    ticks: Vec<(Instant, u64)>,
    events: Vec<Event>,
}

impl Clockwork {
    const EVERY: Duration = Duration::from_millis(30);
}

impl App for Clockwork {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        cx.set_timer(TOO_LATE, PATIENCE);
        cx.set_timer(1, Self::EVERY);
        cx.set_timer(2, 2 * Self::EVERY);
        cx.set_timer(3, Duration::ZERO);
        self.ticks.push((cx.now(), 0));
    }

    fn on_event(&mut self, _: &mut Cx<'_>, event: Event) {
        self.events.push(event);
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
        assert_ne!(timer, TOO_LATE, "{self:?}");
        self.ticks.push((cx.now(), timer));
        match (timer, self.ticks.len()) {
            (1, 12) => cx.stop(),
            (1, _) => {
                cx.clear_timer(2);
                cx.set_timer(1, Self::EVERY);
            }
            _ => {}
        }
    }
}

#[test]
fn timers_come_while_nothing_else_happens() {
    // No beacon wakes the node up.
    let builder = node("clock", udp_port()).interval(Duration::from_secs(60));
    let clock = end(&spawn(builder, Clockwork::default()));
    let timers: Vec<u64> = clock.ticks.iter().map(|tick| tick.1).collect();
    assert_eq!(timers, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert!(clock.ticks.is_sorted_by_key(|tick| tick.0), "{clock:?}");
    let times: Vec<Instant> = clock.ticks.iter().filter(|tick| tick.1 != 3).map(|tick| tick.0).collect();
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) >= Clockwork::EVERY), "{clock:?}");
    assert_eq!(clock.events, [Event::Stop]);
}

/// Stops as soon as it may, or as a timer says so.
#[derive(Debug, Default)]
struct Brief {
    at_once: bool,
    heard: Vec<&'static str>,
}

impl App for Brief {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        cx.set_timer(1, SOON);
        if self.at_once {
            cx.stop();
            cx.stop();
        }
    }

    fn on_event(&mut self, _: &mut Cx<'_>, event: Event) {
        self.heard.push(event.kind());
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>, _: u64) {
        self.heard.push("timer");
        cx.stop();
    }
}

#[test]
fn an_application_may_stop_at_once() {
    let brief = Brief { at_once: true, ..Brief::default() };
    assert_eq!(end(&spawn(node("brief", udp_port()), brief)).heard, ["STOP"]);
}

#[test]
fn what_comes_of_a_timer_is_told_in_the_same_turn() {
    let mut poll = mio::Poll::new().expect("a poll");
    let mut events = mio::Events::with_capacity(64);
    let mut driver = node("brief", udp_port()).driver(poll.registry(), mio::Token(0)).expect("a node");
    let mut app = Runner::new(Brief::default(), [1; 32]);
    driver.call_app(&mut app, App::on_start);
    while app.app().heard.is_empty() {
        let timeout = driver.app_timeout(&app).expect("a timer");
        assert!(timeout <= SOON);
        match poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled.expect("a poll"),
        }
        driver.turn(&events);
        driver.serve_app(&mut app);
    }
    assert_eq!((app.into_app().heard, driver.is_stopped()), (vec!["timer", "STOP"], true));
}

/// Must not be called.
#[derive(Debug)]
struct Never;

impl App for Never {
    fn on_start(&mut self, _: &mut Cx<'_>) {
        panic!("the node has not started");
    }
}

#[test]
fn a_node_that_cannot_start_is_an_error() {
    let port = udp_port();
    let refused = |builder| zre_mio::run(builder, Never).expect_err("no node");
    let long = refused(node(&"n".repeat(256), port));
    assert!(matches!(&long, RunError::Start(StartError::Config(ConfigError::Name(_)))), "{long:?}");
    assert!(long.to_string().contains("choose one of 1 to 255 octets"), "{long}");
    let nowhere = refused(node("x", port).interface("nowhere"));
    assert!(matches!(nowhere, RunError::Start(StartError::Interface(_))), "{nowhere:?}");
    let zero = refused(node("x", 0));
    assert!(matches!(zero, RunError::Start(StartError::PortZero)), "{zero:?}");
    let group = refused(node("x", port).group(""));
    assert!(matches!(group, RunError::Start(StartError::Group(SendError::BadGroup { found: 0 }))), "{group:?}");
}

/// Sends what the other is to count, as fast as it may.
#[derive(Debug, Default)]
struct Sender {
    sent: usize,
    full: usize,
}

impl Sender {
    const COUNT: usize = 500;
    const SIZE: usize = 64 << 10;

    fn go_on(&mut self, cx: &mut Cx<'_>, peer: PeerId) {
        while self.sent < Self::COUNT {
            let mut content = vec![0; Self::SIZE];
            content[..8].copy_from_slice(&(self.sent as u64).to_be_bytes());
            match cx.whisper(peer, content) {
                Ok(()) => self.sent += 1,
                Err(SendError::Full { .. }) => {
                    self.full += 1;
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl App for Sender {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        cx.set_timer(TOO_LATE, PATIENCE);
    }

    fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
        match event {
            Event::Enter { peer, .. } | Event::Room { peer } => self.go_on(cx, peer),
            Event::Exit { .. } => cx.stop(),
            _ => {}
        }
    }

    fn on_timer(&mut self, _: &mut Cx<'_>, _: u64) {
        panic!("{self:?}");
    }
}

/// Counts what comes, and what waits meanwhile.
#[derive(Debug, Default)]
struct Receiver {
    heard: u64,
    waited: usize,
}

impl App for Receiver {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        cx.set_timer(TOO_LATE, PATIENCE);
    }

    fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
        let waiting = cx.node().statistics().events_waiting;
        assert!(waiting >= event.octets(), "it waits until it is done with");
        self.waited = self.waited.max(waiting);
        if let Some(content) = event.content() {
            assert_eq!(content[0][..8], self.heard.to_be_bytes());
            self.heard += 1;
            if self.heard == Sender::COUNT as u64 {
                cx.stop();
            }
        }
    }

    fn on_timer(&mut self, _: &mut Cx<'_>, _: u64) {
        panic!("{self:?}");
    }
}

#[test]
fn events_wait_until_the_application_is_done_with_them_and_none_is_lost() {
    let port = udp_port();
    let mut limits = Limits::default();
    limits.events = 128 << 10;
    limits.send_queue = 256 << 10;
    let receiver = spawn(node("receiver", port).limits(limits.clone()), Receiver::default());
    let sender = spawn(node("sender", port).limits(limits.clone()), Sender::default());
    let (receiver, sender) = (end(&receiver), end(&sender));
    assert_eq!((receiver.heard, sender.sent), (Sender::COUNT as u64, Sender::COUNT));
    assert!(sender.full > 0, "it had to wait");
    // Beyond the limit there is what one connection had under way.
    assert!((Sender::SIZE..=limits.events + (2 << 20)).contains(&receiver.waited), "{receiver:?}");
}

/// Remembers what it hears.
#[derive(Debug, Default)]
struct Diary(Vec<(&'static str, Option<PeerId>)>);

impl App for Diary {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        cx.set_timer(TOO_LATE, PATIENCE);
    }

    fn on_event(&mut self, _: &mut Cx<'_>, event: Event) {
        self.0.push((event.kind(), event.peer()));
    }

    fn on_timer(&mut self, _: &mut Cx<'_>, _: u64) {
        panic!("{self:?}");
    }
}

#[test]
fn two_applications_in_one_poll_of_somebody_else() {
    let mut poll = mio::Poll::new().expect("a poll");
    let mut events = mio::Events::with_capacity(64);
    let port = udp_port();
    let registry = poll.registry().try_clone().expect("a registry");
    let start = |name, base| node(name, port).driver(&registry, mio::Token(base)).expect("a node");
    let mut drivers = [start("ann", 0), start("ben", Driver::TOKENS)];
    let mut apps = [1, 2].map(|seed| Runner::new(Diary::default(), [seed; 32]));
    for (driver, app) in drivers.iter_mut().zip(&mut apps) {
        driver.call_app(app, App::on_start);
    }
    // Until both have heard of such a thing; bounded by each diary's timer.
    let mut both_hear = |drivers: &mut [Driver; 2], apps: &mut [Runner<Diary>; 2], kind: &str| {
        while !apps.iter().all(|app| app.app().0.iter().any(|heard| heard.0 == kind)) {
            let timeout = drivers.iter().zip(&*apps).filter_map(|(driver, app)| driver.app_timeout(app)).min();
            assert!(timeout.is_some_and(|timeout| timeout <= PATIENCE));
            match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.expect("a poll"),
            }
            for (driver, app) in drivers.iter_mut().zip(&mut *apps) {
                driver.turn(&events);
                driver.serve_app(app);
            }
        }
    };
    both_hear(&mut drivers, &mut apps, "ENTER");
    let [ann, ben] = [drivers[0].engine().uuid(), drivers[1].engine().uuid()];
    // What comes of a call is told at once, not with the next turn.
    assert_eq!(drivers[0].call_app(&mut apps[0], |_, cx| cx.disconnect(ben)), Ok(()));
    assert_eq!(apps[0].app().0, [("ENTER", Some(ben)), ("EXIT", Some(ben))]);
    both_hear(&mut drivers, &mut apps, "EXIT");
    for (driver, app) in drivers.iter_mut().zip(&mut apps) {
        driver.call_app(app, |_, cx| cx.stop());
    }
    both_hear(&mut drivers, &mut apps, "STOP");
    assert!(drivers.iter().all(Driver::is_stopped));
    for (driver, app) in drivers.iter().zip(&apps) {
        assert_eq!(driver.app_timeout(app), None, "its timer does not come any more");
    }
    let [of_ann, of_ben] = apps.map(|app| app.into_app().0);
    assert_eq!((of_ann.first(), of_ann.last()), (Some(&("ENTER", Some(ben))), Some(&("STOP", None))));
    assert_eq!((of_ben.first(), of_ben.last()), (Some(&("ENTER", Some(ann))), Some(&("STOP", None))));
}
