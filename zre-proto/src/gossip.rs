//! Gossip messages: how nodes that no beacon reaches tell each other where they are (Zyre's, over czmq's zgossip; in no RFC).
//!
//! A message is one frame: `AA A0`, an id, version 1, and the fields of the message. A hub is a ROUTER, its clients are
//! DEALERs. A client says HELLO and publishes what it knows; the hub answers with all that it knows, and from then on hands
//! each new tuple to every client, the teller too.
//!
//! Decoding is strict: octets after the last field are an error, so a frame that decodes encodes to the same octets.

use crate::{
    error::{DecodeError, EncodeError, Fault},
    limits::GOSSIP_HEADER_LEN,
    text::Text,
    wire::{Reader, check_long, check_string, put_longstr, put_string},
};
use bytes::{BufMut, Bytes};

const SIGNATURE: [u8; 2] = [0xAA, 0xA0];
const VERSION: u8 = 1;

/// A gossip message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gossip {
    /// A client is there; the hub answers with all that it knows.
    Hello,
    /// Somebody is somewhere.
    Publish(Tuple),
    /// A client asks whether the hub is there.
    Ping,
    /// It is.
    Pong,
    /// The hub did not expect that: it has forgotten the client, who is to begin with HELLO.
    Invalid,
    /// A message of a version to come; its receiver ignores it.
    Unknown {
        /// Its id.
        id: u8,
        /// Its fields.
        fields: Bytes,
    },
}

/// What gossip is about: a key, and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuple {
    /// A node's UUID, in 32 upper-case hex digits.
    pub key: Text,
    /// Its endpoint; with CURVE then `|` and its public key in Z85.
    pub value: Text,
    /// How long that holds, in milliseconds; 0 is for ever, and what stock programs say.
    pub ttl: u32,
}

/// The ids on the wire.
mod id {
    pub(super) const HELLO: u8 = 1;
    pub(super) const PUBLISH: u8 = 2;
    pub(super) const PING: u8 = 3;
    pub(super) const PONG: u8 = 4;
    pub(super) const INVALID: u8 = 5;
}

impl Gossip {
    /// Reads a message. Text is sliced from `frame`, not copied. The error says which field is bad and where.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for what is cut off, has octets after its end, or is of another protocol or version.
    pub fn decode(frame: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        if reader.array("gossip signature")? != SIGNATURE {
            return Err(DecodeError::new("gossip signature", 0, Fault::Signature));
        }
        let id = reader.u8("gossip id")?;
        let version = reader.u8("gossip version")?;
        if version != VERSION {
            return Err(DecodeError::new("gossip version", 3, Fault::Version { found: version }));
        }
        let message = match id {
            id::HELLO => Self::Hello,
            id::PUBLISH => Self::Publish(Tuple {
                key: reader.string("PUBLISH key")?,
                value: reader.longstr("PUBLISH value")?,
                ttl: reader.u32("PUBLISH ttl")?,
            }),
            id::PING => Self::Ping,
            id::PONG => Self::Pong,
            id::INVALID => Self::Invalid,
            id => Self::Unknown { id, fields: reader.remainder() },
        };
        reader.end("end of gossip")?;
        Ok(message)
    }

    /// Appends the frame to `out`. On an error nothing was written.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], where a field is longer than its format has room for.
    pub fn encode(&self, out: &mut impl BufMut) -> Result<(), EncodeError> {
        if let Self::Publish(tuple) = self {
            check_string("PUBLISH key", tuple.key.as_octets())?;
            check_long("PUBLISH value", tuple.value.len())?;
        }
        out.put_slice(&SIGNATURE);
        out.put_u8(self.id());
        out.put_u8(VERSION);
        match self {
            Self::Publish(tuple) => {
                put_string(out, tuple.key.as_octets());
                put_longstr(out, tuple.value.as_octets());
                out.put_u32(tuple.ttl);
            }
            Self::Unknown { fields, .. } => out.put_slice(fields),
            Self::Hello | Self::Ping | Self::Pong | Self::Invalid => {}
        }
        Ok(())
    }

    /// How many octets [`Gossip::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        GOSSIP_HEADER_LEN
            + match self {
                Self::Publish(tuple) => 1 + tuple.key.len() + 4 + tuple.value.len() + 4,
                Self::Unknown { fields, .. } => fields.len(),
                Self::Hello | Self::Ping | Self::Pong | Self::Invalid => 0,
            }
    }

    /// The id on the wire.
    pub fn id(&self) -> u8 {
        match self {
            Self::Hello => id::HELLO,
            Self::Publish(_) => id::PUBLISH,
            Self::Ping => id::PING,
            Self::Pong => id::PONG,
            Self::Invalid => id::INVALID,
            Self::Unknown { id, .. } => *id,
        }
    }

    /// The message's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello => "HELLO",
            Self::Publish(_) => "PUBLISH",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Invalid => "INVALID",
            Self::Unknown { .. } => "unknown message",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::{collection::vec, prelude::*};

    fn text(max: usize) -> impl Strategy<Value = Text> {
        vec(any::<u8>(), 0..=max).prop_map(|octets| Text::from_octets(Bytes::from(octets)))
    }

    fn gossip() -> impl Strategy<Value = Gossip> {
        let tuple = (text(255), text(400), any::<u32>()).prop_map(|(key, value, ttl)| Tuple { key, value, ttl });
        prop_oneof![
            Just(Gossip::Hello),
            tuple.prop_map(Gossip::Publish),
            Just(Gossip::Ping),
            Just(Gossip::Pong),
            Just(Gossip::Invalid),
            (6u8.., vec(any::<u8>(), 0..50))
                .prop_map(|(id, fields)| Gossip::Unknown { id, fields: Bytes::from(fields) }),
        ]
    }

    fn encode(message: &Gossip) -> Bytes {
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        out.freeze()
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(message in gossip()) {
            let frame = encode(&message);
            prop_assert_eq!(frame.len(), message.encoded_len());
            prop_assert_eq!(Gossip::decode(&frame), Ok(message));
        }

        #[test]
        fn encode_undoes_decode(mut octets in vec(any::<u8>(), 4..60), id in 0u8..=6) {
            octets[..4].copy_from_slice(&[0xAA, 0xA0, id, 1]);
            let frame = Bytes::from(octets);
            if let Ok(message) = Gossip::decode(&frame) {
                prop_assert_eq!(encode(&message), frame);
            }
        }

        #[test]
        fn every_truncation_is_an_error_at_the_cut(message in gossip()) {
            let frame = encode(&message);
            let known = !matches!(message, Gossip::Unknown { .. });
            for cut in 0..frame.len() {
                match Gossip::decode(&frame.slice(..cut)) {
                    Err(DecodeError { offset, fault: Fault::Truncated { missing }, .. }) => {
                        prop_assert!(offset <= cut && missing > 0 && cut + missing <= frame.len());
                    }
                    Ok(Gossip::Unknown { .. }) if !known && cut >= 4 => {}
                    other => prop_assert!(false, "{cut} of {}: {other:?}", frame.len()),
                }
            }
        }

        #[test]
        fn no_frame_panics(octets: std::vec::Vec<u8>) {
            let _ = Gossip::decode(&Bytes::from(octets));
        }
    }

    #[test]
    fn a_tuple_stands_on_the_wire_as_stock_programs_have_it() {
        let tuple = Tuple { key: "K".into(), value: "tcp://127.0.0.1:5".into(), ttl: 0 };
        let frame = encode(&Gossip::Publish(tuple));
        assert_eq!(&frame[..], b"\xAA\xA0\x02\x01\x01K\x00\x00\x00\x11tcp://127.0.0.1:5\x00\x00\x00\x00");
    }

    #[test]
    fn what_is_no_gossip_is_told_where_it_is_not() {
        let error = |octets: &'static [u8]| Gossip::decode(&Bytes::from_static(octets)).unwrap_err();
        assert_eq!(error(b"\xAA\xA1\x01\x01"), DecodeError::new("gossip signature", 0, Fault::Signature));
        assert_eq!(error(b"\xAA\xA0\x01\x02"), DecodeError::new("gossip version", 3, Fault::Version { found: 2 }));
        assert_eq!(error(b"\xAA\xA0\x01\x01!"), DecodeError::new("end of gossip", 4, Fault::Trailing { count: 1 }));
        let declared = error(b"\xAA\xA0\x02\x01\x00\xFF\xFF\xFF\xFF");
        assert!(matches!(declared, DecodeError { field: "PUBLISH value", fault: Fault::Truncated { .. }, .. }));
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused_before_a_single_octet() {
        let key = Text::from_octets(Bytes::from(std::vec![b'x'; 256]));
        let mut out = BytesMut::new();
        let error = Gossip::Publish(Tuple { key, ..Tuple::default() }).encode(&mut out).unwrap_err();
        assert_eq!(error, EncodeError { field: "PUBLISH key", found: 256, limit: 255 });
        assert!(out.is_empty());
    }
}
