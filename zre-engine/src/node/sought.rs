//! Peers that are looked for though no beacon calls: gossip says where they are, or the user.
//!
//! Whoever is sought is tried with a growing back-off until he has entered, and again after he is gone; nobody is given up
//! for good while he is sought. An attempt is a stranger like any other, with its ten seconds to say HELLO. Where the user
//! gives a place without a UUID, the attempt stands under a made-up one, and whoever says HELLO from there takes it over.

use super::{
    Node, Phase,
    connect::backoff,
    peer::Out,
    peers::place,
    timers::{Clock, Timer},
};
use crate::{Address, error::DiscoveryError, id::PeerId, log::log, planted::Planted, time::Instant};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{net::IpAddr, time::Duration};
use rand_core::Rng;

/// How long after its end a relation is sought again, where the peer is not known to have broken off by chance.
const AGAIN: Duration = Duration::from_secs(1);
/// How often somebody is looked at who cannot be tried: there is no place for him.
const NO_PLACE: Duration = Duration::from_secs(1);
/// When somebody is tried again who has answered so often, but not as a new peer.
const LEFT_ALONE: Duration = Duration::from_secs(300);
const OFTEN: u32 = 6;
/// How many places the user may give.
const MOST_GIVEN: usize = 1024;

/// Who is sought.
#[derive(Debug, Default)]
pub(super) struct Sought {
    seeks: BTreeMap<PeerId, Seek>,
    /// Those under made-up UUIDs, for the place that the user gave.
    nameless: BTreeSet<PeerId>,
    /// By the number of their place.
    by_place: BTreeSet<(u64, PeerId)>,
    due: BTreeSet<(Instant, PeerId)>,
    /// Those who are being tried.
    trying: BTreeSet<PeerId>,
    pub(super) clock: Clock,
}

/// Who says where somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The user: by UUID, or whoever is there.
    User { nameless: bool },
    /// Gossip, of this host or from another.
    Gossip { near: bool },
}

#[derive(Debug)]
struct Seek {
    at: Address,
    by_user: bool,
    /// It may lead to this host's own loopback: nobody from elsewhere says so.
    near: bool,
    attempts: u32,
    next: Option<Instant>,
    /// Who was met there, where the UUID is made up.
    found: Option<PeerId>,
    /// What the name was, when it was last asked for.
    resolved: Option<Address>,
}

impl Sought {
    fn set_next(&mut self, id: PeerId, next: Option<Instant>) {
        let Some(seek) = self.seeks.get_mut(&id) else { return };
        if let Some(old) = seek.next {
            self.due.remove(&(old, id));
        }
        seek.next = next;
        self.due.extend(next.map(|next| (next, id)));
    }

    fn insert(&mut self, id: PeerId, at: Address, source: Source) {
        self.remove(id);
        self.by_place.insert((place(&at), id));
        let by_user = matches!(source, Source::User { .. });
        let near = by_user || source == Source::Gossip { near: true };
        if source == (Source::User { nameless: true }) {
            self.nameless.insert(id);
        }
        self.seeks.insert(id, Seek { at, by_user, near, attempts: 0, next: None, found: None, resolved: None });
    }

    fn remove(&mut self, id: PeerId) {
        self.set_next(id, None);
        if let Some(seek) = self.seeks.remove(&id) {
            self.by_place.remove(&(place(&seek.at), id));
        }
        self.nameless.remove(&id);
        // An attempt that is under way still holds its place among those.
    }

    /// Those who are sought at a place.
    fn at<'a>(&'a self, at: &Address) -> impl Iterator<Item = (PeerId, &'a Seek)> {
        let at = at.clone();
        let (first, last) = (PeerId::from_octets([0; 16]), PeerId::from_octets([0xFF; 16]));
        let near = self.by_place.range((place(&at), first)..=(place(&at), last));
        near.filter_map(|(_, id)| self.seeks.get(id).map(|seek| (*id, seek))).filter(move |(_, seek)| seek.at == at)
    }

    /// Whether this one is sought.
    pub(super) fn has(&self, id: PeerId) -> bool {
        self.seeks.contains_key(&id)
    }

    /// Where to connect to a peer that says that it is at `said`, if it is sought there: who sought it said so too, whatever
    /// address its words come from; but whoever is sought by the place alone comes from there.
    pub(super) fn place_of(&self, id: PeerId, said: &Address, from: Option<IpAddr>) -> Option<Address> {
        let place = |seek: &Seek| seek.resolved.as_ref().unwrap_or(&seek.at).clone();
        let known = |(found, seek): &(PeerId, &Seek)| {
            *found == id || (self.nameless.contains(found) && place(seek).ip() == from)
        };
        self.at(said).find(known).map(|(_, seek)| place(seek))
    }

    /// Whether an attempt may lead to this host's own loopback.
    pub(super) fn is_near(&self, id: PeerId) -> bool {
        self.seeks.get(&id).is_some_and(|seek| seek.near)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Node {
    /// Looks for a peer at this endpoint, whether or not a beacon comes from there, until the node stops: by its UUID, or
    /// for whoever is there. `Ok(false)` where it is sought there already. May be called before the start.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`]: no connection can lead there, it is this node itself, 1,024 are sought already, or the node has
    /// stopped.
    pub fn require_peer(
        &mut self,
        now: Instant,
        peer: Option<PeerId>,
        endpoint: Address,
    ) -> Result<bool, DiscoveryError> {
        self.tick(now)?;
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return Err(DiscoveryError::Stopped);
        }
        if peer == Some(self.me.id) || self.is_own(&endpoint) {
            return Err(DiscoveryError::Oneself(endpoint));
        }
        if !self.is_place_for(&endpoint, None) || endpoint.port() == Some(0) {
            return Err(DiscoveryError::NoPlace(endpoint));
        }
        let same = |(id, seek): (PeerId, &Seek)| match peer {
            Some(peer) => id == peer,
            None => seek.by_user && self.sought.nameless.contains(&id),
        };
        let known = self.sought.at(&endpoint).find(|(id, seek)| same((*id, seek))).map(|(id, seek)| (id, seek.by_user));
        if let Some((id, by_user)) = known {
            // What gossip tells of may end; what the user says does not.
            self.sought.seeks.get_mut(&id).into_iter().for_each(|seek| (seek.by_user, seek.near) = (true, true));
            return Ok(!by_user);
        }
        let given = self.sought.seeks.values().filter(|seek| seek.by_user).count();
        if given >= MOST_GIVEN {
            return Err(DiscoveryError::TooMany { limit: MOST_GIVEN });
        }
        let id = peer.unwrap_or_else(|| self.made_up());
        self.seek(id, endpoint, Source::User { nameless: peer.is_none() });
        Ok(true)
    }

    fn made_up(&mut self) -> PeerId {
        let mut random = [0; 16];
        self.rng.fill_bytes(&mut random);
        uuid::Builder::from_random_bytes(random).into_uuid().into()
    }

    /// Looks for a peer there from now on.
    pub(super) fn seek(&mut self, id: PeerId, at: Address, source: Source) {
        let gossip = matches!(source, Source::Gossip { .. });
        if self.sought.seeks.get(&id).is_some_and(|seek| seek.at == at || (seek.by_user && gossip)) {
            return;
        }
        log!(debug, "peer {id}: sought at {at}");
        self.lead_there(id, &at);
        self.sought.insert(id, at, source);
        let next = self.peers.get(&id).is_none_or(|peer| !peer.ready).then_some(self.now);
        self.sought.set_next(id, next);
        self.serve_seeks();
    }

    /// A peer that came before anybody told where it is, and that said itself that it is there, is met there: as if it had
    /// come afterwards ([`Sought::place_of`]). But a connection that stands is not given up for that.
    fn lead_there(&mut self, id: PeerId, at: &Address) {
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.ready && peer.ending.is_none()) else { return };
        // A HELLO that comes from elsewhere leads to where it comes from, with the port that it names.
        let said = peer.named.is_some() && peer.named == at.ip() && peer.endpoint().port() == at.port();
        if !said || peer.endpoint() == at || matches!(peer.out, Out::Open { .. }) || self.is_own(at) {
            return;
        }
        let former = peer.endpoint().clone();
        self.peers.relocate(id, at.clone());
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.attempts = 0;
        }
        self.reconnect(id);
        self.leave_place(&former);
    }

    /// Gossip no longer knows a peer.
    pub(super) fn seek_no_more(&mut self, id: PeerId) {
        if self.sought.seeks.get(&id).is_some_and(|seek| !seek.by_user) {
            self.sought.remove(id);
            self.schedule_seeks();
        }
    }

    pub(super) fn schedule_seeks(&mut self) {
        let running = self.phase == Phase::Running;
        let at = self.sought.due.first().map(|(at, _)| *at).filter(|_| running);
        // With all places taken, the next attempt begins when one ends.
        let at = at.filter(|_| self.sought.trying.len() < self.config.limits.strangers.max(1));
        self.timers.set(&mut self.sought.clock, Timer::Seek, at, self.now);
    }

    pub(super) fn serve_seeks(&mut self) {
        let now = self.now;
        let free = self.config.limits.strangers.max(1).saturating_sub(self.sought.trying.len());
        let due = self.sought.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id);
        // Each once: at the end of time there is no later for them.
        let due: Vec<_> = due.take(free).collect();
        for id in due {
            if self.phase == Phase::Running {
                self.sought.set_next(id, None);
                self.try_sought(id);
            }
        }
        self.schedule_seeks();
    }

    fn try_sought(&mut self, id: PeerId) {
        let now = self.now;
        let Some(seek) = self.sought.seeks.get(&id) else { return };
        let (at, by_user) = (seek.at.clone(), seek.by_user);
        if self.peers.get(&id).is_some() {
            // By a beacon, or by itself, it is on its way.
            return;
        }
        if self.sought.nameless.contains(&id) {
            let places = [Some(&seek.at), seek.resolved.as_ref()];
            let there = places.into_iter().flatten().flat_map(|at| self.peers.at(at));
            let found = there.into_iter().find(|peer| self.peers.get(peer).is_some_and(|peer| peer.ready));
            if found.is_some() {
                return self.set_found(id, found);
            }
        }
        if let Some(until) = self.admission.returns_at(id, now) {
            return self.sought.set_next(id, Some(until));
        }
        let of_host = self
            .sought
            .trying
            .iter()
            .filter(|other| self.peers.get(other).is_some_and(|peer| peer.endpoint().ip() == at.ip()));
        let crowd = !by_user && at.ip().is_some() && of_host.count() >= self.strangers_of(at.ip());
        if self.peers.len() >= self.config.limits.peers || crowd {
            return self.sought.set_next(id, Some(now + NO_PLACE));
        }
        if self.is_own(&at) {
            log!(info, "nobody is sought at {at}: that is this node");
            return;
        }
        self.sought.trying.insert(id);
        self.introduce(id, at);
        self.connect(id);
    }

    fn set_found(&mut self, id: PeerId, found: Option<PeerId>) {
        if let Some(seek) = self.sought.seeks.get_mut(&id) {
            (seek.found, seek.attempts) = (found, 0);
        }
    }

    /// A name that somebody is sought at is at this address.
    pub(super) fn sought_is_at(&mut self, id: PeerId, at: &Address) {
        if let Some(seek) = self.sought.seeks.get_mut(&id) {
            seek.resolved = Some(at.clone());
        }
    }

    /// A peer has said HELLO.
    pub(super) fn sought_entered(&mut self, id: PeerId) {
        if let Some(seek) = self.sought.seeks.get_mut(&id) {
            seek.attempts = 0;
            self.sought.set_next(id, None);
            self.sought.trying.remove(&id);
            self.schedule_seeks();
        }
    }

    /// The place where somebody without a name was sought is this peer's.
    pub(super) fn sought_is(&mut self, nameless: PeerId, peer: PeerId) {
        if self.sought.nameless.contains(&nameless) {
            self.set_found(nameless, Some(peer));
            self.sought.trying.remove(&nameless);
            self.schedule_seeks();
        }
    }

    /// An attempt has come to nothing, or a relation has ended: whoever was sought there is sought again.
    /// Where somebody answered an attempt and did not say HELLO as a new peer (`answered`), he may be a peer under another
    /// endpoint, to whom each of our HELLOs is a new beginning: he is left alone for a good while.
    pub(super) fn sought_gone(&mut self, id: PeerId, had_entered: bool, answered: bool) {
        if had_entered && self.planted(Planted::SeekOnce) {
            return;
        }
        let jitter = self.random(900, 1100);
        let again = |seek: &Seek| if had_entered { AGAIN } else { backoff(seek.attempts, jitter) };
        let lost = |other: &&PeerId| self.sought.seeks.get(other).is_some_and(|seek| seek.found == Some(id));
        let mut all: Vec<PeerId> = self.sought.nameless.iter().filter(lost).copied().collect();
        all.push(id);
        for id in all {
            self.sought.trying.remove(&id);
            let nameless = self.sought.nameless.contains(&id);
            let Some(seek) = self.sought.seeks.get_mut(&id) else { continue };
            if seek.found.is_some() && !had_entered {
                // Whoever is there has taken over the attempt.
                continue;
            }
            if seek.by_user && !had_entered && seek.attempts == 0 && self.phase == Phase::Running {
                log!(warn, "nobody is met at {}: it is tried again and again", seek.at);
            }
            let in_vain = answered && nameless && seek.attempts >= OFTEN;
            let next = self.now + if in_vain { LEFT_ALONE } else { again(seek) };
            seek.found = None;
            seek.attempts = if had_entered { 0 } else { seek.attempts.saturating_add(1) };
            self.sought.set_next(id, Some(next));
        }
        self.schedule_seeks();
    }
}
