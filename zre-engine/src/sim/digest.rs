//! A number that stands for all that happened.

use super::dice::mix;

/// Takes what happens, in order. Not for secrets: it is quick, and that two different runs agree is a matter of chance,
/// one in 2^64.
#[derive(Debug, Clone, Default)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) fn word(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ word).wrapping_add(0x9E37_79B9_7F4A_7C15);
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.word(octets.len() as u64);
        let (eights, rest) = octets.as_chunks::<8>();
        for eight in eights {
            self.word(u64::from_le_bytes(*eight));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last));
        }
    }

    pub(super) fn value(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_length_and_every_octet_count() {
        let of = |parts: &[&[u8]]| {
            let mut digest = Digest::default();
            parts.iter().for_each(|part| digest.octets(part));
            digest.value()
        };
        let all =
            [of(&[]), of(&[b""]), of(&[b"a"]), of(&[b"a\0"]), of(&[b"", b"a"]), of(&[b"a", b""]), of(&[b"123456789"])];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
