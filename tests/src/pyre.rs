//! Real Pyre nodes as child processes.
//!
//! ```no_run
//! # use zre_tests::{namespace, pyre::{Pyre, PyreNode, PyreOptions}};
//! #[test]
//! fn pyre_enters() {
//!     if Pyre::install().is_none() {
//!         return;
//!     }
//!     namespace::run("pyre_enters", || {
//!         let mut alice = PyreNode::start(&PyreOptions::named("alice").group("chat"));
//!         let mut bob = PyreNode::start(&PyreOptions::named("bob").header("role", "sensor"));
//!         let enter = alice.expect_event("ENTER", |event| event["name"] == "bob");
//!         assert_eq!(enter["headers"]["role"], "sensor");
//!         bob.expect_event("JOIN", |event| event["group"] == "chat");
//!         bob.stop();
//!         alice.expect_event("EXIT", |event| event["name"] == "bob");
//!     });
//! }
//! ```

use std::fs::{self, File};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, io};

use crate::children::JsonLines;
use crate::namespace;

/// What is installed, each at its version.
const PACKAGES: [&str; 3] = ["zeromq-pyre==0.3.4", "pyzmq==27.3.0", "ipaddress==1.0.23"];

/// Drives one node; the format is that of `zre pipe`.
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/pyre_node.py");

/// How long an installation may take.
const INSTALLING: Duration = Duration::from_secs(300);

/// Pyre 0.3.4, in a virtual environment under the target directory.
#[derive(Debug)]
pub struct Pyre;

impl Pyre {
    /// The Python that has Pyre; made where it is not there yet, which needs the machine's
    /// network and so comes before [`namespace::run`]. None: the test is skipped, and that
    /// has been said.
    #[track_caller]
    pub fn install() -> Option<PathBuf> {
        static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        match INSTALLED.get_or_init(installed) {
            Ok(python) => Some(python.clone()),
            Err(why) => {
                namespace::skip(why);
                None
            }
        }
    }
}

fn installed() -> Result<PathBuf, String> {
    let home = install_once("pyre-0.3.4", "bin/python", &PACKAGES.join("\n"), |home| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(home);
        install_step("python3 is not here", venv)?;
        let mut pip = Command::new(home.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        pip.args(PACKAGES);
        install_step("pyre cannot be installed", pip)
    })?;
    Ok(home.join("bin/python"))
}

/// Where `name` is installed under the target directory: by `install`, unless its `program` is there and was made of
/// what is `wanted`.
pub(crate) fn install_once(
    name: &str,
    program: &str,
    wanted: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let peers = target().ok_or("no target directory above this program")?.join("peers");
    let home = peers.join(name);
    let (program, complete) = (home.join(program), home.join("complete"));
    let is_there = || program.exists() && fs::read_to_string(&complete).is_ok_and(|made_of| made_of == wanted);
    if is_there() {
        return Ok(home);
    }
    if namespace::is_inside() {
        return Err(format!("{name} is to be installed before namespace::run"));
    }
    // Another process may be at it; the lock ends with its holder.
    let of_lock = |why: io::Error| format!("{}: {why}", peers.display());
    fs::create_dir_all(&peers).map_err(of_lock)?;
    let lock = File::create(peers.join(format!("{name}.lock"))).map_err(of_lock)?;
    lock.lock().map_err(of_lock)?;
    if is_there() {
        return Ok(home);
    }
    if home.exists() {
        fs::remove_dir_all(&home).map_err(of_lock)?;
    }
    install(&home)?;
    fs::write(&complete, wanted).map_err(of_lock)?;
    Ok(home)
}

/// One step of an installation; where it fails, `otherwise` comes before what it said.
pub(crate) fn install_step(otherwise: &str, command: Command) -> Result<(), String> {
    match namespace::finish(command, INSTALLING) {
        Ok(end) if end.status.success() => Ok(()),
        Ok(end) if end.overran => Err(format!("{otherwise}: no end after {INSTALLING:?}")),
        Ok(end) => Err(format!("{otherwise}: {}", end.output.trim().replace('\n', "; "))),
        Err(why) => Err(format!("{otherwise}: {why}")),
    }
}

/// The target directory: cargo marks it with a file.
fn target() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let is_target = |above: &&Path| above.join("CACHEDIR.TAG").exists();
    program.ancestors().find(is_target).map(Path::to_path_buf)
}

/// How a node is to be. What is not said is as Pyre has it.
#[derive(Debug, Clone)]
pub struct PyreOptions {
    arguments: Vec<String>,
}

impl PyreOptions {
    /// A node of this name on [`namespace::INTERFACE`].
    pub fn named(name: &str) -> Self {
        let nothing = Self { arguments: Vec::new() };
        nothing.with("name", name).with("interface", namespace::INTERFACE)
    }

    /// A header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with("header", &format!("{name}={value}"))
    }

    /// A group, joined before the start: it is in the HELLO.
    #[must_use]
    pub fn group(self, group: &str) -> Self {
        self.with("group", group)
    }

    /// The interface, by name.
    #[must_use]
    pub fn interface(self, name: &str) -> Self {
        self.with("interface", name)
    }

    /// The UDP port of beacons.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.with("port", &port.to_string())
    }

    /// The time between beacons.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        self.with("interval", &interval.as_millis().to_string())
    }

    /// The silence after which a peer gets a PING. Pyre looks once a second.
    #[must_use]
    pub fn evasive(self, evasive: Duration) -> Self {
        self.with("evasive", &evasive.as_millis().to_string())
    }

    /// The silence after which a peer is given up. Pyre looks once a second.
    #[must_use]
    pub fn expired(self, expired: Duration) -> Self {
        self.with("expired", &expired.as_millis().to_string())
    }

    /// Whispers go back as they came, and are no events.
    #[must_use]
    pub fn echo(mut self) -> Self {
        self.arguments.push("--echo".to_owned());
        self
    }

    fn with(mut self, option: &str, value: &str) -> Self {
        self.arguments.push(format!("--{option}={value}"));
        self
    }
}

/// A running node of Pyre; what can be done with it is in [`JsonLines`].
#[derive(Debug)]
pub struct PyreNode(JsonLines);

impl PyreNode {
    /// Starts a node, in a namespace only, and waits for its START.
    #[track_caller]
    pub fn start(options: &PyreOptions) -> Self {
        assert!(namespace::is_inside(), "pyre's beacons are not for the machine's network");
        let python = Pyre::install().expect("Pyre::install comes before namespace::run");
        let mut command = Command::new(python);
        command.arg(DRIVER).args(&options.arguments);
        let name = options.arguments.first().map_or("pyre", |name| name.trim_start_matches("--name="));
        Self(JsonLines::start(format!("pyre {name}"), command))
    }

    /// Stops the node politely; see [`JsonLines::stop`].
    #[track_caller]
    pub fn stop(self) {
        self.0.stop();
    }

    /// Kills the node; see [`JsonLines::kill9`].
    pub fn kill9(self) {
        self.0.kill9();
    }
}

impl Deref for PyreNode {
    type Target = JsonLines;

    fn deref(&self) -> &JsonLines {
        &self.0
    }
}

impl DerefMut for PyreNode {
    fn deref_mut(&mut self) -> &mut JsonLines {
        &mut self.0
    }
}
