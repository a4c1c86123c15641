//! The life of one node, written down call by call: it can be lived again alone, without the cluster.

use crate::{
    AcceptError, Address, Config, ConfigError, ConnId, DiscoveryError, Input, InputError, Instant, IoCause, LinkId,
    ListenerId, ListenerKind, Node, PeerId, SendError, app::Deed, content::Content,
};
use bytes::Bytes;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// The only link and the only listeners of a simulated node.
pub(super) const LINK: LinkId = LinkId(0);
pub(super) const MAILBOX: ListenerId = ListenerId(0);
pub(super) const HUB: ListenerId = ListenerId(1);

/// One call that a driver, or an application, made to a node: everything that can change it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Call {
    /// [`Input::Listening`].
    Listening(SocketAddr),
    /// [`Input::Listening`], for those who gossip with this node as with a hub.
    HubListening(SocketAddr),
    /// [`Input::LinkUp`].
    LinkUp(IpAddr),
    /// [`Input::LinkDown`].
    LinkDown,
    /// [`Node::start`].
    Start,
    /// [`Input::Datagram`].
    Datagram(SocketAddr, Bytes),
    /// [`Node::accept`]: the other end, ours, and the id that came of it.
    Accept(Address, Address, Option<ConnId>),
    /// The same from somebody who gossips.
    AcceptClient(Address, Address, Option<ConnId>),
    /// [`Input::Resolved`].
    Resolved(ConnId, SocketAddr),
    /// [`Input::Connected`].
    Connected(ConnId, Address),
    /// [`Input::Received`].
    Received(ConnId, Bytes),
    /// [`Input::Closed`].
    Closed(ConnId, IoCause),
    /// [`Input::Timeout`].
    Timeout,
    /// [`Node::advance`].
    Advance(ConnId, usize),
    /// [`Node::consumed`].
    Consumed(usize),
    /// [`Node::gossip_connect`].
    GossipConnect(Address),
    /// [`Node::require_peer`].
    RequirePeer(Option<PeerId>, Address),
    /// [`Node::join`].
    Join(Arc<str>),
    /// [`Node::leave`].
    Leave(Arc<str>),
    /// [`Node::set_contest_in_group`].
    Contest(Arc<str>),
    /// [`Node::whisper`].
    Whisper(PeerId, Content),
    /// [`Node::shout`].
    Shout(Arc<str>, Content),
    /// [`Node::set_header`].
    SetHeader(Arc<str>, Arc<str>),
    /// [`Node::disconnect`].
    Disconnect(PeerId),
    /// [`Node::stop`].
    Stop,
}

impl Call {
    /// Makes the call: any is allowed at any time. The id of an accepted connection is returned.
    ///
    /// # Errors
    ///
    /// [`CallError`], with what the node answered.
    pub fn make(&self, node: &mut Node, now: Instant) -> Result<Option<ConnId>, CallError> {
        let input = match self {
            Self::Listening(at) => {
                Input::Listening { listener: MAILBOX, kind: ListenerKind::Mailbox, at: (*at).into(), advertise: None }
            }
            Self::HubListening(at) => {
                Input::Listening { listener: HUB, kind: ListenerKind::Hub, at: (*at).into(), advertise: None }
            }
            Self::LinkUp(address) => Input::LinkUp { link: LINK, address: *address, mailbox: MAILBOX },
            Self::LinkDown => Input::LinkDown { link: LINK },
            Self::Datagram(from, data) => Input::Datagram { link: LINK, from: *from, data },
            Self::Resolved(conn, at) => Input::Resolved { conn: *conn, at: *at },
            Self::Connected(conn, local) => Input::Connected { conn: *conn, local: local.clone() },
            Self::Received(conn, data) => Input::Received { conn: *conn, data: data.clone() },
            Self::Closed(conn, cause) => Input::Closed { conn: *conn, cause: *cause },
            Self::Timeout => Input::Timeout,
            Self::Accept(from, local, _) => {
                return Ok(Some(node.accept(now, MAILBOX, from.clone(), local.clone())?));
            }
            Self::AcceptClient(from, local, _) => {
                return Ok(Some(node.accept(now, HUB, from.clone(), local.clone())?));
            }
            _ => return self.make_other(node, now).map(|()| None),
        };
        node.handle(now, input)?;
        Ok(None)
    }

    fn make_other(&self, node: &mut Node, now: Instant) -> Result<(), CallError> {
        match self {
            Self::Start => node.start(now)?,
            Self::Advance(conn, octets) => node.advance(now, *conn, *octets),
            Self::Consumed(octets) => node.consumed(now, *octets),
            Self::GossipConnect(hub) => drop(node.gossip_connect(now, hub.clone())?),
            Self::RequirePeer(peer, at) => drop(node.require_peer(now, *peer, at.clone())?),
            Self::Join(group) => drop(node.join(now, group)?),
            Self::Leave(group) => drop(node.leave(now, group)?),
            Self::Contest(group) => drop(node.set_contest_in_group(now, group)?),
            Self::Whisper(peer, content) => node.whisper(now, *peer, content.clone())?,
            Self::Shout(group, content) => drop(node.shout(now, group, content.clone())?),
            Self::SetHeader(name, value) => node.set_header(name, value)?,
            Self::Disconnect(peer) => node.disconnect(now, *peer)?,
            Self::Stop => node.stop(now),
            _ => {}
        }
        Ok(())
    }
}

/// What a node answered to a call that it did not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// To a driver's input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// To a connection that came in.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// To an application that wants to send.
    #[error(transparent)]
    Send(#[from] SendError),
    /// To a hub, or a peer, that is to be looked for.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// To a new header.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl From<Deed> for Call {
    fn from(deed: Deed) -> Self {
        match deed {
            Deed::Join { group, .. } => Self::Join(group),
            Deed::Leave { group, .. } => Self::Leave(group),
            Deed::Contest { group, .. } => Self::Contest(group),
            Deed::RequirePeer(peer, at) => Self::RequirePeer(peer, at),
            Deed::Whisper { peer, content, .. } => Self::Whisper(peer, content),
            Deed::Shout { group, content, .. } => Self::Shout(group, content),
            Deed::SetHeader(name, value) => Self::SetHeader(name, value),
            Deed::Disconnect(peer) => Self::Disconnect(peer),
            Deed::Stop => Self::Stop,
        }
    }
}

/// Everything that a node was told from its birth on, and when by its own clock. The same calls to [`Life::born`] give the
/// same actions and events again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Life {
    /// The node's configuration.
    pub config: Config,
    /// Its seed.
    pub seed: [u8; 32],
    /// When it was made.
    pub since: Instant,
    /// The calls, in order.
    pub calls: Vec<(Instant, Call)>,
}

impl Life {
    /// A life in which nothing has happened yet, for those who write one themselves.
    pub fn new(config: Config, seed: [u8; 32], since: Instant) -> Self {
        Self { config, seed, since, calls: Vec::new() }
    }

    /// The node as it was in the beginning, before the first call.
    ///
    /// # Panics
    ///
    /// If no node takes the configuration: never for a life that a simulator wrote down.
    pub fn born(&self) -> Node {
        Node::new(self.config.clone(), self.seed, self.since).expect("a configuration that a node takes")
    }
}
