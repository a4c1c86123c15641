//! NULL: each side sends READY and believes the other's (RFC 23, "The NULL Security Mechanism").

use super::Step;
use crate::{
    error::Violation,
    zmtp::connection::{ConnectionConfig, Peer, SocketType},
};
use bytes::Bytes;
use zre_proto::{
    Text,
    zmtp::{Command, Metadata},
};

#[derive(Debug)]
pub(in crate::zmtp) struct Null;

impl Null {
    pub(super) fn ready(&self, config: &ConnectionConfig) -> Command {
        let mut metadata = Metadata::default();
        let name = config.socket_type.name();
        let text = |name: &'static str| Text::from_octets(Bytes::from_static(name.as_bytes()));
        metadata.push(text("Socket-Type"), Bytes::from_static(name.as_bytes()));
        metadata.push(text("Identity"), config.identity.clone());
        for (name, value) in &config.properties {
            metadata.push(text(name), value.clone());
        }
        Command::Ready(metadata)
    }

    pub(super) fn command(&mut self, config: &ConnectionConfig, command: Command) -> Result<Step, Violation> {
        let metadata = match command {
            Command::Ready(metadata) => metadata,
            Command::Error { reason } => return Err(Violation::Refused(reason.to_string_lossy().into_owned())),
            _ => return Err(Violation::Handshake),
        };
        let socket_type = metadata.get("Socket-Type").cloned().unwrap_or_default();
        if !config.socket_type.accepts(&socket_type) {
            return Err(Violation::SocketType(Text::from_octets(socket_type).to_string_lossy().into_owned()));
        }
        let identity = metadata.get("Identity").cloned().unwrap_or_default();
        // What is kept of the peer must not keep the octets that it came in.
        let identity = Bytes::copy_from_slice(&identity);
        let socket_type = SocketType::from_name(&socket_type);
        Ok(Step::Done(Peer { socket_type, identity, metadata }))
    }
}
