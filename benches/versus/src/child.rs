//! A process that plays a contestant, told what to do by lines.
//!
//! `play` has the other half, and says which lines there are.

use crate::machine;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child as Process, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// How long one answer may take: the longest work is some seconds long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running contestant. It is ended when dropped.
#[derive(Debug)]
pub struct Child {
    label: String,
    process: Process,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Child {
    /// Starts it. `label` is what failures call it.
    pub fn start(label: impl Into<String>, mut command: Command) -> Result<Self, String> {
        let label = label.into();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|why| format!("{label} cannot be started: {why}"))?;
        let (say, lines) = mpsc::channel();
        let output = process.stdout.take().expect("a pipe was asked for");
        thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        let input = process.stdin.take().expect("a pipe was asked for");
        Ok(Self { label, process, input, lines })
    }

    /// Tells it something.
    pub fn say(&mut self, line: &str) -> Result<(), String> {
        self.input.write_all(format!("{line}\n").as_bytes()).map_err(|why| format!("{}: {line:?}: {why}", self.label))
    }

    /// Waits for its next line, which begins with this word, and returns the words that follow.
    pub fn hear(&mut self, word: &str) -> Result<Vec<String>, String> {
        let label = &self.label;
        let line = self.lines.recv_timeout(PATIENCE).map_err(|why| match why {
            RecvTimeoutError::Timeout => format!("{label}: no {word:?} within {PATIENCE:?}"),
            RecvTimeoutError::Disconnected => format!("{label}: has ended without {word:?}"),
        })?;
        let mut words = line.split_whitespace().map(String::from);
        if words.next().as_deref() == Some(word) {
            Ok(words.collect())
        } else {
            Err(format!("{label}: {line:?} in the place of {word:?}"))
        }
    }

    /// The same where what follows are numbers.
    pub fn hear_numbers(&mut self, word: &str) -> Result<Vec<f64>, String> {
        let words = self.hear(word)?;
        let number = |word: &String| word.parse().map_err(|_| format!("{}: {word:?} is no number", self.label));
        words.iter().map(number).collect()
    }

    /// The same where one number follows.
    pub fn hear_number(&mut self, word: &str) -> Result<f64, String> {
        let words = self.hear(word)?;
        let number = words.first().and_then(|word| word.parse().ok());
        number.ok_or_else(|| format!("{}: no number after {word:?}", self.label))
    }

    /// The seconds of processor time that it has had.
    pub fn cpu(&self) -> f64 {
        machine::cpu(self.process.id()).unwrap_or_default()
    }

    /// The octets of memory that it holds.
    pub fn memory(&self) -> f64 {
        machine::memory(self.process.id()).unwrap_or_default()
    }

    /// How many descriptors it has.
    pub fn descriptors(&self) -> f64 {
        machine::descriptors(self.process.id()).unwrap_or_default()
    }

    /// Ends it. It may take a moment until it is gone.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        let _ = self.process.wait();
    }
}
