//! Small messages that are gathered, so that many of them are one write.

use super::Driver;
use std::{mem, time::Duration};
use zre_engine::{ConnId, Instant, SendError};

/// What is gathered before it is written, in octets: so many, or so many for each connection that has some of it, whichever is
/// more.
const WORTH: usize = 256 << 10;
const WORTH_EACH: usize = 64 << 10;
/// But no more for each than this part of its queue: a queue must not be full of what could have been written. The shortest
/// messages count for five times their octets there.
const PART_OF_QUEUE: usize = 8;
/// What a call of an application is taken to send, in octets.
const SENT_BY_APPLICATION: usize = 1 << 10;
/// About what a message has beyond its content.
const OVERHEAD: usize = 16;

/// From this length on the engine copies no content of a whisper.
pub(super) const SHARED: usize = 4 << 10;

/// Whoever sends so much between two turns is likely to go on: then what was gathered waits for another turn, unless the first
/// of it has waited for so long. Each write wakes who reads, which costs both more than some hundred messages.
const FLOW: usize = 8 << 10;
const LONGEST: Duration = Duration::from_micros(300);

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Cork {
    /// Connections whose octets wait for others to go with them.
    conns: Vec<ConnId>,
    /// How many octets wait, by and large.
    octets: usize,
    /// Those of them that do not tell of a flow: they were there at the last turn, or are a guess.
    before: usize,
    /// Since when.
    since: Instant,
    /// The most that is gathered for one connection.
    most_each: usize,
    /// Whoever turns the driver has seen that more is likely to come at once.
    in_flow: bool,
    /// A socket took nothing more, and none has taken what there was for it since. What was copied for it meanwhile.
    blocked: bool,
    debt: usize,
}

impl Cork {
    /// Where so much may wait for each peer.
    pub(super) fn new(send_queue: usize) -> Self {
        Self { most_each: send_queue / PART_OF_QUEUE, ..Self::default() }
    }

    /// How many octets for so many connections are worth a write.
    fn worth(&self, conns: usize) -> usize {
        WORTH.max(WORTH_EACH * conns).min(self.most_each.saturating_mul(conns))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.conns.clear();
    }

    /// Whether more is likely to come at once, so that writing may wait for it.
    fn flows(&mut self, now: Instant) -> bool {
        let before = mem::replace(&mut self.before, self.octets);
        self.octets - before >= FLOW && now.since(self.since) < LONGEST
    }
}

impl Driver {
    /// A connection has something to write. The first time in a breath that is done at once, for somebody may wait for it;
    /// what follows waits for more. In a flow all of it does. What a connection has to write while it is read goes after that.
    pub(super) fn writable(&mut self, conn: ConnId) {
        if self.served == Some(conn) {
            return;
        }
        let breath = self.breaths;
        let Some(connection) = self.connections.get(conn).filter(|found| found.may_write()) else { return };
        if mem::replace(&mut connection.wrote_in, breath) != breath && !self.cork.in_flow {
            self.write(conn);
            return;
        }
        if !mem::replace(&mut connection.corked, true) {
            if self.cork.is_empty() {
                self.cork.since = self.clock.now();
            }
            self.cork.conns.push(conn);
        }
    }

    /// A message of so many octets was sent to so many peers.
    #[inline]
    pub(super) fn gather(&mut self, receivers: usize, octets: usize) {
        if !self.cork.is_empty() {
            let octets = receivers * (octets + OVERHEAD);
            self.cork.octets += octets;
            self.gathered += octets as u64;
            self.uncork_if_worth_it();
        } else if self.cork.blocked && receivers == 1 && octets < SHARED {
            self.cork.debt = self.cork.debt.saturating_add(octets + OVERHEAD);
        }
    }

    /// From now on, more is likely to come at once, or not. Whoever says so sees to it that what is gathered is written soon.
    pub(crate) fn set_flow(&mut self, flows: bool) {
        self.cork.in_flow = flows;
    }

    /// How far whispers are ahead of sockets that take nothing more, in octets that were copied, by and large.
    pub(crate) fn debt(&self) -> usize {
        self.cork.debt
    }

    /// A socket took so much, and may take more or not.
    pub(super) fn note_written(&mut self, octets: usize, takes_more: bool) {
        self.cork.blocked = !takes_more;
        self.cork.debt = if takes_more { 0 } else { self.cork.debt.saturating_sub(octets) };
    }

    /// It is paid, or not asked for any more.
    pub(crate) fn forget_debt(&mut self) {
        self.cork.debt = 0;
    }

    /// A message was not sent. Where that is for want of room, some is to be made.
    #[cold]
    pub(super) fn not_sent(&mut self, why: SendError) -> SendError {
        if matches!(why, SendError::Full { .. }) {
            self.uncork();
        }
        why
    }

    /// The same as [`gather`](Self::gather) after something was done that may have sent anything.
    pub(super) fn gather_unknown(&mut self) {
        if !self.cork.is_empty() {
            self.cork.octets += SENT_BY_APPLICATION;
            self.cork.before += SENT_BY_APPLICATION;
            self.uncork_if_worth_it();
        }
    }

    fn uncork_if_worth_it(&mut self) {
        if self.cork.octets > self.cork.worth(self.cork.conns.len()) {
            self.uncork();
        }
    }

    /// At a turn: writes what was gathered, unless more is likely to come at once.
    pub(super) fn uncork_in_turn(&mut self) {
        if !self.cork.is_empty() {
            let now = self.clock.now();
            if !self.cork.flows(now) {
                self.uncork();
            }
        }
    }

    /// Writes what was gathered.
    pub(super) fn uncork(&mut self) {
        if self.cork.is_empty() {
            return;
        }
        (self.cork.octets, self.cork.before) = (0, 0);
        let mut conns = mem::take(&mut self.cork.conns);
        for conn in conns.drain(..) {
            if let Some(connection) = self.connections.get(conn) {
                connection.corked = false;
            }
            self.write(conn);
        }
        self.cork.conns = conns;
        self.carry_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Node};
    use mio::{Events, Poll, Token};

    #[test]
    fn more_is_likely_as_long_as_much_comes_and_for_no_longer_than_that() {
        let start = Instant::ZERO + Duration::from_secs(1);
        let mut cork = Cork { since: start, octets: FLOW, ..Cork::default() };
        assert!(cork.flows(start));
        assert!(!cork.flows(start), "nothing has come since");
        cork.octets += FLOW - 1;
        assert!(!cork.flows(start), "not much has");
        cork.octets += FLOW;
        assert!(cork.flows(start + LONGEST - Duration::from_nanos(1)));
        cork.octets += FLOW;
        assert!(!cork.flows(start + LONGEST));
    }

    #[test]
    fn a_write_is_worth_it_before_a_queue_is_full() {
        let worth = |send_queue: usize| [1, 4, 8, 1000].map(|conns| Cork::new(send_queue).worth(conns) >> 10);
        assert_eq!(worth(8 << 20), [256, 256, 512, 64_000]);
        assert_eq!(worth(64 << 10), [8, 32, 64, 8000]);
        assert_eq!(worth(usize::MAX), [256, 256, 512, 64_000]);
    }

    #[test]
    fn the_first_message_is_written_at_once_but_in_a_flow() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(64);
        let port = crate::tests::udp_port();
        let start =
            |name, base| Node::builder(name).interface("lo").port(port).driver(poll.registry(), Token(base)).unwrap();
        let mut drivers = [start("ann", 0), start("ben", Driver::TOKENS)];
        let ben = drivers[1].engine().uuid();
        let mut heard = 0;
        let start = crate::clock::Age::default();
        while heard < 10 {
            assert!(start.is_below(crate::tests::LONG), "{heard} have come");
            let timeout = drivers.iter().filter_map(Driver::timeout).min();
            crate::tests::poll(&mut poll, &mut events, timeout);
            drivers.iter_mut().for_each(|driver| driver.turn(&events));
            let [ann, receiver] = &mut drivers;
            while let Some(event) = receiver.poll_event() {
                heard += usize::from(matches!(event, Event::Whisper { .. }));
            }
            while ann.poll_event().is_some() {}
            if ann.engine().peer(ben).is_some() {
                let flows = heard % 2 == 1;
                ann.set_flow(flows);
                ann.whisper(ben, "hello").unwrap();
                assert_eq!(ann.cork.is_empty(), !flows);
                assert!(!flows || ann.timeout() == Some(Duration::ZERO));
                ann.flush();
                assert!(ann.cork.is_empty());
            }
        }
    }

    #[test]
    fn what_is_gathered_in_a_flow_is_written_once_the_flow_ends() {
        const MESSAGES: usize = 1000;
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(64);
        let port = crate::tests::udp_port();
        let start =
            |name, base| Node::builder(name).interface("lo").port(port).driver(poll.registry(), Token(base)).unwrap();
        let [mut ann, mut ben] = [start("ann", 0), start("ben", Driver::TOKENS)];
        let (mut sent, mut heard) = (false, 0);
        let start = crate::clock::Age::default();
        while heard < MESSAGES {
            assert!(start.is_below(crate::tests::LONG), "{heard} of {MESSAGES} have come");
            let timeout = [ann.timeout(), ben.timeout()].into_iter().flatten().min();
            match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.unwrap(),
            }
            ann.turn(&events);
            ben.turn(&events);
            while let Some(event) = ann.poll_event() {
                if let Event::Enter { peer, .. } = event {
                    (0..MESSAGES).for_each(|number| ann.whisper(peer, number.to_string()).unwrap());
                    sent = true;
                    assert_eq!(ann.timeout(), Some(Duration::ZERO), "the rest goes with the next turns");
                }
            }
            while let Some(event) = ben.poll_event() {
                if let Event::Whisper { content, .. } = event {
                    assert_eq!(content.text(), heard.to_string());
                    heard += 1;
                }
            }
            if sent {
                // More may be likely in the next turn, but not in the one after it.
                ann.turn(&events);
                ann.turn(&events);
                assert_eq!(ann.cork.octets, 0);
            }
        }
    }
}
