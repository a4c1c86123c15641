//! The manual: what does not belong to one item of the API. There is no code in here.
//!
//! | page | what |
//! |---|---|
//! | [`protocol`] | what is spoken, where implementations differ, and what this one chose |
//! | [`settings`] | every default and every limit, and why |
//! | [`discovery`] | ways to peers: beacons, gossip, by name; address translation; who leads a group |
//! | [`interoperability`] | what to expect of Pyre, Zyre, zyre.js, czmq's gossip and libzmq |
//! | [`simulation`] | a cluster of your application in a test |
//! | [`debugging`] | a cluster that does not do what it should: symptoms, causes, what to look at |
//! | [`measuring`] | how fast a cluster is, and a soak |
//! | [`dependencies`] | where unsafe code is, of what lies on the way of the data |
//!
//! Whoever brings sockets of their own reads the documentation of `zre_engine` instead: it has the rules for a driver.

#[doc = include_str!("../manual/protocol.md")]
pub mod protocol {}

#[doc = include_str!("../manual/settings.md")]
pub mod settings {}

#[doc = include_str!("../manual/discovery.md")]
pub mod discovery {}

#[doc = include_str!("../manual/interoperability.md")]
pub mod interoperability {}

#[doc = include_str!("../manual/simulation.md")]
pub mod simulation {}

#[doc = include_str!("../manual/debugging.md")]
pub mod debugging {}

#[doc = include_str!("../manual/measuring.md")]
pub mod measuring {}

#[doc = include_str!("../manual/dependencies.md")]
pub mod dependencies {}
