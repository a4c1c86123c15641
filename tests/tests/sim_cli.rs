//! `zre sim`: the same command gives the same result in every process, and what cannot work is said in a line.

use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};
use zre_tests::zre;

const SPLIT: &str = r#"{
    "seed": 3, "nodes": 5, "network": "lan", "duration": 20000, "operations": [
        {"at": 2000, "do": "join", "node": 1, "group": "chat"},
        {"at": 3000, "do": "partition", "one": [0, 1], "other": [2, 3, 4]},
        {"at": 9000, "do": "heal"},
        {"at": 12000, "do": "kill", "node": 2},
        {"at": 15000, "do": "restart", "node": 2},
        {"at": 19000, "do": "whisper", "node": 0, "to": 2, "octets": 100}
    ]
}"#;

/// A directory for the files of one test, empty and of this process only.
fn directory(test: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

/// `zre sim` with these arguments and this input.
fn sim_fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut sim = zre::zre(&["sim"]).args(arguments).stdin(Stdio::piped()).spawn().expect("it starts");
    // It need not read it all.
    let _ = sim.stdin.take().expect("a pipe").write_all(input);
    sim.wait_with_output().expect("it ends")
}

fn sim(arguments: &[&str]) -> Output {
    sim_fed(arguments, b"")
}

/// The object that `zre sim --json` prints, without the one thing that differs between runs.
#[track_caller]
fn json(arguments: &[&str]) -> Value {
    parsed(&sim(&[arguments, &["--json"]].concat()), arguments)
}

#[track_caller]
fn parsed(output: &Output, arguments: &[&str]) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{errors}", String::from_utf8_lossy(&output.stdout));
    assert!(errors.is_empty(), "nothing to complain of, no log, and no progress where there is no terminal: {errors}");
    let mut value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let real = value.as_object_mut().and_then(|object| object.remove("real_ms"));
    assert!(real.is_some_and(|real| real.is_u64()));
    value
}

#[test]
fn the_same_seed_is_the_same_run_in_another_process() {
    let one = json(&["--nodes", "6", "--seed", "7", "--duration", "3"]);
    assert_eq!(one, json(&["--nodes", "6", "--seed", "7", "--duration", "3"]));
    let other = json(&["--nodes", "6", "--seed", "8", "--duration", "3"]);
    assert_ne!(one["digest"], other["digest"]);

    let digest = one["digest"].as_str().expect("a text");
    assert!(digest.len() == 16 && digest.chars().all(|digit| digit.is_ascii_hexdigit()), "{digest}");
    for (name, expected) in [("nodes", 6), ("seed", 7), ("simulated_ms", 3000), ("flaps", 0), ("violations", 0)] {
        assert_eq!(one[name], expected, "{name}");
    }
    assert_eq!((one["network"].as_str(), &one["violated"]), (Some("lan"), &Value::Array(Vec::new())));
    assert_eq!(one["events"]["ENTER"], 30);
    for count in ["full_mesh_ms", "messages", "datagrams", "connects", "segments", "octets"] {
        assert!(one[count].as_u64() > Some(0), "{count}: {one}");
    }
    assert!(one["mesh_ms"]["p50"].as_u64() <= one["mesh_ms"]["p99"].as_u64());
    let heard = ["WHISPER", "SHOUT"].map(|kind| one["events"][kind].as_u64().unwrap_or(0));
    assert_eq!(one["messages"], heard.iter().sum::<u64>());
}

#[test]
fn the_defaults_are_those_of_the_help() {
    let said = json(&["--nodes", "10", "--seed", "1", "--network", "lan", "--duration", "10"]);
    assert_eq!(json(&[]), said);
}

#[test]
fn nodes_gossip_over_hubs_and_elect_a_leader() {
    let options = ["--nodes", "6", "--hubs", "2", "--contest", "--duration", "5"];
    let found = json(&options);
    assert_eq!((&found["hubs"], &found["datagrams"], &found["events"]["ENTER"]), (&2.into(), &0.into(), &30.into()));
    assert!(found["events"]["LEADER"].as_u64() >= Some(6) && found["violations"] == 0, "{found}");
    let text = String::from_utf8(sim(&options).stdout).expect("text");
    assert!(text.contains("6 nodes on lan, seed 1, by gossip over 2 hubs") && text.contains("LEADER"), "{text}");

    let scenario = r#"{"seed": 1, "nodes": 4, "discovery": {"gossip": {"hubs": 1}}, "operations": [
        {"at": 2000, "do": "kill", "node": 4}, {"at": 5000, "do": "restart", "node": 2}]}"#;
    let of_file = parsed(&sim_fed(&["--scenario", "-", "--contest", "--json"], scenario.as_bytes()), &options);
    assert_eq!((&of_file["hubs"], &of_file["violations"]), (&1.into(), &0.into()));
    assert!(of_file["events"]["LEADER"].is_u64());
    fails(2, &sim(&["--hubs", "65"]), &["--hubs", "64"]);
}

#[test]
fn on_every_network_the_nodes_meet_and_nothing_is_violated() {
    for network in ["lan", "wifi", "wan", "hostile"] {
        let found = json(&["--nodes", "5", "--network", network, "--duration", "20"]);
        assert_eq!(found["network"], network);
        assert!(found["full_mesh_ms"].is_u64(), "{found}");
    }
}

#[test]
fn what_came_of_it_is_readable_too() {
    let output = sim(&["--nodes", "4", "--duration", "2"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && output.stderr.is_empty());
    for words in ["4 nodes on lan, seed 1", "full mesh", "p99", "messages", "ENTER 12", "all invariants hold"] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    assert!(!text.contains('\x1b'), "colours are for terminals");
}

#[test]
fn a_scenario_is_run_and_healed() {
    let directory = directory("scenario");
    let file = directory.join("split.json");
    fs::write(&file, SPLIT).expect("it is written");
    let file = file.to_str().expect("text");

    let found = json(&["--scenario", file]);
    assert_eq!((&found["nodes"], &found["seed"]), (&5.into(), &3.into()));
    assert!(found["healed_ms"].is_u64() && found["simulated_ms"].as_u64() > Some(20_000), "{found}");
    // The killed node goes at all others, and comes back as another.
    assert_eq!((&found["events"]["EXIT"], &found["events"]["ENTER"]), (&4.into(), &28.into()));
    assert_eq!(found["messages"], 1);
    let input = sim_fed(&["--scenario", "-", "--json"], SPLIT.as_bytes());
    assert_eq!(parsed(&input, &["-"]), found);

    let options = ["--scenario", file, "--seed", "4", "--nodes", "6", "--network", "wifi", "--duration", "30"];
    let changed = json(&options);
    assert_ne!(changed["digest"], found["digest"]);
    let longer = changed["simulated_ms"].as_u64().zip(found["simulated_ms"].as_u64());
    assert!(longer.is_some_and(|(changed, found)| changed > found + 9_000), "{longer:?}");
    assert_eq!((&changed["seed"], &changed["nodes"], &changed["network"]), (&4.into(), &6.into(), &"wifi".into()));
    fs::remove_dir_all(directory).expect("it is removed");
}

#[test]
fn help_shows_a_scenario_that_works() {
    let help = sim(&["--help"]);
    let help = String::from_utf8(help.stdout).expect("text");
    for words in ["--nodes <N>", "--plot <FILE.svg>", "Exit codes", "zre sim --nodes 100"] {
        assert!(help.contains(words), "{words} is not in:\n{help}");
    }
    let example = help.find("  {").zip(help.rfind("]}\n")).map(|(begin, end)| &help[begin..end + 2]);
    let example = example.expect("an example");
    let found = parsed(&sim_fed(&["--scenario", "-", "--json"], example.as_bytes()), &["the help's scenario"]);
    assert_eq!(found["messages"], 1, "its whisper arrives");
}

#[test]
fn files_are_the_same_each_time() {
    let directory = directory("files");
    let names = ["mesh.svg", "trace.jsonl", "trace.pcap"];
    let run = |number: usize| {
        let paths = names.map(|name| directory.join(format!("{number}-{name}")));
        let [plot, trace, pcap] = paths.each_ref().map(|path| path.to_str().expect("text"));
        json(&["--nodes", "4", "--duration", "2", "--plot", plot, "--trace", trace, "--pcap", pcap]);
        paths.map(|path| fs::read(path).expect("it is there"))
    };
    let files = run(1);
    assert_eq!(files, run(2));
    fs::remove_dir_all(&directory).expect("it is removed");

    let [plot, trace, pcap] = files;
    let plot = String::from_utf8(plot).expect("text");
    assert!(plot.starts_with("<svg ") && plot.trim_end().ends_with("</svg>"), "{plot}");
    assert!(plot.contains("<polyline ") && plot.contains("4 nodes, lan network, seed 1"), "{plot}");
    assert_balanced(&plot);
    let lines = String::from_utf8(trace).expect("text");
    assert!(lines.lines().count() > 10);
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object())));
    assert!([[0xd4, 0xc3, 0xb2, 0xa1], [0x4d, 0x3c, 0xb2, 0xa1]].iter().any(|magic| pcap.starts_with(magic)));
}

/// Every tag of an XML text is closed, in the order that they were opened in.
#[track_caller]
fn assert_balanced(xml: &str) {
    let mut open = Vec::new();
    for tag in xml.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').expect("a tag ends");
        assert!(!text.contains('&') && tag.matches('"').count() % 2 == 0, "{tag}");
        let name = |tag: &str| tag.split_whitespace().next().map(str::to_owned);
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), name(closed)),
            None if tag.ends_with('/') => {}
            None => open.extend(name(tag)),
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

/// One line that names the trouble, and this exit code.
#[track_caller]
fn fails(code: i32, output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    // Where the command line makes no sense, a hint follows that every command gives.
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    assert_eq!(lines.count(), 1, "one line: {text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn what_cannot_work_is_one_clear_line() {
    fails(2, &sim(&["--network", "moon"]), &["moon", "lan, wifi, wan and hostile"]);
    fails(2, &sim(&["--nodes", "0"]), &["--nodes", "10000"]);
    fails(2, &sim(&["--duration", "soon"]), &["seconds"]);
    fails(2, &sim(&["--scenario", "/nowhere/at all.json"]), &["/nowhere/at all.json", "cannot be read"]);
    for (scenario, words) in [
        ("", &["standard input", "--help"][..]),
        ("{\"seed\": 1", &["no scenario", "line 1"]),
        (r#"{"seed": 1, "nodes": 20000}"#, &["20000", "10000"]),
        (r#"{"seed": 1, "nodes": 2, "network": "moon"}"#, &["moon", "lan, wifi"]),
        (r#"{"seed": 1, "nodes": 2, "operations": [{"at": 1, "do": "fly\u001b[2J\n"}]}"#, &["fly", "partition"]),
        (
            r#"{"seed": 1, "nodes": 2, "operations":
                [{"at": 1, "do": "whisper", "node": 0, "to": 1, "octets": 99999999999999}]}"#,
            &["99999999999999", "too long"],
        ),
        (r#"{"seed": 1, "nodes": 2, "knots": 2}"#, &["knots", "nodes"]),
    ] {
        fails(2, &sim_fed(&["--scenario", "-"], scenario.as_bytes()), words);
    }
    fails(2, &sim_fed(&["--scenario", "-"], b"\xff\xfe"), &["standard input"]);
    for option in ["--plot", "--trace", "--pcap"] {
        let output = sim(&["--nodes", "2", "--duration", "1", option, "/nowhere/file"]);
        fails(1, &output, &["/nowhere/file", "directory", option]);
    }
}

#[test]
fn a_violation_is_told_with_the_command_that_shows_it_again() {
    // No beacon arrives before the time to become well is over.
    let late = r#"{"seed": 1, "nodes": 2, "network": {"udp": {"latency": [900000, 900000]}}}"#;
    let output = sim_fed(&["--scenario", "-", "--json"], late.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&found["violations"], &found["healed_ms"], &found["full_mesh_ms"]),
        (&1.into(), &Value::Null, &Value::Null)
    );
    assert_eq!((&found["violated"][0]["rule"], &found["network"]), (&"convergence".into(), &"custom".into()));

    let output = sim_fed(&["--scenario", "-"], late.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("text");
    for words in ["1 violation:", "views become exact", "node 0 does not see node 1", "to see it again: echo '{"] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
}

#[test]
fn a_disk_that_is_full_is_an_error_and_the_result_is_printed_all_the_same() {
    let output = sim(&["--nodes", "2", "--duration", "1", "--json", "--trace", "/dev/full"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/dev/full") && text.contains("--trace") && text.lines().count() == 1, "{text}");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(value["violations"], 0);
}
