//! Calls to a node, of any kind and with any numbers.

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use zre_engine::{
    Address, ConnId, Input, InputError, Instant, LinkId, ListenerId, ListenerKind, Node, SendError,
    sim::{Call, CallError},
};

/// What a call gave: the id of a connection that was accepted, or why not.
pub(super) type Answer = Result<Option<ConnId>, CallError>;

/// One call.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// One that a simulator makes as well.
    Call(Call),
    /// [`Input::Listening`], for any socket.
    Listening { listener: ListenerId, kind: ListenerKind, at: Address, advertise: Option<Address> },
    /// [`Input::LinkUp`], of any interface.
    LinkUp { link: LinkId, address: IpAddr, mailbox: ListenerId },
    /// [`Input::LinkDown`].
    LinkDown(LinkId),
    /// [`Input::Datagram`], on any link.
    Datagram(LinkId, SocketAddr, Bytes),
    /// [`Node::accept`], on any listener.
    Accept(ListenerId, Address, Address),
    /// So many octets of what there is to write are written.
    Write(ConnId, usize),
}

impl From<Call> for Step {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

impl Step {
    /// Makes the call, but for [`Step::Write`], which is more than one.
    pub(super) fn make(&self, node: &mut Node, now: Instant) -> Answer {
        let input = match self {
            Self::Call(call) => return call.make(node, now),
            Self::Listening { listener, kind, at, advertise } => {
                Input::Listening { listener: *listener, kind: *kind, at: at.clone(), advertise: advertise.clone() }
            }
            Self::LinkUp { link, address, mailbox } => {
                Input::LinkUp { link: *link, address: *address, mailbox: *mailbox }
            }
            Self::LinkDown(link) => Input::LinkDown { link: *link },
            Self::Datagram(link, from, data) => Input::Datagram { link: *link, from: *from, data },
            Self::Accept(listener, from, local) => {
                return Ok(Some(node.accept(now, *listener, from.clone(), local.clone())?));
            }
            Self::Write(..) => return Ok(None),
        };
        node.handle(now, input)?;
        Ok(None)
    }

    /// Whether it is refused, and changes nothing, if the time is one that is over.
    pub(super) fn tells_time(&self) -> bool {
        let untimed =
            |call: &Call| matches!(call, Call::Advance(..) | Call::Consumed(_) | Call::Stop | Call::SetHeader(..));
        !matches!(self, Self::Write(..)) && !matches!(self, Self::Call(call) if untimed(call))
    }

    /// Whether the call may be answered so. What a peer does is no error; neither is the time, which never went back.
    pub(super) fn is_fair(&self, answer: &Answer) -> bool {
        use InputError::{NotConnected, TimeWentBackwards, UnknownConnection, UnknownLink};
        let Err(error) = answer else { return true };
        match (self, error) {
            (_, CallError::Input(TimeWentBackwards) | CallError::Send(SendError::Input(_))) => false,
            (Self::Call(Call::Received(..)), CallError::Input(error)) => {
                matches!(error, UnknownConnection | NotConnected)
            }
            (Self::Call(Call::Closed(..)), CallError::Input(error)) => *error == UnknownConnection,
            (Self::Datagram(..) | Self::LinkDown(_), CallError::Input(error)) => *error == UnknownLink,
            (Self::Call(Call::Timeout), _) => false,
            _ => true,
        }
    }
}
