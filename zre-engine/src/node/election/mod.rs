//! The leader of a group (Zyre's election by echo waves; in no RFC).
//!
//! | file | its story |
//! |---|---|
//! | `mod` | who contests, who joins and goes, what the application is told |
//! | `ballot` | what is known of one group: candidates, votes, and what was said to whom |
//! | `poll` | what nodes of this implementation say to each other |
//! | `wave` | what they say to Zyres |
//! | `clock` | what happens when nobody says anything |
//! | `deaf` | programs that do not take part |
//!
//! The leader is the contesting member with the smallest UUID; among Zyres, the one that they agree on. Two things go on at
//! a time. Nodes of this implementation ask and answer each other (`poll`), so that their elections end, whoever comes and
//! goes. Towards Zyres each of them is a Zyre (`wave`): it begins waves, passes them on and counts as they do, for they wait
//! for exactly that, and for ever. The two meet in a candidate of ours, who leads when ours have answered and its wave has
//! come back; in ours that answer only when they are through with the wave themselves; and in a leader that the Zyres have
//! agreed on, for whom all of ours stand back.

mod ballot;
mod clock;
mod deaf;
mod poll;
mod wave;

use super::{Node, Phase, peer::Peer, timers::Clock};
use crate::{
    error::SendError,
    event::{Event, ExitReason},
    id::PeerId,
    log::log,
    planted::Planted,
    time::Instant,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use ballot::{Ballot, Word};
use core::time::Duration;
use deaf::Deaf;
use zre_proto::{Text, limits::STRING_MAX};

/// A peer that goes so soon after the first ELECT that it was ever told did not understand it.
const OFFENCE: Duration = Duration::from_secs(10);

/// The elections of a node.
#[derive(Debug, Default)]
pub(super) struct Elections {
    /// Groups in which this node wants to lead, whether or not it is in them.
    contested: BTreeSet<Arc<str>>,
    /// Groups that this node is in and that have, or may come to have, a leader.
    ballots: BTreeMap<Arc<str>, Ballot>,
    deaf: Deaf,
    clock: Clock,
}

impl Elections {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Whether a member takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is of this implementation.
    Ours,
    /// Another that has said ELECT or LEADER itself.
    Zyre,
    /// Another, of which that is not known.
    Unknown,
    /// It does not.
    Deaf,
}

impl Peer {
    /// Whether it was told of an election a moment ago and has not shown that it understands.
    pub(super) fn may_have_taken_offence(&self, now: Instant) -> bool {
        !self.extended && self.told_of_election.is_some_and(|at| now.since(at) <= OFFENCE)
    }
}

impl Node {
    /// Contests for the leadership of a group from now on, whenever the node is in it. `Ok(false)` if it does already.
    ///
    /// Among those who contest, the one with the smallest UUID leads; members that do not contest hear who
    /// ([`Event::Leader`]). A node that finds itself alone leads after two seconds.
    ///
    /// # Errors
    ///
    /// [`SendError::BadGroup`] for a name that is not 1 to 255 octets long, [`SendError::TooManyGroups`] beyond
    /// [`Limits::groups`](crate::Limits::groups), [`SendError::Stopped`], and [`SendError::Input`] where time went back.
    pub fn set_contest_in_group(&mut self, now: Instant, group: &str) -> Result<bool, SendError> {
        self.tick(now)?;
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return Err(SendError::Stopped);
        }
        if group.is_empty() || group.len() > STRING_MAX {
            return Err(SendError::BadGroup { found: group.len() });
        }
        if self.elections.contested.contains(group) {
            return Ok(false);
        }
        if self.elections.contested.len() >= self.config.limits.groups {
            return Err(SendError::TooManyGroups);
        }
        let group = self.me.groups.get(group).cloned().unwrap_or_else(|| Arc::from(group));
        self.elections.contested.insert(group.clone());
        if self.me.groups.contains(&group) {
            self.contest(&group);
        }
        Ok(true)
    }

    /// The leader of a group that this node is in, as far as it is known: a peer, or the node itself.
    pub fn leader(&self, group: &str) -> Option<PeerId> {
        self.elections.ballots.get(group)?.leader
    }

    fn contest(&mut self, group: &Arc<str>) {
        let now = self.now;
        let ballot = self.elections.ballots.entry(group.clone()).or_insert_with(|| Ballot::new(now));
        ballot.contests = true;
        ballot.company |= self.members.contains_key(group);
        self.vote(group);
    }

    /// This node has joined a group.
    pub(super) fn election_joined(&mut self, group: &Arc<str>) {
        if self.elections.contested.contains(group) && !self.planted(Planted::ForgetContest) {
            self.contest(group);
        }
    }

    /// This node has left a group.
    pub(super) fn election_left(&mut self, group: &str) {
        self.elections.ballots.remove(group);
        self.schedule_elections();
    }

    /// The node starts: a node that is alone waits from now on for others to be found.
    pub(super) fn start_elections(&mut self) {
        for ballot in self.elections.ballots.values_mut() {
            ballot.since = self.now;
        }
        let groups: Vec<_> = self.elections.ballots.keys().cloned().collect();
        groups.iter().for_each(|group| self.plan(group));
        self.schedule_elections();
    }

    /// A peer has joined a group.
    pub(super) fn election_joins(&mut self, group: &Arc<str>, peer: PeerId) {
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        ballot.company = true;
        ballot.conceded = None;
        self.vote(group);
        self.ask(group, peer);
        // As Zyres do: a wave of each that contests, whatever wave there is.
        self.begin_wave(group);
        self.go_on(group);
    }

    /// A peer has left a group, or is gone from it.
    pub(super) fn election_leaves(&mut self, group: &str, peer: PeerId) {
        self.election_loses(group, peer, false);
    }

    fn election_loses(&mut self, group: &str, peer: PeerId, exit: bool) {
        let Some((group, ballot)) = self.elections.ballots.get_key_value(group) else { return };
        let (group, led) = (group.clone(), ballot.leader == Some(peer));
        let again = led || (exit && ballot.wave.is_some());
        if led && self.planted(Planted::StaleLeader) {
            return;
        }
        let Some(ballot) = self.elections.ballots.get_mut(&group) else { return };
        ballot.forget(peer);
        if led {
            log!(info, "group {group:?} has lost its leader {peer}");
        }
        self.vote(&group);
        if !self.has_ended_wave(&group) && again {
            self.begin_wave(&group);
        }
        self.look_at_wave(&group);
        self.go_on(&group);
    }

    /// A peer is gone: from all its groups, and perhaps because it was told of an election.
    pub(super) fn election_exit(&mut self, peer: PeerId, groups: &[Arc<str>], told: Option<Instant>, why: ExitReason) {
        let offended = !matches!(why, ExitReason::Left | ExitReason::Stopped | ExitReason::Slow);
        if offended && told.is_some_and(|at| self.now.since(at) <= OFFENCE) {
            log!(info, "peer {peer} does not understand elections: it is told of none from now on");
            self.elections.deaf.insert(peer);
        }
        for group in groups {
            self.election_loses(group, peer, true);
        }
    }

    /// A peer has said ELECT.
    pub(super) fn elect(&mut self, peer: PeerId, group: &Text, challenger: &Text) {
        self.hear_word(peer, group, challenger, Word::Elect);
    }

    /// A peer has said LEADER.
    pub(super) fn leads(&mut self, peer: PeerId, group: &Text, leader: &Text) {
        self.hear_word(peer, group, leader, Word::Leader);
    }

    fn hear_word(&mut self, peer: PeerId, group: &Text, about: &Text, word: impl FnOnce(PeerId) -> Word) {
        let now = self.now;
        let newly = self.peers.get_mut(&peer).is_some_and(|peer| !core::mem::replace(&mut peer.extended, true));
        if newly {
            self.say_held(peer);
        }
        let group = self.me.groups.get(&*group.to_string_lossy()).cloned();
        let member = |group: &Arc<str>| self.members.get(group).is_some_and(|members| members.contains(peer));
        let Some((group, about)) = group.filter(member).zip(about.to_string_lossy().parse().ok()) else {
            self.statistics.skipped += 1;
            return;
        };
        self.elections.ballots.entry(group.clone()).or_insert_with(|| Ballot::new(now)).company = true;
        match self.kind(peer) {
            Kind::Ours => self.hear_of_ours(&group, peer, word(about)),
            _ => self.hear_of_zyre(&group, peer, word(about)),
        }
    }

    /// The members of a group, and how they take part.
    fn electors(&self, group: &str) -> Vec<(PeerId, Kind)> {
        let Some(members) = self.members.get(group) else { return Vec::new() };
        members.as_slice().iter().copied().map(|id| (id, self.kind(id))).collect()
    }

    fn kind(&self, id: PeerId) -> Kind {
        match self.peers.get(&id) {
            Some(peer) if peer.ours => Kind::Ours,
            Some(peer) if peer.extended => Kind::Zyre,
            Some(_) if !self.elections.deaf.contains(id) => Kind::Unknown,
            _ => Kind::Deaf,
        }
    }

    /// A group has a leader. The application hears of it where it is another than before.
    fn set_leader(&mut self, group: &Arc<str>, leader: PeerId) {
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        if ballot.leader.replace(leader) == Some(leader) {
            return;
        }
        let name = match self.peers.get(&leader) {
            Some(peer) => peer.name.clone(),
            None => self.me.name.clone(),
        };
        log!(info, "LEADER of {group:?} is {name:?} ({leader})");
        self.emit(Event::Leader { peer: leader, name, group: group.clone() });
    }
}
