//! The leader of a group (Zyre's election by echo waves; in no RFC).
//!
//! | file | its story |
//! |---|---|
//! | `mod` | who contests, who joins and goes, what the application is told |
//! | `ballot` | what is known of one group: candidates, votes, and what was said to whom |
//! | `wave` | what is said, and when an election is over |
//! | `clock` | what happens when nobody says anything |
//! | `deaf` | programs that do not take part |
//!
//! The leader is the contesting member with the smallest UUID. Whoever contests and knows of no smaller candidate says ELECT
//! with its own UUID to all; whoever hears that from the candidate itself, and knows of none that is smaller, says the same
//! back to it; when all have, the candidate says LEADER to all. Nobody is believed about a third.
//!
//! That is what a Zyre sees of its own protocol: on each connection to it one ELECT each way, then one LEADER each way. It
//! counts them, and has no numbers for its waves; so a wave of Zyre's is told from the one before by what came already, and
//! a member says its ELECT to the candidate only when all Zyres have answered it. Between nodes of this implementation
//! nothing is counted: each new vote, and each new member, is told; so their elections end, whoever comes and goes.

mod ballot;
mod clock;
mod deaf;
mod wave;

use super::{Node, Phase, timers::Clock};
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
use ballot::Ballot;
use core::time::Duration;
use deaf::Deaf;
use zre_proto::limits::STRING_MAX;

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

impl Node {
    /// Contests for the leadership of a group from now on, whenever the node is in it. `Ok(false)` if it does already.
    ///
    /// Among those who contest, the one with the smallest UUID leads; members that do not contest hear who
    /// ([`Event::Leader`]). A node that finds itself alone leads after two seconds.
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
        self.ask_newcomer(group, peer);
        self.go_on(group);
    }

    /// A peer has left a group, or is gone from it.
    pub(super) fn election_leaves(&mut self, group: &str, peer: PeerId) {
        let Some((group, ballot)) = self.elections.ballots.get_key_value(group) else { return };
        let (group, led) = (group.clone(), ballot.leader == Some(peer));
        if led && self.planted(Planted::StaleLeader) {
            return;
        }
        let Some(ballot) = self.elections.ballots.get_mut(&group) else { return };
        ballot.forget(peer);
        if led {
            log!(info, "group {group:?} has lost its leader {peer}");
        }
        self.vote(&group);
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
            self.election_leaves(group, peer);
        }
    }

    /// The members of a group, and how they take part.
    fn electors(&self, group: &str) -> Vec<(PeerId, Kind)> {
        let Some(members) = self.members.get(group) else { return Vec::new() };
        members.to_vec().into_iter().map(|id| (id, self.kind(id))).collect()
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
