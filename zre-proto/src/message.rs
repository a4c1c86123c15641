//! ZRE messages between two nodes: the first frame of each (RFC 36, "ZRE"; ELECT, LEADER and GOODBYE are Zyre's).
//!
//! The first frame is `AA A1`, an id, version 2, a sequence number and the fields of the message. WHISPER and SHOUT
//! are followed by content frames, which this codec never touches; nothing follows the others.
//!
//! Decoding is strict: octets after the last field are an error, so a frame that decodes encodes to the same octets.

use crate::{
    error::{DecodeError, EncodeError, Fault},
    limits::MESSAGE_HEADER_LEN,
    text::Text,
    wire::{Reader, check_long, check_string, put_longstr, put_string},
};
use alloc::vec::Vec;
use bytes::{BufMut, Bytes};

const SIGNATURE: [u8; 2] = [0xAA, 0xA1];
const VERSION: u8 = 2;

/// The first frame of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// HELLO is 1, each further message to the same peer one more.
    pub sequence: u16,
    /// What is said.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// The first message to a peer: who we are.
    Hello(Hello),
    /// Content for this one peer; content frames follow.
    Whisper,
    /// Content for a group; content frames follow.
    Shout {
        /// The group it is for.
        group: Text,
    },
    /// The sender joined a group.
    Join(Membership),
    /// The sender left a group.
    Leave(Membership),
    /// Asks for a PING-OK.
    Ping,
    /// Answers a PING.
    PingOk,
    /// A wave of an election (Zyre).
    Elect {
        /// The group whose leader is elected.
        group: Text,
        /// The UUID, in 32 upper-case hex digits, that the sender proposes.
        challenger: Text,
    },
    /// The end of an election (Zyre).
    Leader {
        /// The group that has a leader now.
        group: Text,
        /// The leader's UUID in 32 upper-case hex digits.
        leader: Text,
    },
    /// The sender leaves (Zyre).
    Goodbye,
    /// A message of a kind that is not known here: skipped, but its sequence number counts.
    Unknown {
        /// The id that was met.
        id: u8,
        /// Everything after the header.
        fields: Bytes,
    },
}

/// The first frame of a WHISPER or SHOUT, read where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHead<'a> {
    /// The message's number.
    pub sequence: u16,
    /// The group of a SHOUT, as it stands there.
    pub group: Option<&'a [u8]>,
}

impl<'a> ContentHead<'a> {
    /// `None` for anything else: [`Message::decode`] says what it is, or what is wrong with it.
    #[inline]
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let (&[a, b, id, version, high, low], fields) = frame.split_first_chunk()?;
        let group = match (id, fields) {
            (id::WHISPER, []) => None,
            (id::SHOUT, [length, group @ ..]) if usize::from(*length) == group.len() => Some(group),
            _ => return None,
        };
        ([a, b] == SIGNATURE && version == VERSION).then_some(Self { sequence: u16::from_be_bytes([high, low]), group })
    }

    /// The first frame of a WHISPER.
    #[inline]
    pub const fn whisper(sequence: u16) -> [u8; MESSAGE_HEADER_LEN] {
        let [[a, b], [high, low]] = [SIGNATURE, sequence.to_be_bytes()];
        [a, b, id::WHISPER, VERSION, high, low]
    }
}

/// The fields of HELLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// The sender's mailbox, as an endpoint.
    pub endpoint: Text,
    /// The groups that the sender is in.
    pub groups: Vec<Text>,
    /// How often the sender joined or left so far, modulo 256.
    pub status: u8,
    /// The sender's name. Not unique.
    pub name: Text,
    /// The sender's headers, in the order they stand on the wire.
    pub headers: Vec<(Text, Text)>,
}

/// The fields of JOIN and LEAVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: Text,
    /// The sender's status after this change, modulo 256.
    pub status: u8,
}

/// The ids on the wire.
mod id {
    pub(super) const HELLO: u8 = 1;
    pub(super) const WHISPER: u8 = 2;
    pub(super) const SHOUT: u8 = 3;
    pub(super) const JOIN: u8 = 4;
    pub(super) const LEAVE: u8 = 5;
    pub(super) const PING: u8 = 6;
    pub(super) const PING_OK: u8 = 7;
    pub(super) const ELECT: u8 = 8;
    pub(super) const LEADER: u8 = 9;
    pub(super) const GOODBYE: u8 = 10;
}

impl Message {
    /// Reads the first frame of a message.
    ///
    /// Text is sliced from `frame`, not copied. The error says which field is bad and where.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for what is cut off, has octets after its end, or is of another protocol or version.
    pub fn decode(frame: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        if reader.array("message signature")? != SIGNATURE {
            return Err(DecodeError::new("message signature", 0, Fault::Signature));
        }
        let id = reader.u8("message id")?;
        let version = reader.u8("message version")?;
        if version != VERSION {
            return Err(DecodeError::new("message version", 3, Fault::Version { found: version }));
        }
        let sequence = reader.u16("sequence")?;
        let body = match id {
            id::HELLO => Body::Hello(Hello::decode(&mut reader)?),
            id::WHISPER => Body::Whisper,
            id::SHOUT => Body::Shout { group: reader.string("SHOUT group")? },
            id::JOIN => {
                Body::Join(Membership { group: reader.string("JOIN group")?, status: reader.u8("JOIN status")? })
            }
            id::LEAVE => {
                Body::Leave(Membership { group: reader.string("LEAVE group")?, status: reader.u8("LEAVE status")? })
            }
            id::PING => Body::Ping,
            id::PING_OK => Body::PingOk,
            id::ELECT => {
                Body::Elect { group: reader.string("ELECT group")?, challenger: reader.string("ELECT challenger")? }
            }
            id::LEADER => {
                Body::Leader { group: reader.string("LEADER group")?, leader: reader.string("LEADER leader")? }
            }
            id::GOODBYE => Body::Goodbye,
            id => Body::Unknown { id, fields: reader.remainder() },
        };
        reader.end("end of message")?;
        Ok(Self { sequence, body })
    }

    /// Appends the frame to `out`. On an error nothing was written.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], where a field is longer than its format has room for.
    pub fn encode(&self, out: &mut impl BufMut) -> Result<(), EncodeError> {
        self.body.encode(self.sequence, out)
    }

    /// How many octets [`Message::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        self.body.encoded_len()
    }
}

impl Body {
    /// Appends the frame of a message with this body and number to `out`. On an error nothing was written.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], where a field is longer than its format has room for.
    pub fn encode(&self, sequence: u16, out: &mut impl BufMut) -> Result<(), EncodeError> {
        self.check()?;
        let [high, low] = sequence.to_be_bytes();
        out.put_slice(&[SIGNATURE[0], SIGNATURE[1], self.id(), VERSION, high, low]);
        match self {
            Self::Hello(hello) => hello.put(out),
            Self::Shout { group } => put_string(out, group.as_octets()),
            Self::Join(change) | Self::Leave(change) => {
                put_string(out, change.group.as_octets());
                out.put_u8(change.status);
            }
            Self::Elect { group, challenger: uuid } | Self::Leader { group, leader: uuid } => {
                put_string(out, group.as_octets());
                put_string(out, uuid.as_octets());
            }
            Self::Unknown { fields, .. } => out.put_slice(fields),
            Self::Whisper | Self::Ping | Self::PingOk | Self::Goodbye => {}
        }
        Ok(())
    }

    /// How many octets [`Body::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        MESSAGE_HEADER_LEN
            + match self {
                Self::Hello(hello) => hello.encoded_len(),
                Self::Shout { group } => 1 + group.len(),
                Self::Join(change) | Self::Leave(change) => 2 + change.group.len(),
                Self::Elect { group, challenger: uuid } | Self::Leader { group, leader: uuid } => {
                    2 + group.len() + uuid.len()
                }
                Self::Unknown { fields, .. } => fields.len(),
                Self::Whisper | Self::Ping | Self::PingOk | Self::Goodbye => 0,
            }
    }

    /// The id on the wire.
    pub fn id(&self) -> u8 {
        match self {
            Self::Hello(_) => id::HELLO,
            Self::Whisper => id::WHISPER,
            Self::Shout { .. } => id::SHOUT,
            Self::Join(_) => id::JOIN,
            Self::Leave(_) => id::LEAVE,
            Self::Ping => id::PING,
            Self::PingOk => id::PING_OK,
            Self::Elect { .. } => id::ELECT,
            Self::Leader { .. } => id::LEADER,
            Self::Goodbye => id::GOODBYE,
            Self::Unknown { id, .. } => *id,
        }
    }

    /// The message's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "HELLO",
            Self::Whisper => "WHISPER",
            Self::Shout { .. } => "SHOUT",
            Self::Join(_) => "JOIN",
            Self::Leave(_) => "LEAVE",
            Self::Ping => "PING",
            Self::PingOk => "PING-OK",
            Self::Elect { .. } => "ELECT",
            Self::Leader { .. } => "LEADER",
            Self::Goodbye => "GOODBYE",
            Self::Unknown { .. } => "unknown message",
        }
    }

    /// Whether content frames may follow.
    pub fn has_content(&self) -> bool {
        matches!(self, Self::Whisper | Self::Shout { .. })
    }

    fn check(&self) -> Result<(), EncodeError> {
        match self {
            Self::Hello(hello) => hello.check(),
            Self::Shout { group } => check_string("SHOUT group", group.as_octets()),
            Self::Join(change) => check_string("JOIN group", change.group.as_octets()),
            Self::Leave(change) => check_string("LEAVE group", change.group.as_octets()),
            Self::Elect { group, challenger } => {
                check_string("ELECT group", group.as_octets())?;
                check_string("ELECT challenger", challenger.as_octets())
            }
            Self::Leader { group, leader } => {
                check_string("LEADER group", group.as_octets())?;
                check_string("LEADER leader", leader.as_octets())
            }
            Self::Whisper | Self::Ping | Self::PingOk | Self::Goodbye | Self::Unknown { .. } => Ok(()),
        }
    }
}

impl Hello {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let endpoint = reader.string("HELLO endpoint")?;
        // Counts are the peer's word: each entry must be there before room is made for it.
        let mut groups = Vec::new();
        for _ in 0..reader.u32("HELLO group count")? {
            groups.push(reader.longstr("HELLO group")?);
        }
        let status = reader.u8("HELLO status")?;
        let name = reader.string("HELLO name")?;
        let mut headers = Vec::new();
        for _ in 0..reader.u32("HELLO header count")? {
            headers.push((reader.string("HELLO header name")?, reader.longstr("HELLO header value")?));
        }
        Ok(Self { endpoint, groups, status, name, headers })
    }

    fn check(&self) -> Result<(), EncodeError> {
        check_string("HELLO endpoint", self.endpoint.as_octets())?;
        check_long("HELLO group count", self.groups.len())?;
        for group in &self.groups {
            check_long("HELLO group", group.len())?;
        }
        check_string("HELLO name", self.name.as_octets())?;
        check_long("HELLO header count", self.headers.len())?;
        for (name, value) in &self.headers {
            check_string("HELLO header name", name.as_octets())?;
            check_long("HELLO header value", value.len())?;
        }
        Ok(())
    }

    fn put(&self, out: &mut impl BufMut) {
        put_string(out, self.endpoint.as_octets());
        out.put_u32(self.groups.len() as u32);
        for group in &self.groups {
            put_longstr(out, group.as_octets());
        }
        out.put_u8(self.status);
        put_string(out, self.name.as_octets());
        out.put_u32(self.headers.len() as u32);
        for (name, value) in &self.headers {
            put_string(out, name.as_octets());
            put_longstr(out, value.as_octets());
        }
    }

    /// How many octets the fields take, without the header of the message.
    pub fn encoded_len(&self) -> usize {
        let groups: usize = self.groups.iter().map(|group| 4 + group.len()).sum();
        let headers: usize = self.headers.iter().map(|(name, value)| 5 + name.len() + value.len()).sum();
        1 + self.endpoint.len() + 4 + groups + 1 + 1 + self.name.len() + 4 + headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::{collection::vec, prelude::*};
    use std::vec;

    fn text(max: usize) -> impl Strategy<Value = Text> {
        vec(any::<u8>(), 0..=max).prop_map(|octets| Text::from_octets(Bytes::from(octets)))
    }

    fn hello() -> impl Strategy<Value = Hello> {
        (text(255), vec(text(300), 0..6), any::<u8>(), text(255), vec((text(255), text(300)), 0..6))
            .prop_map(|(endpoint, groups, status, name, headers)| Hello { endpoint, groups, status, name, headers })
    }

    fn membership() -> impl Strategy<Value = Membership> {
        (text(255), any::<u8>()).prop_map(|(group, status)| Membership { group, status })
    }

    fn message() -> impl Strategy<Value = Message> {
        let body = prop_oneof![
            hello().prop_map(Body::Hello),
            Just(Body::Whisper),
            text(255).prop_map(|group| Body::Shout { group }),
            membership().prop_map(Body::Join),
            membership().prop_map(Body::Leave),
            Just(Body::Ping),
            Just(Body::PingOk),
            (text(255), text(255)).prop_map(|(group, challenger)| Body::Elect { group, challenger }),
            (text(255), text(255)).prop_map(|(group, leader)| Body::Leader { group, leader }),
            Just(Body::Goodbye),
            (11u8.., vec(any::<u8>(), 0..50))
                .prop_map(|(id, fields)| Body::Unknown { id, fields: Bytes::from(fields) }),
        ];
        (any::<u16>(), body).prop_map(|(sequence, body)| Message { sequence, body })
    }

    fn encode(message: &Message) -> Bytes {
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        out.freeze()
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(message in message()) {
            let frame = encode(&message);
            prop_assert_eq!(frame.len(), message.encoded_len());
            let head = match &message.body {
                Body::Whisper => Some(None),
                Body::Shout { group } => Some(Some(group.as_octets())),
                _ => None,
            };
            let head = head.map(|group| ContentHead { sequence: message.sequence, group });
            prop_assert_eq!(ContentHead::read(&frame), head);
            prop_assert_eq!(Message::decode(&frame), Ok(message));
        }

        #[test]
        fn what_is_read_where_it_lies_is_what_is_decoded(mut octets in vec(any::<u8>(), 6..20), id in 0u8..5, length: Option<u8>) {
            octets[..4].copy_from_slice(&[0xAA, 0xA1, id, 2]);
            if let Some(length) = length.filter(|_| octets.len() > 6) {
                octets[6] = length % 16;
            }
            let frame = Bytes::from(octets);
            let decoded = Message::decode(&frame).ok();
            match ContentHead::read(&frame) {
                Some(ContentHead { sequence, group }) => {
                    prop_assert!(group.is_some() || ContentHead::whisper(sequence) == frame[..]);
                    let body = group.map_or(Body::Whisper, |group| Body::Shout { group: Text::from_octets(Bytes::copy_from_slice(group)) });
                    prop_assert_eq!(decoded, Some(Message { sequence, body }));
                }
                None => prop_assert!(!decoded.is_some_and(|message| message.body.has_content())),
            }
        }

        #[test]
        fn encode_undoes_decode(mut octets in vec(any::<u8>(), 6..80), id in 0u8..=11) {
            octets[..4].copy_from_slice(&[0xAA, 0xA1, id, 2]);
            let frame = Bytes::from(octets);
            if let Ok(message) = Message::decode(&frame) {
                prop_assert_eq!(encode(&message), frame);
            }
        }

        #[test]
        fn every_truncation_is_an_error_at_the_cut(message in message()) {
            let frame = encode(&message);
            let known = !matches!(message.body, Body::Unknown { .. });
            for cut in 0..frame.len() {
                match Message::decode(&frame.slice(..cut)) {
                    Err(DecodeError { offset, fault: Fault::Truncated { missing }, .. }) => {
                        prop_assert!(offset <= cut && missing > 0 && cut + missing <= frame.len());
                    }
                    Ok(Message { body: Body::Unknown { .. }, .. }) if !known && cut >= 6 => {}
                    other => prop_assert!(false, "{cut} of {}: {other:?}", frame.len()),
                }
            }
        }

        #[test]
        fn no_frame_panics(octets: std::vec::Vec<u8>) {
            let _ = Message::decode(&Bytes::from(octets));
        }
    }

    #[test]
    fn a_count_is_not_an_allocation() {
        let frame = Bytes::from_static(b"\xAA\xA1\x01\x02\x00\x01\x00\xFF\xFF\xFF\xFF");
        assert_eq!(
            Message::decode(&frame),
            Err(DecodeError { field: "HELLO group", offset: 11, fault: Fault::Truncated { missing: 4 } })
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_before_a_single_octet() {
        let group = Text::from_octets(Bytes::from(std::vec![b'x'; 256]));
        let mut out = BytesMut::new();
        let error = Message { sequence: 1, body: Body::Shout { group } }.encode(&mut out).unwrap_err();
        assert_eq!(error, EncodeError { field: "SHOUT group", found: 256, limit: 255 });
        assert!(out.is_empty());
    }

    #[test]
    fn octets_after_the_last_field_are_an_error() {
        let frame = Bytes::from_static(b"\xAA\xA1\x06\x02\x00\x01!");
        assert_eq!(
            Message::decode(&frame),
            Err(DecodeError { field: "end of message", offset: 6, fault: Fault::Trailing { count: 1 } })
        );
    }
}
