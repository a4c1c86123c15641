//! Known bugs that can be switched on in a node, to prove that the simulator finds them: the feature `planted-faults`, and
//! `Config::planted`. Without the feature the question whether one is there is a constant `false`, and nothing of them is
//! compiled.
//!
//! Each is of a kind that programs really have: something is forgotten, done twice, done in the wrong order, or done only
//! most of the time. The file of `node/` that each is in stands before what it does. The test `sim_planted` says how soon
//! each is found, and by which rule.

use crate::config::Config;

/// A bug that can be planted in a node.
#[cfg_attr(not(feature = "planted-faults"), allow(unreachable_pub, reason = "nobody outside can plant one then"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Planted {
    /// `send`: one message in forty or so takes two sequence numbers.
    SkipSequence,
    /// `send`: of what waited for our HELLO only the first message goes out; later ones overtake the rest.
    OvertakeHeld,
    /// `send`: what waited for our HELLO is thrown away when it goes out, content and all.
    DropHeld,
    /// `send`: a queue takes whatever the application gives.
    UnboundedQueue,
    /// `send`: after a `Full`, ROOM is not told.
    LoseRoom,
    /// `send`, `receive`: a SHOUT goes to all peers, and is handed on in whatever group it is.
    ShoutToAnyGroup,
    /// `receive`: a SHOUT is handed on though we have left its group.
    ShoutAfterLeave,
    /// `receive`: one WHISPER in thirty or so is handed on twice.
    DeliverTwice,
    /// `receive`: whatever comes is thrown away when half of the room for events is used up.
    LoseWhenFull,
    /// `me`: every other LEAVE or so is not told to anybody.
    LoseLeave,
    /// `me`: a LEAVE carries the status of the change before it. Our own nodes do not mind; Zyre aborts.
    WrongStatus,
    /// `me`, `connect`: our own beacons are taken for those of somebody else.
    HearOneself,
    /// `life`: a peer that has begun anew enters again, and its EXIT is not told before.
    NoExitBeforeEnter,
    /// `life`: a HELLO is answered even where ours has gone out already.
    AnswerHelloTwice,
    /// `life`: the groups in a HELLO count only where it is the first sign of the peer.
    ForgetGroupsOfHello,
    /// `life`: EXIT is told of peers that never entered.
    ExitOfStranger,
    /// `life`: a peer that is gone stays in its groups.
    StaleMembers,
    /// `life`: of the two connections of a peer that goes, one in five or so is not closed.
    LeakConnection,
    /// `connect`: after a write that the socket took only a part of, one octet is left out.
    ShortWrite,
    /// `connect`: takes it for granted that whoever cannot be reached had entered, and panics.
    Panic,
    /// `quiet`: after three PINGs a peer is not asked again.
    StopPinging,
    /// `quiet`: one PING in four or so is not answered.
    NoPingOk,
    /// `quiet`: a peer that says nothing is never given up.
    NeverExpire,
    /// `quiet`: a peer that says nothing is not given up, and its clock is due for ever.
    SpinningDeadline,
    /// `mod`: of several clocks that are due at one time only the first is looked at.
    FireOneTimer,
    /// `pressure`: once the application did not keep up, nothing is read any more.
    NeverReadAgain,
    /// `discovery`: no beacons go out on an interface that comes up after the start.
    NoBeaconAfterLinkUp,
    /// `discovery`: a beacon with port 0 is believed, whatever address it comes from.
    BelievePortZero,
    /// `takeover`: whoever claims to be a peer is taken for it, whatever address he comes from.
    BelieveClaims,
    /// `gossip/client`: a hub that comes back, or comes later, is told HELLO and nothing more.
    PublishOnce,
    /// `gossip/client`: a hub that says nothing any more is waited for, for ever.
    TrustHub,
    /// `gossip/mod`: a tuple that nobody tells any more is kept for ever.
    KeepTuples,
    /// `sought`: whoever has entered once is not looked for again.
    SeekOnce,
    /// `election/mod`: a leader that is gone still leads.
    StaleLeader,
    /// `election/wave`: every other LEADER or so is not said.
    LoseLeader,
    /// `election/mod`: who wants to lead a group before it is in it does not want to any more when it is.
    ForgetContest,
    /// `whereabouts`: each UUID that is said to be somewhere gets a connection and a HELLO there.
    ConnectTwice,
}

#[cfg(feature = "planted-faults")]
impl Planted {
    /// All of them.
    pub const ALL: [Self; 37] = [
        Self::SkipSequence,
        Self::OvertakeHeld,
        Self::DropHeld,
        Self::UnboundedQueue,
        Self::LoseRoom,
        Self::ShoutToAnyGroup,
        Self::ShoutAfterLeave,
        Self::DeliverTwice,
        Self::LoseWhenFull,
        Self::LoseLeave,
        Self::WrongStatus,
        Self::HearOneself,
        Self::NoExitBeforeEnter,
        Self::AnswerHelloTwice,
        Self::ForgetGroupsOfHello,
        Self::ExitOfStranger,
        Self::StaleMembers,
        Self::LeakConnection,
        Self::ShortWrite,
        Self::Panic,
        Self::StopPinging,
        Self::NoPingOk,
        Self::NeverExpire,
        Self::SpinningDeadline,
        Self::FireOneTimer,
        Self::NeverReadAgain,
        Self::NoBeaconAfterLinkUp,
        Self::BelievePortZero,
        Self::BelieveClaims,
        Self::PublishOnce,
        Self::TrustHub,
        Self::KeepTuples,
        Self::SeekOnce,
        Self::StaleLeader,
        Self::LoseLeader,
        Self::ForgetContest,
        Self::ConnectTwice,
    ];
}

impl Config {
    /// Whether this bug is planted.
    #[cfg(feature = "planted-faults")]
    pub(crate) fn has(&self, fault: Planted) -> bool {
        self.planted == Some(fault)
    }

    /// Whether any is.
    #[cfg(feature = "planted-faults")]
    pub(crate) fn has_any(&self) -> bool {
        self.planted.is_some()
    }

    /// Nothing is.
    #[cfg(not(feature = "planted-faults"))]
    pub(crate) const fn has(&self, _: Planted) -> bool {
        false
    }

    /// Nothing is.
    #[cfg(not(feature = "planted-faults"))]
    pub(crate) const fn has_any(&self) -> bool {
        false
    }
}

/// One time of so many, by numbers that change as a node lives.
pub(crate) fn one_of(many: u64, numbers: [u64; 3]) -> bool {
    let mixed = numbers.iter().fold(0u64, |mixed, number| (mixed ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (mixed >> 32) % many == 0
}
