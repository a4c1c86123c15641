//! What the tests share: worlds of nodes in memory, recordings of real programs, real programs as peers.

pub mod children;
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
