//! Zyre's election, towards Zyres: on the wire this node is one of them.
//!
//! A wave begins with a member that contests: ELECT with its UUID to all. Whoever hears one for a smaller challenger than
//! it knows joins it: it remembers from whom it came, and says it to all others. When as many ELECTs have come as there are
//! Zyres, it goes back to whom it came from, or, at its origin, has won: LEADER to all, which each passes on once. A Zyre
//! waits for exactly as many messages as it has neighbours. So what it would hear from a Zyre it must hear from us, and no
//! more: here, too, is counted, though it is a weak way. What ours do beyond that is in `clock`.

use super::{
    Kind, Node,
    ballot::{Wave, Word},
    poll::PATIENCE,
};
use crate::{id::PeerId, log::log, planted::Planted};
use alloc::{format, sync::Arc, vec::Vec};
use zre_proto::{Text, message::Body};

/// How many words are kept for a member that may not understand them.
const HELD: usize = 8;

impl Node {
    /// The Zyres in a group, with those that may be.
    pub(super) fn zyres(&self, group: &str) -> Vec<PeerId> {
        let counts = |(peer, kind): &(PeerId, Kind)| match kind {
            Kind::Zyre => true,
            Kind::Unknown => !self.has_had_time(*peer),
            Kind::Ours | Kind::Deaf => false,
        };
        self.electors(group).into_iter().filter(counts).map(|(peer, _)| peer).collect()
    }

    /// Whether a member that was told of an election has had the time to show that it understands it.
    fn has_had_time(&self, peer: PeerId) -> bool {
        let told = self.peers.get(&peer).and_then(|peer| peer.told_of_election);
        told.is_some_and(|at| self.now >= at + PATIENCE)
    }

    /// A wave of this node's own.
    pub(super) fn begin_wave(&mut self, group: &Arc<str>) {
        let (me, now) = (self.me.id, self.now);
        if self.zyres(group).is_empty() {
            return;
        }
        let Some(ballot) = self.elections.ballots.get_mut(group).filter(|ballot| ballot.contests) else { return };
        ballot.wave = Some(Wave::new(me, None));
        ballot.moved = now;
        if ballot.vote == Some(me) {
            ballot.round = Some(now);
            self.ask_ours_again(group);
        }
        self.tell_zyres(group, Word::Elect(me), None);
    }

    fn tell_zyres(&mut self, group: &Arc<str>, word: Word, but: Option<PeerId>) {
        for (peer, kind) in self.electors(group) {
            if matches!(kind, Kind::Zyre | Kind::Unknown) && Some(peer) != but {
                self.say_word(group, peer, word);
            }
        }
    }

    /// A Zyre has said something.
    pub(super) fn hear_of_zyre(&mut self, group: &Arc<str>, peer: PeerId, word: Word) {
        let (me, now) = (self.me.id, self.now);
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        ballot.moved = now;
        match word {
            Word::Elect(challenger) => {
                if challenger == peer {
                    ballot.candidates.insert(peer);
                    self.vote(group);
                }
                self.wave_elect(group, peer, challenger);
                if challenger == me {
                    self.stand_again(group);
                }
            }
            Word::Leader(leader) => self.wave_leader(group, peer, leader),
        }
        self.go_on(group);
    }

    /// ELECT has come: from a Zyre, or from the candidate itself, where that is one of ours.
    pub(super) fn wave_elect(&mut self, group: &Arc<str>, from: PeerId, challenger: PeerId) {
        let ours = self.kind(from) == Kind::Ours;
        let zyres = self.zyres(group).len();
        if ours && zyres == 0 {
            return;
        }
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        if ballot.wave.is_none_or(|wave| challenger < wave.challenger) {
            ballot.wave = Some(Wave::new(challenger, Some(from)));
            self.tell_zyres(group, Word::Elect(challenger), Some(from));
        }
        let ballot = self.elections.ballots.get_mut(group);
        let wave = ballot.and_then(|ballot| ballot.wave.as_mut()).filter(|wave| wave.challenger == challenger);
        if let Some(wave) = wave.filter(|_| !ours) {
            wave.elects += 1;
            // With a member more than before it comes back a second time.
            wave.through &= wave.elects != zyres;
        }
        self.look_at_wave(group);
    }

    /// Whether the wave has come back from all Zyres. It is when one is gone, too.
    pub(super) fn look_at_wave(&mut self, group: &Arc<str>) {
        let (me, now, zyres) = (self.me.id, self.now, self.zyres(group));
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        let wave = ballot.wave.as_mut().filter(|wave| !wave.through && wave.elects >= zyres.len());
        let Some(wave) = wave else { return };
        wave.through = true;
        let (challenger, father) = (wave.challenger, wave.father);
        if challenger == me {
            // A wave of its own may have been begun by others, who have not heard that it is over. And where all Zyres are
            // for this node, though one of them is smaller, so be it.
            let another = ballot.vote.filter(|vote| *vote != me && zyres.contains(vote));
            ballot.conceded = another.map(|_| me).or(ballot.conceded);
            self.vote(group);
            if let Some(ballot) = self.elections.ballots.get_mut(group).filter(|ballot| ballot.vote == Some(me)) {
                ballot.round.get_or_insert(now);
            }
        }
        match (challenger, father) {
            (challenger, _) if challenger == me => self.end_round(group),
            (challenger, Some(father)) if self.kind(father) != Kind::Ours => {
                self.say_word(group, father, Word::Elect(challenger));
            }
            _ => {}
        }
    }

    /// This node has won, as far as ours go: the Zyres hear of it, if the wave is its own.
    pub(super) fn wave_won(&mut self, group: &Arc<str>) {
        let me = self.me.id;
        let wave = self.elections.ballots.get_mut(group).and_then(|ballot| ballot.wave.as_mut());
        if let Some(wave) = wave.filter(|wave| wave.challenger == me && !wave.told) {
            wave.told = true;
            self.tell_zyres(group, Word::Leader(me), None);
        }
    }

    /// LEADER has come: from a Zyre, or from the leader itself, where that is one of ours.
    pub(super) fn wave_leader(&mut self, group: &Arc<str>, from: PeerId, leader: PeerId) {
        let (me, ours) = (self.me.id, self.kind(from) == Kind::Ours);
        let wave = self.elections.ballots.get_mut(group).and_then(|ballot| ballot.wave.as_mut());
        let Some(wave) = wave else { return };
        if ours && wave.challenger != leader {
            return;
        }
        wave.leaders += usize::from(!ours);
        wave.leader = Some(leader);
        let challenger = wave.challenger;
        if leader != me && !core::mem::replace(&mut wave.told, true) {
            self.tell_zyres(group, Word::Leader(challenger), None);
        }
        self.has_ended_wave(group);
    }

    /// Ends the wave, if all Zyres that are there have called somebody the leader.
    pub(super) fn has_ended_wave(&mut self, group: &Arc<str>) -> bool {
        let zyres = self.zyres(group).len();
        let wave = self.elections.ballots.get(group).and_then(|ballot| ballot.wave);
        let leader = wave.filter(|wave| wave.leaders >= zyres).and_then(|wave| wave.leader);
        leader.into_iter().for_each(|leader| self.end_wave(group, leader));
        leader.is_some()
    }

    /// All Zyres have called this one the leader.
    fn end_wave(&mut self, group: &Arc<str>, leader: PeerId) {
        let me = self.me.id;
        let kinds = self.electors(group);
        let is = |peer: PeerId, kind: Kind| kinds.contains(&(peer, kind));
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        (ballot.wave, ballot.repeats) = (None, 0);
        if leader == me {
            if ballot.contests && ballot.vote == Some(me) {
                self.lead(group);
            }
            return;
        }
        if !is(leader, Kind::Zyre) {
            // If it is one of ours, it says so itself.
            return;
        }
        log!(debug, "election in {group:?}: all Zyres are for {leader}");
        // Those among them that have lost want nothing any more.
        ballot.candidates.retain(|candidate| *candidate == leader || is(*candidate, Kind::Ours));
        ballot.candidates.insert(leader);
        ballot.conceded = None;
        ballot.conceded = Some(leader).filter(|leader| ballot.choice(me) != Some(*leader));
        self.vote(group);
        self.set_leader(group, leader);
    }

    /// A peer has shown that it understands elections: it hears what was kept from it.
    pub(super) fn say_held(&mut self, peer: PeerId) {
        let held: Vec<_> = self
            .elections
            .ballots
            .iter_mut()
            .filter_map(|(group, ballot)| ballot.held.remove(&peer).map(|words| (group.clone(), words)))
            .collect();
        for (group, words) in held {
            for word in words {
                self.say_word(&group, peer, word);
            }
        }
    }

    /// Says something to a member, or keeps it where it may not be understood. Whether it was said.
    pub(super) fn say_word(&mut self, group: &Arc<str>, peer: PeerId, word: Word) -> bool {
        let (kind, now) = (self.kind(peer), self.now);
        let told_before = self.peers.get(&peer).is_none_or(|peer| peer.told_of_election.is_some());
        if kind == Kind::Deaf {
            return false;
        }
        if kind == Kind::Unknown && told_before {
            let Some(ballot) = self.elections.ballots.get_mut(group) else { return false };
            let held = ballot.held.entry(peer).or_default();
            if held.len() < HELD {
                held.push(word);
            }
            return false;
        }
        let group = Text::from(&**group);
        let body = match word {
            Word::Elect(challenger) => Body::Elect { group, challenger: Text::from(format!("{challenger}")) },
            Word::Leader(leader) => Body::Leader { group, leader: Text::from(format!("{leader}")) },
        };
        let lost = matches!(word, Word::Leader(_)) && self.planted_now(Planted::LoseLeader, 2);
        let said = lost || self.send_unless_full(peer, &body);
        if said && kind == Kind::Unknown {
            if let Some(peer) = self.peers.get_mut(&peer) {
                peer.told_of_election = Some(now);
            }
            // A program that does not count what it does not know drops us at the next message: better at this one.
            self.ping(peer);
        }
        said
    }
}
