//! Two nodes meet and talk, in memory: no socket, no clock, no thread. This is all that a network has to do for a node.
//!
//! ```text
//! $ cargo run -p zre-engine --example two_nodes
//! alice: ENTER bob
//! bob: ENTER alice
//! bob: WHISPER alice hello, bob
//! alice: WHISPER bob hello yourself
//! alice: EXIT bob
//! alice: STOP
//! bob: EXIT alice
//! bob: STOP
//! ```

use std::{collections::BTreeMap, error::Error, net::Ipv4Addr};
use zre_engine::{
    Action, Address, Config, Content, Event, Input, InputError, Instant, IoCause, LinkId, ListenerId, ListenerKind,
    Node, bytes::Bytes,
};

// A node may have several of each. These have one, and its number is ours to choose.
const LINK: LinkId = LinkId(0);
const MAILBOX: ListenerId = ListenerId(0);

fn main() -> Result<(), Box<dyn Error>> {
    let mut now = Instant::ZERO;
    let mut nodes = [start("alice", 0, now)?, start("bob", 1, now)?];
    // Each node numbers its end of a connection; this leads from either end to the other.
    let mut wires = BTreeMap::new();
    let mut running = 2;
    while running > 0 {
        for (me, other) in [(0, 1), (1, 0)] {
            // What the node wants to be done comes about at once: here the network takes no time.
            while let Some(action) = nodes[me].poll_action() {
                match action {
                    Action::Broadcast { data, .. } => {
                        let from = (host(me), 5670).into();
                        tell(&mut nodes[other], now, Input::Datagram { link: LINK, from, data: &data })?;
                    }
                    Action::Connect { conn, .. } => {
                        let local = Address::Tcp((host(me), 50000).into());
                        match nodes[other].accept(now, MAILBOX, local.clone(), mailbox(other)) {
                            Ok(end) => {
                                wires.extend([((me, conn), end), ((other, end), conn)]);
                                tell(&mut nodes[me], now, Input::Connected { conn, local })?;
                            }
                            // It is there, and does not let this one in.
                            Err(_) => tell(&mut nodes[me], now, Input::Closed { conn, cause: IoCause::Reset })?,
                        }
                    }
                    // There are octets to carry: all of them, and then the connection ends if this says so.
                    Action::Writable { conn } | Action::Close { conn, .. } => {
                        let Some(end) = wires.get(&(me, conn)).copied() else { continue };
                        loop {
                            let mut chunk: [&[u8]; 1] = [&[]];
                            if nodes[me].transmit(conn, &mut chunk) == 0 {
                                break;
                            }
                            let data = Bytes::copy_from_slice(chunk[0]);
                            nodes[me].advance(now, conn, data.len());
                            tell(&mut nodes[other], now, Input::Received { conn: end, data })?;
                        }
                        if matches!(action, Action::Close { .. }) {
                            wires.remove(&(me, conn));
                            wires.remove(&(other, end));
                            tell(&mut nodes[other], now, Input::Closed { conn: end, cause: IoCause::Finished })?;
                        }
                    }
                    // Nobody here is slow, so nobody has to wait.
                    Action::Reading { .. } => {}
                }
            }
            // What the node has to tell, and the whole application.
            while let Some(event) = nodes[me].poll_event() {
                let (name, kind, peer) = (nodes[me].name(), event.kind(), event.name().unwrap_or_default());
                let text = event.content().map(Content::text).unwrap_or_default();
                println!("{}", format!("{name}: {kind} {peer} {text}").trim_end());
                match &event {
                    Event::Enter { peer, .. } if me == 0 => nodes[me].whisper(now, *peer, "hello, bob")?,
                    Event::Whisper { peer, .. } if me == 1 => nodes[me].whisper(now, *peer, "hello yourself")?,
                    Event::Whisper { .. } | Event::Exit { .. } => nodes[me].stop(now),
                    Event::Stop => running -= 1,
                    _ => {}
                }
                nodes[me].consumed(now, event.octets());
            }
        }
        // Nothing is left to do now. A real program waits here; this one says that the time has come.
        let deadlines = nodes.iter().filter_map(Node::poll_timeout);
        now = deadlines.map(|deadline| deadline.at).min().unwrap_or(now);
        for node in &mut nodes {
            tell(node, now, Input::Timeout)?;
        }
    }
    Ok(())
}

fn start(name: &str, index: usize, now: Instant) -> Result<Node, Box<dyn Error>> {
    let mut config = Config::default();
    config.name = Some(name.into());
    // All that is random about a node follows from its seed. Real ones come from the system's random source: two nodes with
    // one seed are one and the same, and never meet.
    let seed = [index as u8; 32];
    let mut node = Node::new(config, seed, now)?;
    let (kind, at) = (ListenerKind::Mailbox, mailbox(index));
    node.handle(now, Input::Listening { listener: MAILBOX, kind, at, advertise: None })?;
    node.handle(now, Input::LinkUp { link: LINK, address: host(index).into(), mailbox: MAILBOX })?;
    node.start(now)?;
    Ok(node)
}

/// Tells a node what has happened.
fn tell(node: &mut Node, now: Instant, input: Input<'_>) -> Result<(), InputError> {
    match node.handle(now, input) {
        // The node has closed that connection, and the action that says so still waits to be taken.
        Err(InputError::UnknownConnection) => Ok(()),
        told => told,
    }
}

fn host(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 1 + index as u8)
}

fn mailbox(index: usize) -> Address {
    Address::Tcp((host(index), 49152).into())
}
