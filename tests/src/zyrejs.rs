//! Real zyre.js nodes as child processes.
//!
//! ```no_run
//! # use zre_tests::{namespace, zyrejs::{ZyreJs, ZyreJsNode, ZyreJsOptions}};
//! #[test]
//! fn zyrejs_enters() {
//!     if ZyreJs::install().is_none() {
//!         return;
//!     }
//!     namespace::run("zyrejs_enters", || {
//!         let mut alice = ZyreJsNode::start(&ZyreJsOptions::named("alice").group("chat"));
//!         let mut bob = ZyreJsNode::start(&ZyreJsOptions::named("bob").header("role", "sensor"));
//!         let enter = alice.expect_event("ENTER", |event| event["name"] == "bob");
//!         assert_eq!(enter["headers"]["role"], "sensor");
//!         bob.expect_event("JOIN", |event| event["group"] == "chat");
//!         bob.stop();
//!         alice.expect_event("EXIT", |event| event["name"] == "bob");
//!     });
//! }
//! ```
//!
//! Start one after the other: zyre.js looks for a free port first and takes it a moment later.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::children::{JsonLines, PATIENCE};
use crate::namespace;
use crate::pyre::{install_once, install_step};

/// What is installed, each at its version.
const PACKAGES: [&str; 7] =
    ["zyre.js@1.3.0", "zeromq@5.3.1", "debug@4.4.3", "ms@2.1.3", "nan@2.17.0", "node-gyp-build@4.8.4", "uuid@8.3.2"];

/// The package that is compiled, and where it looks for the outcome first.
const NATIVE: &str = "node_modules/zeromq";
const ADDON: &str = "node_modules/zeromq/build/Release/zmq.node";

/// What a program that is not there is called in Debian.
const NEEDS: &str = "Debian: nodejs npm libnode-dev libzmq3-dev g++";

/// Drives one node; the format is that of `zre pipe`.
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/zyrejs_node.js");

/// zyre.js 1.3.0 over the libzmq of this machine, under the target directory.
#[derive(Debug)]
pub struct ZyreJs;

impl ZyreJs {
    /// The modules for `NODE_PATH`; made where they are not there yet, which needs the machine's
    /// network and so comes before [`namespace::run`]. None: the test is skipped, and that
    /// has been said.
    #[track_caller]
    pub fn install() -> Option<PathBuf> {
        static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        match INSTALLED.get_or_init(installed) {
            Ok(modules) => Some(modules.clone()),
            Err(why) => {
                namespace::skip(why);
                None
            }
        }
    }
}

fn installed() -> Result<PathBuf, String> {
    // An addon fits the Node.js it was made for.
    let node = node_says("process.version + ' ' + process.arch")?;
    let wanted = format!("{}\n{node}", PACKAGES.join("\n"));
    let home = install_once("zyre.js-1.3.0", ADDON, &wanted, |home| {
        let of_home = |why| format!("{}: {why}", home.display());
        fs::create_dir_all(home).map_err(of_home)?;
        // Without it npm looks for one further up.
        fs::write(home.join("package.json"), r#"{"private": true}"#).map_err(of_home)?;
        let mut npm = Command::new("npm");
        // Its scripts would fetch libzmq's source from elsewhere.
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]);
        npm.args(["--loglevel", "error"]).args(PACKAGES).current_dir(home);
        install_step(&format!("zyre.js cannot be installed ({NEEDS})"), npm)?;
        compile(home)
    })?;
    Ok(home.join("node_modules"))
}

/// Does what `node-gyp` would do, without what that needs.
fn compile(home: &Path) -> Result<(), String> {
    let includes = node_says("path.resolve(process.execPath, '../../include/node')")?;
    let addon = home.join(ADDON);
    let of_home = |why| format!("{}: {why}", home.display());
    fs::create_dir_all(addon.parent().unwrap_or(home)).map_err(of_home)?;
    let mut compiler = Command::new("c++");
    compiler.args(["-shared", "-fPIC", "-pthread", "-O2", "-std=c++17", "-w", "-fmax-errors=3"]);
    compiler.args(["-DNODE_GYP_MODULE_NAME=zmq", "-DBUILDING_NODE_EXTENSION", "-I", &includes, "-I", "../nan"]);
    compiler.arg("-o").arg(&addon).args(["binding.cc", "-lzmq"]).current_dir(home.join(NATIVE));
    install_step(&format!("zyre.js cannot be built ({NEEDS})"), compiler)
}

fn node_says(expression: &str) -> Result<String, String> {
    let mut node = Command::new("node");
    node.args(["--print", expression]);
    let of_node = |why: &str| format!("Node.js is not here ({NEEDS}): {}", why.trim().replace('\n', "; "));
    match namespace::finish(node, PATIENCE) {
        Ok(end) if end.status.success() => Ok(end.output.trim().to_owned()),
        Ok(end) => Err(of_node(&end.output)),
        Err(why) => Err(of_node(&why.to_string())),
    }
}

/// How a node is to be. What is not said is as zyre.js has it.
#[derive(Debug, Clone)]
pub struct ZyreJsOptions {
    name: String,
    arguments: Vec<String>,
}

impl ZyreJsOptions {
    /// A node of this name on [`namespace::INTERFACE`].
    pub fn named(name: &str) -> Self {
        let nothing = Self { name: name.to_owned(), arguments: Vec::new() };
        nothing.with("name", name).with("interface", namespace::INTERFACE)
    }

    /// A header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with("header", &format!("{name}={value}"))
    }

    /// A group, joined before the first beacon: it is in the HELLO.
    #[must_use]
    pub fn group(self, group: &str) -> Self {
        self.with("group", group)
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

    /// The silence after which a peer gets a PING.
    #[must_use]
    pub fn evasive(self, evasive: Duration) -> Self {
        self.with("evasive", &evasive.as_millis().to_string())
    }

    /// The silence after which a peer is given up.
    #[must_use]
    pub fn expired(self, expired: Duration) -> Self {
        self.with("expired", &expired.as_millis().to_string())
    }

    /// Whispers go back, and are no events.
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

/// A running node of zyre.js; what can be done with it is in [`JsonLines`].
#[derive(Debug)]
pub struct ZyreJsNode(JsonLines);

impl ZyreJsNode {
    /// Starts a node, in a namespace only, and waits for its START.
    #[track_caller]
    pub fn start(options: &ZyreJsOptions) -> Self {
        assert!(namespace::is_inside(), "zyre.js's beacons are not for the machine's network");
        let modules = ZyreJs::install().expect("ZyreJs::install comes before namespace::run");
        let mut command = Command::new("node");
        command.arg(DRIVER).args(&options.arguments).env("NODE_PATH", modules);
        Self(JsonLines::start(format!("zyre.js {}", options.name), command))
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

impl Deref for ZyreJsNode {
    type Target = JsonLines;

    fn deref(&self) -> &JsonLines {
        &self.0
    }
}

impl DerefMut for ZyreJsNode {
    fn deref_mut(&mut self) -> &mut JsonLines {
        &mut self.0
    }
}
