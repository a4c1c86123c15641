//! What nodes say to each other: whose message it is, its number among his, and octets that show whether they came whole.

use super::{Life, Wrong};
use zre_mio::{Content, bytes::Bytes};

/// A message of one node, to whomever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Message {
    pub(in super::super) from: Life,
    /// Larger for each message of this node, whoever it is for.
    pub(in super::super) number: u64,
    /// How many octets it has beside these.
    pub(in super::super) octets: usize,
}

impl Message {
    pub(in super::super) fn content(self) -> Content {
        let Self { from, number, octets } = self;
        let mut content = Content::from(format!("soak {} {number} {octets}", from.0));
        if octets > 0 {
            content.push(Bytes::from(vec![self.filling(); octets]));
        }
        content
    }

    pub(super) fn read(content: &Content) -> Result<Self, Wrong> {
        let text = content.first().map(|frame| String::from_utf8_lossy(frame)).unwrap_or_default();
        let mut words = text.split(' ');
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        let found = match (words.next(), number(words.next()), number(words.next()), number(words.next())) {
            (Some("soak"), Some(from), Some(number), Some(octets)) => {
                Some(Self { from: Life(from as usize), number, octets: octets as usize })
            }
            _ => None,
        };
        let found = found.ok_or_else(|| format!("{text:?} is no message of this soak"))?;
        let rest = content.get(1).map_or(&[][..], |frame| &frame[..]);
        let whole = content.len() == 1 + usize::from(found.octets > 0)
            && rest.len() == found.octets
            && rest.iter().all(|octet| *octet == found.filling());
        if whole { Ok(found) } else { Err(format!("message {} is not as it was sent", found.number)) }
    }

    fn filling(self) -> u8 {
        (self.number as u8).wrapping_mul(31).wrapping_add(self.from.0 as u8)
    }
}
