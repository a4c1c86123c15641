//! What contestants need beyond this program, made outside the namespace and told to the inside.

use crate::{contestant::Contestant, pyre::Pyre, zyrejs::ZyreJs};
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where things are; none is not here.
#[derive(Debug, Default)]
pub struct Installed {
    /// `peers/libzmq.c`, compiled.
    pub libzmq: Option<PathBuf>,
    /// The Python that has Pyre.
    pub pyre: Option<PathBuf>,
    /// The modules of Node.js that have zyre.js.
    pub zyrejs: Option<PathBuf>,
}

const LIBZMQ: &str = "VERSUS_LIBZMQ";
const PYRE: &str = "VERSUS_PYRE";
const ZYREJS: &str = "VERSUS_ZYREJS";

impl Installed {
    /// Makes what these contestants need, as far as that is possible, for the environment of the inside.
    pub fn make(contestants: &[Contestant]) -> Vec<(&'static str, OsString)> {
        let made = |contestant, variable, make: fn() -> Option<PathBuf>| {
            let made = contestants.contains(&contestant).then(make).flatten();
            (variable, made.unwrap_or_default().into())
        };
        vec![
            made(Contestant::Libzmq, LIBZMQ, libzmq),
            made(Contestant::Pyre, PYRE, Pyre::install),
            made(Contestant::ZyreJs, ZYREJS, ZyreJs::install),
        ]
    }

    /// What was made.
    pub fn find() -> Self {
        let found = |variable| env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { libzmq: found(LIBZMQ), pyre: found(PYRE), zyrejs: found(ZYREJS) }
    }
}

/// A file in `peers`.
pub fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

fn libzmq() -> Option<PathBuf> {
    let program = env::current_exe().ok()?.with_file_name("versus-libzmq");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(peer("libzmq.c")).arg("-lzmq");
    let compiled = compiler.stdin(Stdio::null()).status().ok()?;
    compiled.success().then_some(program)
}
