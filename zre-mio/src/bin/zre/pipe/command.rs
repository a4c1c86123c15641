//! What a line of the input asks for.

use crate::json;
use serde_json::{Deserializer, Map, Value};
use zre_mio::{Address, Content, PeerId};

/// A command or a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Join { group: String },
    Leave { group: String },
    Whisper { peer: PeerId, content: Content },
    Shout { group: String, content: Content },
    SetHeader { name: String, value: String },
    GossipConnect { endpoint: Address },
    GossipBind { endpoint: String },
    GossipUnpublish { peer: PeerId },
    RequirePeer { peer: Option<PeerId>, endpoint: Address },
    SetContestInGroup { group: String },
    Leader { group: String },
    Stop,
    Uuid,
    Name,
    Endpoint,
    Peers,
    OwnGroups,
    PeerGroups,
    PeersByGroup { group: String },
    PeerAddress { peer: PeerId },
    PeerName { peer: PeerId },
    PeerHeaders { peer: PeerId },
    PeerHeaderValue { peer: PeerId, name: String },
    Stats,
}

/// All that can be done, as an error lists it.
const ALL: &str = "join, leave, whisper, shout, set_header, gossip_connect, gossip_bind, gossip_unpublish, \
                   require_peer, set_contest_in_group, leader, stop, uuid, name, endpoint, peers, own_groups, peer_groups, \
                   peers_by_group, peer_address, peer_name, peer_headers, peer_header_value, stats";

/// A line, as far as it can be understood.
#[derive(Debug)]
pub(super) struct Line {
    /// The command's name, which the answer repeats.
    pub(super) name: Option<String>,
    /// What is to come back with the answer, as JSON.
    pub(super) id: Option<String>,
    /// The command, or what is wrong with it.
    pub(super) command: Result<Command, String>,
}

impl Line {
    pub(super) fn read(line: Result<&[u8], String>) -> Self {
        let (text, fields) = match line.and_then(object) {
            Ok(read) => read,
            Err(why) => return Self { name: None, id: None, command: Err(why) },
        };
        let id = fields.get("id").map(|id| id_as_given(id, text));
        let name = match fields.get("do") {
            Some(Value::String(name)) => name.clone(),
            _ => {
                let why = r#"a command says what to "do", as in {"do":"peers"}"#;
                return Self { name: None, id, command: Err(why.into()) };
            }
        };
        let command = Fields(fields).command(&name);
        Self { name: Some(name), id, command }
    }
}

fn object(line: &[u8]) -> Result<(&str, Map<String, Value>), String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("the line is not UTF-8: {error}"))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok((text, fields)),
        Ok(_) => Err(r#"a command is an object, as in {"do":"peers"}"#.into()),
        Err(error) => Err(format!("the line is not JSON: {error}")),
    }
}

/// The id must come back the same, but a number can have more digits than a `Value` keeps.
fn id_as_given(id: &Value, line: &str) -> String {
    let given = match id {
        Value::Number(number) if number.is_f64() => field_as_given(line, "id"),
        Value::Array(_) | Value::Object(_) => field_as_given(line, "id"),
        _ => None,
    };
    json::harmless(given.unwrap_or(&id.to_string())).into_owned()
}

/// The text of a field's value in a line that is an object. Of two fields of the same name it is the last, as in a map.
fn field_as_given<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = line.trim_start().strip_prefix('{')?;
    let mut found = None;
    loop {
        let (name, _, after) = first_value(rest)?;
        let (_, text, after) = first_value(after.trim_start().strip_prefix(':')?)?;
        if name == wanted {
            found = Some(text);
        }
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None => return found,
        }
    }
}

/// The JSON that a text begins with, its text, and what follows.
fn first_value(text: &str) -> Option<(Value, &str, &str)> {
    let mut values = Deserializer::from_str(text).into_iter();
    let value = values.next()?.ok()?;
    let (its, rest) = text.split_at(values.byte_offset());
    Some((value, its.trim(), rest))
}

/// The fields of a command, to be taken one by one.
struct Fields(Map<String, Value>);

impl Fields {
    fn command(mut self, name: &str) -> Result<Command, String> {
        Ok(match name {
            "join" => Command::Join { group: self.text("group")? },
            "leave" => Command::Leave { group: self.text("group")? },
            "whisper" => Command::Whisper { peer: self.peer()?, content: self.content()? },
            "shout" => Command::Shout { group: self.text("group")?, content: self.content()? },
            "set_header" => Command::SetHeader { name: self.text("name")?, value: self.text("value")? },
            "gossip_connect" => Command::GossipConnect { endpoint: self.endpoint()? },
            "gossip_bind" => Command::GossipBind { endpoint: self.text("endpoint")? },
            "gossip_unpublish" => Command::GossipUnpublish { peer: self.peer()? },
            "require_peer" => {
                let peer = self.0.contains_key("peer").then(|| self.peer()).transpose()?;
                Command::RequirePeer { peer, endpoint: self.endpoint()? }
            }
            "set_contest_in_group" => Command::SetContestInGroup { group: self.text("group")? },
            "leader" => Command::Leader { group: self.text("group")? },
            "stop" => Command::Stop,
            "uuid" => Command::Uuid,
            "name" => Command::Name,
            "endpoint" => Command::Endpoint,
            "peers" => Command::Peers,
            "own_groups" => Command::OwnGroups,
            "peer_groups" => Command::PeerGroups,
            "peers_by_group" => Command::PeersByGroup { group: self.text("group")? },
            "peer_address" => Command::PeerAddress { peer: self.peer()? },
            "peer_name" => Command::PeerName { peer: self.peer()? },
            "peer_headers" => Command::PeerHeaders { peer: self.peer()? },
            "peer_header_value" => Command::PeerHeaderValue { peer: self.peer()?, name: self.text("name")? },
            "stats" => Command::Stats,
            _ => return Err(format!("there is no such command; there are: {ALL}")),
        })
    }

    fn text(&mut self, field: &str) -> Result<String, String> {
        match self.0.remove(field) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(format!("{field:?} must be a text")),
            None => Err(format!("{field:?} is missing")),
        }
    }

    fn peer(&mut self) -> Result<PeerId, String> {
        self.text("peer")?.parse().map_err(|error| format!("{error}"))
    }

    fn endpoint(&mut self) -> Result<Address, String> {
        self.text("endpoint")?.parse().map_err(|error| format!("{error}"))
    }

    fn content(&mut self) -> Result<Content, String> {
        match self.0.remove("content") {
            Some(Value::Array(frames)) => frames.into_iter().try_fold(Content::new(), |mut content, given| {
                match given {
                    Value::String(text) => content.push(text),
                    given => content.push(from_hex(&given).ok_or(r#"a frame is a text or {"hex":"00ff"}"#)?),
                }
                Ok(content)
            }),
            Some(_) => Err(r#""content" must be a list of frames, as in ["text",{"hex":"00ff"}]"#.into()),
            None => Err(r#""content" is missing"#.into()),
        }
    }
}

/// The octets of `{"hex":"00ff"}`.
fn from_hex(frame: &Value) -> Option<Vec<u8>> {
    let fields = frame.as_object().filter(|fields| fields.len() == 1)?;
    let (pairs, odd) = fields.get("hex")?.as_str()?.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let octet = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    odd.is_empty().then(|| pairs.iter().map(octet).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "898982B43D674EB6BBAACFBBA7478086";

    fn read(line: &str) -> Line {
        Line::read(Ok(line.as_bytes()))
    }

    #[test]
    fn a_line_is_a_command() {
        let peer: PeerId = PEER.parse().unwrap();
        let mut content: Content = "hi".into();
        content.push(vec![0, 0xff, 0xab]);
        let whisper = Command::Whisper { peer, content: content.clone() };
        let line =
            r#" {"do":"whisper","peer":"898982b4-3d67-4eb6-bbaa-cfbba7478086","content":["hi",{"hex":"00ffAb"}]} "#;
        assert_eq!(read(line).command, Ok(whisper));
        let shout = read(r#"{"content":[],"do":"shout","group":"g","more":1}"#);
        assert_eq!(shout.command, Ok(Command::Shout { group: "g".into(), content: Content::new() }));
        assert_eq!((shout.name.as_deref(), shout.id), (Some("shout"), None));
        let header = Command::SetHeader { name: "k".into(), value: String::new() };
        assert_eq!(read(r#"{"do":"set_header","name":"k","value":""}"#).command, Ok(header));
        let header = format!(r#"{{"do":"peer_header_value","peer":"{PEER}","name":"k"}}"#);
        assert_eq!(read(&header).command, Ok(Command::PeerHeaderValue { peer, name: "k".into() }));
    }

    #[test]
    fn every_command_in_the_list_is_one() {
        let fields =
            format!(r#""group":"g","peer":"{PEER}","name":"n","value":"v","content":[""],"endpoint":"inproc://x""#);
        for name in ALL.split(", ") {
            let line = read(&format!(r#"{{"do":"{name}",{fields}}}"#));
            assert!(line.command.is_ok(), "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, words) in [
            ("", "not JSON"),
            ("{", "not JSON"),
            (r#"{"do":"uuid"}{"do":"uuid"}"#, "not JSON"),
            (r#"{"do":"join","group":"\ud800"}"#, "not JSON"),
            ("[]", "an object"),
            ("\"stop\"", "an object"),
            ("{}", "\"do\""),
            (r#"{"do":1}"#, "\"do\""),
            (r#"{"do":"dance"}"#, "no such command"),
            (r#"{"do":"join"}"#, "\"group\" is missing"),
            (r#"{"do":"join","group":7}"#, "\"group\" must be a text"),
            (r#"{"do":"whisper","content":["hi"]}"#, "\"peer\" is missing"),
            (r#"{"do":"peer_name","peer":"bob"}"#, "32 hex digits"),
            (r#"{"do":"shout","group":"g"}"#, "\"content\" is missing"),
            (r#"{"do":"shout","group":"g","content":"hi"}"#, "must be a list"),
            (r#"{"do":"set_header","name":"k"}"#, "\"value\" is missing"),
        ] {
            let why = read(line).command.unwrap_err();
            assert!(why.contains(words), "{line}: {why}");
        }
        for frame in
            ["1", "null", r#"["a"]"#, "{}", r#"{"hex":1}"#, r#"{"hex":"0"}"#, r#"{"hex":"+1"}"#, r#"{"hex":"é"}"#]
        {
            let why = read(&format!(r#"{{"do":"shout","group":"g","content":[{frame}]}}"#)).command.unwrap_err();
            assert!(why.starts_with("a frame is"), "{frame}: {why}");
        }
        assert!(Line::read(Ok(b"\xff")).command.unwrap_err().contains("not UTF-8"));
        assert!(Line::read(Err("too long".into())).command.is_err());
    }

    #[test]
    fn an_id_comes_back_as_it_was() {
        for id in [
            "7",
            "-1",
            "\"seven\"",
            "null",
            "true",
            "1.50",
            "1e2",
            "338958331222012082418099330867817086977",
            "[1, {\"a\": 0.1000000000000000055511151231257827}]",
            "{}",
        ] {
            for line in [
                format!(r#"{{"id":{id},"do":"uuid"}}"#),
                format!(r#" {{ "do" : "dance" , "x" : {{"id":1}}, "id" : {id} }} "#),
                format!(r#"{{"id":1.25,"group":["id",2],"id":{id}}}"#),
            ] {
                assert_eq!(read(&line).id.as_deref(), Some(id), "{line}");
            }
        }
        assert_eq!(read("{\"id\":[\t\"\u{9b}\",\r1.0]}").id.as_deref(), Some(r#"[ "\u009b", 1.0]"#));
        assert_eq!(read(r#"{"do":"uuid"}"#).id, None);
    }
}
