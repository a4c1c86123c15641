//! Lines of the input, none of them without end.

use crate::cli::complain;
use std::io::{BufRead, Read};

/// The longest line that is read, in octets. The largest message there can be fits, each octet written as `\u0000`.
const LONGEST: usize = 128 << 20;
/// Room that is kept for the next line after a longer one.
const KEPT: usize = 1 << 20;

/// What is read, line by line.
#[derive(Debug)]
pub(super) struct Input<R> {
    from: R,
    longest: usize,
    line: Vec<u8>,
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(from: R) -> Self {
        Self::with_longest(from, LONGEST)
    }

    fn with_longest(from: R, longest: usize) -> Self {
        Self { from, longest, line: Vec::new() }
    }

    /// The next line, or why it is none; nothing at the end. The last line may lack its end.
    pub(super) fn next_line(&mut self) -> Option<Result<&[u8], String>> {
        self.line.clear();
        self.line.shrink_to(KEPT);
        if self.read(self.longest + 1) == 0 {
            return None;
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > self.longest {
            self.skip_the_rest();
            return Some(Err(format!("the line is longer than {} octets", self.longest)));
        }
        Some(Ok(&self.line))
    }

    /// Reads to the end of the line, or so many octets.
    fn read(&mut self, most: usize) -> usize {
        let mut from = self.from.by_ref().take(most as u64);
        from.read_until(b'\n', &mut self.line).unwrap_or_else(|error| {
            complain(&format!("the input cannot be read any more: {error}"));
            0
        })
    }

    fn skip_the_rest(&mut self) {
        while self.line.last().is_some_and(|octet| *octet != b'\n') {
            self.line.clear();
            self.read(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_skipped_and_the_next_is_read() {
        let long = "x".repeat(3 * KEPT);
        let text = format!("12345678\n123456789\n\n{long}\nafter\n{long}\n123456789");
        let mut input = Input::with_longest(text.as_bytes(), 8);
        let mut lines = Vec::new();
        while let Some(line) = input.next_line() {
            lines.push(line.map(|line| String::from_utf8_lossy(line).into_owned()).ok());
        }
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(lines, [some("12345678"), None, some(""), None, some("after"), None, None]);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        let mut input = Input::new(&b"one\ntwo"[..]);
        assert_eq!(input.next_line(), Some(Ok(&b"one"[..])));
        assert_eq!(input.next_line(), Some(Ok(&b"two"[..])));
        assert_eq!(input.next_line(), None);
    }
}
