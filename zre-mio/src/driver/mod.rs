//! The engine's node over real sockets, stepped by the caller.

mod act;
mod cork;
mod discover;
mod start;
#[cfg(test)]
mod tests;
mod turn;
mod watch;

use crate::{
    buffer::Buffers,
    clock::Clock,
    connection::Connections,
    ears::Ears,
    listener::Listener,
    log::{debug, info},
    resolver::Resolver,
    udp::Link,
};
use cork::Cork;
use mio::Token;
pub(crate) use start::bind;
use std::{
    collections::VecDeque,
    fmt, mem,
    net::Ipv4Addr,
    time::{Duration, Instant as StdInstant},
};
use watch::Watch;
use zre_engine::{
    Address, ConfigError, ConnId, Content, Event, Instant, IoCause, ListenerId, Node as Engine, PeerId, SendError,
};

/// What an orderly end may take beyond the engine's linger, to write what was said last.
const GRACE: Duration = Duration::from_millis(50);

/// A ZRE node whose sockets are in a mio `Poll` of yours: no thread, no hop, the lowest latency.
///
/// The loop is: poll for no longer than [`timeout`](Self::timeout), give the events to [`turn`](Self::turn), take what
/// [`poll_event`](Self::poll_event) has until it has none. Each other method may be called between two turns; ask for
/// `timeout` anew after that.
///
/// The first message to a peer between two turns is written at once. Those that follow are gathered, so that many small ones
/// are one write, and go out when they are many (256 KiB, or 64 KiB for each of more than four peers) or with the next turn,
/// for which `timeout` then does not wait; or by [`flush`](Self::flush), if the next turn is far. After a turn before which
/// 8 KiB and more were sent they wait for one turn more, in case that this goes on, until 300 µs have passed.
///
/// An [`App`](crate::App) runs on it by [`call_app`](Self::call_app), [`serve_app`](Self::serve_app) and
/// [`app_timeout`](Self::app_timeout).
///
/// ```no_run
/// use mio::{Events, Poll, Token};
/// use zre_mio::{Event, Node};
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(256);
/// let mut driver = Node::builder("alice").interface("lo").driver(poll.registry(), Token(0))?;
/// driver.join("telemetry")?;
/// while !driver.is_stopped() {
///     match poll.poll(&mut events, driver.timeout()) {
///         // A signal, or the debugger: once more.
///         Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
///         polled => polled?,
///     }
///     driver.turn(&events);
///     while let Some(event) = driver.poll_event() {
///         if let Event::Enter { peer, name, .. } = event {
///             println!("{name} is here");
///             // An error says that it has left again meanwhile, or that too much waits for it.
///             let _ = driver.whisper(peer, "hello");
///         }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Driver {
    engine: Engine,
    clock: Clock,
    ears: Ears,
    base: usize,
    /// The mailbox, where there is one, and hubs.
    listeners: Vec<Listener>,
    /// What `*` stands for as a host to listen at.
    any: Ipv4Addr,
    /// Where peers are told that the mailbox is, if not where it is.
    advertise: Option<Address>,
    links: Vec<Link>,
    connections: Connections,
    resolver: Resolver<ConnId>,
    /// None where the node has no interface of its own to look after.
    watch: Option<Watch>,
    buffers: Buffers,
    /// Connections with something to do that the poll will not tell again: those that peers opened, and ours.
    ready: [VecDeque<ConnId>; 2],
    /// The connection that is read. What it has to write goes after that.
    served: Option<ConnId>,
    /// What the last turn brought that the application may answer.
    asked: Option<Asked>,
    /// Something was written since the last turn.
    wrote: bool,
    cork: Cork,
    /// What went through the cork so far, in octets, by and large.
    gathered: u64,
    /// Turns and the times between two turns, counted: in each of them, the first message to a peer is written at once, unless
    /// the cork says that there is a flow.
    breaths: u64,
    /// Broken connections that the engine has not heard of yet.
    ended: Vec<(ConnId, IoCause)>,
    /// Connections that the engine is done with and that still have something to write; earliest end first.
    closing: VecDeque<(Instant, ConnId)>,
    linger: Duration,
    /// Time between beacons.
    interval: Duration,
    /// The end of an orderly end.
    stop_by: Option<Instant>,
    /// The application has taken all events that there were, and there was no turn since.
    drained: bool,
    /// The engine has said STOP.
    silent: bool,
    /// The application has heard STOP.
    stopped: bool,
}

/// A connection that brought something short.
#[derive(Debug)]
struct Asked {
    conn: ConnId,
    /// Something was left in its socket, and until when.
    left_until: Option<Instant>,
}

impl Driver {
    /// How many tokens a driver may use, from its base on.
    pub const TOKENS: usize = 1 << 24;

    /// Whether the token is one of the driver's: one of the [`TOKENS`](Self::TOKENS) from its base on.
    pub fn owns(&self, token: Token) -> bool {
        token.0.checked_sub(self.base).is_some_and(|own| own < Self::TOKENS)
    }

    /// When the driver wants its next turn, whatever the poll tells. None: not until the poll tells something.
    pub fn next_deadline(&self) -> Option<StdInstant> {
        self.clock.forget();
        self.wanted().map(|at| self.clock.machine(at))
    }

    /// How long the poll may wait: the time until [`next_deadline`](Self::next_deadline).
    pub fn timeout(&self) -> Option<Duration> {
        self.wanted().map(|at| if at == Instant::ZERO { Duration::ZERO } else { self.until(at) })
    }

    /// When the caller is wanted: as a rule when something is due. At once where what it did itself has brought an event, for
    /// nobody else tells it of that.
    fn wanted(&self) -> Option<Instant> {
        let has_news = self.drained && !self.stopped && !self.engine.event_queue().is_empty();
        if has_news { Some(Instant::ZERO) } else { self.due() }
    }

    /// How long it is until then.
    pub(crate) fn until(&self, at: Instant) -> Duration {
        self.clock.forget();
        let until = at.since(self.clock.now());
        self.clock.forget();
        until
    }

    /// The same, for comparing. What is due at once is due at zero.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        let at_once = self.silent && self.connections.len() == 0
            || !self.ended.is_empty()
            || !self.cork.is_empty()
            || self.ready.iter().any(|ready| !ready.is_empty())
            || self.links.iter().any(|link| link.readable)
            || self.listeners.iter().any(|listener| listener.readable && listener.retry_at.is_none());
        if at_once {
            return Some(Instant::ZERO);
        }
        let engine = self.engine.poll_timeout().map(|deadline| deadline.at);
        let closing = self.closing.front().map(|(at, _)| *at);
        let watch = self.watch.as_ref().filter(|_| self.stop_by.is_none()).map(|watch| watch.next);
        let retry = self.listeners.iter().filter(|listener| listener.readable).filter_map(|listener| listener.retry_at);
        let left = self.asked.as_ref().and_then(|asked| asked.left_until);
        let nap = self.links.iter().filter_map(Link::nap_until).min();
        let sockets = earlier(earlier(closing, nap), earlier(left, retry.min()));
        earlier(earlier(engine, sockets), earlier(watch, self.stop_by))
    }

    /// The time of what was done last; what comes next is done later.
    pub(crate) fn now(&self) -> Instant {
        let now = self.clock.now();
        self.clock.forget();
        now
    }

    /// The time that it is.
    pub(crate) fn read_clock(&self) -> Instant {
        self.clock.forget();
        self.now()
    }

    /// How many octets were gathered so far, by and large.
    pub(crate) fn gathered(&self) -> u64 {
        self.gathered
    }

    /// The next event, until there is none. Without being asked, senders are made to wait once
    /// [`Limits::events`](zre_engine::Limits::events) is used up.
    pub fn poll_event(&mut self) -> Option<Event> {
        let queue = self.engine.event_queue();
        // As a rule. The event is made where the caller wants it: nothing may be done with it after that.
        if queue.is_plain() && !queue.is_empty() && !self.silent && !self.holds_back() {
            return self.engine.poll_event();
        }
        let event = self.next_event();
        self.drained = event.is_none();
        if event.is_none() || self.holds_back() {
            self.tell_taken();
        }
        event
    }

    /// Tells the engine what was taken by [`poll_event`](Self::poll_event). As long as nobody waits for it, once for many
    /// events.
    fn tell_taken(&mut self) {
        let taken = self.engine.events_waiting().saturating_sub(self.engine.event_queue().octets());
        if taken > 0 {
            self.consumed(taken);
        }
    }

    /// The engine, if all its events are such as need no more than to be handed on.
    pub(crate) fn plain_events(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine).filter(|engine| !self.silent && engine.event_queue().is_plain())
    }

    /// The next event, which still counts as waiting.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        if self.stopped {
            return None;
        }
        if !self.silent {
            match self.engine.poll_event() {
                // Not before the sockets are closed: a program may end itself on it.
                Some(Event::Stop) => self.silent = true,
                other => return other,
            }
        }
        (self.connections.len() == 0).then(|| {
            self.tear_down();
            Event::Stop
        })
    }

    /// So much of what waited has been taken.
    pub(crate) fn consumed(&mut self, octets: usize) {
        // When that was is of no interest but to those who were made to wait for it.
        if self.holds_back() {
            self.clock.forget();
        }
        let now = self.clock.now();
        self.engine.consumed(now, octets);
        self.carry_out();
    }

    /// Whether some peers are made to wait until events are taken.
    pub(crate) fn holds_back(&self) -> bool {
        self.engine.is_holding_back()
    }

    /// The engine, for all that can be asked: `peers`, `peer`, `own_groups`, `statistics`, …
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Joins a group and tells all peers. `Ok(false)`: the node was in it already, and nothing was sent.
    ///
    /// # Errors
    ///
    /// As for [`Node::join`](crate::Node::join).
    pub fn join(&mut self, group: &str) -> Result<bool, SendError> {
        self.apply(|engine, now| engine.join(now, group))
    }

    /// Leaves a group and tells all peers. `Ok(false)`: the node was not in it, and nothing was sent.
    ///
    /// # Errors
    ///
    /// As for [`Node::leave`](crate::Node::leave).
    pub fn leave(&mut self, group: &str) -> Result<bool, SendError> {
        self.apply(|engine, now| engine.leave(now, group))
    }

    /// Sends a message to one peer. [`SendError::Full`] where too much waits for it already; once half of that is gone,
    /// [`Event::Room`] comes.
    ///
    /// # Errors
    ///
    /// As for [`Node::try_whisper`](crate::Node::try_whisper): a driver never waits.
    pub fn whisper(&mut self, peer: PeerId, content: impl Into<Content>) -> Result<(), SendError> {
        self.whisper_content(peer, &content.into())
    }

    /// The same of a content that the caller keeps: to send it again, or once there is room.
    ///
    /// # Errors
    ///
    /// As for [`whisper`](Self::whisper).
    pub fn whisper_content(&mut self, peer: PeerId, content: &Content) -> Result<(), SendError> {
        match self.apply(|engine, now| engine.whisper_content(now, peer, content)) {
            Ok(()) => {
                self.gather(1, content.octets());
                Ok(())
            }
            Err(why) => Err(self.not_sent(why)),
        }
    }

    /// Sends a message to all peers in a group, or to none, and returns to how many. As with
    /// [`whisper`](Self::whisper), [`SendError::Full`] names a peer that holds it up.
    ///
    /// # Errors
    ///
    /// As for [`Node::try_shout`](crate::Node::try_shout): a driver never waits.
    pub fn shout(&mut self, group: &str, content: impl Into<Content>) -> Result<usize, SendError> {
        self.shout_content(group, &content.into())
    }

    /// The same of a content that the caller keeps: to send it again, or once there is room.
    ///
    /// # Errors
    ///
    /// As for [`shout`](Self::shout).
    pub fn shout_content(&mut self, group: &str, content: &Content) -> Result<usize, SendError> {
        match self.apply(|engine, now| engine.shout_content(now, group, content)) {
            Ok(receivers) => {
                self.gather(receivers, content.octets());
                Ok(receivers)
            }
            Err(why) => Err(self.not_sent(why)),
        }
    }

    /// Writes what was gathered for the next turn, as far as the sockets take it.
    pub fn flush(&mut self) {
        self.clock.forget();
        self.uncork();
    }

    /// Sets a header. Peers that are there already do not hear of it.
    ///
    /// # Errors
    ///
    /// As for [`Node::set_header`](crate::Node::set_header).
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        self.apply(|engine, _| engine.set_header(name, value))
    }

    /// Ends the relation with a peer. It may come back when its next beacon is heard.
    ///
    /// # Errors
    ///
    /// [`SendError::UnknownPeer`], where the peer has not entered or has left.
    pub fn disconnect(&mut self, peer: PeerId) -> Result<(), SendError> {
        self.apply(|engine, now| engine.disconnect(now, peer))
    }

    /// Leaves politely. Go on with turns until [`Event::Stop`] comes: no later than the linger and a little more.
    pub fn stop(&mut self) {
        if !self.is_stopping() {
            self.with_engine(Engine::stop);
        }
    }

    /// Whether the node has stopped and [`Event::Stop`] was taken. Its sockets are closed.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the end has begun.
    fn is_stopping(&self) -> bool {
        self.stop_by.is_some() || self.silent
    }

    /// Lets somebody do with the engine what an application may do, stopping it included, and carries out what comes of
    /// it.
    pub(crate) fn with_engine<R>(&mut self, call: impl FnOnce(&mut Engine, Instant) -> R) -> R {
        self.clock.forget();
        let now = self.clock.now();
        let result = call(&mut self.engine, now);
        // Whether that has stopped the engine: it says so before anything else, and a group without a name cannot be
        // left in any case. Before its actions are carried out, for they must be within the time that there is now.
        let stops = self.engine.leave(now, "") == Err(SendError::Stopped);
        if stops && !self.is_stopping() {
            debug!("stopping");
            self.stop_by = Some(now + self.linger + GRACE);
        }
        self.carry_out();
        self.note_answer();
        self.gather_unknown();
        result
    }

    fn apply<R>(&mut self, call: impl FnOnce(&mut Engine, Instant) -> R) -> R {
        // A turn is near where something waits for it: until then, no time passes.
        if self.cork.is_empty() {
            self.clock.forget();
        }
        let now = self.clock.now();
        let result = call(&mut self.engine, now);
        self.carry_out();
        self.note_answer();
        result
    }

    /// The application has done something: an answer, where anything was written.
    fn note_answer(&mut self) {
        if self.wrote && self.asked.is_some() {
            self.note_answered(true);
        }
    }

    fn tear_down(&mut self) {
        if !self.stopped {
            self.stopped = true;
            self.cork.clear();
            // Their places are free for others from now on.
            for listener in mem::take(&mut self.listeners) {
                listener.close(&self.ears);
            }
            self.resolver.deregister(&self.ears.registry);
            for mut link in mem::take(&mut self.links) {
                link.deregister(&self.ears.registry);
            }
            self.ears.deregister();
            info!("{} stopped", self.engine.name());
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // What was sent is on its way, however sudden the end; and no socket is closed with something left in it, for then the
        // system tears its connection down at once.
        self.uncork();
        self.note_answered(false);
        self.tear_down();
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("name", &self.engine.name())
            .field("uuid", &self.engine.uuid())
            .field("listeners", &self.listeners.iter().map(|listener| &listener.at).collect::<Vec<_>>())
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

// The tokens, from the base on.
const RESOLVER: usize = 0;
const BELL: usize = 1;
const LINKS: usize = 2;
/// A listener's own is its id further.
const LISTENERS: usize = 16;
const CONNECTIONS: usize = LISTENERS + MOST_LISTENERS as usize;

/// How many listeners a driver may have.
const MOST_LISTENERS: u32 = 4096;
/// The first listener's id; hubs have those that follow.
const MAILBOX: ListenerId = ListenerId(0);
