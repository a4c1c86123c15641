//! What must be true once all is well.

use super::{Sample, Sim, dice::nanos, watch::Rule, wire::Phase};
use crate::app::App;
use std::time::Duration;

/// Up to so many nodes, what waits in each is looked at after each of its turns: it takes time in proportion.
const WATCHED: usize = 64;

/// Reasons to close a connection that no node of ours gives to another.
const BREACHES: [&str; 12] = [
    "malformed",
    "mechanism",
    "socket type",
    "handshake",
    "second READY",
    "refused",
    "identity",
    "message too large",
    "HELLO",
    "extra frames",
    "sequence",
    "wrong direction",
];

impl<A: App> Sim<A> {
    /// How many pairs of nodes there are to see each other, each way; and how many do.
    pub fn mesh(&self) -> (u64, u64) {
        self.watch.mesh()
    }

    /// When for the first time every node saw every other.
    pub fn full_mesh(&self) -> Option<Duration> {
        self.watch.full_mesh()
    }

    /// For each node, when for the first time it saw every other, since its own start.
    pub fn mesh_times(&self) -> Vec<Option<Duration>> {
        self.watch.mesh_times().to_vec()
    }

    /// How many pairs there were to see each other, and how many did, over time: about one sample a millisecond.
    pub fn curve(&self) -> &[Sample] {
        self.watch.samples()
    }

    /// Whether every node sees exactly the nodes that are there, in the groups that they are in.
    ///
    /// # Errors
    ///
    /// The first thing that is not so, in words.
    pub fn converged(&self) -> Result<(), String> {
        if self.watch.is_exact() && self.watch.is_complete() {
            return Ok(());
        }
        if let Some(node) = self.hosts.iter().position(|host| host.unborn) {
            return Err(format!("{} has not started", self.in_words(node)));
        }
        let running = self.living().filter(|node| !self.hosts[*node].stopped);
        let wrong = running.into_iter().find_map(|node| Some(format!("node {node} {}", self.watch.wrong(node)?)));
        wrong.map_or(Ok(()), Err)
    }

    /// Runs until all views are exact, and says how long that took. Within the time that it may take, or it is a
    /// violation.
    ///
    /// # Panics
    ///
    /// When it does not come true (unless [`Builder::keep_going`](super::Builder::keep_going)).
    pub fn assert_converges(&mut self, within: Duration) -> Option<Duration> {
        let begin = self.now;
        if self.run_until(within, |sim| sim.watch.is_complete() && sim.watch.is_exact()) {
            return Some(Duration::from_nanos(self.now - begin));
        }
        if let Err(wrong) = self.converged() {
            self.violated(Rule::Convergence, None, format!("not after {within:?}: {wrong}"));
            self.heed();
        }
        None
    }

    /// Runs for a time in which nothing should happen: no events, no new connections but to peers that are looked for and
    /// gone, and on the connections no more than the PINGs of the protocol.
    pub fn assert_quiet(&mut self, time: Duration) {
        let before = self.totals().clone();
        self.run_for(time);
        let now = self.totals();
        let rounds = |millis: u64| nanos(time) / (millis * 1_000_000) + 1;
        let pairs = self.mesh().0 / 2;
        let beacons = self.running().filter(|node| self.hosts[*node].discovery.beacons).count() as u64;
        let with_beacons = pairs.min(beacons * beacons.saturating_sub(1) / 2);
        // A PING each way and its answers in each half of `expired`, with jitter, or where no beacons are heard in each
        // `evasive`: never more often than that.
        let asked = with_beacons * rounds(13_000) + (pairs - with_beacons) * rounds(4_500);
        // And a PING and its answer for each hub of each.
        let gossip = self.clients().count() as u64 * rounds(300);
        // The back-off has had a minute to grow; for hubs it is shorter.
        let sought =
            self.sought_in_vain().count() as u64 * rounds(11_000) + self.hubs_in_vain().count() as u64 * rounds(4_500);
        let (segments, octets) = (now.segments - before.segments, now.octets - before.octets);
        let mut wrong = Vec::new();
        if now.events != before.events {
            wrong.push(format!("events: {:?} became {:?}", before.events, now.events));
        }
        if now.connects - before.connects > sought {
            wrong.push(format!("{} attempts to connect", now.connects - before.connects));
        }
        if segments > 4 * asked + 2 * gossip || octets > 40 * asked + 12 * gossip {
            wrong.push(format!("{segments} segments with {octets} octets between {pairs} pairs in {time:?}"));
        }
        if !wrong.is_empty() {
            self.violated(Rule::Quiet, None, wrong.join("; "));
            self.heed();
        }
    }

    /// Nodes and hubs whose process runs and has not stopped.
    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|machine| self.hosts[*machine].lives() && !self.hosts[*machine].stopped)
    }

    /// All who gossip with a hub, and that hub, where both run.
    fn clients(&self) -> impl Iterator<Item = (usize, usize)> {
        let is_hub = |hub: usize| self.is_hub(hub) || self.hosts[hub].discovery.hub;
        let pairs = self.running().flat_map(|client| self.hubs_of(client).into_iter().map(move |hub| (client, hub)));
        pairs.filter(move |(_, hub)| is_hub(*hub) && self.running().any(|machine| machine == *hub))
    }

    /// All who gossip with a hub, and that hub, where it does not run.
    fn hubs_in_vain(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.running().flat_map(|client| self.hubs_of(client).into_iter().map(move |hub| (client, hub)));
        pairs.filter(|(_, hub)| !self.running().any(|machine| machine == *hub))
    }

    /// All who look for a node, and that node, where it does not run.
    fn sought_in_vain(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.running().flat_map(|seeker| self.told_to(seeker).into_iter().map(move |peer| (seeker, peer)));
        pairs.filter(|(_, peer)| !self.running().any(|machine| machine == *peer))
    }

    /// Whether each pair of nodes has its two connections, each has one to each of its hubs, and nobody any other.
    pub(super) fn check_connections(&mut self) {
        let mut expected: Vec<_> = (0..self.hosts.len())
            .map(|machine| if self.is_hub(machine) { 0 } else { 2 * self.watch.others(machine) })
            .collect();
        self.clients().for_each(|(client, hub)| [client, hub].into_iter().for_each(|end| expected[end] += 1));
        let mut tried = vec![0; self.hosts.len()];
        self.sought_in_vain().chain(self.hubs_in_vain()).for_each(|(seeker, _)| tried[seeker] += 1);
        let mut ends = vec![0; self.hosts.len()];
        for (_, wire) in self.wires.iter() {
            let open = wire.ends.iter().filter(|end| end.phase == Phase::Open);
            open.for_each(|end| ends[end.host as usize] += 1);
        }
        for node in self.running().collect::<Vec<_>>() {
            let (open, known) = (ends[node], self.node(node).statistics().connections);
            let (least, most) = (expected[node], expected[node] + tried[node]);
            if open != least || !(least..=most).contains(&known) {
                let what = format!("{open} connections ({known} in the engine), and not {least}");
                self.violated(Rule::Convergence, Some(node), what);
            }
        }
        self.heed();
    }

    /// Whether all that was sent has arrived, but for what was sent within the last moment.
    pub(super) fn check_arrivals(&mut self, moment: Duration) {
        let before = self.now.saturating_sub(nanos(moment));
        for (node, what) in self.watch.overdue(before) {
            self.violated(Rule::Arrival, Some(node), what);
        }
        for (node, what) in self.watch.roomless() {
            self.violated(Rule::Contract, Some(node), what);
        }
        self.heed();
    }

    /// Whether nodes answer what they have told. Only while no event waits.
    pub(super) fn check_answers(&mut self) {
        let running: Vec<_> = self.living().filter(|node| !self.hosts[*node].stopped).collect();
        for node in running {
            if let Some(what) = self.watch.contradicts(node, &self.hosts[node].node) {
                self.violated(Rule::Convergence, Some(node), what);
            }
        }
        self.heed();
    }

    /// Whether in each group that somebody wants to lead all know the same leader, and the right one; it may take a moment
    /// to elect it.
    ///
    /// # Panics
    ///
    /// When it is not so (unless [`Builder::keep_going`](super::Builder::keep_going)).
    pub fn assert_led(&mut self, within: Duration) -> Option<Duration> {
        let begin = self.now;
        if self.run_until(within, |sim| sim.misled().next().is_none()) {
            return Some(Duration::from_nanos(self.now - begin));
        }
        let misled: Vec<_> = self.misled().collect();
        for (node, what) in misled {
            self.violated(Rule::Leader, Some(node), format!("not after {within:?}: {what}"));
        }
        self.heed();
        None
    }

    fn misled(&self) -> impl Iterator<Item = (usize, String)> {
        let contested = self.watch.contested();
        let running = self.living().filter(|node| !self.hosts[*node].stopped);
        running.filter_map(move |node| Some((node, self.watch.misled(node, &self.hosts[node].node, &contested)?)))
    }

    /// What waits in a node is within its limits, and it has seen no peer break a rule.
    pub(super) fn check_queues(&mut self, node: usize) {
        if self.len() > WATCHED {
            return;
        }
        let engine = &self.hosts[node].node;
        let (found, limits) = (engine.statistics(), engine.limits());
        // A message more than fits may be taken, and the ends of peers are told whatever waits.
        let message = limits.message + limits.hello + (1 << 16);
        let mut wrong = None;
        if found.events_waiting > limits.events + message {
            wrong = Some(format!("{} octets of events wait", found.events_waiting));
        }
        let queues = found.connections + found.peers + found.strangers;
        if found.send_queues > queues * (limits.send_queue + message) {
            wrong = Some(format!("{} octets wait for {queues} connections and peers", found.send_queues));
        }
        // One message, and then what nobody may lose though nobody waits for it.
        let room = limits.send_queue.max(limits.message) + (1 << 17);
        if let Some(peer) = engine.peers().find(|peer| engine.load(*peer) > room) {
            wrong = Some(format!("{} octets wait for one peer", engine.load(peer)));
        }
        let most = 3 * limits.peers + limits.spare_connections;
        if found.connections > most || found.peers + found.strangers > limits.peers {
            wrong = Some(format!("{} connections, {} peers", found.connections, found.peers + found.strangers));
        }
        if found.strangers > limits.strangers {
            wrong = Some(format!("{} strangers", found.strangers));
        }
        let broken = BREACHES.iter().find(|reason| found.closed.contains_key(*reason)).copied();
        let breach = broken.or((found.status_mismatches > 0).then_some("status"));
        if let Some(what) = wrong {
            self.violated(Rule::Bounds, Some(node), what);
        }
        // What hostile machines break is not the nodes' fault.
        if let Some(what) = breach.filter(|_| self.hostiles.is_empty()) {
            self.violated(Rule::Protocol, Some(node), format!("a peer broke a rule: {what}"));
        }
    }
}
