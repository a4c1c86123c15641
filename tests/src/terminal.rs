//! A terminal in which a test types a command of the README, and reads what a user would read.
//!
//! Nothing here sleeps. A wait is for words, or for the end, and has a deadline.

use crate::children::{self, Deadline};
use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// What the shell of a terminal does: it outlives Ctrl-C, which is for the command, and knows how that ended.
const SHELL: &str = r#"trap : INT; eval "$1"; exit"#;

/// A command line that runs by itself, in a process group of its own, which is killed when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    line: String,
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    shown: String,
}

impl Terminal {
    /// Types a command line in a directory: a shell gets it word for word.
    #[track_caller]
    pub fn open(line: &str, directory: &Path) -> Self {
        let (reader, writer) = io::pipe().expect("a pipe");
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh", line]).current_dir(directory).process_group(0).stdin(Stdio::piped());
        shell.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let mut child = shell.spawn().unwrap_or_else(|why| panic!("{line}: {why}"));
        drop(shell); // It holds the pipe open.
        let input = child.stdin.take().expect("a pipe was asked for");
        let (say, lines) = mpsc::channel();
        thread::spawn(move || {
            let read = BufReader::new(reader).split(b'\n').map_while(Result::ok);
            read.map(|line| String::from_utf8_lossy(&line).into_owned()).try_for_each(|line| say.send(line))
        });
        Self { line: line.to_owned(), child, input, lines, shown: String::new() }
    }

    /// Waits until these words have been shown.
    #[track_caller]
    pub fn expect(&mut self, words: &str, within: Duration) {
        let deadline = Deadline::after(within);
        while !self.shown.contains(words) {
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) => self.keep(&line),
                Err(why) => self.fail(&format!("{words:?} is not shown: {why}")),
            }
        }
    }

    /// Types a line.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        if let Err(why) = writeln!(self.input, "{line}") {
            self.fail(&format!("{line:?} cannot be typed: {why}"));
        }
    }

    /// Ctrl-C: a signal to all that the line has started.
    #[track_caller]
    pub fn interrupt(&mut self) {
        if !children::signal("INT", &format!("-{}", self.child.id())) {
            self.fail("it has ended before Ctrl-C");
        }
    }

    /// Waits for the end, which must have this exit code. Returns all that was shown.
    #[track_caller]
    pub fn end(mut self, code: i32, within: Duration) -> String {
        let deadline = Deadline::after(within);
        loop {
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) => self.keep(&line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => self.fail("it does not end"),
            }
        }
        // It has closed its outputs: that is its end.
        let status: ExitStatus = self.child.wait().expect("a child can be waited for");
        if status.code() != Some(code) {
            self.fail(&format!("{status}, and not {code}"));
        }
        std::mem::take(&mut self.shown)
    }

    fn keep(&mut self, line: &str) {
        self.shown.push_str(line);
        self.shown.push('\n');
    }

    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        panic!("$ {}\n{}--- {why}", self.line, self.shown);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // While the child has not been waited for, its group is its own.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = children::signal("KILL", &format!("-{}", self.child.id()));
            let _ = self.child.wait();
        }
    }
}
