//! What `zre perf whisper` and `shout` say to a sink, and what it says to them: whispers of one frame of text.
//!
//! ```text
//! asker ── zre-perf 1 begin RUN whisper COUNT SIZE ──────────────────► sink
//!          zre-perf 1 begin RUN shout COUNT SIZE GROUP
//!       ◄─ zre-perf 1 ready RUN ──────────────────────────────────────
//!       ── zre-perf 1 start RUN ─────────────────────────────────────►   the sink's clock runs from here
//!       ── COUNT messages, each SIZE octets of content ──────────────►   to the last of them
//!       ◄─ zre-perf 1 progress RUN RECEIVED ──────────────────────────   about once a second
//!       ── zre-perf 1 end RUN ───────────────────────────────────────►
//!       ◄─ zre-perf 1 report RUN RECEIVED OCTETS NANOSECONDS LOST ────
//! ```
//!
//! RUN is a word of the asker's choice, of 1 to 32 visible signs; GROUP goes on to the end of the text. A peer has one run at
//! a time: another `begin` ends the one before it, and so does the peer's EXIT. A sink counts what comes from that peer in that
//! way and of that size. Instead of `ready` or `report` it may say `zre-perf 1 refused RUN WHY`.

use std::fmt;
use zre_mio::{Content, bytes::Bytes};

/// No message that is measured begins so.
const PREFIX: &str = "zre-perf ";
const VERSION: &str = "1";
/// The longest word for a run.
const RUN_MOST: usize = 32;
/// Whoever makes a longer one has nothing to say: a group's name has 255 octets at most.
const NOTE_MOST: usize = 512;

/// How the messages of a run come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Whispers,
    /// To this group.
    Shouts(String),
}

impl Way {
    /// What so many of them are called.
    pub(super) fn noun(&self, count: u64) -> &'static str {
        match (self, count) {
            (Self::Whispers, 1) => "whisper",
            (Self::Whispers, _) => "whispers",
            (Self::Shouts(_), 1) => "shout",
            (Self::Shouts(_), _) => "shouts",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) run: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Begin(Plan),
    Ready,
    Start,
    /// So many have come.
    Progress(u64),
    End,
    Report(Report),
    Refused(String),
}

/// What is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) way: Way,
    pub(super) count: u64,
    pub(super) size: usize,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) received: u64,
    pub(super) octets: u64,
    pub(super) nanos: u64,
    pub(super) lost: u64,
}

impl Note {
    pub(super) fn new(run: &str, what: What) -> Self {
        Self { run: run.into(), what }
    }

    /// The note in a whisper; none where the whisper is another message. An error says which run it is of, as far as that can
    /// be seen, and what is wrong.
    pub(super) fn read(content: &Content) -> Option<Result<Self, (String, &'static str)>> {
        let [frame] = &content[..] else { return None };
        let text = frame.strip_prefix(PREFIX.as_bytes())?;
        Some(Self::read_text(text))
    }

    fn read_text(text: &[u8]) -> Result<Self, (String, &'static str)> {
        let nothing = |why| (String::from("-"), why);
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= NOTE_MOST);
        let text = text.ok_or(nothing("that is no text, or a long one"))?;
        let (version, rest) = split(text);
        let (verb, rest) = split(rest);
        // That stays the same in all versions: two that refuse each other's refusals would never end.
        if version != VERSION && verb != "refused" {
            return Err(nothing("this is version 1"));
        }
        let (run, rest) = split(rest);
        if run.is_empty() || run.len() > RUN_MOST || run.contains(|c: char| c.is_control()) {
            return Err(nothing("a run is a word of 1 to 32 signs"));
        }
        let what = match (verb, rest) {
            ("begin", plan) => Plan::read(plan).map(What::Begin),
            ("ready", "") => Some(What::Ready),
            ("start", "") => Some(What::Start),
            ("progress", received) => received.parse().ok().map(What::Progress),
            ("end", "") => Some(What::End),
            ("report", report) => Report::read(report).map(What::Report),
            ("refused", why) => Some(What::Refused(why.into())),
            _ => None,
        };
        what.map(|what| Self::new(run, what)).ok_or((run.to_owned(), "that is not understood"))
    }
}

impl Plan {
    fn read(text: &str) -> Option<Self> {
        let (way, rest) = split(text);
        let (count, rest) = split(rest);
        let (size, rest) = split(rest);
        let way = match (way, rest) {
            ("whisper", "") => Way::Whispers,
            ("shout", "") | ("whisper", _) => return None,
            ("shout", group) => Way::Shouts(group.into()),
            _ => return None,
        };
        Some(Self { way, count: count.parse().ok()?, size: size.parse().ok()? })
    }
}

impl Report {
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let report = Self { received: next()?, octets: next()?, nanos: next()?, lost: next()? };
        numbers.next().is_none().then_some(report)
    }
}

/// The first word, and what follows the blank after it.
fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, what } = self;
        write!(f, "{PREFIX}{VERSION} ")?;
        match what {
            What::Begin(Plan { way: Way::Whispers, count, size }) => write!(f, "begin {run} whisper {count} {size}"),
            What::Begin(Plan { way: Way::Shouts(group), count, size }) => {
                write!(f, "begin {run} shout {count} {size} {group}")
            }
            What::Ready => write!(f, "ready {run}"),
            What::Start => write!(f, "start {run}"),
            What::Progress(received) => write!(f, "progress {run} {received}"),
            What::End => write!(f, "end {run}"),
            What::Report(Report { received, octets, nanos, lost }) => {
                write!(f, "report {run} {received} {octets} {nanos} {lost}")
            }
            What::Refused(why) => write!(f, "refused {run} {why}"),
        }
    }
}

impl From<Note> for Content {
    fn from(note: Note) -> Self {
        Bytes::from(note.to_string()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Result<Note, (String, &'static str)>> {
        Note::read(&text.into())
    }

    #[test]
    fn what_is_said_is_understood() {
        let plan = |way| What::Begin(Plan { way, count: 100_000, size: 0 });
        let report = Report { received: 9, octets: 288, nanos: u64::MAX, lost: 1 };
        for (text, what) in [
            ("zre-perf 1 begin r1 whisper 100000 0", plan(Way::Whispers)),
            ("zre-perf 1 begin r1 shout 100000 0 tea  time", plan(Way::Shouts("tea  time".into()))),
            ("zre-perf 1 ready r1", What::Ready),
            ("zre-perf 1 start r1", What::Start),
            ("zre-perf 1 progress r1 17", What::Progress(17)),
            ("zre-perf 1 end r1", What::End),
            ("zre-perf 1 report r1 9 288 18446744073709551615 1", What::Report(report)),
            ("zre-perf 1 refused r1 no such run", What::Refused("no such run".into())),
        ] {
            let note = Note::new("r1", what);
            assert_eq!(note.to_string(), text);
            assert_eq!(read(text), Some(Ok(note)));
        }
    }

    #[test]
    fn a_refusal_is_understood_in_any_version() {
        let refused = |text| matches!(read(text), Some(Ok(Note { what: What::Refused(_), .. })));
        assert!(refused("zre-perf 2 refused - this is version 2") && refused("zre-perf 1 refused - this is version 1"));
    }

    #[test]
    fn other_messages_are_no_notes() {
        for text in ["", "zre-perf", "hello", "0000000000000001qrstuv"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Note::read(&Content::new()), None);
        assert_eq!(Note::read(&["zre-perf 1 end r", ""].into()), None);
    }

    #[test]
    fn nonsense_is_said_to_be_so() {
        for (text, run) in [
            ("zre-perf 2 end r", "-"),
            ("zre-perf ", "-"),
            ("zre-perf 1 end", "-"),
            ("zre-perf 1 end ", "-"),
            ("zre-perf 1 end r s", "r"),
            ("zre-perf 1 dance r", "r"),
            ("zre-perf 1 progress r", "r"),
            ("zre-perf 1 begin r", "r"),
            ("zre-perf 1 begin r whisper 1 2 3", "r"),
            ("zre-perf 1 begin r whisper -1 2", "r"),
            ("zre-perf 1 begin r shout 1 2", "r"),
            ("zre-perf 1 begin r shout 1 2 ", "r"),
            ("zre-perf 1 report r 1 2 3", "r"),
            ("zre-perf 1 report r 1 2 3 4 5", "r"),
            ("zre-perf 1 report r 1 2 3 18446744073709551616", "r"),
        ] {
            assert_eq!(read(text).map(|note| note.unwrap_err().0).as_deref(), Some(run), "{text}");
        }
        let long = format!("zre-perf 1 end {}", "r".repeat(33));
        let longer = format!("zre-perf 1 begin r shout 1 2 {}", "g".repeat(600));
        assert!([long, longer].iter().all(|text| matches!(read(text), Some(Err(_)))));
        assert!(matches!(Note::read(&b"zre-perf 1 end \xff"[..].into()), Some(Err(_))));
    }
}
