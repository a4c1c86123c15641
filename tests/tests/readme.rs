//! The commands of the README and of the manual, typed exactly as they are printed there.
//!
//! Each command in a block of `sh` of either must have an expectation here, and each expectation its command. The commands of a block
//! are typed one after the other; those that stay go on beside the others, in terminals of their own, until Ctrl-C.

use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};
use zre_tests::{
    children::{PATIENCE, START},
    namespace::{self, Namespace},
    terminal::Terminal,
};

/// What a command that ends by itself may take: a million messages, two hundred clusters.
const ENDS: Duration = Duration::from_secs(120);

/// What a build may take on a busy machine.
const BUILD: Duration = Duration::from_secs(1200);

/// A command, and what the page promises of it.
struct Expectation {
    command: &'static str,
    does: Does,
}

enum Does {
    /// It is not run here, for it is what runs this, or takes long; this stage of `.ci/run` has it.
    Stage(&'static str),
    /// It ends by itself with this code, has shown these words, and has written these files.
    Ends { code: i32, shows: &'static [&'static str], files: &'static [&'static str] },
    /// It goes on until Ctrl-C.
    Stays(Stays),
}

#[derive(Default)]
struct Stays {
    /// Shown before the next command is typed. Empty where it shows nothing until its end: then a beacon is waited for.
    starts: &'static str,
    /// Shown once all of the block have started.
    meets: &'static [&'static str],
    /// Typed then.
    types: &'static [&'static str],
    /// Shown after that.
    shows: &'static [&'static str],
    /// Shown at the end.
    ends: &'static [&'static str],
    code: i32,
}

/// In the order of the pages, as far as that matters to nobody.
fn expectations() -> Vec<Expectation> {
    let stage = |command, stage| Expectation { command, does: Does::Stage(stage) };
    let ends = |command, shows| Expectation { command, does: Does::Ends { code: 0, shows, files: &[] } };
    let stays = |command, stays| Expectation { command, does: Does::Stays(stays) };
    vec![
        stage("cargo test --workspace", "tests"),
        stays(
            "cargo zre chat --name alice",
            Stays {
                starts: "* you are alice in chat",
                meets: &["* bob is here", "* bob joined chat"],
                types: &["good evening"],
                shows: &["bob: good morning"],
                ..Stays::default()
            },
        ),
        stays(
            "cargo zre chat --name bob",
            Stays {
                starts: "* you are bob in chat",
                meets: &["* alice is here", "* alice joined chat"],
                types: &["good morning"],
                shows: &["alice: good evening"],
                ..Stays::default()
            },
        ),
        stays(
            "cargo zre pipe --name alice --group telemetry --interface lo",
            Stays {
                starts: r#"{"event":"START","#,
                types: &[r#"{"do":"shout","group":"telemetry","content":["21.5"]}"#],
                shows: &[r#""reply":"shout""#],
                ends: &[r#"{"event":"STOP""#],
                ..Stays::default()
            },
        ),
        stays(
            "cargo zre gossip tcp://127.0.0.1:5671",
            Stays { starts: "gossip hub at tcp://127.0.0.1:5671", ..Stays::default() },
        ),
        stays(
            "cargo zre chat --name alice --endpoint 'tcp://127.0.0.1:*' --gossip-connect tcp://127.0.0.1:5671",
            Stays {
                starts: "* you are alice in chat",
                meets: &["* bob is here", "* bob joined chat"],
                types: &["I am alice"],
                shows: &["bob: I am bob"],
                ..Stays::default()
            },
        ),
        stays(
            "cargo zre chat --name bob --endpoint 'tcp://127.0.0.1:*' --gossip-connect tcp://127.0.0.1:5671",
            Stays {
                starts: "* you are bob in chat",
                meets: &["* alice is here", "* alice joined chat"],
                types: &["I am bob"],
                shows: &["alice: I am alice"],
                ..Stays::default()
            },
        ),
        stays(
            "cargo zre pipe --name a --group g --interface lo",
            Stays {
                starts: r#"{"event":"START","#,
                meets: &[r#"{"event":"ENTER""#, r#""name":"b""#],
                ..Stays::default()
            },
        ),
        stays(
            "cargo zre pipe --name b --group g --interface lo",
            Stays {
                starts: r#"{"event":"START","#,
                meets: &[r#"{"event":"ENTER""#, r#""name":"a""#],
                ..Stays::default()
            },
        ),
        Expectation {
            command: "cargo zre sim --nodes 100 --network wifi --plot mesh.svg",
            does: Does::Ends { code: 0, shows: &["100 nodes on wifi", "all invariants hold"], files: &["mesh.svg"] },
        },
        ends("cargo zre sim --nodes 10 --hostile 20", &["and 20 hostile machines", "all invariants hold"]),
        stays(
            "cargo zre perf echo --interface lo --name eddy",
            Stays { starts: "answers whispers", ..Stays::default() },
        ),
        ends("cargo zre perf rtt --interface lo --to eddy", &["eddy", "p50", "p99"]),
        stays(
            "cargo zre perf sink --interface lo",
            Stays { starts: "counts, in perf", ends: &["* took 1,"], ..Stays::default() },
        ),
        ends("cargo zre perf whisper --interface lo --count 1000000", &["1,000,000 whispers of 32 octets", "nothing"]),
        ends(
            "cargo zre perf shout --interface lo --size 1024 --json",
            &[r#"{"messages_per_s":"#, r#""size":1024,"receivers":1,"lost":0}"#],
        ),
        stays(
            "cargo zre soak --minutes 60 --nodes 20",
            Stays { ends: &["20 nodes for", "interrupted", "everything held"], code: 130, ..Stays::default() },
        ),
    ]
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

/// The commands of each block of `sh`.
fn blocks(readme: &str) -> Vec<Vec<&str>> {
    let (mut blocks, mut fence) = (Vec::new(), None);
    for line in readme.lines() {
        match (fence, line.trim_end().strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(language == "sh");
                if language == "sh" {
                    blocks.push(Vec::new());
                }
            }
            (Some(_), Some("")) => fence = None,
            (Some(true), None) if !line.trim().is_empty() && !line.starts_with('#') => {
                blocks.last_mut().expect("one was begun").push(line);
            }
            _ => {}
        }
    }
    blocks
}

/// The README, and the pages of the manual in the order of their names.
fn readme() -> String {
    let manual = fs::read_dir(root().join("zre-mio/manual")).expect("the manual is there");
    let mut pages: Vec<_> = manual.map(|page| page.expect("a page").path()).collect();
    pages.sort();
    pages.insert(0, root().join("README.md"));
    pages.iter().map(|page| fs::read_to_string(page).expect("text") + "\n").collect()
}

#[test]
fn blocks_of_sh_are_found_and_no_others() {
    let text = "```sh\none\n\n# not this\ntwo 'x'\n```\nno\n```rust\nno\n```\n```sh\nthree\n```\n";
    assert_eq!(blocks(text), [&["one", "two 'x'"][..], &["three"]]);
}

#[test]
fn every_command_of_the_readme_has_an_expectation_and_each_expectation_a_command() {
    let (readme, expectations) = (readme(), expectations());
    let printed: BTreeSet<_> = blocks(&readme).concat().into_iter().collect();
    let expected: BTreeSet<_> = expectations.iter().map(|expectation| expectation.command).collect();
    assert_eq!(expected.len(), expectations.len(), "a command has two expectations");
    assert!(!printed.is_empty());
    let unexpected: Vec<_> = printed.difference(&expected).collect();
    assert!(unexpected.is_empty(), "a page prints what nobody has tried: {unexpected:#?}");
    let unprinted: Vec<_> = expected.difference(&printed).collect();
    assert!(unprinted.is_empty(), "no page prints such a command (any more): {unprinted:#?}");
}

#[test]
fn what_is_not_run_here_is_a_stage_of_its_own() {
    let script = fs::read_to_string(root().join(".ci/run")).expect(".ci/run is there");
    let stages = script.lines().find_map(|line| line.strip_prefix("stages=(")?.strip_suffix(')')).expect("stages");
    for Expectation { command, does } in expectations() {
        let Does::Stage(stage) = does else { continue };
        assert!(stages.split(' ').any(|found| found == stage), "no stage {stage}");
        let body = script.split_once(&format!("\n{stage}() {{\n")).and_then(|(_, rest)| rest.split_once("\n}\n"));
        let (body, _) = body.unwrap_or_else(|| panic!("the stage {stage} has no function"));
        let mut lines = body.lines().map(str::trim);
        let same = |line: &str| line == command || line.starts_with(&format!("{command} "));
        assert!(lines.any(same), "the stage {stage} does not run {command}");
    }
}

/// 10 s, where the programs have been built for release before: by the stage `release`, or by whoever tried a command.
#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let (readme, expectations) = (readme(), expectations());
    let blocks = blocks(&readme);
    // Outside, where there is a network: the first build may have to fetch what it is made of.
    let builds: BTreeSet<_> = blocks.concat().into_iter().filter_map(build).collect();
    for build in builds {
        Terminal::open(&build, &root()).end(0, BUILD);
    }
    let test = Namespace::new("the_commands_of_the_readme_do_what_it_says").deadline(10 * ENDS);
    test.run(|| {
        for block in &blocks {
            let found = block.iter().filter_map(|line| expectations.iter().find(|one| one.command == *line));
            try_out(found);
        }
    });
}

/// What builds the program that a command runs.
fn build(command: &str) -> Option<String> {
    if command.starts_with("cargo zre ") {
        return Some("cargo zre --version".into());
    }
    let run = command.strip_prefix("cargo run ")?;
    let (options, _) = run.split_once(" -- ").unwrap_or((run, ""));
    Some(format!("cargo build {options}"))
}

/// Types the commands of a block.
fn try_out<'a>(block: impl Iterator<Item = &'a Expectation>) {
    let mut staying = Vec::new();
    for Expectation { command, does } in block {
        eprintln!("$ {command}");
        match does {
            Does::Stage(_) => {}
            Does::Ends { code, shows, files } => try_to_the_end(command, *code, shows, files),
            Does::Stays(stays) => staying.push((start(command, stays), stays)),
        }
    }
    for (terminal, stays) in &mut staying {
        stays.meets.iter().for_each(|words| terminal.expect(words, START));
    }
    for (terminal, stays) in &mut staying {
        stays.types.iter().for_each(|line| terminal.type_line(line));
    }
    for (terminal, stays) in &mut staying {
        stays.shows.iter().for_each(|words| terminal.expect(words, PATIENCE));
    }
    while let Some((mut terminal, stays)) = staying.pop() {
        terminal.interrupt();
        let shown = terminal.end(stays.code, ENDS);
        stays.ends.iter().for_each(|words| assert!(shown.contains(words), "{words:?} is not in:\n{shown}"));
    }
}

fn try_to_the_end(command: &str, code: i32, shows: &[&str], files: &[&str]) {
    let files: Vec<_> = files.iter().map(|file| (root().join(file), fs::read(root().join(file)).ok())).collect();
    files.iter().filter(|(_, before)| before.is_some()).for_each(|(file, _)| fs::remove_file(file).expect("it goes"));
    let shown = Terminal::open(command, &root()).end(code, ENDS);
    shows.iter().for_each(|words| assert!(shown.contains(words), "$ {command}\n{words:?} is not in:\n{shown}"));
    for (file, before) in files {
        let written = fs::read(&file).unwrap_or_else(|why| panic!("$ {command}\n{}: {why}", file.display()));
        assert!(!written.is_empty(), "{} is empty", file.display());
        // The user's own of that name is the user's again.
        match before {
            Some(before) => fs::write(&file, before).expect("it can be written"),
            None => fs::remove_file(&file).expect("it can be removed"),
        }
    }
}

fn start(command: &str, stays: &Stays) -> Terminal {
    if !stays.starts.is_empty() {
        let mut terminal = Terminal::open(command, &root());
        terminal.expect(stays.starts, START);
        return terminal;
    }
    let beacons = Beacons::listen();
    let terminal = Terminal::open(command, &root());
    beacons.hear(command);
    terminal
}

/// Hears beacons on whatever UDP port they go to. In the namespace one may.
struct Beacons(Socket);

impl Beacons {
    fn listen() -> Self {
        assert!(namespace::is_inside());
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("root may have a raw socket");
        socket.set_read_timeout(Some(START)).expect("a time-out");
        Self(socket)
    }

    fn hear(mut self, command: &str) {
        let mut packet = [0; 2048];
        loop {
            match self.0.read(&mut packet) {
                // Headers of IP and UDP, then the beacon.
                Ok(length) if packet[..length].get(28..32) == Some(b"ZRE\x01") => return,
                Ok(_) => {}
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => panic!("$ {command}\nno beacon: {why}"),
            }
        }
    }
}
