//! What must hold for any octets that a stranger may send, and for whatever happens to a cluster.
//!
//! One function per fuzz target: it feeds `data` to a decoder of `zre-proto`, or makes a cluster of it, and panics where a
//! property does not hold. `fuzz_targets/` hands them to libFuzzer, `tests/corpus.rs` replays the corpora on stable Rust.
//!
//! What the decoders have in common: no input panics; what decodes encodes to the same octets, or, where the wire has two
//! forms of one value, to octets that decode to the same value; whole or in pieces, the outcome is the same; an error
//! points into the input.
#![forbid(unsafe_code)]

mod clusters;
mod codecs;
mod connection;
mod events;
mod frames;
mod node;

pub use clusters::{life, scenario};
pub use codecs::{beacon, command, endpoint, gossip, greeting, message, metadata};
pub use connection::connection;
pub use events::events;
pub use frames::frames;
pub use node::{Doing, node, node_reaches};

/// A target: its name, which is also that of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("beacon", beacon),
    ("command", command),
    ("connection", connection),
    ("endpoint", endpoint),
    ("events", events),
    ("frames", frames),
    ("gossip", gossip),
    ("greeting", greeting),
    ("life", life),
    ("message", message),
    ("metadata", metadata),
    ("node", node),
    ("scenario", scenario),
];
