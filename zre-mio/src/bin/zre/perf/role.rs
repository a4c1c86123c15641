//! What a node of `zre perf` is, as its header tells.

use zre_mio::Headers;

/// The header by which nodes of `zre perf` know each other.
pub(super) const HEADER: &str = "X-ZRE-PERF";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Answers whispers.
    Echo,
    /// Counts, and reports.
    Sink,
    /// Asks one of the two.
    Asker,
}

impl Role {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Sink => "sink",
            Self::Asker => "asker",
        }
    }

    /// What the headers tell; none of a program of another kind.
    pub(super) fn of(headers: &Headers) -> Option<Self> {
        let value = headers.get(HEADER)?;
        [Self::Echo, Self::Sink, Self::Asker].into_iter().find(|role| role.as_str() == value)
    }
}
