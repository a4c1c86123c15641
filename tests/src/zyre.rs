//! Zyre's election, as its source has it: what each node says to each, message by message. It is here with its faults: it
//! counts what comes, has no numbers for its waves and no clock.

use std::collections::BTreeSet;
use zre_engine::PeerId;

/// What nodes say to each other about one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// HELLO, with the group in it.
    Hello,
    /// JOIN.
    Join,
    /// LEAVE.
    Leave,
    /// ELECT, for whom.
    Elect(PeerId),
    /// LEADER, who it is.
    Leader(PeerId),
}

/// A wave that a node is in.
#[derive(Debug, Clone, Default)]
struct Wave {
    challenger: Option<PeerId>,
    father: Option<PeerId>,
    elects: usize,
    leaders: usize,
}

/// A Zyre in one group.
#[derive(Debug, Clone)]
pub struct Zyre {
    id: PeerId,
    contests: bool,
    joined: bool,
    members: BTreeSet<PeerId>,
    wave: Option<Wave>,
    /// Whom it remembers as the leader.
    leader: Option<PeerId>,
    /// Whom it last told its application of.
    pub announced: Option<PeerId>,
    /// It says HELLO to whoever has said it, and not before.
    pub shy: bool,
    /// What it has said and to whom, until it is taken.
    pub said: Vec<(PeerId, Word)>,
}

impl Zyre {
    /// One that is in the group and knows of nobody.
    pub fn new(id: PeerId, contests: bool) -> Self {
        let (members, said) = (BTreeSet::new(), Vec::new());
        Self { id, contests, joined: true, members, wave: None, leader: None, announced: None, shy: false, said }
    }

    /// Whether it is in the group.
    pub fn is_member(&self) -> bool {
        self.joined
    }

    /// Whether it waits for nothing: what its application was told last holds.
    pub fn is_settled(&self) -> bool {
        self.wave.is_none()
    }

    /// Its application joins the group or leaves it; these nodes are told.
    pub fn set_joined(&mut self, joined: bool, all: &[PeerId]) {
        self.joined = joined;
        let word = if joined { Word::Join } else { Word::Leave };
        self.said.extend(all.iter().filter(|other| **other != self.id).map(|other| (*other, word)));
    }

    /// Something is said to it.
    pub fn hear(&mut self, from: PeerId, word: Word) {
        match word {
            Word::Hello | Word::Join => {
                if self.members.insert(from) && self.shy && word == Word::Hello {
                    self.said.push((from, Word::Hello));
                }
                if self.contests && (word == Word::Hello || self.joined) {
                    self.begin();
                }
            }
            Word::Leave => {
                self.members.remove(&from);
                if self.joined && self.contests && self.leader == Some(from) {
                    self.wave = None;
                    self.leader = None;
                    if self.members.is_empty() { self.announced = Some(self.id) } else { self.begin() }
                }
            }
            Word::Elect(challenger) => self.elect(from, challenger),
            Word::Leader(leader) => self.lead(leader),
        }
    }

    fn begin(&mut self) {
        self.wave = Some(Wave { challenger: Some(self.id), ..Wave::default() });
        self.leader = None;
        self.tell_all(Word::Elect(self.id), None);
    }

    fn tell_all(&mut self, word: Word, but: Option<PeerId>) {
        self.said.extend(self.members.iter().filter(|member| Some(**member) != but).map(|member| (*member, word)));
    }

    fn elect(&mut self, from: PeerId, challenger: PeerId) {
        let wave = self.wave.get_or_insert_default();
        if wave.challenger.is_none_or(|current| challenger < current) {
            *wave = Wave { challenger: Some(challenger), father: Some(from), ..Wave::default() };
            self.tell_all(Word::Elect(challenger), Some(from));
        }
        let Some(wave) = self.wave.as_mut().filter(|wave| wave.challenger == Some(challenger)) else { return };
        wave.elects += 1;
        if wave.elects != self.members.len() {
            return;
        }
        match wave.father {
            _ if challenger == self.id => self.tell_all(Word::Leader(self.id), None),
            Some(father) => self.said.push((father, Word::Elect(challenger))),
            None => {}
        }
    }

    fn lead(&mut self, leader: PeerId) {
        let Some((wave, challenger)) = self.wave.as_mut().and_then(|wave| wave.challenger.map(|one| (wave, one)))
        else {
            return;
        };
        let first = wave.leaders == 0;
        wave.leaders += 1;
        let over = wave.leaders == self.members.len();
        if leader != self.id && first {
            self.tell_all(Word::Leader(challenger), None);
        }
        if over {
            (self.announced, self.wave) = (Some(leader), None);
            self.leader = Some(leader).filter(|leader| *leader != self.id);
        }
    }
}
