//! How the node finds others, and is found, other than by beacons, and who leads: what can be changed while it runs.

use super::{Driver, MOST_LISTENERS, start::bind};
use crate::{bind::Bind, error::StartError};
use std::io;
use zre_engine::{Address, DiscoveryError, ListenerId, ListenerKind, PeerId, SendError};

impl Driver {
    /// Becomes a hub for those who gossip, at this endpoint as well: `tcp://*:5671`, `ipc:///tmp/hub`, … (see
    /// [`Builder::gossip_bind`](crate::Builder::gossip_bind)). Returns the real one. A name in it is looked up meanwhile.
    ///
    /// # Errors
    ///
    /// Where the endpoint cannot be read or had.
    pub fn gossip_bind(&mut self, endpoint: impl ToString) -> Result<Address, StartError> {
        let place = bind("gossip_bind", &endpoint.to_string())?;
        self.gossip_bind_at(&place)
    }

    /// The same with a place that was looked up.
    pub(crate) fn gossip_bind_at(&mut self, place: &Bind) -> Result<Address, StartError> {
        self.clock.forget();
        if self.is_stopping() {
            return Err(StartError::Stopped);
        }
        let at = self.listen_as_hub(place)?;
        self.carry_out();
        Ok(at)
    }

    pub(super) fn listen_as_hub(&mut self, place: &Bind) -> Result<Address, StartError> {
        let last = self.listeners.iter().map(|listener| listener.id.0).max().unwrap_or(0);
        if last + 1 >= MOST_LISTENERS {
            let full = io::Error::other(format!("a node listens at {MOST_LISTENERS} places at most"));
            return Err(StartError::machine("one hub more")(full));
        }
        self.listen(ListenerId(last + 1), ListenerKind::Hub, place)
    }

    /// Where the node listens as a hub, in the order in which that began.
    pub fn gossip_endpoints(&self) -> Vec<Address> {
        let hubs = self.listeners.iter().filter(|listener| listener.kind == ListenerKind::Hub);
        hubs.map(|listener| listener.at.clone()).collect()
    }

    /// Gossips with the hub at this endpoint as well: tells it where this node is, and meets the nodes that it tells of.
    /// `Ok(false)` where it does so already. Where nobody is there, it is tried again and again.
    ///
    /// # Errors
    ///
    /// Where no connection can lead there, or the node has stopped.
    pub fn gossip_connect(&mut self, hub: Address) -> Result<bool, DiscoveryError> {
        self.apply(|engine, now| engine.gossip_connect(now, hub))
    }

    /// Takes a peer out of what this node tells by gossip, such as one that is gone for good. Whether it was there.
    pub fn gossip_unpublish(&mut self, peer: PeerId) -> bool {
        self.apply(|engine, now| engine.gossip_unpublish(now, peer))
    }

    /// Looks for a peer at this endpoint until the node stops, whether or not anything is heard of it: by its UUID, or
    /// for whoever is there. `Ok(false)` where it does so already.
    ///
    /// # Errors
    ///
    /// Where no connection can lead there, or the node has stopped.
    pub fn require_peer(&mut self, peer: Option<PeerId>, endpoint: Address) -> Result<bool, DiscoveryError> {
        self.apply(|engine, now| engine.require_peer(now, peer, endpoint))
    }

    /// Contests for the leadership of a group from now on, whenever the node is in it; [`Event::Leader`](crate::Event::Leader)
    /// says who won. `Ok(false)` where it does so already.
    ///
    /// # Errors
    ///
    /// Where the name is not 1 to 255 octets long, or the node has stopped.
    pub fn set_contest_in_group(&mut self, group: &str) -> Result<bool, SendError> {
        self.apply(|engine, now| engine.set_contest_in_group(now, group))
    }

    /// The leader of a group that the node is in, as far as it is known: a peer, or the node itself.
    pub fn leader(&self, group: &str) -> Option<PeerId> {
        self.engine.leader(group)
    }
}
