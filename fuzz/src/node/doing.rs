//! The words of a story: what happens, each an octet of the input.

/// Something that happens. In the input it is one octet, modulo how many there are, and octets with more about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    /// Time passes, and the node's deadlines are kept. Unit, count.
    Pass,
    /// Time passes, and the node is not called: as when a machine sleeps. Unit, count.
    Jump,
    /// A peer beacons, is connected to, connects and says HELLO: all that makes it enter. Peer, what is in its HELLO.
    Meet,
    /// The next message of a peer that was met. Peer, kind, detail; from 240 on the peer's number is a wrong one.
    Tell,
    /// Many short messages of a peer at once. Peer, how many, how long, and which of them is another.
    Burst,
    /// A message on any connection. Connection, peer, kind, detail.
    Say,
    /// An opening on any connection. Connection, peer, variant.
    Handshake,
    /// Gossip on any connection. Connection, peer, kind, detail.
    Gossip,
    /// Octets on any connection. Connection, their number, they.
    Octets,
    /// The next octets on any connection are spoilt: at, mask.
    Spoil,
    /// The next octets on any connection are cut there.
    Cut,
    /// A beacon. Peer, variant.
    Beacon,
    /// A datagram of any octets. Link, peer, their number, they.
    Datagram,
    /// A connection comes in. Listener, peer, variant.
    Accept,
    /// A connection stands. Connection, variant.
    Connected,
    /// A connection is gone. Connection, cause.
    Closed,
    /// A name is looked up. Connection, peer.
    Resolved,
    /// A socket listens. Listener, variant.
    Listening,
    /// An interface is there. Link, address, mailbox.
    LinkUp,
    /// An interface is gone.
    LinkDown,
    /// The node starts.
    Start,
    /// The application joins a group. Group.
    Join,
    /// It leaves one. Group.
    Leave,
    /// It contests for one. Group.
    Contest,
    /// It whispers. Peer, how many frames, how long.
    Whisper,
    /// It shouts. Group, how many frames, how long.
    Shout,
    /// It whispers more than there is room for. Peer.
    Flood,
    /// It has a header. Length of its name, length of its value.
    SetHeader,
    /// It is done with a peer. Peer.
    Disconnect,
    /// It looks for a hub. Address.
    GossipConnect,
    /// It looks for a peer. Peer, address; from 128 on without its UUID.
    RequirePeer,
    /// It has taken what it was told of. How much: 255 is all.
    Consumed,
    /// Sockets take nothing, or take it again.
    Stall,
    /// A driver says that it wrote what was not there. Connection, how much.
    Advance,
    /// The node stops.
    Stop,
}

impl Doing {
    /// All, in the order of their octets.
    pub const ALL: [Self; 35] = {
        use Doing::*;
        [
            Pass,
            Jump,
            Meet,
            Tell,
            Burst,
            Say,
            Handshake,
            Gossip,
            Octets,
            Spoil,
            Cut,
            Beacon,
            Datagram,
            Accept,
            Connected,
            Closed,
            Resolved,
            Listening,
            LinkUp,
            LinkDown,
            Start,
            Join,
            Leave,
            Contest,
            Whisper,
            Shout,
            Flood,
            SetHeader,
            Disconnect,
            GossipConnect,
            RequirePeer,
            Consumed,
            Stall,
            Advance,
            Stop,
        ]
    };
}
