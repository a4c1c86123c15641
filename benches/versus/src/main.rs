//! The speed of this implementation beside plain TCP, libzmq and other programs, on one machine in one run.
//!
//! ```text
//! main        outside: installs, makes the namespace;  inside: repeats, works, contestants, in this order
//!   work/     what is measured: the parent's half
//!     pair    two processes of one contestant
//!     child   one of them, told what to do by lines
//!   play/     what is measured: the children's half; peers/ has those in other languages
//!   results   all figures;  stats, table: what becomes of them
//! ```
#![forbid(unsafe_code)]

mod child;
mod cli;
mod contestant;
mod install;
mod machine;
mod namespace;
mod pair;
mod play;
mod results;
mod stats;
mod table;
mod work;

use clap::{Parser as _, ValueEnum as _};
use cli::{Cli, Hidden};
use contestant::Contestant;
use indicatif::{ProgressBar, ProgressStyle};
use install::Installed;
use results::Results;
use std::{process::ExitCode, time::Duration};
use work::{Settings, Work};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.hidden {
        Some(Hidden::Play { contestant, role, place }) => {
            machine::all_descriptors();
            play::play(contestant, role, &place);
            ExitCode::SUCCESS
        }
        None if namespace::is_inside() => compare(&cli),
        None => {
            let why = namespace::enter(Installed::make());
            eprintln!("versus: no network namespace: {why}");
            ExitCode::from(2)
        }
    }
}

/// Measures and shows all that was asked for.
fn compare(cli: &Cli) -> ExitCode {
    let settings = Settings {
        installed: Installed::find(),
        time: Duration::from_millis(if cli.quick { 30 } else { 500 }),
        quick: cli.quick,
        full: cli.full,
    };
    let repeats = if cli.quick { 1 } else { cli.repeats };
    let works = if cli.work.is_empty() { Work::value_variants() } else { &cli.work };
    let asked = if cli.contestants.is_empty() { Contestant::value_variants() } else { &cli.contestants };
    let mut contestants = Vec::new();
    for contestant in asked {
        match contestant.is_missing(&settings.installed) {
            Some(why) => println!("left out: {contestant}: {why}"),
            None => contestants.push(*contestant),
        }
    }

    let plan: Vec<_> = works
        .iter()
        .flat_map(|work| (0..repeats).map(move |repeat| (*work, repeat)))
        .flat_map(|(work, repeat)| contestants.iter().map(move |contestant| (work, repeat, *contestant)))
        .filter(|(work, _, contestant)| work.is_for(*contestant))
        .collect();
    let progress = ProgressBar::new(plan.len() as u64);
    let style = ProgressStyle::with_template("{elapsed} {wide_bar} {pos}/{len} {msg}").expect("a template of ours");
    progress.set_style(style);
    let mut results = Results::default();
    let mut failures = Vec::new();
    for (work, repeat, contestant) in plan {
        progress.set_message(format!("{work} {contestant}, {}", repeat + 1));
        if let Err(why) = work.measure(contestant, &settings, &mut results) {
            failures.push(format!("FAILED: {work}, {contestant}, repeat {}: {why}", repeat + 1));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    for work in works {
        println!("\n{}", table::table(*work, &results));
    }
    for failure in &failures {
        println!("{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
