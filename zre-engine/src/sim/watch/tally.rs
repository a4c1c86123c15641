//! How far all views are from what is true, kept count of as both change: to ask costs nothing.

use super::view::Seen;
use crate::PeerId;
use std::{
    collections::BTreeMap,
    ops::{AddAssign, SubAssign},
};

/// All processes, and how right they are about each other.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) seen: Vec<Seen>,
    /// All UUIDs that there ever were.
    known: BTreeMap<PeerId, Known>,
    /// How many of them run and mean to stay.
    running: usize,
    /// How many processes there are that mean to stay.
    processes: usize,
    tally: Tally,
}

/// What is known of a UUID.
#[derive(Debug)]
struct Known {
    /// Where it is or last was: of several places the last.
    place: usize,
    /// How many processes have it that mean to stay.
    processes: usize,
}

/// What some see of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    /// Peers that are seen and are there.
    right: u64,
    /// Peers that are seen and gone.
    gone: u64,
    /// Groups that peers are seen in and are not, or the other way round.
    groups: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.gone += other.gone;
        self.groups += other.groups;
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        self.right -= other.right;
        self.gone -= other.gone;
        self.groups -= other.groups;
    }
}

impl Cluster {
    pub(super) fn of(nodes: usize) -> Self {
        Self {
            seen: (0..nodes).map(|_| Seen::default()).collect(),
            known: BTreeMap::new(),
            running: 0,
            processes: 0,
            tally: Tally::default(),
        }
    }

    /// The node with this UUID, or that last had it.
    pub(super) fn place(&self, id: PeerId) -> Option<usize> {
        self.known.get(&id).map(|known| known.place)
    }

    /// The node with this UUID, if it runs and means to stay.
    pub(super) fn place_of_running(&self, id: PeerId) -> Option<usize> {
        self.known.get(&id).filter(|known| known.processes > 0).map(|known| known.place)
    }

    pub(super) fn is_running(&self, id: PeerId) -> bool {
        self.place_of_running(id).is_some()
    }

    /// How many pairs there are to see each other, each way; and how many do.
    pub(super) fn mesh(&self) -> (u64, u64) {
        let all = self.processes as u64 * (self.running as u64).saturating_sub(1);
        (all, self.tally.right)
    }

    /// How many peers a node should see.
    pub(super) fn others(&self, node: usize) -> usize {
        let own = self.seen[node].id().is_some_and(|id| self.is_running(id));
        self.running - usize::from(own)
    }

    /// Whether a node sees as many as there are.
    pub(super) fn sees_all(&self, node: usize) -> bool {
        self.seen[node].count() == self.others(node)
    }

    /// Whether everybody sees exactly what is there.
    pub(super) fn is_exact(&self) -> bool {
        let (all, right) = self.mesh();
        right == all && self.tally.gone == 0 && self.tally.groups == 0
    }

    /// A process starts.
    pub(super) fn born(&mut self, node: usize, id: PeerId) {
        self.change_node(node, id, |cluster| {
            cluster.seen[node] = Seen::born(id);
            let known = cluster.known.entry(id).or_insert(Known { place: node, processes: 0 });
            known.place = node;
            known.processes += 1;
            cluster.running += usize::from(known.processes == 1);
            cluster.processes += 1;
        });
    }

    /// A process stops, or is gone.
    pub(super) fn ends(&mut self, node: usize, end: impl FnOnce(&mut Seen)) {
        let Some(id) = self.seen[node].id() else { return };
        self.change_node(node, id, |cluster| {
            let ran = cluster.seen[node].is_running();
            end(&mut cluster.seen[node]);
            if ran {
                cluster.processes -= 1;
                if let Some(known) = cluster.known.get_mut(&id) {
                    known.processes -= 1;
                    cluster.running -= usize::from(known.processes == 0);
                }
            }
        });
    }

    /// Changes what a node is itself: what others see of it may be right or wrong now, and what it sees may count or not.
    pub(super) fn change_node<R>(&mut self, node: usize, id: PeerId, change: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.tally_node(node, id);
        let result = change(self);
        let after = self.tally_node(node, id);
        self.tally += after;
        self.tally -= before;
        result
    }

    /// Changes what a node sees of a peer.
    pub(super) fn change_view<R>(&mut self, node: usize, peer: PeerId, change: impl FnOnce(&mut Seen) -> R) -> R {
        let before = self.tally_pair(node, peer);
        let result = change(&mut self.seen[node]);
        let after = self.tally_pair(node, peer);
        self.tally += after;
        self.tally -= before;
        result
    }

    fn tally_node(&self, node: usize, id: PeerId) -> Tally {
        let mut tally = Tally::default();
        for other in (0..self.seen.len()).filter(|other| *other != node) {
            tally += self.tally_pair(other, id);
        }
        for peer in self.seen[node].inside() {
            tally += self.tally_pair(node, peer);
        }
        tally
    }

    fn tally_pair(&self, node: usize, peer: PeerId) -> Tally {
        let seen = &self.seen[node];
        let Some(groups) = seen.groups_of(peer).filter(|_| seen.is_running()) else { return Tally::default() };
        match self.place_of_running(peer) {
            // Whom a hostile machine made up is neither there nor gone.
            None if self.place(peer).is_none() => Tally::default(),
            None => Tally { gone: 1, ..Tally::default() },
            Some(place) => {
                let wrong = self.seen[place].differences(groups);
                Tally { right: 1, gone: 0, groups: wrong }
            }
        }
    }

    /// The first thing that a node does not see as it is.
    pub(super) fn wrong(&self, node: usize) -> Option<String> {
        let seen = &self.seen[node];
        let running = || self.known.iter().filter(|(_, known)| known.processes > 0).map(|(id, _)| id);
        let others = || running().filter(|id| Some(**id) != seen.id());
        if let Some(missing) = others().find(|id| !seen.is_inside(**id)) {
            return Some(format!("does not see {}", self.name(*missing)));
        }
        if let Some(gone) = seen.inside().find(|id| self.place(*id).is_some() && !self.is_running(*id)) {
            return Some(format!("still sees {}, which is gone", self.name(gone)));
        }
        others().find_map(|id| {
            let (does, place) = (seen.groups_of(*id)?, self.place(*id)?);
            let differs = self.seen[place].differences(does) > 0;
            let is: Vec<_> = self.seen[place].groups().collect();
            differs.then(|| format!("sees {} in {does:?}, but it is in {is:?}", self.name(*id)))
        })
    }

    /// How to call a node in a message.
    pub(super) fn name(&self, id: PeerId) -> String {
        self.place(id).map_or_else(|| format!("{id}"), |place| format!("node {place}"))
    }
}
