//! Sizes that the wire formats themselves impose. What a node accepts beyond that is its configuration, not the wire's.

/// A `string` field (names, groups, header names, endpoints) has a one-octet length.
pub const STRING_MAX: usize = 255;
/// A beacon without a public key.
pub const BEACON_V1_LEN: usize = 22;
/// A beacon with a CURVE public key.
pub const BEACON_V3_LEN: usize = 54;
/// The ZMTP greeting.
pub const GREETING_LEN: usize = 64;
/// Signature, id, version and sequence of a ZRE message.
pub const MESSAGE_HEADER_LEN: usize = 6;
/// Signature, id and version of a gossip message.
pub const GOSSIP_HEADER_LEN: usize = 4;
/// The longest frame header: flags and an eight-octet size.
pub const FRAME_HEADER_MAX: usize = 9;
/// The context that a ZMTP PING may carry.
pub const PING_CONTEXT_MAX: usize = 16;
/// The identity a ZRE node gives its outgoing connections: `01` and its UUID.
pub const IDENTITY_LEN: usize = 17;
/// The octet before the UUID in an identity.
pub const IDENTITY_PREFIX: u8 = 1;
