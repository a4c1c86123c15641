//! `zre perf echo`: says back what is whispered to it.

use super::{backlog::Backlog, end::End, role::Role, station::Station};
use crate::{
    cli::NodeOptions,
    json::{self, Object},
    output::{self, Output},
    text::{clean, count},
};
use clap::Args;
use std::process::ExitCode;
use zre_mio::Event;

/// Answer every whisper with the same frames, whoever it comes from
///
/// What zre perf rtt asks; any other ZRE program may ask as well. Shouts are not answered. Nothing is lost or overtaken: once
/// 16 MiB of answers wait for those who do not take them, everybody is made to wait, until room is found or a peer that takes
/// nothing is given up (--send-timeout). Its header X-ZRE-PERF is echo.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) node: NodeOptions,
    /// Print the start and the end as JSON, one object a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  zre perf echo                       for everybody on your network
  zre perf echo --interface lo        for this machine alone

End with Ctrl-C.";

/// Runs until a signal comes, or nobody reads the output.
pub(super) fn run(options: &Options) -> ExitCode {
    let mut station = match Station::start(&options.node, Role::Echo, &options.node.group, None) {
        Ok(station) => station,
        Err(code) => return code,
    };
    let output = Output::new();
    let engine = station.driver.engine();
    if options.json {
        output.line(json::start_of(&station.driver));
    } else {
        output.note(format_args!("{} ({}) answers whispers", clean(engine.name()), engine.uuid()));
    }
    let bell = station.bell();
    output::when_broken(move || bell.ring());

    let mut answered = 0;
    let end = answer_all(&mut station, &mut answered);
    let engine = station.driver.engine();
    let object = Object::event("STOP").text("peer", &engine.uuid().to_string()).text("name", engine.name());
    station.leave();
    if options.json {
        output.line(object.number("answered", answered).end());
    } else {
        output.note(format_args!("answered {} whispers", count(answered)));
    }
    end.map_or_else(|end| end.tell(), |()| ExitCode::SUCCESS)
}

fn answer_all(station: &mut Station, answered: &mut u64) -> Result<(), End> {
    let mut backlog = Backlog::default();
    loop {
        station.turn(None)?;
        if station.is_over() {
            return Ok(());
        }
        let driver = &mut station.driver;
        if backlog.is_full() {
            backlog.retry(&mut |peer, content| driver.whisper(peer, content));
        }
        while !backlog.is_full() {
            match driver.poll_event() {
                Some(Event::Whisper { peer, content, .. }) => {
                    let taken = backlog.answer(peer, content, &mut |peer, content| driver.whisper(peer, content));
                    *answered += u64::from(taken);
                }
                Some(Event::Room { peer }) => backlog.room(peer, &mut |peer, content| driver.whisper(peer, content)),
                Some(Event::Exit { peer, .. }) => backlog.forget(peer),
                Some(_) => {}
                None => break,
            }
        }
    }
}
