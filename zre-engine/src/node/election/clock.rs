//! What happens in an election when nobody says anything: Zyre's has no clocks, and waits for ever.

use super::{
    Kind, Node,
    wave::{ALONE, PATIENCE, ROUND},
};
use crate::{id::PeerId, log::log, node::timers::Timer, time::Instant};
use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

/// How often an election that is not over is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often a Zyre that does not answer is told again: a change of members in the middle makes it forget.
const REPEATS: u32 = 3;
/// A Zyre that wants to lead and does not say that it does in this time waits for what will not come.
const STUCK: Duration = Duration::from_secs(5);

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
        let next = next.filter(|_| self.phase == super::Phase::Running);
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
            self.go_on(&group);
        }
        self.schedule_elections();
    }

    /// Whether something is still to come.
    fn is_open(&self, group: &str) -> bool {
        let me = self.me.id;
        let Some(ballot) = self.elections.ballots.get(group) else { return false };
        let Some(vote) = ballot.vote else { return false };
        if ballot.leader != Some(vote) && (vote == me || self.kind(vote) == Kind::Zyre) {
            return true;
        }
        if ballot.round.is_some() || ballot.links.get(&vote).is_some_and(|link| link.asked > 0) {
            return true;
        }
        let untold = |(peer, kind): (PeerId, Kind)| {
            let link = ballot.links.get(&peer);
            let told = link.is_some_and(|link| link.sent == Some(vote));
            match kind {
                Kind::Zyre if vote == me => {
                    !told || link.is_some_and(|link| !link.is_done(me) && link.repeats < REPEATS)
                }
                Kind::Zyre => link.is_some_and(|link| link.got == Some(vote)) && !told,
                Kind::Ours => vote == me && (!told || link.is_some_and(|link| !link.leader_sent)),
                Kind::Unknown | Kind::Deaf => false,
            }
        };
        self.electors(group).into_iter().any(untold)
    }

    /// Says again what was not answered, and what could not be said.
    fn remind(&mut self, group: &Arc<str>) {
        let (me, now) = (self.me.id, self.now);
        let Some(vote) = self.elections.ballots.get(group).and_then(|ballot| ballot.vote) else { return };
        for (peer, kind) in self.electors(group) {
            let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
            let link = ballot.link(peer);
            link.slowed = false;
            let open = kind == Kind::Zyre && !link.is_done(vote) && vote == me;
            if open && link.sent.is_some() && now >= link.sent_at + PATIENCE && link.repeats < REPEATS {
                link.repeats += 1;
                link.sent = None;
            }
            let leads = ballot.leader == Some(me) && vote == me && ballot.round.is_none();
            if leads && kind == Kind::Ours && !ballot.link(peer).leader_sent {
                // It had no room to be told.
                ballot.round = Some(now - ROUND);
            }
            self.ask(group, peer);
        }
        self.give_up_stuck(group, vote, now);
    }

    /// A Zyre that does not get to the end of its election is no candidate until it begins again.
    fn give_up_stuck(&mut self, group: &Arc<str>, vote: PeerId, now: Instant) {
        let zyre = self.kind(vote) == Kind::Zyre && vote != self.me.id;
        let Some(ballot) = self.elections.ballots.get_mut(group) else { return };
        if zyre && ballot.leader != Some(vote) && now >= ballot.since + STUCK {
            log!(info, "election in {group:?}: {vote} does not come to an end");
            ballot.candidates.remove(&vote);
            ballot.conceded = None;
            self.vote(group);
        }
    }
}
