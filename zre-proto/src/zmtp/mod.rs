//! The wire format of ZMTP 3 (RFC 23, RFC 37): a greeting, then frames, of which some are commands.

mod command;
mod frame;
mod greeting;
mod metadata;

pub use command::Command;
pub use frame::{Frame, FrameDecoder, FrameHeader};
pub use greeting::{Greeting, GreetingDecoder, Mechanism};
pub use metadata::Metadata;
