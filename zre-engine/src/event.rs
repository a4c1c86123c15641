//! What the application hears.

use crate::{Address, content::Content, id::PeerId};
use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;

/// What an event counts for beyond its octets, and each of its frames.
const EVENT: usize = 64;
const FRAME: usize = 32;

/// Something happened in the cluster.
///
/// Per peer the order is: ENTER, its JOINs, then its messages as it sent them, EXIT. Nothing comes about the node
/// itself but LEADER, where it leads a group, and STOP.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
// With a word for its kind: with an octet all that follows would be moved from and to odd addresses, for which a processor has
// to wait each time. Nobody may count on it.
#[repr(u64)]
pub enum Event {
    /// A peer is there and can be whispered to.
    Enter {
        /// Who.
        peer: PeerId,
        /// Its name, which need not be unique.
        name: Arc<str>,
        /// Its headers.
        headers: Arc<Headers>,
        /// Where we connect to it.
        endpoint: Address,
    },
    /// A peer has not answered for a while. Once per silence.
    Evasive {
        /// Who.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
    },
    /// A peer has not answered for a good while. Once per silence, after EVASIVE.
    Silent {
        /// Who.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
    },
    /// A peer is gone.
    Exit {
        /// Who.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
        /// Why.
        reason: ExitReason,
        /// How many WHISPERs and SHOUTs were still queued for it and are lost.
        unsent: usize,
    },
    /// A peer joined a group.
    Join {
        /// Who.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
        /// The group.
        group: Arc<str>,
    },
    /// A peer left a group.
    Leave {
        /// Who.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
        /// The group.
        group: Arc<str>,
    },
    /// A group that this node is in has another leader than before. Only in groups where somebody contests for it.
    Leader {
        /// Who leads: a peer, or this node itself.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
        /// The group.
        group: Arc<str>,
    },
    /// A message to this node alone.
    Whisper {
        /// From whom.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
        /// The frames.
        content: Content,
    },
    /// A message to a group that this node is in.
    Shout {
        /// From whom.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
        /// The group.
        group: Arc<str>,
        /// The frames.
        content: Content,
    },
    /// A queue that refused a message ([`SendError::Full`](crate::SendError::Full)) is half empty again.
    Room {
        /// The peer whose queue it is.
        peer: PeerId,
    },
    /// Somebody at another address claims the UUID of a peer. The peer is asked for a sign of life; if it gives one, the
    /// other is turned away, else the other takes its place. At most one a second for each peer;
    /// [`Statistics::identity_conflicts`](crate::Statistics::identity_conflicts) counts all.
    IdentityConflict {
        /// The peer whose UUID it is.
        peer: PeerId,
    },
    /// The node has stopped; nothing follows.
    Stop,
}

impl Event {
    /// What the event counts for in [`Limits::events`](crate::Limits::events) while it waits: its content (or
    /// headers, or group) and a fixed cost for the event itself, no less than it holds in an
    /// [`EventQueue`](crate::EventQueue). Give it to [`Node::consumed`](crate::Node::consumed) when done.
    #[inline]
    pub fn octets(&self) -> usize {
        match self {
            Self::Whisper { content, .. } | Self::Shout { content, .. } => {
                Self::octets_of_message(content.len(), content.octets())
            }
            Self::Enter { name, headers, .. } => EVENT + name.len() + headers.octets(),
            Self::Join { group, .. } | Self::Leave { group, .. } | Self::Leader { group, .. } => EVENT + group.len(),
            _ => EVENT,
        }
    }

    /// The same for a WHISPER or SHOUT with so many frames, which have so many octets together.
    #[inline]
    pub(crate) fn octets_of_message(frames: usize, octets: usize) -> usize {
        EVENT + FRAME * frames + octets
    }

    /// The peer that the event is about (of LEADER, perhaps the node itself); STOP has none.
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Enter { peer, .. }
            | Self::Evasive { peer, .. }
            | Self::Silent { peer, .. }
            | Self::Exit { peer, .. }
            | Self::Join { peer, .. }
            | Self::Leave { peer, .. }
            | Self::Leader { peer, .. }
            | Self::Whisper { peer, .. }
            | Self::Shout { peer, .. }
            | Self::Room { peer }
            | Self::IdentityConflict { peer } => Some(*peer),
            Self::Stop => None,
        }
    }

    /// The name of that peer.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Enter { name, .. }
            | Self::Evasive { name, .. }
            | Self::Silent { name, .. }
            | Self::Exit { name, .. }
            | Self::Join { name, .. }
            | Self::Leave { name, .. }
            | Self::Leader { name, .. }
            | Self::Whisper { name, .. }
            | Self::Shout { name, .. } => Some(name),
            Self::Room { .. } | Self::IdentityConflict { .. } | Self::Stop => None,
        }
    }

    /// The group of a JOIN, LEAVE, LEADER or SHOUT.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Join { group, .. }
            | Self::Leave { group, .. }
            | Self::Leader { group, .. }
            | Self::Shout { group, .. } => Some(group),
            _ => None,
        }
    }

    /// The frames of a WHISPER or SHOUT.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::Whisper { content, .. } | Self::Shout { content, .. } => Some(content),
            _ => None,
        }
    }

    /// One of the headers of an ENTER.
    pub fn header(&self, name: &str) -> Option<&str> {
        match self {
            Self::Enter { headers, .. } => headers.get(name),
            _ => None,
        }
    }

    /// The event's name as Pyre and Zyre write it: `ENTER`, `WHISPER`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Enter { .. } => "ENTER",
            Self::Evasive { .. } => "EVASIVE",
            Self::Silent { .. } => "SILENT",
            Self::Exit { .. } => "EXIT",
            Self::Join { .. } => "JOIN",
            Self::Leave { .. } => "LEAVE",
            Self::Leader { .. } => "LEADER",
            Self::Whisper { .. } => "WHISPER",
            Self::Shout { .. } => "SHOUT",
            Self::Room { .. } => "ROOM",
            Self::IdentityConflict { .. } => "IDENTITY-CONFLICT",
            Self::Stop => "STOP",
        }
    }
}

/// Why a peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ExitReason {
    /// It said that it leaves.
    Left,
    /// It was silent for too long.
    Expired,
    /// It started anew under the same UUID; an ENTER follows.
    Restarted,
    /// Another node took its place at its endpoint.
    Replaced,
    /// The connection broke; what was under way may be lost.
    Lost,
    /// It broke a rule of the protocol.
    Protocol,
    /// It did not take what was sent to it.
    Slow,
    /// It said HELLO, but could not be reached in return.
    Unreachable,
    /// This node stopped, or the application disconnected the peer.
    Stopped,
}

impl ExitReason {
    /// The reason in one lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Expired => "expired",
            Self::Restarted => "restarted",
            Self::Replaced => "replaced",
            Self::Lost => "lost",
            Self::Protocol => "protocol",
            Self::Slow => "slow",
            Self::Unreachable => "unreachable",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A peer's headers, in the order it told them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of a header. Names are case-sensitive.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Name and value of each header.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they hold in memory, about.
    fn octets(&self) -> usize {
        self.0.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len()).sum()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(found, _)| found == name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
    }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}
