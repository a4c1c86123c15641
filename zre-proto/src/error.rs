//! Errors of the decoders and encoders: which field, at which octet, and what is wrong with it.

/// A run of octets that is not what it claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} at octet {offset}: {fault}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The field that broke, in the words of the specification.
    pub field: &'static str,
    /// Where the field's trouble starts, in octets from the start of the datagram, frame or stream part.
    pub offset: usize,
    /// What is wrong.
    pub fault: Fault,
}

impl DecodeError {
    pub(crate) const fn new(field: &'static str, offset: usize, fault: Fault) -> Self {
        Self { field, offset, fault }
    }
}

/// What can be wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The octets end before the field does.
    #[error("cut off, {missing} octets are missing")]
    Truncated {
        /// How many octets more the field needs.
        missing: usize,
    },
    /// Octets follow where nothing may.
    #[error("{count} octets too many")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// The protocol's signature is another.
    #[error("wrong signature")]
    Signature,
    /// A version that is not spoken here.
    #[error("version {found} is not spoken here")]
    Version {
        /// The version that was met.
        found: u8,
    },
    /// A datagram of a length that no beacon has.
    #[error("{found} octets where {expected} belong")]
    Length {
        /// The lengths that are possible, in words.
        expected: &'static str,
        /// The length that was met.
        found: usize,
    },
    /// Bits that must be zero are not.
    #[error("reserved or contradictory flag bits {found:#04x}")]
    Flags {
        /// The flags octet.
        found: u8,
    },
    /// A declared size beyond what is allowed.
    #[error("declares {declared} octets, the limit is {limit}")]
    TooLarge {
        /// What the sender declared.
        declared: u64,
        /// What the receiver takes.
        limit: u64,
    },
    /// A name that is empty or has octets that do not belong into one.
    #[error("not a valid name")]
    Name,
}

/// A value that the wire format has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found} octets long, the wire format has room for {limit}")]
#[non_exhaustive]
pub struct EncodeError {
    /// The field that is too long.
    pub field: &'static str,
    /// Its length in octets (or entries).
    pub found: usize,
    /// The greatest length that can be written.
    pub limit: usize,
}
