//! What happens in a soak: rounds in which all sorts of things are done, and after each a time in which all must become well.

use super::{
    check::Whom,
    cluster::{Cluster, GROUPS, LINGER, Slot},
    dice::Dice,
    progress::Progress,
    sample::{self, Sample},
};
use crate::clock::now;
use std::{process::ExitCode, time::Duration};

/// What all may take to see each other as they are. Most of it is for a UUID that has come and gone too often.
const SETTLE: Duration = Duration::from_secs(60);
/// How often it is looked whether they do.
const LOOK: Duration = Duration::from_millis(20);
/// How long nothing may happen after that.
const CALM: Duration = Duration::from_millis(500);
/// What a stop may take beyond the linger.
const GRACE: Duration = Duration::from_secs(2);

/// A UUID that starts more often than this within this time is taken back by its peers more and more slowly.
const STARTS: (usize, Duration) = (2, Duration::from_secs(65));

/// What can be done, and how often.
const DEEDS: [(Deed, usize); 11] = [
    (Deed::Whisper, 400),
    (Deed::Shout, 200),
    (Deed::Join, 30),
    (Deed::Leave, 25),
    (Deed::Burst, 6),
    (Deed::Large, 4),
    (Deed::Flood, 1),
    (Deed::Start, 5),
    (Deed::Restart, 3),
    (Deed::Stop, 3),
    (Deed::Kill, 3),
];

#[derive(Debug, Clone, Copy)]
enum Deed {
    Whisper,
    Shout,
    Join,
    Leave,
    /// Many small messages at once.
    Burst,
    /// A few large ones.
    Large,
    /// Large ones to one peer, until there is no room for more.
    Flood,
    /// A new node in a free place.
    Start,
    /// One with the UUID of the one before.
    Restart,
    Stop,
    Kill,
}

/// What came of it, beside what the checker has found.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Before the first node, with all nodes for the first time, with all at the end, and after the last.
    pub(super) before: Option<u64>,
    pub(super) first: Sample,
    pub(super) last: Sample,
    pub(super) after: Option<u64>,
    pub(super) quiet: Vec<Quiet>,
    pub(super) interrupted: bool,
}

/// A time in which all became well.
#[derive(Debug)]
pub(super) struct Quiet {
    /// When, since the beginning.
    pub(super) at: Duration,
    /// How long that took.
    pub(super) took: Duration,
    /// KiB of memory then.
    pub(super) memory: Option<u64>,
}

/// Plays for so long.
pub(super) fn play(cluster: &mut Cluster, seed: u64, length: Duration) -> Result<Story, ExitCode> {
    let mut play = Play { cluster, dice: Dice::new(seed), progress: Progress::of(length), story: Story::default() };
    play.story.before = sample::descriptors();
    play.start_all()?;
    play.settle()?;
    play.story.first = Sample::take();
    while !play.is_over() && play.cluster.at() < length {
        let round = play.dice.millis(2000..8000).min(length.saturating_sub(play.cluster.at()));
        play.busy(round)?;
        play.settle()?;
    }
    play.story.interrupted = play.is_over();
    if !play.is_over() {
        // As many as at first, so that the two can be compared.
        play.start_all()?;
        play.settle()?;
    }
    play.story.last = Sample::take();
    play.cluster.peak = play.cluster.peak.max(play.story.last);
    play.stop_all()?;
    Ok(play.story)
}

struct Play<'a> {
    cluster: &'a mut Cluster,
    dice: Dice,
    progress: Progress,
    story: Story,
}

impl Play<'_> {
    fn is_over(&self) -> bool {
        self.cluster.bell.is_rung()
    }

    fn show(&mut self) {
        self.progress.show(self.cluster);
    }

    fn start_all(&mut self) -> Result<(), ExitCode> {
        for place in self.cluster.places(Slot::is_free) {
            self.start(place, false)?;
        }
        Ok(())
    }

    fn start(&mut self, place: usize, again: bool) -> Result<(), ExitCode> {
        let uuid = self.cluster.known_uuid(place, STARTS.0, STARTS.1).filter(|_| again);
        let driver = self.dice.below(2) == 0;
        let chosen = self.dice.next();
        let groups: Vec<_> = (0..GROUPS.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| GROUPS[bit]).collect();
        self.cluster.start(place, uuid, driver, &groups)
    }

    /// All sorts of things happen.
    fn busy(&mut self, time: Duration) -> Result<(), ExitCode> {
        let end = now() + time;
        while now() < end && !self.is_over() {
            self.deed()?;
            let pause = self.dice.millis(0..10);
            self.cluster.run_for(pause)?;
            self.show();
        }
        Ok(())
    }

    fn deed(&mut self) -> Result<(), ExitCode> {
        let mut drawn = self.dice.below(DEEDS.iter().map(|(_, weight)| weight).sum());
        let deed = DEEDS.iter().find(|(_, weight)| {
            let hit = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            hit
        });
        let Some((deed, _)) = deed else { return Ok(()) };
        let running = self.cluster.places(Slot::runs);
        // Half of them stay.
        let some_may_go = running.len() > self.cluster.slots.len().div_ceil(2);
        let group = GROUPS[self.dice.below(GROUPS.len())];
        let actor = self.dice.pick(&running);
        match (deed, actor) {
            (Deed::Start | Deed::Restart, _) => {
                let free = self.cluster.places(Slot::is_free);
                if let Some(place) = self.dice.pick(&free) {
                    self.start(place, matches!(deed, Deed::Restart))?;
                }
            }
            (Deed::Kill, _) => {
                let mortal = self.cluster.places(Slot::is_mortal);
                if let Some(place) = self.dice.pick(&mortal).filter(|_| some_may_go) {
                    self.cluster.kill(place);
                }
            }
            (_, None) => {}
            (Deed::Stop, Some(place)) if some_may_go => self.cluster.stop(place)?,
            (Deed::Stop, Some(_)) => {}
            (Deed::Join, Some(place)) => self.cluster.join(place, group),
            (Deed::Leave, Some(place)) => self.cluster.leave(place, group),
            (Deed::Whisper, Some(place)) => self.say(place, None, 1, 0..200),
            (Deed::Shout, Some(place)) => self.say(place, Some(group), 1, 0..200),
            (Deed::Burst, Some(place)) => {
                let count = self.dice.within(100..1000);
                let group = Some(group).filter(|_| self.dice.below(2) == 0);
                self.say(place, group, count, 0..200);
            }
            (Deed::Large, Some(place)) => {
                let count = self.dice.within(1..5);
                self.say(place, None, count, 1 << 16..1 << 20);
            }
            // More than a queue takes and the system besides.
            (Deed::Flood, Some(place)) => self.say(place, None, 30, 1 << 19..1 << 20),
        }
        Ok(())
    }

    /// Messages to a group, or to one of the peers.
    fn say(&mut self, place: usize, group: Option<&'static str>, count: usize, octets: std::ops::Range<usize>) {
        let peer = self.dice.pick(&self.cluster.peers(place)).map(Whom::Peer);
        let Some(whom) = group.map(Whom::Group).or(peer) else { return };
        for _ in 0..count {
            let octets = self.dice.within(octets.clone());
            // Where there is no room, or nobody any more, the rest is left unsaid.
            if !matches!(self.cluster.send(place, &whom, octets), Some(Ok(_))) {
                return;
            }
        }
    }

    /// Nothing is done until all is well: all see each other as they are, and all that was sent has come. Then everybody
    /// whispers to everybody, and shouts to each group, which must arrive; and then nothing may happen for a while.
    fn settle(&mut self) -> Result<(), ExitCode> {
        let begin = now();
        if !self.becomes_well("all should be well")? {
            return Ok(());
        }
        let (at, took) = (self.cluster.at(), now().saturating_duration_since(begin));
        self.story.quiet.push(Quiet { at, took, memory: Sample::take().memory });
        self.call_the_roll();
        if self.becomes_well("all should have come that was said when all was well")? {
            self.cluster.run_for(CALM)?;
            self.becomes_well("all should stay well")?;
            self.cluster.check.settled();
        }
        Ok(())
    }

    /// Whether all becomes well. That it does not is a violation, unless it is over.
    fn becomes_well(&mut self, expected: &str) -> Result<bool, ExitCode> {
        let end = now() + SETTLE;
        loop {
            self.cluster.turn(LOOK)?;
            self.show();
            if self.is_over() {
                return Ok(false);
            }
            let wrong = self.cluster.wrong();
            if wrong.is_empty() {
                return Ok(true);
            }
            if now() >= end {
                let at = self.cluster.at();
                for (life, what) in wrong {
                    let what = format!("{expected} within {SETTLE:?}: {what}");
                    self.cluster.check.violated(at, life, None, what);
                }
                return Ok(false);
            }
        }
    }

    fn call_the_roll(&mut self) {
        for place in self.cluster.places(Slot::runs) {
            let peers = self.cluster.peers(place).into_iter().map(|peer| (Whom::Peer(peer), 1));
            let groups = GROUPS.map(|group| (Whom::Group(group), self.cluster.members(place, group)));
            for (whom, expected) in peers.chain(groups).collect::<Vec<_>>() {
                let sent = self.cluster.send(place, &whom, 10);
                if let (Some(life), Some(found)) = (self.cluster.life(place), sent)
                    && found != Ok(expected)
                {
                    let at = self.cluster.at();
                    let what = format!("a message to {whom:?} should have gone to {expected}, and it was {found:?}");
                    self.cluster.check.violated(at, life, None, what);
                }
            }
        }
    }

    /// All stop politely, and nothing is left of them.
    fn stop_all(&mut self) -> Result<(), ExitCode> {
        for place in self.cluster.places(Slot::runs) {
            self.cluster.stop(place)?;
        }
        let end = now() + LINGER + GRACE;
        while self.cluster.slots.iter().any(|slot| !slot.is_free()) && now() < end {
            self.cluster.turn(LOOK)?;
        }
        let at = self.cluster.at();
        for (life, what) in self.cluster.wrong() {
            self.cluster.check.violated(at, life, None, what);
        }
        // Threads end a moment after their nodes.
        let end = now() + GRACE;
        loop {
            self.story.after = sample::descriptors();
            if self.story.after <= self.story.before || now() >= end {
                return Ok(());
            }
            self.cluster.turn(LOOK)?;
        }
    }
}
