//! Interfaces that come, go, or change their address while the node runs.
//!
//! The system is asked now and then. While the node's interface is gone no beacons go out, and connections live on as
//! long as they can; when it is back, or has another address, the node listens there and says so by its beacons. Where
//! no interface was asked for, the node stays with the one it has as long as that is fit, and else takes the best.

use super::{Driver, LINKS, MAILBOX};
use crate::{
    error::StartError,
    interface::{self, Interface},
    log::{info, warn},
    tcp::Mailbox,
    udp::Link,
};
use mio::Token;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use zre_engine::{Input, Instant, LinkId, ListenerId, ListenerKind};

/// How often the system is asked.
const EVERY: Duration = Duration::from_secs(1);

const LINK: LinkId = LinkId(0);
const LISTENER: ListenerId = ListenerId(0);

/// What the node wants, and what it has.
#[derive(Debug)]
pub(super) struct Watch {
    wanted: Option<String>,
    port: u16,
    mailbox_port: u16,
    has: Option<Interface>,
    pub(super) next: Instant,
    /// The last attempt to use what there is failed, and that was logged.
    troubled: bool,
}

impl Watch {
    /// What the node wants, its UDP port and its mailbox's, and what it has.
    pub(super) fn new(wanted: Option<String>, (port, mailbox_port): (u16, u16), has: Interface, now: Instant) -> Self {
        Self { wanted, port, mailbox_port, has: Some(has), next: now + EVERY, troubled: false }
    }

    /// The address of the node's interface.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.has.as_ref().map(|interface| interface.address)
    }

    /// What the node should have now. None where nothing fits.
    fn find(&self) -> Option<Interface> {
        // No answer (for want of descriptors, say) is no reason to leave what works.
        let Ok(found) = interface::list() else { return self.has.clone() };
        if let Some(has) = &self.has
            && has.running
            && found.contains(has)
        {
            return Some(has.clone());
        }
        interface::pick(&found, self.wanted.as_deref()).ok().filter(|found| found.running)
    }
}

impl Driver {
    /// Looks whether interfaces have changed, where it is time to.
    pub(super) fn watch_interfaces(&mut self, now: Instant) {
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.next <= now) else { return };
        watch.next = now + EVERY;
        let found = watch.find();
        if found == watch.has && !watch.troubled {
            return;
        }
        self.leave_link();
        if let Some(interface) = found {
            self.take_link(interface);
        }
    }

    fn leave_link(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        if let Some(gone) = watch.has.take() {
            info!("{}: interface {gone} is gone, or has changed", self.engine.name());
        }
        if let Some(mut link) = self.links.pop() {
            link.deregister(&self.registry);
            self.input(Input::LinkDown { link: LINK });
        }
    }

    fn take_link(&mut self, interface: Interface) {
        let opened = self.open_link(&interface);
        let name = self.engine.name();
        let Some(watch) = &mut self.watch else { return };
        match opened {
            Ok(()) => {
                info!("{name}: goes on on interface {interface}, mailbox at {}", self.mailbox.at);
                watch.troubled = false;
                watch.has = Some(interface);
            }
            Err(error) => {
                if !std::mem::replace(&mut watch.troubled, true) {
                    warn!("{name}: interface {interface} cannot be used (yet): {error}");
                }
            }
        }
    }

    fn open_link(&mut self, interface: &Interface) -> Result<(), StartError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let (port, mailbox_port) = (watch.port, watch.mailbox_port);
        let mut link = Link::open(LINK, interface, port)?;
        let address = interface.address.into();
        if self.mailbox.at.ip() != address {
            let mut mailbox = Mailbox::open(LISTENER, SocketAddr::new(address, mailbox_port))?;
            let token = Token(self.base + MAILBOX);
            self.mailbox.deregister(&self.registry);
            mailbox.register(&self.registry, token).map_err(StartError::machine("the mailbox"))?;
            self.mailbox = mailbox;
            let at = self.mailbox.at.into();
            self.input(Input::Listening { listener: LISTENER, kind: ListenerKind::Mailbox, at, advertise: None });
        }
        let token = Token(self.base + LINKS);
        link.register(&self.registry, token).map_err(StartError::machine("the beacons' socket"))?;
        self.links.push(link);
        self.input(Input::LinkUp { link: LINK, address, mailbox: LISTENER });
        Ok(())
    }
}
