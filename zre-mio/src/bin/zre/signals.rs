//! SIGINT and SIGTERM: the first asks the node to leave, the second does not wait for it.

use crate::cli::complain;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{process, thread};
use zre_mio::Node;

/// What a shell takes for "ended by SIGINT".
const INTERRUPTED: i32 = 130;

/// From here on signals stop the node. Where that cannot be arranged they end the program at once, as they would.
pub(crate) fn stop_the_node(node: Node) {
    let mut signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => return complain(&format!("signals will not be handled: {error}")),
    };
    let watch = move || {
        let mut node = Some(node);
        for _ in signals.forever() {
            match node.take() {
                // It takes up to a second, and a second signal must be heard meanwhile.
                Some(node) => drop(thread::spawn(move || node.stop())),
                None => process::exit(INTERRUPTED),
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("signals".into()).spawn(watch) {
        complain(&format!("signals will not be handled: {error}"));
    }
}
