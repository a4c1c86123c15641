//! Standard output, shared by those who print.

use crate::cli::{colours_are_welcome, complain};
use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use zre_mio::{Node, PeerId};

/// How a text stands out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    Bold,
    Dim,
    Red,
    Green,
}

/// Whole lines, in colour where a person reads them.
#[derive(Debug)]
pub(crate) struct Output {
    colours: bool,
    broken: AtomicBool,
    /// The last line has been printed.
    over: AtomicBool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let colours = io::stdout().is_terminal() && colours_are_welcome();
        Self { colours, broken: AtomicBool::new(false), over: AtomicBool::new(false) }
    }

    /// Prints a line. Where nobody reads any more, that is remembered.
    pub(crate) fn line(&self, text: impl Display) {
        let mut out = io::stdout().lock();
        // Not asked before the lock is had: who printed the last line had it too.
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// Prints a line after which none is printed any more.
    pub(crate) fn last_line(&self, text: impl Display) {
        // The same thread may lock it twice.
        let _out = io::stdout().lock();
        self.line(text);
        self.over.store(true, Ordering::Relaxed);
    }

    /// A line about the chat, not of it.
    pub(crate) fn note(&self, text: impl Display) {
        if self.colours {
            self.line(format_args!("\x1b[2m* {text}\x1b[0m"));
        } else {
            self.line(format_args!("* {text}"));
        }
    }

    /// The text in this colour, where there are colours.
    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Red => "1;31",
            Colour::Green => "32",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
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

/// Stops the node as soon as nobody can read the output any more.
pub(crate) fn stop_when_broken(node: Node) {
    when_broken(move || node.stop());
}

/// Has this done as soon as nobody can read the output any more, be there anything to print or not. A file has no reader
/// to lose.
pub(crate) fn when_broken(end: impl FnOnce() + Send + 'static) {
    let watch = move || {
        // Where it cannot be watched, the next line that is printed shows it.
        if wait_until_broken().is_ok() {
            end();
        }
    };
    if let Err(error) = thread::Builder::new().name("output".into()).spawn(watch) {
        complain(&format!("the output will not be watched: {error}"));
    }
}

fn wait_until_broken() -> io::Result<()> {
    // Errors are always told. Out of the rest the one is asked for that does not happen.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let interest = Interest::PRIORITY;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let interest = Interest::WRITABLE;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4);
    poll.registry().register(&mut SourceFd(&io::stdout().as_raw_fd()), Token(0), interest)?;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        if events.iter().any(|event| event.is_error() || event.is_write_closed()) {
            return Ok(());
        }
    }
}
