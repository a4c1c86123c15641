//! The `zre` program, built by the run and driven as a user drives it.

use crate::{
    children::{self, JsonLines},
    namespace,
};
use std::{
    env, io,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{
        OnceLock,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

/// How long the program may take to build.
const BUILD: Duration = Duration::from_secs(600);

/// Builds the program, once for each test process, and says where it is.
///
/// Call it outside of a namespace too: the first build may have to fetch what it is made of.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let what = ["--package", "zre-mio", "--features", "cli", "--bin", "zre"];
    PROGRAM.get_or_init(|| build(&what).pop().expect("cargo names what it has built")).clone()
}

/// Has cargo build what these arguments name, and says where the programs are.
pub(crate) fn build(what: &[&str]) -> Vec<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]).args(what);
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let finished = namespace::finish(cargo, BUILD).expect("cargo starts");
    assert!(finished.status.success(), "{what:?} does not build:\n{}", finished.output);
    let artifacts = finished.output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    artifacts.filter_map(|line| line["executable"].as_str().map(PathBuf::from)).collect()
}

/// `zre` with these arguments; nothing is inherited but the environment.
pub fn zre(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A `zre` that runs to its end by itself; what it writes to standard output and standard error is told apart.
#[derive(Debug)]
pub struct Run {
    what: String,
    process: u32,
    end: Receiver<io::Result<Output>>,
}

impl Run {
    /// Starts `zre` with these arguments, and with nothing to read.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        let what = format!("zre {arguments:?}");
        let child = zre(arguments).stdin(Stdio::null()).spawn().unwrap_or_else(|why| panic!("{what}: {why}"));
        let process = child.id();
        let (done, end) = mpsc::channel();
        thread::spawn(move || done.send(child.wait_with_output()));
        Self { what, process, end }
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        assert!(children::signal(name, &self.process.to_string()), "{}: {name} cannot be sent", self.what);
    }

    /// Waits for its end, which must come in time.
    #[track_caller]
    pub fn end(self, within: Duration) -> Output {
        match self.end.recv_timeout(within) {
            Ok(output) => output.expect("what it writes can be read"),
            Err(_) => {
                let _ = children::signal("KILL", &self.process.to_string());
                panic!("{}: no end within {within:?}", self.what);
            }
        }
    }
}

/// `zre chat` whose output is JSON lines. What is said to it goes as typed lines: see [`JsonLines::type_line`].
pub fn chat(name: &str, arguments: &[&str]) -> JsonLines {
    let mut command = zre(&["chat", "--json", "--name", name]);
    command.args(arguments);
    JsonLines::start(name, command)
}

/// `zre pipe`: a node that is told what to do in JSON lines, too.
pub fn pipe(name: &str, arguments: &[&str]) -> JsonLines {
    let mut command = zre(&["pipe", "--name", name]);
    command.args(arguments);
    JsonLines::start(name, command)
}
