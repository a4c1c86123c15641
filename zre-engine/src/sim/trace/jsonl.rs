//! A trace as lines of JSON.

use super::{
    Flag, Record, Trace, What,
    stream::{Item, Stream},
};
use crate::sim::life::Call;
use crate::{Content, Event, event::Headers};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, io, net::SocketAddrV4};
use zre_proto::Beacon;

impl Trace {
    /// Writes one JSON object a line for each [`Record`], in order. Keys always stand in the same order; one that
    /// there is nothing for is left out.
    ///
    /// Each line begins with `at_ms` (milliseconds since the beginning, kept to the nanosecond), `node` (its index) and
    /// `what`. What follows belongs to that:
    ///
    /// - `start`, a process: its `id`, `name` and `endpoint`; of a hub, where nodes gossip with it.
    /// - `event`, which the application heard: `kind` as Pyre writes it (`ENTER`, `WHISPER`, …); `peer` and its `name`;
    ///   `group`. ENTER: `headers` (an object) and `endpoint`. EXIT: `reason` in one word, and how many messages were
    ///   `unsent`. WHISPER and SHOUT: `content`.
    /// - `call`, what the application did: `kind` is `join`, `leave`, `contest`, `whisper`, `shout`, `set-header`,
    ///   `require-peer`, `disconnect` or `stop`; `peer`; `group`; `endpoint`; `header` and its `value`; `content`. It is not said whether the node took it.
    /// - `fault`: in words, what went wrong or became well.
    /// - `datagram`: `from`; `octets`; `lost`, how many copies never arrived; `beacon` with `uuid` and `port`, or the
    ///   octets in `hex` where it is none.
    /// - `segment`: `stream`, a number that the connection has for itself; `from`; `to`; `flag` (`syn`, `syn-ack`,
    ///   `ack`, `fin` or `rst`); `seq` and `ack` as Wireshark counts them ([`What::Segment`]); `octets`; and `holds`, a
    ///   list of what becomes whole with these octets, whatever segment it began in:
    ///   - the greeting of ZMTP: `greeting` is its version, as in `"3.1"`; `mechanism`.
    ///   - a command of ZMTP: `command` is its name, `READY` or another.
    ///   - a message of ZRE: `message` is its name (`HELLO`, `WHISPER`, …); `sequence`. HELLO: `name`, `endpoint`,
    ///     `groups`, `status`. JOIN and LEAVE: `group`, `status`. SHOUT, ELECT and LEADER: `group`. WHISPER and SHOUT:
    ///     how many `frames` of content, and `octets` in all of them.
    ///   - a message of gossip, on a connection to a hub: `gossip` is its name (`HELLO`, `PUBLISH`, …). PUBLISH: `key`, which is a
    ///     UUID; `value`, which is an endpoint; `ttl`.
    ///   - what is none of these: `broken` says why. The rest of that direction is not looked at.
    ///
    /// UUIDs are 32 upper-case hex digits. `content` is a list of frames: a string where a frame is UTF-8, else
    /// `{"hex": "FF00"}`.
    ///
    /// ```json
    /// {"at_ms":16.97953,"node":0,"what":"event","kind":"JOIN","peer":"4EEEFE94CB3C4FC387D87A12F38643D3","name":"node-2","group":"room"}
    /// {"at_ms":700.0,"node":2,"what":"call","kind":"shout","group":"room","content":["hello",{"hex":"FF00"}]}
    /// {"at_ms":715.5,"node":0,"what":"datagram","from":"10.0.0.0:5670","octets":22,"lost":1,"beacon":{"uuid":"F59AB90AD5AA4CA3A4236FE22AAA7367","port":54753}}
    /// {"at_ms":730.25,"node":2,"what":"segment","stream":0,"from":"10.0.0.2:10001","to":"10.0.0.0:54753","seq":189,"ack":119,"octets":8,"holds":[{"message":"PING-OK","sequence":4}]}
    /// ```
    ///
    /// Keys and values may be added in later versions; those that are there keep their meaning. Traces of two runs that
    /// were the same give the same octets. Only one line is buffered: for a file, give it a
    /// [`BufWriter`](io::BufWriter).
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_jsonl(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let mut streams = BTreeMap::new();
        let mut line = Vec::new();
        for record in self.records() {
            line.clear();
            serde_json::to_writer(&mut line, &Line::new(record, &mut streams))?;
            line.push(b'\n');
            out.write_all(&line)?;
        }
        Ok(())
    }
}

/// What each direction of each connection has said so far.
type Streams = BTreeMap<(u64, SocketAddrV4), Stream>;

#[derive(Serialize)]
struct Line<'a> {
    at_ms: f64,
    node: usize,
    #[serde(flatten)]
    told: Told<'a>,
}

#[derive(Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
enum Told<'a> {
    Start { id: String, name: &'a str, endpoint: String },
    Event(Heard<'a>),
    Call(Done<'a>),
    Fault { fault: &'a str },
    Datagram(Datagram),
    Segment(Segment),
}

impl<'a> Line<'a> {
    fn new(record: &'a Record, streams: &mut Streams) -> Self {
        let told = match &record.what {
            What::Start { id, name, at } => Told::Start { id: id.to_string(), name, endpoint: format!("tcp://{at}") },
            What::Event(event) => Told::Event(Heard::new(event)),
            What::Call(call) => Told::Call(Done::new(call)),
            What::Fault(fault) => Told::Fault { fault },
            What::Datagram { from, data, lost } => {
                let beacon = Beacon::decode(data).ok();
                let beacon =
                    beacon.map(|beacon| Announced { uuid: format!("{:X}", beacon.uuid.simple()), port: beacon.port });
                let hex = beacon.is_none().then(|| hex(data));
                Told::Datagram(Datagram { from: *from, octets: data.len(), lost: *lost, beacon, hex })
            }
            What::Segment { stream, from, to, flag, seq, ack, data } => {
                let holds =
                    if data.is_empty() { Vec::new() } else { streams.entry((*stream, *from)).or_default().read(data) };
                // After an RST that comes from the middle of the network the sender may still speak.
                if *flag == Some(Flag::Fin) {
                    streams.remove(&(*stream, *from));
                }
                let (stream, from, to, seq, ack) = (*stream, *from, *to, *seq, *ack);
                Told::Segment(Segment { stream, from, to, flag: flag.map(word), seq, ack, octets: data.len(), holds })
            }
        };
        Self { at_ms: record.at.as_nanos() as f64 / 1e6, node: record.node, told }
    }
}

#[derive(Default, Serialize)]
struct Heard<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "object")]
    headers: Option<&'a Headers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsent: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Vec<Frame<'a>>>,
}

impl<'a> Heard<'a> {
    fn new(event: &'a Event) -> Self {
        let mut heard = Self {
            kind: event.kind(),
            peer: event.peer().map(|peer| peer.to_string()),
            name: event.name(),
            group: event.group(),
            content: event.content().map(frames),
            ..Self::default()
        };
        match event {
            Event::Enter { headers, endpoint, .. } => {
                heard.headers = Some(headers);
                heard.endpoint = Some(endpoint.to_string());
            }
            Event::Exit { reason, unsent, .. } => {
                heard.reason = Some(reason.as_str());
                heard.unsent = Some(*unsent);
            }
            _ => {}
        }
        heard
    }
}

#[derive(Default, Serialize)]
struct Done<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Vec<Frame<'a>>>,
}

impl<'a> Done<'a> {
    fn new(call: &'a Call) -> Self {
        let of = |kind| Self { kind, ..Self::default() };
        match call {
            Call::Join(group) => Self { group: Some(group), ..of("join") },
            Call::Leave(group) => Self { group: Some(group), ..of("leave") },
            Call::Whisper(peer, content) => {
                Self { peer: Some(peer.to_string()), content: Some(frames(content)), ..of("whisper") }
            }
            Call::Shout(group, content) => Self { group: Some(group), content: Some(frames(content)), ..of("shout") },
            Call::SetHeader(name, value) => Self { header: Some(name), value: Some(value), ..of("set-header") },
            Call::Disconnect(peer) => Self { peer: Some(peer.to_string()), ..of("disconnect") },
            Call::Stop => of("stop"),
            Call::Contest(group) => Self { group: Some(group), ..of("contest") },
            Call::RequirePeer(peer, at) => {
                let peer = peer.map(|peer| peer.to_string());
                Self { peer, endpoint: Some(at.to_string()), ..of("require-peer") }
            }
            // What only drivers do is not written down.
            _ => of("driver"),
        }
    }
}

#[derive(Serialize)]
struct Datagram {
    from: SocketAddrV4,
    octets: usize,
    lost: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    beacon: Option<Announced>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

#[derive(Serialize)]
struct Announced {
    uuid: String,
    port: u16,
}

#[derive(Serialize)]
struct Segment {
    stream: u64,
    from: SocketAddrV4,
    to: SocketAddrV4,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'static str>,
    seq: u64,
    ack: u64,
    octets: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Item>,
}

const fn word(flag: Flag) -> &'static str {
    match flag {
        Flag::Syn => "syn",
        Flag::SynAck => "syn-ack",
        Flag::Ack => "ack",
        Flag::Fin => "fin",
        Flag::Rst => "rst",
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Frame<'a> {
    Text(&'a str),
    Octets { hex: String },
}

fn frames(content: &Content) -> Vec<Frame<'_>> {
    let frame = |frame| match str::from_utf8(frame) {
        Ok(text) => Frame::Text(text),
        Err(_) => Frame::Octets { hex: hex(frame) },
    };
    content.iter().map(|octets| frame(octets)).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut hex, octet| {
        for digit in [octet >> 4, octet & 15] {
            hex.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
        }
        hex
    })
}

/// Headers as a JSON object, in the order in which they were told.
fn object<S: Serializer>(headers: &Option<&Headers>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().flat_map(|headers| headers.iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::net::Ipv4Addr;

    #[test]
    fn what_seldom_happens_has_its_line_too() {
        let peer = crate::PeerId::from_octets([0xAB; 16]);
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 5670);
        let id = "ABABABABABABABABABABABABABABABAB";
        for (what, line) in [
            (
                What::Datagram { from, data: Bytes::from_static(b"ZRE\x01"), lost: 2 },
                r#""what":"datagram","from":"10.0.0.1:5670","octets":4,"lost":2,"hex":"5A524501""#.to_owned(),
            ),
            (What::Call(Call::Leave("g".into())), r#""what":"call","kind":"leave","group":"g""#.to_owned()),
            (What::Call(Call::Disconnect(peer)), format!(r#""what":"call","kind":"disconnect","peer":"{id}""#)),
            (What::Call(Call::Stop), r#""what":"call","kind":"stop""#.to_owned()),
            (What::Event(Event::Room { peer }), format!(r#""what":"event","kind":"ROOM","peer":"{id}""#)),
            (What::Event(Event::Stop), r#""what":"event","kind":"STOP""#.to_owned()),
        ] {
            let mut trace = Trace::default();
            trace.push(1_000_000_001, 7, what);
            let mut out = Vec::new();
            trace.write_jsonl(&mut out).unwrap();
            assert_eq!(str::from_utf8(&out), Ok(&*format!("{{\"at_ms\":1000.000001,\"node\":7,{line}}}\n")));
        }
    }
}
