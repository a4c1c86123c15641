//! What happens in an election when nobody says anything: Zyre's has no clocks, and waits for ever.

use super::{Kind, Node, poll::ALONE};
use crate::{
    log::log,
    node::{Phase, timers::Timer},
};
use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

/// How often an election that is not over is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A wave of which nothing has been heard for so long has got stuck.
const STUCK: Duration = Duration::from_secs(2);
/// However much is heard: an election that is not over after so long goes on without the Zyres.
const ENOUGH: Duration = Duration::from_secs(10);
/// How often a wave is begun again because the last has come to nothing.
const REPEATS: u32 = 2;

impl Node {
    /// Sets the time at which an election is looked at again, if it is not over.
    pub(super) fn plan(&mut self, group: &Arc<str>) {
        let now = self.now;
        let next = self.is_open(group).then(|| {
            let ballot = self.elections.ballots.get(group);
            let alone = ballot.filter(|ballot| !ballot.company).map(|ballot| ballot.since + ALONE);
            alone.filter(|at| *at > now).unwrap_or(now + LOOK)
        });
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        // What happens in between does not put it off.
        ballot.next = match (next, ballot.next) {
            (Some(next), Some(old)) if old > now => Some(next.min(old)),
            (next, _) => next,
        };
    }

    pub(super) fn schedule_elections(&mut self) {
        let next = self.elections.ballots.values().filter_map(|ballot| ballot.next).min();
        let next = next.filter(|_| self.phase == Phase::Running);
        self.timers.set(&mut self.elections.clock, Timer::Election, next, self.now);
    }

    pub(in crate::node) fn serve_elections(&mut self) {
        let now = self.now;
        let due = self.elections.ballots.iter().filter(|(_, ballot)| ballot.next.is_some_and(|at| now >= at));
        let due: Vec<_> = due.map(|(group, _)| group.clone()).collect();
        for group in due {
            if let Some(ballot) = self.elections.ballots.get_mut(&group) {
                ballot.next = None;
            }
            self.remind(&group);
            self.look_at_wave(&group);
            self.get_unstuck(&group);
            self.go_on(&group);
        }
        self.schedule_elections();
    }

    /// Whether something is still to come.
    fn is_open(&self, group: &str) -> bool {
        let me = self.me.id;
        let Some(ballot) = self.elections.ballots.get(group) else { return false };
        let Some(vote) = ballot.vote else { return ballot.wave.is_some() };
        let zyre = self.kind(vote) == Kind::Zyre;
        if ballot.wave.is_some() || ballot.round.is_some() || (ballot.leader != Some(vote) && (vote == me || zyre)) {
            return true;
        }
        if ballot.links.get(&vote).is_some_and(|link| link.asked > 0) && self.kind(vote) == Kind::Ours {
            return true;
        }
        let untold = |(peer, kind)| {
            let told = ballot.links.get(&peer).is_some_and(|link| link.sent && link.leader_sent);
            kind == Kind::Ours && vote == me && !told
        };
        self.electors(group).into_iter().any(untold)
    }

    /// Says to ours what could not be said for want of room.
    fn remind(&mut self, group: &Arc<str>) {
        let (me, mut untold) = (self.me.id, false);
        for (peer, kind) in self.electors(group) {
            self.ask(group, peer);
            let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
            let leads = ballot.leader == Some(me) && ballot.vote == Some(me) && ballot.round.is_none();
            untold |= leads && kind == Kind::Ours && ballot.link(peer).sent && !ballot.link(peer).leader_sent;
        }
        if untold {
            self.lead(group);
        }
    }

    /// A wave has come to nothing, or none has come: this node begins one, if it contests. If that does not help, ours go
    /// on without the Zyres.
    fn get_unstuck(&mut self, group: &Arc<str>) {
        let (me, now) = (self.me.id, self.now);
        let zyres = self.zyres(group);
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        if zyres.is_empty() {
            (ballot.wave, ballot.unsettled) = (None, None);
            return;
        }
        if ballot.wave.is_none() && ballot.leader.is_some() && ballot.leader == ballot.vote {
            ballot.unsettled = None;
            return;
        }
        let enough = now >= *ballot.unsettled.get_or_insert(now) + ENOUGH;
        if now < ballot.moved + STUCK && !enough {
            return;
        }
        log!(debug, "election in {group:?}: stuck");
        ballot.wave = None;
        ballot.moved = now;
        ballot.repeats = if enough { REPEATS + 1 } else { ballot.repeats.saturating_add(1) };
        ballot.unsettled.take_if(|_| enough);
        let (repeats, vote) = (ballot.repeats, ballot.vote);
        if vote == Some(me) {
            if repeats > REPEATS {
                return self.lead(group);
            }
            return self.begin_wave(group);
        }
        if let Some(vote) = vote.filter(|vote| zyres.contains(vote) && repeats > REPEATS)
            && let Some(ballot) = self.elections.ballots.get_mut(group)
            && ballot.leader != Some(vote)
        {
            // It wants to lead and does not come to it. When it begins again, so will we.
            ballot.candidates.remove(&vote);
            ballot.conceded = None;
            self.vote(group);
        }
    }
}
