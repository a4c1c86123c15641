//! Peers of our node that are played by hand over sockets of real libzmq.
//!
//! ```no_run
//! # use zre_proto::message::Body;
//! # use zre_tests::{libzmq::HandPeer, namespace, ours::Ours, pyre::Pyre};
//! # use zre_mio::Node;
//! #[test]
//! fn a_peer_by_hand_enters() {
//!     if Pyre::install().is_none() {
//!         return;
//!     }
//!     namespace::run("a_peer_by_hand_enters", || {
//!         let mut ours = Ours::start(Node::builder("ours").interface(namespace::INTERFACE));
//!         let mut peer = HandPeer::start("by hand");
//!         peer.connect(&ours.node.endpoint().expect("an endpoint").to_string());
//!         peer.hello();
//!         ours.expect("ENTER", |event| event.kind() == "ENTER");
//!         peer.expect("HELLO", |body| matches!(body, Body::Hello(_)));
//!     });
//! }
//! ```

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use uuid::Uuid;
use zre_proto::Message;
use zre_proto::message::{Body, Hello};

use crate::children::{JsonLines, PATIENCE};
use crate::namespace;
use crate::pyre::Pyre;

/// Holds the sockets.
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/zmq_socket.py");

/// The socket in which a peer by hand hears.
pub const MAILBOX: &str = "mailbox";

/// The socket by which a peer by hand speaks.
pub const DEALER: &str = "dealer";

/// A process with sockets of libzmq, each by its name. What else can be done with it is in [`JsonLines`]. Its lines
/// are `FRAMES`, with `socket` and `frames` in hexadecimal, and what libzmq's monitor says of a `socket`.
#[derive(Debug)]
pub struct Libzmq(JsonLines);

impl Libzmq {
    /// Starts it, in a namespace only. libzmq is that of [`Pyre::install`], which comes before.
    #[track_caller]
    pub fn start(label: &str) -> Self {
        assert!(namespace::is_inside(), "no connection is to leave by the machine's network");
        let python = Pyre::install().expect("Pyre::install comes before namespace::run");
        let mut command = Command::new(python);
        command.arg(DRIVER);
        Self(JsonLines::start(format!("libzmq {label}"), command))
    }

    /// Opens a socket: its type and its options without `ZMQ_`, octets in hexadecimal.
    #[track_caller]
    pub fn open(&mut self, socket: &str, kind: &str, options: Value) {
        self.ask(json!({"do": "socket", "socket": socket, "type": kind, "options": options}));
    }

    /// Binds to any port of [`namespace::ADDRESS`]; the endpoint.
    #[track_caller]
    pub fn bind(&mut self, socket: &str) -> String {
        let endpoint = format!("tcp://{}:*", namespace::ADDRESS);
        let bound = self.ask(json!({"do": "bind", "socket": socket, "endpoint": endpoint}));
        bound.as_str().expect("an endpoint").to_owned()
    }

    /// Connects to an endpoint, and does again by itself when that breaks.
    #[track_caller]
    pub fn connect_to(&mut self, socket: &str, endpoint: &str) {
        self.ask(json!({"do": "connect", "socket": socket, "endpoint": endpoint}));
    }

    /// Gives up a connection, and what it has not sent yet.
    #[track_caller]
    pub fn disconnect_from(&mut self, socket: &str, endpoint: &str) {
        self.ask(json!({"do": "disconnect", "socket": socket, "endpoint": endpoint}));
    }

    /// Sends frames, or has them wait for a connection.
    #[track_caller]
    pub fn send_frames(&mut self, socket: &str, frames: &[&[u8]]) {
        let frames: Vec<_> = frames.iter().map(|frame| hexadecimal(frame)).collect();
        self.ask(json!({"do": "send", "socket": socket, "frames": frames}));
    }

    /// Closes a socket, and drops what it has not sent yet.
    #[track_caller]
    pub fn close(&mut self, socket: &str) {
        self.ask(json!({"do": "close", "socket": socket}));
    }

    /// Waits until libzmq's monitor says so of a socket: `HANDSHAKE_SUCCEEDED`, `DISCONNECTED`.
    #[track_caller]
    pub fn expect_of(&mut self, socket: &str, kind: &str) -> Value {
        self.wait_for(&format!("{kind} of {socket}"), PATIENCE, |line| {
            line["event"] == kind && line["socket"] == socket
        })
    }

    /// Whether the monitor has said so of a socket until now.
    pub fn has_been(&mut self, socket: &str, kind: &str) -> bool {
        self.seen().any(|line| line["event"] == kind && line["socket"] == socket)
    }

    /// Stops it politely; see [`JsonLines::stop`].
    #[track_caller]
    pub fn stop(self) {
        self.0.stop();
    }
}

impl Deref for Libzmq {
    type Target = JsonLines;

    fn deref(&self) -> &JsonLines {
        &self.0
    }
}

impl DerefMut for Libzmq {
    fn deref_mut(&mut self) -> &mut JsonLines {
        &mut self.0
    }
}

/// A stock peer whose every message the test sends itself: a ROUTER for a [`MAILBOX`] and a [`DEALER`] of libzmq. It
/// says nothing by itself, sends no beacons, and counts what it sends.
#[derive(Debug)]
pub struct HandPeer {
    /// Its sockets.
    pub zmq: Libzmq,
    /// Who it is.
    pub uuid: Uuid,
    /// What its HELLO says; the endpoint is that of the mailbox.
    pub hello: Hello,
    /// The number of the last message it sent.
    pub sequence: u16,
    /// The number of the last message it took.
    pub heard: u16,
}

impl HandPeer {
    /// A peer with a mailbox and a dealer that is not connected yet.
    #[track_caller]
    pub fn start(name: &str) -> Self {
        Self::with_options(name, json!({}))
    }

    /// The same with more options of both sockets; see [`Libzmq::open`].
    #[track_caller]
    pub fn with_options(name: &str, options: Value) -> Self {
        let mut octets = [0; 16];
        octets[..name.len().min(16)].copy_from_slice(&name.as_bytes()[..name.len().min(16)]);
        let mut zmq = Libzmq::start(name);
        let mut of_mailbox = options.clone();
        of_mailbox["ROUTER_HANDOVER"] = json!(1);
        zmq.open(MAILBOX, "ROUTER", of_mailbox);
        let endpoint = zmq.bind(MAILBOX);
        let hello = Hello { endpoint: endpoint.as_str().into(), name: name.into(), ..Hello::default() };
        let mut this = Self { zmq, uuid: Uuid::from_bytes(octets), hello, sequence: 0, heard: 0 };
        this.open_dealer(DEALER, options);
        this
    }

    /// Opens a dealer with the identity of this peer.
    #[track_caller]
    pub fn open_dealer(&mut self, socket: &str, mut options: Value) {
        options["IDENTITY"] = json!(format!("01{}", hexadecimal(self.uuid.as_bytes())));
        options["RECONNECT_IVL"] = json!(20);
        self.zmq.open(socket, "DEALER", options);
    }

    /// Connects the dealer and waits for the end of the handshake.
    #[track_caller]
    pub fn connect(&mut self, endpoint: &str) {
        self.zmq.connect_to(DEALER, endpoint);
        self.zmq.expect_of(DEALER, "HANDSHAKE_SUCCEEDED");
    }

    /// The port of the mailbox, for a beacon.
    pub fn port(&self) -> u16 {
        let endpoint = self.hello.endpoint.to_string_lossy();
        let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.expect("an endpoint ends in a port")
    }

    /// Says HELLO, the first message.
    #[track_caller]
    pub fn hello(&mut self) {
        self.sequence = 0;
        self.say(Body::Hello(self.hello.clone()), &[]);
    }

    /// Says the next message by the dealer.
    #[track_caller]
    pub fn say(&mut self, body: Body, content: &[&[u8]]) {
        self.say_by(DEALER, body, content);
    }

    /// Says the next message by a dealer of this name.
    #[track_caller]
    pub fn say_by(&mut self, socket: &str, body: Body, content: &[&[u8]]) {
        self.sequence += 1;
        let mut first = BytesMut::new();
        Message { sequence: self.sequence, body }.encode(&mut first).expect("it can be encoded");
        let frames: Vec<&[u8]> = [&*first].into_iter().chain(content.iter().copied()).collect();
        self.zmq.send_frames(socket, &frames);
    }

    /// Waits for the first message in the mailbox that fits; what it says and its content. The messages are taken in
    /// the order they came, the numbers without a gap.
    #[track_caller]
    pub fn expect(&mut self, what: &str, fits: impl Fn(&Body) -> bool) -> (Body, Vec<Bytes>) {
        loop {
            let line = self.zmq.wait_for(what, PATIENCE, |line| line["event"] == "FRAMES" && line["socket"] == MAILBOX);
            let frames: Vec<_> = line["frames"].as_array().into_iter().flatten().map(octets).collect();
            let [_identity, first, content @ ..] = &frames[..] else { panic!("too short: {line}") };
            let Message { sequence, body } = Message::decode(first).expect("our node's messages decode");
            let expected = if matches!(body, Body::Hello(_)) { 1 } else { self.heard + 1 };
            assert_eq!(sequence, expected, "{body:?}");
            self.heard = sequence;
            if fits(&body) {
                return (body, content.to_vec());
            }
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(frame: &Value) -> Bytes {
    let hex = frame.as_str().unwrap_or_default();
    let octet = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(octet).collect()
}

/// A stretch of wire that can be cut: what connects to it is connected to where it leads.
#[derive(Debug)]
pub struct Wire {
    endpoint: String,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    forth: Receiver<Vec<u8>>,
    back: Receiver<Vec<u8>>,
}

impl Wire {
    /// A wire to an endpoint, `tcp://address:port`, in a namespace only.
    #[track_caller]
    pub fn to(endpoint: &str) -> Self {
        assert!(namespace::is_inside(), "no connection is to leave by the machine's network");
        let target = endpoint.strip_prefix("tcp://").expect("a TCP endpoint").to_owned();
        let listener = TcpListener::bind((namespace::ADDRESS, 0)).expect("a port");
        let endpoint = format!("tcp://{}", listener.local_addr().expect("it is bound"));
        let ends = Arc::new(Mutex::new(Vec::new()));
        let (say_forth, forth) = mpsc::channel();
        let (say_back, back) = mpsc::channel();
        let kept = Arc::clone(&ends);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Where nobody listens, the one that called finds out by the end of its connection.
                let Ok(far) = TcpStream::connect(&target) else { continue };
                let mut ends = kept.lock().expect("no thread panics");
                for end in [&near, &far] {
                    ends.push(end.try_clone().expect("a descriptor"));
                }
                carry(&near, &far, say_forth.clone());
                carry(&far, &near, say_back.clone());
            }
        });
        Self { endpoint, ends, forth, back }
    }

    /// Where it begins.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Cuts every connection that goes through it now; a new one finds it whole. What has been carried still arrives.
    pub fn cut(&self) {
        for end in self.ends.lock().expect("no thread panics").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Waits until these octets have been carried from here to the far end since the last call.
    #[track_caller]
    pub fn expect_forth(&self, octets: &[u8]) {
        expect_carried(&self.forth, octets, 1);
    }

    /// Waits until the far end has sent these octets so many times since the last call.
    #[track_caller]
    pub fn expect_back(&self, octets: &[u8], times: usize) {
        expect_carried(&self.back, octets, times);
    }
}

#[track_caller]
fn expect_carried(carried: &Receiver<Vec<u8>>, octets: &[u8], times: usize) {
    let (mut heard, mut found) = (Vec::new(), 0);
    while found < times {
        match carried.recv_timeout(PATIENCE) {
            Ok(more) => heard.extend(more),
            Err(why) => panic!("{:?} did not come {times} times: {why}", String::from_utf8_lossy(octets)),
        }
        while let Some(at) = heard.windows(octets.len()).position(|window| window == octets) {
            found += 1;
            heard.drain(..at + octets.len());
        }
        // The beginning of a further one may be there.
        heard.drain(..heard.len().saturating_sub(octets.len() - 1));
    }
}

/// Carries octets from one end to the other until either is closed, and tells of what it has carried.
fn carry(from: &TcpStream, to: &TcpStream, tell: Sender<Vec<u8>>) {
    let (mut from, mut to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
    thread::spawn(move || {
        let mut octets = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut octets) {
            if to.write_all(&octets[..length]).is_err() {
                break;
            }
            let _ = tell.send(octets[..length].to_vec());
        }
        // Whichever end was closed, both are now.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
