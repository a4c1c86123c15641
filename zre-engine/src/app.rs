//! What a program does with its node, written once: it runs in the simulator and over sockets.

use crate::{Address, ConfigError, Content, DiscoveryError, Event, Instant, Node, PeerId, PeerInfo, SendError};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::{fmt, time::Duration};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// An application of one node: it hears of its start, of events and of its own timers, and answers through [`Cx`].
///
/// The simulator (`zre_engine::sim`, feature `sim`) runs a hundred of them in a test, `zre_mio::run` runs one over real
/// sockets, and neither can be told from the other from inside: keep all time and all chance to what [`Cx`] gives, and a
/// simulated run can be repeated.
///
/// ```
/// use std::time::Duration;
/// use zre_engine::{Event, app::{App, Cx}};
///
/// /// Greets whoever comes, and says once a second that it is still there.
/// struct Greeter;
///
/// const STILL_HERE: u64 = 1;
///
/// impl App for Greeter {
///     fn on_start(&mut self, cx: &mut Cx<'_>) {
///         cx.join("lobby").expect("a short name");
///         cx.set_timer(STILL_HERE, Duration::from_secs(1));
///     }
///
///     fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
///         if let Event::Enter { peer, name, .. } = event {
///             // An error would say that too much waits for the peer already.
///             let _ = cx.whisper(peer, format!("hello, {name}"));
///         }
///     }
///
///     fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
///         let _ = cx.shout("lobby", "still here");
///         cx.set_timer(timer, Duration::from_secs(1));
///     }
/// }
/// ```
pub trait App {
    /// The node has just started; nothing has happened yet.
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    /// Something happened in the cluster. The last is [`Event::Stop`].
    fn on_event(&mut self, cx: &mut Cx<'_>, event: Event) {
        let _ = (cx, event);
    }

    /// A timer that [`Cx::set_timer`] set has come.
    fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
        let _ = (cx, timer);
    }
}

/// The application that does nothing.
impl App for () {}

/// What an [`App`] can do while it is called: its node, the time, timers and chance.
pub struct Cx<'a> {
    node: &'a mut Node,
    desk: &'a mut Desk,
    now: Instant,
}

impl Cx<'_> {
    /// The time, on a clock that never goes back and whose epoch means nothing.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The node, for all that can be asked: `peers`, `peers_by_group`, `own_groups`, `statistics`, …
    pub fn node(&self) -> &Node {
        self.node
    }

    /// The node's own UUID.
    pub fn uuid(&self) -> PeerId {
        self.node.uuid()
    }

    /// Peers that have entered.
    pub fn peers(&self) -> Vec<PeerId> {
        self.node.peers().collect()
    }

    /// What is known of a peer that has entered.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo<'_>> {
        self.node.peer(peer)
    }

    /// Joins a group and tells all peers. `Ok(false)`: the node was in it already, and nothing was sent.
    ///
    /// # Errors
    ///
    /// [`SendError::BadGroup`] for a name that is not 1 to 255 octets long, [`SendError::TooManyGroups`] where the node's HELLO
    /// has no room for it, [`SendError::Full`] where a peer's queue is so full that it cannot be told, [`SendError::Stopped`].
    pub fn join(&mut self, group: &str) -> Result<bool, SendError> {
        let joined = self.node.join(self.now, group);
        self.desk.note(|| Deed::Join { group: group.into(), done: joined.is_ok() });
        joined
    }

    /// Leaves a group and tells all peers. `Ok(false)`: the node was not in it, and nothing was sent.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    pub fn leave(&mut self, group: &str) -> Result<bool, SendError> {
        let left = self.node.leave(self.now, group);
        self.desk.note(|| Deed::Leave { group: group.into(), done: left.is_ok() });
        left
    }

    /// Wants to lead a group from now on, whenever the node is in it ([`Node::set_contest_in_group`]). `Ok(false)`: it did
    /// already.
    ///
    /// # Errors
    ///
    /// [`SendError::BadGroup`], [`SendError::TooManyGroups`] beyond [`Limits::groups`](crate::Limits::groups), and
    /// [`SendError::Stopped`].
    pub fn set_contest_in_group(&mut self, group: &str) -> Result<bool, SendError> {
        let contests = self.node.set_contest_in_group(self.now, group);
        self.desk.note(|| Deed::Contest { group: group.into(), done: contests.is_ok() });
        contests
    }

    /// Who leads a group that the node is in, as far as it is known: a peer, or the node itself.
    pub fn leader(&self, group: &str) -> Option<PeerId> {
        self.node.leader(group)
    }

    /// Looks for a peer at this endpoint, whether or not a beacon comes from there ([`Node::require_peer`]). `Ok(false)`: it
    /// was sought there already.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`], where no connection can lead there, or enough are sought already.
    pub fn require_peer(&mut self, peer: Option<PeerId>, endpoint: Address) -> Result<bool, DiscoveryError> {
        let sought = self.node.require_peer(self.now, peer, endpoint.clone());
        self.desk.note(|| Deed::RequirePeer(peer, endpoint));
        sought
    }

    /// Sends a message to one peer. [`SendError::Full`] where too much waits for it already; once half of that is gone,
    /// [`Event::Room`] comes.
    ///
    /// # Errors
    ///
    /// Nothing was sent: [`SendError::UnknownPeer`] where the peer has not entered or has left, [`SendError::Full`],
    /// [`SendError::TooLarge`] and [`SendError::TooManyFrames`] beyond the limits, [`SendError::Stopped`].
    pub fn whisper(&mut self, peer: PeerId, content: impl Into<Content>) -> Result<(), SendError> {
        let content = content.into();
        let noted = self.desk.journal.is_some().then(|| content.clone());
        let sent = self.node.whisper(self.now, peer, content);
        if let Some(content) = noted {
            let sent = sent.is_ok();
            self.desk.note(|| Deed::Whisper { peer, content, sent });
        }
        sent
    }

    /// Sends a message to all peers in a group, or to none, and returns to how many. As with
    /// [`whisper`](Self::whisper), [`SendError::Full`] names a peer that holds it up.
    ///
    /// # Errors
    ///
    /// Nothing was sent to anybody: [`SendError::Full`], [`SendError::BadGroup`], [`SendError::TooLarge`],
    /// [`SendError::TooManyFrames`], [`SendError::Stopped`].
    pub fn shout(&mut self, group: &str, content: impl Into<Content>) -> Result<usize, SendError> {
        let content = content.into();
        let noted = self.desk.journal.is_some().then(|| content.clone());
        let sent = self.node.shout(self.now, group, content);
        if let Some(content) = noted {
            // Who was told: nothing has changed since.
            let to = if sent.is_ok() { self.node.peers_by_group(group) } else { Vec::new() };
            self.desk.note(|| Deed::Shout { group: group.into(), content, to });
        }
        sent
    }

    /// Sets a header. Peers that are there already do not hear of it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], where the name is not 1 to 255 octets long, the value is too long, or the HELLO has no room for them.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let set = self.node.set_header(name, value);
        self.desk.note(|| Deed::SetHeader(name.into(), value.into()));
        set
    }

    /// Ends the relation with a peer. It may come back when its next beacon is heard.
    ///
    /// # Errors
    ///
    /// [`SendError::UnknownPeer`], where the peer has not entered or has left.
    pub fn disconnect(&mut self, peer: PeerId) -> Result<(), SendError> {
        let ended = self.node.disconnect(self.now, peer);
        self.desk.note(|| Deed::Disconnect(peer));
        ended
    }

    /// Leaves politely. [`Event::Stop`] comes last.
    pub fn stop(&mut self) {
        self.node.stop(self.now);
        self.desk.note(|| Deed::Stop);
    }

    /// Has [`App::on_timer`] called after a time, with this number. A timer of the same number is moved.
    pub fn set_timer(&mut self, timer: u64, after: Duration) {
        // Never at once: an application that sets a timer of no length must not keep time from going on.
        let at = self.now + after.max(Duration::from_nanos(1));
        self.desk.timers.set(timer, Some(at));
    }

    /// Forgets a timer. Whether there was one.
    pub fn clear_timer(&mut self, timer: u64) -> bool {
        self.desk.timers.set(timer, None)
    }

    /// A random number. In the simulator it follows from the seed.
    pub fn random(&mut self) -> u64 {
        self.desk.rng.next_u64()
    }

    /// A random number from 0 to `bound` - 1; 0 where `bound` is 0.
    pub fn random_below(&mut self, bound: u64) -> u64 {
        // The upper half of a 128-bit product: no division, and a bias too small to see.
        ((u128::from(self.desk.rng.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("node", &self.node.name()).field("now", &self.now).finish_non_exhaustive()
    }
}

/// An [`App`] with its timers, for whoever drives a [`Node`] and wants to run applications on it.
///
/// Beside the engine's loop: [`start`](Self::start) after [`Node::start`]; each event to [`event`](Self::event); wait no
/// longer than [`poll_timeout`](Self::poll_timeout), then [`timeout`](Self::timeout). After each of these, carry out what
/// the node wants.
#[derive(Debug)]
pub struct Runner<A> {
    app: A,
    desk: Desk,
}

impl<A: App> Runner<A> {
    /// Around an application; `seed` is where its [`Cx::random`] begins.
    pub fn new(app: A, seed: [u8; 32]) -> Self {
        let desk = Desk { timers: Timers::default(), rng: ChaCha8Rng::from_seed(seed), journal: None };
        Self { app, desk }
    }

    /// The node has started.
    pub fn start(&mut self, node: &mut Node, now: Instant) {
        self.call(node, now, App::on_start);
    }

    /// The node's next event.
    pub fn event(&mut self, node: &mut Node, now: Instant, event: Event) {
        self.call(node, now, |app, cx| app.on_event(cx, event));
    }

    /// When [`timeout`](Self::timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.desk.timers.next()
    }

    /// Calls the application for each timer that has come.
    pub fn timeout(&mut self, node: &mut Node, now: Instant) {
        while let Some(timer) = self.desk.timers.pop_due(now) {
            self.call(node, now, |app, cx| app.on_timer(cx, timer));
        }
    }

    /// Lets the application, or somebody on its behalf, do something now.
    pub fn call<R>(&mut self, node: &mut Node, now: Instant, act: impl FnOnce(&mut A, &mut Cx<'_>) -> R) -> R {
        act(&mut self.app, &mut Cx { node, desk: &mut self.desk, now })
    }

    /// The application.
    pub fn app(&self) -> &A {
        &self.app
    }

    /// The application, to change it.
    pub fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    /// The application, at the end.
    pub fn into_app(self) -> A {
        self.app
    }

    /// From now on what the application does is written down.
    #[cfg(feature = "sim")]
    pub(crate) fn keep_journal(&mut self) {
        self.desk.journal = Some(Vec::new());
    }

    /// What it did since the last call.
    #[cfg(feature = "sim")]
    pub(crate) fn take_journal(&mut self) -> Vec<Deed> {
        self.desk.journal.as_mut().map(core::mem::take).unwrap_or_default()
    }
}

/// What an application did, as the simulator wants to know it.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "only the simulator reads it"))]
pub(crate) enum Deed {
    Join { group: Arc<str>, done: bool },
    Leave { group: Arc<str>, done: bool },
    Contest { group: Arc<str>, done: bool },
    RequirePeer(Option<PeerId>, Address),
    Whisper { peer: PeerId, content: Content, sent: bool },
    Shout { group: Arc<str>, content: Content, to: Vec<PeerId> },
    SetHeader(Arc<str>, Arc<str>),
    Disconnect(PeerId),
    Stop,
}

/// What belongs to an application beside its node.
#[derive(Debug)]
struct Desk {
    timers: Timers,
    rng: ChaCha8Rng,
    journal: Option<Vec<Deed>>,
}

impl Desk {
    fn note(&mut self, deed: impl FnOnce() -> Deed) {
        if let Some(journal) = &mut self.journal {
            journal.push(deed());
        }
    }
}

/// The application's timers, by their numbers.
#[derive(Debug, Default)]
struct Timers {
    by_time: BTreeSet<(Instant, u64)>,
    by_number: BTreeMap<u64, Instant>,
}

impl Timers {
    fn set(&mut self, timer: u64, at: Option<Instant>) -> bool {
        let old = match at {
            Some(at) => self.by_number.insert(timer, at),
            None => self.by_number.remove(&timer),
        };
        if let Some(old) = old {
            self.by_time.remove(&(old, timer));
        }
        self.by_time.extend(at.map(|at| (at, timer)));
        old.is_some()
    }

    fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    fn pop_due(&mut self, now: Instant) -> Option<u64> {
        let (_, timer) = self.by_time.first().copied().filter(|(at, _)| *at <= now)?;
        self.set(timer, None);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use std::{vec, vec::Vec};

    #[derive(Default)]
    struct Clockwork(Vec<(Instant, u64)>);

    impl App for Clockwork {
        fn on_start(&mut self, cx: &mut Cx<'_>) {
            cx.set_timer(1, Duration::from_secs(9));
            cx.set_timer(2, Duration::from_secs(2));
            cx.set_timer(1, Duration::from_secs(1));
            cx.set_timer(3, Duration::ZERO);
            assert!(!cx.clear_timer(4) && cx.random_below(7) < 7 && cx.random_below(0) == 0);
        }

        fn on_timer(&mut self, cx: &mut Cx<'_>, timer: u64) {
            self.0.push((cx.now(), timer));
            if timer == 1 {
                assert_eq!(cx.clear_timer(2), self.0.len() == 2, "a timer is cleared once");
                cx.set_timer(1, Duration::ZERO);
            }
        }
    }

    #[test]
    fn timers_move_come_once_and_never_at_once() {
        let mut now = Instant::from_nanos(5);
        let mut node = Node::new(Config::default(), [1; 32], now).unwrap();
        let mut runner = Runner::new(Clockwork::default(), [2; 32]);
        runner.start(&mut node, now);
        for _ in 0..3 {
            now = runner.poll_timeout().unwrap();
            runner.timeout(&mut node, now);
        }
        let second = 1_000_000_005;
        let expected = [(6, 3), (second, 1), (second + 1, 1)].map(|(at, timer)| (Instant::from_nanos(at), timer));
        assert_eq!(runner.into_app().0, vec![expected[0], expected[1], expected[2]]);
    }
}
