//! Peers that say nothing.
//!
//! Silence counts from the last octet of a message on the peer's connection. While its beacon is heard a peer is asked
//! only after half of `expired`; without a beacon, after `evasive`. Each with 10 % of jitter, so that many nodes that
//! started together do not ask together. A PING counts as a word, so one side's PINGs serve both. One node asks many peers
//! at the same moments, a hundred in that time, so that a thousand idle peers do not keep it awake; another node at others.
//!
//! ```text
//! silence ──► PING ──1 s──► EVASIVE ──silent──► SILENT ── … ──► EXIT at `expired`
//!                              └─ a PING every `evasive` ─┘
//! ```
//!
//! While the application does not keep up nobody is listened to, and silence means nothing. After a while of that all clocks
//! start anew. But not after a moment, of which there is one after the other while somebody sends more than the application
//! takes: then nobody's silence would ever be noticed. What was said meanwhile is heard soon after it.

use super::{
    Node,
    life::READ_OUT,
    peer::{Peer, ProbeWhy, Quiet},
};
use crate::{
    event::{Event, ExitReason},
    id::{ConnId, PeerId},
    log::log,
    planted::Planted,
    time::Instant,
};
use core::time::Duration;
use zre_proto::message::Body;

/// How long a PING may go unanswered before the peer is called evasive.
const ANSWER: Duration = Duration::from_secs(1);
/// After a sleep: how long peers have to show that they live.
const AFTER_SLEEP: Duration = Duration::from_secs(2);
/// Nobody is listened to for a moment: for less than this, and less than half of `evasive`.
const MOMENT: Duration = Duration::from_secs(1);
/// At how many moments peers are asked, in the time after which they are.
const MOMENTS: u32 = 100;
/// A factor that spreads PINGs, in thousandths. That they wait for the next moment adds a hundredth, ten of them, at most.
const JITTER: (u32, u32) = (900, 1090);

impl Node {
    /// A peer has said something on a connection.
    pub(super) fn hear(&mut self, id: PeerId, conn: ConnId) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.inbound == Some(conn)) {
            peer.hear(now);
        }
    }

    /// Where between two of the common moments those of this node are, in parts of 256: chance, as its UUID is.
    fn phase(&self) -> u8 {
        self.me.id.as_octets()[15]
    }

    /// By what the PINGs of one peer differ from those of others.
    pub(super) fn draw_jitter(&mut self) -> u32 {
        self.random(JITTER.0, JITTER.1)
    }

    /// Asks a peer for a word, if it can be asked. Whether it could.
    pub(super) fn ping(&mut self, id: PeerId) -> bool {
        if self.planted(Planted::StopPinging) && self.peers.get(&id).is_some_and(|peer| peer.pings >= 3) {
            return true;
        }
        let asked =
            self.peers.get(&id).is_some_and(|peer| peer.open().is_some()) && self.send_unless_full(id, &Body::Ping);
        if let Some(peer) = self.peers.get_mut(&id).filter(|_| asked) {
            peer.pings += 1;
        }
        asked
    }

    pub(super) fn answer_ping(&mut self, id: PeerId) {
        if self.planted_now(Planted::NoPingOk, 4) {
            return;
        }
        // Who cannot be answered yet hears our HELLO first; answers that wait for it would only cost memory.
        if self.peers.get(&id).is_some_and(|peer| peer.open().is_some()) {
            self.send_unless_full(id, &Body::PingOk);
        }
    }

    /// Looks at the clocks of silence of a peer that is ready.
    pub(super) fn serve_quiet(&mut self, id: PeerId) {
        let now = self.now;
        let jitter = self.draw_jitter();
        let (evasive, silent, expired) = (self.config.evasive, self.config.silent, self.config.expired);
        let (throttled, since, phase) = (self.throttled, self.throttled_since, self.phase());
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.ready) else { return };
        let can_be_asked = peer.can_be_asked();
        let quiet = &mut peer.quiet;
        if throttled {
            // We do not listen, so its silence means nothing; but it must not take ours for death.
            if now >= quiet.reminded_at(since) + evasive / 2 {
                quiet.asked = Some((now, now));
                self.ping(id);
            }
            return;
        }
        if now >= quiet.expires_at(expired) {
            if self.config.has(Planted::NeverExpire) {
                quiet.heard = now;
                return;
            }
            if self.planted(Planted::SpinningDeadline) {
                return;
            }
            self.exit(id, ExitReason::Expired, 0);
            return;
        }
        if !can_be_asked {
            return;
        }
        let Some((first, last)) = quiet.asked else {
            if now >= quiet.ask_at(evasive, expired, phase) {
                quiet.asked = Some((now, now));
                quiet.deaf = Duration::ZERO;
                quiet.jitter = jitter;
                self.ping(id);
            }
            return;
        };
        let ask_again = now >= last + evasive;
        if ask_again {
            quiet.asked = Some((first, now));
        }
        let name = peer.name.clone();
        match quiet.evasive {
            None if now >= first + quiet.patience(ANSWER) => {
                quiet.evasive = Some(now);
                log!(info, "EVASIVE {name:?} ({id})");
                self.emit(Event::Evasive { peer: id, name });
            }
            Some(since) if !quiet.silent && now >= since + silent => {
                quiet.silent = true;
                log!(info, "SILENT {name:?} ({id})");
                self.emit(Event::Silent { peer: id, name });
            }
            _ => {}
        }
        if ask_again {
            self.ping(id);
        }
    }

    /// When [`Node::serve_quiet`] has something to do.
    pub(super) fn next_quiet(&self, peer: &Peer) -> Instant {
        let (evasive, silent, expired) = (self.config.evasive, self.config.silent, self.config.expired);
        let quiet = &peer.quiet;
        if self.throttled {
            return quiet.reminded_at(self.throttled_since) + evasive / 2;
        }
        let expires = quiet.expires_at(expired);
        if !peer.can_be_asked() {
            return expires;
        }
        let Some((first, last)) = quiet.asked else {
            return quiet.ask_at(evasive, expired, self.phase()).min(expires);
        };
        let told = match quiet.evasive {
            None => first + quiet.patience(ANSWER),
            Some(since) if !quiet.silent => since + silent,
            Some(_) => expires,
        };
        told.min(last + evasive).min(expires)
    }

    /// The machine slept: nobody could be heard, so nobody is given up before it had a chance to answer.
    pub(super) fn wake_from_sleep(&mut self) {
        let now = self.now;
        log!(info, "time jumped: all peers are asked whether they are there");
        let heard = now + AFTER_SLEEP - self.config.expired;
        let ready: alloc::vec::Vec<_> = self.peers().collect();
        for id in ready {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.quiet.heard = if now.as_nanos() == 0 { now } else { heard.max(peer.quiet.heard) };
            peer.quiet.asked = Some((now, now));
            peer.quiet.deaf = Duration::ZERO;
            peer.quiet.evasive = None;
            peer.quiet.silent = false;
            self.ping(id);
            self.schedule_peer(id);
        }
    }

    /// After a time in which we did not listen.
    pub(super) fn set_clocks(&mut self) {
        let deaf = self.now.since(self.throttled_since);
        if deaf < MOMENT.min(self.config.evasive / 2) {
            self.delay_clocks(deaf);
        } else {
            self.restart_clocks();
        }
    }

    /// The clocks of all peers go on after a moment in which we did not listen; whoever is waited for is given that much more.
    fn delay_clocks(&mut self, deaf: Duration) {
        let now = self.now;
        let all: alloc::vec::Vec<_> = self.peers.iter().map(|(id, _)| id).collect();
        for id in all {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.quiet.deaf += deaf;
                if let Some(ending) = &mut peer.ending {
                    ending.until = now + READ_OUT;
                }
                if let Some(probe) = &mut peer.probe {
                    probe.until = probe.until + deaf;
                }
                if let Some((_, until)) = &mut peer.successor {
                    *until = now + READ_OUT;
                }
            }
            self.schedule_peer(id);
        }
    }

    /// Starts the clocks of all peers anew.
    fn restart_clocks(&mut self) {
        let now = self.now;
        let all: alloc::vec::Vec<_> = self.peers.iter().map(|(id, _)| id).collect();
        for id in all {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.quiet = Quiet { beacon: peer.quiet.beacon, ..Quiet::new(now, peer.quiet.jitter) };
                if !peer.ready || peer.reintroducing {
                    peer.since = now;
                    peer.hello_at = peer.hello_at.map(|_| now);
                }
                if let Some(ending) = &mut peer.ending {
                    ending.until = now + READ_OUT;
                    ending.at_last = now + self.config.introduction;
                }
                if let Some(probe) = &mut peer.probe {
                    probe.until = now + ANSWER;
                }
                if let Some((_, until)) = &mut peer.successor {
                    *until = now + READ_OUT;
                }
            }
            self.schedule_peer(id);
        }
    }
}

impl Peer {
    /// It has said something.
    pub(super) fn hear(&mut self, now: Instant) {
        self.quiet.heard = now;
        self.quiet.deaf = Duration::ZERO;
        if self.quiet.asked.take().is_some() {
            self.quiet.evasive = None;
            self.quiet.silent = false;
        }
        if let Some(ending) = &mut self.ending {
            ending.until = now + READ_OUT;
        }
        if let Some((_, until)) = &mut self.successor {
            *until = now + READ_OUT;
        }
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.why == ProbeWhy::Leaving) {
            // Something is still under way: it is read to its end.
            probe.until = probe.until.max(now + READ_OUT);
        }
    }
}

impl super::peer::Quiet {
    /// How long an answer may take that is to come within this time: where we could not listen for some of it, we have to
    /// have listened for a while.
    fn patience(&self, time: Duration) -> Duration {
        if self.deaf.is_zero() { time } else { time.max(self.deaf.saturating_add(READ_OUT)) }
    }

    /// When the peer is given up.
    fn expires_at(&self, expired: Duration) -> Instant {
        let listened_from = self.asked.map_or(self.heard, |(first, _)| first);
        (self.heard + expired).max(listened_from + self.patience(Duration::ZERO))
    }

    /// The last time that the peer was sure to have heard of us, where we have not listened since then.
    fn reminded_at(&self, since: Instant) -> Instant {
        self.asked.map_or(self.heard, |(_, last)| last).max(since)
    }

    /// When a peer that was last heard so is to be asked, by a node of this phase.
    fn ask_at(&self, evasive: Duration, expired: Duration, phase: u8) -> Instant {
        let jittered = |duration: Duration| duration.saturating_mul(self.jitter) / 1000;
        let seen = self.beacon.map_or(self.heard, |beacon| beacon.max(self.heard));
        let at = (seen + jittered(evasive)).min(self.heard + jittered(expired / 2));
        let step = evasive.min(expired / 2) / MOMENTS;
        let phase = step / 256 * u32::from(phase);
        (at - phase).round_up(step) + phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn many_peers_are_asked_at_few_moments_each_in_its_time() {
        const PHASE: u8 = 77;
        let evasive = Duration::from_secs(5);
        let mut moments = BTreeSet::new();
        for (peer, jitter) in (JITTER.0..=JITTER.1).cycle().take(2000).enumerate() {
            let heard = Instant::ZERO + Duration::from_millis(1_000_000) + Duration::from_micros(peer as u64 * 2500);
            let mut quiet = Quiet::new(heard, jitter);
            for expired in [evasive * 6, evasive] {
                let asked = quiet.ask_at(evasive, expired, PHASE);
                moments.insert(asked);
                let (waits, least) = (asked.since(heard), evasive.min(expired / 2));
                assert!(waits * 10 >= least * 9 && waits * 10 <= least * 11, "{waits:?}");
            }
            quiet.beacon = Some(heard + Duration::from_secs(100));
            let waits = quiet.ask_at(evasive, evasive * 6, PHASE).since(heard);
            assert!(waits >= evasive * 27 / 10 && waits <= evasive * 33 / 10, "{waits:?}");
        }
        assert!(moments.len() < 400, "{} moments in 8 seconds", moments.len());
        let quiet = Quiet::new(Instant::ZERO + Duration::from_secs(1000), 1000);
        let of_others: BTreeSet<_> = (0..=255).map(|phase| quiet.ask_at(evasive, evasive * 6, phase)).collect();
        assert_eq!(of_others.len(), 256, "other nodes ask at other moments");
    }
}
