//! Events that wait for the application: one queue for all handles of a node.

use crate::error::RecvError;
use parking_lot::{Condvar, Mutex};
use std::{collections::VecDeque, time::Instant};
use zre_engine::Event;

/// The queue has a lock of its own, so that taking an event does not wait for a turn of the driver.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Nothing more comes.
    ended: bool,
}

/// How long to wait for an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wait {
    Not,
    Until(Instant),
    Forever,
}

impl Inbox {
    /// Adds events, waking those who wait for them. With STOP, or without any when the node broke, it ends.
    pub(crate) fn put(&self, events: &mut Vec<Event>) {
        let mut queue = self.queue.lock();
        let many = events.len() > 1;
        queue.ended |= events.last() == Some(&Event::Stop);
        queue.events.extend(events.drain(..));
        let all = many || queue.ended;
        drop(queue);
        if all {
            self.arrived.notify_all()
        } else {
            usize::from(self.arrived.notify_one())
        };
    }

    /// Nothing more will be put.
    pub(crate) fn end(&self) {
        self.queue.lock().ended = true;
        self.arrived.notify_all();
    }

    /// Takes an event, and tells whether it was the last of those that wait.
    pub(crate) fn take(&self, wait: Wait) -> Result<Option<(Event, bool)>, RecvError> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(event) = queue.events.pop_front() {
                return Ok(Some((event, queue.events.is_empty())));
            }
            if queue.ended {
                return Err(RecvError::Stopped);
            }
            match wait {
                Wait::Not => return Ok(None),
                Wait::Forever => self.arrived.wait(&mut queue),
                Wait::Until(at) => {
                    if self.arrived.wait_until(&mut queue, at).timed_out() && queue.events.is_empty() && !queue.ended {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zre_engine::PeerId;

    #[test]
    fn what_waits_comes_before_the_end() {
        let inbox = Inbox::default();
        let room = Event::Room { peer: PeerId::from_octets([1; 16]) };
        assert_eq!(inbox.take(Wait::Not), Ok(None));
        inbox.put(&mut vec![room.clone(), Event::Stop]);
        assert_eq!(inbox.take(Wait::Forever), Ok(Some((room, false))));
        assert_eq!(inbox.take(Wait::Forever), Ok(Some((Event::Stop, true))));
        assert_eq!(inbox.take(Wait::Forever), Err(RecvError::Stopped));
        assert_eq!(inbox.take(Wait::Not), Err(RecvError::Stopped));
    }
}
