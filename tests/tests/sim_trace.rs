//! What the simulator writes down: lines of JSON, and packets that a reader of packets takes for real ones.

use bytes::Bytes;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddrV4,
    time::Duration,
};
use zre_engine::{
    Content, Event,
    app::{App, Cx},
    sim::{Network, Sim, Trace, What, millis, secs},
};
use zre_proto::{
    Beacon, Message,
    message::Body,
    zmtp::{Command, FrameDecoder, GreetingDecoder},
};

/// More than one packet of IPv4 holds.
const LONG: usize = 100_000;
const ROOM: &str = "room";

/// Whispers to who comes, and shouts now and then.
struct Talker;

impl App for Talker {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        cx.join(ROOM).unwrap();
        cx.set_header("X-TEST", "äöü \"quoted\"").unwrap();
        cx.set_timer(1, millis(700));
    }

    fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
        if let Event::Enter { peer, .. } = event {
            let frames: Content = [Bytes::from("hello"), Bytes::from_static(b"\xFF\x00")].into();
            cx.whisper(peer, frames).unwrap();
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
        let _ = cx.shout(ROOM, "still here");
        cx.set_timer(timer, millis(700));
    }
}

/// Three nodes talk; two are torn apart, one crashes, one leaves.
fn run(seed: u64) -> Trace {
    let mut sim = Sim::builder(seed).nodes(3, |_| Talker).network(Network::lan()).trace(true).build();
    sim.run_for(secs(3));
    let peer = sim.id(1);
    sim.with(0, |_, cx| cx.whisper(peer, vec![7; LONG])).unwrap();
    sim.run_for(secs(1));
    sim.reset(0, 1);
    sim.run_for(secs(10));
    sim.crash(2);
    sim.run_for(secs(40));
    sim.stop(1);
    sim.run_for(secs(5));
    sim.trace().unwrap().clone()
}

fn jsonl(trace: &Trace) -> Vec<u8> {
    let mut out = Vec::new();
    trace.write_jsonl(&mut out).unwrap();
    out
}

fn pcap(trace: &Trace) -> Vec<u8> {
    let mut out = Vec::new();
    trace.write_pcap(&mut out).unwrap();
    out
}

fn lines(trace: &Trace) -> Vec<Value> {
    let text = String::from_utf8(jsonl(trace)).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], what: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["what"] == what)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_line_for_each_thing_in_order_with_what_belongs_to_it() {
    let trace = run(1);
    let lines = lines(&trace);
    assert_eq!(lines.len(), trace.records().len());
    for (line, record) in lines.iter().zip(trace.records()) {
        assert_eq!(line["at_ms"], record.at.as_nanos() as f64 / 1e6);
        assert_eq!(line["node"], record.node);
        let what = match &record.what {
            What::Start { id, name, at } => {
                assert_eq!(line["id"], id.to_string());
                assert_eq!(line["name"], **name);
                assert_eq!(line["endpoint"], format!("tcp://{at}"));
                "start"
            }
            What::Event(event) => {
                assert_eq!(line["kind"], event.kind());
                assert_eq!(line["peer"].as_str(), event.peer().map(|peer| peer.to_string()).as_deref());
                assert_eq!(line["name"].as_str(), event.name());
                assert_eq!(line["group"].as_str(), event.group());
                assert_eq!(line["content"].as_array().map(Vec::len), event.content().map(|frames| frames.len()));
                if let Event::Exit { reason, unsent, .. } = event {
                    assert_eq!((&line["reason"], &line["unsent"]), (&reason.as_str().into(), &(*unsent).into()));
                }
                "event"
            }
            What::Call(_) => "call",
            What::Fault(fault) => {
                assert_eq!(line["fault"], **fault);
                "fault"
            }
            What::Datagram { from, data, lost } => {
                let beacon = Beacon::decode(data).unwrap();
                assert_eq!(line["from"], from.to_string());
                assert_eq!(line["beacon"]["uuid"], beacon.uuid.simple().to_string().to_uppercase());
                assert_eq!(line["beacon"]["port"], beacon.port);
                assert_eq!((&line["octets"], &line["lost"]), (&22.into(), &(*lost).into()));
                "datagram"
            }
            What::Segment { stream, from, to, data, .. } => {
                assert_eq!(number(&line["stream"]), *stream);
                assert_eq!(line["from"], from.to_string());
                assert_eq!(line["to"], to.to_string());
                assert_eq!(line["octets"], data.len());
                "segment"
            }
            other => panic!("{other:?} has no line"),
        };
        assert_eq!(line["what"], what);
    }
    let mut times = lines.iter().map(|line| line["at_ms"].as_f64().unwrap());
    assert!(times.clone().is_sorted(), "time goes back");
    assert!(times.next_back() > Some(58_000.0), "the end is missing");

    let starts: Vec<_> = of(&lines, "start").map(|line| line["id"].as_str().unwrap()).collect();
    let entered: BTreeSet<_> = of(&lines, "event")
        .filter(|line| line["kind"] == "ENTER")
        .map(|line| {
            assert_eq!(line["headers"]["X-TEST"], "äöü \"quoted\"");
            assert!(line["endpoint"].as_str().unwrap().starts_with("tcp://10.0.0."), "{line}");
            (number(&line["node"]), line["peer"].as_str().unwrap())
        })
        .collect();
    let nodes: BTreeMap<_, _> = of(&lines, "start").map(|line| (line["id"].as_str().unwrap(), &line["node"])).collect();
    assert_eq!((starts.len(), entered.len()), (3, 6));
    assert!(entered.iter().all(|(node, peer)| *nodes[peer] != *node));

    let frames: Value = serde_json::from_str(r#"["hello", {"hex": "FF00"}]"#).unwrap();
    for what in ["call", "event"] {
        let found: Vec<_> = of(&lines, what).filter(|line| line["content"] == frames).collect();
        assert!(
            found.len() >= 6 && found.iter().all(|line| line["kind"].as_str().unwrap().eq_ignore_ascii_case("whisper"))
        );
        assert!(of(&lines, what).any(|line| line["group"] == ROOM && line["content"][0] == "still here"));
    }
    let done: BTreeSet<_> = of(&lines, "call").map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(done, ["join", "set-header", "shout", "whisper"].into());
    let faults: Vec<_> = of(&lines, "fault").map(|line| line["fault"].as_str().unwrap()).collect();
    assert_eq!(faults, ["reset", "crash", "stop"]);
    let reasons: BTreeSet<_> = of(&lines, "event").filter_map(|line| line["reason"].as_str()).collect();
    assert!(reasons.is_superset(&["expired", "left", "stopped"].into()), "{reasons:?}");
}

#[test]
fn keys_have_their_order() {
    let text = String::from_utf8(jsonl(&run(2))).unwrap();
    for (what, rest) in [
        ("start", r#""id":"#),
        ("event", r#""kind":"#),
        ("call", r#""kind":"#),
        ("fault", r#""fault":"#),
        ("datagram", r#""from":"#),
        ("segment", r#""stream":"#),
    ] {
        let pattern = format!(r#","what":"{what}",{rest}"#);
        let mut found = text.lines().filter(|line| line.contains(&pattern)).peekable();
        assert!(found.peek().is_some(), "no {what}");
        assert!(found.all(|line| line.starts_with(r#"{"at_ms":"#) && line.find(r#","node":"#) < line.find(&pattern)));
    }
}

#[test]
fn segments_tell_which_messages_they_end() {
    let lines = lines(&run(3));
    let mut said: BTreeMap<(u64, &str), Vec<&Value>> = BTreeMap::new();
    for line in of(&lines, "segment") {
        let items = said.entry((number(&line["stream"]), line["from"].as_str().unwrap())).or_default();
        items.extend(line["holds"].as_array().into_iter().flatten());
    }
    said.retain(|_, items| !items.is_empty());
    let mut names = BTreeSet::new();
    let mut asked = 0;
    for items in said.values() {
        assert_eq!((&items[0]["greeting"], &items[0]["mechanism"]), (&"3.1".into(), &"NULL".into()));
        let commands: Vec<_> = items.iter().filter_map(|item| item["command"].as_str()).collect();
        assert!(commands.is_empty() || commands[0] == "READY", "{items:?}");
        let messages: Vec<_> = items.iter().filter(|item| item["message"].is_string()).collect();
        names.extend(messages.iter().map(|message| message["message"].as_str().unwrap()));
        // The answering side only ever greets.
        let Some(hello) = messages.first() else { continue };
        asked += 1;
        assert_eq!((&hello["message"], &hello["groups"][0]), (&"HELLO".into(), &ROOM.into()));
        assert!(hello["name"].as_str().unwrap().starts_with("node-"));
        assert!(messages.iter().zip(1..).all(|(message, sequence)| message["sequence"] == sequence), "{messages:?}");
        for message in messages.iter().filter(|message| message["message"] == "SHOUT") {
            assert_eq!(
                (&message["group"], &message["frames"], &message["octets"]),
                (&ROOM.into(), &1.into(), &10.into())
            );
        }
    }
    assert!(asked >= 6, "{asked}");
    assert!(names.is_superset(&["HELLO", "WHISPER", "SHOUT", "PING", "PING-OK"].into()), "{names:?}");
    assert!(said.values().flatten().any(|item| item["message"] == "WHISPER" && item["octets"] == LONG));
    assert!(said.values().flatten().all(|item| item["broken"].is_null()));
}

/// A packet of the capture.
struct Captured {
    at: Duration,
    from: SocketAddrV4,
    to: SocketAddrV4,
    /// The header of TCP; else it is UDP.
    tcp: Option<etherparse::TcpHeader>,
    data: Vec<u8>,
}

fn word(octets: &[u8]) -> u32 {
    u32::from_le_bytes(octets.try_into().unwrap())
}

/// Reads a capture as any tool would, and checks lengths and checksums.
fn packets(file: &[u8]) -> Vec<Captured> {
    let (head, mut rest) = file.split_at(24);
    assert_eq!(word(&head[..4]), 0xA1B2_3C4D);
    assert_eq!(head[4..8], [2, 0, 4, 0]);
    assert_eq!((word(&head[16..20]), word(&head[20..])), (65_535, 101));
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (seconds, nanos, length) = (word(&rest[..4]), word(&rest[4..8]), word(&rest[8..12]));
        assert_eq!(word(&rest[12..16]), length);
        let (packet, after) = rest[16..].split_at(length as usize);
        rest = after;
        let sliced = SlicedPacket::from_ip(packet).unwrap();
        let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("no IPv4") };
        let header = ip.header().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert_eq!(usize::from(header.total_len), packet.len());
        let (source, target) = (header.source.into(), header.destination.into());
        let (ports, tcp, data) = match sliced.transport.as_ref().unwrap() {
            TransportSlice::Tcp(tcp) => {
                let (header, data) = (tcp.to_header(), tcp.payload());
                assert_eq!(Ok(header.checksum), header.calc_checksum_ipv4(&ip.header().to_header(), data));
                ((header.source_port, header.destination_port), Some(header), data)
            }
            TransportSlice::Udp(udp) => {
                let (header, data) = (udp.to_header(), udp.payload());
                assert_eq!(Ok(header.checksum), header.calc_checksum_ipv4(&ip.header().to_header(), data));
                ((header.source_port, header.destination_port), None, data)
            }
            other => panic!("{other:?}"),
        };
        found.push(Captured {
            at: Duration::new(u64::from(seconds) - 978_307_200, nanos),
            from: SocketAddrV4::new(source, ports.0),
            to: SocketAddrV4::new(target, ports.1),
            tcp,
            data: data.to_vec(),
        });
    }
    found
}

#[test]
fn beacons_are_datagrams_to_all() {
    let trace = run(4);
    let all: SocketAddrV4 = "10.255.255.255:5670".parse().unwrap();
    let found: Vec<_> = packets(&pcap(&trace)).into_iter().filter(|packet| packet.tcp.is_none()).collect();
    let sent = trace.records().iter().filter_map(|record| match &record.what {
        What::Datagram { from, data, .. } => Some((record.at, *from, data)),
        _ => None,
    });
    assert!(found.len() > 100);
    assert!(found.iter().map(|packet| (packet.at, packet.from, &packet.data[..])).eq(sent.map(|(at, from, data)| (
        at,
        from,
        &data[..]
    ))));
    assert!(found.iter().all(|packet| packet.to == all && packet.from.port() == 5670));
    let ports: Vec<_> = found.iter().map(|packet| Beacon::decode(&packet.data).unwrap().port).collect();
    assert!(ports.contains(&0), "who leaves says so");
}

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    first: u32,
    /// From the SYN on, which counts as one.
    next: u64,
    /// What it has acknowledged of the other direction.
    acknowledged: u64,
    flags: Vec<&'static str>,
    octets: Vec<u8>,
}

impl Direction {
    /// How far a number is from the first, given that it is not far from a place that is known.
    fn unwrap(&self, number: u32, near: u64) -> u64 {
        let here = self.first.wrapping_add(near as u32);
        near.wrapping_add_signed(i64::from(number.wrapping_sub(here).cast_signed()))
    }
}

/// Puts connections together as a receiver would: by sequence numbers; first the direction of who connected.
fn streams(packets: &[Captured]) -> Vec<[Direction; 2]> {
    let mut streams: Vec<[Direction; 2]> = Vec::new();
    let mut open: BTreeMap<[SocketAddrV4; 2], usize> = BTreeMap::new();
    for packet in packets {
        let Some(tcp) = &packet.tcp else { continue };
        let asks = tcp.syn && !tcp.ack;
        if asks {
            open.insert([packet.from, packet.to], streams.len());
            streams.push(Default::default());
        }
        let (index, side) = match (open.get(&[packet.from, packet.to]), open.get(&[packet.to, packet.from])) {
            (Some(index), _) => (*index, 0),
            (None, Some(index)) => (*index, 1),
            (None, None) => panic!("a segment without a connection"),
        };
        let [mine, other] = {
            let [one, two] = &mut streams[index];
            if side == 0 { [one, two] } else { [two, one] }
        };
        if mine.flags.is_empty() {
            assert!(tcp.syn || tcp.rst, "a connection begins with SYN");
            mine.first = tcp.sequence_number;
        }
        assert_eq!(mine.unwrap(tcp.sequence_number, mine.next), mine.next, "a gap");
        if tcp.ack {
            let ack = other.unwrap(tcp.acknowledgment_number, mine.acknowledged);
            assert!((mine.acknowledged..=other.next).contains(&ack), "acknowledged {ack} of {}", other.next);
            mine.acknowledged = ack;
        }
        assert!(asks || tcp.ack || tcp.rst, "only SYN has heard of nothing");
        assert!(packet.data.is_empty() || !mine.flags.contains(&"fin"), "octets after the end");
        assert!(!tcp.psh || !packet.data.is_empty());
        let flags = [(tcp.syn, "syn"), (tcp.fin, "fin"), (tcp.rst, "rst")];
        let flag = flags
            .iter()
            .find(|(on, _)| *on)
            .map_or(if packet.data.is_empty() { "ack" } else { "data" }, |(_, flag)| flag);
        if mine.flags.last() != Some(&flag) {
            mine.flags.push(flag);
        }
        mine.next += packet.data.len() as u64 + u64::from(tcp.syn) + u64::from(tcp.fin);
        mine.octets.extend(&packet.data);
    }
    streams
}

/// What ZMTP finds in a direction: the names of commands, and the messages.
fn decode(octets: &[u8]) -> (Vec<String>, Vec<Message>) {
    let mut greeting = GreetingDecoder::default();
    let (taken, found) = greeting.decode(octets).unwrap();
    assert_eq!(found.unwrap().version, (3, 1));
    let mut decoder = FrameDecoder::new(usize::MAX);
    decoder.push(Bytes::copy_from_slice(&octets[taken..]));
    let (mut commands, mut messages, mut inside) = (Vec::new(), Vec::new(), false);
    while let Some(frame) = decoder.next_frame().unwrap() {
        if frame.command {
            commands.push(Command::decode(&frame.body).unwrap().name().to_string_lossy().into_owned());
            continue;
        }
        if !inside {
            messages.push(Message::decode(&frame.body).unwrap());
        }
        inside = frame.more;
    }
    (commands, messages)
}

#[test]
fn streams_are_whole_and_speak_zmtp() {
    let trace = run(5);
    let packets = packets(&pcap(&trace));
    assert!(packets.iter().map(|packet| packet.at).is_sorted());
    let streams = streams(&packets);
    let mut whispers = 0;
    let mut ends = BTreeSet::new();
    for [asker, other] in &streams {
        assert_eq!(asker.flags[0], "syn");
        ends.insert((*asker.flags.last().unwrap(), other.flags.last().copied()));
        if asker.octets.is_empty() {
            continue;
        }
        assert_eq!(asker.flags[..3], ["syn", "ack", "data"]);
        assert_eq!(other.flags[..2], ["syn", "data"]);
        assert_eq!(decode(&other.octets), (vec!["READY".to_owned()], vec![]));
        let (commands, messages) = decode(&asker.octets);
        assert_eq!(commands, ["READY"]);
        assert!(matches!(messages[0].body, Body::Hello(_)));
        assert!(messages.iter().zip(1..).all(|(message, sequence)| message.sequence == sequence));
        whispers += messages.iter().filter(|message| message.body == Body::Whisper).count();
    }
    assert!(whispers >= 7, "{whispers}");
    assert!(ends.contains(&("rst", Some("rst"))), "{ends:?}: the reset is missing");
    assert!(ends.contains(&("fin", Some("fin"))), "{ends:?}: no polite end");
    // Two heard of the crash from nobody: they spoke on, and nothing was acknowledged.
    let unheard = streams.iter().filter(|[asker, other]| asker.next > other.acknowledged + 8).count();
    assert!(unheard >= 2, "{unheard}");

    // The same octets as in the trace, and none more.
    let octets: usize = streams.iter().flatten().map(|direction| direction.octets.len()).sum();
    let traced = trace.records().iter().map(|record| match &record.what {
        What::Segment { data, .. } => data.len(),
        _ => 0,
    });
    assert_eq!(octets, traced.sum::<usize>());
    assert!(packets.iter().any(|packet| packet.data.len() == 65_495), "nothing was split");
}

#[test]
fn the_same_run_gives_the_same_files() {
    let (one, two, other) = (run(6), run(6), run(7));
    assert_eq!(jsonl(&one), jsonl(&one));
    assert!(jsonl(&one) == jsonl(&two) && pcap(&one) == pcap(&two));
    assert!(jsonl(&one) != jsonl(&other) && pcap(&one) != pcap(&other));
}

#[test]
fn to_be_written_down_changes_nothing() {
    let [traced, alone] = [true, false].map(|trace| {
        let mut sim = Sim::builder(8).nodes(5, |_| Talker).network(Network::hostile()).trace(trace).build();
        sim.run_for(secs(10));
        sim.reset(0, 1);
        sim.kill(2);
        sim.run_for(secs(50));
        assert_eq!(sim.trace().is_some(), trace);
        sim.digest()
    });
    assert_eq!(traced, alone);
}

#[test]
fn a_writer_that_fails_is_heard_of() {
    let mut sim = Sim::builder(8).nodes(1, |_| ()).trace(true).build();
    sim.run_for(secs(1));
    let trace = sim.trace().unwrap();
    let mut short = [0; 30];
    assert!(trace.write_jsonl(&mut &mut short[..]).is_err());
    assert!(trace.write_pcap(&mut &mut short[..]).is_err());
}

/// On a bad network as well: octets in crumbs, connections refused and torn, nodes killed and moved.
#[test]
fn streams_stay_whole_on_a_bad_network() {
    for seed in 0..10 {
        let cluster = Sim::builder(seed).nodes(4, |_| Talker).network(Network::hostile()).trace(true);
        // Whether the nodes behave is asked elsewhere.
        let mut sim = cluster.keep_going(true).build();
        sim.run_for(secs(10));
        sim.kill(3);
        sim.partition(0, 1);
        sim.run_for(secs(20));
        sim.restart(3, zre_engine::sim::Identity::Same);
        sim.change_address(2);
        sim.heal();
        sim.run_for(secs(20));
        let trace = sim.trace().unwrap();
        assert!(streams(&packets(&pcap(trace))).len() > 12);
        let lines = lines(trace);
        assert!(of(&lines, "segment").all(|line| !line.to_string().contains("broken")));
    }
}
