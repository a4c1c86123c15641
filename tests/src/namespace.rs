//! Tests in a network of their own: a namespace in which nothing but the test is on the air.
//!
//! ```no_run
//! # use zre_tests::namespace;
//! #[test]
//! fn two_nodes_meet() {
//!     namespace::run("two_nodes_meet", || {
//!         // Here: lo, and v0 with 10.66.0.1/24, whose broadcasts come back to every listener.
//!     });
//! }
//! ```
//!
//! The test runs its own binary again, for this test alone, inside the namespace. No privilege
//! is asked for where the kernel grants user namespaces. Where it does not, the test is skipped
//! with a line on standard error, or fails where the environment says `ZRE_PEERS=required`.

use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

use crate::children::{self, PATIENCE};

/// The interface: one end of a pair, so that what is sent on it goes nowhere else.
pub const INTERFACE: &str = "v0";

/// The address of [`INTERFACE`].
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);

/// Where broadcasts of [`INTERFACE`] go.
pub const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 255);

/// Holds the name of the network outside.
const OUTSIDE: &str = "ZRE_NAMESPACE";

/// What the script prints when the network is there.
const READY: &str = "namespace: ready";

/// Makes the network, then runs what its arguments say.
const SCRIPT: &str = r#"
set -e
ip link set lo up
ip link add v0 type veth peer name v1
for address in $ADDRESSES; do ip address add "$address" broadcast + dev v0; done
ip link set v0 up
ip link set v1 up
tries=0
until ip -oneline link show dev v0 | grep -q 'state UP'; do
    tries=$((tries + 1))
    [ $tries -lt 500 ]
    sleep 0.01
done
echo 'namespace: ready'
exec "$@"
"#;

/// Runs `body`, the whole of the test of this name, in a namespace. See [`Namespace`].
#[track_caller]
pub fn run(test: &str, body: impl FnOnce()) {
    Namespace::new(test).run(body);
}

/// A network to run a test in.
#[derive(Debug)]
pub struct Namespace {
    test: String,
    addresses: String,
    deadline: Duration,
}

impl Namespace {
    /// A network for the test of this name: its path in its crate, `module::name`.
    pub fn new(test: &str) -> Self {
        let (test, addresses) = (test.to_owned(), format!("{ADDRESS}/24"));
        Self { test, addresses, deadline: Duration::from_secs(120) }
    }

    /// One more address of [`INTERFACE`], like `10.66.0.2/24`.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        self.addresses = format!("{} {address}", self.addresses);
        self
    }

    /// How long the test may take; two minutes where nothing is said.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs `body` in the network, as the whole of the test. What must be done outside, where
    /// the machine's network is, comes before it, and is done again inside.
    #[track_caller]
    pub fn run(self, body: impl FnOnce()) {
        if is_inside() {
            thread::spawn(end_with_the_outside);
            return body();
        }
        match self.outside() {
            Ok(output) => print!("{output}"),
            Err(why) => skip(&format!("no network namespace: {why}")),
        }
    }

    /// What the test printed inside, or why there is no inside.
    #[track_caller]
    fn outside(&self) -> Result<String, String> {
        let mut inside = Command::new("unshare");
        inside.args(["--user", "--map-root-user", "--net", "sh", "-c", SCRIPT, "sh"]);
        inside.arg(env::current_exe().map_err(|why| why.to_string())?);
        inside.args(["--exact", &self.test, "--include-ignored", "--nocapture"]);
        inside.env(OUTSIDE, network()).env("ADDRESSES", &self.addresses);
        let end = finish(inside, self.deadline).map_err(|why| format!("unshare: {why}"))?;
        let (test, output) = (&self.test, end.output);
        assert!(!end.overran, "{test} took more than {:?}:\n{output}", self.deadline);
        if !output.lines().any(|line| line == READY) {
            return Err(output.trim().replace('\n', "; "));
        }
        assert!(end.status.success(), "{test}, {}:\n{output}", end.status);
        let one = output.contains("test result: ok. 1 passed; 0 failed; 0 ignored;");
        assert!(one, "{test} is not the name of one test:\n{output}");
        Ok(output)
    }
}

/// What became of a child that was run to its end.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it and its children wrote to standard output and standard error, as it came.
    pub output: String,
    /// It was killed because its time was up.
    pub overran: bool,
}

/// Runs a command in a process group of its own until it and all that share its output have
/// ended, or kills the group at the `deadline`. Its input stays open and silent until then.
pub fn finish(mut command: Command, deadline: Duration) -> io::Result<Finished> {
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let mut child = command.spawn()?;
    drop(command); // It holds the pipe open.
    let group = child.id();
    let (done, end) = mpsc::channel();
    thread::spawn(move || {
        let mut output = Vec::new();
        // The child is not waited for before its output ends: until then its id is its own.
        let status = reader.read_to_end(&mut output).and_then(|_| child.wait());
        let _ = done.send(status.map(|status| (status, output)));
    });
    let (ended, overran) = match end.recv_timeout(deadline) {
        Ok(ended) => (ended, false),
        Err(_) => {
            // It fails where the group ended at the last moment.
            let _ = children::signal("KILL", &format!("-{group}"));
            let unread = |_| Ok((ExitStatus::from_raw(9), b"its output does not end".to_vec()));
            (end.recv_timeout(PATIENCE).unwrap_or_else(unread), true)
        }
    };
    let (status, output) = ended?;
    Ok(Finished { status, output: String::from_utf8_lossy(&output).into_owned(), overran })
}

/// Whether this process runs in a network that [`Namespace`] made.
pub fn is_inside() -> bool {
    let Ok(outside) = env::var(OUTSIDE) else { return false };
    assert!(outside.starts_with("net:["), "{OUTSIDE} is not for people to set");
    assert_ne!(network(), outside, "{OUTSIDE} is set, and this is the machine's network");
    true
}

/// Runs `ip` with these arguments inside: `ip("link set v0 down")`.
#[track_caller]
pub fn ip(arguments: &str) {
    assert!(is_inside(), "the machine's network is not to be changed");
    let ip = Command::new("ip").args(arguments.split_whitespace()).output();
    let ip = ip.expect("ip made the namespace");
    assert!(ip.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&ip.stderr));
}

/// Says in one line why a test cannot be run here; fails where it has to be.
#[track_caller]
pub fn skip(why: &str) {
    let required = env::var("ZRE_PEERS").is_ok_and(|peers| peers == "required");
    assert!(!required, "ZRE_PEERS=required, but: {why}");
    // Not by a macro, whose output a passing test keeps to itself.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// The name of the network that this process is in.
fn network() -> String {
    let link = fs::read_link("/proc/self/ns/net").expect("a process has a network");
    link.to_string_lossy().into_owned()
}

/// The outer half holds the input of the inner one for as long as it lives.
fn end_with_the_outside() {
    if io::stdin().read(&mut [0]).is_ok_and(|octets| octets == 0) {
        process::exit(1);
    }
}
