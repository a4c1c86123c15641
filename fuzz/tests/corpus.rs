//! The corpora, replayed without a fuzzer.

use std::{
    fs, panic,
    path::{Path, PathBuf},
};

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn stems(folder: &str) -> Vec<String> {
    entries(&here(folder)).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_input_of_every_corpus_holds() {
    for (name, target) in zre_fuzz::TARGETS {
        let inputs = entries(&here("corpus").join(name));
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            let data = fs::read(&input).unwrap();
            let held = panic::catch_unwind(|| target(&data));
            assert!(held.is_ok(), "{} does not hold", input.display());
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_a_binary_and_there_are_no_others() {
    let names: Vec<_> = zre_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(stems("corpus"), names);
    assert_eq!(stems("fuzz_targets"), names);
}
