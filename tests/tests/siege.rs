//! Real sockets, and somebody on the same network who means ill: two honest nodes notice nothing, and others get in.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};
use uuid::Uuid;
use zre_mio::{Address, Event, Node, PeerId};
use zre_proto::{
    Beacon, Message,
    message::{Body, Hello},
};
use zre_tests::{
    namespace,
    ours::Ours,
    solo::{dealer_opening, message},
};

const SECOND: Duration = Duration::from_secs(1);
/// Another address of this machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

fn start(name: &str) -> Ours {
    Ours::start(Node::builder(name).interface("lo"))
}

fn enters(name: &'static str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Enter { name: found, .. } if **found == *name)
}

fn mailbox(ours: &Ours) -> SocketAddr {
    match ours.node.endpoint().expect("an endpoint") {
        Address::Tcp(at) => at,
        other => panic!("{other} is no TCP address"),
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

#[expect(clippy::disallowed_methods, reason = "how long something over real sockets takes is asked of a real clock")]
fn now() -> Instant {
    Instant::now()
}

/// A socket that beacons come from, at an address of this machine.
fn beacons_from(at: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((at, 0)).expect("a socket");
    socket.set_broadcast(true).expect("broadcasts");
    socket
}

fn say_beacon(socket: &UdpSocket, uuid: Uuid, port: u16) {
    let beacon = Beacon { uuid, port, public_key: None }.encode();
    // A full buffer loses one: that is what datagrams are like.
    let _ = socket.send_to(&beacon, "127.255.255.255:5670");
}

/// Whispers in both directions, numbered: all that was sent comes, in order, and nothing else from the other.
struct Talk<'a> {
    pair: [&'a mut Ours; 2],
    number: u32,
}

impl Talk<'_> {
    #[track_caller]
    fn turn(&mut self) {
        self.number += 1;
        let text = format!("number {}", self.number);
        let ids = self.pair.each_ref().map(|ours| ours.node.uuid());
        for (ours, other) in self.pair.iter().zip([ids[1], ids[0]]) {
            ours.node.whisper(other, text.as_str()).expect("the other is there");
        }
        for (ours, other) in self.pair.iter_mut().zip([ids[1], ids[0]]) {
            let heard = ours.expect("what the other says", |event| {
                event.peer() == Some(other) && !matches!(event, Event::IdentityConflict { .. })
            });
            assert!(matches!(&heard, Event::Whisper { content, .. } if content.text() == text), "{heard:?}");
        }
    }
}

/// 50,000 beacons of nodes that are none: some at ports where nobody listens, some where somebody does and says nothing.
/// Ends when it is told to, and not before; then tells how many there were.
fn flood(stop: &mpsc::Receiver<()>, traps: &[u16]) -> u32 {
    const BURST: u32 = 50;
    let socket = beacons_from(Ipv4Addr::LOCALHOST);
    let mut number = 0u32;
    loop {
        for _ in 0..BURST {
            number += 1;
            let port = match number % 4 {
                0 => traps[(number / 4) as usize % traps.len()],
                _ => (number.wrapping_mul(2_654_435_761) >> 16) as u16 | 1,
            };
            say_beacon(&socket, Uuid::from_u64_pair(0xF100D, number.into()), port);
        }
        match stop.recv_timeout(Duration::from_millis(10)) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return number,
        }
    }
}

#[test]
fn fifty_thousand_forged_beacons_cost_nobody_anything() {
    namespace::run("fifty_thousand_forged_beacons_cost_nobody_anything", || {
        let (mut alice, mut bob) = (start("alice"), start("bob"));
        alice.expect("ENTER", enters("bob"));
        bob.expect("ENTER", enters("alice"));
        // Each takes connections, and never says a word.
        let traps: Vec<_> = (0..64).map(|_| TcpListener::bind("127.0.0.1:0").expect("a listener")).collect();
        let ports: Vec<_> = traps.iter().map(|trap| trap.local_addr().expect("its address").port()).collect();
        let before = descriptors();
        let (stop, stopped) = mpsc::channel();
        let flooding = thread::spawn(move || flood(&stopped, &ports));

        let begin = now();
        let heard = |ours: &Ours| {
            let statistics = ours.node.statistics();
            statistics.beacons_received + statistics.beacons_rejected.values().sum::<u64>()
        };
        let (mut strangers, mut most) = (0, 0);
        let mut carol = None;
        let mut talk = Talk { pair: [&mut alice, &mut bob], number: 0 };
        // Until all are said, in a while that is long enough for a newcomer.
        while heard(talk.pair[0]) < 50_000 {
            assert!(begin.elapsed() < 60 * SECOND, "{} beacons heard in a minute", heard(talk.pair[0]));
            talk.turn();
            if carol.is_none() && begin.elapsed() > SECOND {
                carol = Some((start("carol"), now()));
            }
            for ours in &talk.pair {
                strangers = strangers.max(ours.node.statistics().strangers);
            }
            most = most.max(descriptors());
        }
        let (mut carol, began) = carol.expect("it started");
        for ours in &mut talk.pair {
            ours.expect_within("ENTER of carol", (15 * SECOND).saturating_sub(began.elapsed()), enters("carol"));
        }
        carol.expect_within("ENTER of alice", 15 * SECOND, enters("alice"));
        carol.expect_within("ENTER of bob", 15 * SECOND, enters("bob"));
        talk.turn();
        stop.send(()).expect("it still floods");
        let sent = flooding.join().expect("the flood ends");

        let mut dave = start("dave");
        for ours in &mut talk.pair {
            ours.expect_within("ENTER of dave", 2 * SECOND, enters("dave"));
        }
        dave.expect_within("ENTER of alice", 2 * SECOND, enters("alice"));
        let number = talk.number;
        println!(
            "{sent} forged beacons in {:?}, {number} whispers each way; at most {strangers} strangers, and {} descriptors more than before",
            begin.elapsed(),
            most - before
        );
        assert!(sent >= 50_000 && strangers > 0 && strangers <= 128);
        // Three nodes, each with two sockets for each of its strangers at most, and for each peer.
        assert!(most - before <= 3 * (2 * 128 + 2 * 3 + 8), "{most} descriptors, {before} before");
        for ours in [&mut alice, &mut bob, &mut carol] {
            ours.expect_none("an EXIT", Duration::ZERO, |event| matches!(event, Event::Exit { .. }));
        }
    });
}

#[test]
fn who_lies_at_another_address_displaces_nobody() {
    namespace::run("who_lies_at_another_address_displaces_nobody", || {
        let (mut alice, mut bob) = (start("alice"), start("bob"));
        alice.expect("ENTER", enters("bob"));
        bob.expect("ENTER", enters("alice"));
        let (at_alice, at_bob) = (mailbox(&alice), mailbox(&bob));
        let uuid = Uuid::from(bob.node.uuid());
        let mut talk = Talk { pair: [&mut alice, &mut bob], number: 0 };
        talk.turn();

        // Beacons in his name: that he leaves, and that he is elsewhere.
        let socket = beacons_from(ELSEWHERE);
        for port in [0, 7, at_bob.port()] {
            say_beacon(&socket, uuid, port);
        }
        let refused = |ours: &Ours| ours.node.statistics().beacons_rejected.get("not the peer's address").copied();
        while refused(talk.pair[0]) < Some(3) {
            talk.turn();
        }

        // A HELLO with his UUID.
        let hello = |name: &str, endpoint: String| {
            let (groups, headers) = (vec!["lies".into()], Vec::new());
            let hello = Hello { endpoint: endpoint.as_str().into(), groups, status: 1, name: name.into(), headers };
            message(&Message { sequence: 1, body: Body::Hello(hello) }, &[])
        };
        let mut liar = connect_from(ELSEWHERE, at_alice);
        liar.write_all(&dealer_opening(uuid)).expect("it is let in");
        liar.write_all(&hello("liar", format!("tcp://{ELSEWHERE}:7"))).expect("it is let in");
        liar.set_read_timeout(Some(10 * SECOND)).expect("a deadline");
        // Greeting and READY; then the end, and no word more.
        let mut answer = Vec::new();
        liar.read_to_end(&mut answer).expect("it is turned away");
        let conflict =
            talk.pair[0].expect("IDENTITY-CONFLICT", |event| matches!(event, Event::IdentityConflict { .. }));
        assert_eq!(conflict.peer(), Some(PeerId::from(uuid)));
        assert_eq!(talk.pair[0].node.statistics().identity_conflicts, 1);
        talk.turn();

        // A HELLO with his endpoint.
        let mut liar = connect_from(ELSEWHERE, at_alice);
        liar.write_all(&dealer_opening(Uuid::from_u128(0xBAD))).expect("it is let in");
        liar.write_all(&hello("mallory", format!("tcp://{at_bob}"))).expect("it is let in");
        let entered = talk.pair[0].expect("ENTER of mallory", enters("mallory"));
        let Event::Enter { endpoint, .. } = entered else { unreachable!("an ENTER") };
        assert_eq!(endpoint.to_string(), format!("tcp://{ELSEWHERE}:{}", at_bob.port()));
        for _ in 0..200 {
            talk.turn();
        }
        let gone =
            talk.pair[0].expect_within("EXIT of mallory", 15 * SECOND, |event| matches!(event, Event::Exit { .. }));
        assert_eq!(gone.name(), Some("mallory"), "{gone:?}");
        talk.turn();
        for ours in talk.pair {
            ours.expect_none("an EXIT", SECOND, |event| matches!(event, Event::Exit { .. }));
        }
    });
}

/// A connection whose source is another address of this machine.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddrV4::new(from, 0).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("somebody listens");
    socket.into()
}

#[test]
fn a_hundred_nodes_on_one_address_all_meet() {
    // In two processes, for two hundred connections each are more descriptors than one may have.
    const CHILD: &str = "ZRE_TESTS_SIEGE_CHILD";
    const NAME: &str = "a_hundred_nodes_on_one_address_all_meet";
    let meet = |prefix: &str| {
        let begin = now();
        let mut nodes: Vec<_> = (0..50).map(|number| start(&format!("{prefix}{number}"))).collect();
        for ours in &mut nodes {
            for _ in 0..99 {
                ours.expect_within("ENTER", 30 * SECOND, |event| matches!(event, Event::Enter { .. }));
            }
        }
        println!("{prefix}: all met after {:?}", begin.elapsed());
        nodes
    };
    namespace::run(NAME, || {
        if std::env::var_os(CHILD).is_some() {
            let nodes = meet("b");
            println!("met");
            // Until the other half has met them too, and closes our standard input: that ends this process.
            while nodes[0].node.recv().is_ok() {}
            return;
        }
        let this = std::env::current_exe().expect("a test has a program");
        let mut child = std::process::Command::new(this)
            .args([NAME, "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut nodes = meet("a");
        let told = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("piped")));
        let met = told.map_while(Result::ok).inspect(|line| println!("{line}")).any(|line| line == "met");
        assert!(met, "the other half has not met all");
        for ours in &mut nodes {
            ours.expect_none("an EXIT", Duration::ZERO, |event| matches!(event, Event::Exit { .. }));
            let statistics = ours.node.statistics();
            assert_eq!((statistics.peers, statistics.strangers, statistics.connections), (99, 0, 198));
        }
        drop(child.stdin.take());
        child.wait().expect("it ends");
    });
}
