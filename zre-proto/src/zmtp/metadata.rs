//! Metadata: the properties in a READY (RFC 23, "Metadata").

use crate::{
    error::{DecodeError, EncodeError, Fault},
    limits::STRING_MAX,
    text::Text,
    wire::{Reader, check_length, check_long, put_longstr, put_string},
};
use alloc::vec::Vec;
use bytes::{BufMut, Bytes};

/// Properties in the order they stand on the wire. Names are compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(Text, Bytes)>);

impl Metadata {
    /// The value of the first property with this name.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        let same = |text: &Text| text.as_octets().eq_ignore_ascii_case(name.as_bytes());
        self.0.iter().find(|(found, _)| same(found)).map(|(_, value)| value)
    }

    /// Adds a property at the end. The name is written exactly as given: libzmq compares `Socket-Type` and
    /// `Identity` to the letter.
    pub fn push(&mut self, name: Text, value: Bytes) {
        self.0.push((name, value));
    }

    /// All properties.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Bytes)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many octets the properties take.
    pub fn encoded_len(&self) -> usize {
        self.0.iter().map(|(name, value)| 5 + name.len() + value.len()).sum()
    }

    /// Reads properties; `at` is where they stand in what the error's offset counts from.
    pub(crate) fn decode(data: &Bytes, at: usize) -> Result<Self, DecodeError> {
        let shift = |error: DecodeError| DecodeError { offset: at + error.offset, ..error };
        let mut reader = Reader::new(data);
        let mut properties = Vec::new();
        while !reader.is_at_end() {
            let start = reader.offset();
            let name = reader.string("property name").map_err(shift)?;
            if name.is_empty() {
                return Err(DecodeError::new("property name", at + start, Fault::Name));
            }
            let value = reader.longstr("property value").map_err(shift)?;
            properties.push((name, Bytes::from(value)));
        }
        Ok(Self(properties))
    }

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        for (name, value) in &self.0 {
            check_length("property name", name.len(), STRING_MAX)?;
            check_long("property value", value.len())?;
        }
        Ok(())
    }

    pub(crate) fn put(&self, out: &mut impl BufMut) {
        for (name, value) in &self.0 {
            put_string(out, name.as_octets());
            put_longstr(out, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let data = Bytes::from_static(b"\x0bsocket-TYPE\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00");
        let metadata = Metadata::decode(&data, 0).unwrap();
        assert_eq!(metadata.get("Socket-Type").unwrap(), "DEALER");
        assert_eq!(metadata.get("IDENTITY").unwrap(), "");
        assert_eq!(metadata.get("X-ZRE"), None);
        assert_eq!(metadata.encoded_len(), data.len());
    }

    #[test]
    fn a_value_that_declares_too_much_is_an_error_where_it_starts() {
        let data = Bytes::from_static(b"\x01x\xFF\xFF\xFF\xFFabc");
        let error = Metadata::decode(&data, 10).unwrap_err();
        assert_eq!((error.field, error.offset), ("property value", 16));
        assert_eq!(error.fault, Fault::Truncated { missing: 0xFFFF_FFFF - 3 });
    }
}
