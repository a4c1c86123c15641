//! Interfaces that come, go, or change their address while the node runs.
//!
//! The system is asked now and then. While the node's interface is gone no beacons go out, and connections live on as
//! long as they can; when it is back, or has another address, the node listens there and says so by its beacons. Where
//! no interface was asked for, the node stays with the one it has as long as that is fit, and else takes the best.

use super::{Driver, MAILBOX};
use crate::{
    bind::Bind,
    clock::next_beat,
    error::StartError,
    interface::{self, Interface},
    log::{info, warn},
};
use std::{net::Ipv4Addr, time::Duration};
use zre_engine::{Input, Instant, ListenerKind};

/// How often the system is asked.
const EVERY: Duration = Duration::from_secs(1);

/// What the node wants, and what it has.
#[derive(Debug)]
pub(super) struct Watch {
    wanted: Option<String>,
    port: u16,
    /// That of the mailbox, where it goes with the interface.
    mailbox_port: Option<u16>,
    has: Option<Interface>,
    pub(super) next: Instant,
    /// The last attempt to use what there is failed, and that was logged.
    troubled: bool,
}

impl Watch {
    /// What the node wants, its UDP port and its mailbox's (where that goes with the interface), and what it has.
    pub(super) fn new(
        wanted: Option<String>,
        (port, mailbox_port): (u16, Option<u16>),
        has: Interface,
        now: Instant,
    ) -> Self {
        Self { wanted, port, mailbox_port, has: Some(has), next: next_beat(now, EVERY), troubled: false }
    }

    /// The address of the node's interface.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.has.as_ref().map(|interface| interface.address)
    }

    /// What the node should have now. None where nothing fits.
    fn find(&self) -> Option<Interface> {
        // No answer (for want of descriptors, say) is no reason to leave what works.
        let Ok(found) = interface::list_lately() else { return self.has.clone() };
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
        watch.next = next_beat(now, EVERY);
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
            link.deregister(&self.ears.registry);
            self.input(Input::LinkDown { link: link.id });
        }
    }

    fn take_link(&mut self, interface: Interface) {
        let opened = self.use_interface(&interface);
        let name = self.engine.name();
        let Some(watch) = &mut self.watch else { return };
        match opened {
            Ok(()) => {
                info!("{name}: goes on on interface {interface}");
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

    fn use_interface(&mut self, interface: &Interface) -> Result<(), StartError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let (port, mailbox_port) = (watch.port, watch.mailbox_port);
        if let Some(mailbox_port) = mailbox_port
            && self.mailbox_at().is_none_or(|at| at.ip() != interface.address)
        {
            let place = Bind::at((interface.address, mailbox_port).into());
            let at = self.listen(MAILBOX, ListenerKind::Mailbox, &place)?;
            info!("{}: mailbox at {at}", self.engine.name());
        }
        let opened = self.open_link(interface, port);
        self.carry_out();
        opened
    }
}
