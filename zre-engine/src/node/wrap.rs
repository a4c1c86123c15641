//! The end of the sequence numbers.
//!
//! After 65535 comes 0, but Pyre and zyre.js never use 65535: after 65534 they want 0. Which of the two a peer wants is
//! known when it is of our kind, or when its own numbers have wrapped. Else it is guessed, without risking a message:
//! a PING goes out numbered by the guess, and everything else waits for its PING-OK. A peer that wanted the other
//! number gives us up; we introduce ourselves anew, the application sees nothing of it, and what waited goes out then.

use super::{Node, peer::Peer};
use crate::{
    error::CloseReason,
    id::{ConnId, PeerId},
    log::log,
    zmtp::{Connection, Encoder},
};
use alloc::collections::BTreeMap;
use zre_proto::message::Body;

/// How many peers' ways are remembered after they are gone.
const REMEMBERED: usize = 4096;

/// What comes after 65534.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrap {
    /// 65535, and then 0: as the protocol has it.
    Full,
    /// 0.
    Short,
}

impl Wrap {
    fn other(self) -> Self {
        match self {
            Self::Full => Self::Short,
            Self::Short => Self::Full,
        }
    }
}

/// The first guess: two of the three stock programs are like this.
const GUESS: Wrap = Wrap::Short;

/// A guess that waits to be confirmed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guess {
    wrap: Wrap,
    /// How many PING-OKs it takes to confirm it.
    confirmed_by: u64,
}

/// What peers were found to do, by UUID.
pub(super) type Wraps = BTreeMap<PeerId, Wrap>;

impl Peer {
    /// Whether the next number cannot be known.
    pub(super) fn must_guess(&self) -> bool {
        self.next_out == u16::MAX && self.wrap.is_none() && !self.ours
    }

    /// The number of our next message.
    pub(super) fn take_number(&mut self) -> u16 {
        let short = self.wrap == Some(Wrap::Short) && !self.ours;
        let number = if short && self.next_out == u16::MAX { 0 } else { self.next_out };
        self.next_out = number.wrapping_add(1);
        number
    }
}

impl Node {
    /// Remembers what a peer does at the wrap.
    pub(super) fn learn_wrap(&mut self, id: PeerId, wrap: Wrap) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.wrap = Some(wrap);
        }
        if self.wraps.len() >= REMEMBERED && !self.wraps.contains_key(&id) {
            self.wraps.pop_first();
        }
        self.wraps.insert(id, wrap);
    }

    /// Asks, by a PING, whether the peer wants the number that we guess. Until it answers, messages wait.
    pub(super) fn guess_wrap(&mut self, id: PeerId, conn: ConnId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.wrap = Some(GUESS);
        let number = peer.take_number();
        peer.wrap = None;
        peer.pings += 1;
        peer.guess = Some(Guess { wrap: GUESS, confirmed_by: peer.pings });
        log!(debug, "peer {id}: is {number} the number after 65534?");
        let mut ping = Encoder::default();
        ping.start_message(&Body::Ping, 0);
        ping.set_sequence(number);
        self.put_encoded(conn, &ping, false);
    }

    /// A PING-OK has come: perhaps the one that confirms the guess.
    pub(super) fn check_guess(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(guess) = peer.guess.filter(|guess| peer.pongs >= guess.confirmed_by) {
            peer.guess = None;
            self.learn_wrap(id, guess.wrap);
            self.flush_held(id);
        }
    }

    /// A peer says HELLO anew while a guess is out, all of which it has been sent: it wanted the other number and gave us
    /// up, and has met us again. We introduce ourselves anew too. Returns whether that was so.
    ///
    /// Connections that merely break prove nothing: libzmq resumes, and then the PING-OK still comes.
    pub(super) fn guessed_wrong(&mut self, id: PeerId) -> bool {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let queue = peer.out.conn().and_then(|conn| self.conns.get(conn)).and_then(|conn| conn.zmtp.as_ref());
        if queue.is_none_or(Connection::has_output) {
            return false;
        }
        let Some(guess) = peer.guess.take() else { return false };
        log!(debug, "peer {id}: it was not; introducing ourselves anew");
        peer.reintroducing = true;
        peer.since = now;
        peer.orphaned = None;
        peer.confirmed_by = 0;
        let out = peer.out.conn();
        self.learn_wrap(id, guess.wrap.other());
        if let Some(conn) = out {
            self.close(conn, CloseReason::Abandoned);
        }
        self.connect(id);
        true
    }
}
