//! Which network interface beacons go out on.

use crate::{clock::Age, log::warn};
use parking_lot::Mutex;
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

/// An interface of this machine with one of its IPv4 addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// None where there is nobody to broadcast to: point-to-point, or a network of one address.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// The system's order.
    pub(crate) index: Option<u32>,
    /// Up, and with a carrier.
    pub(crate) running: bool,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// Why there is no interface to send beacons on. The message lists those that exist.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterfaceError {
    /// The system did not tell.
    #[error("the system does not tell its network interfaces: {0}")]
    List(#[from] io::Error),
    /// None has that name or address.
    #[error("no network interface has the name or IPv4 address {wanted:?}; there {}", there_are(.found))]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What exists.
        found: Vec<String>,
    },
    /// The one asked for has no broadcast address.
    #[error("the network interface {wanted} has no broadcast address, so no beacons can go out; there {}", there_are(.found))]
    NoBroadcast {
        /// What was asked for.
        wanted: String,
        /// What exists.
        found: Vec<String>,
    },
    /// None is fit, and none was asked for.
    #[error(
        "no network interface is up with an IPv4 broadcast address; there {}; connect one, or use the interface lo for \
         nodes on this machine alone",
        there_are(.found)
    )]
    NoneFit {
        /// What exists.
        found: Vec<String>,
    },
}

fn there_are(found: &[String]) -> String {
    match found {
        [] => "is none at all".into(),
        [one] => format!("is {one}"),
        many => format!("are {}", many.join(", ")),
    }
}

/// The interface by that name or address, or else the best one; and why, for the log.
pub(crate) fn choose(wanted: Option<&str>) -> Result<(Interface, &'static str), InterfaceError> {
    let all = list()?;
    let chosen = pick(&all, wanted)?;
    let why = match wanted {
        Some(_) => "as asked for",
        None if all.iter().filter(fits).count() == 1 => "the only one that fits",
        None => "the best of several",
    };
    if !chosen.running {
        warn!("interface {chosen} is down: nobody hears the beacons until it is up");
    }
    Ok((chosen, why))
}

/// The address of the interface by that name or address, whether beacons could go out on it or not.
pub(crate) fn address_of(wanted: &str) -> Result<Ipv4Addr, InterfaceError> {
    let all = list()?;
    let found = all.iter().find(|one| one.name == wanted || wanted.parse() == Ok(one.address));
    found.map(|one| one.address).ok_or_else(|| InterfaceError::Unknown { wanted: wanted.into(), found: names(&all) })
}

/// The interface by that name or address, or else the best one.
pub(crate) fn pick(all: &[Interface], wanted: Option<&str>) -> Result<Interface, InterfaceError> {
    match wanted {
        Some(wanted) => by_name_or_address(all, wanted).cloned(),
        None => best(all).cloned(),
    }
}

/// The interfaces as they were a moment ago: of many nodes in one process, one asks the system for all.
pub(crate) fn list_lately() -> io::Result<Vec<Interface>> {
    const MOMENT: Duration = Duration::from_millis(500);
    static LATELY: Mutex<Option<(Age, Vec<Interface>)>> = Mutex::new(None);
    let mut lately = LATELY.lock();
    match &*lately {
        Some((age, found)) if age.is_below(MOMENT) => Ok(found.clone()),
        _ => {
            let found = list()?;
            *lately = Some((Age::default(), found.clone()));
            Ok(found)
        }
    }
}

/// All interfaces with an IPv4 address.
pub(crate) fn list() -> io::Result<Vec<Interface>> {
    let all = if_addrs::get_if_addrs()?;
    Ok(all.into_iter().filter_map(convert).collect())
}

fn convert(found: if_addrs::Interface) -> Option<Interface> {
    let if_addrs::IfAddr::V4(v4) = &found.addr else { return None };
    // `lo` and interfaces that were given none have the one that the netmask makes; the kernel knows it all the same.
    let computed = Ipv4Addr::from_bits(v4.ip.to_bits() | !v4.netmask.to_bits());
    let told = v4.broadcast.filter(|broadcast| !broadcast.is_unspecified() && *broadcast != v4.ip);
    let broadcast = told.unwrap_or(computed);
    let lonely = found.is_p2p() || v4.prefixlen > 30 || v4.prefixlen == 0;
    Some(Interface {
        running: found.is_oper_up(),
        address: v4.ip,
        broadcast: (!lonely).then_some(broadcast),
        index: found.index,
        name: found.name,
    })
}

fn by_name_or_address<'a>(all: &'a [Interface], wanted: &str) -> Result<&'a Interface, InterfaceError> {
    let address: Option<IpAddr> = wanted.parse().ok();
    let is_meant = |one: &&Interface| one.name == wanted || address == Some(one.address.into());
    match all.iter().filter(is_meant).max_by_key(|one| one.broadcast.is_some()) {
        Some(one) if one.broadcast.is_some() => {
            // An interface may have several addresses: the first is its own, unless one was named.
            Ok(all.iter().filter(is_meant).find(|one| one.broadcast.is_some()).unwrap_or(one))
        }
        Some(one) => Err(InterfaceError::NoBroadcast { wanted: one.to_string(), found: names(all) }),
        None => Err(InterfaceError::Unknown { wanted: wanted.into(), found: names(all) }),
    }
}

/// Whether other machines can be reached by it.
fn fits(one: &&Interface) -> bool {
    one.running && one.broadcast.is_some() && !one.address.is_loopback()
}

/// The best interface of those that fit.
fn best(all: &[Interface]) -> Result<&Interface, InterfaceError> {
    let rank = |one: &&Interface| (one.address.is_link_local(), is_virtual(&one.name), one.index.unwrap_or(u32::MAX));
    all.iter().filter(fits).min_by_key(rank).ok_or_else(|| InterfaceError::NoneFit { found: names(all) })
}

/// Whether the name is one that programs give to networks inside the machine, where no other machine listens.
fn is_virtual(name: &str) -> bool {
    const PREFIXES: [&str; 12] =
        ["docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "podman", "cni", "flannel", "lxc", "lxd", "bridge"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn names(all: &[Interface]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, address: [u8; 4], broadcast: bool, running: bool, index: u32) -> Interface {
        Interface {
            name: name.into(),
            address: address.into(),
            broadcast: broadcast.then(|| [address[0], address[1], address[2], 255].into()),
            index: Some(index),
            running,
        }
    }

    fn machine() -> Vec<Interface> {
        vec![
            interface("lo", [127, 0, 0, 1], true, true, 1),
            interface("docker0", [172, 17, 0, 1], true, true, 2),
            interface("eth1", [10, 0, 0, 9], true, false, 3),
            interface("eth2", [169, 254, 3, 3], true, true, 4),
            interface("wlan0", [192, 168, 1, 5], true, true, 6),
            interface("eth0", [192, 168, 7, 5], true, true, 5),
            interface("eth0", [192, 168, 8, 5], true, true, 5),
            interface("tun0", [10, 8, 0, 2], false, true, 7),
        ]
    }

    #[test]
    fn the_best_is_up_and_reaches_other_machines() {
        let all = machine();
        assert_eq!(best(&all).unwrap().to_string(), "eth0 (192.168.7.5)");
    }

    #[test]
    fn a_name_or_an_address_decides() {
        let all = machine();
        for (wanted, chosen) in [
            ("lo", "lo (127.0.0.1)"),
            ("eth0", "eth0 (192.168.7.5)"),
            ("192.168.8.5", "eth0 (192.168.8.5)"),
            ("eth1", "eth1 (10.0.0.9)"),
        ] {
            assert_eq!(by_name_or_address(&all, wanted).unwrap().to_string(), chosen);
        }
    }

    #[test]
    fn an_error_names_what_exists() {
        let all = &machine()[..2];
        assert_eq!(
            by_name_or_address(all, "eth9").unwrap_err().to_string(),
            "no network interface has the name or IPv4 address \"eth9\"; there are lo (127.0.0.1), docker0 (172.17.0.1)"
        );
        let tunnel = [interface("tun0", [10, 8, 0, 2], false, true, 7)];
        assert!(by_name_or_address(&tunnel, "tun0").unwrap_err().to_string().contains("no broadcast address"));
        let error = best(&machine()[..1]).unwrap_err().to_string();
        assert!(error.contains("there is lo (127.0.0.1)") && error.contains("use the interface lo"), "{error}");
        assert!(best(&[]).unwrap_err().to_string().contains("there is none at all"));
    }

    #[test]
    fn loopback_broadcasts_to_its_netmask() {
        let (lo, _) = choose(Some("127.0.0.1")).unwrap();
        assert_eq!(lo.broadcast, Some(Ipv4Addr::new(127, 255, 255, 255)));
    }
}
