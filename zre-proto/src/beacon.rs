//! The beacon: the UDP datagram with which a node says that it is there (RFC 36, "Beacon").
//!
//! | octets | field |
//! |---|---|
//! | 3 | `ZRE` |
//! | 1 | version: 1, or 3 for a node that uses CURVE |
//! | 16 | UUID |
//! | 2 | TCP port of the mailbox, 0 when the node is leaving |
//! | 32 | version 3 only: CURVE public key |

use crate::{
    error::{DecodeError, Fault},
    limits::{BEACON_V1_LEN, BEACON_V3_LEN},
};
use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

const SIGNATURE: &[u8; 3] = b"ZRE";

/// A node's announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Who announces itself.
    pub uuid: Uuid,
    /// The TCP port of its mailbox; 0 says that it leaves.
    pub port: u16,
    /// The CURVE public key of a version 3 beacon.
    pub public_key: Option<[u8; 32]>,
}

impl Beacon {
    /// Reads a datagram. It must be exactly one beacon, of 22 or 54 octets.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for another length, signature or version.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        let length = |found| DecodeError::new("beacon length", found, Fault::Length { expected: "22 or 54", found });
        if datagram.len() != BEACON_V1_LEN && datagram.len() != BEACON_V3_LEN {
            return Err(length(datagram.len()));
        }
        if datagram[..3] != SIGNATURE[..] {
            return Err(DecodeError::new("beacon signature", 0, Fault::Signature));
        }
        let public_key = match (datagram[3], datagram.len()) {
            (1, BEACON_V1_LEN) => None,
            (3, BEACON_V3_LEN) => {
                let mut key = [0; 32];
                key.copy_from_slice(&datagram[BEACON_V1_LEN..]);
                Some(key)
            }
            (1 | 3, found) => return Err(length(found)),
            (found, _) => return Err(DecodeError::new("beacon version", 3, Fault::Version { found })),
        };
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&datagram[4..20]);
        Ok(Self { uuid: Uuid::from_bytes(uuid), port: u16::from_be_bytes([datagram[20], datagram[21]]), public_key })
    }

    /// The datagram: version 3 with a public key, else version 1.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(BEACON_V3_LEN);
        out.put_slice(SIGNATURE);
        out.put_u8(if self.public_key.is_some() { 3 } else { 1 });
        out.put_slice(self.uuid.as_bytes());
        out.put_u16(self.port);
        if let Some(key) = &self.public_key {
            out.put_slice(key);
        }
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: Uuid = Uuid::from_u128(0x898982b4_3d67_4eb6_bbaa_cfbba7478086);

    #[test]
    fn the_octets_of_a_recorded_pyre_beacon() {
        let octets = b"ZRE\x01\x89\x89\x82\xb4\x3d\x67\x4e\xb6\xbb\xaa\xcf\xbb\xa7\x47\x80\x86\x96\xf7";
        let beacon = Beacon { uuid: UUID, port: 38647, public_key: None };
        assert_eq!(Beacon::decode(octets), Ok(beacon));
        assert_eq!(beacon.encode(), &octets[..]);
    }

    #[test]
    fn a_version_needs_its_length() {
        let v1 = Beacon { uuid: UUID, port: 1, public_key: None }.encode();
        let v3 = Beacon { uuid: UUID, port: 1, public_key: Some([7; 32]) }.encode();
        for cut in 0..v1.len() {
            assert!(Beacon::decode(&v1[..cut]).is_err(), "{cut}");
        }
        let mut long_v1 = v3.to_vec();
        long_v1[3] = 1;
        assert!(Beacon::decode(&long_v1).is_err());
        let mut short_v3 = v1.to_vec();
        short_v3[3] = 3;
        assert!(Beacon::decode(&short_v3).is_err());
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(uuid: u128, port: u16, public_key: Option<[u8; 32]>) {
            let beacon = Beacon { uuid: Uuid::from_u128(uuid), port, public_key };
            prop_assert_eq!(Beacon::decode(&beacon.encode()), Ok(beacon));
        }

        #[test]
        fn encode_undoes_decode(mut octets in prop_oneof![
            proptest::collection::vec(any::<u8>(), 22), proptest::collection::vec(any::<u8>(), 54)
        ]) {
            octets[..3].copy_from_slice(SIGNATURE);
            octets[3] = if octets.len() == 22 { 1 } else { 3 };
            prop_assert_eq!(&Beacon::decode(&octets).unwrap().encode()[..], &octets[..]);
        }

        #[test]
        fn no_datagram_panics(octets: std::vec::Vec<u8>) {
            let _ = Beacon::decode(&octets);
        }
    }
}
