//! How a node that is attacked is set up: told to its process as one line of JSON.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use zre_mio::{Builder, Node};

/// What differs from a node with the default limits on `lo`. Times are in milliseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Where it is a hub.
    pub hub: Option<String>,
    /// [`Builder::evasive`], [`Builder::silent`] and [`Builder::expired`].
    pub quiet: Option<(u64, u64, u64)>,
    /// [`Builder::send_timeout`].
    pub send_timeout: Option<u64>,
    /// [`Config::introduction`](zre_engine::Config::introduction): for so long those who have gone are sought again.
    pub introduction: Option<u64>,
    /// Peers at a time, and as many new ones as come: where each of them has to be heard to its end.
    pub peers: Option<usize>,
}

impl Settings {
    /// A node of this name and with default limits.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The node, yet to be started.
    pub fn builder(&self) -> Builder {
        let mut builder = Node::builder(&self.name).interface("lo");
        if let Some(place) = &self.hub {
            builder = builder.gossip_bind(place);
        }
        if let Some((evasive, silent, expired)) = self.quiet.map(|(a, b, c)| (millis(a), millis(b), millis(c))) {
            builder = builder.evasive(evasive).silent(silent).expired(expired);
        }
        if let Some(timeout) = self.send_timeout {
            builder = builder.send_timeout(millis(timeout));
        }
        if let Some(introduction) = self.introduction {
            builder.config().introduction = millis(introduction);
        }
        if let Some(peers) = self.peers {
            let limits = &mut builder.config().limits;
            limits.peers = peers;
            (limits.new_peers, limits.new_peers_per_second) = (u32::MAX, u32::MAX);
        }
        builder
    }
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}
