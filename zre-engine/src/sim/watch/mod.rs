//! Invariants: what must be true of any cluster at any time, looked at as it runs.

mod curve;
mod excuse;
mod ledger;
mod tally;
mod view;

use crate::{Content, Event, Node, PeerId, app::Deed, event::ExitReason};
use curve::Curve;
pub use curve::Sample;
use excuse::Excuses;
use ledger::Ledger;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};
use tally::Cluster;
use view::Seen;

/// What did not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Messages of one sender come in the order in which it sent them, none twice and none left out, between its ENTER and
    /// its EXIT.
    Order,
    /// ENTER and EXIT of a peer alternate; all else about a peer comes in between; JOIN and LEAVE of a group alternate.
    Life,
    /// A node hears nothing about itself, but that it leads a group.
    Oneself,
    /// A message to a group comes only to nodes that are in it.
    Group,
    /// A group's leader is a member of it that wants to lead; when all is well, all its members know the same one, and no
    /// other that wants to lead has a smaller UUID.
    Leader,
    /// No peer goes, and none falls silent, without a reason: its process ended, its machine slept, the network between
    /// the two failed.
    Faithful,
    /// What waits for the application, and for peers, is bounded; so are connections.
    Bounds,
    /// The contract of the engine: no error for a driver that keeps the rules, no deadline that does not move.
    Contract,
    /// When all is well, every node sees exactly the nodes that are there, in the groups that they are in, over two
    /// connections each.
    Convergence,
    /// What was sent to a peer that stays has arrived.
    Arrival,
    /// In a cluster where nothing happens only beacons go out, and the PINGs that tell the living from the dead.
    Quiet,
    /// No node breaks a rule of the protocol, as its peers see it.
    Protocol,
    /// An invariant of the user's, by its name.
    Yours(String),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "messages in order, none lost",
            Self::Life => "ENTER, then all else, then EXIT",
            Self::Oneself => "nothing about oneself",
            Self::Group => "shouts only to members",
            Self::Leader => "one leader for each group",
            Self::Faithful => "no EXIT without a reason",
            Self::Bounds => "everything that waits is bounded",
            Self::Contract => "the contract of the engine",
            Self::Convergence => "views become exact",
            Self::Arrival => "what was sent arrives",
            Self::Quiet => "a quiet cluster is quiet",
            Self::Protocol => "the rules of the protocol",
            Self::Yours(name) => name,
        })
    }
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// When, since the beginning.
    #[serde(with = "super::network::millis")]
    pub at: Duration,
    /// Which.
    pub rule: Rule,
    /// At which node, if at one.
    pub node: Option<usize>,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:?}", self.at)?;
        if let Some(node) = self.node {
            write!(f, ", node {node}")?;
        }
        write!(f, ": violated \"{}\": {}", self.rule, self.what)
    }
}

/// What a cluster has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Events that applications heard, by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// WHISPERs and SHOUTs that applications heard.
    pub messages: u64,
    /// EXITs of peers that were there all the same.
    pub flaps: u64,
    /// Datagrams that went out.
    pub datagrams: u64,
    /// Attempts to connect.
    pub connects: u64,
    /// Connections that the network tore down.
    pub resets: u64,
    /// Writes to connections.
    pub segments: u64,
    /// Octets in them.
    pub octets: u64,
}

/// How many violations are kept: a cluster that is wrong is wrong all the time.
const KEPT: usize = 100;

#[derive(Debug)]
pub(super) struct Watch {
    keep_going: bool,
    violations: Vec<Violation>,
    said: BTreeSet<(Rule, Option<usize>, String)>,
    totals: Totals,
    cluster: Cluster,
    ledger: Ledger,
    excuses: Excuses,
    curve: Curve,
    /// Peers that had no room for a message, by who was told so: ROOM or EXIT is to come.
    full: BTreeSet<(usize, PeerId)>,
    /// How many nodes and hubs are yet to start for the first time.
    unborn: usize,
}

impl Watch {
    pub(super) fn new(nodes: usize, hubs: usize, keep_going: bool) -> Self {
        Self {
            keep_going,
            violations: Vec::new(),
            said: BTreeSet::new(),
            totals: Totals::default(),
            // A hub is never born: it has no view, and nobody is to see it.
            cluster: Cluster::of(nodes + hubs),
            ledger: Ledger::default(),
            excuses: Excuses::of(nodes + hubs),
            curve: Curve::of(nodes),
            full: BTreeSet::new(),
            unborn: nodes + hubs,
        }
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    pub(super) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The violation that the run should end with.
    pub(super) fn to_heed(&self) -> Option<&Violation> {
        self.violations.first().filter(|_| !self.keep_going)
    }

    pub(super) fn violated(&mut self, now: u64, rule: Rule, node: Option<usize>, what: String) {
        if self.violations.len() < KEPT && self.said.insert((rule.clone(), node, what.clone())) {
            self.violations.push(Violation { at: Duration::from_nanos(now), rule, node, what });
        }
    }

    /// A process starts.
    pub(super) fn born(&mut self, now: u64, node: usize, id: PeerId) {
        let predecessor = self.cluster.seen[node].id();
        self.cluster.born(node, id);
        self.curve.born(now, node);
        if self.unborn == 0 && self.cluster.others(node) == 0 {
            self.curve.sees_all(now, node);
        }
        self.curve.sample(now, self.cluster.mesh(), self.unborn == 0);
        self.ledger.born(id, predecessor);
        if predecessor.is_some() {
            // Whoever still holds its predecessor for alive may lose both.
            self.excuses.disturb_node(now, node);
        }
    }

    /// A node that was yet to start has started, or never will.
    pub(super) fn started(&mut self) {
        self.unborn -= 1;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.unborn == 0
    }

    pub(super) fn samples(&self) -> &[Sample] {
        self.curve.samples()
    }

    pub(super) fn full_mesh(&self) -> Option<Duration> {
        self.curve.full()
    }

    pub(super) fn mesh_times(&self) -> &[Option<Duration>] {
        self.curve.nodes()
    }

    /// A process was asked to stop.
    pub(super) fn stops(&mut self, node: usize) {
        self.full.retain(|(told, _)| *told != node);
        self.cluster.ends(node, Seen::stops);
    }

    /// A process has ended.
    pub(super) fn gone(&mut self, now: u64, node: usize) {
        self.full.retain(|(told, _)| *told != node);
        self.cluster.ends(node, Seen::gone);
        self.excuses.disturb_node(now, node);
    }

    /// Something happened at `until` that may cost the two their relation.
    pub(super) fn disturb(&mut self, until: u64, one: usize, other: usize) {
        self.excuses.disturb(until, one, other);
    }

    /// As `disturb`, between the node and all others. `u64::MAX`: until further notice.
    pub(super) fn disturb_node(&mut self, until: u64, node: usize) {
        self.excuses.disturb_node(until, node);
    }

    /// Whether something came between two nodes of late.
    pub(super) fn is_disturbed(&self, now: u64, one: usize, other: usize) -> bool {
        self.excuses.excused(now, one, other)
    }

    /// What was disturbed until further notice is so no longer.
    pub(super) fn healed(&mut self, now: u64) {
        self.excuses.healed(now);
    }

    /// An application did something; a slow one without having looked at all of its events, and any while some waited.
    pub(super) fn deed(&mut self, now: u64, node: usize, deed: &Deed, slow: bool, waits: bool) {
        let Some(id) = self.cluster.seen[node].id() else { return };
        match deed {
            Deed::Join { group, done: true } => {
                self.cluster.change_node(node, id, |all| all.seen[node].join(now, group));
            }
            Deed::Leave { group, done: true } => {
                self.cluster.change_node(node, id, |all| all.seen[node].leave(group, waits));
            }
            Deed::Contest { group, done: true } => self.cluster.seen[node].contest(group),
            Deed::Whisper { peer, content, sent: true } => self.ledger.sent((now, slow), (id, *peer), None, content),
            Deed::Shout { group, content, to } => {
                to.iter().for_each(|peer| self.ledger.sent((now, slow), (id, *peer), Some(group), content));
            }
            Deed::Disconnect(peer) => {
                if let Some(other) = self.cluster.place(*peer) {
                    self.excuses.disturb(now, node, other);
                }
            }
            Deed::Stop => self.stops(node),
            // What was refused changes nothing.
            Deed::Join { .. } | Deed::Leave { .. } | Deed::Contest { .. } | Deed::Whisper { .. } => {}
            Deed::SetHeader(..) | Deed::RequirePeer(..) => {}
        }
    }

    /// A node had no room for a message to a peer.
    pub(super) fn refused(&mut self, node: usize, peer: PeerId) {
        let seen = &self.cluster.seen[node];
        if seen.is_running() && seen.is_inside(peer) {
            self.full.insert((node, peer));
        }
    }

    /// Those who have waited for room too long, once all is well.
    pub(super) fn roomless(&self) -> Vec<(usize, String)> {
        let told =
            |(node, peer): &(usize, PeerId)| (*node, format!("no ROOM has come for {}", self.cluster.name(*peer)));
        self.full.iter().map(told).collect()
    }

    /// What a node answers that is not what its events have told.
    pub(super) fn contradicts(&self, node: usize, engine: &Node) -> Option<String> {
        self.cluster.seen[node].contradicts(engine)
    }

    /// An application hears of something.
    pub(super) fn event(&mut self, now: u64, node: usize, event: &Event) {
        *self.totals.events.entry(event.kind()).or_default() += 1;
        let Some(peer) = event.peer() else { return };
        if matches!(event, Event::Room { .. } | Event::Exit { .. }) {
            self.full.remove(&(node, peer));
        }
        if let Err((rule, what)) = self.check(now, node, peer, event) {
            let name = self.cluster.name(peer);
            self.violated(now, rule, Some(node), format!("{} of {name}: {what}", event.kind()));
        }
    }

    fn check(&mut self, now: u64, node: usize, peer: PeerId, event: &Event) -> Result<(), (Rule, String)> {
        let Some(me) = self.cluster.seen[node].id() else { return Ok(()) };
        if let Event::Leader { group, .. } = event {
            // The only event that may be about the node itself.
            return self.cluster.seen[node].led_by(peer, group);
        }
        if me == peer {
            return Err((Rule::Oneself, "that is the node itself".into()));
        }
        match event {
            Event::Enter { .. } => {
                self.ledger.entered(me, peer);
                let honest = self.cluster.place(peer).is_some();
                let entered = self.cluster.change_view(node, peer, |seen| seen.enter(peer, honest));
                if self.unborn == 0 && self.cluster.sees_all(node) {
                    self.curve.sees_all(now, node);
                }
                self.curve.sample(now, self.cluster.mesh(), self.unborn == 0);
                entered
            }
            Event::Exit { reason, .. } => {
                self.cluster.change_view(node, peer, |seen| seen.exit(peer))?;
                self.curve.sample(now, self.cluster.mesh(), self.unborn == 0);
                self.exit_is_excused(now, node, peer, *reason)
            }
            Event::Join { group, .. } => self.cluster.change_view(node, peer, |seen| seen.peer_joins(peer, group)),
            Event::Leave { group, .. } => self.cluster.change_view(node, peer, |seen| seen.peer_leaves(peer, group)),
            Event::Whisper { content, .. } => self.message(node, (peer, me), None, content),
            Event::Shout { group, content, .. } => self.message(node, (peer, me), Some(group), content),
            Event::Silent { .. } => {
                self.cluster.seen[node].hears(peer)?;
                self.is_excused(now, node, peer, "silent")
            }
            _ => self.cluster.seen[node].hears(peer),
        }
    }

    fn message(
        &mut self,
        node: usize,
        (from, to): (PeerId, PeerId),
        group: Option<&Arc<str>>,
        content: &Content,
    ) -> Result<(), (Rule, String)> {
        self.totals.messages += 1;
        let seen = &self.cluster.seen[node];
        seen.hears(from)?;
        if let Some(group) = group.filter(|group| !seen.may_hear(group)) {
            return Err((Rule::Group, format!("for {group:?}, which the node is not in")));
        }
        if self.cluster.place(from).is_none() {
            // What somebody who is no node says, nobody sent.
            return Ok(());
        }
        self.ledger.heard(from, to, group, content, seen)
    }

    fn exit_is_excused(
        &mut self,
        now: u64,
        node: usize,
        peer: PeerId,
        reason: ExitReason,
    ) -> Result<(), (Rule, String)> {
        if self.cluster.place_of_running(peer).is_none() {
            return Ok(());
        }
        self.totals.flaps += 1;
        let leaves = !self.cluster.seen[node].is_running() || reason == ExitReason::Stopped;
        if leaves { Ok(()) } else { self.is_excused(now, node, peer, reason.as_str()) }
    }

    /// Whether it is no wonder that a peer is lost, or not heard: it is gone, or something came between the two.
    fn is_excused(&self, now: u64, node: usize, peer: PeerId, what: &str) -> Result<(), (Rule, String)> {
        match self.cluster.place_of_running(peer) {
            Some(there) if !self.excuses.excused(now, node, there) => {
                Err((Rule::Faithful, format!("{what}, but nothing came between the two")))
            }
            _ => Ok(()),
        }
    }

    /// Groups that somebody wants to lead, each with who should.
    pub(super) fn contested(&self) -> BTreeMap<Arc<str>, PeerId> {
        let mut contested = BTreeMap::new();
        for seen in self.cluster.seen.iter().filter(|seen| seen.is_running()) {
            let Some(id) = seen.id() else { continue };
            for group in seen.groups().filter(|group| seen.contests(group)) {
                let least = contested.entry(group.clone()).or_insert(id);
                *least = id.min(*least);
            }
        }
        contested
    }

    /// What is wrong with what a node says of the leaders of its groups.
    pub(super) fn misled(&self, node: usize, engine: &Node, contested: &BTreeMap<Arc<str>, PeerId>) -> Option<String> {
        let name = |id: Option<PeerId>| id.map_or_else(|| "nobody".to_owned(), |id| self.cluster.name(id));
        self.cluster.seen[node].groups().find_map(|group| {
            let (found, expected) = (engine.leader(group), contested.get(group).copied());
            let what = || format!("{} leads {group:?} for it, and should be {}", name(found), name(expected));
            (found != expected).then(what)
        })
    }

    /// Messages that were sent before a time, that somebody should have heard by now, and that he has not.
    pub(super) fn overdue(&self, before: u64) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (node, seen) in self.cluster.seen.iter().enumerate().filter(|(_, seen)| seen.is_running()) {
            let Some(me) = seen.id() else { continue };
            for peer in seen.inside() {
                let Some(place) = self.cluster.place_of_running(peer) else { continue };
                // Both see each other, or the sender does not count on it.
                if self.cluster.seen[place].is_inside(me) {
                    let missing = self.ledger.missing(peer, me, before, seen);
                    if missing > 0 {
                        found.push((node, format!("{missing} messages of node {place} have not arrived")));
                    }
                }
            }
        }
        found
    }

    /// How many pairs there are to see each other, each way; and how many do.
    pub(super) fn mesh(&self) -> (u64, u64) {
        self.cluster.mesh()
    }

    /// Whether everybody sees exactly what is there.
    pub(super) fn is_exact(&self) -> bool {
        self.cluster.is_exact()
    }

    /// The first thing that a node does not see as it is.
    pub(super) fn wrong(&self, node: usize) -> Option<String> {
        self.cluster.wrong(node)
    }

    /// How many peers a node should see.
    pub(super) fn others(&self, node: usize) -> usize {
        self.cluster.others(node)
    }
}
