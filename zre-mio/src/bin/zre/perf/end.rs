//! Why there is no result.

use crate::{cli::complain, signals::INTERRUPTED};
use std::process::ExitCode;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// It could not be done.
    Failed(String),
    /// The user does not want it any more; this is how far it was.
    Interrupted(String),
}

impl End {
    /// Says so on standard error.
    pub(super) fn tell(&self) -> ExitCode {
        match self {
            Self::Failed(why) => {
                complain(why);
                ExitCode::FAILURE
            }
            Self::Interrupted(how_far) => {
                complain(&format!("interrupted {how_far}"));
                ExitCode::from(INTERRUPTED)
            }
        }
    }
}
