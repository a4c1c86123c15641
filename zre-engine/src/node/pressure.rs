//! An application that does not keep up: its peers are made to wait, and nothing is lost.
//!
//! What waits is counted by [`Event::octets`](crate::Event::octets). Beyond the limit no message is taken from any
//! connection (what the driver has read already stays in the connection), and the driver is told to stop reading; TCP
//! does the rest. Half of the limit later everything goes on.

use super::{
    Node,
    conns::{Conn, Role},
};
use crate::{action::Action, id::ConnId, planted::Planted, time::Instant};
use alloc::vec::Vec;

impl Node {
    /// The application is done with events that count for so many octets ([`Event::octets`](crate::Event::octets)).
    pub fn consumed(&mut self, now: Instant, octets: usize) {
        // They are consumed, whatever the clock says.
        let _ = self.tick(now);
        self.waiting = self.waiting.saturating_sub(octets);
        let enough = self.waiting <= self.config.limits.events / 2;
        if self.throttled && enough && !self.planted(Planted::NeverReadAgain) {
            self.throttled = false;
            self.set_clocks();
            for id in self.inbound_in_use() {
                if self.throttled {
                    break;
                }
                self.set_reading(id, true);
                self.resume(id);
            }
        }
    }

    /// The events that the application has not [consumed](Self::consumed) yet, in octets
    /// ([`Event::octets`](crate::Event::octets)). Beyond [`Limits::events`](crate::Limits::events) senders are made to wait.
    pub fn events_waiting(&self) -> usize {
        self.waiting
    }

    /// Whether senders are made to wait until events are consumed.
    pub fn is_holding_back(&self) -> bool {
        self.throttled
    }

    pub(super) fn check_pressure(&mut self) {
        if !self.throttled && self.waiting > self.config.limits.events {
            self.throttled = true;
            self.throttled_since = self.now;
            for id in self.inbound_in_use() {
                self.set_reading(id, false);
            }
            let ready: Vec<_> = self.peers().collect();
            for id in ready {
                self.schedule_peer(id);
            }
        }
    }

    /// Turns reading from a connection on or off.
    pub(super) fn set_reading(&mut self, id: ConnId, on: bool) {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.reading != on && !conn.closing) else { return };
        conn.reading = on;
        if let Some(zmtp) = conn.zmtp.as_mut().filter(|_| !on) {
            zmtp.pause();
        }
        if conn.claims().is_some() {
            // What it says lies unread at our wish: it must not be thrown away for somebody who says nothing.
            self.admission.pin_caller(id, !on);
        }
        self.actions.push_back(Action::Reading { conn: id, on });
    }

    /// The inbound connections that are some peer's, in the order of their index; none that waits to take
    /// over, or to be let in.
    fn inbound_in_use(&self) -> Vec<ConnId> {
        let waits = |id: ConnId| {
            let peer = self.inbound_peer(id).and_then(|peer| self.peers.get(&peer));
            peer.is_some_and(|peer| peer.contender == Some(id) || peer.successor.is_some_and(|(conn, _)| conn == id))
        };
        let read = |conn: &Conn| matches!(conn.role(), Role::In(Some(_))) && conn.visitor.is_none();
        let known = self.conns.iter().filter(|(_, conn)| read(conn));
        known.map(|(id, _)| id).filter(|id| !waits(*id)).collect()
    }
}
