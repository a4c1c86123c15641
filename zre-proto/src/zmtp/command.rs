//! Commands: one frame each, a name and its data (RFC 23, "Commands"; PING and PONG are RFC 37's).

use super::Metadata;
use crate::{
    error::{DecodeError, EncodeError, Fault},
    limits::{PING_CONTEXT_MAX, STRING_MAX},
    text::Text,
    wire::{Reader, check_length, check_string, put_string},
};
use bytes::{BufMut, Bytes};

/// What some versions of libzmq write for an ERROR: no length, and `5E` for its first letter.
const MANGLED_ERROR: &[u8] = b"\x5ERROR";

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Ends the NULL handshake and says what the sender is.
    Ready(Metadata),
    /// Refuses the connection; nothing follows.
    Error {
        /// Why, in the peer's words.
        reason: Text,
    },
    /// Asks for a PONG (ZMTP 3.1).
    Ping {
        /// How long the receiver may wait for traffic before it gives up, in tenths of a second; 0 for no limit.
        ttl: u16,
        /// Comes back with the PONG: at most 16 octets.
        context: Bytes,
    },
    /// Answers a PING (ZMTP 3.1).
    Pong {
        /// The PING's context.
        context: Bytes,
    },
    /// Anything else.
    Unknown {
        /// The command's name.
        name: Text,
        /// Its data.
        data: Bytes,
    },
}

impl Command {
    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for a name that is none and for a known command that is cut off or too long.
    pub fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        if body.starts_with(MANGLED_ERROR) {
            return Self::decode_error(&body.slice(MANGLED_ERROR.len()..), MANGLED_ERROR.len());
        }
        let mut reader = Reader::new(body);
        let name = reader.string("command name")?;
        if name.is_empty() {
            return Err(DecodeError::new("command name", 0, Fault::Name));
        }
        let at = reader.offset();
        let data = reader.remainder();
        match name.as_octets() {
            b"READY" => Metadata::decode(&data, at).map(Self::Ready),
            b"ERROR" => Self::decode_error(&data, at),
            b"PING" => {
                let shift = |error: DecodeError| DecodeError { offset: at + error.offset, ..error };
                let mut reader = Reader::new(&data);
                let ttl = reader.u16("PING time to live").map_err(shift)?;
                let context = reader.remainder();
                if context.len() > PING_CONTEXT_MAX {
                    let count = context.len() - PING_CONTEXT_MAX;
                    let offset = at + 2 + PING_CONTEXT_MAX;
                    return Err(DecodeError::new("PING context", offset, Fault::Trailing { count }));
                }
                Ok(Self::Ping { ttl, context })
            }
            b"PONG" => Ok(Self::Pong { context: data }),
            _ => Ok(Self::Unknown { name, data }),
        }
    }

    fn decode_error(data: &Bytes, at: usize) -> Result<Self, DecodeError> {
        let shift = |error: DecodeError| DecodeError { offset: at + error.offset, ..error };
        let mut reader = Reader::new(data);
        let reason = reader.string("ERROR reason").map_err(shift)?;
        reader.end("ERROR reason").map_err(shift)?;
        Ok(Self::Error { reason })
    }

    /// The command's name.
    pub fn name(&self) -> Text {
        match self {
            Self::Ready(_) => Text::from_octets(Bytes::from_static(b"READY")),
            Self::Error { .. } => Text::from_octets(Bytes::from_static(b"ERROR")),
            Self::Ping { .. } => Text::from_octets(Bytes::from_static(b"PING")),
            Self::Pong { .. } => Text::from_octets(Bytes::from_static(b"PONG")),
            Self::Unknown { name, .. } => name.clone(),
        }
    }

    /// How many octets [`Command::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        1 + self.name().len()
            + match self {
                Self::Ready(metadata) => metadata.encoded_len(),
                Self::Error { reason } => 1 + reason.len(),
                Self::Ping { context, .. } => 2 + context.len(),
                Self::Pong { context } => context.len(),
                Self::Unknown { data, .. } => data.len(),
            }
    }

    /// Appends the body of the command's frame. On an error nothing was written.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], where a field is longer than its format has room for.
    pub fn encode(&self, out: &mut impl BufMut) -> Result<(), EncodeError> {
        match self {
            Self::Ready(metadata) => metadata.check()?,
            Self::Error { reason } => check_string("ERROR reason", reason.as_octets())?,
            Self::Ping { context, .. } => check_length("PING context", context.len(), PING_CONTEXT_MAX)?,
            Self::Unknown { name, .. } => check_length("command name", name.len(), STRING_MAX)?,
            Self::Pong { .. } => {}
        }
        put_string(out, self.name().as_octets());
        match self {
            Self::Ready(metadata) => metadata.put(out),
            Self::Error { reason } => put_string(out, reason.as_octets()),
            Self::Ping { ttl, context } => {
                out.put_u16(*ttl);
                out.put_slice(context);
            }
            Self::Pong { context: data } | Self::Unknown { data, .. } => out.put_slice(data),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::{collection::vec, prelude::*};

    fn octets(max: usize) -> impl Strategy<Value = Bytes> {
        vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
    }

    fn command() -> impl Strategy<Value = Command> {
        let property = ("[A-Za-z][A-Za-z0-9-]{0,20}", octets(40));
        prop_oneof![
            vec(property, 0..5).prop_map(|properties| {
                let mut metadata = Metadata::default();
                for (name, value) in properties {
                    metadata.push(Text::from(name), value);
                }
                Command::Ready(metadata)
            }),
            octets(255).prop_map(|reason| Command::Error { reason: Text::from_octets(reason) }),
            (any::<u16>(), octets(16)).prop_map(|(ttl, context)| Command::Ping { ttl, context }),
            octets(16).prop_map(|context| Command::Pong { context }),
            ("[A-Z]{6,20}", octets(40)).prop_map(|(name, data)| Command::Unknown { name: name.into(), data }),
        ]
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(command in command()) {
            let mut out = BytesMut::new();
            command.encode(&mut out).unwrap();
            prop_assert_eq!(out.len(), command.encoded_len());
            prop_assert_eq!(Command::decode(&out.freeze()), Ok(command));
        }

        #[test]
        fn encode_undoes_decode(name in "(READY|ERROR|PING|PONG|OTHER)", data in octets(60)) {
            let mut body = BytesMut::new();
            put_string(&mut body, name.as_bytes());
            body.put_slice(&data);
            let body = body.freeze();
            if let Ok(command) = Command::decode(&body) {
                let mut out = BytesMut::new();
                command.encode(&mut out).unwrap();
                prop_assert_eq!(out.freeze(), body);
            }
        }

        #[test]
        fn no_body_panics(body in octets(80)) {
            let _ = Command::decode(&body);
        }
    }

    #[test]
    fn both_spellings_of_error_are_read() {
        let error = Command::Error { reason: Text::from("400") };
        assert_eq!(Command::decode(&Bytes::from_static(b"\x05ERROR\x03400")), Ok(error.clone()));
        assert_eq!(Command::decode(&Bytes::from_static(b"\x5ERROR\x03400")), Ok(error));
    }

    #[test]
    fn a_ping_shorter_than_its_ttl_is_malformed() {
        let error = Command::decode(&Bytes::from_static(b"\x04PING\x00")).unwrap_err();
        assert_eq!(error, DecodeError::new("PING time to live", 5, Fault::Truncated { missing: 1 }));
    }
}
