//! czmq's own zgossip as a child process: the hub, and the client, of every Zyre.
//!
//! ```no_run
//! # use zre_tests::zgossip::Zgossip;
//! # use zre_mio::Node;
//! #[test]
//! fn it_hears_of_us() {
//!     if !Zgossip::is_here() {
//!         return;
//!     }
//!     let mut hub = Zgossip::start("hub");
//!     let place = hub.bind("tcp://127.0.0.1:*");
//!     let node = Node::builder("ours").endpoint("tcp://127.0.0.1:*").gossip_connect(&place).start().unwrap();
//!     hub.expect_event("DELIVER", |line| line["key"] == node.uuid().to_string());
//! }
//! ```

use std::ops::{Deref, DerefMut};
use std::process::Command;

use serde_json::json;

use crate::children::{JsonLines, PATIENCE};
use crate::namespace;

/// Drives one actor.
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/zgossip.py");

/// A running zgossip; what else can be done with it is in [`JsonLines`]. Its lines are `DELIVER`, with `key` and `value`.
#[derive(Debug)]
pub struct Zgossip(JsonLines);

impl Zgossip {
    /// Whether czmq is on this machine. If not, the test is skipped, and that has been said.
    #[track_caller]
    pub fn is_here() -> bool {
        let mut command = Command::new("python3");
        command.args([DRIVER, "--version"]);
        let why = match namespace::finish(command, PATIENCE) {
            Ok(end) if end.status.success() => return true,
            Ok(end) => end.output.lines().last().unwrap_or("it does not end").to_owned(),
            Err(why) => format!("python3: {why}"),
        };
        namespace::skip(&format!("no czmq (Debian: libczmq4): {why}"));
        false
    }

    /// Starts it.
    #[track_caller]
    pub fn start(label: &str) -> Self {
        let mut command = Command::new("python3");
        command.arg(DRIVER);
        Self(JsonLines::start(format!("zgossip {label}"), command))
    }

    /// Becomes a hub; the real endpoint.
    #[track_caller]
    pub fn bind(&mut self, endpoint: &str) -> String {
        let bound = self.ask(json!({"do": "bind", "endpoint": endpoint}));
        bound.as_str().expect("an endpoint").to_owned()
    }

    /// Becomes a client of the hub at this endpoint.
    #[track_caller]
    pub fn connect_to(&mut self, endpoint: &str) {
        self.ask(json!({"do": "connect", "endpoint": endpoint}));
    }

    /// Tells a tuple.
    #[track_caller]
    pub fn publish(&mut self, key: &str, value: &str) {
        self.ask(json!({"do": "publish", "key": key, "value": value}));
    }

    /// How many tuples it knows.
    #[track_caller]
    pub fn tuples(&mut self) -> u64 {
        self.ask(json!({"do": "status"})).as_u64().expect("a number")
    }

    /// Waits until it has heard of this.
    #[track_caller]
    pub fn expect_tuple(&mut self, key: &str, value: &str) {
        self.expect_event("DELIVER", |line| line["key"] == key && line["value"] == value);
    }

    /// Kills it; see [`JsonLines::kill9`].
    pub fn kill9(self) {
        self.0.kill9();
    }

    /// Stops it politely; see [`JsonLines::stop`].
    #[track_caller]
    pub fn stop(self) {
        self.0.stop();
    }
}

impl Deref for Zgossip {
    type Target = JsonLines;

    fn deref(&self) -> &JsonLines {
        &self.0
    }
}

impl DerefMut for Zgossip {
    fn deref_mut(&mut self) -> &mut JsonLines {
        &mut self.0
    }
}
