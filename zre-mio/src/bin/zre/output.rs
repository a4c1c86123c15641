//! Standard output, shared by those who print.

use crate::cli::colours_are_welcome;
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};
use zre_mio::PeerId;

/// Whole lines, in colour where a person reads them.
#[derive(Debug)]
pub(crate) struct Output {
    colours: bool,
    broken: AtomicBool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let colours = io::stdout().is_terminal() && colours_are_welcome();
        Self { colours, broken: AtomicBool::new(false) }
    }

    /// Prints a line. Where nobody reads any more, that is remembered.
    pub(crate) fn line(&self, text: impl Display) {
        let mut out = io::stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// A line about the chat, not of it.
    pub(crate) fn note(&self, text: impl Display) {
        if self.colours {
            self.line(format_args!("\x1b[2m* {text}\x1b[0m"));
        } else {
            self.line(format_args!("* {text}"));
        }
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// A peer's name, in the colour of that peer.
    pub(crate) fn name(&self, peer: PeerId, name: &str) -> String {
        if !self.colours {
            return name.into();
        }
        // Red to cyan and their bright kin; black and white are not for all backgrounds.
        let choice = peer.as_octets().iter().fold(0u8, |sum, octet| sum.wrapping_mul(31).wrapping_add(*octet)) % 12;
        let colour = if choice < 6 { 31 + choice } else { 91 + choice - 6 };
        format!("\x1b[1;{colour}m{name}\x1b[0m")
    }
}
