//! What is said in an election, and when it is over.

use super::{Ballot, Kind, Node};
use crate::{id::PeerId, log::log, planted::Planted, time::Instant};
use alloc::{format, sync::Arc, vec::Vec};
use core::time::Duration;
use zre_proto::{Text, message::Body};

/// How many waves a Zyre may begin in such a time before it is answered more slowly.
const WAVES: u32 = 16;
const WINDOW: Duration = Duration::from_secs(10);
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
        (ballot.vote, ballot.round) = (choice, None);
        if ballot.company {
            ballot.since = now;
        }
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

    /// All members are asked to be for this node.
    fn begin_round(&mut self, group: &Arc<str>) {
        let now = self.now;
        let electors = self.electors(group);
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        ballot.round = Some(now);
        for (peer, _) in electors.iter().filter(|(_, kind)| *kind == Kind::Ours) {
            // It may have answered when this node was a candidate before; it is to hear of the outcome of this time.
            let link = ballot.link(*peer);
            (link.sent, link.leader_sent) = (None, false);
        }
        for (peer, _) in electors {
            self.ask(group, peer);
        }
        self.go_on(group);
    }

    /// A member has come: the candidate asks it. Where there are Zyres, all take part in a new wave, as they expect.
    pub(super) fn ask_newcomer(&mut self, group: &Arc<str>, peer: PeerId) {
        if self.elections.ballots.get(group).is_none_or(|ballot| ballot.vote != Some(self.me.id)) {
            return;
        }
        let electors = self.electors(group);
        if electors.iter().all(|(_, kind)| *kind == Kind::Ours) {
            return self.ask(group, peer);
        }
        for (peer, kind) in electors {
            let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
            let link = ballot.link(peer);
            if kind == Kind::Ours || link.is_over() {
                link.sent = None;
            }
            self.ask(group, peer);
        }
    }

    /// The candidate says ELECT to a member that has not heard it in this wave.
    pub(super) fn ask(&mut self, group: &Arc<str>, peer: PeerId) {
        let (me, now, ours) = (self.me.id, self.now, self.kind(peer) == Kind::Ours);
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        let told = ballot.vote != Some(me) || ballot.link(peer).sent == Some(me);
        if told || !self.say_elect(group, peer, me) {
            return;
        }
        if let Some(ballot) = self.elections.ballots.get_mut(group) {
            ballot.link(peer).waiting += u32::from(ours);
            // The round is not over before it has answered.
            ballot.round.get_or_insert(now);
        }
        if !ours {
            self.ask_ours_again(group);
        }
    }

    /// A Zyre goes through another wave: ours say when they, too, are through with it.
    fn ask_ours_again(&mut self, group: &Arc<str>) {
        let me = self.me.id;
        let electors = self.electors(group);
        for (peer, _) in electors.into_iter().filter(|(_, kind)| *kind == Kind::Ours) {
            let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
            let link = ballot.link(peer);
            if link.sent == Some(me) && link.waiting == 0 && self.say_elect(group, peer, me) {
                self.elections.ballots.get_mut(group).into_iter().for_each(|ballot| ballot.link(peer).waiting += 1);
            }
        }
    }

    /// A member that is for the same candidate hears so from a Zyre's other members, when it has said so itself: this node
    /// begins no waves but its own.
    fn answer_zyres(&mut self, group: &Arc<str>, vote: PeerId) {
        for (peer, kind) in self.electors(group) {
            let link = self.elections.ballots.get(group).and_then(|ballot| ballot.links.get(&peer));
            let due = link.is_some_and(|link| link.got == Some(vote) && link.sent != Some(vote) && !link.slowed);
            if kind == Kind::Zyre && peer != vote && due {
                self.say_elect(group, peer, vote);
            }
        }
    }

    /// Whether it could be said: of those who may not understand it, each is told one, once.
    fn say_elect(&mut self, group: &Arc<str>, peer: PeerId, challenger: PeerId) -> bool {
        let (kind, now) = (self.kind(peer), self.now);
        let told_before = self.peers.get(&peer).is_none_or(|peer| peer.told_of_election.is_some());
        if kind == Kind::Deaf || (kind == Kind::Unknown && told_before) {
            return false;
        }
        let body = Body::Elect { group: Text::from(&**group), challenger: Text::from(format!("{challenger}")) };
        if !self.send_unless_full(peer, &body) {
            return false;
        }
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return true };
        let link = ballot.link(peer);
        if kind != Kind::Ours && link.is_over() {
            // The wave before is over: this one is ours.
            (link.got, link.leader_got, link.repeats) = (None, false, 0);
        }
        (link.sent, link.sent_at, link.leader_sent) = (Some(challenger), now, false);
        if kind == Kind::Unknown {
            if let Some(peer) = self.peers.get_mut(&peer) {
                peer.told_of_election = Some(now);
            }
            // A program that does not count what it does not know drops us at the next message: better at this one.
            self.ping(peer);
        }
        true
    }

    fn say_leader(&mut self, group: &Arc<str>, peer: PeerId, leader: PeerId) {
        if !matches!(self.kind(peer), Kind::Ours | Kind::Zyre) {
            return;
        }
        let body = Body::Leader { group: Text::from(&**group), leader: Text::from(format!("{leader}")) };
        let said = self.planted_now(Planted::LoseLeader, 2) || self.send_unless_full(peer, &body);
        self.elections.ballots.get_mut(group).into_iter().for_each(|ballot| ballot.link(peer).leader_sent = said);
    }

    /// A peer has said ELECT.
    pub(in crate::node) fn elect(&mut self, peer: PeerId, group: &Text, challenger: &Text) {
        let Some((group, challenger)) = self.election_message(peer, group, challenger) else { return };
        let (me, now, kind) = (self.me.id, self.now, self.kind(peer));
        let Some(ballot) = self.elections.ballots.get_mut(&group) else { return };
        if challenger == peer {
            ballot.candidates.insert(peer);
            ballot.asked_at = now;
            if ballot.vote.is_none_or(|vote| peer <= vote) {
                // Its wave comes to all, and back to us from the others.
                ballot.links.iter_mut().filter(|(id, _)| **id != peer).for_each(|(_, link)| link.renew());
            }
        }
        let leads = ballot.leader == Some(me) && ballot.vote == Some(me);
        let link = ballot.link(peer);
        match kind {
            Kind::Ours if challenger == peer => link.asked = link.asked.saturating_add(1),
            Kind::Ours if challenger == me => {
                link.waiting = link.waiting.saturating_sub(1);
                if leads {
                    // It took long to be for us, and has not believed us before. Others may be in the same way.
                    link.leader_sent = false;
                }
            }
            Kind::Ours => {}
            _ => {
                if link.got == Some(challenger) || link.is_over() {
                    link.begin_wave(now, WINDOW, WAVES);
                }
                link.got = Some(challenger);
            }
        }
        let slowed = link.slowed;
        if challenger == me && ballot.contests {
            ballot.conceded = None;
        }
        if kind == Kind::Ours && challenger == me && leads {
            ballot.round.get_or_insert(now);
        }
        self.vote(&group);
        if kind != Kind::Ours && !slowed {
            self.ask(&group, peer);
        }
        self.go_on(&group);
    }

    /// A peer has said LEADER. Whoever leads says so itself.
    pub(in crate::node) fn leads(&mut self, peer: PeerId, group: &Text, leader: &Text) {
        let Some((group, leader)) = self.election_message(peer, group, leader) else { return };
        let (me, ours) = (self.me.id, self.kind(peer) == Kind::Ours);
        let Some(ballot) = self.elections.ballots.get_mut(&group) else { return };
        let link = ballot.link(peer);
        if !ours && link.sent == Some(leader) {
            link.leader_got = true;
            // It is for whom it calls the leader.
            link.got = Some(leader);
        }
        if leader == me && ballot.contests {
            ballot.conceded = None;
        }
        if leader == peer && !ours {
            ballot.candidates.insert(peer);
            // Zyres have agreed on it. If they hear of a smaller one later, they will say so.
            if ballot.vote != Some(peer) {
                ballot.conceded = Some(peer);
            }
        }
        self.vote(&group);
        let elected = leader == peer && self.elections.ballots.get(&group).is_some_and(|one| one.vote == Some(peer));
        if elected {
            self.set_leader(&group, peer);
            self.pass_on_leader(&group, peer);
        }
        self.go_on(&group);
    }

    /// The group and the node that a message of an election is about, if it is a group that we are in.
    fn election_message(&mut self, peer: PeerId, group: &Text, about: &Text) -> Option<(Arc<str>, PeerId)> {
        let newly = self.peers.get_mut(&peer).is_some_and(|peer| !core::mem::replace(&mut peer.extended, true));
        let group = self.me.groups.get(&*group.to_str()).cloned();
        let member = |group: &Arc<str>| self.members.get(group).is_some_and(|members| members.contains(peer));
        let found = group.filter(member).zip(about.to_str().parse().ok());
        if found.is_none() {
            self.statistics.skipped += 1;
        }
        if let Some((group, _)) = &found {
            let now = self.now;
            self.elections.ballots.entry(group.clone()).or_insert_with(|| Ballot::new(now)).company = true;
        }
        if newly {
            self.welcome_elector(peer, found.as_ref().map(|(group, _)| group));
        }
        found
    }

    /// A peer has shown that it understands elections: it hears of those of its other groups.
    fn welcome_elector(&mut self, peer: PeerId, but: Option<&Arc<str>>) {
        let groups: Vec<_> = self.elections.ballots.keys().filter(|group| Some(*group) != but).cloned().collect();
        for group in groups {
            if self.members.get(&group).is_some_and(|members| members.contains(peer)) {
                self.ask(&group, peer);
                self.go_on(&group);
            }
        }
    }

    /// Tells each Zyre of the leader, once in each of its waves.
    fn pass_on_leader(&mut self, group: &Arc<str>, leader: PeerId) {
        for (peer, kind) in self.electors(group) {
            let link = self.elections.ballots.get(group).and_then(|ballot| ballot.links.get(&peer));
            let due = link.is_some_and(|link| !link.leader_sent && (link.sent == Some(leader) || peer == leader));
            if kind == Kind::Zyre && due {
                self.say_leader(group, peer, leader);
            }
        }
    }

    /// Does what is to be done now that something has changed.
    pub(super) fn go_on(&mut self, group: &Arc<str>) {
        let me = self.me.id;
        match self.elections.ballots.get(group).and_then(|ballot| ballot.vote) {
            Some(vote) if vote == me => self.end_round(group),
            Some(vote) => {
                self.answer_zyres(group, vote);
                self.answer_candidate(group, vote);
            }
            None => {}
        }
        self.plan(group);
        self.schedule_elections();
    }

    /// Says ELECT back to the candidate, once all Zyres have answered.
    fn answer_candidate(&mut self, group: &Arc<str>, candidate: PeerId) {
        if !self.is_through(group, candidate) {
            return;
        }
        let kind = self.kind(candidate);
        loop {
            let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
            let link = ballot.link(candidate);
            let due = match kind {
                Kind::Ours => link.asked > 0,
                _ => link.got == Some(candidate) && link.sent != Some(candidate),
            };
            if !due || !self.say_elect(group, candidate, candidate) {
                return;
            }
            if kind == Kind::Ours
                && let Some(ballot) = self.elections.ballots.get_mut(group)
            {
                ballot.link(candidate).asked -= 1;
            }
        }
    }

    /// Whether the wave has come back from all Zyres but the candidate, or has had its time.
    fn is_through(&self, group: &str, candidate: PeerId) -> bool {
        let Some(ballot) = self.elections.ballots.get(group) else { return false };
        let open = |(peer, kind): (PeerId, Kind)| {
            let link = ballot.links.get(&peer);
            kind == Kind::Zyre && peer != candidate && !link.is_some_and(|link| link.is_done(candidate))
        };
        self.now >= ballot.asked_at + PATIENCE || !self.electors(group).into_iter().any(open)
    }

    /// This node is the candidate: it leads when all have answered, or have had their time.
    fn end_round(&mut self, group: &Arc<str>) {
        let (me, now) = (self.me.id, self.now);
        let Some(ballot) = self.elections.ballots.get(group) else { return };
        let Some(begun) = ballot.round else { return };
        let electors = self.electors(group);
        let answered = |(peer, kind): &(PeerId, Kind)| {
            let link = ballot.links.get(peer);
            match kind {
                Kind::Ours => link.is_some_and(|link| link.sent == Some(me) && link.waiting == 0),
                Kind::Zyre => link.is_some_and(|link| link.is_done(me)),
                Kind::Unknown => self.has_had_time(*peer, now),
                Kind::Deaf => true,
            }
        };
        let alone = electors.is_empty() && !ballot.company;
        let over = if alone { now >= ballot.since + ALONE } else { now >= begun + ROUND };
        if self.phase != super::Phase::Running || !(over || (!alone && electors.iter().all(answered))) {
            return;
        }
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        ballot.round = None;
        self.set_leader(group, me);
        for (peer, kind) in electors {
            let link = self.elections.ballots.get(group).and_then(|ballot| ballot.links.get(&peer));
            if kind != Kind::Deaf && link.is_some_and(|link| link.sent == Some(me) && !link.leader_sent) {
                self.say_leader(group, peer, me);
            }
        }
    }

    /// Whether a member that may not understand elections has had the time to show that it does.
    fn has_had_time(&self, peer: PeerId, now: Instant) -> bool {
        let told = self.peers.get(&peer).and_then(|peer| peer.told_of_election);
        told.is_none_or(|at| now >= at + PATIENCE)
    }
}
