//! Lines on standard input, for those who can wait for them and for those who have a poll.

use std::{
    io,
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
};

/// What is still to be done.
pub struct Commands {
    lines: Receiver<String>,
}

impl Commands {
    /// The lines.
    pub fn new() -> Self {
        Self::telling(|| ())
    }

    /// The lines. Of each, and of their end, it is told by a call.
    pub fn telling(tell: impl Fn() + Send + 'static) -> Self {
        let (say, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
                tell();
            }
            drop(say);
            tell();
        });
        Self { lines }
    }

    /// Waits for the next. None: there will be no more.
    pub fn wait(&self) -> Option<String> {
        self.lines.recv().ok()
    }

    /// The next if it is there.
    pub fn look(&self) -> Result<String, TryRecvError> {
        self.lines.try_recv()
    }
}
