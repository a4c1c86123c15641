//! What `zre perf whisper` and `shout` have in common: messages go out as fast as they are taken, and those who took them
//! are asked how fast that was.

use super::{
    end::End,
    find::Peer,
    payload::Payload,
    progress::Progress,
    protocol::{Note, Plan, Report, Way, What},
    rates::Rates,
    role::Role,
    station::Station,
};
use crate::{
    cli::complain,
    clock::now,
    text::{clean, count},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use zre_mio::{Content, Event, ExitReason, PeerId, SendError};

/// How much is queued before the sockets have their turn, as a queue counts it.
const BURST: usize = 256 << 10;
/// What a queue counts for a message beyond its content.
const MESSAGE_COST: usize = 64;

/// How long those who are no sinks may take in the end to say that they have read all. What lies in the sockets then may be
/// more than slow programs read in ten seconds; but who says nothing for half a minute is given up.
pub(super) const CONFIRM: Duration = Duration::from_secs(20);

/// What is sent, and to whom.
pub(super) struct Source<'a> {
    station: &'a mut Station,
    receivers: Vec<Peer>,
    plan: Plan,
    content: Content,
    run: String,
    sent: u64,
    /// Somebody's queue had no room, and nobody has said that it has some again.
    full: bool,
    /// What sinks have said, each its last.
    answers: BTreeMap<PeerId, What>,
    watch: Watch,
    progress: Progress,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) rates: Rates,
    pub(super) receivers: Vec<Peer>,
    /// None where nobody knows, for not all of them are sinks.
    pub(super) lost: Option<u64>,
}

impl<'a> Source<'a> {
    pub(super) fn new(station: &'a mut Station, receivers: Vec<Peer>, plan: Plan, timeout: Duration) -> Self {
        let run = format!("{:.8}", station.driver.engine().uuid().to_string());
        let progress = Progress::new(plan.way.noun(plan.count), plan.count);
        let content = Payload::new(plan.size).numbered(0).into();
        let watch = Watch { timeout, low: usize::MAX, since: now() };
        let answers = BTreeMap::new();
        Self { station, receivers, plan, content, run, sent: 0, full: false, answers, watch, progress }
    }

    /// Does it all. Where that fails, what waits for the receivers is dropped: it shall not hold up the end.
    pub(super) fn measure(mut self) -> Result<Outcome, End> {
        let sinks = self.receivers.iter().all(|peer| peer.role == Some(Role::Sink));
        let measured = if sinks { self.at_the_receivers() } else { self.at_the_sender() };
        let (rates, lost) = measured.inspect_err(|_| {
            for peer in &self.receivers {
                // It may be gone already.
                let _ = self.station.driver.disconnect(peer.id);
            }
        })?;
        Ok(Outcome { rates, receivers: self.receivers, lost })
    }

    /// The receivers are sinks, and say how much came and how long it took.
    fn at_the_receivers(&mut self) -> Result<(Rates, Option<u64>), End> {
        self.say(What::Begin(self.plan.clone()))?;
        self.await_all("answered", |answer| matches!(answer, What::Ready))?;
        self.say(What::Start)?;
        self.pour()?;
        self.say(What::End)?;
        self.await_all("reported", |answer| matches!(answer, What::Report(_)))?;
        let reports = self.answers.values().filter_map(|answer| match answer {
            What::Report(report) => Some(*report),
            _ => None,
        });
        let (rates, lost) = sum(reports);
        Ok((rates, Some(lost)))
    }

    /// The receivers may be any programs, so the end is when each says that it has read all. A node says that in answer to a
    /// PING, which it is sent when we leave.
    fn at_the_sender(&mut self) -> Result<(Rates, Option<u64>), End> {
        let others = list(self.receivers.iter().filter(|peer| peer.role != Some(Role::Sink)));
        complain(&format!(
            "no zre perf sink: {others}; so it is measured here, until all say that they have read all, and nobody knows \
             what their programs got"
        ));
        let begin = now();
        self.pour()?;
        self.watch.begin();
        while self.station.driver.engine().statistics().send_queues > 0 {
            self.wait(Self::to_take)?;
        }
        let mut time = now() - begin;
        let left = now();
        self.station.driver.stop();
        while !self.have_parted()? {
            self.station.turn(Some(CONFIRM))?;
            self.check_interrupted()?;
        }
        if now() - left < CONFIRM {
            time = now() - begin;
        } else {
            let seconds = CONFIRM.as_secs();
            complain(&format!(
                "not all have said within {seconds} s that they have read all: what is measured is how fast it went out"
            ));
        }
        let messages = self.plan.count.saturating_mul(self.receivers.len() as u64);
        let octets = messages.saturating_mul(self.plan.size as u64);
        Ok((Rates { messages, octets, time }, None))
    }

    /// Whether the node, which stops, has taken leave of all.
    fn have_parted(&mut self) -> Result<bool, End> {
        while let Some(event) = self.station.driver.poll_event() {
            match event {
                Event::Exit { reason: ExitReason::Stopped, .. } | Event::Stop => return Ok(true),
                Event::Exit { peer, reason, .. } => self.check_gone(peer, reason)?,
                _ => {}
            }
        }
        Ok(false)
    }

    /// Sends the messages, as fast as they are taken.
    fn pour(&mut self) -> Result<(), End> {
        let cost = (self.plan.size + MESSAGE_COST) * self.receivers.len();
        while self.sent < self.plan.count {
            let mut burst = 0;
            while !self.full && burst < BURST && self.sent < self.plan.count {
                if self.send()? {
                    self.sent += 1;
                    burst += cost;
                } else {
                    self.full = true;
                    self.watch.begin();
                }
            }
            if self.full {
                self.wait(Self::to_take)?;
            } else {
                self.turn(Duration::ZERO)?;
            }
            self.progress.show(self.sent);
        }
        Ok(())
    }

    /// Sends one message. Whether there was room.
    fn send(&mut self) -> Result<bool, End> {
        let driver = &mut self.station.driver;
        let content = self.content.clone();
        let sent = match &self.plan.way {
            Way::Whispers => driver.whisper(self.receivers[0].id, content),
            Way::Shouts(group) => driver.shout(group, content).map(drop),
        };
        self.had_room(sent)
    }

    fn had_room(&self, sent: Result<(), SendError>) -> Result<bool, End> {
        match sent {
            Ok(()) => Ok(true),
            Err(SendError::Full { .. }) => Ok(false),
            Err(error) => Err(End::Failed(format!("{error}, {}", self.how_far()))),
        }
    }

    /// Says something to all receivers.
    fn say(&mut self, what: What) -> Result<(), End> {
        let note = Content::from(Note::new(&self.run, what));
        for index in 0..self.receivers.len() {
            let to = self.receivers[index].id;
            self.watch.begin();
            loop {
                let sent = self.station.driver.whisper(to, note.clone());
                if self.had_room(sent)? {
                    break;
                }
                self.wait(Self::to_take)?;
            }
        }
        Ok(())
    }

    /// Waits for all receivers to answer so.
    fn await_all(&mut self, verb: &str, is_it: impl Fn(&What) -> bool) -> Result<(), End> {
        self.watch.begin();
        let lacks = |answers: &BTreeMap<PeerId, What>, peer: &Peer| !answers.get(&peer.id).is_some_and(&is_it);
        while self.receivers.iter().any(|peer| lacks(&self.answers, peer)) {
            self.wait(|source| {
                let missing = source.receivers.iter().filter(|peer| lacks(&source.answers, peer));
                format!("{} to have {verb}", list(missing))
            })?;
        }
        Ok(())
    }

    /// What is waited for while there is no room.
    fn to_take(&self) -> String {
        format!("{} to take what is sent", list(&self.receivers))
    }

    /// A turn that waits for something to happen, for as long as the receivers take something or answer now and then.
    fn wait(&mut self, for_what: impl Fn(&Self) -> String) -> Result<(), End> {
        self.turn(self.watch.left())?;
        let waiting = self.station.driver.engine().statistics().send_queues;
        if self.watch.is_stuck(waiting) {
            let (seconds, for_what, how_far) = (self.watch.timeout.as_secs_f64(), for_what(self), self.how_far());
            return Err(End::Failed(format!(
                "{how_far} nothing has moved for {seconds} s; waited for {for_what}; --timeout gives it longer"
            )));
        }
        Ok(())
    }

    fn turn(&mut self, at_most: Duration) -> Result<(), End> {
        self.station.turn(Some(at_most))?;
        while let Some(event) = self.station.driver.poll_event() {
            match event {
                Event::Room { .. } => self.full = false,
                // Whoever had no room and goes does not say that it has some again.
                Event::Exit { peer, reason, .. } => {
                    self.check_gone(peer, reason)?;
                    self.full = false;
                }
                Event::Leave { peer, group, .. } => {
                    self.check_left(peer, &group)?;
                    self.full = false;
                }
                Event::Whisper { peer, content, .. } => self.hear(peer, &content)?,
                _ => {}
            }
        }
        self.check_interrupted()
    }

    fn check_interrupted(&self) -> Result<(), End> {
        if self.station.is_over() { Err(End::Interrupted(self.how_far())) } else { Ok(()) }
    }

    fn check_gone(&self, peer: PeerId, reason: ExitReason) -> Result<(), End> {
        match self.receiver(peer) {
            Some(peer) => Err(End::Failed(format!("{} is gone: {reason}, {}", peer.text(), self.how_far()))),
            None => Ok(()),
        }
    }

    fn check_left(&self, peer: PeerId, left: &str) -> Result<(), End> {
        match (self.receiver(peer), &self.plan.way) {
            (Some(peer), Way::Shouts(group)) if group == left => {
                Err(End::Failed(format!("{} has left the group {}, {}", peer.text(), clean(left), self.how_far())))
            }
            _ => Ok(()),
        }
    }

    /// A whisper that may be an answer. What others say is not for us.
    fn hear(&mut self, peer: PeerId, content: &Content) -> Result<(), End> {
        let Some(Ok(note)) = Note::read(content) else { return Ok(()) };
        let Some(sink) = self.receiver(peer) else { return Ok(()) };
        match note.what {
            // It may not have understood which run it was.
            What::Refused(why) => Err(End::Failed(format!("{} refuses: {}", sink.text(), clean(&why)))),
            what if note.run == self.run => {
                self.watch.begin();
                self.answers.insert(peer, what);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn receiver(&self, id: PeerId) -> Option<&Peer> {
        self.receivers.iter().find(|peer| peer.id == id)
    }

    fn how_far(&self) -> String {
        let noun = self.plan.way.noun(self.plan.count);
        format!("after {} of {} {noun}", count(self.sent), count(self.plan.count))
    }
}

fn list<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> String {
    peers.into_iter().map(Peer::text).collect::<Vec<_>>().join(", ")
}

/// What all receivers together had, in the time of the slowest.
fn sum(reports: impl Iterator<Item = Report>) -> (Rates, u64) {
    let none = (Rates { messages: 0, octets: 0, time: Duration::ZERO }, 0);
    reports.fold(none, |(sum, lost), report| {
        let rates = Rates {
            messages: sum.messages.saturating_add(report.received),
            octets: sum.octets.saturating_add(report.octets),
            time: sum.time.max(Duration::from_nanos(report.nanos)),
        };
        (rates, lost.saturating_add(report.lost))
    })
}

/// Whether anything moves while we wait.
#[derive(Debug)]
struct Watch {
    timeout: Duration,
    /// The least that was waiting for peers since then. More may come, for the node talks with others as well.
    low: usize,
    since: Instant,
}

impl Watch {
    /// Something has moved, or something else is waited for.
    fn begin(&mut self) {
        self.low = usize::MAX;
        self.since = now();
    }

    fn left(&self) -> Duration {
        self.timeout.saturating_sub(now() - self.since)
    }

    fn is_stuck(&mut self, waiting: usize) -> bool {
        if waiting < self.low {
            self.low = waiting;
            self.since = now();
        }
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_receiver_has_the_clock() {
        let report = |received, nanos, lost| Report { received, octets: received * 10, nanos, lost };
        let (rates, lost) = sum([report(100, 5_000_000, 0), report(98, 10_000_000, 2)].into_iter());
        assert_eq!(rates, Rates { messages: 198, octets: 1980, time: Duration::from_millis(10) });
        assert_eq!((rates.messages_per_s(), lost), (19_800.0, 2));
    }
}
