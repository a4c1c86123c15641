//! What the node is itself, and the HELLO that tells it.

use super::{Link, Listener, Node, Phase};
use crate::{
    Address,
    config::{Config, Limits},
    error::{ConfigError, SendError},
    event::Headers,
    id::{ListenerId, PeerId},
    input::ListenerKind,
    planted::Planted,
    time::Instant,
};
use alloc::{collections::BTreeSet, format, string::String, sync::Arc};
use bytes::{Bytes, BytesMut};
use core::{net::IpAddr, net::SocketAddr, time::Duration};
use rand_core::Rng;
use uuid::Uuid;
use zre_proto::{
    Message, Text,
    limits::{IDENTITY_LEN, IDENTITY_PREFIX, STRING_MAX},
    message::{Body, Hello, Membership},
};

/// Room in a HELLO for what is not ours to choose: its endpoint and its counts.
const HELLO_RESERVE: usize = 300;

#[derive(Debug)]
pub(super) struct Me {
    pub(super) id: PeerId,
    pub(super) name: Arc<str>,
    pub(super) headers: Headers,
    pub(super) groups: BTreeSet<Arc<str>>,
    /// Changes of `groups` so far, modulo 256.
    pub(super) status: u8,
    /// Our HELLO as it was encoded last, for this endpoint: the next peer mostly gets the same. None when it would be
    /// another now.
    hello: Option<(Address, Bytes)>,
}

impl Me {
    pub(super) fn new(config: &Config, rng: &mut impl Rng) -> Result<Self, ConfigError> {
        check_durations(config)?;
        check_limits(&config.limits)?;
        let mut random = [0; 16];
        rng.fill_bytes(&mut random);
        let uuid = config.uuid.unwrap_or_else(|| uuid::Builder::from_random_bytes(random).into_uuid());
        let id = PeerId::from(uuid);
        let name = match &config.name {
            Some(name) if name.is_empty() || name.len() > STRING_MAX => return Err(ConfigError::Name(name.clone())),
            Some(name) => Arc::from(name.as_str()),
            None => Arc::from(&format!("{id}")[..6]),
        };
        let mut me = Self { id, name, headers: Headers::default(), groups: BTreeSet::new(), status: 0, hello: None };
        for (name, value) in &config.headers {
            me.set_header(name, value, &config.limits)?;
        }
        Ok(me)
    }

    /// The identity of our outgoing connections.
    pub(super) fn identity(&self) -> Bytes {
        let mut identity = [IDENTITY_PREFIX; IDENTITY_LEN];
        identity[1..].copy_from_slice(self.id.as_octets());
        Bytes::copy_from_slice(&identity)
    }

    fn set_header(&mut self, name: &str, value: &str, limits: &Limits) -> Result<(), ConfigError> {
        if name.is_empty() || name.len() > STRING_MAX {
            return Err(ConfigError::HeaderName(name.into()));
        }
        if value.len() > limits.header_value {
            let (name, found, limit) = (String::from(name), value.len(), limits.header_value);
            return Err(ConfigError::HeaderValue { name, found, limit });
        }
        let mut headers = self.headers.clone();
        headers.set(name, value);
        let octets = self.hello_len(&headers, self.groups.iter().map(|group| group.len()));
        if headers.len() > limits.headers || octets > limits.hello {
            return Err(ConfigError::HelloTooLarge);
        }
        self.headers = headers;
        self.hello = None;
        Ok(())
    }

    fn hello_len(&self, headers: &Headers, groups: impl Iterator<Item = usize>) -> usize {
        let headers: usize = headers.iter().map(|(name, value)| 5 + name.len() + value.len()).sum();
        HELLO_RESERVE + self.name.len() + headers + groups.map(|length| 4 + length).sum::<usize>()
    }

    /// Whether a HELLO has room for one group more.
    fn has_room_for(&self, group: &str, limits: &Limits) -> bool {
        let lengths = self.groups.iter().map(|group| group.len()).chain([group.len()]);
        self.groups.len() < limits.groups && self.hello_len(&self.headers, lengths) <= limits.hello
    }

    /// Our HELLO, encoded, with this endpoint in it.
    pub(super) fn hello(&mut self, endpoint: &Address) -> Bytes {
        if let Some((at, hello)) = &self.hello
            && at == endpoint
        {
            return hello.clone();
        }
        let body = Body::Hello(Hello {
            endpoint: format!("{endpoint}").into(),
            groups: self.groups.iter().map(|group| Text::from(&**group)).collect(),
            status: self.status,
            name: Text::from(&*self.name),
            headers: self.headers.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        });
        let mut octets = BytesMut::new();
        // Every field was checked where the application gave it.
        let encoded = Message { sequence: 1, body }.encode(&mut octets);
        debug_assert_eq!(encoded, Ok(()));
        let octets = octets.freeze();
        self.hello = Some((endpoint.clone(), octets.clone()));
        octets
    }
}

/// With less, every connection would break, or nobody could ever come in.
fn check_limits(limits: &Limits) -> Result<(), ConfigError> {
    for (what, found, least) in [
        ("message", limits.message, 1),
        ("frames", limits.frames, 1),
        // The READY of stock programs has 54 octets, ours 71.
        ("ready", limits.ready, 128),
        ("peers", limits.peers, 1),
        ("peers_of_host", limits.peers_of_host, 1),
        ("new_peers", limits.new_peers as usize, 1),
        ("new_peers_per_second", limits.new_peers_per_second as usize, 1),
        ("callers_of_host", limits.callers_of_host, 1),
    ] {
        if found < least {
            return Err(ConfigError::Limit { what, found, least });
        }
    }
    Ok(())
}

fn check_durations(config: &Config) -> Result<(), ConfigError> {
    let least = Duration::from_millis(1);
    for (what, found, least) in [
        ("the beacon interval", config.interval, least),
        ("the evasive time-out", config.evasive, least),
        ("the silent time-out", config.silent, least),
        ("the expired time-out", config.expired, least),
        ("the send time-out", config.send_timeout, least),
        ("the handshake time-out", config.handshake, least),
        ("the introduction time-out", config.introduction, least),
        ("the heartbeat interval", config.heartbeat.unwrap_or(least), least),
    ] {
        if found < least {
            return Err(ConfigError::Duration { what, found, least });
        }
    }
    Ok(())
}

impl Node {
    /// Sets a header. Peers learn headers when they meet the node, so after the start only new ones see it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], where the name is not 1 to 255 octets long, the value is longer than
    /// [`Limits::header_value`](crate::Limits::header_value), or the HELLO has no room for them. Nothing has changed then.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        self.me.set_header(name, value, &self.config.limits)
    }

    /// Joins a group; `Ok(false)` if the node is in it already. Peers are told.
    ///
    /// # Errors
    ///
    /// [`SendError::BadGroup`] for a name that is not 1 to 255 octets long, [`SendError::TooManyGroups`] where the HELLO has no
    /// room for it, [`SendError::Full`] where a peer's queue is so full that it cannot be told, [`SendError::Stopped`], and
    /// [`SendError::Input`] where time went back. Nobody was told anything then.
    pub fn join(&mut self, now: Instant, group: &str) -> Result<bool, SendError> {
        self.change_membership(now, group, true)
    }

    /// Leaves a group; `Ok(false)` if the node is not in it. Peers are told.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    pub fn leave(&mut self, now: Instant, group: &str) -> Result<bool, SendError> {
        self.change_membership(now, group, false)
    }

    fn change_membership(&mut self, now: Instant, group: &str, join: bool) -> Result<bool, SendError> {
        self.tick(now)?;
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return Err(SendError::Stopped);
        }
        if group.is_empty() || group.len() > STRING_MAX {
            return Err(SendError::BadGroup { found: group.len() });
        }
        if self.me.groups.contains(group) == join {
            return Ok(false);
        }
        if join && !self.me.has_room_for(group, &self.config.limits) {
            return Err(SendError::TooManyGroups);
        }
        self.check_room_for_control()?;
        if join {
            self.me.groups.insert(Arc::from(group));
        } else {
            self.me.groups.remove(group);
        }
        self.me.status = self.me.status.wrapping_add(1);
        self.me.hello = None;
        if !join && self.planted_now(Planted::LoseLeave, 2) {
            return Ok(true);
        }
        let late = u8::from(!join && self.planted(Planted::WrongStatus));
        let change = Membership { group: group.into(), status: self.me.status.wrapping_sub(late) };
        self.tell_all(&if join { Body::Join(change) } else { Body::Leave(change) });
        match self.me.groups.get(group).cloned() {
            Some(group) => self.election_joined(&group),
            None => self.election_left(group),
        }
        Ok(true)
    }

    /// The listeners that peers connect to.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.values().filter(|listener| listener.kind == ListenerKind::Mailbox)
    }

    /// Where peers reach us that see us as `local`: the advertised endpoint, or that address with a mailbox's port.
    pub(super) fn endpoint_on(&self, local: IpAddr, mailbox: Option<ListenerId>) -> Option<Address> {
        let fits = |at: &Address| at.ip().is_some_and(|ip| ip == local || ip.is_unspecified());
        let mailbox = mailbox
            .and_then(|mailbox| self.listeners.get(&mailbox))
            .or_else(|| self.mailboxes().find(|mailbox| fits(&mailbox.at)))
            .or_else(|| self.mailboxes().next())?;
        let endpoint = match (&mailbox.advertise, &mailbox.at) {
            (Some(advertised), _) => advertised.clone(),
            (None, Address::Tcp(at)) if at.ip().is_unspecified() => SocketAddr::new(local, at.port()).into(),
            (None, at) => at.clone(),
        };
        Some(endpoint)
    }

    /// Where a peer reaches us to which one of our connections leads, whose own end is `local`.
    pub(super) fn endpoint_from(&self, local: &Address) -> Option<Address> {
        match local.ip() {
            Some(ip) => self.endpoint_on(ip, None),
            None => self.endpoint(),
        }
    }

    /// Whether `endpoint` is one of our own mailboxes.
    pub(super) fn is_own(&self, endpoint: &Address) -> bool {
        if self.planted(Planted::HearOneself) {
            return false;
        }
        let on_link = |link: &Link| self.endpoint_on(link.address, Some(link.mailbox)).as_ref() == Some(endpoint);
        self.mailboxes().any(|mailbox| mailbox.at == *endpoint || mailbox.advertise.as_ref() == Some(endpoint))
            || self.links.values().any(on_link)
    }

    pub(super) fn uuid_is_mine(&self, uuid: Uuid) -> bool {
        PeerId::from(uuid) == self.me.id && !self.planted(Planted::HearOneself)
    }
}
