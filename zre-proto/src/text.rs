//! Text as it stands on the wire.

use alloc::{borrow::Cow, string::String};
use bytes::Bytes;
use core::fmt;

/// Text from the wire: meant to be UTF-8, kept as the octets that came.
///
/// Stock peers cut long non-ASCII names in the middle of a character, so the octets may not decode. Two texts are
/// equal when their octets are. [`Text::to_string_lossy`] replaces what does not decode.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// Text from octets, whatever they are. The octets are shared, not copied.
    pub const fn from_octets(octets: Bytes) -> Self {
        Self(octets)
    }

    /// The octets as they stand on the wire.
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }

    /// The text, with one U+FFFD for each run of octets that are not UTF-8. It is at most twice as long as the octets,
    /// and one more, and takes no more memory than that.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        if let Ok(text) = core::str::from_utf8(&self.0) {
            return text.into();
        }
        let length = readable(&self.0).map(str::len).sum();
        let mut text = String::with_capacity(length);
        text.extend(readable(&self.0));
        text.into()
    }

    /// Length in octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no octet at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The parts of octets that are text, with a mark for each run of those that are not.
fn readable(octets: &[u8]) -> impl Iterator<Item = &str> {
    let mut marked = false;
    octets.utf8_chunks().flat_map(move |chunk| {
        marked &= chunk.valid().is_empty();
        let mark = if chunk.invalid().is_empty() || marked { "" } else { "\u{FFFD}" };
        marked |= !chunk.invalid().is_empty();
        [chunk.valid(), mark]
    })
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_cut_character_is_replaced_not_refused() {
        let cut = Text::from_octets(Bytes::from_static(b"caf\xC3"));
        assert_eq!(cut.to_string(), "caf\u{FFFD}");
        assert_eq!(cut.len(), 4);
        assert_eq!(Text::from("café"), "café");
    }

    #[test]
    fn a_run_of_octets_that_are_no_text_is_one_mark() {
        for (octets, text) in [
            (&b"\xFF\xFE\xFDa\xC3\xC3b\x80"[..], "\u{FFFD}a\u{FFFD}b\u{FFFD}"),
            (b"\xFF", "\u{FFFD}"),
            (b"a\xFFb", "a\u{FFFD}b"),
            (b"", ""),
        ] {
            let read = Text::from_octets(Bytes::from_static(octets));
            assert_eq!(read.to_string_lossy(), text);
            assert!(text.len() <= 2 * octets.len() + 1);
            assert_eq!(read.to_string_lossy().into_owned().capacity(), text.len());
        }
    }
}
