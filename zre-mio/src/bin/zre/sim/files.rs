//! The files that a run leaves behind.

use super::{Failure, Options, Outcome, plot};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Files that have been opened and not yet been written.
#[derive(Debug)]
pub(super) struct Files {
    plot: Option<Open>,
    trace: Option<Open>,
    pcap: Option<Open>,
}

#[derive(Debug)]
struct Open {
    option: &'static str,
    path: PathBuf,
    file: File,
}

impl Files {
    pub(super) fn create(options: &Options) -> Result<Self, Failure> {
        let create = |option, path: &Option<PathBuf>| path.as_deref().map(|path| Open::new(option, path)).transpose();
        Ok(Self {
            plot: create("--plot", &options.plot)?,
            trace: create("--trace", &options.trace)?,
            pcap: create("--pcap", &options.pcap)?,
        })
    }

    /// Whether all that happens has to be written down.
    pub(super) fn trace(&self) -> bool {
        self.trace.is_some() || self.pcap.is_some()
    }

    pub(super) fn write(self, outcome: &Outcome) -> Result<(), Failure> {
        if let Some(open) = self.plot {
            open.write(|out| out.write_all(plot::svg(outcome).map_err(io::Error::other)?.as_bytes()))?;
        }
        let Some(trace) = &outcome.trace else { return Ok(()) };
        if let Some(open) = self.trace {
            open.write(|out| trace.write_jsonl(out))?;
        }
        if let Some(open) = self.pcap {
            open.write(|out| trace.write_pcap(out))?;
        }
        Ok(())
    }
}

impl Open {
    fn new(option: &'static str, path: &Path) -> Result<Self, Failure> {
        match File::create(path) {
            Ok(file) => Ok(Self { option, path: path.to_owned(), file }),
            Err(error) => Err(failure(option, path, &error)),
        }
    }

    fn write(self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), Failure> {
        let Self { option, path, file } = self;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        write(&mut out).and_then(|()| out.flush()).map_err(|error| failure(option, &path, &error))
    }
}

fn failure(option: &str, path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "make its directory first",
        io::ErrorKind::StorageFull => "choose another disk, or fewer nodes or seconds",
        _ => "choose a file that you may write",
    };
    Failure::Run(format!("{}: {error}; {advice} ({option})", path.display()))
}
