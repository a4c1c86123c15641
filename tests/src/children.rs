//! Child processes of a test that speak JSON lines.
//!
//! Nothing here sleeps. A wait is for a line, or for an end, and has a deadline.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a child may take for what takes it milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a child may take to start: an interpreter on a busy machine is slow.
pub const START: Duration = Duration::from_secs(30);

/// How much of a long line a failure shows, and how many lines.
const SHOWN: usize = 400;

/// Sends a signal to a process, or to a group with a minus before its number.
pub(crate) fn signal(name: &str, to: &str) -> bool {
    let script = "kill -s \"$1\" -- \"$2\"";
    let sent = Command::new("sh").args(["-c", script, "sh", name, to]).output();
    sent.is_ok_and(|kill| kill.status.success())
}

enum Heard {
    Line(Value),
    Complaint(String),
}

/// A program that speaks the language of `zre pipe`: one JSON object per line both ways, START
/// first. It is killed when dropped.
///
/// Lines are kept in the order they came. The functions that wait take the first line that fits
/// out of those not taken yet and leave the others. What does not come in time, or cannot come
/// any more, is a panic that shows all lines so far and standard error. The line
/// `{"event":"DIED"}`, a driver's word that its node is dead, ends every wait but one for itself.
#[derive(Debug)]
pub struct JsonLines {
    label: String,
    child: Child,
    input: Option<Sender<Vec<u8>>>,
    heard: Receiver<Heard>,
    lines: Vec<(Value, bool)>,
    complaints: Vec<String>,
    taken: usize,
    asked: u64,
    start: Value,
}

impl JsonLines {
    /// Starts `command` and waits for its START. `label` is what failures call it.
    #[track_caller]
    pub fn start(label: impl Into<String>, mut command: Command) -> Self {
        let label = label.into();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|why| panic!("cannot start {label}: {why}"));
        let (say, heard) = mpsc::channel();
        let line = |text: String| Heard::Line(serde_json::from_str(&text).unwrap_or(json!(text)));
        listen(child.stdout.take(), say.clone(), line);
        listen(child.stderr.take(), say, Heard::Complaint);
        let mut stdin = child.stdin.take().expect("a pipe was asked for");
        let (input, lines) = mpsc::channel::<Vec<u8>>();
        // A thread, so that a child that does not read holds up nobody.
        thread::spawn(move || lines.iter().try_for_each(|line| stdin.write_all(&line)));
        let (input, start) = (Some(input), Value::Null);
        let (lines, complaints, taken, asked) = (Vec::new(), Vec::new(), 0, 0);
        let mut this = Self { label, child, input, heard, lines, complaints, taken, asked, start };
        this.start = this.wait_for("START", START, |line| line["event"] == "START");
        this
    }

    /// The UUID of the node: 32 upper-case hex digits.
    pub fn uuid(&self) -> &str {
        self.start["peer"].as_str().unwrap_or_default()
    }

    /// The name of the node.
    pub fn name(&self) -> &str {
        self.start["name"].as_str().unwrap_or_default()
    }

    /// The endpoint of the node.
    pub fn endpoint(&self) -> &str {
        self.start["endpoint"].as_str().unwrap_or_default()
    }

    /// Where the node is a hub.
    pub fn hubs(&self) -> Vec<&str> {
        self.start["gossip"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line and waits for nothing. An answer without an `id` is in `seen` only.
    pub fn send(&mut self, line: &Value) {
        if let Some(input) = &self.input {
            // Where the child is gone, the next wait says so.
            let _ = input.send(format!("{line}\n").into_bytes());
        }
    }

    /// Types a line of text, as a user does.
    pub fn type_line(&mut self, line: &str) {
        if let Some(input) = &self.input {
            let _ = input.send(format!("{line}\n").into_bytes());
        }
    }

    /// Sends a command and waits until it is answered: the value, or the error.
    #[track_caller]
    pub fn try_ask(&mut self, mut command: Value) -> Result<Value, String> {
        self.asked += 1;
        let id = json!(format!("ask {}", self.asked));
        command["id"] = id.clone();
        self.send(&command);
        let what = format!("the answer to {}", shortened(&command));
        let mut answer = self.wait_for(&what, PATIENCE, |line| line["id"] == id);
        match answer["error"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(answer["value"].take()),
        }
    }

    /// Sends a command and waits until it is answered; an error is a failure.
    #[track_caller]
    pub fn ask(&mut self, command: Value) -> Value {
        self.try_ask(command).unwrap_or_else(|why| panic!("{}: {why}", self.label))
    }

    /// Joins a group.
    #[track_caller]
    pub fn join(&mut self, group: &str) {
        self.ask(json!({"do": "join", "group": group}));
    }

    /// Leaves a group.
    #[track_caller]
    pub fn leave(&mut self, group: &str) {
        self.ask(json!({"do": "leave", "group": group}));
    }

    /// Whispers a list of frames.
    #[track_caller]
    pub fn whisper(&mut self, peer: &str, content: &Value) {
        self.ask(json!({"do": "whisper", "peer": peer, "content": content}));
    }

    /// Shouts a list of frames.
    #[track_caller]
    pub fn shout(&mut self, group: &str, content: &Value) {
        self.ask(json!({"do": "shout", "group": group, "content": content}));
    }

    /// Waits for the first line that fits and takes it. `what` is what the failure calls it.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        match self.hear(&Deadline::after(within), fits) {
            Ok(line) => line,
            Err(why) => self.fail(&format!("no {what}: {why:?}")),
        }
    }

    /// Waits for an event of this kind that fits.
    #[track_caller]
    pub fn expect_event(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(kind, PATIENCE, |line| line["event"] == kind && fits(line))
    }

    /// Waits all the time given for a line that must not come.
    #[track_caller]
    pub fn expect_none(&mut self, what: &str, within: Duration, fits: impl Fn(&Value) -> bool) {
        match self.hear(&Deadline::after(within), fits) {
            Err(Why::Late) => {}
            end => {
                let end = end.map(|line| shortened(&line));
                self.fail(&format!("{what} was not to come: {end:?}"))
            }
        }
    }

    /// All lines so far, those taken too.
    pub fn seen(&mut self) -> impl Iterator<Item = &Value> {
        self.drain();
        self.lines.iter().map(|(line, _)| line)
    }

    /// Stops the node politely: STOP comes, then the process ends well.
    #[track_caller]
    pub fn stop(mut self) {
        self.send(&json!({"do": "stop"}));
        self.expect_event("STOP", |_| true);
        let end = self.end();
        if !end.success() {
            self.fail(&end.to_string());
        }
    }

    /// Ends the input and waits for the end of the process. What comes until then is in `seen`.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        self.input = None;
        let deadline = Deadline::after(PATIENCE);
        loop {
            match self.heard.recv_timeout(deadline.left()) {
                Ok(heard) => self.keep(heard),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.fail("does not end"),
            }
        }
        // It has closed its outputs: that is its end.
        self.child.wait().expect("a child can be waited for")
    }

    /// Kills the process, without a word to anyone, and waits for its end.
    pub fn kill9(mut self) {
        self.kill();
    }

    /// Sends a signal: `STOP` makes a peer that is there and says nothing, until `CONT`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        assert!(signal(name, &self.pid().to_string()), "{}: {name} cannot be sent", self.label);
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn hear(&mut self, deadline: &Deadline, fits: impl Fn(&Value) -> bool) -> Result<Value, Why> {
        let (mut at, mut last_look) = (self.taken, false);
        loop {
            while let Some((line, taken)) = self.lines.get_mut(at) {
                at += 1;
                if *taken {
                    continue;
                }
                if fits(line) {
                    *taken = true;
                    let line = line.clone();
                    while self.lines.get(self.taken).is_some_and(|(_, taken)| *taken) {
                        self.taken += 1;
                    }
                    return Ok(line);
                }
                if line["event"] == "DIED" {
                    return Err(Why::Died);
                }
            }
            // Lines that never end must not put off the deadline.
            if last_look {
                return Err(Why::Late);
            }
            if deadline.left().is_zero() {
                self.drain();
                last_look = true;
                continue;
            }
            match self.heard.recv_timeout(deadline.left()) {
                Ok(heard) => self.keep(heard),
                Err(RecvTimeoutError::Timeout) => return Err(Why::Late),
                Err(RecvTimeoutError::Disconnected) => return Err(Why::Ended),
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(heard) = self.heard.try_recv() {
            self.keep(heard);
        }
    }

    fn keep(&mut self, heard: Heard) {
        match heard {
            Heard::Line(line) => {
                // Nobody waits for the answer to a command without an id.
                let taken = line["reply"].is_string() && line["id"].is_null();
                self.lines.push((line, taken));
            }
            Heard::Complaint(text) => self.complaints.push(text),
        }
    }

    #[track_caller]
    fn fail(&mut self, why: &str) -> ! {
        let lines: Vec<_> = self.seen().map(shortened).collect();
        let earlier = lines.len().saturating_sub(SHOWN);
        let (lines, complaints) = (lines[earlier..].join("\n"), self.complaints.join("\n"));
        let label = &self.label;
        panic!("{label}: {why}\n--- lines, without the first {earlier}:\n{lines}\n--- standard error:\n{complaints}");
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) struct Deadline(Instant);

#[expect(clippy::disallowed_methods, reason = "children live in the time of the machine")]
impl Deadline {
    pub(crate) fn after(within: Duration) -> Self {
        Self(Instant::now() + within)
    }

    pub(crate) fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Why a line did not come.
#[derive(Debug)]
enum Why {
    Late,
    Ended,
    Died,
}

fn listen<R: Read + Send + 'static>(
    pipe: Option<R>,
    say: Sender<Heard>,
    heard: impl Fn(String) -> Heard + Send + 'static,
) {
    let pipe = BufReader::new(pipe.expect("a pipe was asked for"));
    thread::spawn(move || {
        for line in pipe.split(b'\n').map_while(Result::ok) {
            let _ = say.send(heard(String::from_utf8_lossy(&line).into_owned()));
        }
    });
}

fn shortened(line: &Value) -> String {
    let text = line.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} octets)", &text[..end], text.len()),
        None => text,
    }
}
