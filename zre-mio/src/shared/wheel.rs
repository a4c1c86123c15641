//! Who drives a node: its thread, or for a while a thread of the application that waits for events anyway.
//!
//! Where one side asks and the other answers, each message that comes would wake two threads, one after the other: the
//! node's, which reads it, and the application's, which waits for it. So a thread of the application that has sent something
//! before each of its last waits drives the node itself while it waits. The node's own thread is parked then. Each [`PATIENCE`] it
//! looks whether somebody still drives, and takes the wheel back where nobody does.

use super::{End, PATIENCE, Shared, State, seat::Sleep};
use crate::{
    clock::{after, until},
    flow::Flow,
    inbox::Wait,
    log::{debug, warn},
};
use mio::{Events, Poll};
use parking_lot::MutexGuard;
use std::{
    io, mem,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

/// So often in a row must a thread have sent something before it waited for an event. The next time it drives.
const EXCHANGES: usize = 8;
/// How long it drives without an event: for those who are slower, to wake two threads is no matter.
const LONGEST: Duration = Duration::from_millis(2);

thread_local! {
    /// Its address is the number of a thread.
    static THREAD: u8 = const { 0 };
}

/// What it takes to drive.
#[derive(Debug)]
pub(super) struct Wheel {
    poll: Poll,
    events: Events,
    flow: Flow,
}

impl Wheel {
    pub(super) fn new(poll: Poll) -> Self {
        Self { poll, events: Events::with_capacity(256), flow: Flow::default() }
    }
}

/// What tells whether an application should drive. Where several of its threads talk at once this may miscount, and is then only
/// a bad guess.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// The thread that has sent something since one last waited for an event; and how often in a row it was the same that did.
    sender: AtomicUsize,
    exchanges: AtomicUsize,
    /// Somebody wants the wheel, or has got it: until the thread has taken it back.
    wheel: AtomicBool,
}

impl Wishes {
    pub(super) fn note_sent(&self) {
        self.sender.store(this_thread(), Ordering::Relaxed);
    }

    /// This thread is about to wait. Whether it should drive.
    pub(super) fn to_drive(&self) -> bool {
        let sent = self.sender.swap(0, Ordering::Relaxed) == this_thread();
        let exchanges = if sent { self.exchanges.load(Ordering::Relaxed) + 1 } else { 0 };
        self.exchanges.store(exchanges.min(EXCHANGES), Ordering::Relaxed);
        exchanges > EXCHANGES
    }

    pub(super) fn is_wheel_wanted(&self) -> bool {
        self.wheel.load(Ordering::SeqCst)
    }
}

/// A number that no other living thread has; not zero.
fn this_thread() -> usize {
    // Where a thread ends there is none left.
    THREAD.try_with(|octet| &raw const *octet as usize).unwrap_or(1)
}

impl Shared {
    /// The life of the node's thread.
    pub(crate) fn run(&self) {
        // However it ends, nobody waits for it in vain.
        let _end = End(self);
        let mut wheel = self.wheel.lock();
        let mut state = self.state.lock();
        while !state.driver.is_stopped() {
            if let Err(error) = self.turn(&mut state, &mut wheel, None) {
                warn!("the node cannot go on: its poll failed: {error}");
                // `End` takes the state.
                drop(state);
                return;
            }
            if !self.wishes.is_wheel_wanted() {
                self.rest(&mut state);
                continue;
            }
            drop(wheel);
            self.park(&mut state);
            wheel = match self.wheel.try_lock() {
                Some(wheel) => wheel,
                None => {
                    // Somebody has it again. Whoever has it takes the state next.
                    drop(state);
                    let wheel = self.wheel.lock();
                    state = self.state.lock();
                    wheel
                }
            };
        }
        drop(state);
        debug!("the node's thread ends");
    }

    /// Waits until nobody else drives any more.
    fn park(&self, state: &mut MutexGuard<'_, State>) {
        state.seat.park();
        loop {
            let driven = state.seat.driven();
            if state.seat.is_empty() && self.is_thread_wanted(state) {
                break;
            }
            let called = !self.parking.wait_for(state, PATIENCE).timed_out();
            let is_driven = state.seat.is_taken() || (!called && state.seat.driven() != driven);
            if !is_driven || state.driver.is_stopped() {
                break;
            }
        }
        state.seat.unpark();
        self.wishes.exchanges.store(0, Ordering::Relaxed);
        self.wishes.wheel.store(false, Ordering::SeqCst);
    }

    /// Nobody drives until the thread, which is parked, looks again. Whether something is to be done before.
    fn is_thread_wanted(&self, state: &mut State) -> bool {
        let State { driver, seat, .. } = state;
        seat.sleep(Sleep::Until(Some(driver.read_clock() + PATIENCE)));
        seat.whom_to_wake(driver.is_stopped(), || driver.due()).is_some() || self.inbox.is_awaited()
    }

    /// Drives until there is an event, or has come none for a while, or the wait is nearly over.
    pub(super) fn drive(&self, wait: Wait) {
        let left = {
            let longest = after(LONGEST);
            // A poll may take a millisecond more than it should.
            let end = match wait {
                Wait::Until(at) => longest.zip(at.checked_sub(PATIENCE)).map(|(longest, at)| longest.min(at)),
                _ => longest,
            };
            move || end.map_or(Duration::ZERO, until)
        };
        if left().is_zero() {
            return;
        }
        let Some(wheel) = self.wheel.try_lock().or_else(|| self.ask_for_wheel()) else { return };
        let mut driving = Driving { shared: self, wheel };
        let mut state = self.state.lock();
        state.seat.take();
        while self.inbox.is_empty() && !state.driver.is_stopped() && !state.over {
            let left = left();
            // Whatever is wrong with the poll, the thread will find it as well, and say so.
            if left.is_zero() || self.turn(&mut state, &mut driving.wheel, Some(left)).is_err() {
                break;
            }
        }
    }

    /// The wheel, from the thread that polls.
    fn ask_for_wheel(&self) -> Option<MutexGuard<'_, Wheel>> {
        if self.state.lock().seat.is_taken() {
            return None;
        }
        self.wishes.wheel.store(true, Ordering::SeqCst);
        self.waker.wake().ok()?;
        self.wheel.try_lock_for(PATIENCE)
    }

    /// An application that could drive waits in another way.
    #[cold]
    pub(super) fn give_wheel_back(&self) {
        self.call_parked(&self.state.lock());
    }

    /// Has the thread take the wheel, if nobody has it.
    pub(super) fn call_parked(&self, state: &State) {
        if state.seat.is_empty() {
            self.parking.notify_one();
        }
    }

    /// Waits until something is to be done, for so long at most, and does it.
    fn turn(&self, state: &mut MutexGuard<'_, State>, wheel: &mut Wheel, limit: Option<Duration>) -> io::Result<()> {
        let heard = mem::take(&mut state.heard);
        let short = wheel.flow.goes_on(state.driver.now(), state.driver.gathered(), heard);
        state.driver.set_flow(short);
        let sleep = if short { Sleep::Short } else { Sleep::Until(state.driver.due()) };
        state.seat.sleep(sleep);
        let timeout = [state.driver.timeout(), short.then_some(PATIENCE), limit].into_iter().flatten().min();
        let polled = MutexGuard::unlocked(state, || {
            let polled = wheel.poll.poll(&mut wheel.events, timeout);
            self.wanted.store(true, Ordering::Relaxed);
            polled
        });
        self.wanted.store(false, Ordering::Relaxed);
        state.driver.set_flow(false);
        state.seat.wake();
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.tell_taken(&mut state.driver);
        // Whoever sends does it while nobody holds the state: what is found has waited.
        state.driver.flush();
        if state.driver.turn_for_others(&wheel.events) && state.resting_callers > 0 {
            self.room.notify_all();
        }
        self.hand_over(state);
        Ok(())
    }
}

/// An application drives, until this is dropped: also where that is for a panic. The state is not locked then.
struct Driving<'a> {
    shared: &'a Shared,
    wheel: MutexGuard<'a, Wheel>,
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if state.seat.leave() && self.shared.is_thread_wanted(&mut state) {
            self.shared.parking.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PATIENCE;
    use crate::{
        Event, Node, SendError,
        clock::Age,
        tests::{LONG, next, pair},
    };
    use std::{sync::mpsc, thread, time::Duration};

    /// Answers every message that is not "quiet", until its peer leaves.
    fn echo(node: &Node) -> thread::JoinHandle<()> {
        let node = node.clone();
        thread::spawn(move || {
            for event in node.events() {
                match event {
                    Event::Whisper { peer, content, .. } if content.text() != "quiet" => {
                        // It may have left meanwhile.
                        let sent = node.whisper(peer, content);
                        assert!(matches!(sent, Ok(()) | Err(SendError::UnknownPeer(_))), "{sent:?}");
                    }
                    Event::Exit { .. } => break,
                    _ => {}
                }
            }
        })
    }

    /// So many messages of which each is answered, so many of them at a time.
    fn talk(ann: &Node, ben: &Node, count: usize, at_a_time: usize) {
        for _ in 0..count {
            (0..at_a_time).for_each(|_| ann.whisper(ben.uuid(), "hello").unwrap());
            (0..at_a_time).for_each(|_| assert!(matches!(next(ann), Event::Whisper { .. })));
        }
    }

    fn driven(node: &Node) -> u64 {
        node.shared().state.lock().seat.driven()
    }

    #[test]
    fn who_asks_and_waits_drives_and_the_thread_goes_on_where_nobody_does() {
        let (ann, ben) = pair();
        let answers = echo(&ben);
        assert_eq!((driven(&ann), driven(&ben)), (0, 0));
        let start = Age::default();
        // On a busy machine it may take a few attempts.
        while driven(&ann) == 0 || driven(&ben) == 0 {
            assert!(start.is_below(LONG), "{} and {}", driven(&ann), driven(&ben));
            talk(&ann, &ben, 30, 1);
        }
        // Nobody waits for events of ann's now. What comes is read all the same, before anything is due.
        for number in 0.. {
            assert!(start.is_below(LONG), "the thread only goes on when something is due");
            talk(&ann, &ben, 30, 1);
            ann.whisper(ben.uuid(), "quiet").unwrap();
            let (parked, due) = {
                let state = ann.shared().state.lock();
                (state.seat.is_empty(), state.driver.due())
            };
            let group = format!("tea {number}");
            ben.join(&group).unwrap();
            while ann.peers_by_group(&group).is_empty() {
                assert!(start.is_below(LONG), "the thread does not go on");
                thread::yield_now();
            }
            let now = ann.shared().state.lock().driver.read_clock();
            assert!(matches!(next(&ann), Event::Join { .. }));
            // It is called a little before.
            if parked && due.is_none_or(|due| now + 2 * PATIENCE < due) {
                break;
            }
        }
        talk(&ann, &ben, 300, 1);
        ann.stop();
        answers.join().unwrap();
    }

    #[test]
    fn a_thread_that_only_receives_does_not_drive() {
        let (ann, ben) = pair();
        let answers = echo(&ben);
        let (came, next_one) = mpsc::channel();
        thread::scope(|scope| {
            let (ann, ben) = (&ann, &ben);
            scope.spawn(move || {
                for _ in 0..100 {
                    ann.whisper(ben.uuid(), "hello").unwrap();
                    next_one.recv().unwrap();
                }
            });
            for _ in 0..100 {
                assert!(matches!(next(ann), Event::Whisper { .. }));
                came.send(()).unwrap();
            }
        });
        assert_eq!(driven(&ann), 0);
        ann.stop();
        answers.join().unwrap();
    }

    #[test]
    fn several_messages_at_a_time_come_as_well() {
        let (ann, ben) = pair();
        let answers = echo(&ben);
        talk(&ann, &ben, 20, 1);
        talk(&ann, &ben, 100, 3);
        talk(&ann, &ben, 20, 1);
        ann.stop();
        answers.join().unwrap();
    }

    #[test]
    fn a_wait_has_its_limit_for_those_who_drive() {
        const LIMIT: Duration = Duration::from_millis(50);
        let (ann, ben) = pair();
        let answers = echo(&ben);
        let (all, mut before) = (Age::default(), driven(&ann));
        while driven(&ann) == before {
            assert!(all.is_below(LONG), "it never drives");
            talk(&ann, &ben, 30, 1);
            before = driven(&ann);
            ann.whisper(ben.uuid(), "quiet").unwrap();
            let start = Age::default();
            assert_eq!(ann.recv_timeout(LIMIT), Ok(None));
            assert!(!start.is_below(LIMIT));
        }
        // No time to wait: nothing to drive for.
        talk(&ann, &ben, 30, 1);
        let before = driven(&ann);
        ann.whisper(ben.uuid(), "quiet").unwrap();
        assert_eq!(ann.recv_timeout(Duration::ZERO), Ok(None));
        assert_eq!(driven(&ann), before);
        ann.stop();
        answers.join().unwrap();
    }

    /// That it is woken at once for that is for the seat to show: here it would look after a moment in any case.
    #[test]
    fn a_node_stops_while_the_application_drives() {
        let (ann, ben) = pair();
        let answers = echo(&ben);
        let start = Age::default();
        let last = thread::scope(|scope| {
            let talks = scope.spawn(|| {
                let mut last = None;
                while ann.whisper(ben.uuid(), "hello").is_ok()
                    && let Ok(event) = ann.recv()
                {
                    last = Some(event);
                }
                while let Ok(event) = ann.recv() {
                    last = Some(event);
                }
                last
            });
            let is_driven = || ann.shared().state.lock().seat.is_taken();
            while !is_driven() && start.is_below(LONG) {
                thread::yield_now();
            }
            ann.stop();
            talks.join().unwrap()
        });
        assert!(start.is_below(LONG), "it never drives, or never stops");
        assert_eq!(last, Some(Event::Stop));
        answers.join().unwrap();
    }

    #[test]
    fn several_threads_ask_and_wait_at_once() {
        const EACH: usize = 500;
        let (ann, ben) = pair();
        let answers = echo(&ben);
        thread::scope(|scope| {
            // Each takes an answer for each that it asked, whoever asked for that.
            (0..3).for_each(|_| drop(scope.spawn(|| talk(&ann, &ben, EACH, 1))));
        });
        assert_eq!(ann.try_recv(), Ok(None));
        ann.stop();
        answers.join().unwrap();
    }
}
