//! What all nodes of ours are started with.

use crate::namespace::{ADDRESS, INTERFACE};
use zre_mio::{Builder, Event, Node, SendError};

/// The group of the receivers.
pub const GROUP: &str = "versus";

/// The node that sends.
pub fn sender() -> Builder {
    Node::builder("sender").interface(INTERFACE)
}

/// A node that receives.
pub fn receiver() -> Builder {
    Node::builder("receiver").interface(INTERFACE).group(GROUP)
}

/// A node that only meets others.
pub fn peer() -> Builder {
    Node::anonymous().interface(INTERFACE)
}

/// A node that looks for the one at an endpoint, and for nobody else.
pub fn seeker(endpoint: &str) -> Builder {
    Node::anonymous().endpoint(format!("tcp://{ADDRESS}:*")).peer(endpoint)
}

/// Whether the event tells that somebody is there.
pub fn is_enter(event: &Event) -> bool {
    matches!(event, Event::Enter { .. })
}

/// Whether the event is a message.
pub fn is_message(event: &Event) -> bool {
    matches!(event, Event::Whisper { .. } | Event::Shout { .. })
}

/// Whether there was room for a message.
pub fn had_room<T>(sent: Result<T, SendError>) -> bool {
    match sent {
        Ok(_) => true,
        Err(SendError::Full { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}
