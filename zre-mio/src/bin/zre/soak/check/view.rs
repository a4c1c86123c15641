//! What one node has seen of the others, event by event, and what it is itself.

use super::{Life, Wrong};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use zre_mio::{Headers, PeerId};

/// Whom a message is for.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Whom {
    Peer(PeerId),
    Group(&'static str),
}

impl Whom {
    pub(super) fn group(&self) -> Option<&'static str> {
        match self {
            Self::Peer(_) => None,
            Self::Group(group) => Some(group),
        }
    }
}

/// What a node answers when it is asked.
#[derive(Debug, Default)]
pub(in super::super) struct Answers {
    /// Its peers, each with its headers.
    pub(in super::super) peers: BTreeMap<PeerId, Arc<Headers>>,
    /// Who is in each of the groups that there are.
    pub(in super::super) members: BTreeMap<&'static str, BTreeSet<PeerId>>,
    /// The groups that it is in itself.
    pub(in super::super) own: BTreeSet<String>,
    /// How many connections it has.
    pub(in super::super) connections: usize,
}

#[derive(Debug)]
struct Inside {
    life: Life,
    groups: BTreeSet<Arc<str>>,
}

/// A node that runs, as its application knows it.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Peers that have entered.
    inside: BTreeMap<PeerId, Inside>,
    /// Groups that the node is in, and since when.
    own: BTreeMap<&'static str, u64>,
    /// Who came, went, or changed its groups since it began to send.
    pub(super) stirred: BTreeSet<PeerId>,
    /// Peers that had no room for a message: ROOM or EXIT is to come.
    pub(super) full: BTreeSet<PeerId>,
}

impl View {
    pub(super) fn new(groups: &[&'static str], tick: u64) -> Self {
        Self { own: groups.iter().map(|group| (*group, tick)).collect(), ..Self::default() }
    }

    pub(super) fn join(&mut self, group: &'static str, tick: u64) {
        self.own.entry(group).or_insert(tick);
    }

    pub(super) fn leave(&mut self, group: &str) {
        self.own.remove(group);
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &'static str> {
        self.own.keys().copied()
    }

    pub(super) fn is_in(&self, group: &str) -> bool {
        self.own.contains_key(group)
    }

    /// Whether the node has been in the group from before `sent` on.
    pub(super) fn is_in_since(&self, group: &str, sent: u64) -> bool {
        self.own.get(group).is_some_and(|since| *since < sent)
    }

    pub(super) fn life_of(&self, peer: PeerId) -> Option<Life> {
        self.inside.get(&peer).map(|inside| inside.life)
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.inside.keys().copied()
    }

    pub(super) fn members(&self, group: &str) -> impl Iterator<Item = PeerId> {
        self.inside.iter().filter(move |(_, inside)| inside.groups.contains(group)).map(|(peer, _)| *peer)
    }

    pub(super) fn meant(&self, whom: &Whom) -> BTreeSet<Life> {
        match whom {
            Whom::Peer(peer) => self.life_of(*peer).into_iter().collect(),
            Whom::Group(group) => self.members(group).filter_map(|peer| self.life_of(peer)).collect(),
        }
    }

    pub(super) fn enter(&mut self, peer: PeerId, life: Life) -> Result<(), Wrong> {
        self.stirred.insert(peer);
        match self.inside.insert(peer, Inside { life, groups: BTreeSet::new() }) {
            None => Ok(()),
            Some(_) => Err("it had entered already, and no EXIT has come".into()),
        }
    }

    pub(super) fn exit(&mut self, peer: PeerId) {
        self.stirred.insert(peer);
        self.full.remove(&peer);
        self.inside.remove(&peer);
    }

    pub(super) fn peer_joins(&mut self, peer: PeerId, group: &Arc<str>) -> Result<(), Wrong> {
        self.stirred.insert(peer);
        match self.inside.get_mut(&peer).is_some_and(|inside| inside.groups.insert(group.clone())) {
            true => Ok(()),
            false => Err(format!("it was in {group:?} already")),
        }
    }

    pub(super) fn peer_leaves(&mut self, peer: PeerId, group: &Arc<str>) -> Result<(), Wrong> {
        self.stirred.insert(peer);
        match self.inside.get_mut(&peer).is_some_and(|inside| inside.groups.remove(group)) {
            true => Ok(()),
            false => Err(format!("it was not in {group:?}")),
        }
    }
}
