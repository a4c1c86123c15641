//! A peer's life: HELLO and ENTER, what puts it in doubt, EXIT (RFC 36, "Protocol Grammar" and "Connection
//! Management").
//!
//! A HELLO of ours provokes at most one of the peer's: the first that comes within ten seconds is the answer, whatever
//! state the peer is in. Without that rule two nodes could answer each other's answers for ever.

use super::{
    Node, Phase,
    admission::Visitor,
    conns::{Conn, Role},
    grumble::complain,
    peer::{Ending, Out, Peer},
    receive::group_name,
    timers::Timer,
};
use crate::{
    Address,
    config::Limits,
    error::{CloseReason, Violation},
    event::{Event, ExitReason, Headers},
    id::{ConnId, PeerId},
    log::log,
    planted::Planted,
    time::Instant,
    zmtp::Connection,
};
use alloc::{boxed::Box, collections::BTreeSet, sync::Arc, vec::Vec};
use core::time::Duration;
use zre_proto::{limits::STRING_MAX, message::Hello};

/// How long a HELLO of ours may wait for its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// So many HELLOs on one connection are waited for, where a peer has to wait to be taken back.
const HELLOS: u8 = 6;
/// How long a peer whose end of ours broke may be quiet before everything that it sent counts as read.
pub(super) const READ_OUT: Duration = Duration::from_millis(250);

/// A HELLO that keeps to the limits, as text.
#[derive(Debug)]
pub(super) struct Introduction {
    endpoint: Option<Address>,
    groups: BTreeSet<Arc<str>>,
    status: u8,
    name: Arc<str>,
    headers: Headers,
}

impl Introduction {
    pub(super) fn check(hello: Hello, limits: &Limits) -> Result<Self, Violation> {
        if hello.groups.len() > limits.groups {
            return Err(Violation::Hello("too many groups"));
        }
        if hello.groups.iter().any(|group| group.len() > STRING_MAX) {
            return Err(Violation::Hello("too long a group"));
        }
        if hello.headers.len() > limits.headers {
            return Err(Violation::Hello("too many headers"));
        }
        let mut names = BTreeSet::new();
        for (name, value) in &hello.headers {
            if value.len() > limits.header_value {
                return Err(Violation::Hello("too long a header value"));
            }
            if !names.insert(name.as_octets()) {
                return Err(Violation::Hello("a header twice"));
            }
        }
        let text = |(name, value): &(zre_proto::Text, zre_proto::Text)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        };
        Ok(Self {
            endpoint: hello.endpoint.to_string_lossy().parse().ok(),
            groups: hello.groups.iter().filter(|group| !group.is_empty()).map(group_name).collect(),
            status: hello.status,
            name: group_name(&hello.name),
            headers: hello.headers.iter().map(text).collect(),
        })
    }
}

/// What a HELLO means, given what was known of its sender.
enum Meaning {
    /// A new peer, or one that was not ready.
    Enters,
    /// The answer to our own HELLO from a peer that was ready all along.
    Answers,
    /// A ready peer began anew.
    Restarted,
}

impl Node {
    pub(super) fn hello(&mut self, id: ConnId, peer_id: PeerId, visitor: Visitor) {
        let Some(conn) = self.conns.get(id) else { return };
        let (from, ours) = (conn.remote.clone(), conn.ours);
        let said = visitor.introduction.endpoint.as_ref();
        // Who was sought where it says that it is, is there: the user or gossip says so too.
        let known = said.and_then(|said| self.sought.place_of(peer_id, said, from.ip()));
        let derived = || said.and_then(|said| self.connect_to(said, &from));
        let endpoint = known.or_else(|| derived().filter(|at| self.is_place_for(at, from.ip())));
        let Some(endpoint) = endpoint else {
            let said = said.map(|said| alloc::format!("{said}")).unwrap_or_default();
            complain!(self, "peer {peer_id} says that it is at {said:?}: this node cannot connect there");
            return self.violation(id, Violation::Hello("an endpoint that this node cannot connect to"));
        };
        if self.is_own(&endpoint) {
            return;
        }
        if self.is_crowded(&endpoint) {
            return self.close(id, CloseReason::GaveWay);
        }
        let now = self.now;
        // Unless its connection had broken before ours told of us: then it has started anew, with its old UUID.
        let answers = |peer: &Peer| {
            peer.hello_at.is_some_and(|at| now.since(at) <= ANSWER && peer.broke.is_none_or(|broke| broke > at))
        };
        let meaning = match self.peers.get(&peer_id) {
            None if self.phase != Phase::Running => return,
            None => Meaning::Enters,
            Some(peer) if !peer.ready => Meaning::Enters,
            Some(peer) if peer.ending.is_some() => Meaning::Restarted,
            // It owes us no answer: it was ready when it was told of an election, and has dropped us for that.
            Some(peer) if peer.may_have_taken_offence(now) => Meaning::Restarted,
            Some(peer) if answers(peer) => Meaning::Answers,
            Some(_) => Meaning::Restarted,
        };
        if matches!(meaning, Meaning::Enters)
            && let Err(wait) = self.admit_newcomer(peer_id, endpoint.ip(), false)
        {
            return self.wait_at_door(id, visitor, wait);
        }
        let introduction = visitor.introduction;
        let hellos = self.conns.get_mut(id).map_or(0, |conn| {
            conn.introduced = true;
            conn.hellos = conn.hellos.saturating_add(1);
            conn.hellos
        });
        self.admission.is_no_caller(id);
        self.statistics.messages_received += 1;
        self.set_timer(id, None);
        match meaning {
            Meaning::Enters => self.enter(id, peer_id, endpoint, introduction),
            Meaning::Answers => {
                self.answered(id, peer_id, introduction);
                if self.planted(Planted::AnswerHelloTwice) {
                    self.reconnect(peer_id);
                }
            }
            // It gave us up for a number that it did not want, and has met us again.
            Meaning::Restarted if self.guessed_wrong(peer_id) => self.answered(id, peer_id, introduction),
            Meaning::Restarted => {
                log!(debug, "peer {peer_id}: said HELLO anew");
                self.keep_inbound(id, peer_id);
                let ending = self.peers.get(&peer_id).and_then(|peer| peer.ending.as_deref().copied());
                match ending {
                    None if self.planted(Planted::NoExitBeforeEnter) => {}
                    Some(ending) => self.exit(peer_id, ending.reason, ending.unsent),
                    None => self.exit(peer_id, ExitReason::Restarted, 0),
                }
                if self.phase != Phase::Running {
                    return;
                }
                if self.is_ready(peer_id) {
                    // What lay unread has brought it back already, on another connection.
                    return self.close(id, CloseReason::Superseded);
                }
                if let Err(wait) = self.admit_newcomer(peer_id, endpoint.ip(), true) {
                    if hellos > HELLOS {
                        // A program that starts anew connects anew.
                        return self.close(id, CloseReason::GaveWay);
                    }
                    self.is_caller(id, from.ip());
                    let visitor = Visitor { since: now, introduction };
                    return self.wait_at_door(id, visitor, wait);
                }
                self.enter(id, peer_id, endpoint, introduction);
            }
        }
        if let Some(peer) = self.peers.get_mut(&peer_id) {
            peer.is_ours(ours);
        }
    }

    /// Whether a peer is there that was thought not to be, because something that lay unread has counted meanwhile.
    fn is_ready(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.ready) && !self.planted(Planted::NoExitBeforeEnter)
    }

    /// Takes the connection `id` out of a relation that ends, for the one that begins.
    fn keep_inbound(&mut self, id: ConnId, peer_id: PeerId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        peer.inbound.take_if(|inbound| *inbound == id);
        // One that claimed to be this peer, and was found to be.
        let rival = peer.contender.take().filter(|contender| *contender != id);
        peer.successor.take_if(|(successor, _)| *successor == id);
        if let Some(rival) = rival {
            // It is here itself: whoever else claims to be it is not.
            self.close(rival, CloseReason::IdentityConflict);
        }
    }

    fn enter(&mut self, id: ConnId, peer_id: PeerId, endpoint: Address, introduction: Introduction) {
        let now = self.now;
        let Some(conn) = self.conns.get(id) else { return };
        let (number, host, ours) = (conn.number, conn.remote.ip(), conn.ours);
        if self.peers.get(&peer_id).is_none() {
            self.introduce(peer_id, endpoint.clone());
        }
        self.admission.is_no_stranger(peer_id);
        self.admission.met(&endpoint);
        self.sought_entered(peer_id);
        self.take_inbound(peer_id, id);
        if self.is_ready(peer_id) {
            // A HELLO lay unread on its older connection, and has counted first: this one is its next beginning.
            self.keep_inbound(id, peer_id);
            self.exit(peer_id, ExitReason::Restarted, 0);
            return self.enter(id, peer_id, endpoint, introduction);
        }
        // Whoever else claimed to be this peer before it came has had his chance. But if it has connected anew meanwhile, it
        // goes on there once the older connection is read.
        let newer = |conn: &Conn| conn.number > number && conn.remote.ip() == host;
        let age = |other: &ConnId| self.conns.get(*other).filter(|conn| newer(conn)).map(|conn| conn.number);
        let others: Vec<_> = self.conns.claimed_by(peer_id).filter(|other| *other != id).collect();
        let newest = others.iter().copied().filter(|other| age(other).is_some()).max_by_key(age);
        for other in others.into_iter().filter(|other| Some(*other) != newest) {
            self.close(other, CloseReason::Superseded);
        }
        if let Some(newest) = newest {
            self.will_succeed(peer_id, newest);
        }
        let Some(peer) = self.peers.get(&peer_id) else { return };
        // Who told us by a beacon where it is may have lied; but a node with several addresses may name another one.
        let there = matches!(peer.out, Out::Open { .. }) && introduction.endpoint.as_ref() == Some(peer.endpoint());
        let elsewhere = *peer.endpoint() != endpoint && !there;
        if elsewhere {
            self.peers.relocate(peer_id, endpoint);
        }
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        peer.ready = true;
        // Before its groups: it is to be told of the election in each of them.
        peer.is_ours(ours);
        peer.elsewhere = None;
        peer.since = now;
        peer.name = introduction.name;
        peer.headers = match introduction.headers {
            none if none.is_empty() => self.stranger.headers.clone(),
            headers => Arc::new(headers),
        };
        peer.status = introduction.status;
        peer.named = introduction.endpoint.as_ref().and_then(Address::ip);
        peer.next_in = 2;
        // The first HELLO after ours is its answer, and the only one.
        peer.hello_at = None;
        peer.quiet.heard = now;
        let (name, headers, endpoint) = (peer.name.clone(), peer.headers.clone(), peer.endpoint().clone());
        let out = peer.out;
        log!(info, "ENTER {name:?} ({peer_id}) at {endpoint}");
        self.emit(Event::Enter { peer: peer_id, name, headers, endpoint: endpoint.clone() });
        // Before its groups: what is said to it about them must not go there.
        if elsewhere && let Some(astray) = out.conn() {
            self.close(astray, CloseReason::Abandoned);
            self.wait_to_connect(peer_id);
        }
        let known = self.planted(Planted::ForgetGroupsOfHello) && out != Out::Waiting { until: now };
        for group in introduction.groups.iter().filter(|_| !known) {
            self.set_member(peer_id, group, true);
        }
        self.claim_place(peer_id, &endpoint);
        match self.peers.get(&peer_id).map(|peer| peer.out) {
            Some(Out::Waiting { .. }) => self.connect(peer_id),
            Some(Out::Open { .. }) if self.planted(Planted::AnswerHelloTwice) => self.reconnect(peer_id),
            _ => self.flush_held(peer_id),
        }
        self.schedule_peer(peer_id);
    }

    /// A peer that was ready has answered a HELLO of ours: its numbers start anew, and the relation goes on.
    fn answered(&mut self, id: ConnId, peer_id: PeerId, introduction: Introduction) {
        self.take_inbound(peer_id, id);
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        peer.hello_at = None;
        peer.reintroducing = false;
        peer.forget_pings();
        peer.next_in = 2;
        peer.status = introduction.status;
        let gone: Vec<_> = peer.groups.iter().filter(|group| !introduction.groups.contains(*group)).cloned().collect();
        for group in gone {
            self.set_member(peer_id, &group, false);
        }
        for group in &introduction.groups {
            self.set_member(peer_id, group, true);
        }
        self.hear(peer_id, id);
        self.flush_held(peer_id);
    }

    /// Our connection to a ready peer broke. What it has sent is read to the end of its own connection first; or, where
    /// that has none, until it is quiet for a moment.
    pub(super) fn begin_ending(&mut self, id: PeerId, reason: ExitReason, unsent: usize) {
        let now = self.now;
        let at_last = now + self.config.introduction;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.ending = Some(Box::new(Ending { reason, unsent, until: now + READ_OUT, at_last }));
        peer.guess = None;
        let alone = peer.inbound.is_none();
        if self.full.remove(&id).is_some() {
            // Nobody waits for a queue that is gone.
            self.emit(Event::Room { peer: id });
        }
        if alone {
            self.finish_ending(id);
        } else {
            self.schedule_peer(id);
        }
        if self.phase == Phase::Stopping {
            self.check_all_drained();
        }
    }

    /// What the peer has sent is read: the relation is over, and perhaps a new one begins.
    pub(super) fn finish_ending(&mut self, id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.get(&id) else { return };
        let Some(Ending { reason, unsent, .. }) = peer.ending.as_deref().copied() else { return };
        let (endpoint, ours) = (peer.endpoint().clone(), peer.ours);
        // A relation that did not last is begun again more slowly each time.
        let lasted = now.since(peer.since) >= self.config.introduction;
        let attempts = if lasted { 0 } else { peer.attempts };
        self.exit(id, reason, unsent);
        // Whoever claimed to be it may have come in at once.
        let back = self.peers.get(&id).is_some();
        if reason != ExitReason::Lost || self.phase != Phase::Running || back {
            return;
        }
        // Its machine may be well, and only the connection not.
        if !self.admit_again(id, endpoint.ip()) {
            return;
        }
        self.introduce(id, endpoint);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.met = true;
            peer.is_ours(ours);
            peer.attempts = attempts;
        }
        if lasted {
            self.connect(id);
        } else {
            self.attempt_failed(id);
        }
    }

    /// Takes what has come on a peer's connection and was not taken yet, because the application does not keep up.
    fn read_out(&mut self, id: PeerId) {
        let Some(inbound) = self.peers.get(&id).and_then(|peer| peer.inbound) else { return };
        if let Some(conn) = self.conns.get_mut(inbound).filter(|conn| !conn.reading && !conn.closing) {
            conn.reading = true;
            self.resume(inbound);
        }
    }

    /// The relation with a peer ends: both connections close, and the application is told if it knew the peer.
    /// `unsent` messages were lost with a connection that is gone already.
    pub(super) fn exit(&mut self, id: PeerId, reason: ExitReason, unsent: usize) {
        // Everything that came before the end comes before EXIT.
        self.read_out(id);
        let Some(mut peer) = self.peers.remove(&id) else { return };
        self.full.remove(&id);
        self.admission.is_no_stranger(id);
        self.timers.set(&mut peer.clock, Timer::Peer(id), None, self.now);
        let stale = self.planted(Planted::StaleMembers);
        for group in peer.groups.iter().filter(|_| !stale) {
            self.forget_member(id, group);
        }
        let queued = peer.out.conn().and_then(|conn| self.conns.get(conn)).and_then(|conn| conn.zmtp.as_ref());
        let unsent = unsent + queued.map_or(0, Connection::unsent) + peer.held.content();
        self.statistics.unsent += unsent as u64;
        // Whoever claimed to be it may have been right, and is a caller like any other now; but not where it is there itself.
        let ended = matches!(reason, ExitReason::Protocol | ExitReason::Stopped | ExitReason::Restarted);
        let keeps = self.phase == Phase::Running && !ended;
        let contender = peer.contender.take_if(|_| keeps);
        for conn in peer.conns() {
            if self.planted_now(Planted::LeakConnection, 5) {
                continue;
            }
            self.close(conn, CloseReason::Exit(reason));
        }
        if peer.ready {
            log!(info, "EXIT {:?} ({id}): {reason}, {unsent} unsent", peer.name);
            self.admission.exited(id, self.now);
            self.emit(Event::Exit { peer: id, name: peer.name.clone(), reason, unsent });
            let told = peer.told_of_election.filter(|_| !peer.extended);
            self.election_exit(id, peer.groups.as_slice(), told, reason);
        }
        self.leave_place(peer.endpoint());
        self.sought_gone(id, peer.ready, false);
        self.knock();
        if let Some(contender) = contender {
            self.set_reading(contender, !self.throttled);
            self.resume(contender);
        }
        if self.phase == Phase::Stopping {
            self.check_all_drained();
        }
    }

    /// A peer that never entered is of no interest any more.
    pub(super) fn forget(&mut self, id: PeerId) {
        let Some(mut peer) = self.peers.remove(&id) else { return };
        self.full.remove(&id);
        self.admission.is_no_stranger(id);
        self.timers.set(&mut peer.clock, Timer::Peer(id), None, self.now);
        // Whoever has connected in its name, and not said HELLO yet, may be the true one: that we looked for it in vain
        // where a beacon said is not his fault.
        if let Some(conn) = peer.out.conn() {
            self.close(conn, CloseReason::Abandoned);
        }
        self.leave_place(peer.endpoint());
        self.sought_gone(id, false, matches!(peer.out, Out::Open { greeted: true, .. }));
        self.knock();
        if self.planted(Planted::ExitOfStranger) {
            self.emit(Event::Exit { peer: id, name: peer.name, reason: ExitReason::Lost, unsent: 0 });
        }
    }

    /// Looks at all clocks of a peer.
    pub(super) fn serve_peer(&mut self, id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.get(&id) else { return };
        if self.introduced_by(peer).is_some_and(|until| now >= until) {
            if peer.ready {
                return self.exit(id, ExitReason::Unreachable, 0);
            }
            return self.disappoint(id);
        }
        if let Some(ending) = &peer.ending {
            if !self.throttled && (now >= ending.until || now >= ending.at_last) {
                return self.finish_ending(id);
            }
            return self.schedule_peer(id);
        }
        if let Some((successor, until)) = peer.successor
            && now >= until
            && !self.throttled
        {
            self.succeed(id, successor);
        }
        let Some(peer) = self.peers.get(&id) else { return };
        if let Some(probe) = peer.probe.filter(|probe| now >= probe.until && !self.throttled) {
            self.serve_probe(id, probe);
        }
        if self.full.get(&id).is_some_and(|since| now >= *since + self.config.send_timeout) {
            return self.exit(id, ExitReason::Slow, 0);
        }
        if !self.serve_orphaned(id) {
            return;
        }
        let Some(peer) = self.peers.get(&id) else { return };
        if matches!(peer.out, Out::Waiting { until } if now >= until) && self.phase == Phase::Running {
            self.connect(id);
        }
        self.serve_contest(id);
        self.serve_quiet(id);
        self.schedule_peer(id);
    }

    /// Sets the timer for the first of a peer's clocks.
    pub(super) fn schedule_peer(&mut self, id: PeerId) {
        let at = self.peers.get(&id).and_then(|peer| self.next_for(id, peer));
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.timers.set(&mut peer.clock, Timer::Peer(id), at, self.now);
    }

    fn next_for(&self, id: PeerId, peer: &Peer) -> Option<Instant> {
        if let Some(ending) = &peer.ending {
            return Some(ending.until.min(ending.at_last)).filter(|_| !self.throttled);
        }
        let introduced = self.introduced_by(peer);
        let retry = match peer.out {
            Out::Waiting { until } if self.phase == Phase::Running => Some(until),
            _ => None,
        };
        let orphaned = self.back_by(peer);
        let quiet = Some(self.next_quiet(peer)).filter(|_| peer.ready);
        let slow = self.full.get(&id).map(|since| *since + self.config.send_timeout);
        // An answer would not be heard while we do not read.
        let probe = peer.probe.map(|probe| probe.until).filter(|_| !self.throttled);
        let successor = peer.successor.map(|(_, until)| until).filter(|_| !self.throttled);
        let contest = self.next_contest(peer);
        [introduced, retry, slow, orphaned, quiet, probe, successor, contest].into_iter().flatten().min()
    }

    /// Until when a stranger must have said HELLO, and a peer that has said it must have been reached.
    fn introduced_by(&self, peer: &Peer) -> Option<Instant> {
        let greeted = matches!(peer.out, Out::Open { greeted: true, .. });
        let pending = match peer.ready {
            true if peer.reintroducing && self.throttled => false,
            true => (!greeted || peer.reintroducing) && peer.ending.is_none(),
            // What it has said may lie unread while the application does not keep up.
            false => !(self.throttled && peer.inbound.is_some()),
        };
        pending.then(|| peer.since + self.config.introduction)
    }

    /// Ends the relation with a peer, as the application wishes. A peer that still beacons will be met again.
    ///
    /// # Errors
    ///
    /// [`SendError::UnknownPeer`](crate::SendError::UnknownPeer) where the peer has not entered or has left, and
    /// [`SendError::Input`](crate::SendError::Input) where time went back.
    pub fn disconnect(&mut self, now: Instant, id: PeerId) -> Result<(), crate::SendError> {
        self.tick(now)?;
        if self.peer(id).is_none() {
            return Err(crate::SendError::UnknownPeer(id));
        }
        self.exit(id, ExitReason::Stopped, 0);
        Ok(())
    }

    /// The peer whose inbound connection this is.
    pub(super) fn inbound_peer(&self, id: ConnId) -> Option<PeerId> {
        match self.conns.get(id)?.role() {
            Role::In(peer) => peer,
            Role::Out(_) | Role::Hub | Role::Client => None,
        }
    }
}
