//! Lines on standard input, for those who can wait for them and for those who have a loop of their own.

use std::{
    io, process,
    sync::mpsc::{self, Receiver},
    thread,
};

/// What is still to be done.
pub struct Commands(Receiver<String>);

impl Commands {
    /// The lines. At their end the process ends, whatever it does: nobody needs it any more.
    pub fn new() -> Self {
        Self::telling(|| ())
    }

    /// The same. Of each line it is told by a call.
    pub fn telling(tell: impl Fn() + Send + 'static) -> Self {
        let (say, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
                tell();
            }
            process::exit(0);
        });
        Self(lines)
    }

    /// Waits for the next.
    pub fn wait(&self) -> String {
        self.0.recv().expect("the process ends before the lines do")
    }

    /// The next if it is there.
    pub fn look(&self) -> Option<String> {
        self.0.try_recv().ok()
    }
}
