//! The node that is attacked, from within: the process `hostile-node`, whose memory and descriptors are nobody else's.
//!
//! Its application sends back what peers whose names begin with `honest` whisper, and looks whether it is numbered without a
//! gap; of others it counts what they say.

use super::settings::Settings;
use crate::hostile::number_of;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};
use zre_mio::{Event, Node, PeerId};

/// Peers that do what honest ones do, beginning with their names: their whispers are sent back.
const HONEST: &str = "honest";
/// Peers whose whispers are numbered, and are not sent back.
const NUMBERED: &str = "numbered";
/// Peers that are told of when something becomes of them.
const WATCHED: &str = "watched";

#[derive(Debug, Default)]
struct Ledger {
    /// The application does not take events.
    paused: bool,
    /// Whispers of those that number them, and how many did not have the next number.
    numbered: BTreeMap<String, (u64, u64)>,
    /// Events by kind.
    events: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    resumed: Condvar,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until it is told to stop, or its input ends.
pub fn main() {
    let settings = env::args().nth(1).expect("settings");
    let settings: Settings = serde_json::from_str(&settings).expect("settings");
    let node = settings.builder().start().unwrap_or_else(|error| panic!("it does not start: {error}"));
    let endpoint = node.endpoint().map(|at| at.to_string());
    let hubs: Vec<_> = node.gossip_endpoints().iter().map(ToString::to_string).collect();
    let uuid = node.uuid().to_string();
    say(&json!({"event": "START", "peer": uuid, "name": node.name(), "endpoint": endpoint, "gossip": hubs}));
    let shared = Arc::<Shared>::default();
    let (obeys, its) = (shared.clone(), node.clone());
    thread::spawn(move || obey_all(&its, &obeys));
    loop {
        let ledger = shared.ledger();
        drop(shared.resumed.wait_while(ledger, |ledger| ledger.paused));
        let Ok(event) = node.recv() else { break };
        hear(&node, &shared, event);
    }
    say(&json!({"event": "STOP"}));
}

fn hear(node: &Node, shared: &Shared, event: Event) {
    let mut ledger = shared.ledger();
    *ledger.events.entry(event.kind()).or_default() += 1;
    let name = event.name().unwrap_or_default();
    let honest = name.starts_with(HONEST);
    if !honest && !name.starts_with(NUMBERED) && !name.starts_with(WATCHED) {
        return;
    }
    match event {
        Event::Whisper { peer, content, .. } => {
            let count = ledger.numbered.entry(peer.to_string()).or_default();
            count.0 += 1;
            count.1 += u64::from(number_of(&content) != Some(count.0));
            drop(ledger);
            if honest {
                // Where that fails, who waits for it says so.
                let _ = node.whisper(peer, content);
            }
        }
        Event::Enter { .. } | Event::Evasive { .. } | Event::Silent { .. } | Event::Exit { .. } => {
            let reason = if let Event::Exit { reason, .. } = &event { Some(reason.as_str()) } else { None };
            let peer = event.peer().map(|peer| peer.to_string());
            say(&json!({"event": event.kind(), "name": name, "peer": peer, "reason": reason}));
        }
        _ => {}
    }
}

fn obey_all(node: &Node, shared: &Shared) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(command) = serde_json::from_str::<Value>(&line) else { break };
        let value = match command["do"].as_str() {
            Some("stop") => break,
            Some("pause") => {
                shared.ledger().paused = true;
                json!(true)
            }
            Some("resume") => {
                shared.ledger().paused = false;
                shared.resumed.notify_all();
                json!(true)
            }
            Some("heard") => {
                let ledger = shared.ledger();
                json!({"numbered": ledger.numbered, "events": ledger.events})
            }
            Some("counters") => counters(node),
            Some("fill") => fill(node, command["peer"].as_str().unwrap_or_default()),
            other => panic!("{other:?} is no command"),
        };
        say(&json!({"reply": command["do"], "id": command["id"], "value": value}));
    }
    shared.ledger().paused = false;
    shared.resumed.notify_all();
    node.stop();
}

fn counters(node: &Node) -> Value {
    let counters = node.statistics();
    let peers: Vec<_> = node.peers().iter().map(ToString::to_string).collect();
    json!({
        "peers": peers,
        "strangers": counters.strangers,
        "connections": counters.connections,
        "received": counters.messages_received,
        "closed": counters.closed,
        "turned_away": counters.turned_away,
        "beacons": counters.beacons_received + counters.beacons_rejected.values().sum::<u64>(),
        "rejected": counters.beacons_rejected,
        "incomplete": counters.incomplete,
        "events_waiting": counters.events_waiting,
        "send_queues": counters.send_queues,
        "tuples": counters.tuples,
        "hub_clients": counters.hub_clients,
        "gossip_received": counters.gossip_received,
    })
}

/// Whispers to a peer until its queue is full. How many octets that took.
fn fill(node: &Node, peer: &str) -> Value {
    let Ok(peer) = peer.parse::<PeerId>() else { return Value::Null };
    let content = vec![7; 64 << 10];
    let mut octets = 0usize;
    while node.try_whisper(peer, content.clone()).is_ok() {
        octets += content.len();
    }
    json!(octets)
}

fn say(line: &Value) {
    let mut out = io::stdout().lock();
    // Nobody listens any more when it fails.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
