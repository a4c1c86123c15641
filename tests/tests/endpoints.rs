//! Mailboxes and hubs at endpoints of the user's choice: over TCP, over sockets with a path, within the process.

use mio::{Events, Poll, Token};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};
use zre_mio::{Address, Builder, Driver, Event, ListenerKind, Node, PeerId, SendError, StartError};
use zre_tests::{libzmq::Libzmq, namespace, ours::Ours, pyre::Pyre};

/// All that can be had without a network, each wherever it is free.
const ANYWHERE: [&str; 4] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://*", "tcp://lo:!"];

fn is_enter(event: &Event) -> bool {
    matches!(event, Event::Enter { .. })
}

fn endpoint(ours: &Ours) -> String {
    ours.node.endpoint().expect("an endpoint").to_string()
}

fn at(name: &str, endpoint: &str) -> Builder {
    Node::builder(name).endpoint(endpoint)
}

/// A path that no other test has.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("zre-endpoints-{}-{name}", process::id()))
}

/// Both enter, each where the other says.
#[track_caller]
fn meet(one: &mut Ours, other: &mut Ours) {
    enters(one, other);
    enters(other, one);
}

#[track_caller]
fn enters(ours: &mut Ours, theirs: &Ours) {
    let (uuid, place) = (theirs.node.uuid(), theirs.node.endpoint().expect("an endpoint"));
    let entered = ours.expect("ENTER", |event| is_enter(event) && event.peer() == Some(uuid));
    let Event::Enter { endpoint, .. } = entered else { unreachable!("an ENTER") };
    assert_eq!(endpoint, place);
}

/// Two nodes of which the second was told where the first is.
#[track_caller]
fn pair(place: &str) -> (Ours, Ours) {
    let mut alice = Ours::start(at("alice", place));
    let mut bob = Ours::start(at("bob", place).peer(endpoint(&alice)));
    meet(&mut alice, &mut bob);
    (alice, bob)
}

/// A message that can be told from others of its size.
fn numbered(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + number) as u8).collect()
}

#[track_caller]
fn expect_numbered(ours: &Ours, sizes: impl Iterator<Item = usize>) {
    for (number, size) in sizes.enumerate() {
        let event = ours.node.recv_timeout(Duration::from_secs(30)).expect("it runs");
        let Some(Event::Whisper { content, .. }) = event else { panic!("message {number}: {event:?}") };
        assert!(content[0] == numbered(number, size), "message {number}");
    }
}

#[test]
fn messages_of_all_sizes_go_both_ways_in_order_over_each_transport() {
    let sizes = || (0..1000).map(|number| number % 50).chain([70_000, 1, 3_000_000, 0]).chain([70_000; 20]);
    for place in ANYWHERE {
        let (alice, bob) = pair(place);
        thread::scope(|scope| {
            for (from, to) in [(&alice, &bob), (&bob, &alice)] {
                scope.spawn(move || {
                    for (number, size) in sizes().enumerate() {
                        from.node.whisper(to.node.uuid(), numbered(number, size)).expect("it is taken");
                    }
                });
                scope.spawn(move || expect_numbered(to, sizes()));
            }
        });
        assert_eq!(alice.node.statistics().connections, 2, "one each way over {place}");
    }
}

#[test]
fn who_sends_to_a_slow_reader_waits_and_loses_nothing() {
    const SIZE: usize = 256 << 10;
    for place in ANYWHERE {
        let (alice, bob) = pair(place);
        let to = bob.node.uuid();
        // Until all that lies between the two is full, which takes a while after the first.
        let mut sent = 0;
        let mut refused = 0;
        while refused < 1000 {
            match alice.node.try_whisper(to, numbered(sent, SIZE)) {
                Ok(()) => (sent, refused) = (sent + 1, 0),
                Err(SendError::Full { peer }) if peer == to => refused += 1,
                Err(error) => panic!("{error}"),
            }
            thread::yield_now();
        }
        assert!(sent * SIZE > 8 << 20 && sent * SIZE < 64 << 20, "{place}: {sent}");
        expect_numbered(&bob, (0..sent).map(|_| SIZE));
    }
}

#[test]
fn who_leaves_is_seen_to_leave_with_its_last_words() {
    for place in ANYWHERE {
        let (alice, mut bob) = pair(place);
        for number in 0..100 {
            alice.node.whisper(bob.node.uuid(), numbered(number, 10_000)).expect("it is taken");
        }
        alice.node.stop();
        expect_numbered(&bob, (0..100).map(|_| 10_000));
        let exit = bob.expect("EXIT", |event| matches!(event, Event::Exit { .. }));
        assert!(matches!(exit, Event::Exit { reason: zre_mio::ExitReason::Left, .. }), "{place}: {exit:?}");
    }
}

#[test]
fn a_place_in_use_is_an_error_that_names_it_and_one_left_behind_is_not() {
    for place in ANYWHERE {
        let alice = Ours::start(at("alice", place));
        let taken = endpoint(&alice);
        let error = at("late", &taken).start().expect_err("it is taken");
        assert!(matches!(error, StartError::Held { kind: ListenerKind::Mailbox, .. }), "{error}");
        assert!(error.to_string().contains(&taken), "{error}");
        let error = at("late", place).gossip_bind(&taken).start().expect_err("it is taken");
        assert!(matches!(error, StartError::Held { kind: ListenerKind::Hub, .. }), "{error}");
        // At the end of a node its place is free, whatever is still held of the node.
        alice.node.stop();
        let again = Ours::start(at("again", &taken));
        assert_eq!(endpoint(&again), taken);
    }
}

#[test]
fn the_file_of_a_socket_is_replaced_when_stale_and_goes_with_the_node() {
    let path = path("stale");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "it is left behind");
    let place = format!("ipc://{}", path.display());
    let (mut alice, mut bob) = (Ours::start(at("alice", &place)), Ours::start(at("bob", "ipc://*").peer(&place)));
    meet(&mut alice, &mut bob);
    let other = PathBuf::from(endpoint(&bob).strip_prefix("ipc://").expect("a path"));
    assert!(other.exists());
    alice.node.stop();
    assert!(!path.exists());
    drop(bob);
    assert!(!other.exists());

    fs::write(&path, "precious").expect("a file");
    let error = at("late", &place).start().expect_err("no socket").to_string();
    assert!(error.contains("a file that is no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
    let _ = fs::remove_file(&path);
}

#[test]
#[cfg(target_os = "linux")]
fn names_without_a_file() {
    let place = format!("ipc://@zre endpoints {}", process::id());
    let mut alice = Ours::start(at("alice", &place));
    assert_eq!(endpoint(&alice), place);
    let mut bob = Ours::start(at("bob", "ipc://*").peer(&place));
    meet(&mut alice, &mut bob);
    assert!(!Path::new(place.trim_start_matches("ipc://")).exists());
}

#[test]
fn a_star_is_the_chosen_interface_or_all_of_them() {
    namespace::run("a_star_is_the_chosen_interface_or_all_of_them", || {
        let chosen = Ours::start(at("chosen", "tcp://*:*").interface("lo"));
        assert!(endpoint(&chosen).starts_with("tcp://127.0.0.1:"), "{}", endpoint(&chosen));
        let mut all = Ours::start(at("all", "tcp://*:47001"));
        let mut near = Ours::start(at("near", "tcp://127.0.0.1:*").peer("tcp://localhost:47001"));
        let mut far =
            Ours::start(at("far", &format!("tcp://{}:*", namespace::INTERFACE)).peer("tcp://10.66.0.1:47001"));
        for ours in [&mut near, &mut far] {
            ours.expect("ENTER", is_enter);
            all.expect("ENTER", is_enter);
        }
        assert_eq!(all.node.peer_address(far.node.uuid()), far.node.endpoint());
        assert!(endpoint(&far).starts_with("tcp://10.66.0.1:"), "{}", endpoint(&far));
    });
}

#[test]
fn beacons_go_out_for_a_mailbox_at_an_endpoint_where_they_are_wanted() {
    namespace::run("beacons_go_out_for_a_mailbox_at_an_endpoint_where_they_are_wanted", || {
        let mut alice = Ours::start(at("alice", "tcp://127.0.0.1:47002").interface("lo").beacons());
        let mut bob = Ours::start(Node::builder("bob").interface("lo"));
        meet(&mut alice, &mut bob);
        assert_eq!(endpoint(&alice), "tcp://127.0.0.1:47002");
        let error = at("late", "inproc://*").interface("lo").beacons().start().expect_err("no port").to_string();
        assert!(error.contains("no TCP port"), "{error}");
    });
}

#[test]
fn those_who_gossip_with_a_hub_meet() {
    for place in ANYWHERE {
        let hub = Ours::start(Node::builder("hub").hub().gossip_bind(place));
        let [Address::Tcp(_) | Address::Ipc(_) | Address::Inproc(_)] = &hub.node.gossip_endpoints()[..] else {
            panic!("one hub: {:?}", hub.node.gossip_endpoints())
        };
        let at_hub = hub.node.gossip_endpoints()[0].clone();
        let mut alice = Ours::start(at("alice", place).gossip_connect(&at_hub));
        let mut bob = Ours::start(at("bob", place));
        assert_eq!(bob.node.gossip_connect(at_hub.clone()), Ok(true));
        assert_eq!(bob.node.gossip_connect(at_hub), Ok(false));
        meet(&mut alice, &mut bob);
        assert!(hub.node.peers().is_empty());
    }
}

#[test]
fn a_node_is_met_where_it_advertises_to_be() {
    namespace::run("a_node_is_met_where_it_advertises_to_be", || {
        let place = "tcp://localhost:47003";
        let mut alice = Ours::start(at("alice", "tcp://*:47003").advertise(place).gossip_bind("tcp://127.0.0.1:*"));
        assert_eq!(endpoint(&alice), place);
        let hub = alice.node.gossip_endpoints()[0].clone();
        let mut bob = Ours::start(at("bob", "tcp://127.0.0.1:*").gossip_connect(hub));
        let uuid = alice.node.uuid();
        bob.expect("ENTER", |event| is_enter(event) && event.peer() == Some(uuid));
        enters(&mut alice, &bob);
    });
}

#[test]
fn a_node_becomes_a_hub_while_it_runs_and_a_peer_is_named_while_it_runs() {
    let mut alice = Ours::start(at("alice", "inproc://*").gossip_bind("inproc://*"));
    let place = alice.node.gossip_bind("ipc://*").expect("it is free");
    assert_eq!(alice.node.gossip_endpoints().len(), 2);
    assert_eq!(alice.node.gossip_endpoints()[1], place);
    let mut bob = Ours::start(at("bob", "inproc://*").gossip_connect(&place));
    meet(&mut alice, &mut bob);
    let mut carol = Ours::start(at("carol", "inproc://*"));
    let place = alice.node.endpoint().expect("an endpoint");
    assert_eq!(carol.node.require_peer(Some(alice.node.uuid()), place), Ok(true));
    meet(&mut alice, &mut carol);
    alice.node.stop();
    assert!(matches!(alice.node.gossip_bind("ipc://*"), Err(StartError::Stopped)));
}

#[test]
fn those_who_contest_have_a_leader() {
    let start = |name| Ours::start(at(name, "inproc://*").group("tea").contest("tea"));
    let mut alice = start("alice");
    let mut bob = Ours::start(at("bob", "inproc://*").group("tea").peer(endpoint(&alice)));
    meet(&mut alice, &mut bob);
    assert_eq!(bob.node.set_contest_in_group("tea"), Ok(true));
    assert_eq!(alice.node.set_contest_in_group("tea"), Ok(false));
    let least = alice.node.uuid().min(bob.node.uuid());
    for ours in [&mut alice, &mut bob] {
        ours.expect("LEADER", |event| matches!(event, Event::Leader { peer, .. } if *peer == least));
        assert_eq!(ours.node.leader("tea"), Some(least));
        assert_eq!(ours.node.leader("coffee"), None);
    }
}

#[test]
fn two_drivers_in_one_poll_meet_within_the_process() {
    let mut poll = Poll::new().expect("a poll");
    let mut events = Events::with_capacity(64);
    let start = |builder: Builder, base| builder.driver(poll.registry(), Token(base)).expect("it starts");
    let ann = start(at("ann", "inproc://*"), 0);
    let place = ann.engine().endpoint().expect("an endpoint");
    let mut drivers = [ann, start(at("ben", "inproc://*").peer(place), Driver::TOKENS)];
    let [ann, ben] = [0, 1].map(|index: usize| drivers[index].engine().uuid());
    let mut told: Vec<(PeerId, &str, Option<PeerId>)> = Vec::new();
    while !drivers.iter().all(Driver::is_stopped) {
        poll.poll(&mut events, drivers.iter().filter_map(Driver::timeout).min()).expect("it polls");
        for driver in &mut drivers {
            driver.turn(&events);
            while let Some(event) = driver.poll_event() {
                told.push((driver.engine().uuid(), event.kind(), event.peer()));
                match event {
                    Event::Enter { peer, .. } if peer == ben => driver.whisper(peer, "hello").expect("room"),
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
fn a_setting_that_cannot_work_is_named() {
    for (builder, words) in [
        (at("x", "tcp://127.0.0.1"), "endpoint \"tcp://127.0.0.1\": it must end with a port"),
        (at("x", "inproc://*").gossip_bind("hub"), "gossip_bind \"hub\": it must start with tcp://"),
        (at("x", "inproc://*").gossip_connect("tcp://*:5"), "gossip_connect \"tcp://*:5\""),
        (at("x", "inproc://*").gossip_connect("tcp://0.0.0.0:5"), "gossip_connect \"tcp://0.0.0.0:5\""),
        (at("x", "inproc://*").peer("tcp://h:0"), "peer \"tcp://h:0\""),
        (at("x", "inproc://*").advertise("here"), "advertise \"here\""),
        (at("x", "inproc://*").interface("nowhere7"), "nowhere7"),
        (Node::builder("x").hub(), "gossip_bind"),
        (at("x", "inproc://*").hub().gossip_bind("inproc://*"), "endpoint is for nodes that have peers"),
    ] {
        let error = builder.start().expect_err(words).to_string();
        assert!(error.contains(words), "{words:?} is not in: {error}");
    }
}

#[test]
fn libzmq_gossips_over_a_socket_with_a_path() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("libzmq_gossips_over_a_socket_with_a_path", || {
        let ours = Ours::start(at("ours", "ipc://*").gossip_bind(format!("ipc://{}", path("hub").display())));
        let mut zmq = Libzmq::start("gossip");
        zmq.open("client", "DEALER", json!({}));
        zmq.connect_to("client", &ours.node.gossip_endpoints()[0].to_string());
        zmq.expect_of("client", "HANDSHAKE_SUCCEEDED");
        // HELLO: the hub tells what it knows, itself at least.
        zmq.send_frames("client", &[&[0xaa, 0xa0, 1, 1]]);
        let hexadecimal: String = endpoint(&ours).bytes().map(|octet| format!("{octet:02x}")).collect();
        let told = |line: &serde_json::Value| {
            let frame = line["frames"][0].as_str().unwrap_or_default();
            line["socket"] == "client" && frame.starts_with("aaa002") && frame.contains(&hexadecimal)
        };
        zmq.expect_event("FRAMES", told);

        // And the other way round.
        zmq.open("hub", "ROUTER", json!({}));
        let place = format!("ipc://{}", path("libzmq").display());
        let bound = zmq.ask(json!({"do": "bind", "socket": "hub", "endpoint": place}));
        assert_eq!(bound, place);
        assert_eq!(ours.node.gossip_connect(place.parse().expect("an endpoint")), Ok(true));
        let hello = |line: &serde_json::Value| line["socket"] == "hub" && line["frames"][1] == "aaa00101";
        zmq.expect_event("FRAMES", hello);
        zmq.close("client");
        zmq.close("hub");
        zmq.stop();
        let _ = fs::remove_file(path("libzmq"));
    });
}
