//! Who and what: peers, connections, links, listeners.

use core::{fmt, str::FromStr};
use uuid::Uuid;

/// A node's UUID. Printed as 32 upper-case hex digits, as all ZRE programs do; read in either case, dashes allowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerId([u8; 16]);

/// By their octets, compared as one number: peers are looked up for every message.
impl Ord for PeerId {
    #[inline]
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for PeerId {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PeerId {
    /// From the sixteen octets on the wire.
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The sixteen octets on the wire.
    pub const fn as_octets(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<Uuid> for PeerId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid.into_bytes())
    }
}

impl From<PeerId> for Uuid {
    fn from(peer: PeerId) -> Self {
        Self::from_bytes(peer.0)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a peer is 32 hex digits (dashes allowed), as in 898982B43D674EB6BBAACFBBA7478086")]
pub struct PeerIdError;

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        Uuid::try_parse(text).map(Self::from).map_err(|_| PeerIdError)
    }
}

/// One TCP (or other stream) connection. An index that is used again gets a new generation, so a stale id is
/// recognised and never misapplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    index: u32,
    generation: u32,
}

impl ConnId {
    pub(crate) const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// A small number, used again after the connection is gone: an index into a table.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// How often the index was used before.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

/// One network interface that beacons go out on. The driver chooses the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// One socket that accepts connections. The driver chooses the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_peer_prints_upper_case_and_reads_any_case_and_dashes() {
        let peer: PeerId = "898982b4-3d67-4eb6-bbaa-cfbba7478086".parse().unwrap();
        assert_eq!(peer.to_string(), "898982B43D674EB6BBAACFBBA7478086");
        assert_eq!(peer.to_string().parse(), Ok(peer));
        assert_eq!("898982b4".parse::<PeerId>(), Err(PeerIdError));
        assert_eq!(PeerId::from(Uuid::from(peer)), peer);
    }
}
