//! The election between nodes of this implementation: who asks whom, who answers, who leads.
//!
//! Whoever contests and knows of no smaller candidate asks all others, by an ELECT with its own UUID; they answer with the
//! same once they know of none that is smaller; when all have, it says LEADER to all. Nothing is counted that could be lost
//! or come twice: a new vote and a new member are told, whenever they come.

use super::{
    Kind, Node,
    ballot::{Link, Word},
};
use crate::{id::PeerId, log::log, node::Phase};
use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

/// Who has not answered in this time is not waited for where that only delays.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How long an election that nobody contradicts may take.
pub(super) const ROUND: Duration = Duration::from_secs(2);
/// How long a member that is alone waits for others before it leads: two beacons.
pub(super) const ALONE: Duration = Duration::from_secs(2);

impl Node {
    /// The vote may have changed: it is for the smallest candidate. Whoever should know is told.
    pub(super) fn vote(&mut self, group: &Arc<str>) {
        let (me, now) = (self.me.id, self.now);
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        let choice = ballot.choice(me);
        if ballot.vote == choice {
            return;
        }
        (ballot.vote, ballot.round, ballot.repeats) = (choice, None, 0);
        log!(debug, "election in {group:?}: for {choice:?}");
        if choice == Some(me) {
            return self.begin_round(group);
        }
        if let Some(choice) = choice {
            // It may have asked long ago, when this node was for another: it hears of it without asking again.
            let link = ballot.link(choice);
            link.asked = link.asked.max(1);
            ballot.asked_at = now;
        }
        self.go_on(group);
    }

    /// All of ours are asked to be for this node.
    fn begin_round(&mut self, group: &Arc<str>) {
        let now = self.now;
        let ours = self.ours(group);
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        ballot.round = Some(now);
        for peer in &ours {
            // It may have answered when this node was a candidate before; it is to hear of the outcome of this time.
            let link = ballot.link(*peer);
            (link.sent, link.leader_sent) = (false, false);
        }
        ours.into_iter().for_each(|peer| self.ask(group, peer));
        self.go_on(group);
    }

    /// The candidate asks one of ours that it has not asked yet.
    pub(super) fn ask(&mut self, group: &Arc<str>, peer: PeerId) {
        let (me, now) = (self.me.id, self.now);
        let Some(ballot) = self.elections.ballots.get(group).filter(|ballot| ballot.vote == Some(me)) else { return };
        let asked = ballot.links.get(&peer).is_some_and(|link| link.sent);
        if asked || self.kind(peer) != Kind::Ours || !self.say_word(group, peer, Word::Elect(me)) {
            return;
        }
        if let Some(ballot) = self.elections.ballots.get_mut(group) {
            let link = ballot.link(peer);
            (link.sent, link.leader_sent) = (true, false);
            link.waiting += 1;
            // The round is not over before it has answered.
            ballot.round.get_or_insert(now);
        }
    }

    /// A wave goes through the Zyres: ours say when they, too, are through with it.
    pub(super) fn ask_ours_again(&mut self, group: &Arc<str>) {
        for peer in self.ours(group) {
            let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
            let link = ballot.link(peer);
            if link.waiting == 0 {
                link.sent = false;
            }
            self.ask(group, peer);
        }
    }

    fn ours(&self, group: &str) -> Vec<PeerId> {
        self.electors(group).into_iter().filter(|(_, kind)| *kind == Kind::Ours).map(|(peer, _)| peer).collect()
    }

    /// One of ours has said ELECT, by which it asks or answers, or LEADER.
    pub(super) fn hear_of_ours(&mut self, group: &Arc<str>, peer: PeerId, word: Word) {
        let (me, now) = (self.me.id, self.now);
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        match word {
            Word::Elect(challenger) if challenger == peer => {
                ballot.candidates.insert(peer);
                let link = ballot.link(peer);
                link.asked = link.asked.saturating_add(1);
                ballot.asked_at = now;
                self.vote(group);
                self.wave_elect(group, peer, peer);
            }
            Word::Elect(challenger) if challenger == me => {
                let leads = ballot.leader == Some(me) && ballot.vote == Some(me);
                let link = ballot.link(peer);
                link.waiting = link.waiting.saturating_sub(1);
                if leads {
                    // It took long to be for us, and has not believed us before. Others may be in the same way.
                    (link.sent, link.leader_sent) = (true, false);
                    ballot.round.get_or_insert(now);
                }
                self.stand_again(group);
            }
            Word::Leader(leader) if leader == peer && ballot.vote == Some(peer) => {
                self.set_leader(group, peer);
                self.wave_leader(group, peer, peer);
            }
            _ => {}
        }
        self.go_on(group);
    }

    /// Somebody is for this node after all: it need not stand back for another.
    pub(super) fn stand_again(&mut self, group: &Arc<str>) {
        if let Some(ballot) = self.elections.ballots.get_mut(group).filter(|ballot| ballot.contests) {
            ballot.conceded = None;
            self.vote(group);
        }
    }

    /// Does what is to be done now that something has changed.
    pub(super) fn go_on(&mut self, group: &Arc<str>) {
        let me = self.me.id;
        match self.elections.ballots.get(group).and_then(|ballot| ballot.vote) {
            Some(vote) if vote == me => self.end_round(group),
            Some(vote) => self.answer(group, vote),
            None => {}
        }
        self.plan(group);
        self.schedule_elections();
    }

    /// Answers a candidate of ours, once the wave has come back from all Zyres, or has had its time.
    fn answer(&mut self, group: &Arc<str>, candidate: PeerId) {
        let Some(ballot) = self.elections.ballots.get(group) else { return };
        let through = ballot.wave.is_some_and(|wave| wave.challenger == candidate && wave.through);
        let ready = through || self.now >= ballot.asked_at + PATIENCE || self.zyres(group).is_empty();
        if self.kind(candidate) != Kind::Ours || !ready {
            return;
        }
        while self.elections.ballots.get(group).and_then(|ballot| ballot.links.get(&candidate)).is_some_and(is_asked) {
            if !self.say_word(group, candidate, Word::Elect(candidate)) {
                return;
            }
            if let Some(ballot) = self.elections.ballots.get_mut(group) {
                ballot.link(candidate).asked -= 1;
            }
        }
    }

    /// This node is the candidate: it leads when all have answered, or have had their time.
    pub(super) fn end_round(&mut self, group: &Arc<str>) {
        let (me, now) = (self.me.id, self.now);
        let zyres = self.zyres(group).len();
        let ours = self.ours(group);
        let Some(ballot) = self.elections.ballots.get(group) else { return };
        let Some(begun) = ballot.round.filter(|_| self.phase == Phase::Running) else { return };
        let wave = ballot.wave.filter(|wave| wave.challenger == me);
        let alone = ours.is_empty() && zyres == 0 && !ballot.company;
        let answered = |peer: &PeerId| ballot.links.get(peer).is_some_and(|link| link.sent && link.waiting == 0);
        let over = match wave {
            _ if alone => now >= ballot.since + ALONE,
            None if zyres > 0 => ballot.leader == Some(me),
            Some(wave) if !wave.through && zyres > 0 => now >= begun + ROUND,
            _ => now >= begun + ROUND || ours.iter().all(answered),
        };
        if over {
            self.lead(group);
        }
    }

    /// This node leads: all are told.
    pub(super) fn lead(&mut self, group: &Arc<str>) {
        let me = self.me.id;
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        ballot.round = None;
        self.set_leader(group, me);
        for peer in self.ours(group) {
            let told = |link: &Link| !link.sent || link.leader_sent;
            let link = self.elections.ballots.get(group).and_then(|ballot| ballot.links.get(&peer));
            if link.is_none_or(told) {
                continue;
            }
            let said = self.say_word(group, peer, Word::Leader(me));
            if let Some(ballot) = self.elections.ballots.get_mut(group) {
                ballot.link(peer).leader_sent = said;
            }
        }
        self.wave_won(group);
    }
}

fn is_asked(link: &Link) -> bool {
    link.asked > 0
}
