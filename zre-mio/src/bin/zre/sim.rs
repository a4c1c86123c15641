//! `zre sim`: a cluster that exists only in this process, on a simulated network, in simulated time.

mod files;
mod outcome;
mod plot;
mod progress;
mod table;
mod workload;

use crate::{
    cli::{USAGE, complain},
    clock,
    output::Output,
    text::clean,
};
use clap::Args;
use files::Files;
use outcome::Outcome;
use progress::Progress;
use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};
use workload::{Chatter, GROUP};
use zre_engine::{
    Config,
    sim::{Network, Op, Plan, Scenario, Sim, Trial, UnknownNetwork},
};

/// Run a simulated cluster: many nodes, a bad network, simulated time, nothing sent for real
///
/// All chance comes from the seed: the same command does the same again, to the last octet. Without --scenario each node
/// joins the group sim, whispers to somebody about once a second, and now and then shouts; nothing goes wrong but what the
/// network does. All the time it is checked that no message is lost, doubled or out of order, that nobody goes without a
/// reason, and more of that kind; what does not hold is a violation.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// How many nodes there are, at most 10000; time and memory grow with the square of it [default: 10]
    #[arg(long, value_name = "N", value_parser = nodes)]
    nodes: Option<usize>,
    /// Where all chance begins; another seed is another run [default: 1]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// What the network is like: lan, wifi, wan, or hostile, where everything goes wrong [default: lan]
    #[arg(long, value_name = "NAME", value_parser = network)]
    network: Option<Preset>,
    /// How many hostile machines there are beside the nodes, at most 1000: they forge beacons and HELLOs, flood, stall. What
    /// they make up enters, and is counted, like nodes and what these say [default: 0]
    #[arg(long, value_name = "N", value_parser = hostile)]
    hostile: Option<usize>,
    /// Nodes find each other not by beacons but by gossip, over so many hubs, at most 64
    #[arg(long, value_name = "N", value_parser = hubs)]
    hubs: Option<usize>,
    /// All nodes want to lead the group sim: leaders are elected
    #[arg(long)]
    contest: bool,
    /// How many simulated seconds to run, as in 10 or 0.5 [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Run what this JSON file says (- is standard input), then heal everything and check that all is well again.
    /// --nodes, --seed, --network, --hostile, --hubs, --contest and --duration, where given, come before what the file says
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Draw how the nodes found each other: the share of pairs that see each other, over simulated time
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Write down all that happened, one JSON object a line; takes memory
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write down all packets, for Wireshark; takes memory
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Print what came of it as one JSON object; all times are in milliseconds
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = r#"Examples:
  zre sim                                            10 nodes meet on a good network
  zre sim --nodes 100 --network wifi --seed 7        more of them, on a worse one
  zre sim --network hostile --plot mesh.svg --pcap mesh.pcap
  zre sim --hostile 20                               10 nodes among 20 that lie
  zre sim --hubs 2 --contest                         by gossip over two hubs; they elect a leader
  zre sim --scenario split.json --seed 8 --json

A scenario says what happens when, in milliseconds; nodes are numbered from 0:
  {"seed": 1, "nodes": 5, "network": "wifi", "duration": 20000, "operations": [
    {"at": 3000, "do": "partition", "one": [0, 1], "other": [2, 3, 4]},
    {"at": 9000, "do": "heal"},
    {"at": 12000, "do": "kill", "node": 2},
    {"at": 15000, "do": "restart", "node": 2},
    {"at": 19000, "do": "whisper", "node": 0, "to": 2, "octets": 100}]}
With "hostile": 20 beside "nodes" there are that many hostile machines, until all is healed in the end.
With "discovery": {"gossip": {"hubs": 2}}, "peers" (each node was told of those before it) or {"mixed": {"hubs": 1}} nodes
find each other so; hubs are numbered after the nodes, and operations can be about them. With "contest": ["sim"] all nodes
are in that group and want to lead it.
There are join, leave, contest, whisper, shout, flood, disconnect, crash, kill, stop, restart, pause, resume, slow, clock, move,
link, partition, reset, forget, heal and network; `cargo doc -p zre-engine --features sim` has them under sim::Op.

Exit codes: 0 all is well; 1 something was violated, or a file could not be written; 2 the command line or the scenario
makes no sense."#;

/// How much is simulated before the progress is shown again: of a thousand nodes, the first tenth of a second has most of
/// the work.
const STEP: Duration = Duration::from_millis(10);

/// A network that has a name.
#[derive(Debug, Clone)]
struct Preset {
    name: String,
    network: Network,
}

/// Why there is no result.
#[derive(Debug)]
enum Failure {
    /// What was asked for makes no sense.
    Usage(String),
    /// It could not be done.
    Run(String),
}

/// Runs to the end.
pub(crate) fn run(options: &Options) -> ExitCode {
    match simulate(options) {
        Ok(code) => code,
        Err(Failure::Usage(why)) => {
            complain(&why);
            ExitCode::from(USAGE)
        }
        Err(Failure::Run(why)) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn simulate(options: &Options) -> Result<ExitCode, Failure> {
    let scenario = options.scenario()?;
    // Before anything runs: that a file cannot be written should not come out after an hour.
    let files = Files::create(options)?;
    // How long it took is the one thing here that is not simulated.
    let begin = clock::now();
    let mut outcome = match &scenario {
        Some(scenario) => options.run_scenario(scenario, files.trace()),
        None => options.run_cluster(files.trace()),
    };
    outcome.real = begin.elapsed();
    let written = files.write(&outcome);

    let output = Output::new();
    if options.json {
        output.line(outcome.to_json());
    } else {
        table::print(&outcome, &output);
    }
    written?;
    Ok(if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Options {
    /// The scenario to run, if there is one, with what the command line changes in it.
    fn scenario(&self) -> Result<Option<Scenario>, Failure> {
        let Some(file) = &self.scenario else { return Ok(None) };
        let is_input = file.as_os_str() == "-";
        let name = if is_input { "standard input".to_owned() } else { file.display().to_string() };
        let mut text = String::new();
        let read = match is_input {
            true => io::stdin().read_to_string(&mut text).map(drop),
            false => fs::read_to_string(file).map(|found| text = found),
        };
        // What the text is quoted with may be anything; it must not reach the terminal as it is.
        let failure = |why: String| Failure::Usage(clean(&why).into_owned());
        read.map_err(|error| failure(format!("{name}: the scenario cannot be read: {error}")))?;
        let mut scenario = Scenario::from_json(&text)
            .map_err(|error| failure(format!("{name}: {error} (zre sim --help shows one)")))?;
        if let Some(why) = too_long(&scenario) {
            return Err(Failure::Usage(format!("{name}: {why}")));
        }

        scenario.nodes = self.nodes.unwrap_or(scenario.nodes);
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        scenario.duration = self.duration.unwrap_or(scenario.duration);
        scenario.hostile = self.hostile.unwrap_or(scenario.hostile);
        scenario.discovery = self.plan().unwrap_or(scenario.discovery);
        if self.contest && !scenario.contest.iter().any(|group| group == GROUP) {
            scenario.contest.push(GROUP.to_owned());
        }
        if let Some(preset) = &self.network {
            scenario.network = preset.network.clone();
        }
        Ok(Some(scenario))
    }

    fn run_scenario(&self, scenario: &Scenario, trace: bool) -> Outcome {
        let mut progress = Progress::of_scenario(scenario);
        let trial = Trial::of_nodes().trace(trace);
        let report = trial.run_seen(scenario, |sim| progress.show(sim.now(), sim.mesh()));
        Outcome::of_scenario(report, self.again(Some(scenario)))
    }

    fn run_cluster(&self, trace: bool) -> Outcome {
        let nodes = self.nodes.unwrap_or(10);
        let (name, network) = match &self.network {
            Some(Preset { name, network }) => (name.as_str(), network.clone()),
            None => ("lan", Network::lan()),
        };
        let plan = self.plan().unwrap_or_default();
        let mut builder = Sim::builder(self.seed.unwrap_or(1))
            .nodes(nodes, move |_| Chatter::new(nodes))
            .hubs(plan.hubs())
            .discovery(move |machine| plan.of(machine, nodes))
            .network(network)
            .hostile(self.hostile.unwrap_or(0))
            .trace(trace)
            .keep_going(true);
        if self.contest {
            builder = builder.contest(GROUP);
        }
        let mut sim = builder.build();
        let end = self.duration.unwrap_or(Duration::from_secs(10));
        let mut progress = Progress::of(end);
        while sim.now() < end {
            sim.run_for(STEP.min(end - sim.now()));
            progress.show(sim.now(), sim.mesh());
        }
        Outcome::of_cluster(&mut sim, (self.hostile.unwrap_or(0), plan.hubs()), name, self.again(None))
    }

    /// How nodes find each other, where the command line says so.
    fn plan(&self) -> Option<Plan> {
        self.hubs.map(|hubs| if hubs == 0 { Plan::Beacons } else { Plan::Gossip { hubs } })
    }

    /// The command that does the same again.
    fn again(&self, scenario: Option<&Scenario>) -> String {
        let mut command = "zre sim".to_owned();
        match (scenario, &self.scenario) {
            // What came through a pipe is gone, so it goes into the command, with all that was changed in it.
            (Some(scenario), Some(file)) if file.as_os_str() == "-" => {
                return format!("echo {} | zre sim --scenario -", quoted(&scenario.to_json()));
            }
            (_, Some(file)) => command += &format!(" --scenario {}", quoted(&file.display().to_string())),
            _ => {}
        }
        let mut add = |option: &str, value: Option<String>| {
            command.extend(value.map(|value| format!(" --{option} {value}")));
        };
        // All of them where there is no file, so that other defaults in another version do not matter.
        let or = |default: &str| scenario.is_none().then(|| default.to_owned());
        add("nodes", self.nodes.map(|nodes| nodes.to_string()).or_else(|| or("10")));
        add("seed", self.seed.map(|seed| seed.to_string()).or_else(|| or("1")));
        add("network", self.network.as_ref().map(|preset| preset.name.clone()).or_else(|| or("lan")));
        add("hostile", self.hostile.map(|hostile| hostile.to_string()));
        add("hubs", self.hubs.map(|hubs| hubs.to_string()));
        add("duration", self.duration.map(|end| end.as_secs_f64().to_string()).or_else(|| or("10")));
        if self.contest {
            command += " --contest";
        }
        command
    }
}

/// What is wrong where a message is longer than any node would send: it must not be made only to be refused.
fn too_long(scenario: &Scenario) -> Option<String> {
    let most = Config::default().limits.message;
    scenario.operations.iter().find_map(|operation| match operation.what {
        Op::Whisper { octets, .. } | Op::Shout { octets, .. } | Op::Flood { octets, .. } if octets > most => {
            Some(format!("a message of {octets} octets is too long; it may have {most}"))
        }
        _ => None,
    })
}

/// A word as a shell takes it, whatever is in it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+,:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn nodes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(nodes @ 1..=Scenario::NODES_MOST) => Ok(nodes),
        _ => Err(format!("there may be 1 to {} nodes", Scenario::NODES_MOST)),
    }
}

fn hostile(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(hostile @ 0..=Scenario::HOSTILE_MOST) => Ok(hostile),
        _ => Err(format!("there may be 0 to {} hostile machines", Scenario::HOSTILE_MOST)),
    }
}

fn hubs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(hubs @ 0..=Scenario::HUBS_MOST) => Ok(hubs),
        _ => Err(format!("there may be 0 to {} hubs", Scenario::HUBS_MOST)),
    }
}

fn network(name: &str) -> Result<Preset, UnknownNetwork> {
    Ok(Preset { name: name.into(), network: name.parse()? })
}

/// Microseconds are as fine as scenarios are.
fn seconds(text: &str) -> Result<Duration, String> {
    const MOST: f64 = 1e6;
    match text.parse() {
        Ok(seconds) if (1e-6..=MOST).contains(&seconds) => Ok(Duration::from_micros((seconds * 1e6).round() as u64)),
        _ => Err(format!("a duration is a number of seconds above 0, and at most {MOST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for nonsense in ["", "-1", "0", "NaN", "inf", "1e9", "5s"] {
            assert!(seconds(nonsense).is_err(), "{nonsense}");
        }
        assert!(nodes("0").is_err() && nodes("10001").is_err() && nodes("10000").is_ok());
    }

    #[test]
    fn a_shell_takes_a_word_for_a_word() {
        assert_eq!(quoted("dir/split.json"), "dir/split.json");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
