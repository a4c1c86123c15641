//! Each method that Pyre documents, over real sockets on loopback inside a network of the test's own, and what Pyre has
//! not: handles on many threads, full queues, a descriptor to poll.

use std::{
    collections::BTreeSet,
    os::fd::AsFd,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use zre_mio::{ConfigError, Event, ExitReason, Node, PeerId, RecvError, SendError, StartError};
use zre_tests::{namespace, ours::Ours, solo, zre};

const SECOND: Duration = Duration::from_secs(1);

fn start(name: &str) -> Ours {
    Ours::start(Node::builder(name).interface("lo"))
}

fn is_enter(event: &Event) -> bool {
    matches!(event, Event::Enter { .. })
}

fn is_exit(event: &Event) -> bool {
    matches!(event, Event::Exit { .. })
}

fn is_whisper(event: &Event) -> bool {
    matches!(event, Event::Whisper { .. })
}

fn pair() -> (Ours, Ours) {
    let (mut alice, mut bob) = (start("alice"), start("bob"));
    alice.expect("ENTER", is_enter);
    bob.expect("ENTER", is_enter);
    (alice, bob)
}

#[test]
fn what_a_node_says_of_itself() {
    namespace::run("what_a_node_says_of_itself", || {
        let node = Node::builder("alice").interface("lo").start().expect("a node");
        assert_eq!(node.name(), "alice");
        assert_eq!(node.uuid().to_string().len(), 32);
        assert!(node.endpoint().expect("an endpoint").to_string().starts_with("tcp://127.0.0.1:"));
        let anonymous = Node::anonymous().interface("lo").start().expect("a node");
        assert_eq!(anonymous.name(), &anonymous.uuid().to_string()[..6]);
        let uuid: PeerId = "0123456789ABCDEF0123456789ABCDEF".parse().expect("a UUID");
        let chosen = Node::anonymous().uuid(uuid).mailbox_port(45_321).interface("127.0.0.1").start().expect("a node");
        assert_eq!(chosen.uuid(), uuid);
        assert_eq!(chosen.endpoint().expect("an endpoint").to_string(), "tcp://127.0.0.1:45321");
    });
}

#[test]
fn headers_are_told_on_discovery() {
    namespace::run("headers_are_told_on_discovery", || {
        let alice =
            Ours::start(Node::builder("alice").header("role", "sensor").header("role", "actor").interface("lo"));
        alice.node.set_header("late", "but in time").expect("a header");
        let mut bob = start("bob");
        let enter = bob.expect("ENTER", is_enter);
        let Event::Enter { peer, headers, .. } = &enter else { unreachable!() };
        assert_eq!(headers.get("role"), Some("actor"));
        assert_eq!(headers.get("Role"), None);
        assert_eq!(enter.peer(), Some(alice.node.uuid()));
        assert_eq!((enter.name(), enter.header("role"), enter.header("none")), (Some("alice"), Some("actor"), None));
        assert_eq!(bob.node.peer_headers(*peer).expect("headers").len(), 2);
        assert_eq!(bob.node.peer_header_value(*peer, "late").as_deref(), Some("but in time"));
        assert_eq!(bob.node.peer_header_value(*peer, "none"), None);
        assert_eq!(bob.node.peer_header_value(bob.node.uuid(), "role"), None);
        assert!(bob.node.peer_headers(bob.node.uuid()).is_none());
        // A header that is set now reaches new peers only.
        alice.node.set_header("later", "x").expect("a header");
        assert_eq!(bob.node.peer_header_value(*peer, "later"), None);
        let long = "v".repeat(8193);
        assert!(matches!(alice.node.set_header("k", &long), Err(ConfigError::HeaderValue { found: 8193, .. })));
        assert!(matches!(alice.node.set_header("", "v"), Err(ConfigError::HeaderName(_))));
    });
}

#[test]
fn interface_interval_and_port() {
    namespace::run("interface_interval_and_port", || {
        let slow = Ours::start(Node::builder("slow").interval(60 * SECOND).interface("lo"));
        let quick = Ours::start(Node::builder("quick").interval(Duration::from_millis(20)).interface("lo"));
        let mut elsewhere = Ours::start(Node::builder("elsewhere").port(5999).interface("lo"));
        let mut other = Ours::start(Node::builder("other").interface("v0"));
        elsewhere.expect_none("ENTER", SECOND, is_enter);
        other.expect_none("ENTER", Duration::from_millis(100), is_enter);
        assert_eq!(slow.node.statistics().beacons_sent, 1);
        assert!(quick.node.statistics().beacons_sent > 20);
        let refused = Node::builder("x").port(0).interface("lo").start();
        assert!(matches!(refused, Err(StartError::PortZero)));
        let refused = Node::builder("x").interface("nowhere").start();
        assert!(matches!(refused, Err(StartError::Interface(_))));
    });
}

#[test]
fn groups_are_joined_left_and_known() {
    namespace::run("groups_are_joined_left_and_known", || {
        let (mut alice, mut bob) = pair();
        let (a, b) = (alice.node.uuid(), bob.node.uuid());
        assert_eq!(alice.node.join("chat"), Ok(true));
        assert_eq!(alice.node.join("chat"), Ok(false));
        assert_eq!(alice.node.leave("never"), Ok(false));
        assert_eq!(alice.node.join("Chat"), Ok(true));
        bob.expect("JOIN", |event| matches!(event, Event::Join { group, .. } if &**group == "Chat"));
        assert_eq!(alice.node.own_groups(), ["Chat", "chat"]);
        assert_eq!(bob.node.peer_groups().iter().map(|group| &**group).collect::<Vec<_>>(), ["Chat", "chat"]);
        assert_eq!(bob.node.peers_by_group("chat"), [a]);
        assert_eq!(bob.node.peers(), [a]);
        assert_eq!(alice.node.peers(), [b]);
        assert!(bob.node.own_groups().is_empty() && alice.node.peer_groups().is_empty());
        assert_eq!(bob.node.peer_address(a), alice.node.endpoint());
        assert_eq!(bob.node.peer_name(a).as_deref(), Some("alice"));
        assert_eq!(alice.node.leave("chat"), Ok(true));
        bob.expect("LEAVE", |event| matches!(event, Event::Leave { group, .. } if &**group == "chat"));
        assert!(bob.node.peers_by_group("chat").is_empty());
        let found = 256;
        assert_eq!(alice.node.join(&"g".repeat(found)), Err(SendError::BadGroup { found }));
        alice.expect_none("anything", Duration::from_millis(50), |_| true);
    });
}

#[test]
fn whisper_and_shout_and_what_they_refuse() {
    namespace::run("whisper_and_shout_and_what_they_refuse", || {
        let (mut alice, mut bob) = pair();
        let (a, b) = (alice.node.uuid(), bob.node.uuid());
        alice.node.whisper(b, format!("{} and {:03}", "formatted", 7)).expect("a whisper");
        let whisper = bob.expect("WHISPER", is_whisper);
        assert_eq!(whisper.content().expect("content").text(), "formatted and 007");
        assert_eq!((whisper.name(), whisper.group(), whisper.kind()), (Some("alice"), None, "WHISPER"));
        alice.node.join("chat").expect("a group");
        bob.expect("JOIN", |event| matches!(event, Event::Join { .. }));
        // The shouter need not be in the group, and hears nothing of it.
        assert_eq!(bob.node.shout("chat", ["a", "b"]), Ok(1));
        alice.expect("SHOUT", |event| matches!(event, Event::Shout { content, .. } if content.len() == 2));
        assert_eq!(alice.node.shout("chat", "to nobody"), Ok(0));
        assert_eq!(alice.node.whisper(a, "to myself"), Err(SendError::UnknownPeer(a)));
        bob.node.stop();
        alice.expect("EXIT", is_exit);
        assert_eq!(alice.node.whisper(b, "too late"), Err(SendError::UnknownPeer(b)));
        assert_eq!(bob.node.whisper(a, "from beyond"), Err(SendError::Stopped));
        assert_eq!(bob.node.join("chat"), Err(SendError::Stopped));
    });
}

#[test]
fn the_ways_to_wait_for_events() {
    namespace::run("the_ways_to_wait_for_events", || {
        let bob = start("bob");
        assert_eq!(bob.node.try_recv(), Ok(None));
        assert_eq!(bob.node.recv_timeout(Duration::from_millis(10)), Ok(None));
        assert_eq!(bob.node.recent_events().count(), 0);
        let alice = start("alice");
        assert!(matches!(bob.node.recv(), Ok(Event::Enter { .. })));
        let peer = bob.node.uuid();
        let first = loop {
            match alice.node.whisper(peer, "1") {
                Err(SendError::UnknownPeer(_)) => assert!(alice.node.recv().is_ok()),
                result => break result,
            }
        };
        assert_eq!(first, Ok(()));
        for text in ["2", "3"] {
            alice.node.whisper(peer, text).expect("a whisper");
        }
        let text = |event| match event {
            Event::Whisper { content, .. } => content.text().into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(bob.node.events().take(3).map(text).collect::<Vec<_>>(), ["1", "2", "3"]);
        alice.node.stop();
        assert!(matches!(bob.node.recv(), Ok(Event::Exit { reason: ExitReason::Left, .. })));
        let kinds: Vec<_> = alice.node.events().map(|event| event.kind()).collect();
        assert_eq!(kinds.last(), Some(&"STOP"));
        assert_eq!(alice.node.recv(), Err(RecvError::Stopped));
        assert_eq!(alice.node.try_recv(), Err(RecvError::Stopped));
        assert_eq!(alice.node.events().count(), 0);
    });
}

#[test]
fn a_descriptor_tells_of_events() {
    namespace::run("a_descriptor_tells_of_events", || {
        let (mut alice, mut bob) = pair();
        let mut poll = mio::Poll::new().expect("a poll");
        let mut events = mio::Events::with_capacity(4);
        poll.registry().register(&mut bob.node, mio::Token(7), mio::Interest::READABLE).expect("a descriptor");
        let peer = bob.node.uuid();
        for round in 0..50 {
            alice.node.whisper(peer, round.to_string()).expect("a whisper");
            poll.poll(&mut events, Some(10 * SECOND)).expect("a poll");
            assert!(events.iter().any(|event| event.token() == mio::Token(7)), "round {round}");
            let told: Vec<_> = bob.node.recent_events().collect();
            assert_eq!(told.len(), 1);
        }
        assert!(bob.node.as_fd().try_clone_to_owned().is_ok());
        alice.node.stop();
        alice.expect("STOP", |event| *event == Event::Stop);
        poll.poll(&mut events, Some(10 * SECOND)).expect("a poll");
        assert!(!events.is_empty(), "EXIT rings as well");
    });
}

#[test]
fn dropping_a_node_without_stop_leaves_politely() {
    namespace::run("dropping_a_node_without_stop_leaves_politely", || {
        let (alice, mut bob) = pair();
        let clone = alice.node.clone();
        drop(alice);
        bob.expect_none("EXIT while a clone lives", Duration::from_millis(100), is_exit);
        drop(clone);
        let exit = bob.expect_within("EXIT", SECOND, is_exit);
        assert!(matches!(exit, Event::Exit { reason: ExitReason::Left, .. }), "{exit:?}");
    });
}

#[test]
fn eight_threads_share_one_node() {
    const THREADS: usize = 8;
    const EACH: usize = 2_000;
    namespace::run("eight_threads_share_one_node", || {
        let (alice, bob) = pair();
        let (a, b) = (alice.node.uuid(), bob.node.uuid());
        bob.node.join("all").expect("a group");
        alice.node.join("all").expect("a group");
        let heard = AtomicUsize::new(0);
        let together = Arc::new(Barrier::new(THREADS));
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (node, together, heard) = (alice.node.clone(), together.clone(), &heard);
                scope.spawn(move || {
                    together.wait();
                    for round in 0..EACH {
                        node.whisper(b, [format!("{number}").as_str(), &format!("{round}")]).expect("a whisper");
                        match round % 500 {
                            0 => drop(node.join(&format!("group {number}"))),
                            250 => drop(node.leave(&format!("group {number}"))),
                            _ => {}
                        }
                        assert_eq!(node.peers(), [b]);
                        assert!(node.peer_headers(b).is_some() && node.statistics().peers == 1);
                    }
                });
                let (node, heard_by) = (bob.node.clone(), heard);
                scope.spawn(move || {
                    while heard_by.load(Ordering::SeqCst) < THREADS * EACH {
                        if let Ok(Some(Event::Whisper { peer, .. })) = node.recv_timeout(Duration::from_millis(50)) {
                            assert_eq!(peer, a);
                            heard_by.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(heard.into_inner(), THREADS * EACH);
        assert_eq!((alice.node.peers(), bob.node.peers()), (vec![b], vec![a]));
    });
}

#[test]
fn seventy_thousand_whispers_each_way_arrive_in_order() {
    const MANY: usize = 70_000;
    namespace::run("seventy_thousand_whispers_each_way_arrive_in_order", || {
        let (alice, bob) = pair();
        let flood = |from: &Node, to: PeerId| {
            for number in 0..MANY {
                from.whisper(to, number.to_string()).expect("a whisper");
            }
        };
        let take = |node: &Node| {
            for number in 0..MANY {
                match node.recv_timeout(10 * SECOND) {
                    Ok(Some(Event::Whisper { content, .. })) => assert_eq!(content.text(), number.to_string()),
                    other => panic!("{other:?} in the place of {number}"),
                }
            }
        };
        let (a, b) = (alice.node.uuid(), bob.node.uuid());
        thread::scope(|scope| {
            scope.spawn(|| flood(&alice.node, b));
            scope.spawn(|| flood(&bob.node, a));
            scope.spawn(|| take(&alice.node));
            scope.spawn(|| take(&bob.node));
        });
        for status in 0..600 {
            let group = format!("group {}", status / 2);
            let changed = if status % 2 == 0 { alice.node.join(&group) } else { alice.node.leave(&group) };
            assert_eq!(changed, Ok(true));
        }
        assert_eq!(alice.node.whisper(b, "end"), Ok(()));
        let mut bob = bob;
        bob.expect("the end", is_whisper);
        assert_eq!((alice.node.peers(), bob.node.peers()), (vec![b], vec![a]));
        assert_eq!(bob.node.statistics().status_mismatches, 0);
    });
}

#[test]
fn a_reader_that_never_reads_is_slow_and_the_sender_is_told() {
    namespace::run("a_reader_that_never_reads_is_slow_and_the_sender_is_told", || {
        let sender = Node::builder("sender").interface("lo").send_timeout(Duration::from_millis(1500));
        let mut sender = Ours::start(sender);
        let mut reader = start("reader");
        let peer = reader.node.uuid();
        sender.expect("ENTER", is_enter);
        reader.expect("ENTER", is_enter);
        let payload = "x".repeat(1 << 20);
        let mut sent = 0;
        let error = loop {
            match sender.node.whisper(peer, payload.clone()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 1000, "memory is bounded");
        };
        assert_eq!(error, SendError::Slow { peer });
        let exit = sender.expect("EXIT", is_exit);
        assert!(matches!(exit, Event::Exit { reason: ExitReason::Slow, unsent: 1.., .. }), "{exit:?}");
    });
}

#[test]
fn a_slow_reader_loses_nothing_and_try_tells_when_there_is_room() {
    namespace::run("a_slow_reader_loses_nothing_and_try_tells_when_there_is_room", || {
        let mut sender = start("sender");
        let mut reader = start("reader");
        let peer = reader.node.uuid();
        sender.expect("ENTER", is_enter);
        reader.expect("ENTER", is_enter);
        let payload = |number: usize| " ".repeat(1 << 20) + &number.to_string();
        let mut sent = 0;
        while sender.node.try_whisper(peer, payload(sent)).is_ok() {
            sent += 1;
            assert!(sent < 1000, "memory is bounded");
        }
        for number in 0..sent {
            let Event::Whisper { content, .. } = reader.expect("WHISPER", is_whisper) else { unreachable!() };
            assert_eq!(content.text().trim_start().parse(), Ok(number));
        }
        sender.expect("ROOM", |event| matches!(event, Event::Room { .. }));
        sender.expect_none("another ROOM", Duration::from_millis(100), |event| matches!(event, Event::Room { .. }));
        assert_eq!(sender.node.try_whisper(peer, "room again"), Ok(()));
    });
}

#[test]
fn a_node_goes_on_while_its_application_takes_nothing() {
    namespace::run("a_node_goes_on_while_its_application_takes_nothing", || {
        const SENT: usize = 64;
        let mut sender = start("sender");
        let idler = Node::builder("idler").interface("lo").expired(4 * SECOND).start().expect("a node");
        let peer = idler.uuid();
        sender.expect_enter(peer);
        // More than its thread runs ahead of an application, and less than makes the sender wait.
        let payload = |number: usize| format!("{number:>65000}");
        (0..SENT).for_each(|number| sender.node.whisper(peer, payload(number)).expect("there is room"));
        // It lets others in, sends, and leaves in time.
        let mut late = start("late");
        late.expect_enter(peer);
        let late_peer = late.node.uuid();
        for _ in 0..100 {
            if idler.peers().contains(&late_peer) {
                break;
            }
            late.expect_none("an end", SECOND / 10, is_exit);
        }
        assert_eq!(idler.whisper(late_peer, payload(SENT)), Ok(()));
        late.expect("WHISPER", is_whisper);
        idler.stop();
        for other in [&mut sender, &mut late] {
            let exit = other.expect("EXIT", is_exit);
            assert!(matches!(exit, Event::Exit { reason: ExitReason::Left, .. }), "{exit:?}");
        }
        // And all is there for who takes it at last.
        let whispers = idler.events().filter(is_whisper);
        let texts = whispers.filter_map(|event| Some(event.content()?.text().into_owned()));
        assert!(texts.eq((0..SENT).map(payload)));
    });
}

#[test]
fn fifty_nodes_in_one_process_mesh_stay_quiet_and_stop() {
    const NODES: usize = 50;
    namespace::run("fifty_nodes_in_one_process_mesh_stay_quiet_and_stop", || {
        let nodes: Vec<_> = (0..NODES).map(|number| start(&format!("node {number}"))).collect();
        let mut connects = Vec::new();
        thread::scope(|scope| {
            let meeting = nodes.into_iter().map(|mut ours| {
                scope.spawn(move || {
                    let mut met = BTreeSet::new();
                    while met.len() < NODES - 1 {
                        met.insert(ours.expect_within("ENTER", 5 * SECOND, is_enter).peer());
                    }
                    ours
                })
            });
            connects = meeting.collect::<Vec<_>>().into_iter().map(|meets| meets.join().expect("it met all")).collect();
        });
        let mut nodes: Vec<Ours> = connects;
        let connections =
            |nodes: &[Ours]| nodes.iter().map(|ours| ours.node.statistics().connections).collect::<Vec<_>>();
        let before = connections(&nodes);
        for ours in &mut nodes[..1] {
            ours.expect_none("an event in silence", 7 * SECOND, |_| true);
        }
        for ours in &mut nodes {
            ours.expect_none("an event in silence", Duration::ZERO, |_| true);
        }
        assert_eq!(connections(&nodes), before);
        assert!(before.iter().all(|count| *count == 2 * (NODES - 1)), "{before:?}");
        thread::scope(|scope| {
            for ours in &nodes {
                scope.spawn(|| ours.node.stop());
            }
        });
        for ours in &mut nodes {
            ours.expect_within("STOP", Duration::ZERO, |event| *event == Event::Stop);
        }
    });
}

#[test]
fn a_node_at_an_endpoint_of_its_own_sends_no_beacons_and_is_met_by_who_knows_it() {
    namespace::run("a_node_at_an_endpoint_of_its_own_sends_no_beacons_and_is_met_by_who_knows_it", || {
        let endpoint = "tcp://127.0.0.1:45671".parse::<zre_mio::Address>().expect("an endpoint");
        let mut node = Ours::start(Node::builder("hermit").endpoint(endpoint.clone()));
        assert_eq!(node.node.endpoint(), Some(endpoint.clone()));
        let other = start("other");
        node.expect_none("ENTER", Duration::from_millis(1200), is_enter);
        assert_eq!(node.node.statistics().beacons_sent, 0);
        assert!(other.node.peers().is_empty());

        // A peer played by hand connects, as one would that knows the endpoint from elsewhere.
        let mailbox = std::net::TcpListener::bind("127.0.0.1:0").expect("a mailbox");
        let hello = zre_proto::message::Hello {
            endpoint: format!("tcp://{}", mailbox.local_addr().expect("an address")).into(),
            name: "visitor".into(),
            ..Default::default()
        };
        let hello = zre_proto::Message { sequence: 1, body: zre_proto::message::Body::Hello(hello) };
        let mut visitor = std::net::TcpStream::connect("127.0.0.1:45671").expect("it listens");
        let octets = [solo::dealer_opening(uuid::Uuid::from_u128(7)), solo::message(&hello, &[])].concat();
        std::io::Write::write_all(&mut visitor, &octets).expect("it reads");
        let enter = node.expect("ENTER", is_enter);
        assert!(matches!(&enter, Event::Enter { name, .. } if &**name == "visitor"), "{enter:?}");
        assert!(mailbox.accept().is_ok(), "it connects back");

        let taken = Node::builder("late").endpoint(endpoint).start();
        assert!(matches!(taken, Err(StartError::Held { .. })));
    });
}

#[test]
fn a_restart_on_the_same_port_is_exit_of_the_old_and_enter_of_the_new() {
    zre::program();
    namespace::run("a_restart_on_the_same_port_is_exit_of_the_old_and_enter_of_the_new", || {
        let mut watcher = start("watcher");
        let arguments = ["--interface", "lo", "--mailbox-port", "45672"];
        let old = zre::pipe("old", &arguments);
        let uuid = old.uuid().to_owned();
        watcher.expect("ENTER", is_enter);
        old.kill9();
        let new = zre::pipe("new", &arguments);
        let exit = watcher.expect_within("EXIT", 2 * SECOND, is_exit);
        assert_eq!(exit.peer().expect("a peer").to_string(), uuid);
        let enter = watcher.expect_within("ENTER", 2 * SECOND, is_enter);
        assert_eq!(enter.peer().expect("a peer").to_string(), new.uuid());
        watcher.expect_none("more", SECOND, |_| true);
        assert_eq!(watcher.node.peers().len(), 1);
    });
}

#[test]
fn a_reset_in_the_middle_of_traffic_is_lost_and_met_again_and_traffic_goes_on() {
    namespace::run("a_reset_in_the_middle_of_traffic_is_lost_and_met_again_and_traffic_goes_on", || {
        let (mut alice, mut bob) = pair();
        let (a, b) = (alice.node.uuid(), bob.node.uuid());
        for number in 0..1000 {
            alice.node.whisper(b, number.to_string()).expect("a whisper");
        }
        // The system tears down every connection on lo that stands: as a router does that has forgotten them.
        let ss = std::process::Command::new("ss").args(["-K", "-t", "state", "established"]).output();
        let killed = String::from_utf8_lossy(&ss.expect("ss comes with ip").stdout).lines().count();
        if killed < 2 {
            // A line of headings, and one for each connection that is gone.
            return namespace::skip("this kernel does not tear down connections by request");
        }
        for (ours, other) in [(&mut alice, b), (&mut bob, a)] {
            let exit = ours.expect("EXIT", is_exit);
            assert!(matches!(exit, Event::Exit { peer, reason: ExitReason::Lost, .. } if peer == other), "{exit:?}");
            ours.expect("ENTER", is_enter);
        }
        alice.node.whisper(b, "and on").expect("a whisper");
        bob.expect("the whisper", |event| event.content().is_some_and(|content| content.text() == "and on"));
        for ours in [&mut alice, &mut bob] {
            ours.expect_none("a storm", 2 * SECOND, |event| is_enter(event) || is_exit(event));
        }
    });
}
