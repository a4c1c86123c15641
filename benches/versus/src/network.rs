//! A network of the program's own, so that nothing leaves the machine and nobody else is on the air.

use crate::namespace::{ADDRESS, INTERFACE};
use std::{env, ffi::OsString, fs, os::unix::process::CommandExt as _, process::Command};

/// Holds the name of the network outside, as `namespace` wants it.
const OUTSIDE: &str = "ZRE_NAMESPACE";

/// Makes the network, then runs what its arguments say.
const SCRIPT: &str = r#"
set -e
PATH="$PATH:/usr/sbin:/sbin"
command -v ip >/dev/null || { echo 'versus: ip is not here (Debian: iproute2)' >&2; exit 2; }
ip link set lo up
ip link add "$1" type veth peer name v1
ip address add "$2/24" broadcast + dev "$1"
ip link set "$1" up
ip link set v1 up
shift 2
exec "$@"
"#;

/// Runs this program again, with the same arguments and more in its environment, in a network of its own. Returns only
/// where that fails, with why.
pub fn enter(more: Vec<(&'static str, OsString)>) -> String {
    let (myself, outside) = match (env::current_exe(), fs::read_link("/proc/self/ns/net")) {
        (Ok(myself), Ok(outside)) => (myself, outside),
        (Err(why), _) | (_, Err(why)) => return why.to_string(),
    };
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--net", "sh", "-c", SCRIPT, "sh"]);
    inside.args([INTERFACE, &ADDRESS.to_string()]).arg(myself).args(env::args_os().skip(1));
    inside.env(OUTSIDE, outside).envs(more);
    format!("unshare (Debian: util-linux): {}", inside.exec())
}
