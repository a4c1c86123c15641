//! The start: settings are read, sockets opened, and the engine is told.

use super::{BELL, Driver, LINKS, LISTENERS, MAILBOX, cork::Cork, watch::Watch};
use crate::{
    bind::Bind,
    buffer::Buffers,
    builder::Builder,
    clock::Clock,
    connection::Connections,
    ears::Ears,
    error::StartError,
    interface::{self, Interface},
    listener::Listener,
    log::info,
    resolver::Resolver,
    udp::Link,
};
use mio::{Registry, Token};
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
};
use zre_engine::{Address, Input, LinkId, ListenerId, ListenerKind, Node as Engine, PeerId};

/// The settings that are text, read.
struct Places {
    /// Where the mailbox is asked to be.
    mailbox: Option<Bind>,
    hubs: Vec<Bind>,
    advertise: Option<Address>,
    gossip_with: Vec<Address>,
    peers: Vec<(Option<PeerId>, Address)>,
}

impl Places {
    fn read(settings: &Builder) -> Result<Self, StartError> {
        let to = |option: &'static str| {
            move |text: &String| text.parse::<Address>().map_err(|why| StartError::endpoint(option, text, why))
        };
        let at = |option: &'static str| move |text: &String| bind(option, text);
        let peers = settings.peers.iter().map(|(peer, text)| {
            let option = if peer.is_some() { "required_peer" } else { "peer" };
            Ok::<_, StartError>((peer.map(PeerId::from), to(option)(text)?))
        });
        Ok(Self {
            mailbox: settings.endpoint.as_ref().map(at("endpoint")).transpose()?,
            hubs: settings.gossip_bind.iter().map(at("gossip_bind")).collect::<Result<_, _>>()?,
            advertise: settings.advertise.as_ref().map(to("advertise")).transpose()?,
            gossip_with: settings.gossip_connect.iter().map(to("gossip_connect")).collect::<Result<_, _>>()?,
            peers: peers.collect::<Result<_, _>>()?,
        })
    }
}

/// Where to listen, looked up.
pub(crate) fn bind(option: &'static str, text: &str) -> Result<Bind, StartError> {
    text.parse().and_then(Bind::look_up).map_err(|why| StartError::endpoint(option, text, why))
}

/// Settings that contradict each other.
fn check(settings: &Builder) -> Result<(), StartError> {
    if settings.port == 0 {
        return Err(StartError::PortZero);
    }
    if !settings.hub_alone {
        return Ok(());
    }
    let for_peers = [
        ("endpoint", settings.endpoint.is_some()),
        ("beacons", settings.beacons),
        ("advertise", settings.advertise.is_some()),
        ("peer", !settings.peers.is_empty()),
        ("contest", !settings.contest.is_empty()),
        ("group", !settings.groups.is_empty()),
    ];
    if let Some((option, _)) = for_peers.into_iter().find(|(_, given)| *given) {
        return Err(StartError::HubAlone { option });
    }
    if settings.gossip_bind.is_empty() { Err(StartError::HubNowhere) } else { Ok(()) }
}

impl Driver {
    /// Opens the sockets and starts the node. [`Builder::driver`] is the way in.
    pub(crate) fn new(settings: Builder, registry: &Registry, base: Token) -> Result<Self, StartError> {
        check(&settings)?;
        let places = Places::read(&settings)?;
        let beacons = !settings.hub_alone && (settings.endpoint.is_none() || settings.beacons);
        let (interface, why) = match beacons {
            true => {
                let (interface, why) = interface::choose(settings.interface.as_deref())?;
                (Some(interface), why)
            }
            false => (None, ""),
        };
        let any = match (&settings.interface, &interface) {
            (Some(_), Some(interface)) => interface.address,
            (Some(wanted), None) => interface::address_of(wanted)?,
            (None, _) => Ipv4Addr::UNSPECIFIED,
        };

        let clock = Clock::new();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(StartError::random)?;
        let (linger, interval) = (settings.config.linger, settings.config.interval);
        let cork = Cork::new(settings.config.limits.send_queue);
        let mut engine = Engine::new(settings.config, seed, clock.now())?;
        for group in &settings.groups {
            engine.join(clock.now(), group)?;
        }
        for group in &settings.contest {
            engine.set_contest_in_group(clock.now(), group)?;
        }
        let registry = registry.try_clone().map_err(StartError::machine("the poll"))?;
        let base = base.0;
        let mut driver = Self {
            engine,
            clock,
            ears: Ears::new(registry, Token(base + BELL)),
            base,
            listeners: Vec::new(),
            any,
            advertise: places.advertise,
            links: Vec::new(),
            connections: Connections::default(),
            resolver: Resolver::new(),
            watch: None,
            buffers: Buffers::default(),
            ready: Default::default(),
            served: None,
            asked: None,
            wrote: false,
            cork,
            gathered: 0,
            breaths: 1,
            ended: Vec::new(),
            closing: VecDeque::new(),
            linger,
            interval,
            stop_by: None,
            drained: false,
            silent: false,
            // Where the start fails, there is nothing to tell of an end.
            stopped: true,
        };

        // On the interface's own address, unless the user says otherwise: a node on `lo` cannot be reached from elsewhere.
        let place = match (&places.mailbox, &interface) {
            (Some(place), _) => Some(place.clone()),
            (None, Some(interface)) => Some(Bind::at((interface.address, settings.mailbox_port).into())),
            (None, None) => None,
        };
        if let Some(place) = place {
            let mailbox = driver.listen(MAILBOX, ListenerKind::Mailbox, &place)?;
            if let (Address::Ipc(_) | Address::Inproc(_), Some(_)) = (&mailbox, &interface) {
                return Err(StartError::BeaconsWithoutPort(mailbox));
            }
        }
        for place in &places.hubs {
            driver.listen_as_hub(place)?;
        }
        if let Some(interface) = &interface {
            driver.open_link(interface, settings.port)?;
        }
        for hub in places.gossip_with {
            let (text, now) = (hub.to_string(), driver.clock.now());
            let taken = driver.engine.gossip_connect(now, hub);
            taken.map_err(|why| StartError::endpoint("gossip_connect", &text, why))?;
        }
        for (peer, endpoint) in places.peers {
            let (text, now) = (endpoint.to_string(), driver.clock.now());
            let taken = driver.engine.require_peer(now, peer, endpoint);
            taken.map_err(|why| StartError::endpoint("peer", &text, why))?;
        }
        let now = driver.clock.now();
        driver.engine.start(now)?;
        driver.log_start(interface.as_ref(), why, settings.port);
        // A mailbox that the user has put somewhere stays there.
        let mailbox_port = places.mailbox.is_none().then_some(settings.mailbox_port);
        let wanted = settings.interface;
        driver.watch = interface.map(|interface| Watch::new(wanted, (settings.port, mailbox_port), interface, now));
        driver.stopped = false;
        driver.carry_out();
        Ok(driver)
    }

    fn log_start(&self, interface: Option<&Interface>, why: &str, port: u16) {
        let (name, uuid) = (self.engine.name(), self.engine.uuid());
        match interface {
            Some(interface) => {
                info!("{name} ({uuid}) started on interface {interface}, {why}");
                info!("{name}: UDP port {port}");
            }
            None => info!("{name} ({uuid}) started without beacons"),
        }
        for listener in &self.listeners {
            match listener.kind {
                ListenerKind::Mailbox => info!("{name}: mailbox at {}", listener.at),
                ListenerKind::Hub => info!("{name}: gossip hub at {}", listener.at),
            }
        }
    }

    /// Listens at that place, in the stead of what had the id, and tells the engine. Returns where that is.
    pub(super) fn listen(&mut self, id: ListenerId, kind: ListenerKind, place: &Bind) -> Result<Address, StartError> {
        let token = Token(self.base + LISTENERS + id.0 as usize);
        let listener = Listener::open(id, kind, place, self.any, &mut self.ears, token)?;
        let at = listener.at.clone();
        if let Some(index) = self.listeners.iter().position(|listener| listener.id == id) {
            self.listeners.remove(index).close(&self.ears);
        }
        let now = self.clock.now();
        let advertise = self.advertise.clone().filter(|_| kind == ListenerKind::Mailbox);
        self.engine.handle(now, Input::Listening { listener: id, kind, at: at.clone(), advertise })?;
        self.listeners.push(listener);
        Ok(at)
    }

    /// Sends beacons on this interface from now on, and hears those of others.
    pub(super) fn open_link(&mut self, interface: &Interface, port: u16) -> Result<(), StartError> {
        let mut link = Link::open(LinkId(0), interface, port, self.interval)?;
        let token = Token(self.base + LINKS);
        link.register(&self.ears.registry, token).map_err(StartError::machine("the beacons' socket"))?;
        let (now, address) = (self.clock.now(), interface.address.into());
        self.engine.handle(now, Input::LinkUp { link: link.id, address, mailbox: MAILBOX })?;
        self.links.push(link);
        Ok(())
    }

    /// The mailbox's address, where it has one.
    pub(super) fn mailbox_at(&self) -> Option<SocketAddr> {
        let mailbox = self.listeners.iter().find(|listener| listener.id == MAILBOX)?;
        match mailbox.at {
            Address::Tcp(at) => Some(at),
            _ => None,
        }
    }
}
