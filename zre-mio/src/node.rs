//! The node that most programs use: a driver on a thread of its own.

use crate::{
    Builder, Driver,
    clock::after,
    driver,
    error::{RecvError, StartError},
    inbox::{Inbox, Wait},
    shared::Shared,
};
use mio::{Poll, Token, Waker};
use std::{fmt, sync::Arc, thread, time::Duration};
use zre_engine::{Address, ConfigError, Content, DiscoveryError, Event, Headers, PeerId, SendError, Statistics};

/// What `stop` waits beyond the linger.
const STOP: Duration = Duration::from_secs(1);
/// What dropping the last handle waits beyond the linger.
const DROP: Duration = Duration::from_millis(100);

const WAKER: Token = Token(0);
const DRIVER: Token = Token(1);

/// A ZRE node: finds its peers, and whispers and shouts to them.
///
/// Clones are handles of the same node, for any thread; they share one queue of events, so that each event goes to one
/// caller. The node runs on a thread of its own, but sending happens on the caller's thread as far as the sockets take
/// it at once. A thread that has sent something before each of its last waits in `recv` reads the sockets itself while it
/// waits, so that no other is woken in between. While a program sends many small messages without a pause they are gathered
/// into large writes, for no longer than about a millisecond; and where it is far ahead of the sockets, a caller of `whisper`
/// rests now and then, for no longer than that. Dropping the last handle stops the node politely, which takes no more than the
/// linger and 100 ms.
///
/// ```no_run
/// use zre_mio::{Event, Node};
///
/// let node = Node::builder("alice").header("role", "sensor").interface("lo").start()?;
/// node.join("telemetry")?;
/// for event in node.events() {
///     match event {
///         Event::Enter { peer, .. } => {
///             // An error says that it has left again meanwhile.
///             let _ = node.whisper(peer, "hello");
///         }
///         Event::Shout { name, content, .. } => println!("{name}: {}", content.text()),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Node {
    handle: Arc<Handle>,
}

/// What all clones have together; the thread has only the inner part.
struct Handle {
    shared: Arc<Shared>,
    uuid: PeerId,
    name: String,
    linger: Duration,
}

impl Node {
    /// Begins a node with that name.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::default().name(name)
    }

    /// Begins a node whose name is made from its UUID.
    pub fn anonymous() -> Builder {
        Builder::default()
    }

    pub(crate) fn start(settings: Builder) -> Result<Self, StartError> {
        let (linger, room) = (settings.config.linger, settings.config.limits.events);
        let poll = Poll::new().map_err(StartError::machine("a poll"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(StartError::machine("a waker"))?;
        let driver = settings.driver(poll.registry(), DRIVER)?;
        let (uuid, name) = (driver.engine().uuid(), driver.engine().name().to_owned());
        let inbox = Inbox::new().map_err(StartError::machine("a descriptor to watch"))?;
        let shared = Arc::new(Shared::new(driver, inbox, poll, waker, room));
        let running = shared.clone();
        thread::Builder::new()
            .name("zre-node".into())
            .spawn(move || running.run())
            .map_err(StartError::machine("a thread"))?;
        Ok(Self { handle: Arc::new(Handle { shared, uuid, name, linger }) })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn look<R>(&self, look: impl FnOnce(&zre_engine::Node) -> R) -> R {
        self.shared().look(|driver| look(driver.engine()))
    }

    // What the node is.

    /// The node's UUID.
    pub fn uuid(&self) -> PeerId {
        self.handle.uuid
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.handle.name
    }

    /// Where the node's mailbox is, as far as one answer fits all peers. `None` for a hub by itself, which has none.
    pub fn endpoint(&self) -> Option<Address> {
        self.look(zre_engine::Node::endpoint)
    }

    /// Sets a header. Peers that are there already do not hear of it; those that come later see it in their ENTER.
    ///
    /// # Errors
    ///
    /// Names are 1 to 255 octets long, values up to 8 KiB, and together they must fit into a HELLO.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), ConfigError> {
        self.shared().call(|driver| driver.set_header(name, value))
    }

    // Groups and messages.

    /// Joins a group and tells all peers. `Ok(false)`: the node was in it already, and nothing was sent.
    ///
    /// # Errors
    ///
    /// Where the name is not 1 to 255 octets long, the node is in too many groups, or has stopped.
    pub fn join(&self, group: &str) -> Result<bool, SendError> {
        self.shared().send(|driver| driver.join(group))
    }

    /// Leaves a group and tells all peers. `Ok(false)`: the node was not in it, and nothing was sent.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    pub fn leave(&self, group: &str) -> Result<bool, SendError> {
        self.shared().send(|driver| driver.leave(group))
    }

    /// Sends a message to one peer, waiting for room where too much waits for that peer already.
    ///
    /// Two nodes whose only threads both wait here do not take events, so that neither reads and both wait forever:
    /// have another thread for the events, or use [`try_whisper`](Self::try_whisper).
    ///
    /// # Errors
    ///
    /// Where the peer has not entered or has left, the message is larger than the limits, or the node has stopped.
    pub fn whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), SendError> {
        self.whisper_content(peer, &content.into())
    }

    /// The same of a content that the caller keeps, to send it again.
    ///
    /// # Errors
    ///
    /// As for [`whisper`](Self::whisper).
    pub fn whisper_content(&self, peer: PeerId, content: &Content) -> Result<(), SendError> {
        self.shared().send(|driver| driver.whisper_content(peer, content))
    }

    /// Sends a message to one peer where there is room.
    ///
    /// # Errors
    ///
    /// As for [`whisper`](Self::whisper); [`SendError::Full`] where there is no room, and [`Event::Room`] comes once
    /// there is.
    pub fn try_whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), SendError> {
        self.try_whisper_content(peer, &content.into())
    }

    /// The same of a content that the caller keeps, to send it again, or once there is room.
    ///
    /// # Errors
    ///
    /// As for [`try_whisper`](Self::try_whisper).
    pub fn try_whisper_content(&self, peer: PeerId, content: &Content) -> Result<(), SendError> {
        self.shared().try_send(|driver| driver.whisper_content(peer, content))
    }

    /// Sends a message to all peers in a group, and returns to how many: 0 where nobody else is in it. The node need
    /// not be in the group. Waits for room as [`whisper`](Self::whisper) does.
    ///
    /// # Errors
    ///
    /// Where the message is larger than the limits, or the node has stopped.
    pub fn shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, SendError> {
        self.shout_content(group, &content.into())
    }

    /// The same of a content that the caller keeps, to send it again.
    ///
    /// # Errors
    ///
    /// As for [`shout`](Self::shout).
    pub fn shout_content(&self, group: &str, content: &Content) -> Result<usize, SendError> {
        self.shared().send(|driver| driver.shout_content(group, content))
    }

    /// Sends a message to all peers in a group where all of them have room for it; otherwise to none.
    ///
    /// # Errors
    ///
    /// As for [`shout`](Self::shout); [`SendError::Full`] names a peer without room, and [`Event::Room`] comes once it
    /// has some.
    pub fn try_shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, SendError> {
        self.try_shout_content(group, &content.into())
    }

    /// The same of a content that the caller keeps, to send it again, or once all have room.
    ///
    /// # Errors
    ///
    /// As for [`try_shout`](Self::try_shout).
    pub fn try_shout_content(&self, group: &str, content: &Content) -> Result<usize, SendError> {
        self.shared().try_send(|driver| driver.shout_content(group, content))
    }

    // Events.

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// [`RecvError::Stopped`] after STOP.
    pub fn recv(&self) -> Result<Event, RecvError> {
        // Without a limit to the wait there is always one.
        self.shared().take(Wait::Forever)?.ok_or(RecvError::Stopped)
    }

    /// Waits for the next event for so long at most. `Ok(None)`: none came.
    ///
    /// # Errors
    ///
    /// [`RecvError::Stopped`] after STOP.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Event>, RecvError> {
        self.shared().take(after(timeout).map_or(Wait::Forever, Wait::Until))
    }

    /// The next event if one is there.
    ///
    /// # Errors
    ///
    /// [`RecvError::Stopped`] after STOP.
    pub fn try_recv(&self) -> Result<Option<Event>, RecvError> {
        self.shared().take(Wait::Not)
    }

    /// All events to come, waiting for each; ends after STOP.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// The events that are there now; it does not wait for more.
    pub fn recent_events(&self) -> impl Iterator<Item = Event> {
        std::iter::from_fn(|| self.try_recv().ok().flatten())
    }

    // Peers.

    /// The peers that have entered, as the node knows it now: an event that waits may be about one that has gone since.
    pub fn peers(&self) -> Vec<PeerId> {
        self.look(|engine| engine.peers().collect())
    }

    /// The peers in a group, whether or not this node is in it.
    pub fn peers_by_group(&self, group: &str) -> Vec<PeerId> {
        self.look(|engine| engine.peers_by_group(group))
    }

    /// The groups that this node is in.
    pub fn own_groups(&self) -> Vec<String> {
        self.look(|engine| engine.own_groups().map(Into::into).collect())
    }

    /// The groups that peers are in, each once.
    pub fn peer_groups(&self) -> Vec<Arc<str>> {
        self.look(zre_engine::Node::peer_groups)
    }

    /// Where a peer's mailbox is: what we connect to.
    pub fn peer_address(&self, peer: PeerId) -> Option<Address> {
        self.look(|engine| engine.peer(peer).map(|info| info.endpoint().clone()))
    }

    /// A peer's name, which need not be unique. `None` for one that has not entered or has gone.
    pub fn peer_name(&self, peer: PeerId) -> Option<Arc<str>> {
        self.look(|engine| engine.peer(peer).map(|info| info.name().clone()))
    }

    /// A peer's headers, as they were when it entered. `None` for one that has not entered or has gone.
    pub fn peer_headers(&self, peer: PeerId) -> Option<Arc<Headers>> {
        self.look(|engine| engine.peer(peer).map(|info| info.headers().clone()))
    }

    /// One of a peer's headers. `None` where the peer has not entered or has gone, or has no such header.
    pub fn peer_header_value(&self, peer: PeerId, name: &str) -> Option<String> {
        self.look(|engine| engine.peer(peer)?.headers().get(name).map(Into::into))
    }

    /// Ends the relation with a peer: EXIT. It may come back when its next beacon is heard.
    ///
    /// # Errors
    ///
    /// Where the peer has not entered or has left.
    pub fn disconnect(&self, peer: PeerId) -> Result<(), SendError> {
        self.shared().call(|driver| driver.disconnect(peer))
    }

    // How others are found, other than by beacons.

    /// Becomes a hub for those who gossip, at this endpoint as well: `tcp://*:5671`, `ipc:///tmp/hub`, … (see
    /// [`Builder::gossip_bind`]). Returns the real one.
    ///
    /// # Errors
    ///
    /// Where the endpoint cannot be read or had, or the node has stopped.
    pub fn gossip_bind(&self, endpoint: impl ToString) -> Result<Address, StartError> {
        // A name is looked up before the node is held up by it.
        let place = driver::bind("gossip_bind", &endpoint.to_string())?;
        self.shared().call(|driver| driver.gossip_bind_at(&place))
    }

    /// Where the node listens as a hub, with the real ports, in the order in which that began.
    pub fn gossip_endpoints(&self) -> Vec<Address> {
        self.shared().look(Driver::gossip_endpoints)
    }

    /// Gossips with the hub at this endpoint as well: tells it where this node is, and meets the nodes that it tells of.
    /// `Ok(false)` where it does so already. Where nobody is there, it is tried again and again.
    ///
    /// # Errors
    ///
    /// Where no connection can lead there, or the node has stopped.
    pub fn gossip_connect(&self, hub: Address) -> Result<bool, DiscoveryError> {
        self.shared().call(|driver| driver.gossip_connect(hub))
    }

    /// Takes a peer out of what this node tells by gossip, such as one that is gone for good. Whether it was there.
    pub fn gossip_unpublish(&self, peer: PeerId) -> bool {
        self.shared().call(|driver| driver.gossip_unpublish(peer))
    }

    /// Looks for a peer at this endpoint until the node stops, whether or not anything is heard of it: by its UUID, or
    /// for whoever is there. `Ok(false)` where it does so already.
    ///
    /// # Errors
    ///
    /// Where no connection can lead there, or the node has stopped.
    pub fn require_peer(&self, peer: Option<PeerId>, endpoint: Address) -> Result<bool, DiscoveryError> {
        self.shared().call(|driver| driver.require_peer(peer, endpoint))
    }

    // Who leads.

    /// Contests for the leadership of a group from now on, whenever the node is in it; [`Event::Leader`] says who won.
    /// `Ok(false)` where it does so already.
    ///
    /// # Errors
    ///
    /// Where the name is not 1 to 255 octets long, or the node has stopped.
    pub fn set_contest_in_group(&self, group: &str) -> Result<bool, SendError> {
        self.shared().call(|driver| driver.set_contest_in_group(group))
    }

    /// The leader of a group that the node is in, as far as it is known: a peer, or the node itself.
    pub fn leader(&self, group: &str) -> Option<PeerId> {
        self.look(|engine| engine.leader(group))
    }

    // The node itself.

    /// Counters of what has been so far.
    pub fn statistics(&self) -> Statistics {
        // Events that were taken since the last turn count as taken.
        self.shared().call(|_| ());
        self.look(zre_engine::Node::statistics)
    }

    /// Leaves politely: peers take what was sent to them and are told. Returns when that is done, which takes no more
    /// than the linger and a little; STOP is the last event then. Once more does nothing.
    pub fn stop(&self) {
        self.handle.shared.stop(self.handle.linger + STOP);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop(self.linger + DROP);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.name()).field("uuid", &self.uuid()).finish_non_exhaustive()
    }
}

/// The descriptor is readable while events wait, and for ever once the node has stopped: watch it by poll, epoll or any
/// other event loop, and take events by [`Node::recent_events`] or [`Node::try_recv`] when it is. Do not read from it.
#[cfg(unix)]
impl std::os::fd::AsFd for Node {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.shared().descriptor()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Node {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsFd::as_fd(self).as_raw_fd()
    }
}

/// For a mio `Poll` of yours. mio tells of events that come; take all that are there each time.
#[cfg(unix)]
impl mio::event::Source for Node {
    fn register(&mut self, registry: &mio::Registry, token: Token, interests: mio::Interest) -> std::io::Result<()> {
        mio::unix::SourceFd(&std::os::fd::AsRawFd::as_raw_fd(self)).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &mio::Registry, token: Token, interests: mio::Interest) -> std::io::Result<()> {
        mio::unix::SourceFd(&std::os::fd::AsRawFd::as_raw_fd(self)).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &mio::Registry) -> std::io::Result<()> {
        mio::unix::SourceFd(&std::os::fd::AsRawFd::as_raw_fd(self)).deregister(registry)
    }
}

/// Handles may go to any thread, and so may errors.
const _: fn() = || {
    fn is_shared<T: Clone + Send + Sync>() {}
    fn is_sent<T: Send>() {}
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_shared::<Node>();
    is_sent::<Driver>();
    is_error::<crate::StartError>();
    is_error::<crate::RunError>();
    is_error::<crate::RecvError>();
    is_error::<SendError>();
};
