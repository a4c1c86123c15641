//! Everything that can be set before a node starts.

use crate::{Driver, Node, StartError};
use mio::{Registry, Token};
use std::time::Duration;
use uuid::Uuid;
use zre_engine::{Config, Limits};

/// UDP port of beacons: ZRE's own (RFC 36).
const PORT: u16 = 5670;

/// A node that is yet to start: [`Node::builder`] begins, [`start`](Self::start) ends.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `start`"]
pub struct Builder {
    pub(crate) config: Config,
    pub(crate) interface: Option<String>,
    pub(crate) port: u16,
    pub(crate) mailbox_port: u16,
    pub(crate) groups: Vec<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) beacons: bool,
    pub(crate) advertise: Option<String>,
    pub(crate) gossip_bind: Vec<String>,
    pub(crate) gossip_connect: Vec<String>,
    pub(crate) peers: Vec<(Option<Uuid>, String)>,
    pub(crate) contest: Vec<String>,
    pub(crate) hub_alone: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            interface: None,
            port: PORT,
            mailbox_port: 0,
            groups: Vec::new(),
            endpoint: None,
            beacons: false,
            advertise: None,
            gossip_bind: Vec::new(),
            gossip_connect: Vec::new(),
            peers: Vec::new(),
            contest: Vec::new(),
            hub_alone: false,
        }
    }
}

impl Builder {
    /// The node's name, 1 to 255 octets. Default: the first six hex digits of its UUID. Names need not be unique.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = Some(name.into());
        self
    }

    /// The node's UUID. Default: a new one for each start, as the protocol wants it.
    pub fn uuid(mut self, uuid: impl Into<Uuid>) -> Self {
        self.config.uuid = Some(uuid.into());
        self
    }

    /// Sets a header (RFC 36, HELLO), which peers see in ENTER. The last value of a name counts. Names are 1 to 255 octets
    /// long, values up to [`Limits::header_value`]; others make the start fail.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.config.headers.retain(|(found, _)| *found != name);
        self.config.headers.push((name, value));
        self
    }

    /// How long a full queue may wait for its peer to take one octet before the peer is given up: EXIT `slow`. Default
    /// 10 s.
    pub fn send_timeout(mut self, send_timeout: Duration) -> Self {
        self.config.send_timeout = send_timeout;
        self
    }

    /// The node only sends: WHISPERs and SHOUTs that come are thrown away and counted, so that nobody has to take them.
    pub fn send_only(mut self) -> Self {
        self.config.send_only = true;
        self
    }

    /// Joins a group from the start: peers learn it together with the node. May be called several times.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// The network interface for beacons and the mailbox, by name (`eth0`) or IPv4 address. Default: the best that is
    /// up and reaches other machines. `lo` is for nodes on this machine alone. Of an endpoint to listen at, it is what `*`
    /// means as a host.
    pub fn interface(mut self, name_or_address: impl Into<String>) -> Self {
        self.interface = Some(name_or_address.into());
        self
    }

    /// The mailbox is at this endpoint, and no beacons are sent: peers come by gossip, or know the endpoint.
    ///
    /// | | |
    /// |---|---|
    /// | `tcp://192.168.1.5:5670` | an address of this machine, and a port |
    /// | `tcp://[::1]:5670` | the same for IPv6 |
    /// | `tcp://eth0:5670` | an interface, which stands for its address |
    /// | `tcp://printer:5670` | a name of this machine, which is looked up |
    /// | `tcp://*:5670` | the address of the chosen [`interface`](Self::interface); without one, all |
    /// | `tcp://*:*` | any free port; `:0` and `:!` mean the same |
    /// | `ipc:///tmp/mailbox` | a socket with a path, for programs of this machine; its file goes when the node stops |
    /// | `ipc://@mailbox` | the same without a file (Linux) |
    /// | `ipc://*` | a path in the directory for temporary files |
    /// | `inproc://mailbox` | a name for nodes of this process; `inproc://*` makes one up |
    pub fn endpoint(mut self, endpoint: impl ToString) -> Self {
        self.endpoint = Some(endpoint.to_string());
        self
    }

    /// Sends beacons although there is an [`endpoint`](Self::endpoint), which must be `tcp://` then. Without an endpoint
    /// they are sent in any case.
    pub fn beacons(mut self) -> Self {
        self.beacons = true;
        self
    }

    /// What peers and hubs are told instead of the endpoint, where they reach the mailbox by another one (address
    /// translation): `tcp://gate.example.org:5670`. Beacons do not say it.
    pub fn advertise(mut self, endpoint: impl ToString) -> Self {
        self.advertise = Some(endpoint.to_string());
        self
    }

    /// The node is a hub, at an endpoint as [`endpoint`](Self::endpoint) takes it: those who gossip with it hear of each
    /// other, and so does the node itself. May be called several times.
    pub fn gossip_bind(mut self, endpoint: impl ToString) -> Self {
        self.gossip_bind.push(endpoint.to_string());
        self
    }

    /// Gossips with the hub at this endpoint, and so finds the nodes that do the same. Where nobody is there, it is tried
    /// again and again. May be called several times, for redundancy.
    pub fn gossip_connect(mut self, endpoint: impl ToString) -> Self {
        self.gossip_connect.push(endpoint.to_string());
        self
    }

    /// Looks for a peer at this endpoint, whoever it is, for as long as the node runs. May be called several times.
    pub fn peer(mut self, endpoint: impl ToString) -> Self {
        self.peers.push((None, endpoint.to_string()));
        self
    }

    /// The same for the peer with that UUID: it is sought until it is there. Whoever else is met at that endpoint enters like any
    /// other, and the search goes on.
    pub fn required_peer(mut self, uuid: impl Into<Uuid>, endpoint: impl ToString) -> Self {
        self.peers.push((Some(uuid.into()), endpoint.to_string()));
        self
    }

    /// Contests for the leadership of a group whenever the node is in it: among those who do, one is elected
    /// ([`Event::Leader`](crate::Event::Leader)). May be called several times; to be in the group takes a
    /// [`group`](Self::group) besides.
    pub fn contest(mut self, group: impl Into<String>) -> Self {
        self.contest.push(group.into());
        self
    }

    /// The node is a hub for others and has no peers itself, no mailbox and no beacons:
    /// [`gossip_bind`](Self::gossip_bind) says where it listens, and by [`gossip_connect`](Self::gossip_connect) it
    /// gossips with other hubs.
    pub fn hub(mut self) -> Self {
        self.hub_alone = true;
        self
    }

    /// The UDP port for beacons, the same for all nodes of a cluster. Default 5670; other ports make separate clusters.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The TCP port of the mailbox where it is on the interface; an [`endpoint`](Self::endpoint) has its own. Default 0: any
    /// that is free.
    pub fn mailbox_port(mut self, port: u16) -> Self {
        self.mailbox_port = port;
        self
    }

    /// Time between beacons (RFC 36), at least 1 ms. Default 1 s. The first goes out at once. Those of others are heard as they
    /// come; but where they come 32 times in this time (or in a second) and bring nothing new, up to a tenth of it later, and no more than 100 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.config.interval = interval;
        self
    }

    /// Silence after which a peer is asked for a sign of life, at least 1 ms. Default 5 s. While its beacons come, that is only
    /// after half of [`expired`](Self::expired). Without an answer, [`Event::Evasive`](crate::Event::Evasive) comes 1 s later.
    pub fn evasive(mut self, evasive: Duration) -> Self {
        self.config.evasive = evasive;
        self
    }

    /// Time from EVASIVE to SILENT ([`Event::Silent`](crate::Event::Silent)), at least 1 ms. Default 5 s.
    pub fn silent(mut self, silent: Duration) -> Self {
        self.config.silent = silent;
        self
    }

    /// Silence after which a peer is given up: EXIT `expired`. At least 1 ms. Default 30 s.
    pub fn expired(mut self, expired: Duration) -> Self {
        self.config.expired = expired;
        self
    }

    /// How long a stop waits for peers to take what was sent to them. Default 1 s.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// Connects to peers where their HELLO says, also where that is not the address that it comes from: for peers behind
    /// address translation, on a network where nobody lies (see
    /// [`Config::trust_advertised`](zre_engine::Config::trust_advertised)). Default no.
    pub fn trust_advertised(mut self) -> Self {
        self.config.trust_advertised = true;
        self
    }

    /// What peers, and those who are none, may cost. The defaults are fit for an open network.
    ///
    /// ```
    /// use zre_mio::{Limits, Node};
    ///
    /// let mut limits = Limits::default();
    /// limits.peers = 64;
    /// limits.message = 1 << 20;
    /// let builder = Node::builder("alice").limits(limits);
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// All that the engine can be told, to change what has no method here.
    pub fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Starts the node on a thread of its own.
    ///
    /// # Errors
    ///
    /// Where the settings cannot work, no interface fits, or a port is taken. Nothing is left behind then.
    pub fn start(self) -> Result<Node, StartError> {
        Node::start(self)
    }

    /// Starts the node in a mio `Poll` of yours. It uses the tokens from `base` on, [`Driver::TOKENS`] of them.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn driver(self, registry: &Registry, base: Token) -> Result<Driver, StartError> {
        Driver::new(self, registry, base)
    }
}
