//! Events that wait for the application: one queue for all handles of a node.

use crate::error::RecvError;
use parking_lot::{Condvar, Mutex};
use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};
use zre_engine::{Event, EventQueue, Node};

/// The queue has a lock of its own, so that taking an event does not wait for a turn of the driver; but whoever takes the last
/// while more lie with the engine brings these over, and may wait for the end of a turn.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Octets of events that were taken and that the engine does not know of yet. Changed under the queue's lock only, so
    /// that counting costs no more than an addition; looked at without it, for there is nothing as a rule.
    taken: AtomicUsize,
    #[cfg(unix)]
    bell: Bell,
}

#[derive(Debug, Default)]
struct Queue {
    events: EventQueue,
    /// How many wait for one.
    waiting: usize,
    /// Nothing more comes.
    ended: bool,
}

/// What was taken.
#[derive(Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) event: Event,
    /// No other event waits here.
    pub(crate) last: bool,
    /// What was taken, this included, and the engine does not know of, in octets.
    pub(crate) octets: usize,
}

/// How long to wait for an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wait {
    Not,
    Until(Instant),
    Forever,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            taken: AtomicUsize::new(0),
            #[cfg(unix)]
            bell: Bell::new()?,
        })
    }

    /// Adds events, waking those who wait for them. With STOP, or without any when the node broke, it ends.
    pub(crate) fn put(&self, events: &mut Vec<Event>) {
        let mut queue = self.queue.lock();
        #[cfg(unix)]
        self.ring(&queue);
        let many = events.len() > 1;
        queue.ended |= events.last() == Some(&Event::Stop);
        events.drain(..).for_each(|event| queue.events.push(event));
        let all = many || queue.ended;
        drop(queue);
        if all {
            self.arrived.notify_all()
        } else {
            usize::from(self.arrived.notify_one())
        };
    }

    /// Takes all events that a node has, if none waits here: they are not looked at then. Whether it did.
    pub(crate) fn put_all(&self, node: &mut Node) -> bool {
        let many = match node.event_queue().len() {
            0 => return true,
            count => count > 1,
        };
        let mut queue = self.queue.lock();
        if !queue.events.is_empty() {
            return false;
        }
        #[cfg(unix)]
        self.ring(&queue);
        node.take_events(&mut queue.events);
        drop(queue);
        if many {
            self.arrived.notify_all()
        } else {
            usize::from(self.arrived.notify_one())
        };
        true
    }

    /// Whether somebody waits for an event.
    pub(crate) fn is_awaited(&self) -> bool {
        self.queue.lock().waiting > 0
    }

    /// Whether no event waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.lock().events.is_empty()
    }

    /// Nothing more will be put.
    pub(crate) fn end(&self) {
        let mut queue = self.queue.lock();
        #[cfg(unix)]
        self.ring(&queue);
        queue.ended = true;
        drop(queue);
        self.arrived.notify_all();
    }

    /// What was taken and the engine does not know of. Whoever takes something later sees what was done before this call.
    pub(crate) fn taken(&self) -> usize {
        let _queue = self.queue.lock();
        self.taken.load(Ordering::Relaxed)
    }

    /// The same, for telling it to the engine. As a rule there is nothing, and that costs nothing.
    pub(crate) fn forget_taken(&self) -> usize {
        if self.taken.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let _queue = self.queue.lock();
        self.taken.swap(0, Ordering::Relaxed)
    }

    /// Takes an event.
    pub(crate) fn take(&self, wait: Wait) -> Result<Option<Taken>, RecvError> {
        let mut queue = self.queue.lock();
        loop {
            let before = queue.events.octets();
            if let Some(event) = queue.events.pop() {
                #[cfg(unix)]
                self.silence(&queue);
                let octets = self.taken.load(Ordering::Relaxed) + before - queue.events.octets();
                self.taken.store(octets, Ordering::Relaxed);
                return Ok(Some(Taken { event, last: queue.events.is_empty(), octets }));
            }
            if queue.ended {
                return Err(RecvError::Stopped);
            }
            queue.waiting += 1;
            let in_time = match wait {
                Wait::Not => false,
                Wait::Forever => {
                    self.arrived.wait(&mut queue);
                    true
                }
                Wait::Until(at) => !self.arrived.wait_until(&mut queue, at).timed_out(),
            };
            queue.waiting -= 1;
            if !in_time && queue.events.is_empty() && !queue.ended {
                return Ok(None);
            }
        }
    }
}

/// The descriptor that other event loops watch: readable while events wait, and from the end on.
///
/// It rings only once somebody has asked for it; until then it costs nothing.
#[cfg(unix)]
#[derive(Debug)]
struct Bell {
    rings: std::os::unix::net::UnixStream,
    heard: std::os::unix::net::UnixStream,
    watched: std::sync::atomic::AtomicBool,
}

#[cfg(unix)]
impl Inbox {
    /// The descriptor to watch.
    pub(crate) fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd;
        let queue = self.queue.lock();
        let watched = self.bell.watched.swap(true, std::sync::atomic::Ordering::Relaxed);
        if !watched && (queue.ended || !queue.events.is_empty()) {
            self.bell.ring();
        }
        self.bell.heard.as_fd()
    }

    /// Before something is put into the queue.
    fn ring(&self, queue: &Queue) {
        if self.bell.is_watched() && queue.events.is_empty() && !queue.ended {
            self.bell.ring();
        }
    }

    /// After something was taken out of it.
    fn silence(&self, queue: &Queue) {
        if self.bell.is_watched() && queue.events.is_empty() && !queue.ended {
            self.bell.silence();
        }
    }
}

#[cfg(unix)]
impl Bell {
    fn new() -> io::Result<Self> {
        let (rings, heard) = std::os::unix::net::UnixStream::pair()?;
        rings.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok(Self { rings, heard, watched: false.into() })
    }

    fn is_watched(&self) -> bool {
        self.watched.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn ring(&self) {
        use std::io::Write;
        // Where it cannot take one octet more, it rings already.
        let _ = (&self.rings).write(&[1]);
    }

    fn silence(&self) {
        use std::io::Read;
        while matches!((&self.heard).read(&mut [0; 16]), Ok(1..)) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zre_engine::PeerId;

    #[test]
    fn what_waits_comes_before_the_end() {
        let inbox = Inbox::new().unwrap();
        let room = Event::Room { peer: PeerId::from_octets([1; 16]) };
        let room_octets = room.octets();
        assert_eq!(inbox.take(Wait::Not), Ok(None));
        inbox.put(&mut vec![room.clone(), Event::Stop]);
        let take = || inbox.take(Wait::Forever).map(|taken| taken.map(|taken| (taken.event, taken.last)));
        assert_eq!(take(), Ok(Some((room, false))));
        assert_eq!(inbox.forget_taken(), room_octets);
        assert_eq!(take(), Ok(Some((Event::Stop, true))));
        assert_eq!(inbox.take(Wait::Forever), Err(RecvError::Stopped));
        assert_eq!(inbox.take(Wait::Not), Err(RecvError::Stopped));
    }
}
