//! What is known of the election in one group.

use crate::{id::PeerId, time::Instant};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// One group's election.
#[derive(Debug)]
pub(super) struct Ballot {
    /// This node wants to lead.
    pub(super) contests: bool,
    /// Since when it is known that there may be an election, or since when the vote is for whom it is for.
    pub(super) since: Instant,
    /// There has been another member.
    pub(super) company: bool,
    /// Members that have said themselves that they want to lead.
    pub(super) candidates: BTreeSet<PeerId>,
    /// A Zyre that has said that it leads, though it is not the smallest: the others of its kind agree.
    pub(super) conceded: Option<PeerId>,
    /// For whom this node is.
    pub(super) vote: Option<PeerId>,
    /// Who leads.
    pub(super) leader: Option<PeerId>,
    /// When the candidate last asked.
    pub(super) asked_at: Instant,
    /// This node is the candidate, and has asked all members since then.
    pub(super) round: Option<Instant>,
    pub(super) links: BTreeMap<PeerId, Link>,
    /// When to look at it again.
    pub(super) next: Option<Instant>,
}

/// What was said between this node and one member.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    /// For whom we were in the last ELECT that we said in this wave, and when that was.
    pub(super) sent: Option<PeerId>,
    pub(super) sent_at: Instant,
    /// How often it was said again, for want of an answer.
    pub(super) repeats: u32,
    /// For whom it was in its last.
    pub(super) got: Option<PeerId>,
    /// LEADER was said in this wave, by us and by it.
    pub(super) leader_sent: bool,
    pub(super) leader_got: bool,
    /// Of ours: its ELECTs for itself that we have not answered, and ours for ourselves that it has not.
    pub(super) asked: u32,
    pub(super) waiting: u32,
    /// Waves that it began, lately, and since when that is counted; whether it is answered more slowly for that.
    waves: (Instant, u32),
    pub(super) slowed: bool,
}

impl Link {
    /// A wave of its own begins: what was said before has no part in it. A Zyre that begins more than so many in a time is
    /// answered only when the clock comes by.
    pub(super) fn begin_wave(&mut self, now: Instant, window: Duration, most: u32) {
        if now.since(self.waves.0) > window {
            self.waves = (now, 0);
        }
        self.waves.1 = self.waves.1.saturating_add(1);
        *self = Self { waves: self.waves, slowed: self.waves.1 > most, sent_at: now, ..Self::default() };
    }

    /// Whether its last wave came to LEADER.
    pub(super) fn is_over(&self) -> bool {
        self.leader_sent || self.leader_got
    }

    /// Another wave is to come, if the last is over.
    pub(super) fn renew(&mut self) {
        if self.is_over() {
            *self = Self { waves: self.waves, asked: self.asked, waiting: self.waiting, ..Self::default() };
        }
    }

    /// Whether this wave has come to it and back.
    pub(super) fn is_done(&self, vote: PeerId) -> bool {
        self.sent == Some(vote) && self.got == Some(vote)
    }
}

impl Ballot {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            contests: false,
            since: now,
            company: false,
            candidates: BTreeSet::new(),
            conceded: None,
            vote: None,
            leader: None,
            asked_at: now,
            round: None,
            links: BTreeMap::new(),
            next: None,
        }
    }

    /// For whom `me` should be: the smallest candidate.
    pub(super) fn choice(&self, me: PeerId) -> Option<PeerId> {
        let own = self.contests.then_some(me);
        self.conceded.or_else(|| self.candidates.first().copied().into_iter().chain(own).min())
    }

    pub(super) fn link(&mut self, peer: PeerId) -> &mut Link {
        self.links.entry(peer).or_default()
    }

    /// A member is gone.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.links.remove(&peer);
        self.candidates.remove(&peer);
        self.conceded.take_if(|conceded| *conceded == peer);
        self.leader.take_if(|leader| *leader == peer);
    }
}
