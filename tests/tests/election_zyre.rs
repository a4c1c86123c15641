//! A node among Zyres: where Zyres alone would agree on a leader, they agree with one of ours in the place of one of them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use uuid::Uuid;
use zre_engine::{Action, Config, ConnId, Event, PeerId};
use zre_proto::message::{Body, Membership};
use zre_tests::{
    solo::{Solo, Stock, router_opening},
    zyre::{Word, Zyre},
};

const GROUP: &str = "G";
const HOSTS: [&str; 5] = ["10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14", "10.0.0.15"];

/// Chance: a linear congruential generator (Knuth's constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// Our node, with the Zyres' connections to it played by hand.
struct Ours {
    solo: Solo,
    stocks: BTreeMap<PeerId, Stock>,
    /// What they have said of membership so far, as they count it.
    status: BTreeMap<PeerId, u8>,
    /// Whom its application last heard of as the leader.
    announced: Option<PeerId>,
    /// Whether it knows from the start that the others understand elections.
    known: bool,
}

impl Ours {
    fn new(id: PeerId, contests: bool, known: bool) -> Self {
        let mut config = Config::default();
        config.uuid = Some(id.into());
        let mut solo = Solo::new(config);
        if contests {
            solo.node.set_contest_in_group(solo.now, GROUP).unwrap();
        }
        solo.node.join(solo.now, GROUP).unwrap();
        Self { solo, stocks: BTreeMap::new(), status: BTreeMap::new(), announced: None, known }
    }

    fn hear(&mut self, from: PeerId, word: Word) {
        let solo = &mut self.solo;
        if word == Word::Hello {
            let host = HOSTS[self.stocks.len()];
            let to_node = solo.accept(&format!("{host}:40001"));
            let uuid = Uuid::from(from);
            let mut stock = Stock { uuid, host, sequence: 1, to_node, from_node: to_node };
            stock.opening(solo, to_node);
            let hello = stock.hello("zyre", &[GROUP]);
            stock.say(solo, hello, &[]);
            if self.known {
                // It shows by an election of another group that it understands elections.
                let (group, challenger) = ("other".into(), from.to_string().into());
                stock.say(solo, Body::Elect { group, challenger }, &[]);
            }
            let (from_node, _) = solo.connects()[0];
            solo.connected(from_node);
            solo.feed(from_node, &router_opening());
            stock.from_node = from_node;
            self.stocks.insert(from, stock);
            self.status.insert(from, 1);
            return;
        }
        let status = self.status.entry(from).or_default();
        let mut membership = || {
            *status = status.wrapping_add(1);
            Membership { group: GROUP.into(), status: *status }
        };
        let body = match word {
            Word::Join => Body::Join(membership()),
            Word::Leave => Body::Leave(membership()),
            Word::Elect(who) => Body::Elect { group: GROUP.into(), challenger: who.to_string().into() },
            _ => Body::Leader { group: GROUP.into(), leader: leader_of(word).to_string().into() },
        };
        if let Some(stock) = self.stocks.get_mut(&from) {
            stock.say(solo, body, &[]);
        }
    }

    fn said(&mut self) -> Vec<(PeerId, Word)> {
        let conns: Vec<(PeerId, ConnId)> = self.stocks.iter().map(|(id, stock)| (*id, stock.from_node)).collect();
        let mut said = Vec::new();
        for (id, conn) in conns {
            for message in self.solo.messages(conn) {
                let who = |text: &zre_proto::Text| text.to_string_lossy().parse().expect("a UUID");
                said.extend(match message.body {
                    Body::Hello(_) => Some((id, Word::Hello)),
                    Body::Join(_) => Some((id, Word::Join)),
                    Body::Leave(_) => Some((id, Word::Leave)),
                    Body::Elect { challenger, .. } => Some((id, Word::Elect(who(&challenger)))),
                    Body::Leader { leader, .. } => Some((id, Word::Leader(who(&leader)))),
                    _ => None,
                });
            }
        }
        for event in self.solo.events() {
            if let Event::Leader { peer, .. } = event {
                self.announced = Some(peer);
            }
        }
        let closes = self.solo.actions().into_iter().find(|action| matches!(action, Action::Close { .. }));
        assert_eq!(closes, None, "nobody breaks a rule here");
        said
    }
}

fn leader_of(word: Word) -> PeerId {
    match word {
        Word::Elect(who) | Word::Leader(who) => who,
        _ => unreachable!("only these are about somebody"),
    }
}

/// Zyres, with one of ours among them or without. What is said arrives in the order of each pair and in no other.
struct Cluster {
    ids: Vec<PeerId>,
    zyres: BTreeMap<PeerId, Zyre>,
    ours: Option<(PeerId, Ours)>,
    under_way: BTreeMap<(PeerId, PeerId), VecDeque<Word>>,
}

impl Cluster {
    fn gather(&mut self) {
        for (from, zyre) in &mut self.zyres {
            for (to, word) in zyre.said.drain(..) {
                self.under_way.entry((*from, to)).or_default().push_back(word);
            }
        }
        if let Some((id, ours)) = &mut self.ours {
            for (to, word) in ours.said() {
                self.under_way.entry((*id, to)).or_default().push_back(word);
            }
        }
    }

    /// One thing that is under way arrives. Whether there was any.
    fn step(&mut self, dice: &mut Dice) -> bool {
        self.gather();
        self.under_way.retain(|_, words| !words.is_empty());
        if self.under_way.is_empty() {
            return false;
        }
        let which = dice.below(self.under_way.len());
        let Some(((from, to), words)) = self.under_way.iter_mut().nth(which) else { return false };
        let (from, to, word) = (*from, *to, words.pop_front());
        match (word, self.zyres.get_mut(&to), &mut self.ours) {
            (Some(word), Some(zyre), _) => zyre.hear(from, word),
            (Some(word), None, Some((_, ours))) => ours.hear(from, word),
            _ => {}
        }
        true
    }

    fn settle(&mut self, dice: &mut Dice) {
        // Nobody says anything for longer than any clock of an election waits.
        for _ in 0..40 {
            while self.step(dice) {}
            if let Some((_, ours)) = &mut self.ours {
                ours.solo.pass(Duration::from_millis(250));
            }
        }
    }

    /// Whether all Zyres are through with their elections, and the leader is one of them. (They elect one that has left, if its
    /// wave is under way.)
    fn is_settled(&self) -> bool {
        let led = self.zyres.values().find_map(|zyre| zyre.announced);
        let member = led.is_none_or(|led| self.zyres.get(&led).is_none_or(Zyre::is_member));
        member && self.zyres.values().all(Zyre::is_settled)
    }

    /// Whom each member last heard of as the leader.
    fn leaders(&self) -> Vec<Option<PeerId>> {
        let zyres = self.zyres.values().filter(|zyre| zyre.is_member()).map(|zyre| zyre.announced);
        let ours = self.ours.iter().map(|(_, ours)| ours.announced);
        zyres.chain(ours).collect()
    }
}

/// What the first node of a schedule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Zyre,
    Ours,
    /// Of ours, which knows from the start that the others understand elections.
    Knowing,
}

/// Runs a schedule of a seed.
fn run(seed: u64, first: First) -> (Vec<Option<PeerId>>, bool) {
    let mut dice = Dice(seed);
    let nodes = 2 + dice.below(3);
    let ids: Vec<PeerId> = (0..nodes).map(|_| Uuid::from_u64_pair(dice.below(1 << 30) as u64, seed).into()).collect();
    let contests: Vec<bool> = ids.iter().map(|_| dice.below(3) > 0).collect();
    let mut cluster = Cluster { ids: ids.clone(), zyres: BTreeMap::new(), ours: None, under_way: BTreeMap::new() };
    for (index, (id, contests)) in ids.iter().zip(contests).enumerate() {
        if index == 0 && first != First::Zyre {
            cluster.ours = Some((*id, Ours::new(*id, contests, first == First::Knowing)));
        } else {
            let mut zyre = Zyre::new(*id, contests);
            // As ours does: then both runs are the same as long as both say the same.
            zyre.shy = index == 0;
            cluster.zyres.insert(*id, zyre);
        }
    }
    // All meet, one pair after the other; each may be through with its election before the next comes.
    for (index, id) in ids.iter().enumerate() {
        for other in &ids[..index] {
            for (from, to) in [(id, other), (other, id)] {
                if *from != ids[0] {
                    cluster.under_way.entry((*from, *to)).or_default().push_back(Word::Hello);
                }
            }
        }
        for _ in 0..dice.below(40) {
            cluster.step(&mut dice);
        }
    }
    cluster.settle(&mut dice);
    for _ in 0..dice.below(4) {
        let id = ids[1 + dice.below(nodes - 1)];
        let all = cluster.ids.clone();
        if let Some(zyre) = cluster.zyres.get_mut(&id) {
            let joined = !zyre.is_member();
            zyre.set_joined(joined, &all);
        }
        for _ in 0..dice.below(60) {
            cluster.step(&mut dice);
        }
    }
    cluster.settle(&mut dice);
    (cluster.leaders(), cluster.is_settled())
}

fn agree(leaders: &[Option<PeerId>]) -> bool {
    leaders.windows(2).all(|pair| pair[0] == pair[1])
}

/// In how many schedules Zyres agree among themselves, with one of ours in the place of one of them, and in which the first
/// only.
fn compare(first: First) -> (usize, usize, Vec<u64>) {
    const SEEDS: u64 = 3000;
    let (mut alone, mut mixed, mut worse) = (0, 0, Vec::new());
    for seed in 0..SEEDS {
        let ((zyres, settled), (with_ours, _)) = (run(seed, First::Zyre), run(seed, first));
        let (zyres, with_ours) = (settled && agree(&zyres), agree(&with_ours));
        alone += usize::from(zyres);
        mixed += usize::from(with_ours);
        if zyres && !with_ours {
            worse.push(seed);
        }
    }
    println!("of {SEEDS} schedules Zyres alone agree in {alone}, with one of ours in {mixed}: {first:?}");
    (alone, mixed, worse)
}

#[test]
fn zyres_agree_with_one_of_ours_among_them_whenever_they_do_alone() {
    let (alone, mixed, worse) = compare(First::Knowing);
    // In one schedule of thousands they do not, where their own counting went wrong first.
    assert!(worse.len() <= 1, "{worse:?}");
    assert!(mixed > alone + alone / 4, "and more often");
}

#[test]
fn and_not_more_seldom_when_it_has_to_find_out_that_they_are_zyres() {
    let (alone, mixed, _) = compare(First::Ours);
    assert!(mixed >= alone);
}

#[test]
fn two_agree_always() {
    for seed in (0..2000).filter(|seed| 2 + Dice(*seed).below(3) == 2) {
        let (leaders, _) = run(seed, First::Ours);
        assert!(agree(&leaders), "seed {seed}: {leaders:?}");
    }
}
