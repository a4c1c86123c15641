//! A network of the program's own, so that nothing leaves the machine and nobody else is on the air.

use std::{env, fs, net::Ipv4Addr, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

/// The interface: one end of a pair, so that what is sent on it goes nowhere else.
pub const INTERFACE: &str = "v0";

/// The address of [`INTERFACE`].
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);

/// Holds the name of the network outside.
const OUTSIDE: &str = "ZRE_NAMESPACE";

/// Makes the network, then runs what its arguments say.
const SCRIPT: &str = r#"
set -e
PATH="$PATH:/usr/sbin:/sbin"
ip link set lo up
ip link add "$1" type veth peer name v1
ip address add "$2/24" broadcast + dev "$1"
ip link set "$1" up
ip link set v1 up
shift 2
exec "$@"
"#;

/// Whether this process runs in a network that [`enter`] made.
pub fn is_inside() -> bool {
    env::var(OUTSIDE).is_ok_and(|outside| outside.starts_with("net:[") && outside != network())
}

/// Runs this program again, with the same arguments and more in its environment, in a network of its own. Returns only
/// where that fails, with why.
pub fn enter(more: Vec<(&'static str, PathBuf)>) -> String {
    let myself = match env::current_exe() {
        Ok(myself) => myself,
        Err(why) => return why.to_string(),
    };
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--net", "sh", "-c", SCRIPT, "sh"]);
    inside.args([INTERFACE, &ADDRESS.to_string()]).arg(myself).args(env::args_os().skip(1));
    inside.env(OUTSIDE, network()).envs(more);
    format!("unshare (Debian: util-linux): {}", inside.exec())
}

/// The name of the network that this process is in.
fn network() -> String {
    let link = fs::read_link("/proc/self/ns/net").unwrap_or_default();
    link.to_string_lossy().into_owned()
}
