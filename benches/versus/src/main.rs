//! The speed of this implementation beside plain TCP, libzmq and other programs, on one machine in one run.
//!
//! ```text
//! main        outside: install, network (a namespace);  inside: each work, each repeat, each contestant
//!   work/     what is measured: the parent's half
//!     pair    two processes of one contestant
//!     child   one of them, told what to do by lines
//!   play/     what is measured: the children's half; peers/ has those in other languages
//!   results   all figures
//!   show/     what becomes of them
//! ```
#![forbid(unsafe_code)]

mod child;
mod cli;
mod contestant;
mod install;
mod machine;
mod network;
mod pair;
mod play;
mod results;
mod show;
mod stats;
mod work;

// What the tests have to install Pyre and zyre.js. These are their files, not their crate: that would switch on features
// of the engine in what is measured.
#[allow(dead_code, reason = "more than what is needed here")]
#[path = "../../../tests/src/children.rs"]
mod children;
#[allow(dead_code, reason = "more than what is needed here")]
#[path = "../../../tests/src/namespace.rs"]
mod namespace;
#[allow(dead_code, reason = "more than what is needed here")]
#[path = "../../../tests/src/pyre.rs"]
mod pyre;
#[allow(dead_code, reason = "more than what is needed here")]
#[path = "../../../tests/src/zyrejs.rs"]
mod zyrejs;

use clap::Parser as _;
use cli::{Cli, Hidden};
use contestant::Contestant;
use indicatif::{ProgressBar, ProgressStyle};
use install::Installed;
use results::Results;
use show::{json, plot, table, targets};
use std::{fs, path::PathBuf, process::ExitCode, time::Duration};
use work::Settings;

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
            let why = network::enter(Installed::make(cli.contestants()));
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
    let lacks = |contestant: &Contestant| contestant.lacks(&settings.installed);
    for contestant in cli.contestants() {
        if let Some(what) = lacks(contestant) {
            println!("left out: {contestant}; it needs {what}");
        }
    }
    let contestants: Vec<_> = cli.contestants().iter().filter(|one| lacks(one).is_none()).copied().collect();

    let plan: Vec<_> = cli
        .works()
        .iter()
        .flat_map(|work| (0..repeats).map(move |repeat| (*work, repeat)))
        .flat_map(|(work, repeat)| contestants.iter().map(move |contestant| (work, repeat, *contestant)))
        .filter(|(work, _, contestant)| work.is_for(*contestant))
        .collect();
    // Not after a quarter of an hour.
    for file in [&cli.json, &cli.plot].into_iter().flatten() {
        if let Err(why) = fs::File::create(file) {
            println!("{} cannot be written: {why}", file.display());
            return ExitCode::FAILURE;
        }
    }
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
    for work in cli.works().iter().filter(|work| !results.cases(**work).is_empty()) {
        println!("\n{}", table::table(*work, &results));
    }
    let targets = targets::targets(cli.works(), &results);
    println!("\n{}", targets::show(&targets));
    if cli.quick {
        println!("This was a quick run, which shows that all of it works: its figures mean little.");
    }
    let mut keep = |file: &Option<PathBuf>, what: Result<String, String>| {
        let Some(file) = file else { return };
        if let Err(why) = what.and_then(|what| fs::write(file, what).map_err(|why| why.to_string())) {
            failures.push(format!("FAILED: {}: {why}", file.display()));
        }
    };
    keep(&cli.json, Ok(json::json(&results, &targets, repeats, cli.quick).to_string()));
    keep(&cli.plot, plot::svg(cli.works(), &results));
    for failure in &failures {
        println!("{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
