//! The frames of a WHISPER or SHOUT.

use alloc::{string::String, vec::Vec};
use bytes::Bytes;
use core::{
    fmt,
    ops::{Deref, Range},
};
use smallvec::SmallVec;

/// The frames of a message: none, one (the usual case, without an allocation) or several. Cloning shares the octets; what
/// was received keeps memory around it, too, until it is dropped or [detached](Content::detach).
///
/// ```
/// use zre_engine::Content;
///
/// let one: Content = "hello".into();
/// let three: Content = ["a", "", "c"].into();
/// assert_eq!((one.len(), three.len()), (1, 3));
/// assert_eq!(one.text(), "hello");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content(SmallVec<[Bytes; 1]>);

impl Content {
    /// No frame at all.
    pub fn new() -> Self {
        Self(SmallVec::new())
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, frame: impl Into<Bytes>) {
        self.0.push(frame.into());
    }

    /// Copies the frames, so that each keeps nothing but itself in memory.
    ///
    /// What was received is a part of something larger: short frames share blocks of up to 32 KiB with others, and large ones
    /// are slices of what the driver read. Call this before you keep a message for long.
    pub fn detach(&mut self) {
        self.copy_out(0, 0..usize::MAX);
    }

    /// All octets of all frames.
    #[inline]
    pub fn octets(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// The first frame as text, with U+FFFD where it is not UTF-8; empty if there is none.
    pub fn text(&self) -> alloc::borrow::Cow<'_, str> {
        self.0.first().map_or_else(Default::default, |frame| String::from_utf8_lossy(frame))
    }

    /// Copies the frames from this one on that have such a length: each then keeps nothing but itself in memory.
    pub(crate) fn copy_out(&mut self, from: usize, lengths: Range<usize>) {
        for frame in self.0.iter_mut().skip(from).filter(|frame| lengths.contains(&frame.len())) {
            *frame = Bytes::copy_from_slice(frame);
        }
    }
}

impl Deref for Content {
    type Target = [Bytes];

    fn deref(&self) -> &[Bytes] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Content {
    type Item = &'a Bytes;
    type IntoIter = core::slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Content {
    type Item = Bytes;
    type IntoIter = Frames;

    fn into_iter(self) -> Frames {
        Frames(self.0.into_iter())
    }
}

/// The frames of a [`Content`], one after the other.
#[derive(Debug)]
pub struct Frames(smallvec::IntoIter<[Bytes; 1]>);

impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Frames {}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl From<Bytes> for Content {
    fn from(frame: Bytes) -> Self {
        Self(SmallVec::from_buf([frame]))
    }
}

impl From<&str> for Content {
    fn from(frame: &str) -> Self {
        Bytes::copy_from_slice(frame.as_bytes()).into()
    }
}

impl From<&[u8]> for Content {
    fn from(frame: &[u8]) -> Self {
        Bytes::copy_from_slice(frame).into()
    }
}

impl From<String> for Content {
    fn from(frame: String) -> Self {
        Bytes::from(frame).into()
    }
}

impl From<Vec<u8>> for Content {
    fn from(frame: Vec<u8>) -> Self {
        Bytes::from(frame).into()
    }
}

impl From<Vec<Bytes>> for Content {
    fn from(frames: Vec<Bytes>) -> Self {
        Self(frames.into())
    }
}

impl<const N: usize> From<[&str; N]> for Content {
    fn from(frames: [&str; N]) -> Self {
        frames.into_iter().map(|frame| Bytes::copy_from_slice(frame.as_bytes())).collect()
    }
}

impl<const N: usize> From<[Bytes; N]> for Content {
    fn from(frames: [Bytes; N]) -> Self {
        frames.into_iter().collect()
    }
}

impl FromIterator<Bytes> for Content {
    fn from_iter<I: IntoIterator<Item = Bytes>>(frames: I) -> Self {
        Self(frames.into_iter().collect())
    }
}
