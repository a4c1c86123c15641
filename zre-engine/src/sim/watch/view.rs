//! What one node has seen of the others, event by event.

use super::Rule;
use crate::{Node, PeerId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

type Wrong = (Rule, String);

/// A process, as its application tells it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    id: Option<PeerId>,
    running: bool,
    stopping: bool,
    /// Peers that have entered, each with its groups.
    inside: BTreeMap<PeerId, Vec<Arc<str>>>,
    /// Those of them that are no nodes: a hostile machine made them up.
    made_up: BTreeSet<PeerId>,
    /// Groups that the node is in, and since when; or that it has left.
    groups: BTreeMap<Arc<str>, Option<u64>>,
    /// Groups that it wants to lead.
    contests: BTreeSet<Arc<str>>,
    /// Who leads which group, as it was told.
    leaders: BTreeMap<Arc<str>, PeerId>,
    /// Groups that it has left when nothing waited to be heard.
    left: BTreeSet<Arc<str>>,
}

impl Seen {
    pub(super) fn born(id: PeerId) -> Self {
        Self { id: Some(id), running: true, ..Self::default() }
    }

    /// The UUID of the process that runs here, or last did.
    pub(super) fn id(&self) -> Option<PeerId> {
        self.id
    }

    pub(super) fn stops(&mut self) {
        self.stopping = true;
    }

    pub(super) fn gone(&mut self) {
        self.running = false;
    }

    pub(super) fn is_running(&self) -> bool {
        self.running && !self.stopping
    }

    pub(super) fn is_inside(&self, id: PeerId) -> bool {
        self.inside.contains_key(&id)
    }

    /// How many nodes have entered.
    pub(super) fn count(&self) -> usize {
        self.inside.len() - self.made_up.len()
    }

    pub(super) fn inside(&self) -> impl Iterator<Item = PeerId> {
        self.inside.keys().copied()
    }

    /// The groups of a peer that has entered.
    pub(super) fn groups_of(&self, peer: PeerId) -> Option<&[Arc<str>]> {
        self.inside.get(&peer).map(Vec::as_slice)
    }

    /// The groups that the node is in itself.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.iter().filter(|(_, since)| since.is_some()).map(|(group, _)| group)
    }

    /// How many groups are in only one of what the node is in and what it is seen in.
    pub(super) fn differences(&self, seen: &[Arc<str>]) -> u64 {
        let unseen = self.groups().filter(|group| !seen.contains(group)).count();
        let not_in = seen.iter().filter(|group| !self.is_in(group)).count();
        (unseen + not_in) as u64
    }

    pub(super) fn join(&mut self, now: u64, group: &Arc<str>) {
        self.groups.entry(group.clone()).or_default().get_or_insert(now);
        self.left.remove(group);
    }

    /// `waits`: with messages for the group, perhaps, that it has not looked at.
    pub(super) fn leave(&mut self, group: &Arc<str>, waits: bool) {
        self.leaders.remove(group);
        if let Some(since) = self.groups.get_mut(group) {
            *since = None;
            if !waits {
                self.left.insert(group.clone());
            }
        }
    }

    pub(super) fn contest(&mut self, group: &Arc<str>) {
        self.contests.insert(group.clone());
    }

    /// Whether it is in the group, and wants to lead it.
    pub(super) fn contests(&self, group: &str) -> bool {
        self.contests.contains(group) && self.is_in(group)
    }

    fn is_in(&self, group: &str) -> bool {
        matches!(self.groups.get(group), Some(Some(_)))
    }

    /// Who leads a group, as it was told.
    pub(super) fn leader(&self, group: &str) -> Option<PeerId> {
        self.leaders.get(group).copied()
    }

    /// It is told who leads a group: a member, or itself.
    pub(super) fn led_by(&mut self, peer: PeerId, group: &Arc<str>) -> Result<(), Wrong> {
        if !self.may_hear(group) {
            return Err((Rule::Leader, format!("of {group:?}, which the node is not in")));
        }
        let member = match self.groups_of(peer) {
            Some(groups) => groups.contains(group),
            None => self.id == Some(peer) && self.contests.contains(group),
        };
        if !member {
            return Err((Rule::Leader, format!("of {group:?}, but it is no member of it, or does not want to lead")));
        }
        // What it heard of before it left the group is over.
        if self.is_in(group) {
            self.leaders.insert(group.clone(), peer);
        }
        Ok(())
    }

    /// Whether a message to the group may come: the node is in it, or was when it came.
    pub(super) fn may_hear(&self, group: &str) -> bool {
        self.groups.contains_key(group) && !self.left.contains(group)
    }

    /// What a node answers that is not what its events have told.
    pub(super) fn contradicts(&self, node: &Node) -> Option<String> {
        let mut groups: BTreeMap<Arc<str>, Vec<PeerId>> = BTreeMap::new();
        for (peer, group) in self.inside.iter().flat_map(|(peer, all)| all.iter().map(move |group| (*peer, group))) {
            groups.entry(group.clone()).or_default().push(peer);
        }
        if !node.peers().eq(self.inside()) {
            return Some("its peers are others than those that have entered".into());
        }
        let answers = node.peer_groups().into_iter().map(|group| (group.clone(), node.peers_by_group(&group)));
        if !answers.eq(groups) {
            return Some("the members of its peers' groups are others than those that have joined".into());
        }
        let wrong = self.inside.iter().find(|(id, told)| {
            node.peer(**id).is_none_or(|peer| {
                !peer.groups().collect::<BTreeSet<_>>().into_iter().eq(told.iter().collect::<BTreeSet<_>>())
            })
        });
        if let Some(group) = self.groups().find(|group| node.leader(group) != self.leader(group)) {
            return Some(format!("another leads {group:?} than it was told"));
        }
        wrong.map(|(id, _)| format!("the groups of {id} are others than those that it has joined"))
    }

    /// Whether the node has been in the group from before `sent` on.
    pub(super) fn is_in_since(&self, group: &str, sent: u64) -> bool {
        self.groups.get(group).copied().flatten().is_some_and(|since| since < sent)
    }

    pub(super) fn enter(&mut self, peer: PeerId, honest: bool) -> Result<(), Wrong> {
        if !honest {
            self.made_up.insert(peer);
        }
        match self.inside.insert(peer, Vec::new()) {
            None => Ok(()),
            Some(_) => Err((Rule::Life, "it had entered already".into())),
        }
    }

    pub(super) fn exit(&mut self, peer: PeerId) -> Result<(), Wrong> {
        self.made_up.remove(&peer);
        self.leaders.retain(|_, leader| *leader != peer);
        self.inside.remove(&peer).map(|_| ()).ok_or_else(outside)
    }

    pub(super) fn hears(&self, peer: PeerId) -> Result<(), Wrong> {
        if self.is_inside(peer) { Ok(()) } else { Err(outside()) }
    }

    pub(super) fn peer_joins(&mut self, peer: PeerId, group: &Arc<str>) -> Result<(), Wrong> {
        let groups = self.inside.get_mut(&peer).ok_or_else(outside)?;
        if groups.contains(group) {
            return Err((Rule::Life, format!("it was in {group:?} already")));
        }
        groups.push(group.clone());
        Ok(())
    }

    pub(super) fn peer_leaves(&mut self, peer: PeerId, group: &Arc<str>) -> Result<(), Wrong> {
        let groups = self.inside.get_mut(&peer).ok_or_else(outside)?;
        let place = groups.iter().position(|found| found == group);
        let place = place.ok_or_else(|| (Rule::Life, format!("it was not in {group:?}")))?;
        groups.remove(place);
        if self.leader(group) == Some(peer) {
            self.leaders.remove(group);
        }
        Ok(())
    }
}

fn outside() -> Wrong {
    (Rule::Life, "it has not entered, or is gone".into())
}
