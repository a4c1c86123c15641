//! The greeting: the first 64 octets each way (RFC 23, "Greeting").
//!
//! `FF`, 8 octets of padding, `7F`; version (2); mechanism (20, NUL-padded); as-server (1); 31 octets of filler.
//! libzmq sends it in steps and waits in between, so a peer must send its own before it has all of the other's.

use crate::{
    error::{DecodeError, Fault},
    limits::GREETING_LEN,
};
use core::fmt;

const MECHANISM_AT: usize = 12;
const AS_SERVER_AT: usize = 32;

/// The name of a security mechanism: 1 to 20 octets, NUL-padded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mechanism([u8; 20]);

impl Mechanism {
    /// No authentication, no confidentiality.
    pub const NULL: Self = Self::from_name(b"NULL");
    /// CurveZMQ (RFC 26).
    pub const CURVE: Self = Self::from_name(b"CURVE");
    /// User name and password in clear text.
    pub const PLAIN: Self = Self::from_name(b"PLAIN");

    const fn from_name(name: &[u8]) -> Self {
        let mut padded = [0; 20];
        let mut at = 0;
        while at < name.len() {
            padded[at] = name[at];
            at += 1;
        }
        Self(padded)
    }

    /// The twenty octets as they stand on the wire.
    pub const fn as_octets(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().position(|octet| *octet == 0).unwrap_or(self.0.len());
        fmt::Display::fmt(&self.0[..end].escape_ascii(), f)
    }
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a greeting says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// Major and minor version of ZMTP: 3 and 0 or 1.
    pub version: (u8, u8),
    /// The security mechanism.
    pub mechanism: Mechanism,
    /// Whether the sender is the server of the mechanism. NULL has none.
    pub as_server: bool,
}

impl Greeting {
    /// The greeting of a peer that speaks ZMTP 3.1 without security.
    pub const NULL: Self = Self { version: (3, 1), mechanism: Mechanism::NULL, as_server: false };

    /// The 64 octets.
    pub const fn encode(&self) -> [u8; GREETING_LEN] {
        let mut out = [0; GREETING_LEN];
        out[0] = 0xFF;
        // ZMTP 2 and older read octets 1 to 8 as a length; libzmq writes 1 there, older peers then refuse cleanly.
        out[8] = 1;
        out[9] = 0x7F;
        out[10] = self.version.0;
        out[11] = self.version.1;
        let mut at = 0;
        while at < 20 {
            out[MECHANISM_AT + at] = self.mechanism.0[at];
            at += 1;
        }
        out[AS_SERVER_AT] = self.as_server as u8;
        out
    }

    /// Reads 64 octets. Padding and filler mean nothing and are not looked at.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for another signature, or a version before 3.0.
    pub fn decode(octets: &[u8; GREETING_LEN]) -> Result<Self, DecodeError> {
        check_start(octets)?;
        let mut mechanism = [0; 20];
        mechanism.copy_from_slice(&octets[MECHANISM_AT..AS_SERVER_AT]);
        Ok(Self {
            version: (octets[10], octets[11]),
            mechanism: Mechanism(mechanism),
            as_server: octets[AS_SERVER_AT] & 1 == 1,
        })
    }
}

/// Checks as much of a greeting as is there, so that a stranger is refused at its first octet.
fn check_start(octets: &[u8]) -> Result<(), DecodeError> {
    if octets.first().is_some_and(|octet| *octet != 0xFF) {
        return Err(DecodeError::new("greeting signature", 0, Fault::Signature));
    }
    if octets.get(9).is_some_and(|octet| octet & 1 == 0) {
        return Err(DecodeError::new("greeting signature", 9, Fault::Signature));
    }
    match octets.get(10) {
        Some(&found) if found < 3 => Err(DecodeError::new("greeting version", 10, Fault::Version { found })),
        _ => Ok(()),
    }
}

/// Collects a greeting that comes in pieces.
#[derive(Debug, Clone)]
pub struct GreetingDecoder {
    octets: [u8; GREETING_LEN],
    filled: usize,
}

impl Default for GreetingDecoder {
    fn default() -> Self {
        Self { octets: [0; GREETING_LEN], filled: 0 }
    }
}

impl GreetingDecoder {
    /// Takes what belongs to the greeting from the front of `input`.
    ///
    /// Returns how many octets it took, and the greeting once all 64 are there. A wrong start is an error at once.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for another signature, or a version before 3.0.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Greeting>), DecodeError> {
        let taken = input.len().min(GREETING_LEN - self.filled);
        self.octets[self.filled..self.filled + taken].copy_from_slice(&input[..taken]);
        self.filled += taken;
        check_start(&self.octets[..self.filled])?;
        let greeting = if self.filled == GREETING_LEN { Some(Greeting::decode(&self.octets)?) } else { None };
        Ok((taken, greeting))
    }

    /// How many octets are still to come.
    pub fn missing(&self) -> usize {
        GREETING_LEN - self.filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn greeting() -> impl Strategy<Value = Greeting> {
        ((3u8.., any::<u8>()), any::<[u8; 20]>(), any::<bool>()).prop_map(|(version, mechanism, as_server)| Greeting {
            version,
            mechanism: Mechanism(mechanism),
            as_server,
        })
    }

    proptest! {
        #[test]
        fn decode_undoes_encode_in_pieces_of_any_size(greeting in greeting(), cuts in proptest::collection::vec(1usize..64, 1..64)) {
            let octets = greeting.encode();
            let mut decoder = GreetingDecoder::default();
            let mut rest = &octets[..];
            let mut cuts = cuts.into_iter().cycle();
            let decoded = loop {
                let (piece, _) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                let (taken, decoded) = decoder.decode(piece).unwrap();
                rest = &rest[taken..];
                if let Some(decoded) = decoded { break decoded; }
            };
            prop_assert!(rest.is_empty());
            prop_assert_eq!(decoded, greeting);
            prop_assert_eq!(decoded.encode(), octets);
        }
    }

    #[test]
    fn strangers_are_refused_at_the_first_octet_that_shows_it() {
        assert_eq!(
            GreetingDecoder::default().decode(b"GET / HTTP/1.1"),
            Err(DecodeError::new("greeting signature", 0, Fault::Signature))
        );
        let mut old = Greeting::NULL.encode();
        old[10] = 1;
        assert_eq!(
            GreetingDecoder::default().decode(&old[..11]),
            Err(DecodeError::new("greeting version", 10, Fault::Version { found: 1 }))
        );
    }

    #[test]
    fn padding_means_nothing() {
        let mut octets = Greeting::NULL.encode();
        octets[8] = 0x12; // what a DEALER of libzmq with an identity of 17 octets writes there
        octets[60] = 9;
        assert_eq!(Greeting::decode(&octets), Ok(Greeting::NULL));
        assert_eq!(Mechanism::NULL.to_string(), "NULL");
    }
}
