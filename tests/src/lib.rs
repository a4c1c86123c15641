//! What the tests share: worlds of nodes in memory, recordings of real programs, real programs as peers.

pub mod children;
pub mod examples;
pub mod gossiper;
pub mod hostile;
pub mod libzmq;
pub mod lives;
pub mod namespace;
pub mod ours;
pub mod perf;
pub mod pyre;
pub mod recording;
pub mod replay;
pub mod script;
pub mod seeds;
pub mod solo;
pub mod terminal;
pub mod trouble;
pub mod world;
pub mod zgossip;
pub mod zre;
pub mod zyre;
pub mod zyrejs;

/// The Rust of the pages that a user reads first: it compiles, and what it asserts is so.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Repository;
    #[doc = include_str!("../../zre-proto/README.md")]
    struct Proto;
    #[doc = include_str!("../../zre-engine/README.md")]
    struct Engine;
    #[doc = include_str!("../../zre-mio/README.md")]
    struct Mio;
}
