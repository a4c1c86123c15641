//! One node alone with hand-made connections.
