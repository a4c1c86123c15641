//! What the handles of a node and its thread share.

mod seat;
mod wheel;

use crate::{
    Driver,
    clock::after,
    error::RecvError,
    inbox::{Inbox, Taken, Wait},
    log::warn,
};
use mio::{Poll, Waker};
use parking_lot::{Condvar, Mutex, MutexGuard};
use seat::{Seat, Sleep, Sleeper};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use wheel::{Wheel, Wishes};
use zre_engine::{Event, ExitReason, PeerId, SendError};

/// Octets that may be taken before the engine is told, while it makes peers wait.
const QUANTUM: usize = 1 << 20;

/// The thread looks after this time whether something is left that callers gave; so late may a message be then.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// How far the thread goes ahead of an application that is taking events, in octets of them: what waits is to be in the
/// processor's cache still when it is taken, and be slices of what was read, not copies. Then it rests until so much was
/// taken, or for [`PATIENCE`], whichever comes first, for an application that takes nothing must not keep it from its other
/// work.
const AHEAD: usize = 768 << 10;

/// Beyond this part of the room for events the engine copies what could be slices.
const SLICED: usize = 16;

/// How far a caller may be ahead of the sockets, in octets that it has copied. Then it rests until they have taken something,
/// or for [`PATIENCE`], though there is room for more: what it copies is to be in the processor's cache still when it is
/// written.
const LEAD: usize = 512 << 10;

/// How many events go to the inbox at a time: it keeps them packed, and they are large until then.
const BATCH: usize = 256;

/// One lock around the driver; whoever holds it drives. The thread holds it for a turn, a caller for a call, which
/// writes to the sockets by itself and wakes the thread only where the thread would otherwise be late. While a caller waits for
/// an event, its turns may take the place of the thread's: see [`wheel`].
///
/// A caller that sends in a tight loop does not shut the thread out: while that waits, the lock is handed over to whoever
/// has waited longest.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Whoever polls has it; it is taken before the state.
    wheel: Mutex<Wheel>,
    wishes: Wishes,
    state: Mutex<State>,
    /// Something changed for those who wait to send.
    room: Condvar,
    /// The thread has ended.
    over: Condvar,
    inbox: Inbox,
    /// The engine makes peers wait until events are taken.
    held_back: AtomicBool,
    /// Events wait with the engine, for when the inbox is empty.
    more: AtomicBool,
    /// The thread rests until the application has caught up.
    resting: AtomicBool,
    rested: Condvar,
    /// How far the thread goes ahead.
    ahead: usize,
    /// Whoever polls waits for the lock.
    wanted: AtomicBool,
    waker: Waker,
    /// The thread has left the wheel, and waits here.
    parking: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) driver: Driver,
    seat: Seat,
    /// Peers that a `try_` call found full: ROOM is for the application.
    asked: BTreeSet<PeerId>,
    /// Callers that rest: they are ahead of the sockets.
    resting_callers: usize,
    /// Callers that wait for room, and the peers that were given up as slow meanwhile.
    senders: usize,
    slow: BTreeSet<PeerId>,
    /// The thread has ended.
    over: bool,
    /// On their way to the inbox.
    events: Vec<Event>,
    /// The application was brought something since the thread last slept.
    heard: bool,
}

impl Shared {
    /// The engine has room for so many octets of events.
    pub(crate) fn new(driver: Driver, inbox: Inbox, poll: Poll, waker: Waker, room: usize) -> Self {
        let state = State {
            driver,
            seat: Seat::new(),
            asked: BTreeSet::new(),
            resting_callers: 0,
            senders: 0,
            slow: BTreeSet::new(),
            over: false,
            events: Vec::new(),
            heard: false,
        };
        Self {
            wheel: Mutex::new(Wheel::new(poll)),
            wishes: Wishes::default(),
            state: Mutex::new(state),
            room: Condvar::new(),
            over: Condvar::new(),
            inbox,
            held_back: AtomicBool::new(false),
            more: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            rested: Condvar::new(),
            ahead: AHEAD.min(room / SLICED / 4 * 3),
            wanted: AtomicBool::new(false),
            waker,
            parking: Condvar::new(),
        }
    }

    /// Looks at the driver; nothing changes.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Driver) -> R) -> R {
        look(&self.state.lock().driver)
    }

    /// Does something with the driver.
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Driver) -> R) -> R {
        let mut state = self.state.lock();
        let result = call(&mut state.driver);
        self.settle(&mut state);
        self.let_go(state);
        result
    }

    /// Sends, waiting for room where there is none.
    pub(crate) fn send<R>(&self, mut attempt: impl FnMut(&mut Driver) -> Result<R, SendError>) -> Result<R, SendError> {
        self.wishes.note_sent();
        let mut state = self.state.lock();
        loop {
            let result = attempt(&mut state.driver);
            let stirred = self.settle(&mut state);
            match result {
                Err(SendError::Full { .. }) if state.over => return Err(SendError::Stopped),
                // What there was to wait for has come already.
                Err(SendError::Full { .. }) if stirred => {}
                Err(SendError::Full { .. }) => {
                    state.senders += 1;
                    self.call_parked(&state);
                    self.room.wait(&mut state);
                    state.senders -= 1;
                }
                other => {
                    let slow = |error| match error {
                        SendError::UnknownPeer(peer) if state.slow.contains(&peer) => SendError::Slow { peer },
                        error => error,
                    };
                    let result = other.map_err(slow);
                    if state.senders == 0 {
                        state.slow.clear();
                    }
                    if state.driver.debt() >= LEAD {
                        self.rest_from_sending(&mut state);
                    }
                    self.let_go(state);
                    return result;
                }
            }
        }
    }

    /// Lets the sockets catch up with a caller.
    #[cold]
    fn rest_from_sending(&self, state: &mut MutexGuard<'_, State>) {
        state.driver.forget_debt();
        state.resting_callers += 1;
        self.call_parked(state);
        self.room.wait_for(state, PATIENCE);
        state.resting_callers -= 1;
    }

    /// Sends where there is room; otherwise the application hears of it later.
    pub(crate) fn try_send<R>(
        &self,
        attempt: impl FnOnce(&mut Driver) -> Result<R, SendError>,
    ) -> Result<R, SendError> {
        self.wishes.note_sent();
        let mut state = self.state.lock();
        let result = attempt(&mut state.driver);
        if let Err(SendError::Full { peer }) = result {
            state.asked.insert(peer);
        }
        self.settle(&mut state);
        self.let_go(state);
        result
    }

    /// What other event loops watch.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inbox.descriptor()
    }

    pub(crate) fn take(&self, wait: Wait) -> Result<Option<Event>, RecvError> {
        match self.take_now()? {
            None if !matches!(wait, Wait::Not) => self.take_later(wait),
            taken => Ok(taken),
        }
    }

    /// The next event, for which there is something to wait.
    fn take_later(&self, wait: Wait) -> Result<Option<Event>, RecvError> {
        if self.wishes.to_drive() && !self.inbox.is_awaited() {
            self.drive(wait);
            // Unless somebody else was faster.
            if let taken @ Some(_) = self.take_now()? {
                return Ok(taken);
            }
        }
        if self.wishes.is_wheel_wanted() {
            self.give_wheel_back();
        }
        self.take_from_inbox(wait)
    }

    fn take_now(&self) -> Result<Option<Event>, RecvError> {
        self.take_from_inbox(Wait::Not)
    }

    fn take_from_inbox(&self, wait: Wait) -> Result<Option<Event>, RecvError> {
        let Some(Taken { event, last, octets: taken }) = self.inbox.take(wait)? else { return Ok(None) };
        if taken >= self.ahead / 4 && self.resting.load(Ordering::SeqCst) {
            self.rested.notify_one();
        }
        // As a rule the thread tells the engine at its next turn. Where peers wait there may be none before it does.
        let held_back = self.held_back.load(Ordering::SeqCst) && (last || taken >= QUANTUM);
        if held_back || (last && self.more.load(Ordering::SeqCst)) {
            self.settle(&mut self.state.lock());
        }
        Ok(Some(event))
    }

    /// Leaves politely, and waits for the end of it for so long at most. Returns whether it came.
    pub(crate) fn stop(&self, wait: Duration) -> bool {
        let mut state = self.state.lock();
        state.driver.stop();
        self.settle(&mut state);
        let until = after(wait);
        while !state.over {
            match until {
                Some(until) if self.over.wait_until(&mut state, until).timed_out() => break,
                Some(_) => {}
                None => self.over.wait(&mut state),
            }
        }
        state.over
    }

    fn let_go(&self, state: MutexGuard<'_, State>) {
        if self.wanted.load(Ordering::Relaxed) {
            MutexGuard::unlock_fair(state);
        }
    }

    /// After the driver did something: brings its events to the inbox, and wakes the thread where that must know.
    /// Returns whether senders that wait were told to try again.
    fn settle(&self, state: &mut State) -> bool {
        let stirred = self.hand_over(state);
        let State { driver, seat, .. } = state;
        match seat.whom_to_wake(driver.is_stopped(), || driver.due()) {
            None => {}
            Some(Sleeper::Parked) => self.call_parked(state),
            Some(Sleeper::Polling) => {
                if let Err(error) = self.waker.wake() {
                    warn!("whoever drives the node cannot be woken: {error}");
                }
            }
        }
        stirred
    }

    fn hand_over(&self, state: &mut State) -> bool {
        let mut room = false;
        loop {
            self.tell_taken(&mut state.driver);
            if let Some(engine) = state.driver.plain_events() {
                state.heard |= !engine.event_queue().is_empty();
                // Where the application has not taken all that it has yet, it will ask for them.
                let left = !self.inbox.put_all(engine);
                set(&self.more, left);
                // Unless it has done so in the meantime.
                if left && self.inbox.is_empty() {
                    continue;
                }
                set(&self.held_back, state.driver.holds_back());
                if !state.driver.holds_back() || self.inbox.taken() == 0 {
                    break;
                }
                continue;
            }
            set(&self.more, false);
            let mut found = false;
            while let Some(event) = state.driver.next_event() {
                (found, state.heard) = (true, true);
                let shown = match &event {
                    Event::Room { peer } => {
                        room = true;
                        state.asked.remove(peer)
                    }
                    Event::Exit { peer, reason, .. } => {
                        room = true;
                        if state.senders > 0 && *reason == ExitReason::Slow {
                            state.slow.insert(*peer);
                        }
                        state.asked.remove(peer);
                        true
                    }
                    Event::Stop => {
                        room = true;
                        true
                    }
                    _ => true,
                };
                if shown {
                    state.events.push(event);
                } else {
                    state.driver.consumed(event.octets());
                }
                if state.events.len() >= BATCH {
                    self.inbox.put(&mut state.events);
                }
            }
            if !state.events.is_empty() {
                self.inbox.put(&mut state.events);
            }
            set(&self.held_back, state.driver.holds_back());
            // Whoever took the last event before that was set has left it to us.
            if !found && self.inbox.taken() == 0 {
                break;
            }
        }
        if room {
            self.room.notify_all();
        }
        room
    }

    fn tell_taken(&self, driver: &mut Driver) {
        let taken = self.inbox.forget_taken();
        if taken > 0 {
            driver.consumed(taken);
        }
    }

    /// Lets an application that lags catch up.
    fn rest(&self, state: &mut MutexGuard<'_, State>) {
        if state.driver.engine().events_waiting() <= self.ahead {
            return;
        }
        state.seat.sleep(Sleep::Short);
        self.resting.store(true, Ordering::SeqCst);
        if self.inbox.taken() < self.ahead / 4 {
            self.rested.wait_for(state, PATIENCE);
        }
        self.resting.store(false, Ordering::SeqCst);
        state.seat.wake();
    }
}

/// Sets a flag; as a rule it is set so already, and that costs nothing.
fn set(flag: &AtomicBool, value: bool) {
    if flag.load(Ordering::SeqCst) != value {
        flag.store(value, Ordering::SeqCst);
    }
}

/// Marks the end of the thread, also where that is a panic.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        // In `run` the lock is let go before this is dropped.
        self.0.state.lock().over = true;
        self.0.inbox.end();
        self.0.room.notify_all();
        self.0.over.notify_all();
    }
}
