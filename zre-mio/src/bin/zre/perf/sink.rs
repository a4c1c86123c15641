//! `zre perf sink`: counts what comes, and reports to those who ask.

use super::{
    end::End,
    protocol::{Note, Plan, Report, Way, What},
    rates::Rates,
    role::Role,
    station::Station,
};
use crate::{
    cli::NodeOptions,
    clock::now,
    json::{self, Object},
    output::{self, Output},
    text::{clean, count},
};
use clap::Args;
use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};
use zre_mio::{Content, Event, PeerId};

/// Take whispers and shouts, count them, and report to zre perf whisper or shout
///
/// Its header X-ZRE-PERF is sink. Several may ask at a time, each for itself. What others send is counted, too.
#[derive(Debug, Args)]
#[command(
    after_help = HELP,
    mut_arg("group", |group| group.help("A group to be in; may be given several times [default: perf]")),
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) node: NodeOptions,
    /// Print the start, each run and the end as JSON, one object a line
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  zre perf sink                       in the group perf, for everybody on your network
  zre perf sink --group a --group b   in other groups

What they say to each other are whispers of one frame of text, so any program may ask, or be a sink:
  asker: zre-perf 1 begin RUN whisper COUNT SIZE      or: zre-perf 1 begin RUN shout COUNT SIZE GROUP
  sink:  zre-perf 1 ready RUN                         or: zre-perf 1 refused RUN WHY, at any time
  asker: zre-perf 1 start RUN                         from here the sink's clock runs
  asker: COUNT messages, each of SIZE octets          to the last of these
  sink:  zre-perf 1 progress RUN RECEIVED             about once a second while they come
  asker: zre-perf 1 end RUN
  sink:  zre-perf 1 report RUN RECEIVED OCTETS NANOSECONDS LOST
RUN is a word of the asker's choice.

End with Ctrl-C.";

/// The group to be in where none is given.
pub(super) const GROUP: &str = "perf";

/// Runs until a signal comes, or nobody reads the output.
pub(super) fn run(options: &Options) -> ExitCode {
    let groups = match &options.node.group[..] {
        [] => vec![GROUP.to_owned()],
        given => given.to_vec(),
    };
    let mut station = match Station::start(&options.node, Role::Sink, &groups, None) {
        Ok(station) => station,
        Err(code) => return code,
    };
    let mut sink = Sink { output: Output::new(), json: options.json, runs: BTreeMap::new(), total: Total::default() };
    let engine = station.driver.engine();
    if options.json {
        sink.output.line(json::start_of(&station.driver));
    } else {
        let groups = groups.iter().map(|group| clean(group)).collect::<Vec<_>>().join(", ");
        sink.output.note(format_args!("{} ({}) counts, in {groups}", clean(engine.name()), engine.uuid()));
    }
    let bell = station.bell();
    output::when_broken(move || bell.ring());

    let end = sink.take_all(&mut station);
    let engine = station.driver.engine();
    let object = Object::event("STOP").text("peer", &engine.uuid().to_string()).text("name", engine.name());
    station.leave();
    let Total { messages, octets } = sink.total;
    if options.json {
        sink.output.line(object.number("messages", messages).number("octets", octets).end());
    } else {
        sink.output.note(format_args!("took {} messages, {} octets", count(messages), count(octets)));
    }
    end.map_or_else(|end| end.tell(), |()| ExitCode::SUCCESS)
}

#[derive(Debug)]
struct Sink {
    output: Output,
    json: bool,
    /// One a peer at most, so there are no more of them than peers.
    runs: BTreeMap<PeerId, Run>,
    total: Total,
}

/// All that came but notes.
#[derive(Debug, Default)]
struct Total {
    messages: u64,
    octets: u64,
}

impl Sink {
    fn take_all(&mut self, station: &mut Station) -> Result<(), End> {
        loop {
            station.turn(None)?;
            if station.is_over() {
                return Ok(());
            }
            while let Some(event) = station.driver.poll_event() {
                match event {
                    Event::Whisper { peer, name, content } => match Note::read(&content) {
                        None => self.count(peer, None, &content),
                        Some(note) => {
                            if let Some(answer) = self.answer(peer, &name, note) {
                                // Whoever lets so many answers wait that there is no room for one more misses it.
                                let _ = station.driver.whisper(peer, answer);
                            }
                        }
                    },
                    Event::Shout { peer, group, content, .. } => self.count(peer, Some(&group), &content),
                    Event::Exit { peer, name, .. } => {
                        if let Some(run) = self.runs.remove(&peer) {
                            self.tell(peer, &name, &run, false);
                        }
                    }
                    _ => {}
                }
            }
            // Once for all that came together: to look at the clock for each would cost more than to count it.
            let mut time = None;
            for (peer, run) in &mut self.runs {
                if let Some(note) = run.progress(&mut time) {
                    let _ = station.driver.whisper(*peer, note);
                }
            }
        }
    }

    /// One message that is no note; of shouts, the group.
    fn count(&mut self, peer: PeerId, group: Option<&str>, content: &Content) {
        self.total.messages += 1;
        self.total.octets += content.octets() as u64;
        if let Some(run) = self.runs.get_mut(&peer) {
            run.count(group, content.octets());
        }
    }

    /// What to say to a note, if anything.
    fn answer(&mut self, peer: PeerId, name: &str, note: Result<Note, (String, &'static str)>) -> Option<Note> {
        let note = match note {
            Ok(note) => note,
            Err((run, why)) => return Some(Note::new(&run, What::Refused(why.into()))),
        };
        let refused = |why: &str| Some(Note::new(&note.run, What::Refused(why.into())));
        match &note.what {
            What::Begin(plan) => {
                let run = Run::new(note.run.clone(), plan.clone());
                if let Some(before) = self.runs.insert(peer, run) {
                    self.tell(peer, name, &before, false);
                }
                Some(Note::new(&note.run, What::Ready))
            }
            What::Start => match self.runs.get_mut(&peer).filter(|run| run.name == note.run) {
                Some(run) => {
                    run.start();
                    None
                }
                None => refused("no such run has begun"),
            },
            What::End => match self.runs.remove(&peer) {
                Some(mut run) if run.name == note.run => {
                    run.look(&mut None);
                    self.tell(peer, name, &run, true);
                    Some(Note::new(&note.run, What::Report(run.report())))
                }
                Some(another) => {
                    self.runs.insert(peer, another);
                    refused("no such run has begun")
                }
                None => refused("no such run has begun"),
            },
            // To answer answers would never end between two sinks.
            What::Ready | What::Progress(_) | What::Report(_) | What::Refused(_) => None,
        }
    }

    fn tell(&self, peer: PeerId, name: &str, run: &Run, complete: bool) {
        let Report { received, octets, nanos, lost } = run.report();
        let Plan { way, count: many, size } = &run.plan;
        if self.json {
            let object = Object::event("RUN").text("peer", &peer.to_string()).text("name", name);
            let object = match way {
                Way::Whispers => object.text("kind", "whisper"),
                Way::Shouts(group) => object.text("kind", "shout").text("group", group),
            };
            let object = object.number("count", *many).number("size", *size as u64).number("received", received);
            let object = object.number("octets", octets).number("nanoseconds", nanos).number("lost", lost);
            return self.output.line(object.raw("complete", &complete.to_string()).end());
        }
        let (of, name) = (format!("{} of {} {}", count(received), count(*many), way.noun(*many)), clean(name));
        if !complete {
            return self.output.note(format_args!("{name} broke off: {of} came"));
        }
        let rates = Rates { messages: received, octets, time: Duration::from_nanos(nanos) };
        self.output.note(format_args!("{name}: {of} in {:.3} s, {}", rates.seconds(), rates.text()));
    }
}

/// What one peer has said that it will send, and what of it has come.
#[derive(Debug)]
struct Run {
    name: String,
    plan: Plan,
    received: u64,
    octets: u64,
    /// The clock runs from here.
    from: Option<Instant>,
    /// To here.
    to: Option<Instant>,
    /// Something has come since somebody looked at the clock.
    moved: bool,
    /// When the asker was last told how far it is.
    told: Option<Instant>,
}

/// How often an asker hears how far it is: it shall not take a slow network for a dead sink.
const TELL: Duration = Duration::from_secs(1);

impl Run {
    fn new(name: String, plan: Plan) -> Self {
        Self { name, plan, received: 0, octets: 0, from: None, to: None, moved: false, told: None }
    }

    fn start(&mut self) {
        self.from.get_or_insert_with(now);
        self.told = self.from;
    }

    fn count(&mut self, group: Option<&str>, octets: usize) {
        let is_its = match &self.plan.way {
            Way::Whispers => group.is_none(),
            Way::Shouts(theirs) => group == Some(theirs),
        };
        if !is_its || octets != self.plan.size || self.from.is_none() {
            return;
        }
        self.received += 1;
        self.octets += octets as u64;
        self.moved = true;
        if self.received == self.plan.count {
            self.look(&mut None);
        }
    }

    /// What to tell the asker now, if anything.
    fn progress(&mut self, time: &mut Option<Instant>) -> Option<Note> {
        if !self.moved {
            return None;
        }
        self.look(time);
        let (now, told) = (self.to?, self.told?);
        if now < told + TELL {
            return None;
        }
        self.told = Some(now);
        Some(Note::new(&self.name, What::Progress(self.received)))
    }

    /// Notes the time if something has come; several who look together look at the clock once.
    fn look(&mut self, time: &mut Option<Instant>) {
        if self.moved {
            self.moved = false;
            self.to = Some(*time.get_or_insert_with(now));
        }
    }

    fn report(&self) -> Report {
        let time = self.to.zip(self.from).map_or(Duration::ZERO, |(to, from)| to - from);
        Report {
            received: self.received,
            octets: self.octets,
            nanos: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            lost: self.plan.count.saturating_sub(self.received),
        }
    }
}
