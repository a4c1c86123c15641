//! What is known of the election in one group.

use crate::{id::PeerId, time::Instant};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// One group's election.
#[derive(Debug)]
pub(super) struct Ballot {
    /// This node wants to lead.
    pub(super) contests: bool,
    /// Since when it is known that there may be an election.
    pub(super) since: Instant,
    /// There has been another member.
    pub(super) company: bool,
    /// Members that have said themselves that they want to lead.
    pub(super) candidates: BTreeSet<PeerId>,
    /// A Zyre that leads though it is not the smallest: the others of its kind have agreed on it.
    pub(super) conceded: Option<PeerId>,
    /// For whom this node is.
    pub(super) vote: Option<PeerId>,
    /// Who leads.
    pub(super) leader: Option<PeerId>,
    /// This node is the candidate, and has asked ours since then.
    pub(super) round: Option<Instant>,
    /// When the candidate last asked.
    pub(super) asked_at: Instant,
    /// What was said between this node and others of ours.
    pub(super) links: BTreeMap<PeerId, Link>,
    /// The wave that goes through the Zyres.
    pub(super) wave: Option<Wave>,
    /// When the last word of a wave came, or the last wave began here; and how often one was begun for want of an end.
    pub(super) moved: Instant,
    pub(super) repeats: u32,
    /// Since when it is not over, as far as the clock has seen.
    pub(super) unsettled: Option<Instant>,
    /// What is kept from members of which it is not known whether they understand it.
    pub(super) held: BTreeMap<PeerId, Vec<Word>>,
    /// When to look at it again.
    pub(super) next: Option<Instant>,
}

/// What was said between this node and another of ours.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    /// We have asked it, and have told it who leads.
    pub(super) sent: bool,
    pub(super) leader_sent: bool,
    /// Its questions that we have not answered, and ours that it has not.
    pub(super) asked: u32,
    pub(super) waiting: u32,
}

/// What the messages of an election say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Elect(PeerId),
    Leader(PeerId),
}

/// A wave of Zyre's, as each node in it sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wave {
    /// For whom it is.
    pub(super) challenger: PeerId,
    /// From whom it came first; none where it began here.
    pub(super) father: Option<PeerId>,
    /// How many ELECTs and LEADERs have come from Zyres.
    pub(super) elects: usize,
    pub(super) leaders: usize,
    /// Who the last LEADER said it is.
    pub(super) leader: Option<PeerId>,
    /// So many ELECTs as there are Zyres; and LEADER was said.
    pub(super) through: bool,
    pub(super) told: bool,
}

impl Wave {
    pub(super) fn new(challenger: PeerId, father: Option<PeerId>) -> Self {
        Self { challenger, father, elects: 0, leaders: 0, leader: None, through: false, told: false }
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
            round: None,
            asked_at: now,
            links: BTreeMap::new(),
            wave: None,
            moved: now,
            repeats: 0,
            unsettled: None,
            held: BTreeMap::new(),
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
        self.held.remove(&peer);
        self.candidates.remove(&peer);
        self.conceded.take_if(|conceded| *conceded == peer);
        self.leader.take_if(|leader| *leader == peer);
        self.wave.take_if(|wave| wave.challenger == peer);
    }
}
