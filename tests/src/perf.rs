//! `zre perf`: run as a user runs it, and what it told taken apart.

use crate::{
    children::JsonLines,
    zre::{self, Run},
};
use serde_json::{Value, json};
use std::{process::Output, time::Duration};

/// What a measurement may take here, where the program was not built to be fast.
pub const MEASURED: Duration = Duration::from_secs(60);

/// On this machine alone.
pub const LO: [&str; 2] = ["--interface", "lo"];

/// What `rtt --json` tells, in this order.
pub const RTT: [&str; 5] = ["p50_us", "p99_us", "p999_us", "count", "size"];
/// What `whisper --json` and `shout --json` tell.
pub const RATES: [&str; 7] = ["messages_per_s", "mb_per_s", "seconds", "count", "size", "receivers", "lost"];

/// `zre perf echo` or `sink`, once it has started.
#[track_caller]
pub fn serve(what: &str, name: &str, arguments: &[&str]) -> JsonLines {
    let mut command = zre::zre(&["perf", what, "--json", "--name", name]);
    command.args(arguments);
    JsonLines::start(name, command)
}

/// `zre perf rtt`, `whisper` or `shout` to its end.
#[track_caller]
pub fn ask(arguments: &[&str]) -> Output {
    Run::start(&[&["perf"], arguments].concat()).end(MEASURED)
}

/// Output as text.
pub fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// The one object that is the output, with these keys in this order.
#[track_caller]
pub fn result(output: &Output, keys: &[&str]) -> Value {
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{errors}", output.status);
    let line = out.strip_suffix('\n').unwrap_or_else(|| panic!("a line: {out:?}"));
    assert!(!line.contains('\n'), "one line: {out}");
    let fields = line.trim_matches(['{', '}']).split(',').filter_map(|field| field.split_once(':'));
    let found: Vec<_> = fields.map(|(key, _)| key.trim_matches('"')).collect();
    assert_eq!(found, keys, "{line}");
    serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"))
}

/// What `rtt --json` found.
#[track_caller]
pub fn rtt(arguments: &[&str], count: u64, size: usize) -> Value {
    let (count_text, size_text) = (count.to_string(), size.to_string());
    let output = ask(&[&["rtt", "--json", "--count", &count_text, "--size", &size_text], arguments].concat());
    let found = result(&output, &RTT);
    let [p50, p99, p999] = ["p50_us", "p99_us", "p999_us"].map(|key| found[key].as_f64().expect("a number"));
    assert!(0.0 < p50 && p50 <= p99 && p99 <= p999, "{found}");
    assert_eq!((&found["count"], &found["size"]), (&json!(count), &json!(size)));
    found
}

/// What `whisper --json` or `shout --json` found, and what was said besides.
#[track_caller]
pub fn rates(arguments: &[&str], count: u64, size: usize, receivers: u64, lost: Value) -> String {
    let (count_text, size_text) = (count.to_string(), size.to_string());
    let output = ask(&[arguments, &["--json", "--count", &count_text, "--size", &size_text]].concat());
    check_rates(&output, count, size, receivers, lost)
}

/// The same of what has ended already.
#[track_caller]
pub fn check_rates(output: &Output, count: u64, size: usize, receivers: u64, lost: Value) -> String {
    let found = result(output, &RATES);
    let told = [&found["count"], &found["size"], &found["receivers"], &found["lost"]];
    assert_eq!(told, [&json!(count), &json!(size), &json!(receivers), &lost], "{found}");
    let number = |key: &str| found[key].as_f64().expect("a number");
    let [messages, megabytes, seconds] = ["messages_per_s", "mb_per_s", "seconds"].map(number);
    assert!(seconds > 0.0, "{found}");
    let near = |one: f64, other: f64| (one - other).abs() <= 0.01 * other + 0.1;
    assert!(near(messages * seconds, (count * receivers) as f64), "{found}");
    assert!(near(megabytes * 1e6 * seconds, (count * receivers * size as u64) as f64) || megabytes < 1.0, "{found}");
    text(&output.stderr)
}

/// That it ends by itself, with this code, and with one line that has all these words.
#[track_caller]
pub fn fails(output: &Output, code: i32, words: &[&str]) {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty(), "no result: {}", text(&output.stdout));
    let said: Vec<_> = errors.lines().filter(|line| line.starts_with("zre: ")).collect();
    assert_eq!(said.len(), 1, "{errors}");
    for word in words {
        assert!(said[0].contains(word), "{word:?} is not in: {errors}");
    }
}
