//! What must be true of the nodes of a soak: all along, and whenever all has been quiet. It is told what they do and what
//! they hear, and does nothing itself.

mod line;
mod message;
#[cfg(test)]
mod tests;
mod view;

use line::Lines;
pub(super) use message::Message;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    time::Duration,
};
use view::View;
pub(super) use view::{Answers, Whom};
use zre_mio::{Event, ExitReason, Headers, PeerId};

/// The header by which a node is known for the life that it is.
pub(super) const HEADER: &str = "X-ZRE-SOAK";

/// How many violations are kept: a cluster that is wrong is wrong all the time.
const KEPT: usize = 100;
/// How much of the past is kept, to be told with a violation.
const NOTES: usize = 400;
/// How much of it is told.
const TOLD: usize = 8;

/// A node from its start to its end. A UUID may have several lives, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life(pub(super) usize);

/// What did not hold.
#[derive(Debug)]
pub(super) struct Violation {
    /// When, since the beginning.
    pub(super) at: Duration,
    /// At which node.
    pub(super) node: String,
    /// What was found, and what was expected.
    pub(super) what: String,
    /// What had happened to the nodes in question, the last at the end.
    pub(super) before: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:.3} s, node {}: {}", self.at.as_secs_f64(), self.node, self.what)
    }
}

/// What there was to count.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Messages, once for each receiver.
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) octets: u64,
    pub(super) events: BTreeMap<&'static str, u64>,
    /// EXITs, by their reason.
    pub(super) exits: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// It was asked to stop.
    Stopping,
    /// It has stopped, or was killed.
    Gone,
}

#[derive(Debug)]
struct Record {
    name: String,
    uuid: PeerId,
    state: State,
}

/// What has happened, for whoever has to understand a violation.
#[derive(Debug)]
struct Note {
    at: Duration,
    node: Life,
    other: Option<Life>,
    what: String,
}

/// All nodes that there are and were, and what they know of each other.
#[derive(Debug, Default)]
pub(super) struct Check {
    lives: Vec<Record>,
    views: BTreeMap<Life, View>,
    lines: Lines,
    /// Counts what nodes do: later is larger.
    tick: u64,
    notes: VecDeque<Note>,
    violations: Vec<Violation>,
    found: u64,
    totals: Totals,
}

/// Why an event is wrong.
type Wrong = String;

impl Check {
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The first violations.
    pub(super) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How many there were in all.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    pub(super) fn name(&self, life: Life) -> &str {
        self.lives.get(life.0).map_or("?", |record| &record.name)
    }

    /// The life that begins next.
    pub(super) fn next_life(&self) -> Life {
        Life(self.lives.len())
    }

    /// A node has started, in these groups.
    pub(super) fn born(&mut self, at: Duration, name: &str, uuid: PeerId, groups: &[&'static str]) -> Life {
        let life = self.next_life();
        self.tick += 1;
        self.lives.push(Record { name: name.into(), uuid, state: State::Running });
        self.views.insert(life, View::new(groups, self.tick));
        self.note(at, life, None, format!("starts as {uuid}, in {groups:?}"));
        life
    }

    pub(super) fn joins(&mut self, at: Duration, life: Life, group: &'static str) {
        self.tick += 1;
        let tick = self.tick;
        self.view(life).join(group, tick);
        self.note(at, life, None, format!("joins {group:?}"));
    }

    /// It has left the group, and has heard what had come until then.
    pub(super) fn leaves(&mut self, at: Duration, life: Life, group: &str) {
        self.view(life).leave(group);
        self.note(at, life, None, format!("leaves {group:?}"));
    }

    /// It is asked to stop.
    pub(super) fn stops(&mut self, at: Duration, life: Life) {
        self.lives[life.0].state = State::Stopping;
        self.note(at, life, None, "is asked to stop".into());
    }

    /// It has stopped, or is killed.
    pub(super) fn gone(&mut self, at: Duration, life: Life) {
        let how = if self.lives[life.0].state == State::Stopping { "has stopped" } else { "is killed" };
        self.lives[life.0].state = State::Gone;
        self.views.remove(&life);
        // Nobody hears what was for it. What it has sent may still be heard.
        self.lines.ends(life);
        self.note(at, life, None, how.into());
    }

    /// To whom a message would go, as its sender knows it. What the sender hears until [`sent`](Self::sent) may make that
    /// uncertain.
    pub(super) fn about_to_send(&mut self, from: Life, whom: &Whom) -> BTreeSet<Life> {
        let view = self.view(from);
        view.stirred.clear();
        view.meant(whom)
    }

    /// A message was taken for sending. All that its sender has heard by then is told already, and nothing that a receiver
    /// has heard since.
    pub(super) fn sent(&mut self, from: Life, before: &BTreeSet<Life>, whom: &Whom, number: u64) {
        self.tick += 1;
        let view = self.views.entry(from).or_default();
        let after = view.meant(whom);
        for to in before.union(&after).filter(|to| self.lives[to.0].state != State::Gone) {
            // A node on a thread of its own may have known before we do who came and who went.
            let both = before.contains(to) && after.contains(to);
            let unsure = !both || view.stirred.contains(&self.lives[to.0].uuid);
            self.totals.sent += u64::from(!unsure);
            self.lines.sent((from, *to), number, self.tick, whom.group(), unsure);
        }
    }

    /// There was no room for a message.
    pub(super) fn refused(&mut self, from: Life, peer: PeerId) {
        self.view(from).full.insert(peer);
    }

    /// A node hears of something.
    pub(super) fn event(&mut self, at: Duration, life: Life, event: &Event) {
        *self.totals.events.entry(event.kind()).or_default() += 1;
        let Some(peer) = event.peer() else { return };
        let other = self.life_of(life, event);
        if matches!(event, Event::Enter { .. } | Event::Exit { .. } | Event::Join { .. } | Event::Leave { .. }) {
            let of = other.map_or_else(|| peer.to_string(), |other| self.name(other).to_owned());
            let more = event.group().map(|group| format!(", {group:?}")).unwrap_or_default();
            let more = if let Event::Exit { reason, .. } = event { format!(", {reason}") } else { more };
            self.note(at, life, other, format!("hears {} of {of}{more}", event.kind()));
        }
        if let Err(wrong) = self.judge(life, peer, event) {
            let of = other.map_or_else(|| peer.to_string(), |other| self.name(other).to_owned());
            self.violated(at, life, other, format!("{} of {of}: {wrong}", event.kind()));
        }
    }

    /// Which life an event is about, as the node knows it or as the peer says.
    fn life_of(&self, life: Life, event: &Event) -> Option<Life> {
        match event.header(HEADER) {
            Some(number) => number.parse().ok().map(Life).filter(|other| other.0 < self.lives.len()),
            None => self.views.get(&life)?.life_of(event.peer()?),
        }
    }

    fn judge(&mut self, life: Life, peer: PeerId, event: &Event) -> Result<(), Wrong> {
        if peer == self.lives[life.0].uuid {
            return Err("that is the node itself, which hears nothing about itself".into());
        }
        if let Event::Enter { name, headers, .. } = event {
            let other = self.life_of(life, event).filter(|other| self.lives[other.0].uuid == peer);
            let other = other.ok_or_else(|| {
                format!("no node of this soak ({name}): is another program on the same UDP port (--port)?")
            })?;
            let expected = self.lives[other.0].name.as_str();
            if **name != *expected || !has_headers(headers, other) {
                return Err(format!(
                    "its name is {name:?} and its headers {headers:?}, and not {expected:?} and its own"
                ));
            }
            self.lines.entered(life, other);
            return self.view(life).enter(peer, other);
        }
        let view = self.views.entry(life).or_default();
        let Some(other) = view.life_of(peer) else {
            return Err("it has not entered, or is gone".into());
        };
        match event {
            Event::Join { group, .. } => view.peer_joins(peer, group),
            Event::Leave { group, .. } => view.peer_leaves(peer, group),
            Event::Exit { reason, .. } => self.exit(life, (peer, other), *reason),
            Event::Whisper { content, .. } => self.message(life, other, None, content),
            Event::Shout { group, content, .. } => self.message(life, other, Some(group), content),
            Event::Room { .. } => {
                view.full.remove(&peer);
                Ok(())
            }
            Event::Silent { .. } if self.both_run(life, other) => Err("but it runs".into()),
            Event::Evasive { .. } | Event::Silent { .. } => Ok(()),
            _ => Err("nothing here could have caused it".into()),
        }
    }

    fn exit(&mut self, life: Life, (peer, other): (PeerId, Life), reason: ExitReason) -> Result<(), Wrong> {
        *self.totals.exits.entry(reason.as_str()).or_default() += 1;
        self.view(life).exit(peer);
        let view = &self.views[&life];
        let missing = self.lines.missing((other, life), view);
        let polite = reason == ExitReason::Left && self.lives[life.0].state == State::Running;
        if self.lives[other.0].state == State::Gone {
            self.lines.forget((other, life));
        }
        if self.both_run(life, other) {
            return Err(format!("{reason}, but it runs, and nothing came between the two"));
        }
        // Who stops has what it sent taken before it says so.
        match missing {
            Some(number) if polite => Err(format!("it has left, but its message {number} has not come")),
            _ => Ok(()),
        }
    }

    fn both_run(&self, one: Life, other: Life) -> bool {
        [one, other].iter().all(|life| self.lives[life.0].state == State::Running)
    }

    fn message(
        &mut self,
        life: Life,
        from: Life,
        group: Option<&str>,
        content: &zre_mio::Content,
    ) -> Result<(), Wrong> {
        let message = Message::read(content)?;
        if message.from != from {
            let says = self.name(message.from);
            return Err(format!("it is of {says}, and not of the node that has entered under this UUID"));
        }
        let view = &self.views[&life];
        if let Some(group) = group.filter(|group| !view.is_in(group)) {
            return Err(format!("it is for {group:?}, which the node is not in"));
        }
        self.totals.received += 1;
        self.totals.octets += content.octets() as u64;
        self.lines.heard((from, life), message.number, group, view)
    }

    /// What is not as it should be of what a node answers, when all has been quiet.
    pub(super) fn wrong(&self, life: Life, answers: &Answers) -> Option<String> {
        let view = self.views.get(&life)?;
        let others = || self.running().filter(|other| *other != life);
        let uuid = |life: Life| self.lives[life.0].uuid;
        if let Some(missing) = others().find(|other| !answers.peers.contains_key(&uuid(*other))) {
            return Some(format!("its peers should have {} among them, and have not", self.name(missing)));
        }
        if let Some(gone) = answers.peers.keys().find(|peer| others().all(|other| uuid(other) != **peer)) {
            let who = view.life_of(*gone).map_or_else(|| gone.to_string(), |life| self.name(life).to_owned());
            return Some(format!("its peers should not have {who} among them, which is gone"));
        }
        if let Some(other) = others().find(|other| view.life_of(uuid(*other)) != Some(*other)) {
            return Some(format!("its last ENTER should have been of {}, and was not", self.name(other)));
        }
        if let Some(peer) = view.peers().find(|peer| !answers.peers.contains_key(peer)) {
            return Some(format!("{peer} has entered, and is not among its peers"));
        }
        let wrong =
            |other: &Life| answers.peers.get(&uuid(*other)).is_some_and(|headers| !has_headers(headers, *other));
        if let Some(other) = others().find(wrong) {
            return Some(format!("the headers of {} should be its own: {:?}", self.name(other), answers.peers));
        }
        let own: BTreeSet<_> = view.groups().collect();
        if !own.iter().copied().eq(answers.own.iter().map(String::as_str)) {
            return Some(format!("its own groups should be {own:?}, and are {:?}", answers.own));
        }
        for (group, members) in &answers.members {
            let is_in = |other: &Life| self.views.get(other).is_some_and(|view| view.is_in(group));
            let expected: BTreeSet<_> = others().filter(is_in).map(uuid).collect();
            let told: BTreeSet<_> = view.members(group).collect();
            if expected != *members || expected != told {
                return Some(format!(
                    "in {group:?} should be {expected:?}; its peers_by_group has {members:?}, its JOINs and LEAVEs {told:?}"
                ));
            }
        }
        if let Some(peer) = view.full.first() {
            return Some(format!("no ROOM has come for {peer}"));
        }
        let (found, expected) = (answers.connections, 2 * others().count());
        (found != expected).then(|| format!("it should have {expected} connections, and has {found}"))
    }

    /// What has not arrived of what was sent to this node by those who are there, when all has been quiet.
    pub(super) fn missing(&self, life: Life) -> Option<String> {
        let view = self.views.get(&life)?;
        self.running().filter(|from| *from != life).find_map(|from| {
            let number = self.lines.missing((from, life), view)?;
            Some(format!("message {number} of {} should have come, and has not", self.name(from)))
        })
    }

    /// Nothing is under way: what those who are gone have sent will not come any more.
    pub(super) fn settled(&mut self) {
        let Self { lives, lines, .. } = self;
        lines.retain(|from| lives[from.0].state != State::Gone);
    }

    /// Those that run and mean to stay.
    fn running(&self) -> impl Iterator<Item = Life> {
        self.views.keys().copied().filter(|life| self.lives[life.0].state == State::Running)
    }

    pub(super) fn violated(&mut self, at: Duration, life: Life, other: Option<Life>, what: String) {
        self.found += 1;
        if self.violations.len() >= KEPT {
            return;
        }
        let concerns = |note: &&Note| {
            let is_in = |life: Life| note.node == life || note.other == Some(life);
            other.map_or_else(
                || is_in(life),
                |other| is_in(other) && is_in(life) || note.other.is_none() && is_in(other),
            )
        };
        let text = |note: &Note| format!("{:.3} s: {} {}", note.at.as_secs_f64(), self.name(note.node), note.what);
        let mut before: Vec<_> = self.notes.iter().rev().filter(concerns).take(TOLD).map(text).collect();
        before.reverse();
        self.violations.push(Violation { at, node: self.name(life).into(), what, before });
    }

    fn note(&mut self, at: Duration, node: Life, other: Option<Life>, what: String) {
        if self.notes.len() >= NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(Note { at, node, other, what });
    }

    fn view(&mut self, life: Life) -> &mut View {
        self.views.entry(life).or_default()
    }
}

fn has_headers(headers: &Headers, life: Life) -> bool {
    headers.len() == 1 && headers.get(HEADER).and_then(|number| number.parse().ok()) == Some(life.0)
}
