//! What the octets of one direction of a connection say: greeting, commands and messages, as they become whole.

use bytes::Bytes;
use serde::Serialize;
use zre_proto::{
    DecodeError, Message, Text,
    gossip::Gossip,
    message::Body,
    zmtp::{Command, Frame, FrameDecoder, GreetingDecoder},
};

/// Something that became whole.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Item {
    Greeting {
        /// Major and minor version.
        greeting: String,
        mechanism: String,
    },
    Command {
        command: String,
    },
    Message {
        message: &'static str,
        sequence: u16,
        #[serde(flatten)]
        fields: Fields,
    },
    /// On a connection to a hub.
    Gossip {
        gossip: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<u32>,
    },
    /// What no decoder takes. The rest of the direction is not looked at.
    Broken {
        broken: String,
    },
}

/// What a message says, as far as it fits a line.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    /// Of the content of a WHISPER or SHOUT: frames, and octets in all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octets: Option<usize>,
}

/// What a message of gossip begins with. Those of ZRE begin with another number.
const GOSSIP: [u8; 2] = [0xAA, 0xA0];

/// Reads one direction.
#[derive(Debug)]
pub(super) struct Stream {
    state: State,
    /// The message whose frames are coming: what it is, then how many frames, and octets, of content there were.
    message: Option<(Message, usize, usize)>,
}

#[derive(Debug)]
enum State {
    Greeting(GreetingDecoder),
    Frames(FrameDecoder),
    Broken,
}

impl Default for Stream {
    fn default() -> Self {
        Self { state: State::Greeting(GreetingDecoder::default()), message: None }
    }
}

impl Stream {
    /// Reads the next octets; what became whole with them.
    pub(super) fn read(&mut self, data: &Bytes) -> Vec<Item> {
        let mut items = Vec::new();
        if let Err(error) = self.try_read(data, &mut items) {
            self.state = State::Broken;
            items.push(Item::Broken { broken: error.to_string() });
        }
        items
    }

    fn try_read(&mut self, data: &Bytes, items: &mut Vec<Item>) -> Result<(), DecodeError> {
        let mut rest = data.clone();
        if let State::Greeting(decoder) = &mut self.state {
            let (taken, greeting) = decoder.decode(&rest)?;
            let Some(greeting) = greeting else { return Ok(()) };
            rest = rest.slice(taken.min(rest.len())..);
            let (major, minor) = greeting.version;
            items.push(Item::Greeting {
                greeting: format!("{major}.{minor}"),
                mechanism: greeting.mechanism.to_string(),
            });
            // The octets are here already: no frame is too long.
            self.state = State::Frames(FrameDecoder::new(usize::MAX));
        }
        if rest.is_empty() {
            return Ok(());
        }
        if let State::Frames(decoder) = &mut self.state {
            decoder.push(rest);
            while let Some(frame) = decoder.next_frame()? {
                items.extend(take(&mut self.message, &frame)?);
            }
        }
        Ok(())
    }
}

/// Takes a frame: a command is whole at once, a message with its last frame.
fn take(message: &mut Option<(Message, usize, usize)>, frame: &Frame) -> Result<Option<Item>, DecodeError> {
    if frame.command {
        let command = Command::decode(&frame.body)?.name().to_string_lossy().into_owned();
        return Ok(Some(Item::Command { command }));
    }
    if message.is_none() && frame.body.starts_with(&GOSSIP) {
        return Ok(Some(gossip(&Gossip::decode(&frame.body)?)));
    }
    match message {
        Some((_, frames, octets)) => {
            *frames += 1;
            *octets += frame.body.len();
        }
        None => *message = Some((Message::decode(&frame.body)?, 0, 0)),
    }
    Ok(if frame.more { None } else { message.take().map(describe) })
}

/// What a message of gossip says; it is one frame.
fn gossip(message: &Gossip) -> Item {
    let (mut key, mut value, mut ttl) = (None, None, None);
    if let Gossip::Publish(tuple) = message {
        key = Some(tuple.key.to_string_lossy().into_owned());
        value = Some(tuple.value.to_string_lossy().into_owned());
        ttl = Some(tuple.ttl);
    }
    Item::Gossip { gossip: message.name(), key, value, ttl }
}

fn describe((message, frames, octets): (Message, usize, usize)) -> Item {
    let text = |text: &Text| Some(text.to_string_lossy().into_owned());
    let mut fields = Fields::default();
    if message.body.has_content() {
        (fields.frames, fields.octets) = (Some(frames), Some(octets));
    }
    match &message.body {
        Body::Hello(hello) => {
            fields.name = text(&hello.name);
            fields.endpoint = text(&hello.endpoint);
            fields.groups = Some(hello.groups.iter().map(|group| group.to_string_lossy().into_owned()).collect());
            fields.status = Some(hello.status);
        }
        Body::Join(change) | Body::Leave(change) => {
            fields.group = text(&change.group);
            fields.status = Some(change.status);
        }
        Body::Shout { group } | Body::Elect { group, .. } | Body::Leader { group, .. } => fields.group = text(group),
        _ => {}
    }
    Item::Message { message: message.body.name(), sequence: message.sequence, fields }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zre_proto::gossip::Tuple;
    use zre_proto::zmtp::{FrameHeader, Greeting, Metadata};

    fn frame(out: &mut Vec<u8>, header: FrameHeader, encode: impl FnOnce(&mut Vec<u8>)) {
        header.encode(out);
        encode(out);
    }

    fn said() -> Vec<u8> {
        let mut out = Greeting::NULL.encode().to_vec();
        let ready = Command::Ready(Metadata::default());
        frame(&mut out, FrameHeader::command(ready.encoded_len()), |out| ready.encode(out).unwrap());
        for (sequence, body) in [(1, Body::Ping), (2, Body::Shout { group: "g".into() })] {
            let message = Message { sequence, body };
            let more = message.body.has_content();
            frame(&mut out, FrameHeader::message(message.encoded_len(), more), |out| message.encode(out).unwrap());
        }
        frame(&mut out, FrameHeader::message(2, true), |out| out.extend(*b"ab"));
        frame(&mut out, FrameHeader::message(1, false), |out| out.extend(*b"c"));
        out
    }

    #[test]
    fn pieces_of_any_size_say_the_same() {
        let said = said();
        let whole = Stream::default().read(&said.clone().into());
        assert_eq!(
            serde_json::to_string(&whole).unwrap(),
            concat!(
                r#"[{"greeting":"3.1","mechanism":"NULL"},{"command":"READY"},{"message":"PING","sequence":1},"#,
                r#"{"message":"SHOUT","sequence":2,"group":"g","frames":2,"octets":3}]"#
            )
        );
        for size in 1..said.len() {
            let mut stream = Stream::default();
            let pieces = said.chunks(size).flat_map(|piece| stream.read(&Bytes::copy_from_slice(piece)));
            assert!(pieces.eq(Stream::default().read(&said.clone().into())), "{size}");
        }
    }

    #[test]
    fn gossip_is_told_from_what_peers_say() {
        let mut said = Greeting::NULL.encode().to_vec();
        let tuple = Tuple { key: "K".into(), value: "tcp://10.0.0.1:1".into(), ttl: 0 };
        for message in [Gossip::Hello, Gossip::Publish(tuple)] {
            let header = FrameHeader::message(message.encoded_len(), false);
            frame(&mut said, header, |out| message.encode(out).unwrap());
        }
        let items = Stream::default().read(&said.into());
        assert_eq!(
            serde_json::to_string(&items[1..]).unwrap(),
            r#"[{"gossip":"HELLO"},{"gossip":"PUBLISH","key":"K","value":"tcp://10.0.0.1:1","ttl":0}]"#
        );
    }

    #[test]
    fn what_is_broken_is_told_once() {
        let mut stream = Stream::default();
        let mut said = said();
        said.extend([0x80, 0]);
        let items = stream.read(&said.clone().into());
        assert!(matches!(&items[..], [.., Item::Message { .. }, Item::Broken { .. }]), "{items:?}");
        assert_eq!(stream.read(&said.into()), []);
    }
}
