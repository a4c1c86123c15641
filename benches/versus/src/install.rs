//! What contestants need beyond this program, made outside the namespace and told to the inside.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where things are; none is not here.
#[derive(Debug, Default)]
pub struct Installed {
    /// `peers/libzmq.c`, compiled.
    pub libzmq: Option<PathBuf>,
}

const LIBZMQ: &str = "VERSUS_LIBZMQ";

impl Installed {
    /// Makes what can be made, and leaves it in the environment for the inside.
    pub fn make() -> Vec<(&'static str, PathBuf)> {
        libzmq().map(|path| (LIBZMQ, path)).into_iter().collect()
    }

    /// What was made.
    pub fn find() -> Self {
        Self { libzmq: env::var_os(LIBZMQ).map(PathBuf::from) }
    }
}

fn libzmq() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/libzmq.c");
    let program = env::current_exe().ok()?.with_file_name("versus-libzmq");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).arg("-lzmq");
    let compiled = compiler.stdin(Stdio::null()).status().ok()?;
    compiled.success().then_some(program)
}
