//! SIGINT and SIGTERM: the first asks the program to end, the second does not wait for it.

use crate::cli::complain;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{process, thread};
use zre_mio::Node;

/// What a shell takes for "ended by SIGINT".
pub(crate) const INTERRUPTED: u8 = 130;

/// From here on signals stop the node.
pub(crate) fn stop_the_node(node: Node) {
    on_first(move || node.stop());
}

/// From here on the first signal has this done, on a thread of its own. Where that cannot be arranged signals end the
/// program at once, as they would.
pub(crate) fn on_first(end: impl FnOnce() + Send + 'static) {
    let mut signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => return complain(&format!("signals will not be handled: {error}")),
    };
    let watch = move || {
        let mut end = Some(end);
        for _ in signals.forever() {
            match end.take() {
                // It takes up to a second, and a second signal must be heard meanwhile.
                Some(end) => drop(thread::spawn(end)),
                None => process::exit(INTERRUPTED.into()),
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("signals".into()).spawn(watch) {
        complain(&format!("signals will not be handled: {error}"));
    }
}
