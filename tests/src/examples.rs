//! The examples of the crates, built by the run and started as a reader starts them.

use crate::zre;
use std::{path::PathBuf, process::Command, sync::OnceLock};

/// Builds the examples, once for each test process, and says where they are.
///
/// Call it outside of a namespace too: the first build may have to fetch what they are made of.
pub fn build() -> &'static [PathBuf] {
    static PROGRAMS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(|| zre::build(&["--package", "zre-engine", "--package", "zre-mio", "--examples"]))
}

/// The example of that name.
#[track_caller]
pub fn example(name: &str) -> Command {
    let found = build().iter().find(|program| program.file_stem().is_some_and(|stem| stem == name));
    Command::new(found.unwrap_or_else(|| panic!("there is no example {name}")))
}
