//! `zre perf rtt`: how long a whisper takes there and back.

use super::{
    Patience,
    end::End,
    find::{self, Peer},
    histogram::Histogram,
    payload::{Payload, is_echo},
    progress::Progress,
    role::Role,
    station::Station,
};
use crate::{
    cli::NodeOptions,
    clock::now,
    json::Object,
    output::{Colour, Output},
    text::count,
};
use clap::Args;
use std::{process::ExitCode, time::Duration};
use zre_mio::{Event, SendError};

/// Measure how long a whisper takes there and back
///
/// One whisper at a time goes to a program that sends it back, and the time until it is there again is taken. Each has a
/// number in it, so that nothing else is taken for its answer; whatever else comes is skipped. A tenth as many, but at most
/// 1000, go first to warm up and are not counted. Without --to it is the first zre perf echo that is found; where there is
/// none within two seconds and only one other peer, that one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The peer that echoes, by name or UUID: zre perf echo, or any program that whispers back what it was whispered
    #[arg(long, value_name = "NAME|UUID")]
    pub(crate) to: Option<String>,
    /// How many round trips
    #[arg(long, value_name = "N", default_value = "10000", value_parser = super::count())]
    pub(crate) count: u64,
    /// How many octets each whisper has
    #[arg(long, value_name = "OCTETS", default_value = "32", value_parser = super::size)]
    pub(crate) size: usize,
    /// Print the result as one JSON object; times are in microseconds
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) node: NodeOptions,
}

const EXAMPLES: &str = r#"Examples:
  zre perf rtt                            with the first zre perf echo that is found
  zre perf rtt --to bob --size 1024       with bob, which may be any program that echoes
  zre perf rtt --interface lo --json      on this machine alone

With --json the last line is, within so many microseconds so many in a hundred were back:
  {"p50_us":53.1,"p99_us":91.7,"p999_us":142.0,"count":10000,"size":32}

It fails where the peer leaves or does not answer within --timeout."#;

pub(super) fn run(options: &Options) -> ExitCode {
    let mut station = match Station::start(&options.node, Role::Asker, &options.node.group, None) {
        Ok(station) => station,
        Err(code) => return code,
    };
    let measured = measure(&mut station, options);
    if let Ok((peer, times)) = &measured {
        print(options, peer, times);
    }
    station.leave();
    measured.map_or_else(|end| end.tell(), |_| ExitCode::SUCCESS)
}

fn measure(station: &mut Station, options: &Options) -> Result<(Peer, Histogram), End> {
    let peer = find::one(station, options.to.as_deref(), Role::Echo, options.patience.wait)?;
    let mut question =
        Question { station, peer, payload: Payload::new(options.size), number: 0, timeout: options.patience.timeout };
    for _ in 0..options.count.div_ceil(10).min(1000) {
        question.ask()?;
    }
    let mut times = Histogram::default();
    let mut progress = Progress::new("round trips", options.count);
    for done in 0..options.count {
        if question.station.is_over() {
            return Err(End::Interrupted(format!("after {} of {} round trips", count(done), count(options.count))));
        }
        times.record(question.ask()?);
        progress.show(done);
    }
    Ok((question.peer, times))
}

struct Question<'a> {
    station: &'a mut Station,
    peer: Peer,
    payload: Payload,
    number: u64,
    timeout: Duration,
}

impl Question<'_> {
    /// One whisper, and how long it took until it was back.
    fn ask(&mut self) -> Result<Duration, End> {
        self.number += 1;
        let sent = self.payload.numbered(self.number);
        let first = now();
        let (mut begin, mut is_sent) = (first, self.send(&sent)?);
        let (mut left, mut others) = (self.timeout, 0);
        loop {
            self.station.turn(Some(left))?;
            while let Some(event) = self.station.driver.poll_event() {
                match event {
                    Event::Whisper { peer, content, .. } if peer == self.peer.id => {
                        if is_sent && is_echo(&sent, &content) {
                            return Ok(now() - begin);
                        }
                        others += 1;
                    }
                    Event::Exit { peer, reason, .. } if peer == self.peer.id => {
                        return Err(End::Failed(format!("{} is gone: {reason}", self.peer.text())));
                    }
                    _ => {}
                }
            }
            let time = now();
            if !is_sent {
                // Something lay in the queue before it; the clock is its own all the same.
                begin = time;
                is_sent = self.send(&sent)?;
            }
            left = self.timeout.saturating_sub(time - first);
            if left.is_zero() {
                return Err(self.silence(others));
            }
            if self.station.is_over() {
                return Err(End::Interrupted(format!("while {} had not answered", self.peer.text())));
            }
        }
    }

    /// Whether there was room for it.
    fn send(&mut self, content: &zre_mio::bytes::Bytes) -> Result<bool, End> {
        match self.station.driver.whisper(self.peer.id, content.clone()) {
            Ok(()) => Ok(true),
            Err(SendError::Full { .. }) => Ok(false),
            Err(SendError::UnknownPeer(_)) => Err(End::Failed(format!("{} is gone", self.peer.text()))),
            Err(error) => Err(End::Failed(error.to_string())),
        }
    }

    fn silence(&self, others: u64) -> End {
        let (peer, seconds) = (self.peer.text(), self.timeout.as_secs_f64());
        let hint = match (self.peer.role, others) {
            (Some(Role::Sink), _) => "it is a zre perf sink, which does not answer; start zre perf echo".into(),
            (Some(Role::Echo), 0) => "it hangs, or the network does; --timeout gives it longer".into(),
            (_, 0) => {
                "does it echo whispers? If so, --timeout gives it longer; if not, start zre perf echo there".into()
            }
            (_, others) => format!(
                "it sent {} other whispers meanwhile, so it does not echo what it is sent; start zre perf echo there",
                count(others)
            ),
        };
        End::Failed(format!("{peer} has not sent whisper {} back within {seconds} s: {hint}", count(self.number)))
    }
}

fn print(options: &Options, peer: &Peer, times: &Histogram) {
    let output = Output::new();
    let micros = |time: Duration| format!("{:.1}", time.as_nanos() as f64 / 1e3);
    let [p50, p99, p999] = [500, 990, 999].map(|permille| micros(times.permille(permille).unwrap_or_default()));
    if options.json {
        let object = Object::new().raw("p50_us", &p50).raw("p99_us", &p99).raw("p999_us", &p999);
        output.line(object.number("count", options.count).number("size", options.size as u64).end());
        return;
    }
    let trips = if options.count == 1 { "round trip" } else { "round trips" };
    let octets = if options.size == 1 { "octet" } else { "octets" };
    let (many, size) = (count(options.count), count(options.size as u64));
    let title = format!("{many} {trips} of {size} {octets} with {}", peer.text());
    output.line(output.paint(Colour::Bold, &title));
    let [least, mean, most] = times.range().unwrap_or_default().map(micros);
    for (name, text) in [
        ("p50", format!("{p50} µs")),
        ("p99", format!("{p99} µs")),
        ("p99.9", format!("{p999} µs")),
        ("range", format!("{least} to {most} µs, {mean} µs in the mean")),
    ] {
        output.line(format_args!("  {}  {text}", output.paint(Colour::Dim, &format!("{name:<5}"))));
    }
}
